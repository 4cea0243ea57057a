//! The state of the run being trained, built from its session's events.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::frozen;
use crate::modular::Usage;
use crate::run::{EpochRecord, Event, Manifest, PhaseStart, StepRecord};
use crate::session::{Change, Command, Schedule, Setting};
use crate::spec::Frozen;

/// The run of a session.
#[derive(Debug)]
pub struct Live {
    /// The run's manifest.
    pub manifest: Manifest,
    /// Steps taken.
    pub step: u64,
    /// Steps per epoch; 0 until known.
    pub steps_per_epoch: u64,
    /// Total steps of the run; 0 until known.
    pub steps: u64,
    /// Whether it is paused.
    pub paused: bool,
    /// The newest step record.
    pub last_steps: Option<StepRecord>,
    /// The newest epoch.
    pub last_epoch: Option<EpochRecord>,
    /// Step of the newest checkpoint of this session.
    pub checkpoint: Option<u64>,
    /// Loss weights in force.
    pub weights: BTreeMap<String, f64>,
    /// Learning rate set by the user; `None` for the cosine schedule's.
    pub learning_rate: Option<f64>,
    /// What does not train.
    pub frozen: Frozen,
    /// The phase that is under way, where the preset has several.
    pub phase: Option<PhaseStart>,
    /// Changes in force, each with the step at which the trainer applied it.
    pub changes: Vec<Change>,
    /// Unanswered commands, by revision.
    pub pending: BTreeMap<u64, Command>,
    /// The latest kernel usage, with its step.
    pub usage: Option<(u64, Arc<Usage>)>,
    /// The event that ended it.
    pub ended: Option<Event>,
    revision: u64,
}

impl Live {
    /// A session without events.
    pub fn new(manifest: Manifest) -> Self {
        let weights = manifest.preset.method.weights();
        Live {
            weights: weights.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            frozen: frozen::frozen(&manifest, &[]),
            phase: None,
            manifest,
            step: 0,
            steps_per_epoch: 0,
            steps: 0,
            paused: false,
            last_steps: None,
            last_epoch: None,
            checkpoint: None,
            learning_rate: None,
            changes: Vec::new(),
            pending: BTreeMap::new(),
            usage: None,
            ended: None,
            revision: 0,
        }
    }

    /// The run's name.
    pub fn run(&self) -> &str {
        &self.manifest.id
    }

    /// Records a command that is being sent; returns its revision.
    pub fn send(&mut self, command: Command) -> u64 {
        self.revision += 1;
        self.pending.insert(self.revision, command);
        self.revision
    }

    /// The changes so far, as a schedule for `cleave train --schedule`.
    pub fn schedule(&self) -> Schedule {
        Schedule { change: self.changes.clone() }
    }

    /// Applies an event of the session.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Started { step, steps_per_epoch, steps, .. } => {
                (self.step, self.steps_per_epoch, self.steps) = (*step, *steps_per_epoch, *steps);
            }
            Event::Steps(record) => {
                self.step = record.step;
                self.last_steps = Some(record.clone());
            }
            Event::Epoch(record) => {
                self.step = record.step;
                self.weights.clone_from(&record.loss_weights);
                self.last_epoch = Some((**record).clone());
            }
            Event::Usage { step, usage } => self.usage = Some((*step, usage.clone())),
            Event::Applied { step, revision: Some(revision), .. } => {
                if let Some(command) = self.pending.remove(revision) {
                    self.applied(*step, command);
                }
            }
            Event::Applied { step, revision: None, change } => {
                if let Some(set) = change.setting() {
                    self.change(*step, set.clone());
                }
            }
            Event::Phase(begun) => self.begin(begun),
            Event::Refused { revision, .. } => {
                self.pending.remove(revision);
            }
            Event::Checkpointed { step } => self.checkpoint = Some(*step),
            Event::Finished { step, .. } | Event::Stopped { step } | Event::Failed { step, .. } => {
                self.step = *step;
                self.pending.clear();
                self.ended = Some(event.clone());
            }
            Event::Imported { .. }
            | Event::Machine { .. }
            | Event::Tuning { .. }
            | Event::Ready { .. }
            | Event::Warning { .. }
            | Event::Evaluated { .. }
            | Event::Extracted { .. } => {}
        }
    }

    fn applied(&mut self, step: u64, command: Command) {
        self.step = step;
        match command {
            Command::Pause => self.paused = true,
            Command::Resume => self.paused = false,
            Command::Set(set) => self.change(step, set),
            _ => {}
        }
    }

    fn change(&mut self, step: u64, set: Setting) {
        match &set {
            Setting::Weight { name, value } => {
                self.weights.insert(name.clone(), *value);
            }
            Setting::LearningRate(rate) => self.learning_rate = *rate,
            Setting::Freeze { .. } | Setting::Thaw { .. } => frozen::put(&mut self.frozen, &set),
        }
        self.changes.push(Change { step, set });
    }

    /// A phase begins: its settings are in force, whatever was set by hand before.
    fn begin(&mut self, begun: &PhaseStart) {
        self.step = self.step.max(begun.step);
        self.weights.clone_from(&begun.weights);
        self.learning_rate = None;
        self.frozen = frozen::frozen(&self.manifest, &begun.frozen);
        self.phase = Some(begun.clone());
    }

    /// Adds the changes made before this session, and the phase that was under way when it began. They are in force
    /// unless this session has changed the same setting, or a phase has begun since.
    pub fn resume(&mut self, changes: Vec<Change>, phase: Option<&PhaseStart>) {
        let made = std::mem::take(&mut self.changes);
        if let (None, Some(phase)) = (&self.phase, phase) {
            self.begin(phase);
        }
        let since = self.phase.as_ref().map_or(0, |phase| phase.step);
        for change in changes.into_iter().chain(made) {
            match change.step >= since {
                true => self.change(change.step, change.set),
                false => self.changes.push(change),
            }
        }
    }
}
