//! The saved settings of the workbench: `<config>/workbench.toml`.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::theme::{Charset, Theme};
use crate::disk;

/// Maximum size of a settings or key file.
const LIMIT: u64 = 1 << 20;

/// Settings that the user changes in the workbench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Colours.
    pub theme: Theme,
    /// Character set; `None` to detect it from the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charset: Option<Charset>,
    /// Whether the mouse is captured.
    pub mouse: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { theme: Theme::default(), charset: None, mouse: true }
    }
}

/// A file of the user is invalid or inaccessible.
#[derive(Debug, Error)]
pub enum Error {
    /// A disk error.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// The file is invalid.
    #[error("{}:{line}: {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Its line.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The settings cannot be written as TOML.
    #[error("cannot write settings: {0}")]
    Form(#[from] toml::ser::Error),
}

impl Settings {
    /// Path of the settings file.
    pub fn path(config: &Path) -> PathBuf {
        config.join("workbench.toml")
    }

    /// Reads the settings; the defaults if there is no file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is invalid.
    pub fn read(config: &Path) -> Result<Settings, Error> {
        let path = Settings::path(config);
        let Some(text) = read(&path)? else { return Ok(Settings::default()) };
        toml::from_str(&text).map_err(|error| {
            let start = error.span().unwrap_or_default().start;
            let line = text.get(..start).unwrap_or(&text).matches('\n').count() + 1;
            Error::Content { path, line, what: error.message().to_owned() }
        })
    }

    /// Writes the settings.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&self, config: &Path) -> Result<(), Error> {
        disk::make_dir(config)?;
        Ok(disk::write(&Settings::path(config), toml::to_string(self)?.as_bytes())?)
    }
}

/// The text of a file that must exist.
///
/// # Errors
///
/// When it is absent, cannot be read or is not text.
pub fn read_some(path: &Path) -> Result<String, String> {
    let text = read(path).map_err(|error| error.to_string())?;
    text.ok_or_else(|| format!("there is no file {}", path.display()))
}

/// The text of a file; `None` if it does not exist.
///
/// # Errors
///
/// When it cannot be read or is not text.
pub fn read(path: &Path) -> Result<Option<String>, Error> {
    let bytes = match disk::read(path, LIMIT) {
        Ok(bytes) => bytes,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let text = String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
    Ok(Some(text.map_err(disk::Error::at("read", path))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Settings::read(folder.path()).unwrap(), Settings::default());
        let settings = Settings { theme: Theme::ColourBlind, charset: Some(Charset::Half), mouse: false };
        settings.write(folder.path()).unwrap();
        assert_eq!(Settings::read(folder.path()).unwrap(), settings);
    }

    #[test]
    fn a_fault_says_its_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(Settings::path(folder.path()), "mouse = true\ntheme = \"drak\"\n").unwrap();
        let fault = Settings::read(folder.path()).unwrap_err().to_string();
        assert!(fault.contains("workbench.toml:2: ") && fault.contains("drak"), "{fault}");
    }
}
