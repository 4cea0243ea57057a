//! The list of all runs, whatever state their directories are in.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::document::damaged;
use super::error::Error;
use super::layout::{self, EVENTS, METRICS};
use super::manifest::Manifest;
use super::record::EpochRecord;
use super::store::Store;
use super::{lock, log, time};
use crate::disk;

/// The state of a run.
///
/// The last event says how it ended: its `kind` is `finished`, `stopped` or `failed`, with a `message` where there is
/// one. Any other event, such as that of a resumed run, means that it has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A process holds its lock.
    Running,
    /// It reached its last epoch.
    Finished,
    /// It was stopped on request.
    Stopped,
    /// It ended without an event: the process was killed, or the power failed.
    Interrupted,
    /// Training failed.
    Failed,
    /// Its directory is incomplete or invalid.
    Damaged,
}

/// A run in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub id: String,
    /// Its directory.
    pub path: PathBuf,
    /// Its state.
    pub status: Status,
    /// Why it is in that state, or who holds the lock, where that is known.
    pub reason: Option<String>,
    /// Its manifest; `None` if that cannot be read.
    pub manifest: Option<Manifest>,
    /// The record of its last epoch, if there is one.
    pub last: Option<EpochRecord>,
}

/// The part of an event that says how a run ended.
#[derive(Deserialize)]
struct Ending {
    kind: String,
    message: Option<String>,
}

impl Store {
    /// All runs, newest first, those with an unreadable manifest last.
    ///
    /// # Errors
    ///
    /// When the directory itself cannot be read. A damaged run is an entry, not an error.
    pub fn list(&self) -> Result<Vec<Entry>, Error> {
        let entries = match fs::read_dir(&self.directory).map_err(disk::Error::at("read", &self.directory)) {
            Err(error) if error.is_missing() => return Ok(Vec::new()),
            entries => entries?,
        };
        let entries = entries.flatten().filter(layout::is_shown);
        let mut entries: Vec<Entry> = entries.map(|entry| Entry::read(&entry.path())).collect();
        entries.sort_by(|a, b| b.order().cmp(&a.order()));
        Ok(entries)
    }
}

impl Entry {
    /// The entry of the run in `directory`.
    pub fn read(directory: &Path) -> Self {
        let id = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut entry = Entry {
            id,
            path: directory.into(),
            status: Status::Damaged,
            reason: None,
            manifest: None,
            last: None,
        };
        match entry.examine() {
            Ok((status, reason)) => (entry.status, entry.reason) = (status, reason),
            Err(error) => entry.reason = Some(error.to_string()),
        }
        entry
    }

    /// How long ago it was created.
    pub fn age(&self) -> Option<Duration> {
        time::age(&self.manifest.as_ref()?.created)
    }

    fn examine(&mut self) -> Result<(Status, Option<String>), Error> {
        if self.path.file_name().is_some_and(|name| name.to_str().is_none()) {
            return Err(damaged(&self.path, "its name is not UTF-8"));
        }
        self.manifest = Some(Manifest::read(&self.path)?);
        self.last = log::last(&self.path.join(METRICS))?;
        let ending = log::last::<Ending>(&self.path.join(EVENTS))?;
        if let Some(holder) = lock::holder(&self.path) {
            return Ok((Status::Running, Some(holder.to_string())));
        }
        let Some(Ending { kind, message }) = ending else { return Ok((Status::Interrupted, None)) };
        Ok(match kind.as_str() {
            "finished" => (Status::Finished, message),
            "stopped" => (Status::Stopped, message),
            "failed" => (Status::Failed, message),
            _ => (Status::Interrupted, None),
        })
    }

    fn order(&self) -> (&str, &str) {
        (self.manifest.as_ref().map_or("", |manifest| &manifest.created), &self.id)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Running => "running",
            Status::Finished => "finished",
            Status::Stopped => "stopped",
            Status::Interrupted => "interrupted",
            Status::Failed => "failed",
            Status::Damaged => "damaged",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::super::fixture;
    use super::*;

    #[test]
    fn the_last_event_says_how_a_run_ended_and_the_lock_that_it_has_not() {
        let (_home, store) = fixture::store();
        for (kind, status) in [
            ("finished", Status::Finished),
            ("stopped", Status::Stopped),
            ("failed", Status::Failed),
            ("resumed", Status::Interrupted),
        ] {
            let mut writer = store.create(Some(kind), fixture::manifest()).unwrap();
            writer.events.append(&serde_json::json!({"kind": kind, "step": 1, "message": "so"})).unwrap();
            assert_eq!(Entry::read(&writer.run.path).status, Status::Running);
            let path = writer.run.path.clone();
            drop(writer);
            assert_eq!(Entry::read(&path).status, status, "{kind}");
        }
        assert_eq!(store.list().unwrap()[0].id, "resumed");
    }

    #[test]
    fn a_manifest_of_a_newer_version_says_to_update() {
        let (_home, store) = fixture::store();
        let manifest = Manifest { schema: 99, ..fixture::manifest() };
        drop(store.create(Some("a"), manifest).unwrap());
        let entry = &store.list().unwrap()[0];
        assert_eq!(entry.status, Status::Damaged);
        assert!(entry.reason.as_ref().unwrap().contains("update cleave"), "{:?}", entry.reason);
    }

    /// A run may come from anyone: its shapes and constants reach cost and predictions.
    #[test]
    fn a_manifest_that_describes_no_network_is_damage() {
        let (_home, store) = fixture::store();
        drop(store.create(Some("a"), fixture::manifest()).unwrap());
        let path = store.directory().join("a/manifest.toml");
        let whole = fs::read_to_string(&path).unwrap();
        for (from, to, says) in [
            ("mean = [0.1", "mean = [nan, 0.1", "do not normalise 1 channels"),
            ("\ninput = [1, 4, 4]", "\ninput = [1, 4, 5]", "images and its network"),
            ("\"one\"]", "\"one\", \"two\"]", "3 classes and its network 2 logits"),
        ] {
            assert!(whole.contains(from), "{whole}");
            fs::write(&path, whole.replacen(from, to, 1)).unwrap();
            let entry = &store.list().unwrap()[0];
            let reason = entry.reason.as_deref().unwrap();
            assert!(entry.status == Status::Damaged && reason.contains(says), "{reason}");
        }
        let invalid = Manifest { mean: Vec::new(), ..fixture::manifest() };
        assert!(matches!(store.create(Some("b"), invalid), Err(Error::Unwritable { .. })));
    }

    #[test]
    fn no_content_of_a_file_stops_the_list() {
        let (_home, store) = fixture::store();
        drop(store.create(Some("a"), fixture::manifest()).unwrap());
        let file = prop::sample::select(vec!["manifest.toml", "metrics.jsonl", "events.jsonl", "lock"]);
        let nearly =
            "(\\{\"(kind|step)\": ?(\"failed\"|1|\\[\\])\\}\n?|schema = [0-9]{1,20}\n|[{\\[\"\n=]){0,8}";
        let content =
            prop_oneof![prop::collection::vec(any::<u8>(), 0..200), nearly.prop_map(String::into_bytes),];
        let result = TestRunner::default().run(&(file, content), |(file, content)| {
            let path = store.directory().join("a").join(file);
            let whole = fs::read(&path).unwrap();
            fs::write(&path, content).unwrap();
            prop_assert_eq!(store.list().unwrap().len(), 1);
            fs::write(&path, whole).unwrap();
            Ok(())
        });
        result.unwrap();
    }
}
