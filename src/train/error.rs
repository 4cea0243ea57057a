//! What can go wrong while training, evaluating or taking a module out.

use std::any::Any;

use thiserror::Error;

use crate::backend::Fault;
use crate::{data, import, modular, network, preset, run};

/// Why training, evaluation or extraction did not go on.
#[derive(Debug, Error)]
pub enum Error {
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
    /// The method makes no masks, so there is nothing to cut by.
    #[error("the run was trained with the method {0}, which makes no masks, so it has no modules")]
    NoMasks(&'static str),
    /// The data are not those that the run began with.
    #[error("the data have changed: {0}")]
    DataChanged(String),
    /// A request that cannot be carried out.
    #[error("{0}")]
    Refused(String),
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
    /// A thread panicked.
    #[error("stopped by a fault in the program: {0}")]
    Panic(String),
    /// The run directory.
    #[error(transparent)]
    Run(#[from] run::Error),
    /// Weights.
    #[error(transparent)]
    State(#[from] network::StateError),
    /// The network's description.
    #[error(transparent)]
    Spec(#[from] network::SpecError),
    /// Usage, selection or slicing.
    #[error(transparent)]
    Modular(#[from] modular::Error),
    /// The data set.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The preset.
    #[error(transparent)]
    Preset(#[from] preset::Error),
    /// Weights of another program.
    #[error(transparent)]
    Import(#[from] import::Error),
}

impl Error {
    /// What a thread panicked with.
    pub(super) fn of_panic(panic: &(dyn Any + Send)) -> Error {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Error::Panic(text.unwrap_or_else(|| "unknown panic".into()))
    }
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
