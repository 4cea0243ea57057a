//! A file of weights that a user names.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Error, Format, Mapping, assign, read};
use crate::disk;
use crate::network::{Array, Spec, State};

/// The longest file that is read: far above any network that is trained here.
const LONGEST: u64 = 4 << 30;

/// The longest table of names that is read.
const LONGEST_MAPPING: u64 = 1 << 20;

/// A file's arrays, and what tells the file from others.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, without its directory.
    pub name: String,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// Its arrays by name.
    pub arrays: BTreeMap<String, Array>,
}

impl File {
    /// Reads a file; without a format it is safetensors if its name ends so, else PyTorch's.
    ///
    /// # Errors
    ///
    /// When it cannot be read, and as [`read`].
    pub fn open(path: &Path, format: Option<Format>) -> Result<File, Error> {
        let bytes = disk::read(path, LONGEST)?;
        let is_safetensors = path.extension().is_some_and(|extension| extension == "safetensors");
        let by_name = if is_safetensors { Format::Safetensors } else { Format::Pytorch };
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(File { name, sha256, arrays: read(&bytes, format.unwrap_or(by_name))? })
    }

    /// Its arrays as the weights of a network; `mapping` is a file of names.
    ///
    /// # Errors
    ///
    /// When the table of names cannot be read, and as [`assign`].
    pub fn weights(&self, spec: &Spec, mapping: Option<&Path>) -> Result<State, Error> {
        let mapping = match mapping {
            Some(path) => {
                let text = String::from_utf8(disk::read(path, LONGEST_MAPPING)?);
                Mapping::parse(&text.map_err(|_| Error::Mapping("it is not UTF-8 text".into()))?, spec)?
            }
            None => Mapping::default(),
        };
        assign(spec, self.arrays.clone(), &mapping)
    }
}
