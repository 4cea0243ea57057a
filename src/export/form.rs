//! The export formats of packages and of a run's records.

use std::path::{Path, PathBuf};

use burn::tensor::backend::Backend;

use super::error::Error;
use super::history::History;
use super::onnx::Preprocessing;
use super::package::Package;
use super::tables::{self, Table};
use super::target::{write, write_all};
use super::{burn_model, onnx, pytorch, safetensors, tensorboard};

/// An export format of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Named weight arrays, with a description in the header.
    Safetensors,
    /// A model for ONNX runtimes; with `Some`, it includes preprocessing of pixel bytes.
    Onnx(Option<Preprocessing>),
    /// A directory for PyTorch.
    Pytorch,
    /// A directory for Burn.
    Burn,
}

/// An export format of a run's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Records {
    /// An event file for TensorBoard.
    Tensorboard,
    /// The tables as comma-separated values.
    Csv,
    /// The tables as arrays of objects.
    Json,
}

/// The files written for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Their directory.
    pub directory: PathBuf,
    /// Their names.
    pub files: Vec<String>,
    /// Their total size in bytes.
    pub bytes: usize,
}

/// An encoded package.
#[derive(Clone, Debug, PartialEq)]
pub enum Encoded {
    /// The bytes of a file.
    File(Vec<u8>),
    /// Names and contents of the files of a directory.
    Directory(Vec<(&'static str, Vec<u8>)>),
}

impl Form {
    /// Encodes a package. Burn's record is created on `device`, whose memory must hold the weights.
    ///
    /// # Errors
    ///
    /// When the weights are not the network's, or cannot be written in this format.
    pub fn encode<B: Backend>(self, package: &Package, device: &B::Device) -> Result<Encoded, Error> {
        match self {
            Form::Safetensors => safetensors::encode(package).map(Encoded::File),
            Form::Onnx(preprocessing) => onnx::encode(package, preprocessing).map(Encoded::File),
            Form::Pytorch => pytorch::encode(package).map(Encoded::Directory),
            Form::Burn => burn_model::encode::<B>(package, device).map(Encoded::Directory),
        }
    }
}

impl Records {
    /// Encodes a run: names and contents of the files.
    ///
    /// # Errors
    ///
    /// When a class has no samples, or a value cannot be written.
    pub fn encode(self, history: &History) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let all = |extension: &str, encode: fn(&Table) -> String| {
            let file = |table: Table| (format!("{}.{extension}", table.name), encode(&table).into_bytes());
            Ok(tables::tables(history)?.into_iter().map(file).collect())
        };
        match self {
            Records::Tensorboard => Ok(vec![tensorboard::file(history)?]),
            Records::Csv => all("csv", Table::csv),
            Records::Json => all("json", Table::json),
        }
    }

    /// Writes a run: all files or none. For TensorBoard the run gets a subdirectory, so that several runs can be shown
    /// together.
    ///
    /// # Errors
    ///
    /// As [`Records::encode`] and [`write_all`].
    pub fn write(self, history: &History, directory: &Path, replace: bool) -> Result<Written, Error> {
        let directory = match self {
            Records::Tensorboard => directory.join(&history.manifest.id),
            Records::Csv | Records::Json => directory.to_owned(),
        };
        let files = self.encode(history)?;
        let contents: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
        write_all(&directory, &contents, replace)?;
        let bytes = files.iter().map(|(_, bytes)| bytes.len()).sum();
        Ok(Written { directory, bytes, files: files.into_iter().map(|(name, _)| name).collect() })
    }
}

impl Encoded {
    /// Writes all files or none; returns the number of bytes.
    ///
    /// # Errors
    ///
    /// As [`write()`] and [`write_all`].
    pub fn write(&self, to: &Path, replace: bool) -> Result<usize, Error> {
        match self {
            Encoded::File(bytes) => {
                write(to, bytes, replace)?;
                Ok(bytes.len())
            }
            Encoded::Directory(files) => {
                let borrowed: Vec<(&str, &[u8])> =
                    files.iter().map(|(name, bytes)| (*name, &**bytes)).collect();
                write_all(to, &borrowed, replace)?;
                Ok(files.iter().map(|(_, bytes)| bytes.len()).sum())
            }
        }
    }
}
