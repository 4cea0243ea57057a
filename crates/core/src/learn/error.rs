//! What can go wrong in a training step or an evaluation.

use thiserror::Error;

use crate::backend::Fault;
use crate::{modular, spec};

/// Why a step or an evaluation gave no result.
#[derive(Debug, Error)]
pub enum Error {
    /// What is to be frozen is not there.
    #[error(transparent)]
    Freeze(#[from] spec::UnknownPart),
    /// A loss or the weights are no longer finite.
    #[error(
        "training diverged: {term} is not finite after step {step}; lower the learning rate or the loss weights"
    )]
    Diverged {
        /// The first sum, or `weights`, that is not finite.
        term: String,
        /// Steps taken when it was found.
        step: u64,
    },
    /// The device has too little memory for the training steps.
    #[error("the device ran out of memory at batch {batch}{}{}", held(.free), advice(.fits))]
    OutOfMemory {
        /// Samples a step.
        batch: usize,
        /// Bytes that were free when training began.
        free: Option<u64>,
        /// Samples that would fit, as far as can be told.
        fits: Option<usize>,
    },
    /// The device failed.
    #[error(transparent)]
    Device(#[from] Fault),
    /// The device does not have the arithmetic that was asked for.
    #[error("the device does not compute in this precision: {0}")]
    Precision(&'static str),
    /// Waiting for the device failed.
    #[error("the device failed: {0}")]
    Synchronise(String),
    /// Sums of training steps that a run is to go on with.
    #[error("the sums of the unfinished epoch cannot be continued: {0}")]
    Sums(String),
    /// Weights.
    #[error(transparent)]
    State(#[from] spec::StateError),
    /// The network's description.
    #[error(transparent)]
    Spec(#[from] spec::SpecError),
    /// Usage, selection or slicing.
    #[error(transparent)]
    Modular(#[from] modular::Error),
}

fn held(free: &Option<u64>) -> String {
    free.map_or_else(String::new, |bytes| format!(" ({} MiB were free)", bytes >> 20))
}

fn advice(fits: &Option<usize>) -> String {
    match fits {
        Some(fits) => format!("; about {fits} would fit: --set training.batch={fits}"),
        None => "; even a batch of one may not fit: choose a smaller network or another device".into(),
    }
}
