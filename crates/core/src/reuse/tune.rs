//! Fine-tuning a module and measuring networks on a task.

use super::error::Error;
use super::task::Task;
use crate::backend::Training;
use crate::data::Images;
use crate::learn::{Batches, Feed, Learner, Normaliser, Sgd, Share, argmax_rows, cosine};
use crate::method::MethodConfig;
use crate::network::Network;
use crate::random::{Draws, Stream, generator, shuffle};
use crate::run::Manifest;
use crate::spec::{Array, Spec, State};

/// Settings of fine-tuning and measuring: those of the run.
#[derive(Clone, Copy)]
pub struct Tuning<'a> {
    /// The run.
    pub manifest: &'a Manifest,
}

impl Tuning<'_> {
    /// Fraction of `images` that a network predicts right.
    ///
    /// # Errors
    ///
    /// When the weights are not the network's.
    pub fn accuracy<B: Training>(
        &self,
        spec: &Spec,
        state: &State,
        images: &Images,
        device: &B::Device,
    ) -> Result<f64, Error> {
        let network = Network::<B::InnerBackend>::new(spec.clone(), state, device)?;
        let normaliser = Normaliser::of_run(self.manifest);
        let evaluation = Batches::of_run(self.manifest, images).evaluate(
            &network,
            &normaliser,
            device,
            &MethodConfig::PLAIN,
            None,
        )?;
        Ok(evaluation.accuracy())
    }

    /// Fraction of `images` (label 0: of `class`, label 1: of another) for which the network predicts `class`
    /// exactly when it is right.
    ///
    /// # Errors
    ///
    /// As [`Tuning::accuracy`].
    pub fn detection_accuracy<B: Training>(
        &self,
        spec: &Spec,
        state: &State,
        class: usize,
        images: &Images,
        device: &B::Device,
    ) -> Result<f64, Error> {
        let network = Network::<B::InnerBackend>::new(spec.clone(), state, device)?;
        let mut right = 0;
        Batches::of_run(self.manifest, images).run(
            &network,
            &Normaliser::of_run(self.manifest),
            device,
            |labels, output| {
                let predicted = argmax_rows(&Array::from_tensor(output.logits));
                right += predicted
                    .iter()
                    .zip(labels)
                    .filter(|(p, label)| (**p == class) == (**label == 0))
                    .count();
                Ok(())
            },
        )?;
        Ok(right as f64 / images.len().max(1) as f64)
    }
}

/// Trains all weights of a module on its classes' training samples with cross-entropy, as the published code
/// does; but keeps the epoch with the best accuracy on validation samples (the first of equals), where that
/// code picks on test.
///
/// # Errors
///
/// When the weights are not the network's, or there are no validation samples to choose the epoch by.
pub fn fine_tune<B: Training>(
    tuning: &Tuning<'_>,
    spec: &Spec,
    state: &State,
    task: &Task,
    epochs: usize,
    device: &B::Device,
) -> Result<State, Error> {
    if task.valid.is_empty() {
        return Err(Error::Refused(
            "the run keeps no validation samples of these classes, by which the best epoch of fine-tuning is chosen; \
             train with data.valid_fraction above 0, or with validation images of these classes"
                .into(),
        ));
    }
    let preset = &tuning.manifest.preset;
    let seed = tuning.manifest.seed;
    let network = Network::<B>::new(spec.clone(), state, device)?;
    let mut learner = Learner::new(network, Sgd::new(preset.training.momentum), device.clone());
    let normaliser = Normaliser::of_run(tuning.manifest);
    let feed = Feed::<B>::new(&task.train, preset.data.augmentation(), seed, &normaliser, device)
        .drawing_from(Stream::FineTuneAugment);
    let mut best: Option<(f64, State)> = None;
    let mut step = 0;
    for epoch in 0..epochs as u64 {
        let modules = &preset.modules;
        let rate = cosine(modules.fine_tune_learning_rate, epoch, modules.fine_tune_cosine_epochs);
        let mut order: Vec<usize> = (0..task.train.len()).collect();
        shuffle(&mut generator(seed, Stream::FineTuneOrder, epoch), &mut order);
        for indices in order.chunks(even_batch(order.len(), preset.training.batch)) {
            let images = feed.batch(&task.train, indices, step, 0);
            let share = Share { images, labels: task.train.labels_of(indices) };
            let draws = Draws::new(seed, Stream::FineTuneDropout, step);
            learner.step(vec![share], &MethodConfig::PLAIN, rate, &draws);
            step += 1;
        }
        let state = learner.network().state();
        let accuracy = tuning.accuracy::<B>(spec, &state, &task.valid, device)?;
        if best.as_ref().is_none_or(|(highest, _)| accuracy > *highest) {
            best = Some((accuracy, state));
        }
    }
    Ok(best.map_or_else(|| state.clone(), |(_, state)| state))
}

/// The size of batches that are as alike as can be: as many of them as batches of at most `largest` samples would be.
///
/// A module's training set is small. An epoch that ended with a batch of one or two samples would leave batch norm with
/// the statistics of these, just before the epoch is measured.
fn even_batch(samples: usize, largest: usize) -> usize {
    samples.div_ceil(samples.div_ceil(largest).max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{dataset, manifest, spec};
    use super::*;
    use crate::backend::{Cpu, cpu_device};
    use crate::data::Dataset;

    #[test]
    fn no_batch_of_an_epoch_is_much_smaller_than_the_others() {
        assert_eq!(even_batch(257, 32), 29, "8 of 29 and one of 25");
        assert_eq!((even_batch(64, 32), even_batch(5, 32), even_batch(0, 32)), (32, 5, 1));
        for samples in 1..400 {
            let size = even_batch(samples, 32);
            let (batches, last) = (samples.div_ceil(size), (samples - 1) % size + 1);
            assert!(
                size <= 32 && batches == samples.div_ceil(32) && size - last < batches.max(2),
                "{samples}"
            );
        }
    }

    #[test]
    fn without_validation_samples_of_its_classes_no_module_is_fine_tuned() {
        let (manifest, mut dataset) = (manifest(), dataset());
        let tuning = Tuning { manifest: &manifest };
        let spec = spec().without_masks();
        let state = State::init(&spec, 1).unwrap();
        let tune = |dataset: &Dataset| {
            let task = Task::new(dataset, &[0, 1, 2]).unwrap();
            fine_tune::<Cpu>(&tuning, &spec, &state, &task, 1, &cpu_device())
        };
        assert_ne!(tune(&dataset).unwrap(), state);
        dataset.valid = Images::empty([1, 4, 4]);
        let why = tune(&dataset).unwrap_err().to_string();
        assert!(why.contains("no validation samples of these classes"), "{why}");
    }
}
