//! What comes before training: a run directory that is new, resumed or branched, and its data.

use std::path::Path;
use std::sync::Arc;

use super::branch::branch;
use super::error::Error;
use crate::data::{self, Dataset};
use crate::import;
use crate::preset::Preset;
use crate::reuse::load_data;
use crate::run::{
    Checkpoint, CheckpointInfo, Event, Imported, Manifest, PROGRAM, Run, SCHEMA, Store, Writer, now,
};
use crate::spec::State;

/// A run that can be trained: its directory, locked, with data and the checkpoint to begin with.
pub struct Prepared {
    /// The run's directory.
    pub writer: Writer,
    /// Its data.
    pub dataset: Arc<Dataset>,
    /// Where to begin.
    pub checkpoint: Checkpoint,
    /// What a person should know: checkpoints that were passed over, say.
    pub warnings: Vec<String>,
}

impl Prepared {
    /// A new run of a preset. Its directory gets a checkpoint of the initial weights, so that it can be
    /// resumed from the first step on.
    ///
    /// # Errors
    ///
    /// When the data cannot be read, the network does not fit them, the name is taken, or the disk refuses.
    pub fn new(
        preset: Preset,
        name: Option<&str>,
        device: &str,
        store: &Store,
        archives: &Path,
    ) -> Result<Self, Error> {
        let dataset = data::load(&preset.data, preset.training.seed, archives)?;
        let spec = preset.spec(dataset.train.shape, dataset.classes.len())?;
        let weights = State::init(&spec, preset.training.seed)?;
        Prepared::with_weights(preset, name, device, store, dataset, weights)
    }

    /// A new run that begins with these weights of the preset's network.
    ///
    /// # Errors
    ///
    /// As [`Prepared::new`], and when the weights are not the network's.
    pub fn with_weights(
        preset: Preset,
        name: Option<&str>,
        device: &str,
        store: &Store,
        dataset: Dataset,
        weights: State,
    ) -> Result<Self, Error> {
        let spec = preset.spec(dataset.train.shape, dataset.classes.len())?;
        let manifest = Manifest {
            schema: SCHEMA,
            id: String::new(),
            created: now(),
            program: PROGRAM.into(),
            seed: preset.training.seed,
            device: device.into(),
            parent: None,
            classes: dataset.classes.clone(),
            input: dataset.train.shape,
            mean: dataset.mean.clone(),
            std: dataset.std.clone(),
            preset,
            network: spec.clone(),
        };
        let checkpoint = Checkpoint {
            step: 0,
            epoch: 0,
            weights,
            velocity: State::default(),
            method: State::default(),
            spec,
            info: CheckpointInfo::default(),
        };
        let mut writer = store.create(name, manifest)?;
        writer.save_checkpoint(&checkpoint, None)?;
        Ok(Prepared { writer, dataset: Arc::new(dataset), checkpoint, warnings: Vec::new() })
    }

    /// A new run of weights that another program has trained: it has nothing left to train and is only measured.
    /// `names` is a table of names. Gives the number of arrays too.
    ///
    /// # Errors
    ///
    /// As [`Prepared::new`], and when the file's arrays are not the network's.
    pub fn import(
        mut preset: Preset,
        file: &import::File,
        names: Option<import::Names>,
        name: Option<&str>,
        device: &str,
        store: &Store,
        archives: &Path,
    ) -> Result<(Self, usize), Error> {
        let dataset = data::load(&preset.data, preset.training.seed, archives)?;
        let spec = preset.spec(dataset.train.shape, dataset.classes.len())?;
        let weights = file.weights(&spec, names.as_ref())?;
        let count = weights.0.len();
        preset.set_epochs(0);
        let mut prepared = Prepared::with_weights(preset, name, device, store, dataset, weights)?;
        let (file, sha256, format) = (file.name.clone(), file.sha256.clone(), Some(file.format));
        let from = Imported { file, sha256, format, names };
        prepared.writer.events.append(&Event::Imported { step: 0, from })?;
        Ok((prepared, count))
    }

    /// A run from its newest whole checkpoint on, with everything later dropped; `None` if it has finished.
    ///
    /// # Errors
    ///
    /// When there is no such run, another process trains it, no checkpoint is whole, or the data are not
    /// those it began with.
    pub fn resume(query: &str, store: &Store, archives: &Path) -> Result<Option<Self>, Error> {
        let writer = store.open_to_write(query)?;
        let dataset = load_data(&writer.run.manifest, archives)?;
        let prepared = Prepared::reopen(writer, dataset)?;
        let (events, _) = prepared.writer.run.events()?;
        let step = prepared.checkpoint.step;
        let finished = matches!(events.last(), Some(Event::Finished { step: last, .. }) if *last == step);
        Ok((!finished).then_some(prepared))
    }

    /// A new run from a checkpoint of another (the newest whole one without a step), as [`branch`] makes it.
    ///
    /// # Errors
    ///
    /// As [`branch`] and [`Prepared::resume`], and when nothing is left to train from there.
    pub fn branch(
        parent: &Run,
        step: Option<u64>,
        name: Option<&str>,
        preset: Option<Preset>,
        archives: &Path,
    ) -> Result<Self, Error> {
        let step = match step {
            Some(step) => step,
            None => parent.newest_whole()?.checkpoint.step,
        };
        let planned = preset.as_ref().unwrap_or(&parent.manifest.preset);
        let manifest = Manifest { preset: planned.clone(), ..parent.manifest.clone() };
        let dataset = load_data(&manifest, archives)?;
        let training = &planned.training;
        let steps = (dataset.train.len().div_ceil(training.batch) * training.epochs) as u64;
        if step >= steps {
            return Err(Error::Refused(format!(
                "nothing is left to train from step {step} on, for {} epochs end at step {steps}: give the branch more \
                 epochs, or an earlier checkpoint",
                training.epochs
            )));
        }
        let run = branch(parent, step, name, preset)?;
        Prepared::reopen(Writer::open(run)?, dataset)
    }

    fn reopen(mut writer: Writer, dataset: Dataset) -> Result<Self, Error> {
        let newest = writer.run.newest_whole()?;
        let passed = newest.skipped.iter().map(|why| format!("passed over a checkpoint: {why}"));
        let warnings = passed.collect();
        writer.rewind(newest.checkpoint.step)?;
        Ok(Prepared { writer, dataset: Arc::new(dataset), checkpoint: newest.checkpoint, warnings })
    }
}
