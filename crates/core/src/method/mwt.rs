//! "Modularizing while Training" (ICSE 2024): mask generators, a cohesion loss and a coupling loss.
//!
//! | file | what it holds |
//! |---|---|
//! | `average` | how similarities of pairs become one number |
//! | `tensor` | both losses by Burn's operations |
//! | `host` | both losses and their gradients on arrays |

mod average;
mod host;
mod tensor;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

pub use self::average::Average;
pub use self::host::{HostLosses, host_losses};
pub use self::tensor::{ModularLosses, modular_losses};
use super::{
    Estimate, Estimated, HostBatch, HostTerms, Method, Observes, TensorBatch, Term, Weight, weight_fields,
};
use crate::backend::Compute;

/// Modularizing while training: mask generators, cohesion and coupling losses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mwt {
    /// Weight of the cohesion loss.
    #[serde(default = "alpha")]
    pub alpha: f64,
    /// Weight of the coupling loss.
    #[serde(default = "beta")]
    pub beta: f64,
    /// How similarities of pairs become one number.
    #[serde(default)]
    pub average: Average,
}

impl Default for Mwt {
    fn default() -> Self {
        Mwt { alpha: alpha(), beta: beta(), average: Average::default() }
    }
}

fn alpha() -> f64 {
    ALPHA.default
}

fn beta() -> f64 {
    BETA.default
}

const ALPHA: Weight = Weight {
    name: "alpha",
    label: "alpha (cohesion)",
    default: 0.5,
    range: [0.0, f64::INFINITY],
    help: "weight of the cohesion loss: how alike the masks of one class become",
};

const BETA: Weight = Weight {
    name: "beta",
    label: "beta (coupling)",
    default: 1.5,
    range: [0.0, f64::INFINITY],
    help: "weight of the coupling loss: how different the masks of two classes become",
};

/// 1 - mean cosine similarity of the masks of same-class pairs.
const COHESION: Term = Term {
    name: "cohesion",
    label: "cohesion",
    weight: ALPHA.name,
    estimate: Some(Estimate { of: Estimated::Cohesion, label: "cosine (batch)", complement: true }),
};

/// Mean cosine similarity of the masks of different-class pairs.
const COUPLING: Term = Term {
    name: "coupling",
    label: "coupling",
    weight: BETA.name,
    estimate: Some(Estimate { of: Estimated::Coupling, label: "cosine (batch)", complement: false }),
};

impl Method for Mwt {
    const NAME: &'static str = "mwt";
    const WEIGHTS: &'static [Weight] = &[ALPHA, BETA];
    const TERMS: &'static [Term] = &[COHESION, COUPLING];
    const GENERATORS: bool = true;
    const OBSERVES: Observes = Observes::Masks;

    weight_fields!(alpha, beta);

    fn terms<B: Compute>(&self, batch: &TensorBatch<'_, B>) -> Vec<(&'static str, Tensor<B, 1>)> {
        let TensorBatch { observed, labels, arithmetic, device, .. } = *batch;
        let losses = modular_losses(observed, labels, self.average, arithmetic, device);
        vec![(COHESION.name, losses.cohesion.mean()), (COUPLING.name, losses.coupling.mean())]
    }

    fn host_terms(&self, batch: &HostBatch<'_>) -> HostTerms {
        let weights = [COHESION, COUPLING].map(|term| batch.weights.of(term.name));
        let masks = batch.observed.iter().map(Vec::as_slice);
        let losses = host_losses(masks, batch.labels, self.average, weights);
        let values = vec![(COHESION.name, losses.cohesion), (COUPLING.name, losses.coupling)];
        HostTerms { values, gradients: losses.gradients }
    }
}
