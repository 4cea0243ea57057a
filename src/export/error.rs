//! What can go wrong on the way out.

use std::path::PathBuf;

use thiserror::Error;

use crate::spec::{SpecError, StateError};
use crate::{disk, modular, preset, run};

/// Why nothing was exported.
#[derive(Debug, Error)]
pub enum Error {
    /// Nothing is called this.
    #[error(
        "there is no module or run `{0}`; `cleave runs` lists runs, `cleave runs show RUN` their modules"
    )]
    Unknown(String),
    /// The weights are not those of the network, or the format cannot hold them.
    #[error(transparent)]
    State(#[from] StateError),
    /// JSON cannot hold a value.
    #[error("the network cannot be described in JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The stages of the network do not fit together.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Burn cannot write the record.
    #[error("Burn cannot write the record: {0}")]
    Burn(String),
    /// There is a file of this name.
    #[error("{} exists already; choose another name, or replace it with --force", .0.display())]
    Exists(PathBuf),
    /// The target is a directory.
    #[error("{} is a directory; name a file in it", .0.display())]
    Directory(PathBuf),
    /// The target's directory is absent.
    #[error("there is no directory {}; make it first, or choose another place", .0.display())]
    NoDirectory(PathBuf),
    /// The system refused.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// A run cannot be read.
    #[error(transparent)]
    Run(#[from] run::Error),
    /// Its usage cannot be read, or makes no modules.
    #[error(transparent)]
    Modular(#[from] modular::Error),
    /// Its preset cannot be written.
    #[error(transparent)]
    Preset(#[from] preset::Error),
    /// A picture cannot be encoded.
    #[error("a picture cannot be encoded: {0}")]
    Image(#[from] image::ImageError),
}
