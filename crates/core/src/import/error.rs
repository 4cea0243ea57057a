//! Errors of importing weights.

use std::fmt;

use safetensors::SafeTensorError;
use thiserror::Error;

use crate::disk;
use crate::spec::SpecError;

/// Why a file was not imported.
#[derive(Debug, Error)]
pub enum Error {
    /// Not a ZIP file, or an invalid one.
    #[error("not a readable PyTorch checkpoint: {0}")]
    Archive(String),
    /// The pickled part of a checkpoint is damaged or not supported.
    #[error("not a readable PyTorch checkpoint: at byte {at} of its pickled part, {what}")]
    Pickle {
        /// Where.
        at: usize,
        /// What is wrong.
        what: String,
    },
    /// The checkpoint needs code to be run.
    #[error(
        "the checkpoint holds `{0}`, which is not part of plain weights, and code in a file is never run; save the weights alone in Python: torch.save(model.state_dict(), \"weights.pth\")"
    )]
    Code(String),
    /// Not a safetensors file, or a damaged one.
    #[error("not a readable safetensors file: {0}")]
    Safetensors(#[from] SafeTensorError),
    /// An array of other numbers than floats.
    #[error("array `{name}` holds {dtype} values; only floats of 16, 32 and 64 bits are read")]
    Dtype {
        /// Its name.
        name: String,
        /// The type found.
        dtype: String,
    },
    /// No table of arrays, or several.
    #[error("{0}")]
    Content(String),
    /// The mapping file.
    #[error("the mapping of names: {0}")]
    Mapping(String),
    /// The system refused.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// The network itself is invalid.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The arrays are not those of the network.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
}

/// Every difference between the arrays of a file and those of a network.
#[derive(Debug, Default, Error, PartialEq)]
pub struct Mismatch {
    /// Arrays of the network that the file lacks: name, shape, and the name that was expected in the file.
    pub missing: Vec<(String, Vec<usize>, String)>,
    /// Arrays of another shape: our name and shape, the file's name and shape.
    pub shapes: Vec<(String, Vec<usize>, String, Vec<usize>)>,
    /// Arrays of the file that the network does not have: name and shape.
    pub unknown: Vec<(String, Vec<usize>)>,
}

impl Mismatch {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.shapes.is_empty() && self.unknown.is_empty()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { missing, shapes, unknown } = self;
        write!(
            f,
            "the file's arrays are not those of the network: {} missing, {} of another shape, {} unknown",
            missing.len(),
            shapes.len(),
            unknown.len()
        )?;
        for (name, shape, theirs) in missing {
            write!(f, "\n  missing: `{name}` {shape:?}; the file has no `{theirs}`")?;
        }
        for (name, shape, theirs, found) in shapes {
            write!(f, "\n  shape: `{name}` is {shape:?} in the network, the file's `{theirs}` is {found:?}")?;
        }
        for (name, shape) in unknown {
            write!(f, "\n  unknown: `{name}` {shape:?}")?;
        }
        if !missing.is_empty() && missing.iter().all(|(name, ..)| name.contains(".mask_generator.")) {
            write!(f, "\nonly mask generators are missing: the `-standard` variant of a preset has none")?;
        }
        Ok(())
    }
}
