//! "Modularizing while Training" (ICSE 2024): mask generators, a cohesion loss and a coupling loss. Beyond the paper it
//! may rehearse the modules that will be cut ([`rehearsal`](super::rehearsal)).
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
pub(super) use self::tensor::MIN_NORM;
pub use self::tensor::{ModularLosses, modular_losses};
use super::rehearsal::{ALIGN, ALIGNMENT, Rehearsal, SHARE};
use super::{
    Estimate, Estimated, HostBatch, HostTerms, Method, MethodState, Observes, PassPlan, Seen, StepInfo,
    TensorBatch, Term, Weight, alignment, weight_fields,
};
use crate::backend::Compute;
use crate::spec::Spec;

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
    /// Rehearsal of the modules; without it, training is as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Rehearsal>,
}

impl Default for Mwt {
    fn default() -> Self {
        Mwt { alpha: alpha(), beta: beta(), average: Average::default(), rehearsal: None }
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

    fn weight_specs(&self) -> &'static [Weight] {
        match self.rehearsal {
            None => Self::WEIGHTS,
            Some(_) => &[ALPHA, BETA, SHARE, ALIGN],
        }
    }

    fn term_specs(&self) -> &'static [Term] {
        match self.rehearsal {
            None => Self::TERMS,
            Some(_) => &[COHESION, COUPLING, ALIGNMENT],
        }
    }

    weight_fields!(alpha, beta; rehearsal);

    fn check(&self, epochs: usize) -> Result<(), (&'static str, String)> {
        self.rehearsal.as_ref().map_or(Ok(()), |rehearsal| rehearsal.check(epochs))
    }

    fn passes(&self, step: &StepInfo<'_>, state: &mut MethodState) -> Vec<PassPlan> {
        match (&self.rehearsal, self.observes(step.spec)) {
            (Some(rehearsal), Ok(sites)) => rehearsal.passes(step, &sites, state),
            _ => vec![PassPlan::default()],
        }
    }

    fn observe(&self, _step: &StepInfo<'_>, seen: &Seen, state: &mut MethodState) {
        if let Some(rehearsal) = &self.rehearsal {
            rehearsal.observe(seen, state);
        }
    }

    fn check_state(&self, spec: &Spec, state: &MethodState) -> Result<(), String> {
        match (&self.rehearsal, state.0.keys().next()) {
            (Some(rehearsal), _) => {
                let sites = self.observes(spec).map_err(|error| error.to_string())?;
                rehearsal.check_state(spec, &sites, state)
            }
            (None, None) => Ok(()),
            (None, Some(name)) => {
                Err(format!("without rehearsal the method mwt remembers nothing, but there is {name}"))
            }
        }
    }

    fn terms<B: Compute>(&self, batch: &TensorBatch<'_, B>) -> Vec<(&'static str, Tensor<B, 1>)> {
        let TensorBatch { observed, labels, arithmetic, device, .. } = *batch;
        let losses = modular_losses(observed, labels, self.average, arithmetic, device);
        let mut terms =
            vec![(COHESION.name, losses.cohesion.mean()), (COUPLING.name, losses.coupling.mean())];
        if self.rehearsal.is_some() {
            terms.push((ALIGNMENT.name, alignment::on_tensors(batch)));
        }
        terms
    }

    fn host_terms(&self, batch: &HostBatch<'_>) -> HostTerms {
        let weights = [COHESION, COUPLING].map(|term| batch.weights.of(term.name));
        let masks = batch.observed.iter().map(Vec::as_slice);
        let losses = host_losses(masks, batch.labels, self.average, weights);
        let mut values = vec![(COHESION.name, losses.cohesion), (COUPLING.name, losses.coupling)];
        let mut gradients = losses.gradients;
        if self.rehearsal.is_some() {
            let weight = batch.weights.of(ALIGNMENT.name);
            values.push((ALIGNMENT.name, alignment::on_host(batch, weight, &mut gradients)));
        }
        HostTerms { values, gradients }
    }
}
