//! Errors of exports.

use std::path::PathBuf;

use thiserror::Error;

use crate::spec::{SpecError, StateError};
use crate::{disk, modular, preset, run};

/// Why nothing was exported.
#[derive(Debug, Error)]
pub enum Error {
    /// There is no module or run of this name.
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
    /// The file exists.
    #[error("{} already exists; choose another name, or overwrite it with --force", .0.display())]
    Exists(PathBuf),
    /// The target is a directory.
    #[error("{} is a directory; name a file in it", .0.display())]
    Directory(PathBuf),
    /// The target's directory does not exist.
    #[error("there is no directory {}; create it first, or choose another path", .0.display())]
    NoDirectory(PathBuf),
    /// A file system error.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// A run cannot be read.
    #[error(transparent)]
    Run(#[from] run::Error),
    /// The kernel usage cannot be read, or defines no modules.
    #[error(transparent)]
    Modular(#[from] modular::Error),
    /// The preset cannot be written.
    #[error(transparent)]
    Preset(#[from] preset::Error),
    /// An image cannot be encoded.
    #[error("cannot encode an image: {0}")]
    Image(#[from] image::ImageError),
}
