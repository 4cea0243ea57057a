//! The process that writes to a run, as the lock file names it.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::time;
use crate::disk;

/// The process that writes to a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Holder {
    /// Process number; 0 if unknown.
    pub pid: u32,
    /// Name of the computer.
    pub host: String,
    /// Since when: RFC 3339, UTC.
    pub started: String,
}

impl Holder {
    pub(super) fn this() -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Holder { pid: std::process::id(), host, started: time::now() }
    }

    pub(super) fn read(path: &Path) -> Self {
        let text = disk::read(path, 4096).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        text.and_then(|text| toml::from_str(&text).ok()).unwrap_or_default()
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            0 => write!(f, "another process"),
            pid => write!(f, "process {pid} on {} (since {})", self.host, self.started),
        }
    }
}
