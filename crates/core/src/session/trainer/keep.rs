//! Checkpoints of a run in training: when they are saved, and which are kept.

use std::time::Instant;

use super::Trainer;
use crate::backend::Training;
use crate::modular::Usage;
use crate::run::{Checkpoint, CheckpointInfo, EpochSums};
use crate::session::error::Error;

/// Checkpoints that are kept beside the one of the best epoch.
const KEPT_CHECKPOINTS: usize = 3;

impl<B: Training> Trainer<B> {
    /// Saves what an epoch's end calls for: a checkpoint where it costs little. One of the best epoch so far is put
    /// off where it would cost more, until saving costs little or an epoch is not better. Gives the steps of the
    /// checkpoints that were written.
    ///
    /// # Errors
    ///
    /// As [`Trainer::checkpoint`].
    pub fn keep_epoch(&mut self) -> Result<Vec<u64>, Error> {
        if self.clock.allows_saving() {
            return self.checkpoint(None);
        }
        if self.best.is_some_and(|best| best.step == self.step) {
            self.put_off = Some(self.snapshot()?);
            return Ok(Vec::new());
        }
        Ok(self.write_put_off()?.into_iter().collect())
    }

    /// Saves a checkpoint of this step, and before it one that was put off. Gives the steps of both.
    ///
    /// # Errors
    ///
    /// When the weights are not finite (nothing is written then), or the disk refuses.
    pub fn checkpoint(&mut self, usage: Option<&Usage>) -> Result<Vec<u64>, Error> {
        let begun = Instant::now();
        let checkpoint = self.snapshot()?;
        let usage = usage.map(Usage::to_safetensors).transpose()?;
        // What was put off is no longer the best epoch, or it is this step.
        self.put_off.take_if(|_| self.best.is_some_and(|best| best.step == checkpoint.step));
        let mut written: Vec<u64> = self.write_put_off()?.into_iter().collect();
        self.write(&checkpoint, usage.as_deref())?;
        self.clock.saved(begun.elapsed());
        written.push(checkpoint.step);
        Ok(written)
    }

    /// Writes the best epoch's checkpoint, if it was put off; gives its step. To be done before a setting changes, so
    /// that the event log has a checkpoint after the changes that it holds and before all others.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn write_put_off(&mut self) -> Result<Option<u64>, Error> {
        let Some(checkpoint) = self.put_off.take() else { return Ok(None) };
        let begun = Instant::now();
        self.write(&checkpoint, None)?;
        self.clock.saved(begun.elapsed());
        Ok(Some(checkpoint.step))
    }

    fn write(&mut self, checkpoint: &Checkpoint, usage: Option<&[u8]>) -> Result<(), Error> {
        self.writer.save_checkpoint(checkpoint, usage)?;
        Ok(self.writer.keep(KEPT_CHECKPOINTS, checkpoint.info.best.map(|best| best.step))?)
    }

    /// All that the next step depends on.
    fn snapshot(&self) -> Result<Checkpoint, Error> {
        let epoch_sums = match &self.sums {
            Some(_) => EpochSums::Named(self.read_sums(&self.sums)?),
            None => EpochSums::default(),
        };
        Ok(Checkpoint {
            step: self.step,
            epoch: self.epoch(),
            spec: self.spec().clone(),
            weights: self.state()?,
            velocity: self.learner.optimiser().velocity(self.learner.network()),
            method: self.method_state.clone(),
            info: CheckpointInfo {
                loss_weights: self.settings.weights(),
                learning_rate: self.settings.learning_rate,
                frozen: self.settings.frozen.parts(),
                phase: self.phase.map(|index| index as u64 + 1),
                best: self.best,
                epoch_sums,
                seconds: self.clock.seconds(),
            },
        })
    }
}
