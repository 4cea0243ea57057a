//! Writing a run: the process that trains it holds the lock, appends to the logs and saves checkpoints.

use std::time::Duration;

use super::checkpoint::{self, Checkpoint};
use super::error::Error;
use super::layout::{self, EVENTS, METRICS, STEPS};
use super::lock::Lock;
use super::log::Log;
use super::reader::Run;
use crate::disk;

/// Age from which on an unfinished module is abandoned; other processes write modules without the lock.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A run that is locked for writing until this is dropped.
#[derive(Debug)]
pub struct Writer {
    /// The run.
    pub run: Run,
    /// Its metric log: a record for each epoch.
    pub metrics: Log,
    /// Its step log: means over a few steps.
    pub steps: Log,
    /// Its event log.
    pub events: Log,
    _lock: Lock,
}

impl Writer {
    /// Locks a run, and removes what a crash left: unfinished files and torn last lines.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when another process writes to it; else as [`Run::open`], and when it cannot be
    /// written.
    pub fn open(run: Run) -> Result<Self, Error> {
        let lock = Lock::take(&run.path)?;
        disk::sweep(&run.path, Duration::ZERO)?;
        for (directory, age) in
            [(layout::checkpoints(&run.path), Duration::ZERO), (layout::modules(&run.path), PATIENCE)]
        {
            layout::make_own(&directory)?;
            disk::sweep(&directory, age)?;
        }
        let metrics = Log::open(&run.path.join(METRICS))?;
        let steps = Log::open(&run.path.join(STEPS))?;
        let events = Log::open(&run.path.join(EVENTS))?;
        Ok(Writer { run, metrics, steps, events, _lock: lock })
    }

    /// Saves a checkpoint, in place of one of the same step; the logs are synced to the disk before.
    ///
    /// # Errors
    ///
    /// When the weights are not those of its network, or the system refuses; older checkpoints are unharmed.
    pub fn save_checkpoint(&mut self, checkpoint: &Checkpoint, usage: Option<&[u8]>) -> Result<(), Error> {
        for log in [&self.metrics, &self.steps, &self.events] {
            log.sync()?;
        }
        checkpoint::save(&layout::checkpoints(&self.run.path), checkpoint, usage)
    }

    /// Removes all checkpoints but the newest `count` and the one of step `best`.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn keep(&mut self, count: usize, best: Option<u64>) -> Result<(), Error> {
        let checkpoints = self.run.checkpoints()?;
        let old = checkpoints.len().saturating_sub(count);
        for (_, path) in checkpoints[..old].iter().filter(|(step, _)| Some(*step) != best) {
            disk::remove_dir(path)?;
        }
        Ok(())
    }

    /// Goes back to a step: removes all later records and checkpoints.
    ///
    /// # Errors
    ///
    /// When a log has a broken line, or the system refuses.
    pub fn rewind(&mut self, step: u64) -> Result<(), Error> {
        for log in [&mut self.metrics, &mut self.steps, &mut self.events] {
            log.truncate_after(step)?;
        }
        for (_, path) in self.run.checkpoints()?.iter().filter(|(at, _)| *at > step) {
            disk::remove_dir(path)?;
        }
        Ok(())
    }
}
