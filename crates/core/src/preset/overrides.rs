//! `--set KEY=VALUE`.

use std::fmt;
use std::str::FromStr;

use toml::de::DeTable;

use super::error::Error;
use super::layers::Sources;

/// One changed setting, such as `training.epochs=5`. The value is TOML; what is not, such as `/data/svhn`, is
/// taken as a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    given: String,
    toml: String,
}

impl Override {
    /// What messages call it, and the setting as a TOML document.
    pub(super) fn layer(&self) -> (String, &str) {
        (format!("--set {}", self.given), &self.toml)
    }
}

impl FromStr for Override {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self, Error> {
        let not_an_override = || Error::Override { given: given.into() };
        let (key, value) = given.split_once('=').ok_or_else(not_an_override)?;
        if key.trim().is_empty() {
            return Err(not_an_override());
        }
        let value = value.trim();
        let bare = DeTable::parse(given).is_err() && !value.starts_with(['[', '{', '"', '\'']);
        let toml = if bare { format!("{key}={}", toml::Value::from(value)) } else { given.to_owned() };
        let found = Override { given: given.into(), toml };
        let (origin, text) = found.layer();
        Sources::default().add(&origin, text)?;
        Ok(found)
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}
