//! Timing of training steps and of inference.

use std::time::{Duration, Instant};

use super::error::Error;
use super::feed::Feed;
use super::input::Normaliser;
use super::learner::Learner;
use super::optimiser::Sgd;
use super::replica::Share;
use crate::backend::{Device, Precision, Task, Training};
use crate::data::{Augmentation, Images};
use crate::method::MethodConfig;
use crate::network::Network;
use crate::random::{Draws, Stream};
use crate::spec::{Array, Spec, State};

/// What is timed: steps that all take the same batch.
#[derive(Debug)]
pub struct Bench {
    /// The network.
    pub spec: Spec,
    /// Its weights. They are freed once the network holds them, so that the process's memory reflects the work alone.
    pub state: State,
    /// The batch.
    pub images: Images,
    /// Masks `[batch, kernels]` in place of the generated ones, one for each masked convolution; empty: the generated
    /// ones.
    pub masks: Vec<Array>,
    /// The method that is trained with; `None`: forward passes without gradients.
    pub trains: Option<MethodConfig>,
    /// Arithmetic of products.
    pub precision: Precision,
    /// Steps that are not timed, before the others.
    pub warmup: u16,
    /// Steps that are timed.
    pub steps: u16,
    /// Seed of the draws.
    pub seed: u64,
}

/// The times of the steps after the warm-up.
///
/// # Errors
///
/// When the device does not compute in this precision, the weights are not the network's, or the device fails.
pub fn bench(work: Bench, device: Device) -> Result<Vec<Duration>, Error> {
    device.run(work)?
}

impl Task for Bench {
    type Output = Result<Vec<Duration>, Error>;

    fn run<B: Training>(mut self, device: B::Device) -> Self::Output {
        let arithmetic = B::arithmetic(self.precision, &device).map_err(Error::Precision)?;
        let state = std::mem::take(&mut self.state);
        let Bench { spec, images, masks, seed, .. } = &self;
        let channels = images.shape[0];
        let normaliser = Normaliser::new(images.shape, &vec![0.5; channels], &vec![0.25; channels]);
        let Some(method) = &self.trains else {
            let network = Network::<B::InnerBackend>::new(spec.clone(), &state, &device)?;
            drop(state);
            let mut network = network.with_arithmetic(arithmetic);
            network.impose_masks(masks, &device);
            let images = normaliser.tensor(&images.pixels, &device);
            return self.time::<B>(&device, || {
                drop(Array::from_tensor(network.forward(images.clone()).logits));
            });
        };
        let network = Network::<B>::new(spec.clone(), &state, &device)?.observing(&method.observes(spec)?);
        drop(state);
        let mut network = network.with_arithmetic(arithmetic);
        network.impose_masks(masks, &device);
        let mut learner = Learner::new(network, Sgd::new(0.9), device.clone());
        let draws = Draws::new(*seed, Stream::Dropout, 0);
        let feed = Feed::<B>::new(images, Augmentation::NONE, *seed, &normaliser, &device);
        let indices: Vec<usize> = (0..images.len()).collect();
        // Reading the losses waits for the device.
        self.time::<B>(&device, || {
            let share = Share { images: feed.batch(images, &indices, 0, 0), labels: images.labels.clone() };
            learner.step(vec![share], method, 0.05, &draws).read();
        })
    }
}

impl Bench {
    /// Synchronises once before and once after the timed steps: a profiling runtime reports at each synchronisation.
    fn time<B: Training>(&self, device: &B::Device, mut step: impl FnMut()) -> Result<Vec<Duration>, Error> {
        let mut once = || {
            let begun = Instant::now();
            step();
            begun.elapsed()
        };
        let synchronise = || B::sync(device).map_err(|error| Error::Synchronise(error.to_string()));
        for _ in 0..self.warmup {
            once();
        }
        synchronise()?;
        let times = (0..self.steps).map(|_| once()).collect();
        synchronise()?;
        Ok(times)
    }
}
