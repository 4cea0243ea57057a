//! What can go wrong when a network or a module is loaded, extracted, composed or measured.

use thiserror::Error;

use crate::backend::Fault;
use crate::{data, import, learn, modular, preset, run, spec};

/// Why a network or a module could not be used as asked.
#[derive(Debug, Error)]
pub enum Error {
    /// The method looks at no units, so there is nothing to cut by.
    #[error(
        "the run was trained with the method {0}, which does not train modules, so there are none to cut"
    )]
    NoMasks(&'static str),
    /// The data are not those that the run began with.
    #[error("the data have changed: {0}")]
    DataChanged(String),
    /// A request that cannot be carried out.
    #[error("{0}")]
    Refused(String),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] Fault),
    /// A training step or an evaluation.
    #[error(transparent)]
    Learn(#[from] learn::Error),
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
