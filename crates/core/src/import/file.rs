//! A file of weights that a user names.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Error, Format, Mapping, assign, read};
use crate::disk;
use crate::spec::{Array, Spec, State};

/// The longest file that is read: far above any network that is trained here.
const LONGEST: u64 = 4 << 30;

/// The longest table of names that is read.
const LONGEST_MAPPING: u64 = 1 << 20;

/// The arrays of a file, with its name and checksum.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, without its directory.
    pub name: String,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// What it was read as.
    pub format: Format,
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
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let format = format.unwrap_or(by_name);
        Ok(File { name, sha256: disk::sha256(&bytes), format, arrays: read(&bytes, format)? })
    }

    /// Its arrays as the weights of a network; a table, where given, maps their names.
    ///
    /// # Errors
    ///
    /// When the table of names is invalid, and as [`assign`].
    pub fn weights(&self, spec: &Spec, names: Option<&Names>) -> Result<State, Error> {
        let mapping = names.map(|names| Mapping::parse(&names.text, spec)).transpose()?;
        assign(spec, self.arrays.clone(), &mapping.unwrap_or_default())
    }
}

/// A table of names, as a user wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Names {
    /// The file's name, without its directory.
    pub file: String,
    /// What it says.
    pub text: String,
}

impl Names {
    /// Reads the table in a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is not text.
    pub fn open(path: &Path) -> Result<Names, Error> {
        let text = String::from_utf8(disk::read(path, LONGEST_MAPPING)?);
        let text = text.map_err(|_| Error::Mapping("it is not UTF-8 text".into()))?;
        Ok(Names { file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text })
    }
}
