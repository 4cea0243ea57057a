//! What can be wrong with a preset.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

/// Why there is no preset.
#[derive(Debug, Error, Diagnostic)]
pub enum Error {
    /// A mistake at a known place of a file or a `--set`.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Written(Box<Mistake>),
    /// A value that makes no sense.
    #[error("{message}")]
    Value {
        /// The dotted key, such as `training.epochs` or `network.stages.3`.
        key: String,
        /// What is wrong and what is allowed.
        message: String,
        /// What to do.
        #[help]
        help: Option<String>,
    },
    /// Nothing is called like this.
    #[error("there is no preset {name:?}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        #[help]
        help: String,
    },
    /// The file cannot be read.
    #[error("cannot read the preset {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// A `--set` without a key or a value.
    #[error("--set {given}: this is not KEY=VALUE")]
    #[diagnostic(help("for example --set training.epochs=5"))]
    Override {
        /// As it was given.
        given: String,
    },
    /// TOML cannot hold a value.
    #[error("the preset cannot be written as TOML: {0}")]
    Write(toml::ser::Error),
}

/// A mistake in a text that a person wrote. Rendered by miette it shows file, line, column and the line.
#[derive(Debug, Error, Diagnostic)]
#[error("{message}")]
pub struct Mistake {
    /// What is wrong.
    pub message: String,
    /// What to say right under the place.
    pub label: String,
    /// What to do.
    #[help]
    pub help: Option<String>,
    /// The whole text and what it is called.
    #[source_code]
    pub text: NamedSource<String>,
    /// The place in it.
    #[label("{label}")]
    pub span: SourceSpan,
}

impl Mistake {
    /// The place as `file:line:column`, both counted from 1.
    pub fn place(&self) -> String {
        let before = &self.text.inner()[..self.span.offset()];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |start| start.chars().count()) + 1;
        format!("{}:{line}:{column}", self.text.name())
    }
}

impl Error {
    pub(super) fn value(key: &str, message: &str, help: &str) -> Error {
        let help = (!help.is_empty()).then(|| help.to_owned());
        Error::Value { key: key.into(), message: message.into(), help }
    }

    pub(super) fn not_allowed(key: &str, value: impl Display, allowed: &str) -> Error {
        Error::value(key, &format!("`{key}` is {value}; it must be {allowed}"), "")
    }

    /// The error in one line, with its place where that is known.
    pub fn line(&self) -> String {
        match self {
            Error::Written(mistake) => format!("{}: {mistake}", mistake.place()),
            other => other.to_string(),
        }
    }
}

/// Refuses the value of a key unless this holds.
pub(super) fn demand(holds: bool, key: &str, value: impl Display, allowed: &str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::not_allowed(key, value, allowed)) }
}
