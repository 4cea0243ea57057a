//! What can go wrong in a session.

use std::any::Any;

use thiserror::Error;

use crate::backend::Fault;
use crate::{data, import, learn, modular, preset, reuse, run, spec};

/// Why a run could not be prepared or trained further.
#[derive(Debug, Error)]
pub enum Error {
    /// A request that cannot be carried out.
    #[error("{0}")]
    Refused(String),
    /// A thread panicked.
    #[error("stopped by an internal error: {0}")]
    Panic(String),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] Fault),
    /// A training step or an evaluation.
    #[error(transparent)]
    Learn(#[from] learn::Error),
    /// Extraction, or loading what was kept.
    #[error(transparent)]
    Reuse(#[from] reuse::Error),
    /// The run directory.
    #[error(transparent)]
    Run(#[from] run::Error),
    /// Weights.
    #[error(transparent)]
    State(#[from] spec::StateError),
    /// The network's description.
    #[error(transparent)]
    Spec(#[from] spec::SpecError),
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

    /// Whether a loss or the weights stopped being finite.
    pub(super) fn is_divergence(&self) -> bool {
        matches!(self, Error::Learn(learn::Error::Diverged { .. }))
    }
}
