//! What can go wrong in a run directory.

use std::path::PathBuf;

use thiserror::Error;

use super::holder::Holder;
use crate::disk;

/// A run, checkpoint or module that cannot be found, read or written.
#[derive(Debug, Error)]
pub enum Error {
    /// The system refused to read or write.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// A name that is not allowed.
    #[error("`{}` cannot be a name: {problem}", name.escape_debug())]
    Name {
        /// As given.
        name: String,
        /// The rule that it breaks.
        problem: &'static str,
    },
    /// A run or module of this name exists already.
    #[error("there is already a {kind} `{name}` ({}); choose another name, or remove that one first", path.display())]
    Taken {
        /// `run` or `module`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Where it is.
        path: PathBuf,
    },
    /// No run or module has this name.
    #[error("there is no {kind} `{query}` in {}; {}", place.display(), hint(kind, nearest.as_deref()))]
    Unknown {
        /// `run` or `module`.
        kind: &'static str,
        /// As given.
        query: String,
        /// Where it was looked for.
        place: PathBuf,
        /// The most similar name that exists.
        nearest: Option<String>,
    },
    /// Several names begin like this.
    #[error("`{query}` could be any of these {kind}s: {}; give more of the name", candidates.join(", "))]
    Ambiguous {
        /// `run` or `module`.
        kind: &'static str,
        /// As given.
        query: String,
        /// The names that it could mean.
        candidates: Vec<String>,
    },
    /// A path outside the directory of runs, given for removal.
    #[error("{} is not in {}: only runs in there are removed", path.display(), store.display())]
    Outside {
        /// As given.
        path: PathBuf,
        /// The directory of runs.
        store: PathBuf,
    },
    /// Another process (or another part of this one) writes to the run.
    #[error("the run {} is in use by {holder}; wait for it to end, or stop that process", path.display())]
    Locked {
        /// The run's directory.
        path: PathBuf,
        /// Who holds it.
        holder: Holder,
    },
    /// A file that is invalid, or not as it was written.
    #[error("{} is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A line of a log, other than a torn last one, that is not a record.
    #[error("{} line {line} is damaged: {problem}; remove that line to go on without it", path.display())]
    BrokenLine {
        /// The log.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// Written by a later version of the program.
    #[error(
        "{} has schema {found}, and this version of cleave reads up to {known}; update cleave to use it",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that this version reads.
        known: u32,
    },
    /// No checkpoint was kept at a step.
    #[error("the run {run} has no checkpoint of step {step}; it has those of {}", listed(steps))]
    NoSuchStep {
        /// The run's name.
        run: String,
        /// What was asked for.
        step: u64,
        /// What there is.
        steps: Vec<u64>,
    },
    /// No checkpoint can be loaded.
    #[error("the run {} has no whole checkpoint{}", path.display(), list(skipped))]
    NoCheckpoint {
        /// The run's directory.
        path: PathBuf,
        /// Why each one was passed over, newest first.
        skipped: Vec<Error>,
    },
    /// Values that do not fit together or that the format cannot hold.
    #[error("cannot write {}: {problem}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

fn hint(kind: &str, nearest: Option<&str>) -> String {
    match (nearest, kind) {
        (Some(nearest), _) => format!("did you mean `{nearest}`?"),
        (None, "module") => "`cleave extract` makes modules".into(),
        (None, _) => "`cleave runs list` lists all runs".into(),
    }
}

fn list(errors: &[Error]) -> String {
    errors.iter().map(|error| format!("; {error}")).collect()
}

/// `step 3`, `steps 3, 4`, `no step`.
fn listed(steps: &[u64]) -> String {
    let names: Vec<String> = steps.iter().map(u64::to_string).collect();
    match names.as_slice() {
        [] => "no step".into(),
        [one] => format!("step {one}"),
        _ => format!("steps {}", names.join(", ")),
    }
}
