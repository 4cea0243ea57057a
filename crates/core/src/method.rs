//! What makes training modular: the loss terms beside cross-entropy, and where the sample masks come from.
//!
//! A method is plain data ([`MethodConfig`]) that names its weighted terms and computes them from a forward
//! pass's [`Output`]; the trainer adds whatever terms it is given.

mod config;
mod host;
pub mod mwt;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

pub use config::{Average, MethodConfig};
pub use host::{HostLosses, host_losses};

use crate::backend::Compute;
use crate::network::Output;

/// One loss term of a batch.
#[derive(Clone, Debug)]
pub struct Term<B: Backend> {
    /// Its name in metrics.
    pub name: &'static str,
    /// Its weight in the total loss.
    pub weight: f64,
    /// Its unweighted value, `[1]`.
    pub value: Tensor<B, 1>,
}

/// The loss terms of a batch in the host's memory.
#[derive(Clone, Debug, Default)]
pub struct HostTerms {
    /// Weight and unweighted value of each term, as [`MethodConfig::term_names`] names them.
    pub terms: Vec<(f64, f64)>,
    /// The gradient of their weighted sum at each layer's masks, `[batch, kernels]`; empty where no term sees them.
    pub gradients: Vec<Vec<f32>>,
}

impl MethodConfig {
    /// The names of the terms that [`MethodConfig::terms`] gives, in the same order.
    pub fn term_names(&self) -> &'static [&'static str] {
        match self {
            MethodConfig::Plain {} => &[],
            MethodConfig::Mwt { .. } => &["cohesion", "coupling"],
        }
    }

    /// The terms added to cross-entropy for a batch with these classes.
    pub fn terms<B: Compute>(&self, output: &Output<B>, labels: &[u32]) -> Vec<Term<B>> {
        match *self {
            MethodConfig::Plain {} => Vec::new(),
            MethodConfig::Mwt { alpha, beta, average } => {
                let device = output.logits.device();
                let losses =
                    mwt::modular_losses(&output.observed, labels, average, output.arithmetic, &device);
                vec![
                    Term { name: "cohesion", weight: alpha, value: losses.cohesion.mean() },
                    Term { name: "coupling", weight: beta, value: losses.coupling.mean() },
                ]
            }
        }
    }

    /// As [`MethodConfig::terms`], for masks `[batch, kernels]` in the host's memory, with their gradient.
    pub fn host_terms(&self, masks: &[Vec<f32>], labels: &[u32]) -> HostTerms {
        match *self {
            MethodConfig::Plain {} => HostTerms::default(),
            MethodConfig::Mwt { alpha, beta, average } => {
                let losses = host_losses(masks.iter().map(Vec::as_slice), labels, average, [alpha, beta]);
                let terms = vec![(alpha, losses.cohesion), (beta, losses.coupling)];
                HostTerms { terms, gradients: losses.gradients }
            }
        }
    }

    /// For each tracked convolution the sample masks `[batch, kernels]`: a kernel is used by a sample where
    /// its mask is greater than zero.
    pub fn sample_masks<B: Backend>(&self, output: &Output<B>) -> Vec<Tensor<B, 2>> {
        match self {
            MethodConfig::Plain {} => Vec::new(),
            MethodConfig::Mwt { .. } => output.observed.clone(),
        }
    }
}
