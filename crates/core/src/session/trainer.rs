//! The state of a training run and its way through steps, epochs and phases.

mod clock;
mod keep;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::error::Error;
use super::settings::{Settings, phase_of, scheduled_rate};
use crate::backend::Training;
use crate::backend::fault::Watch;
use crate::data::{self, Dataset, Images};
use crate::learn;
use crate::learn::{
    Batches, CORRECT, Feed, Learner, Normaliser, Replica, Sgd, Share, Sums, UNIT_RATE, count_usage, shares,
    with_class_masks,
};
use crate::method::{MethodState, Progress};
use crate::modular::{self, Usage, tracked_sites};
use crate::network::Network;
use crate::preset::Preset;
use crate::random::{Draws, Stream};
use crate::run::{
    Best, Checkpoint, EpochRecord, Event, PhaseStart, Setting, SplitRecord, StepRecord, Summary, Writer,
};
use crate::spec::{Spec, State};
use clock::Clock;

/// A run in training.
pub struct Trainer<B: Training> {
    /// The run directory, locked.
    pub writer: Writer,
    /// Steps taken.
    pub step: u64,
    preset: Preset,
    seed: u64,
    dataset: Arc<Dataset>,
    learner: Learner<B>,
    normaliser: Normaliser,
    /// The training split, once for each device.
    feeds: Vec<Feed<B>>,
    settings: Settings,
    /// What the method remembers between steps.
    pub(super) method_state: MethodState,
    /// Index of the phase whose settings have taken effect, where the preset has phases.
    phase: Option<usize>,
    best: Option<Best>,
    /// The best epoch's checkpoint, when it is still to be written.
    put_off: Option<Checkpoint>,
    /// Sums over the epoch's samples so far.
    sums: Option<Sums<B::InnerBackend>>,
    /// Sums over the samples since the last record.
    recent: Option<Sums<B::InnerBackend>>,
    order: Vec<usize>,
    clock: Clock,
    /// On a device of its own: what goes wrong there.
    faults: Option<Watch>,
}

impl<B: Training> Trainer<B> {
    /// A trainer that goes on from `checkpoint`, on this device and, sharing each batch, on others.
    ///
    /// # Errors
    ///
    /// When the checkpoint's weights are not those of its network, or a device does not have the preset's
    /// precision.
    pub fn new(
        writer: Writer,
        dataset: Arc<Dataset>,
        checkpoint: &Checkpoint,
        device: B::Device,
        others: &[B::Device],
    ) -> Result<Self, Error> {
        let faults = (!B::ON_HOST).then(Watch::new);
        let manifest = &writer.run.manifest;
        let preset = manifest.preset.clone();
        let normaliser = Normaliser::of_run(manifest);
        let Replica::<B> { network, optimiser, device } = replica(&preset, checkpoint, device)?;
        let mut learner = Learner::new(network, optimiser, device.clone());
        for other in others {
            learner.add(replica(&preset, checkpoint, other.clone())?);
        }
        let feed = |device| {
            let augmentation = preset.data.augmentation();
            Feed::new(&dataset.train, augmentation, manifest.seed, &normaliser, device)
        };
        let feeds = std::iter::once(&device).chain(others).map(feed).collect();
        let info = &checkpoint.info;
        let settings = Settings::of_checkpoint(&preset, info, &checkpoint.spec)?;
        settings.method.check_state(&checkpoint.spec, &checkpoint.method).map_err(Error::Refused)?;
        let sums = match info.epoch_sums.is_empty() {
            true => None,
            false => Some(Sums::of(&settings.method, &info.epoch_sums)?),
        };
        let mut trainer = Trainer {
            seed: manifest.seed,
            step: checkpoint.step,
            phase: phase_of(info),
            best: info.best,
            put_off: None,
            learner,
            normaliser,
            feeds,
            clock: Clock::new(info.seconds),
            faults,
            order: Vec::new(),
            writer,
            preset,
            dataset,
            settings,
            method_state: checkpoint.method.clone(),
            sums,
            recent: None,
        };
        trainer.order = trainer.epoch_order();
        trainer.freeze_from(&[])?;
        Ok(trainer)
    }

    /// Steps of an epoch; the last batch may be smaller than the others.
    pub fn steps_per_epoch(&self) -> u64 {
        self.dataset.train.len().div_ceil(self.preset.training.batch) as u64
    }

    /// Steps of the whole run.
    pub fn steps(&self) -> u64 {
        self.steps_per_epoch() * self.preset.training.epochs as u64
    }

    /// Epochs completed.
    pub fn epoch(&self) -> u64 {
        self.step / self.steps_per_epoch()
    }

    /// Whether the last step was an epoch's last.
    pub fn at_epoch_end(&self) -> bool {
        self.step > 0 && self.step.is_multiple_of(self.steps_per_epoch()) && self.sums.is_some()
    }

    /// The learning rate of the next step.
    pub fn rate(&self) -> f64 {
        self.rate_of(self.epoch())
    }

    fn rate_of(&self, epoch: u64) -> f64 {
        self.settings.learning_rate.unwrap_or_else(|| scheduled_rate(&self.preset, epoch))
    }

    /// The learning rate of the last step: at an epoch's end the counter of epochs has moved on already.
    fn last_rate(&self) -> f64 {
        self.rate_of(self.step.saturating_sub(1) / self.steps_per_epoch())
    }

    /// Begins the phase of the next step, if that is another than the one before: its settings take effect.
    ///
    /// # Errors
    ///
    /// When it asks for a weight, layer or stage that is not there.
    pub fn begin_phase(&mut self) -> Result<Option<PhaseStart>, Error> {
        let due = self.preset.phase_at(self.epoch());
        let (false, Some(index)) = (due == self.phase, due) else { return Ok(None) };
        let before = self.settings.frozen.parts();
        self.settings = Settings::of(&self.preset, due, self.spec())?;
        self.phase = due;
        self.freeze_from(&before)?;
        let Settings { frozen, .. } = &self.settings;
        Ok(PhaseStart::of(&self.preset, index, self.step, self.settings.weights(), frozen.parts()))
    }

    /// Number of the phase of the last step, from 1, where the preset has several.
    fn phase_number(&self) -> Option<u64> {
        self.phase.filter(|_| self.preset.phase.len() > 1).map(|index| index as u64 + 1)
    }

    /// Makes the next step.
    pub fn train_step(&mut self) {
        super::fault::strike(self.step);
        let begun = Instant::now();
        let size = self.preset.training.batch;
        let position = (self.step % self.steps_per_epoch()) as usize * size;
        let indices = &self.order[position..(position + size).min(self.order.len())];
        let images = &self.dataset.train;
        let parts = shares(indices.len(), self.feeds.len());
        let batch = parts.zip(&self.feeds).map(|((from, count), feed)| {
            let indices = &indices[from..from + count];
            let labels = images.labels_of(indices);
            Share { images: feed.batch(images, indices, self.step, from), labels }
        });
        let batch = batch.collect();
        let draws = Draws::new(self.seed, Stream::Dropout, self.step);
        let rate = self.rate();
        let count = indices.len();
        let progress = Progress {
            seed: self.seed,
            step: self.step,
            epoch: self.epoch(),
            epochs: self.preset.training.epochs as u64,
        };
        let method = (&self.settings.method, &mut self.method_state);
        let sums = self.learner.step_of(progress, batch, method, rate, &draws);
        for total in [&mut self.sums, &mut self.recent] {
            *total = Some(match total.take() {
                Some(before) => before.plus(sums.clone()),
                None => sums.clone(),
            });
        }
        self.step += 1;
        self.clock.spend(begun.elapsed(), count);
    }

    /// Changes a setting from the next step on.
    ///
    /// # Errors
    ///
    /// When the method has no such weight, the network no such layer, or the value makes no sense.
    pub fn set(&mut self, setting: &Setting) -> Result<(), String> {
        let before = self.settings.frozen.parts();
        self.settings.put(setting)?;
        self.freeze_from(&before).map_err(|error| error.to_string())
    }

    /// Has the network freeze what the settings say, where that is not what was frozen before.
    fn freeze_from(&mut self, before: &[String]) -> Result<(), learn::Error> {
        let parts = self.settings.frozen.parts();
        if parts != before {
            self.learner.freeze(&parts)?;
        }
        Ok(())
    }

    /// Waits until the device has done what it was given; seconds since the trainer began.
    ///
    /// # Errors
    ///
    /// When a sum is not finite.
    pub fn wait(&self) -> Result<f64, Error> {
        self.read_sums(&self.sums)?;
        Ok(self.clock.process())
    }

    /// Means over the steps since the last record, if that was long enough ago or the epoch ends.
    ///
    /// # Errors
    ///
    /// When a sum is not finite.
    pub fn read_steps(&mut self) -> Result<Option<StepRecord>, Error> {
        match self.clock.is_due() || self.at_epoch_end() {
            true => self.record_steps(),
            false => Ok(None),
        }
    }

    /// Means over the steps since the last record, if there were any.
    ///
    /// # Errors
    ///
    /// When a sum is not finite.
    pub fn record_steps(&mut self) -> Result<Option<StepRecord>, Error> {
        if self.recent.is_none() {
            return Ok(None);
        }
        let begun = Instant::now();
        let sums = self.read_sums(&self.recent)?;
        self.recent = None;
        // Reading waits for the steps that a device still makes.
        self.clock.spend(begun.elapsed(), 0);
        let spent = self.clock.recent();
        self.clock.recorded();
        let mean = |(name, sum): (String, f64)| {
            let name = if name == CORRECT { "accuracy".to_owned() } else { name };
            (name, sum / (spent.images as f64).max(1.0))
        };
        Ok(Some(StepRecord {
            step: self.step,
            phase: self.phase_number(),
            seconds: self.clock.process(),
            train: sums.into_iter().map(mean).collect(),
            learning_rate: self.last_rate(),
            images_per_second: spent.speed(),
        }))
    }

    /// Measures the epoch that just ended and begins the next.
    ///
    /// # Errors
    ///
    /// When a sum, a loss or a mask is not finite.
    pub fn finish_epoch(&mut self) -> Result<(EpochRecord, Option<Usage>), Error> {
        let sums = self.read_sums(&self.sums)?;
        let network = self.learner.network().valid();
        let (valid, _) = self.measure(&network, &self.dataset.valid)?;
        let part = evenly_spaced(&self.dataset.train, self.dataset.valid.len());
        let (mut train, usage) = self.measure(&network, &part)?;
        self.put_sums(&mut train, &sums);
        if self.best.is_none_or(|best| valid.accuracy > best.accuracy) {
            self.best = Some(Best { step: self.step, accuracy: valid.accuracy });
        }
        let spent = self.clock.epoch();
        let record = EpochRecord {
            step: self.step,
            epoch: self.epoch(),
            phase: self.phase_number(),
            learning_rate: self.last_rate(),
            loss_weights: self.settings.weights(),
            train,
            best_valid_accuracy: self.best.map_or(valid.accuracy, |best| best.accuracy),
            valid,
            seconds: spent.time.as_secs_f64(),
            images_per_second: spent.speed(),
        };
        (self.sums, self.recent) = (None, None);
        self.order = self.epoch_order();
        self.clock.next_epoch();
        Ok((record, usage))
    }

    /// The weights on the host.
    ///
    /// # Errors
    ///
    /// When one is not finite.
    pub fn state(&self) -> Result<State, Error> {
        let state = self.learner.network().state();
        self.check_device()?;
        match state.0.values().flat_map(|array| &array.values).all(|value| value.is_finite()) {
            true => Ok(state),
            false => Err(learn::Error::Diverged { term: "weights".into(), step: self.step }.into()),
        }
    }

    /// Usage of the whole training split, and what the run comes to.
    ///
    /// # Errors
    ///
    /// When a mask is not finite.
    pub fn summarise(&mut self) -> Result<(Option<Usage>, Summary), Error> {
        let network = self.learner.network().valid();
        let usage = match self.settings.method.is_modular() {
            true => Some(self.count_usage(&network)?),
            false => None,
        };
        let modules = usage.as_ref().map(|u| u.modules(self.preset.modules.threshold)).transpose()?;
        let cohesion =
            modules.as_ref().zip(usage.as_ref()).map(|(m, usage)| m.cohesion(usage)).transpose()?;
        let accuracy = |images: &Images| self.measure(&network, images).map(|(record, _)| record.accuracy);
        let summary = Summary {
            test_accuracy: accuracy(&self.dataset.test)?,
            valid_accuracy: accuracy(&self.dataset.valid)?,
            cohesion,
            coupling: modules.as_ref().map(|modules| modules.coupling()),
            krr: modules.as_ref().map(|modules| modules.mean_krr()),
            seconds: self.clock.seconds(),
            images_per_second: self.clock.all().speed(),
        };
        Ok((usage, summary))
    }

    /// Accuracy on the validation split.
    ///
    /// # Errors
    ///
    /// When a mask is not finite.
    pub fn valid_accuracy(&self) -> Result<f64, Error> {
        Ok(self.measure(&self.learner.network().valid(), &self.dataset.valid)?.0.accuracy)
    }

    /// The network's description.
    pub fn spec(&self) -> &Spec {
        self.learner.network().spec()
    }

    fn count_usage(&self, network: &Network<B::InnerBackend>) -> Result<Usage, Error> {
        let manifest = &self.writer.run.manifest;
        let counted =
            count_usage(manifest, network, &self.method_state, &self.dataset.train, self.learner.device());
        self.check_device()?;
        counted.map_err(|error| self.as_divergence(error))
    }

    /// What the network does on these images, and the usage counted on the way where the method looks at units.
    fn measure(
        &self,
        network: &Network<B::InnerBackend>,
        images: &Images,
    ) -> Result<(SplitRecord, Option<Usage>), Error> {
        let sites = tracked_sites(network.spec(), network.observed_sites())?;
        let mut usage = (!sites.is_empty()).then(|| Usage::new(sites, self.dataset.classes.len()));
        let device = self.learner.device();
        let batches = Batches::of_run(&self.writer.run.manifest, images).remembering(&self.method_state);
        let method = &self.settings.method;
        let evaluation = batches.evaluate(network, &self.normaliser, device, method, usage.as_mut());
        self.check_device()?;
        let evaluation = evaluation.map_err(|error| self.as_divergence(error))?;
        let record = SplitRecord::new(&evaluation, &self.settings.method, usage.as_ref());
        match record.losses.iter().find(|(_, loss)| !loss.is_finite()) {
            Some((term, _)) => Err(learn::Error::Diverged { term: term.clone(), step: self.step }.into()),
            None => {
                let usage = usage.map(|usage| with_class_masks(usage, &self.method_state)).transpose()?;
                Ok((record, usage))
            }
        }
    }

    /// Masks that are not finite mean that training diverged, as losses do.
    fn as_divergence(&self, error: modular::Error) -> Error {
        match error {
            modular::Error::NotFinite { .. } => {
                learn::Error::Diverged { term: "masks".into(), step: self.step }.into()
            }
            other => other.into(),
        }
    }

    fn read_sums(&self, sums: &Option<Sums<B::InnerBackend>>) -> Result<BTreeMap<String, f64>, Error> {
        let sums = sums.as_ref().map(Sums::named).unwrap_or_default();
        self.check_device()?;
        match sums.iter().find(|(_, sum)| !sum.is_finite()) {
            None => Ok(sums),
            Some((term, _)) => Err(learn::Error::Diverged { term: term.clone(), step: self.step }.into()),
        }
    }

    /// What a device has computed means nothing after a failure that its own thread met.
    fn check_device(&self) -> Result<(), Error> {
        match self.faults.as_ref().and_then(Watch::seen) {
            Some(fault) => Err(fault.into()),
            None => Ok(()),
        }
    }

    /// Replaces losses and accuracy by those of the epoch's training steps.
    fn put_sums(&self, record: &mut SplitRecord, sums: &BTreeMap<String, f64>) {
        let samples = self.dataset.train.len() as f64;
        record.class_accuracy.clear();
        for (name, sum) in sums {
            let mean = sum / samples;
            match name.as_str() {
                CORRECT => record.accuracy = mean,
                UNIT_RATE => {}
                name => {
                    record.losses.insert(name.into(), mean);
                }
            }
        }
    }

    fn epoch_order(&self) -> Vec<usize> {
        data::epoch_order(self.dataset.train.len(), self.seed, self.epoch())
    }
}

impl<B: Training> Drop for Trainer<B> {
    /// Training that fails, by an error or a panic, keeps its best epoch.
    fn drop(&mut self) {
        // The failure is what a person is told; a checkpoint that cannot be written is not named.
        if let Ok(Some(step)) = self.write_put_off() {
            let _ = self.writer.events.append(&Event::Checkpointed { step });
        }
    }
}

/// The network of a checkpoint on a device, with its optimiser.
fn replica<B: Training>(
    preset: &Preset,
    checkpoint: &Checkpoint,
    device: B::Device,
) -> Result<Replica<B>, Error> {
    let training = &preset.training;
    let arithmetic = B::arithmetic(training.precision, &device).map_err(|why| {
        Error::Refused(format!("the device does not compute in {}: {why}", training.precision))
    })?;
    let network = Network::<B>::new(checkpoint.spec.clone(), &checkpoint.weights, &device)?;
    let sites = preset.method.observes(&checkpoint.spec)?;
    let network = network.with_arithmetic(arithmetic).observing(&sites);
    let optimiser = Sgd::with_velocity(training.momentum, &checkpoint.velocity, &network, &device)?;
    Ok(Replica { network, optimiser, device })
}

/// At most `count` images of a split, evenly spaced through it.
fn evenly_spaced(images: &Images, count: usize) -> Images {
    let count = count.min(images.len());
    let indices: Vec<usize> = (0..count).map(|i| i * images.len() / count).collect();
    images.select(&indices)
}
