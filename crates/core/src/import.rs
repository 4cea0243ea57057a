//! Weights that other programs have trained. Files are read as data, never executed; their arrays are assigned to
//! the arrays of a network.
//!
//! | file | what it holds |
//! |---|---|
//! | `archive` | the ZIP files that PyTorch writes |
//! | `pickle` | the part of Python's pickle format that a `state_dict` needs |
//! | `torch` | a PyTorch checkpoint as named arrays |
//! | `element` | bytes of several number formats as 32-bit floats |
//! | `layouts` | the names that our arrays have in widely used layouts |
//! | `assign` | a file's arrays as the state of a network, or every mismatch by name |
//! | `file` | a file that a user names |
//! | `error` | what can go wrong |

mod archive;
mod assign;
mod element;
mod error;
mod file;
mod layouts;
mod pickle;
mod torch;

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

pub use assign::{Mapping, assign};
pub use error::{Error, Mismatch};
pub use file::{File, Names};

use crate::spec::Array;
use element::Element;

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// What `torch.save` writes, `.pt` or `.pth`.
    Pytorch,
    /// Safetensors.
    Safetensors,
}

impl Format {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Pytorch => "pytorch",
            Format::Safetensors => "safetensors",
        }
    }
}

/// The arrays of a file by name, as 32-bit floats, without batch norm's unused counters of batches.
///
/// # Errors
///
/// When the file is damaged, or holds more than weights, or other numbers than floats.
pub fn read(bytes: &[u8], format: Format) -> Result<BTreeMap<String, Array>, Error> {
    match format {
        Format::Pytorch => torch::read(bytes),
        Format::Safetensors => read_safetensors(bytes),
    }
}

fn read_safetensors(bytes: &[u8]) -> Result<BTreeMap<String, Array>, Error> {
    let mut arrays = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(bytes)?.iter().filter(|(name, _)| !is_counter(name)) {
        let dtype = format!("{:?}", view.dtype());
        let element =
            Element::named(&dtype).ok_or_else(|| Error::Dtype { name: name.into(), dtype: dtype.clone() })?;
        let values = view.data().chunks_exact(element.size()).map(|bytes| element.value(bytes)).collect();
        arrays.insert(name.to_owned(), Array { shape: view.shape().to_vec(), values });
    }
    Ok(arrays)
}

/// Whether this is a batch norm's count of the batches it saw, an integer.
fn is_counter(name: &str) -> bool {
    name.rsplit('.').next() == Some("num_batches_tracked")
}
