//! TOML files with a schema version, plain or sealed by a checksum.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::de::{DeTable, Deserializer};

use super::error::Error;
use super::layout::SCHEMA;
use crate::disk::{self, sha256};

/// Far above any real document: that of a network of 1,000 classes has some hundred kilobytes.
const LIMIT: u64 = 16 << 20;

const SEAL: &str = "# sha256 ";

/// Length and checksum of a file that a document names, as it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Checked {
    bytes: u64,
    sha256: String,
}

pub(super) fn encode<T: Serialize>(path: &Path, document: &T) -> Result<String, Error> {
    toml::to_string(document)
        .map_err(|error| Error::Unwritable { path: path.into(), problem: error.to_string() })
}

/// As [`encode`], behind a line with the SHA-256 of the text.
pub(super) fn encode_sealed<T: Serialize>(path: &Path, document: &T) -> Result<String, Error> {
    Ok(seal(&encode(path, document)?))
}

/// A text behind a line with its SHA-256.
pub(super) fn seal(text: &str) -> String {
    format!("{SEAL}{}\n{text}", sha256(text.as_bytes()))
}

pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    decode(path, &text(path)?)
}

pub(super) fn read_sealed<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = text(path)?;
    let sealed = text.strip_prefix(SEAL).and_then(|rest| rest.split_once('\n'));
    match sealed {
        Some((seal, body)) if seal == sha256(body.as_bytes()) => decode(path, body),
        _ => Err(damaged(path, "it was changed after it was written")),
    }
}

impl Checked {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Checked { bytes: bytes.len() as u64, sha256: sha256(bytes) }
    }

    /// Reads the file, of at most `limit` bytes, if its length and checksum are these.
    pub(super) fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
        let (_, length) = disk::open(path)?;
        if length > limit {
            return Err(damaged(path, &format!("it has {length} bytes where at most {limit} make sense")));
        }
        if length != self.bytes {
            return Err(damaged(path, &format!("it has {length} bytes where {} were written", self.bytes)));
        }
        let bytes = disk::read(path, length)?;
        if sha256(&bytes) != self.sha256 {
            return Err(damaged(path, "its checksum (SHA-256) is not that of the bytes that were written"));
        }
        Ok(bytes)
    }
}

pub(super) fn damaged(path: &Path, problem: &str) -> Error {
    Error::Damaged { path: path.into(), problem: problem.into() }
}

fn text(path: &Path) -> Result<String, Error> {
    let bytes = disk::read(path, LIMIT)?;
    String::from_utf8(bytes).map_err(|_| damaged(path, "it is not UTF-8 text"))
}

fn decode<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Error> {
    let bad = |error: toml::de::Error| damaged(path, &problem(text, &error));
    let table = DeTable::parse(text).map_err(bad)?;
    let schema = table.get_ref().get("schema").and_then(|schema| schema.get_ref().as_integer());
    // Before anything else: a newer schema explains any other problem.
    match schema.and_then(|schema| schema.as_str().parse().ok()) {
        Some(found) if found > SCHEMA => Err(Error::Newer { path: path.into(), found, known: SCHEMA }),
        _ => T::deserialize(Deserializer::from(table)).map_err(bad),
    }
}

/// One line, where the error's own text has several.
fn problem(text: &str, error: &toml::de::Error) -> String {
    let message = error.message();
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("{message} (line {})", before.matches('\n').count() + 1),
        None => message.into(),
    }
}
