//! Presets by name: the user's first, then those in the program.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Preset;
use super::error::Error;
use super::explain::nearest;

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../../presets/", $name, ".toml")))),*]
    };
}

const EMBEDDED: [(&str, &str); 25] = presets![
    "digits",
    "digits-mwt",
    "digits-standard",
    "digits-assigned",
    "digits-tiny-modules",
    "mnist-small",
    "mnist-small-standard",
    "cifar10-small",
    "cifar10-small-standard",
    "paper-vgg16-cifar10",
    "paper-vgg16-cifar10-standard",
    "paper-vgg16-svhn",
    "paper-vgg16-svhn-standard",
    "paper-resnet18-cifar10",
    "paper-resnet18-cifar10-standard",
    "paper-resnet18-svhn",
    "paper-resnet18-svhn-standard",
    "paper-simcnn-cifar10",
    "paper-simcnn-cifar10-standard",
    "paper-simcnn-svhn",
    "paper-simcnn-svhn-standard",
    "paper-rescnn-cifar10",
    "paper-rescnn-cifar10-standard",
    "paper-rescnn-svhn",
    "paper-rescnn-svhn-standard",
];

/// Name and text of every preset in the program.
pub fn embedded() -> impl Iterator<Item = (&'static str, &'static str)> {
    EMBEDDED.into_iter()
}

/// A line of the list of presets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// What [`Preset::find`] knows it by.
    pub name: String,
    /// What it is for; empty where it cannot be read.
    pub description: String,
    /// The file of a user's preset, `built in` for the others.
    pub origin: String,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Every preset, the user's first; one that shadows a built-in preset stands in its stead.
pub fn list(user_dir: &Path) -> Vec<Listed> {
    let own = own_names(user_dir);
    let built_in = embedded().map(|(name, _)| name).filter(|name| !own.iter().any(|own| own == name));
    let built_in = built_in.map(|name| (name.to_owned(), "built in".to_owned()));
    own.iter()
        .map(|name| (name.clone(), own_path(name, user_dir).display().to_string()))
        .chain(built_in)
        .map(|(name, origin)| match Preset::find(&name, user_dir, &[]) {
            Ok(preset) => Listed { name, description: preset.description, origin, problem: None },
            Err(error) => Listed { name, description: String::new(), origin, problem: Some(error.line()) },
        })
        .collect()
}

/// A preset's text, not yet read.
#[derive(Debug)]
pub(super) struct Found {
    /// Where it is, to be compared with others; the path of a file is canonical.
    pub(super) place: Place,
    /// What messages call it.
    pub(super) origin: String,
    /// The text.
    pub(super) text: String,
}

/// Where a preset is.
#[derive(Debug, PartialEq)]
pub(super) enum Place {
    File(PathBuf),
    Program(&'static str),
}

impl Found {
    /// A text that its caller has already read.
    pub(super) fn text(text: &str, origin: &str) -> Found {
        Found { place: Place::file(Path::new(origin)), origin: origin.into(), text: text.into() }
    }

    fn file(path: &Path) -> Result<Found, Error> {
        let text =
            fs::read_to_string(path).map_err(|reason| Error::Read { path: path.to_path_buf(), reason })?;
        Ok(Found { place: Place::file(path), origin: path.display().to_string(), text })
    }

    fn built_in(name: &str) -> Option<Found> {
        let (name, text) = embedded().find(|(known, _)| *known == name)?;
        Some(Found {
            place: Place::Program(name),
            origin: format!("presets/{name}.toml"),
            text: text.to_owned(),
        })
    }

    /// The file's name without its extension.
    pub(super) fn stem(&self) -> String {
        let stem = Path::new(&self.origin).file_stem();
        stem.map_or_else(|| self.origin.clone(), |stem| stem.to_string_lossy().into_owned())
    }
}

impl Place {
    fn file(path: &Path) -> Place {
        Place::File(fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()))
    }
}

/// Why a base was not found.
pub(super) enum BaseError {
    /// Only presets that are themselves based on this one are called so.
    Cycle,
    /// None is.
    Unknown(String),
    /// It cannot be read.
    Unreadable(Error),
}

/// The preset of this name, or at this path.
pub(super) fn find(name: &str, user_dir: &Path) -> Result<Found, Error> {
    if is_path(name) {
        return Found::file(Path::new(name));
    }
    let path = own_path(name, user_dir);
    if path.exists() {
        return Found::file(&path);
    }
    Found::built_in(name)
        .ok_or_else(|| Error::Unknown { name: name.into(), help: suggestion(name, Some(user_dir)) })
}

/// The base of the last preset of `chain`. A name passes over presets in the chain, so that a user's `digits`
/// can be based on the built-in one.
pub(super) fn find_base(name: &str, chain: &[Found], user_dir: Option<&Path>) -> Result<Found, BaseError> {
    let candidates: Vec<Result<Found, Error>> = if is_path(name) {
        let beside = chain.last().and_then(|last| Path::new(&last.origin).parent()).unwrap_or(Path::new(""));
        vec![Found::file(&beside.join(name))]
    } else {
        let own = user_dir.map(|dir| own_path(name, dir)).filter(|path| path.exists());
        own.map(|path| Found::file(&path)).into_iter().chain(Found::built_in(name).map(Ok)).collect()
    };
    if candidates.is_empty() {
        return Err(BaseError::Unknown(suggestion(name, user_dir)));
    }
    for candidate in candidates {
        let found = candidate.map_err(BaseError::Unreadable)?;
        if chain.iter().all(|seen| seen.place != found.place) {
            return Ok(found);
        }
    }
    Err(BaseError::Cycle)
}

fn is_path(name: &str) -> bool {
    name.contains(std::path::is_separator) || name.ends_with(".toml")
}

fn own_path(name: &str, user_dir: &Path) -> PathBuf {
    user_dir.join(format!("{name}.toml"))
}

fn own_names(user_dir: &Path) -> Vec<String> {
    let files = fs::read_dir(user_dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let presets = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let mut names: Vec<String> =
        presets.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

fn suggestion(name: &str, user_dir: Option<&Path>) -> String {
    let mut known = user_dir.map(own_names).unwrap_or_default();
    known.extend(embedded().map(|(name, _)| name.to_owned()));
    match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}? `cleave presets list` shows them all"),
        None => "`cleave presets list` shows them all; a file's name ends in .toml".into(),
    }
}
