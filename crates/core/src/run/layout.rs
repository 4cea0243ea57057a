//! Names and paths of the files in a run directory, and the version of them that this program writes.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::Error;
use crate::disk;

/// The version of the files in a run directory that this program writes, and the newest that it reads. From 2 on
/// checkpoints may have phases, frozen parts, named sums of an unfinished epoch and what a method remembers, which older
/// programs would take for damage or pass over.
pub const SCHEMA: u32 = 2;

/// The version of this program.
pub const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// The manifest of a run.
pub(super) const MANIFEST: &str = "manifest.toml";
/// A line for each epoch.
pub(super) const METRICS: &str = "metrics.jsonl";
/// A line for a few steps each.
pub(super) const STEPS: &str = "steps.jsonl";
/// A line for each event.
pub(super) const EVENTS: &str = "events.jsonl";
/// Locked by the process that trains.
pub(super) const LOCK: &str = "lock";
/// The tags of a run.
pub(super) const TAGS: &str = "tags.toml";
/// The description of a module, in its directory.
pub(super) const MODULE: &str = "module.toml";

const CHECKPOINTS: &str = "checkpoints";
const MODULES: &str = "modules";

/// The directory of a run's checkpoints.
pub(super) fn checkpoints(run: &Path) -> PathBuf {
    run.join(CHECKPOINTS)
}

/// The directory of a run's modules.
pub(super) fn modules(run: &Path) -> PathBuf {
    run.join(MODULES)
}

/// The directory of the run that a module lies in, if it does.
pub(super) fn run_of(module: &Path) -> Option<&Path> {
    let modules = module.parent().filter(|parent| parent.ends_with(MODULES));
    modules.and_then(Path::parent).filter(|run| run.join(MANIFEST).is_file())
}

/// Creates a directory inside a run where it is absent.
///
/// # Errors
///
/// When the system refuses, or it is a link: what is written to a run, and removed from it, stays in its directory.
pub(super) fn make_own(directory: &Path) -> Result<(), Error> {
    if directory.is_symlink() {
        let problem = "it is a link, and nothing outside the run's directory is written".into();
        return Err(Error::Damaged { path: directory.into(), problem });
    }
    Ok(disk::make_dir(directory)?)
}

/// Names of the directories in `directory` that are UTF-8, sorted; none if it is absent.
pub(super) fn directories(directory: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(directory).map_err(disk::Error::at("read", directory)) {
        Err(error) if error.is_missing() => return Ok(Vec::new()),
        entries => entries?,
    };
    let entries = entries.flatten().filter(is_shown);
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Whether this is a directory other than what a crash left.
pub(super) fn is_shown(entry: &fs::DirEntry) -> bool {
    !disk::is_leftover(&entry.file_name()) && entry.path().is_dir()
}
