//! Loads the series of a run from its logs.

use super::Curves;
use crate::run::{EpochRecord, Event, Manifest, StepRecord};
use crate::session::Setting;

/// The complete logs of a run.
#[derive(Clone, Debug)]
pub struct Logs {
    /// The run's manifest.
    pub manifest: Manifest,
    /// Its epochs.
    pub epochs: Vec<EpochRecord>,
    /// Its step records, each averaged over a few steps.
    pub steps: Vec<StepRecord>,
    /// Its events.
    pub events: Vec<Event>,
    /// Steps of its checkpoints.
    pub checkpoints: Vec<u64>,
}

/// A line of one of the three logs.
enum Entry<'a> {
    Steps(&'a StepRecord),
    Epoch(&'a EpochRecord),
    Event(&'a Event),
}

impl Entry<'_> {
    /// Sort key: a step's record, then the epoch that it completes, then later events.
    fn order(&self) -> (u64, u8) {
        match self {
            Entry::Steps(record) => (record.step, 0),
            Entry::Epoch(record) => (record.step, 1),
            Entry::Event(event) => (event.step(), 2),
        }
    }
}

impl Curves {
    /// The series of a run's logs up to a step.
    pub fn load(history: &Logs, until: u64, smoothing: f64) -> Self {
        let mut curves = Curves::new(&history.manifest, smoothing);
        curves.start_from_first_epoch(history);
        let steps = history.steps.iter().map(Entry::Steps);
        let epochs = history.epochs.iter().map(Entry::Epoch);
        let events = history.events.iter().map(Entry::Event);
        let mut entries: Vec<Entry<'_>> = steps.chain(epochs).chain(events).collect();
        entries.retain(|entry| entry.order().0 <= until);
        entries.sort_by_key(Entry::order);
        for entry in entries {
            match entry {
                Entry::Steps(record) => curves.record(record),
                Entry::Epoch(record) => curves.epoch(record),
                Entry::Event(event) => curves.event(event),
            }
        }
        curves.checkpoints = history.checkpoints.iter().copied().filter(|step| *step <= until).collect();
        curves
    }

    /// Branches made by older versions may start with loss weights that neither preset nor log records: they are taken
    /// from the first epoch, unless a change came before it.
    fn start_from_first_epoch(&mut self, history: &Logs) {
        let Some(first) = history.epochs.first() else { return };
        let changed = |name: &str| {
            history.events.iter().any(|event| match event {
                Event::Applied { step, change, .. } if *step < first.step => {
                    matches!(change.setting(), Some(Setting::Weight { name: of, .. }) if of == name)
                }
                Event::Phase(begun) => begun.step < first.step,
                _ => false,
            })
        };
        for (name, value) in &first.loss_weights {
            if self.initial.contains_key(name) && !changed(name) {
                self.initial.insert(name.clone(), *value);
            }
        }
        self.weights = self.initial.clone();
    }
}
