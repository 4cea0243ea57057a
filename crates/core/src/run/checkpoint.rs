//! What a run is continued from: weights, optimiser state and the settings in force, all of one step.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::document::{self, Checked, damaged};
use super::error::Error;
use super::layout::SCHEMA;
use super::sums::EpochSums;
use super::time;
use crate::disk;
use crate::spec::{Spec, State, StateError};

const DOCUMENT: &str = "checkpoint.toml";
const WEIGHTS: &str = "weights.safetensors";
const VELOCITY: &str = "velocity.safetensors";
const USAGE: &str = "usage.safetensors";
const METHOD: &str = "method.safetensors";

/// A run at one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Optimiser steps taken.
    pub step: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// The network.
    pub spec: Spec,
    /// Its weights and running statistics: all arrays of `spec`.
    pub weights: State,
    /// The optimiser's momentum, by the names of the weights; an array that has none yet is absent.
    pub velocity: State,
    /// What the method remembers between steps; empty for methods that remember nothing.
    pub method: State,
    /// What else the next step depends on.
    pub info: CheckpointInfo,
}

/// Settings and findings that are in force at a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckpointInfo {
    /// Weights of the method's loss terms, as last set.
    pub loss_weights: BTreeMap<String, f64>,
    /// Learning rate set by hand in place of the schedule's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// What does not train: names of layers, or of parts of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<String>,
    /// Number of the phase, from 1, whose settings have taken effect; `None` before the first and where the preset has no
    /// phases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<u64>,
    /// The best epoch so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
    /// Sums of the training metrics over the steps of an unfinished epoch; empty at an epoch's end.
    #[serde(skip_serializing_if = "EpochSums::is_empty")]
    pub epoch_sums: EpochSums,
    /// Seconds of training that led here in this run; no result depends on them. 0 in checkpoints of versions that
    /// did not count them.
    pub seconds: f64,
}

/// The epoch with the highest accuracy on the validation split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The step at its end.
    pub step: u64,
    /// That accuracy, in 0..1.
    pub accuracy: f64,
}

/// The newest checkpoint that is whole.
#[derive(Debug)]
pub struct Newest {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Why newer ones were passed over, newest first: to be shown as warnings.
    pub skipped: Vec<Error>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    schema: u32,
    step: u64,
    epoch: u64,
    created: String,
    info: CheckpointInfo,
    files: BTreeMap<String, Checked>,
    network: Spec,
}

/// Writes a checkpoint below `directory`, in place of one of the same step.
pub(super) fn save(directory: &Path, checkpoint: &Checkpoint, usage: Option<&[u8]>) -> Result<(), Error> {
    let path = directory.join(checkpoint.step.to_string());
    let unwritable = |error: StateError| Error::Unwritable { path: path.clone(), problem: error.to_string() };
    check(checkpoint).map_err(unwritable)?;
    // safetensors 0.8 writes a file that it cannot read when both arrays and metadata are empty.
    let metadata = HashMap::from([("step".to_owned(), checkpoint.step.to_string())]);
    let weights = checkpoint.weights.to_safetensors(metadata.clone()).map_err(unwritable)?;
    let velocity = checkpoint.velocity.to_safetensors(metadata).map_err(unwritable)?;
    let method = match checkpoint.method.0.is_empty() {
        true => None,
        false => Some(checkpoint.method.to_safetensors(HashMap::new()).map_err(unwritable)?),
    };
    let mut files = vec![(WEIGHTS, weights.as_slice()), (VELOCITY, &velocity)];
    files.extend(method.as_deref().map(|method| (METHOD, method)));
    files.extend(usage.map(|usage| (USAGE, usage)));
    let document = Document {
        schema: SCHEMA,
        step: checkpoint.step,
        epoch: checkpoint.epoch,
        created: time::now(),
        info: checkpoint.info.clone(),
        files: files.iter().map(|&(name, bytes)| (name.to_owned(), Checked::of(bytes))).collect(),
        network: checkpoint.spec.clone(),
    };
    let text = document::encode_sealed(&path.join(DOCUMENT), &document)?;
    files.push((DOCUMENT, text.as_bytes()));
    Ok(disk::write_dir(&path, &files)?)
}

/// Reads the checkpoint in the directory `path`.
pub(super) fn load(path: &Path) -> Result<Checkpoint, Error> {
    let document = read_document(path)?;
    let state = |name: &str| -> Result<State, Error> {
        let bytes = document.file(path, name)?.read(&path.join(name), u64::MAX)?;
        let state = State::from_safetensors(&bytes);
        state.map(|(state, _)| state).map_err(|error| damaged(&path.join(name), &error.to_string()))
    };
    let checkpoint = Checkpoint {
        step: document.step,
        epoch: document.epoch,
        weights: state(WEIGHTS)?,
        velocity: state(VELOCITY)?,
        method: if document.files.contains_key(METHOD) { state(METHOD)? } else { State::default() },
        spec: document.network,
        info: document.info,
    };
    check(&checkpoint).map_err(|error| damaged(path, &error.to_string()))?;
    Ok(checkpoint)
}

/// Reads what usage was counted at this checkpoint, if it was.
pub(super) fn load_usage(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let document = read_document(path)?;
    document.files.get(USAGE).map(|file| file.read(&path.join(USAGE), u64::MAX)).transpose()
}

/// Adds usage to a checkpoint, or replaces it. A crash half way leaves usage that is found to be damaged, and
/// a checkpoint that is whole.
pub(super) fn save_usage(path: &Path, usage: &[u8]) -> Result<(), Error> {
    let mut document = read_document(path)?;
    document.files.insert(USAGE.into(), Checked::of(usage));
    let text = document::encode_sealed(&path.join(DOCUMENT), &document)?;
    disk::write(&path.join(USAGE), usage)?;
    Ok(disk::write(&path.join(DOCUMENT), text.as_bytes())?)
}

/// The steps of the checkpoints below `directory`, whole or not, with their paths; ascending.
pub(super) fn list(directory: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let entries = match fs::read_dir(directory).map_err(disk::Error::at("read", directory)) {
        Err(error) if error.is_missing() => return Ok(Vec::new()),
        entries => entries?,
    };
    let named = |entry: fs::DirEntry| {
        let step = entry.file_name().to_str()?.parse().ok()?;
        Some((step, entry.path()))
    };
    let mut found: Vec<(u64, PathBuf)> = entries.flatten().filter_map(named).collect();
    found.sort();
    Ok(found)
}

/// The newest whole checkpoint of the run in `run`.
pub(super) fn newest_whole(run: &Path, directory: &Path) -> Result<Newest, Error> {
    let mut skipped = Vec::new();
    for (_, path) in list(directory)?.into_iter().rev() {
        match load(&path) {
            Ok(checkpoint) => return Ok(Newest { checkpoint, skipped }),
            // Not damage: an older one would be continued in place of what is there.
            Err(error @ Error::Newer { .. }) => return Err(error),
            Err(error) => skipped.push(error),
        }
    }
    Err(Error::NoCheckpoint { path: run.into(), skipped })
}

fn read_document(path: &Path) -> Result<Document, Error> {
    let document: Document = document::read_sealed(&path.join(DOCUMENT))?;
    match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if name == document.step.to_string() => Ok(document),
        _ => Err(damaged(path, &format!("it holds step {}, not that of its name", document.step))),
    }
}

impl Document {
    fn file(&self, path: &Path, name: &str) -> Result<&Checked, Error> {
        self.files.get(name).ok_or_else(|| damaged(&path.join(DOCUMENT), &format!("it does not list {name}")))
    }
}

fn check(checkpoint: &Checkpoint) -> Result<(), StateError> {
    checkpoint.weights.check(&checkpoint.spec)?;
    for (name, velocity) in &checkpoint.velocity.0 {
        let weight = checkpoint.weights.0.get(name).ok_or_else(|| StateError::Unknown(name.clone()))?;
        if velocity.shape != weight.shape {
            return Err(StateError::Shape {
                name: name.clone(),
                found: velocity.shape.clone(),
                expected: weight.shape.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn saved(steps: &[u64]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for &step in steps {
            save(home.path(), &fixture::checkpoint(step), None).unwrap();
        }
        home
    }

    fn newest(home: &Path) -> Newest {
        newest_whole(home, home).unwrap()
    }

    #[test]
    fn save_then_load_is_identity() {
        let home = tempfile::tempdir().unwrap();
        let checkpoint = fixture::checkpoint(7);
        save(home.path(), &checkpoint, Some(b"usage")).unwrap();
        let path = home.path().join("7");
        assert_eq!(load(&path).unwrap(), checkpoint);
        assert_eq!(load_usage(&path).unwrap().unwrap(), b"usage");
        save_usage(&path, b"more").unwrap();
        assert_eq!(load_usage(&path).unwrap().unwrap(), b"more");
        assert_eq!(load(&path).unwrap(), checkpoint);
    }

    #[test]
    fn what_a_method_remembers_is_a_file_of_its_own_where_there_is_something() {
        let home = saved(&[6, 7]);
        let path = home.path().join("7").join(METHOD);
        assert!(!path.exists(), "plain and mwt remember nothing");
        let mut checkpoint = fixture::checkpoint(7);
        checkpoint.method.0.insert("steps".into(), crate::spec::Array::filled(&[2, 1], 7.0));
        save(home.path(), &checkpoint, None).unwrap();
        assert_eq!(load(&home.path().join("7")).unwrap(), checkpoint);
        let whole = fs::read(&path).unwrap();
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let Newest { checkpoint, skipped } = newest(home.path());
            assert_eq!((checkpoint.step, skipped.len()), (6, 1));
            assert!(skipped[0].to_string().contains(METHOD), "{}", skipped[0]);
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(newest(home.path()).checkpoint.step, 6);
    }

    #[test]
    fn sums_of_an_unfinished_epoch_are_read_as_older_versions_wrote_them() {
        let read = |text: &str| toml::from_str::<CheckpointInfo>(text).unwrap().epoch_sums;
        assert_eq!(read("epoch_sums = [0.5, 7.0]"), EpochSums::Listed(vec![0.5, 7.0]));
        let named = EpochSums::Named([("total".to_owned(), 0.5)].into());
        assert_eq!(read("[epoch_sums]\ntotal = 0.5"), named);
        assert!(read("").is_empty());
    }

    #[test]
    fn the_same_step_is_replaced() {
        let home = saved(&[7]);
        let mut checkpoint = fixture::checkpoint(7);
        checkpoint.info.learning_rate = Some(0.001);
        save(home.path(), &checkpoint, None).unwrap();
        assert_eq!(newest(home.path()).checkpoint, checkpoint);
        assert_eq!(list(home.path()).unwrap().len(), 1);
    }

    #[test]
    fn any_flipped_bit_is_found_and_its_file_named() {
        let home = saved(&[5, 6]);
        for file in [WEIGHTS, VELOCITY, DOCUMENT] {
            let path = home.path().join("6").join(file);
            let whole = fs::read(&path).unwrap();
            for position in (0..whole.len()).step_by(whole.len() / 30 + 1) {
                let mut bytes = whole.clone();
                bytes[position] ^= 1;
                fs::write(&path, &bytes).unwrap();
                let error = load(&home.path().join("6")).unwrap_err().to_string();
                assert!(error.contains(file), "{error}");
            }
            fs::write(&path, &whole[..whole.len() / 2]).unwrap();
            let Newest { checkpoint, skipped } = newest(home.path());
            assert_eq!((checkpoint.step, skipped.len()), (5, 1));
            fs::write(&path, &whole).unwrap();
        }
        assert_eq!(newest(home.path()).checkpoint.step, 6);
    }

    /// Every state of the disk between two steps of a write, from an empty temporary directory on.
    #[test]
    fn a_write_that_is_cut_off_anywhere_leaves_the_one_before() {
        let whole = saved(&[6]);
        let files: Vec<_> = fs::read_dir(whole.path().join("6")).unwrap().flatten().collect();
        for count in 0..files.len() {
            let home = saved(&[5]);
            for name in [".tmp-x", "6"] {
                let partial = home.path().join(name);
                fs::create_dir(&partial).unwrap();
                for file in &files[..count] {
                    fs::copy(file.path(), partial.join(file.file_name())).unwrap();
                }
            }
            assert_eq!(newest(home.path()).checkpoint.step, 5);
        }
    }

    #[test]
    fn a_replacement_that_is_cut_off_between_its_renames_is_undone() {
        let home = saved(&[5, 6]);
        fs::rename(home.path().join("6"), home.path().join(".old-6")).unwrap();
        disk::sweep(home.path(), std::time::Duration::ZERO).unwrap();
        assert_eq!(newest(home.path()).checkpoint.step, 6);
    }

    #[test]
    fn a_newer_schema_is_no_damage() {
        let home = saved(&[5, 6]);
        let path = home.path().join("6").join(DOCUMENT);
        let mut document: Document = document::read_sealed(&path).unwrap();
        document.schema = SCHEMA + 1;
        fs::write(&path, document::encode_sealed(&path, &document).unwrap()).unwrap();
        let error = newest_whole(home.path(), home.path()).unwrap_err();
        assert!(matches!(error, Error::Newer { .. }) && error.to_string().contains("update cleave"));
    }

    #[test]
    fn weights_of_another_network_are_not_saved() {
        let home = saved(&[]);
        let mut checkpoint = fixture::checkpoint(1);
        checkpoint.weights.0.pop_first();
        assert!(matches!(save(home.path(), &checkpoint, None), Err(Error::Unwritable { .. })));
        let mut checkpoint = fixture::checkpoint(1);
        checkpoint.velocity.0.insert("conv9.bias".into(), crate::spec::Array::filled(&[1], 0.0));
        assert!(matches!(save(home.path(), &checkpoint, None), Err(Error::Unwritable { .. })));
        assert!(list(home.path()).unwrap().is_empty());
    }
}
