//! The state of a training run and its way through steps and epochs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::Error;
use super::schedule::Setting;
use crate::backend::Training;
use crate::backend::fault::Watch;
use crate::data::{self, Dataset, Images};
use crate::learn;
use crate::learn::{
    Batches, CORRECT, Feed, Learner, Normaliser, Replica, Sgd, Share, Sums, UNIT_RATE, cosine, count_usage,
    shares,
};
use crate::method::{MethodConfig, MethodState, Progress};
use crate::modular::{self, Usage, masked_sites};
use crate::network::Network;
use crate::preset::Preset;
use crate::random::{Draws, Stream};
use crate::run::{
    Best, Checkpoint, CheckpointInfo, EpochRecord, EpochSums, SplitRecord, StepRecord, Summary, Writer,
};
use crate::spec::{Spec, State};

/// Step means are read back from the device no more often than this.
const READ_INTERVAL: Duration = Duration::from_millis(250);
/// Checkpoints that are kept beside the one of the best epoch.
const KEPT_CHECKPOINTS: usize = 3;
/// A checkpoint is saved at an epoch's end when saving would take at most one part in this many of the time.
const SAVING_SHARE: u32 = 20;

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
    /// The method with the loss weights in force.
    method: MethodConfig,
    /// What it remembers between steps.
    method_state: MethodState,
    learning_rate: Option<f64>,
    best: Option<Best>,
    /// Sums over the epoch's samples so far.
    sums: Option<Sums<B::InnerBackend>>,
    order: Vec<usize>,
    clock: Clock,
    /// On a device of its own: what goes wrong there.
    faults: Option<Watch>,
}

/// Wall-clock bookkeeping, which no result depends on.
struct Clock {
    started: Instant,
    /// What processes before this one took.
    before: Duration,
    epoch_steps: Duration,
    all_steps: Duration,
    images: u64,
    epoch_images: u64,
    read: Instant,
    read_step: u64,
    read_sums: BTreeMap<String, f64>,
    read_images: u64,
    saved: Instant,
    saving: Duration,
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
        let mut clock = Clock::new(checkpoint);
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
        clock.read = Instant::now();
        let mut method = preset.method.clone();
        for (name, value) in &checkpoint.info.loss_weights {
            method.set_weight(name, *value).map_err(Error::Refused)?;
        }
        method.check_state(&checkpoint.spec, &checkpoint.method).map_err(Error::Refused)?;
        let sums = &checkpoint.info.epoch_sums;
        let sums = if sums.is_empty() { None } else { Some(Sums::of(&method, sums)?) };
        clock.read_sums = sums.as_ref().map(Sums::named).unwrap_or_default();
        let mut trainer = Trainer {
            seed: manifest.seed,
            step: checkpoint.step,
            learning_rate: checkpoint.info.learning_rate,
            best: checkpoint.info.best,
            learner,
            normaliser,
            feeds,
            clock,
            faults,
            order: Vec::new(),
            writer,
            preset,
            dataset,
            method,
            method_state: checkpoint.method.clone(),
            sums,
        };
        trainer.order = trainer.epoch_order();
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
        let training = &self.preset.training;
        let scheduled = cosine(training.learning_rate, self.epoch(), training.cosine_period());
        self.learning_rate.unwrap_or(scheduled)
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
        let progress = Progress {
            seed: self.seed,
            step: self.step,
            epoch: self.epoch(),
            epochs: self.preset.training.epochs as u64,
        };
        let method = (&self.method, &mut self.method_state);
        let sums = self.learner.step_of(progress, batch, method, rate, &draws);
        self.sums = Some(match self.sums.take() {
            Some(before) => before.plus(sums),
            None => sums,
        });
        self.step += 1;
        self.clock.stepped(begun.elapsed(), indices.len());
    }

    /// Changes a setting from the next step on.
    ///
    /// # Errors
    ///
    /// When the method has no such weight or the value makes no sense.
    pub fn set(&mut self, setting: &Setting) -> Result<(), String> {
        setting.put(&mut self.method, &mut self.learning_rate)
    }

    /// Waits until the device has done what it was given; seconds since the trainer began.
    ///
    /// # Errors
    ///
    /// When a sum is not finite.
    pub fn wait(&self) -> Result<f64, Error> {
        self.read_sums()?;
        Ok(self.clock.started.elapsed().as_secs_f64())
    }

    /// Means over the steps since the last call, if the last one was long enough ago.
    ///
    /// # Errors
    ///
    /// When a sum is not finite.
    pub fn read_steps(&mut self) -> Result<Option<StepRecord>, Error> {
        if self.clock.read.elapsed() < READ_INTERVAL || self.step == self.clock.read_step {
            return Ok(None);
        }
        let sums = self.read_sums()?;
        let images = (self.clock.epoch_images - self.clock.read_images) as f64;
        let before = std::mem::replace(&mut self.clock.read_sums, sums.clone());
        let mean = |(name, sum): (String, f64)| {
            let mean = (sum - before.get(&name).copied().unwrap_or(0.0)) / images.max(1.0);
            (if name == CORRECT { "accuracy".to_owned() } else { name }, mean)
        };
        let train = sums.into_iter().map(mean).collect();
        let seconds = self.clock.read.elapsed().as_secs_f64();
        (self.clock.read, self.clock.read_step) = (Instant::now(), self.step);
        self.clock.read_images = self.clock.epoch_images;
        Ok(Some(StepRecord {
            step: self.step,
            seconds: self.clock.started.elapsed().as_secs_f64(),
            train,
            learning_rate: self.rate(),
            images_per_second: images / seconds,
        }))
    }

    /// Measures the epoch that just ended and begins the next.
    ///
    /// # Errors
    ///
    /// When a sum, a loss or a mask is not finite.
    pub fn finish_epoch(&mut self) -> Result<(EpochRecord, Option<Usage>), Error> {
        let rate = cosine_rate_of_last_epoch(self);
        let sums = self.read_sums()?;
        let network = self.learner.network().valid();
        let (valid, _) = self.measure(&network, &self.dataset.valid)?;
        let part = evenly_spaced(&self.dataset.train, self.dataset.valid.len());
        let (mut train, usage) = self.measure(&network, &part)?;
        self.put_sums(&mut train, &sums);
        if self.best.is_none_or(|best| valid.accuracy > best.accuracy) {
            self.best = Some(Best { step: self.step, accuracy: valid.accuracy });
        }
        let record = EpochRecord {
            step: self.step,
            epoch: self.epoch(),
            learning_rate: rate,
            loss_weights: self.loss_weights(),
            train,
            best_valid_accuracy: self.best.map_or(valid.accuracy, |best| best.accuracy),
            valid,
            seconds: self.clock.epoch_steps.as_secs_f64(),
            images_per_second: self.clock.epoch_images as f64 / self.clock.epoch_steps.as_secs_f64(),
        };
        self.sums = None;
        self.order = self.epoch_order();
        self.clock.next_epoch(self.step);
        Ok((record, usage))
    }

    /// Whether enough time has passed since the last checkpoint that another costs little.
    pub fn wants_checkpoint(&self) -> bool {
        self.clock.saved.elapsed() >= self.clock.saving * SAVING_SHARE
    }

    /// Saves a checkpoint of this step.
    ///
    /// # Errors
    ///
    /// When the weights are not finite (nothing is written then), or the disk refuses.
    pub fn checkpoint(&mut self, usage: Option<&Usage>) -> Result<(), Error> {
        let begun = Instant::now();
        let epoch_sums = match &self.sums {
            Some(_) => EpochSums::Named(self.read_sums()?),
            None => EpochSums::default(),
        };
        let checkpoint = Checkpoint {
            step: self.step,
            epoch: self.epoch(),
            spec: self.spec().clone(),
            weights: self.state()?,
            velocity: self.learner.optimiser().velocity(self.learner.network()),
            method: self.method_state.clone(),
            info: CheckpointInfo {
                loss_weights: self.loss_weights(),
                learning_rate: self.learning_rate,
                best: self.best,
                epoch_sums,
                seconds: self.clock.seconds(),
            },
        };
        let usage = usage.map(Usage::to_safetensors).transpose()?;
        self.writer.save_checkpoint(&checkpoint, usage.as_deref())?;
        self.writer.keep(KEPT_CHECKPOINTS, self.best.map(|best| best.step))?;
        (self.clock.saved, self.clock.saving) = (Instant::now(), begun.elapsed());
        Ok(())
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
        let usage = match self.method.is_modular() {
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
            images_per_second: self.clock.images as f64 / self.clock.all_steps.as_secs_f64().max(1e-9),
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
        let counted = count_usage(manifest, network, &self.dataset.train, self.learner.device());
        self.check_device()?;
        counted.map_err(|error| self.as_divergence(error))
    }

    /// What the network does on these images, and the usage counted on the way where there are masks.
    fn measure(
        &self,
        network: &Network<B::InnerBackend>,
        images: &Images,
    ) -> Result<(SplitRecord, Option<Usage>), Error> {
        let layers = masked_sites(network.spec())?;
        let mut usage = (!layers.is_empty()).then(|| Usage::new(layers, self.dataset.classes.len()));
        let device = self.learner.device();
        let batches = Batches::of_run(&self.writer.run.manifest, images).remembering(&self.method_state);
        let evaluation = batches.evaluate(network, &self.normaliser, device, &self.method, usage.as_mut());
        self.check_device()?;
        let evaluation = evaluation.map_err(|error| self.as_divergence(error))?;
        let record = SplitRecord::new(&evaluation, &self.method, usage.as_ref());
        match record.losses.iter().find(|(_, loss)| !loss.is_finite()) {
            Some((term, _)) => Err(learn::Error::Diverged { term: term.clone(), step: self.step }.into()),
            None => Ok((record, usage)),
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

    fn read_sums(&self) -> Result<BTreeMap<String, f64>, Error> {
        let sums = self.sums.as_ref().map(Sums::read).unwrap_or_default();
        self.check_device()?;
        match sums.iter().find(|(_, sum)| !sum.is_finite()) {
            None => Ok(sums.into_iter().map(|(name, sum)| (name.to_owned(), sum)).collect()),
            Some((term, _)) => Err(learn::Error::Diverged { term: (*term).into(), step: self.step }.into()),
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

    fn loss_weights(&self) -> BTreeMap<String, f64> {
        self.method.weights().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn epoch_order(&self) -> Vec<usize> {
        data::epoch_order(self.dataset.train.len(), self.seed, self.epoch())
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
    let network = network.with_arithmetic(arithmetic);
    let network = if network.observed_sites() == sites { network } else { network.observing(&sites) };
    let optimiser = Sgd::with_velocity(training.momentum, &checkpoint.velocity, &network, &device)?;
    Ok(Replica { network, optimiser, device })
}

/// The epoch counter has already moved on when an epoch is recorded.
fn cosine_rate_of_last_epoch<B: Training>(trainer: &Trainer<B>) -> f64 {
    let training = &trainer.preset.training;
    let last = trainer.epoch().saturating_sub(1);
    trainer.learning_rate.unwrap_or_else(|| cosine(training.learning_rate, last, training.cosine_period()))
}

/// At most `count` images of a split, evenly spaced through it.
fn evenly_spaced(images: &Images, count: usize) -> Images {
    let count = count.min(images.len());
    let indices: Vec<usize> = (0..count).map(|i| i * images.len() / count).collect();
    images.select(&indices)
}

impl Clock {
    fn new(checkpoint: &Checkpoint) -> Self {
        let now = Instant::now();
        Clock {
            started: now,
            before: Duration::try_from_secs_f64(checkpoint.info.seconds).unwrap_or_default(),
            epoch_steps: Duration::ZERO,
            all_steps: Duration::ZERO,
            images: 0,
            epoch_images: 0,
            read: now,
            read_step: checkpoint.step,
            read_sums: BTreeMap::new(),
            read_images: 0,
            saved: now,
            saving: Duration::ZERO,
        }
    }

    /// Seconds of training so far, those of earlier processes included.
    fn seconds(&self) -> f64 {
        (self.before + self.started.elapsed()).as_secs_f64()
    }

    fn stepped(&mut self, time: Duration, images: usize) {
        self.epoch_steps += time;
        self.all_steps += time;
        self.images += images as u64;
        self.epoch_images += images as u64;
    }

    fn next_epoch(&mut self, step: u64) {
        self.epoch_steps = Duration::ZERO;
        self.epoch_images = 0;
        self.read_images = 0;
        self.read_sums.clear();
        self.read_step = step;
    }
}
