//! Where everything in a run directory lies, and which version of its files this program writes.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::Error;
use crate::disk;

/// The version of the files in a run directory that this program writes, and the newest that it reads.
pub const SCHEMA: u32 = 1;

/// The version of this program.
pub const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// What a run is.
pub(super) const MANIFEST: &str = "manifest.toml";
/// A line an epoch.
pub(super) const METRICS: &str = "metrics.jsonl";
/// A line for a few steps each.
pub(super) const STEPS: &str = "steps.jsonl";
/// A line an event.
pub(super) const EVENTS: &str = "events.jsonl";
/// Held by the process that trains.
pub(super) const LOCK: &str = "lock";
/// Words that a person gave the run.
pub(super) const TAGS: &str = "tags.toml";
/// What a module is, in the directory of the module.
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

/// Names of the directories in `directory` that can be typed, sorted; none if it is absent.
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

/// Whether this is a directory, and none that a crash left.
pub(super) fn is_shown(entry: &fs::DirEntry) -> bool {
    !disk::is_leftover(&entry.file_name()) && entry.path().is_dir()
}
