//! Errors of reading, fetching and checking data, with what a person can do about them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::disk;

/// Why data could not be read, fetched or checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// A file is not what its format says.
    #[error("{}: {at}: {what}; {hint}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in it: "byte 8", "record 17", "line 3" (records and lines count from 1, bytes from 0).
        at: String,
        /// What was wrong there.
        what: String,
        /// What to do.
        hint: String,
    },
    /// A file or folder is not there.
    #[error("no {what} in {}; {hint}", path.display())]
    Missing {
        /// What was looked for.
        what: String,
        /// Where.
        path: PathBuf,
        /// What to do.
        hint: String,
    },
    /// A key of the preset's `[data]` has an invalid value.
    #[error("data.{key}: {what}")]
    Setting {
        /// The key.
        key: &'static str,
        /// What is wrong and what would be right.
        what: String,
    },
    /// Image files that do not decode.
    #[error("{}", list_unreadable(*count, first))]
    Unreadable {
        /// How many there are.
        count: usize,
        /// The first of them, each with its reason.
        first: Vec<(PathBuf, String)>,
    },
    /// A class folder without images.
    #[error(
        "class folder {} holds no images; put images directly into it (png, jpg, bmp, gif, webp, tiff, pnm) \
         or remove it",
        path.display()
    )]
    EmptyClass {
        /// The folder.
        path: PathBuf,
    },
    /// A class without training images, which a network cannot learn.
    #[error("class {class:?} has no training image; add some, or remove the class from the other splits")]
    NoTraining {
        /// The class.
        class: String,
    },
    /// A split without images.
    #[error("the {split} split is empty; {hint}")]
    EmptySplit {
        /// train, valid or test.
        split: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A class folder whose name is not text.
    #[error("the name of class folder {} is not valid UTF-8; rename it", path.display())]
    NotUtf8 {
        /// The folder, as well as it can be shown.
        path: PathBuf,
    },
    /// Images of several sizes, without a size to resize them to.
    #[error(
        "images differ in size: {} is {}x{}, {} is {}x{} (width x height); set data.size to the side that \
         all are resized to",
        first.display(), first_size[0], first_size[1], other.display(), other_size[0], other_size[1]
    )]
    MixedSizes {
        /// The first image.
        first: PathBuf,
        /// Its width and height.
        first_size: [usize; 2],
        /// The first image that differs.
        other: PathBuf,
        /// Its width and height.
        other_size: [usize; 2],
    },
    /// A name that is not in the catalog.
    #[error("no data set {name:?} to fetch or check; there are: {known}")]
    UnknownSet {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// The server answered with an error.
    #[error("{url}: the server answered {status}; try again later, or give another base address")]
    Http {
        /// The address.
        url: String,
        /// The HTTP status code.
        status: u16,
    },
    /// The connection failed repeatedly.
    #[error("{url}: {what} after {received} bytes; what arrived is kept, run the command again to go on")]
    Network {
        /// The address.
        url: String,
        /// What the network said.
        what: String,
        /// Bytes that are kept for the next attempt.
        received: u64,
    },
    /// A download of another length than the published file's.
    #[error("{url}: {actual} bytes instead of {expected}; this is not the published file, nothing was kept")]
    WrongLength {
        /// The address.
        url: String,
        /// The published length.
        expected: u64,
        /// The length found.
        actual: u64,
    },
    /// A download with other content than the published file's.
    #[error(
        "{url}: SHA-256 is {actual}, expected {expected}; the file was damaged on the way or is not the \
         published one. It was removed: run the command again"
    )]
    WrongChecksum {
        /// The address.
        url: String,
        /// The published SHA-256.
        expected: String,
        /// The SHA-256 found.
        actual: String,
    },
}

impl Error {
    /// For `map_err`: what was being done to which path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let at = disk::Error::at(action, path);
        move |source| at(source).into()
    }

    /// A [`Error::Malformed`] from its parts.
    pub(super) fn malformed(
        path: &Path,
        at: impl fmt::Display,
        what: impl fmt::Display,
        hint: impl fmt::Display,
    ) -> Error {
        Error::Malformed {
            path: path.to_path_buf(),
            at: at.to_string(),
            what: what.to_string(),
            hint: hint.to_string(),
        }
    }
}

fn list_unreadable(count: usize, first: &[(PathBuf, String)]) -> String {
    let noun = if count == 1 { "image file" } else { "image files" };
    let mut text = format!("{count} {noun} cannot be read; repair or remove them:");
    for (path, reason) in first {
        let _ = write!(text, "\n  {}: {reason}", path.display());
    }
    if count > first.len() {
        let _ = write!(text, "\n  and {} more", count - first.len());
    }
    text
}
