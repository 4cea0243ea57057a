//! Fine-tuning a module and measuring networks on a task.

use super::error::Error;
use super::task::Task;
use crate::backend::Training;
use crate::data::{self, Images};
use crate::learn::{Batches, Feed, Learner, Normaliser, Sgd, Share, argmax_rows, cosine};
use crate::method::MethodConfig;
use crate::network::Network;
use crate::random::{Draws, Stream};
use crate::run::Manifest;
use crate::spec::{Array, Spec, State};

/// Settings of fine-tuning and measuring: those of the run.
#[derive(Clone, Copy)]
pub struct Tuning<'a> {
    /// The run.
    pub manifest: &'a Manifest,
    /// Classes of the whole network.
    pub classes: usize,
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
/// When the weights are not the network's.
pub fn fine_tune<B: Training>(
    tuning: &Tuning<'_>,
    spec: &Spec,
    state: &State,
    task: &Task,
    epochs: usize,
    device: &B::Device,
) -> Result<State, Error> {
    let preset = &tuning.manifest.preset;
    let seed = tuning.manifest.seed;
    let network = Network::<B>::new(spec.clone(), state, device)?;
    let mut learner = Learner::new(network, Sgd::new(preset.training.momentum), device.clone());
    let normaliser = Normaliser::of_run(tuning.manifest);
    let feed = Feed::<B>::new(&task.train, preset.data.augmentation(), seed, &normaliser, device);
    let mut best: Option<(f64, State)> = None;
    let mut step = 0;
    for epoch in 0..epochs as u64 {
        let modules = &preset.modules;
        let rate = cosine(modules.fine_tune_learning_rate, epoch, modules.fine_tune_cosine_epochs);
        let order = data::epoch_order(task.train.len(), seed, epoch);
        for indices in order.chunks(preset.training.batch) {
            let images = feed.batch(&task.train, indices, step, 0);
            let share = Share { images, labels: task.train.labels_of(indices) };
            let draws = Draws::new(seed, Stream::Dropout, step);
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
