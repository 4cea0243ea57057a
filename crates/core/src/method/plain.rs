//! Ordinary training: no masks and no terms beside cross-entropy.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{HostBatch, HostTerms, Method, Observes, TensorBatch, Term, Weight};
use crate::backend::Compute;

/// Ordinary training: no masks, no modular losses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plain {}

impl Method for Plain {
    const NAME: &'static str = "plain";
    const WEIGHTS: &'static [Weight] = &[];
    const TERMS: &'static [Term] = &[];
    const GENERATORS: bool = false;
    const OBSERVES: Observes = Observes::Nothing;

    fn terms<B: Compute>(&self, _batch: &TensorBatch<'_, B>) -> Vec<(&'static str, Tensor<B, 1>)> {
        Vec::new()
    }

    fn host_terms(&self, _batch: &HostBatch<'_>) -> HostTerms {
        HostTerms::default()
    }
}
