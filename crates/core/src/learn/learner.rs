//! The training step, shared by modular training and the fine-tuning of modules.

use super::optimiser::Sgd;
use super::pass::{Passed, Work};
use super::replica::{Replica, Share, add};
use super::sums::{Sums, sum_names};
use crate::backend::Training;
use crate::method::{MethodConfig, MethodState, Progress, StepInfo};
use crate::network::{Gradients, Network};
use crate::random::Draws;
use crate::spec::UnknownPart;

/// A network with what it takes to improve it: on one device, or on several that share each batch.
#[derive(Debug)]
pub struct Learner<B: Training> {
    first: Replica<B>,
    others: Vec<Replica<B>>,
}

/// The parts of a batch of `samples` samples that so many devices take: first sample and number of samples.
/// With fewer samples than devices some take none.
pub fn shares(samples: usize, devices: usize) -> impl Iterator<Item = (usize, usize)> {
    let size = samples.div_ceil(devices.max(1)).max(1);
    (0..samples).step_by(size).map(move |from| (from, size.min(samples - from)))
}

impl<B: Training> Learner<B> {
    /// On one device.
    pub fn new(network: Network<B>, optimiser: Sgd<B>, device: B::Device) -> Self {
        Learner { first: Replica { network, optimiser, device }, others: Vec::new() }
    }

    /// On one more device: the same network and velocities there.
    pub fn add(&mut self, replica: Replica<B>) {
        self.others.push(replica);
    }

    /// From now on exactly these parts keep their values, and their velocities; the rest trains.
    ///
    /// # Errors
    ///
    /// When the network has no such part.
    pub fn freeze(&mut self, parts: &[String]) -> Result<(), UnknownPart> {
        let mut replicas = std::iter::once(&mut self.first).chain(&mut self.others);
        replicas.try_for_each(|replica| replica.network.freeze(parts))
    }

    /// The network.
    pub fn network(&self) -> &Network<B> {
        &self.first.network
    }

    /// Its optimiser.
    pub fn optimiser(&self) -> &Sgd<B> {
        &self.first.optimiser
    }

    /// Where the network is, on several devices the first of them.
    pub fn device(&self) -> &B::Device {
        &self.first.device
    }

    /// One step of stochastic gradient descent on a batch, of which every device has a [`shares`]' share. Gives the
    /// sums over the batch's samples.
    ///
    /// Losses are means over a share, and gradients are averaged over the devices, samples counting alike.
    /// So what compares samples (batch norm, a method's terms) compares those of a share.
    ///
    /// `progress` says where the step stands in its run, and `state` what the method remembers of the steps before.
    pub fn step_of(
        &mut self,
        progress: Progress,
        batch: Vec<Share<B>>,
        (method, state): (&MethodConfig, &mut MethodState),
        rate: f64,
        draws: &Draws,
    ) -> Sums<B::InnerBackend> {
        let labels: Vec<u32> = batch.iter().flat_map(|share| &share.labels).copied().collect();
        let spec = self.first.network.spec().clone();
        let info = StepInfo { progress, spec: &spec, labels: &labels };
        let plans = method.passes(&info, state);
        let work = Work::new(method, state, plans, labels.len());
        let replicas = std::iter::once(&mut self.first).chain(&mut self.others);
        let mut from = 0;
        let mut passed: Vec<Passed<B>> = Vec::new();
        for (replica, share) in replicas.zip(batch) {
            let samples = share.labels.len();
            passed.push(replica.pass(share, from, &work, draws));
            from += samples;
        }
        for seen in passed.iter().flat_map(|passed| &passed.seen) {
            method.observe(&info, seen, state);
        }
        match (self.others.is_empty(), passed.pop()) {
            (true, Some(Passed { gradients, sums, .. })) => {
                if let Some(gradients) = gradients {
                    self.first.update(rate, gradients);
                }
                sums
            }
            (_, last) => {
                passed.extend(last);
                self.update_all(rate, passed, sum_names(method))
            }
        }
    }

    /// As [`Learner::step_of`] for a method that remembers nothing, outside a run.
    pub fn step(
        &mut self,
        batch: Vec<Share<B>>,
        method: &MethodConfig,
        rate: f64,
        draws: &Draws,
    ) -> Sums<B::InnerBackend> {
        let state = &mut MethodState::default();
        self.step_of(Progress::default(), batch, (method, state), rate, draws)
    }

    /// Averages gradients on the host and makes the same step everywhere.
    fn update_all(
        &mut self,
        rate: f64,
        passed: Vec<Passed<B>>,
        names: Vec<&'static str>,
    ) -> Sums<B::InnerBackend> {
        let samples: usize = passed.iter().map(|passed| passed.samples).sum();
        let (mut mean, mut sums) = (Vec::new(), vec![0.0; names.len()]);
        for Passed { gradients, sums: of_share, samples: share, .. } in passed {
            if let Some(gradients) = gradients {
                let gradients = self.first.network.on_host(gradients);
                add(&mut mean, gradients, share as f32 / samples as f32);
            }
            sums.iter_mut().zip(of_share.read()).for_each(|(sum, (_, value))| *sum += value);
        }
        if !mean.is_empty() {
            for replica in &mut self.others {
                replica.update(rate, Gradients::Host(mean.clone()));
            }
            self.first.update(rate, Gradients::Host(mean));
        }
        Sums::on_host(names, sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Cpu, cpu_device};
    use crate::data::{Augmentation, Images};
    use crate::learn::{Feed, Normaliser};
    use crate::method::{Average, Mwt};
    use crate::random::Stream;
    use crate::spec::{Architecture, Spec, Stage, State};

    /// Nothing in it compares samples; it drops activations of maps and of features.
    fn plain_network() -> Spec {
        let mut spec = Architecture::Tiny.spec([3, 8, 8], 4, 1.0, false);
        let dropout = Stage::Dropout { probability: 0.4 };
        spec.stages.insert(2, dropout.clone());
        spec.stages.insert(spec.stages.len() - 1, dropout);
        for stage in &mut spec.stages {
            if let Stage::Conv(conv) = stage {
                (conv.batch_norm, conv.bias) = (false, true);
            }
        }
        spec
    }

    /// Weights, sums of the last step and names of the sums after a few steps on so many devices, all of
    /// them the CPU.
    fn trained(devices: usize, by_operations: bool) -> (State, Vec<f32>) {
        let spec = plain_network();
        let state = State::init(&spec, 3).unwrap();
        let replica = || {
            let network = Network::<Cpu>::new(spec.clone(), &state, &cpu_device()).unwrap();
            let network = if by_operations { network.by_operations() } else { network };
            Replica { network, optimiser: Sgd::new(0.9), device: cpu_device() }
        };
        let Replica { network, optimiser, device } = replica();
        let mut learner = Learner::new(network, optimiser, device);
        (1..devices).for_each(|_| learner.add(replica()));
        let pixels = (0..12 * 192).map(|i| (i * 89 % 251) as u8).collect();
        let images = Images { shape: [3, 8, 8], pixels, labels: (0..12).map(|i| i % 4).collect() };
        let augmentation = Augmentation { crop_padding: 1, flip: true };
        let normaliser = Normaliser::new([3, 8, 8], &[0.5; 3], &[0.25; 3]);
        let feed = Feed::<Cpu>::new(&images, augmentation, 7, &normaliser, &cpu_device());
        let mut sums = Vec::new();
        for step in 0..3u64 {
            let indices: Vec<usize> = (0..11).map(|i| (i * 5 + step as usize) % 12).collect();
            let share = |(from, count): (usize, usize)| {
                let indices = &indices[from..from + count];
                Share { images: feed.batch(&images, indices, step, from), labels: images.labels_of(indices) }
            };
            let batch = shares(indices.len(), devices).map(share).collect();
            let draws = Draws::new(7, Stream::Dropout, step);
            let step = learner.step(batch, &MethodConfig::PLAIN, 0.1, &draws);
            sums = step.read().into_iter().map(|(_, sum)| sum as f32).collect();
        }
        for other in &learner.others {
            assert_eq!(other.network.state(), learner.network().state(), "replicas stay alike");
        }
        (learner.network().state(), sums)
    }

    #[test]
    fn two_devices_make_the_steps_of_one_with_the_whole_batch() {
        for by_operations in [false, true] {
            let ((one, sums), (two, shared)) = (trained(1, by_operations), trained(2, by_operations));
            for (name, array) in &one.0 {
                let pairs = array.values.iter().zip(&two.0[name].values);
                let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(apart < 2e-6, "{name}: {apart}");
            }
            for (a, b) in sums.iter().zip(&shared) {
                assert!((a - b).abs() < 1e-4, "{sums:?} {shared:?}");
            }
        }
    }

    #[test]
    fn every_sample_is_in_one_share() {
        let parts = |samples, devices| shares(samples, devices).collect::<Vec<_>>();
        assert_eq!(parts(128, 1), [(0, 128)]);
        assert_eq!(parts(128, 2), [(0, 64), (64, 64)]);
        assert_eq!(parts(7, 3), [(0, 3), (3, 3), (6, 1)]);
        assert_eq!(parts(1, 2), [(0, 1)]);
        assert_eq!(parts(0, 2), []);
    }

    /// The sums and the velocities of one step.
    fn stepped(network: Network<Cpu>) -> (Vec<f32>, State) {
        let pixels: Vec<u8> = (0..12 * 256).map(|i| (i * i % 251) as u8).collect();
        let normaliser = Normaliser::new([1, 16, 16], &[0.5], &[0.25]);
        let images = normaliser.tensor::<Cpu>(&pixels, &cpu_device());
        let share = Share { images, labels: (0..12).map(|i| i % 3).collect() };
        let mut learner = Learner::new(network, Sgd::new(0.9), cpu_device());
        let method = MethodConfig::Mwt(Mwt { average: Average::Classes, ..Mwt::default() });
        let sums = learner.step(vec![share], &method, 0.05, &Draws::new(1, Stream::Dropout, 0));
        (
            sums.read().into_iter().map(|(_, sum)| sum as f32).collect(),
            learner.optimiser().velocity(learner.network()),
        )
    }

    #[test]
    fn a_step_on_arrays_is_the_step_on_tensors() {
        let spec = Architecture::Tiny.spec([1, 16, 16], 3, 0.25, true);
        let network =
            || Network::<Cpu>::new(spec.clone(), &State::init(&spec, 5).unwrap(), &cpu_device()).unwrap();
        assert!(network().is_on_host() && !network().by_operations().is_on_host());
        let (ours, theirs) = (stepped(network()), stepped(network().by_operations()));
        assert_eq!(ours.0.len(), theirs.0.len());
        assert!(
            ours.0.iter().zip(&theirs.0).all(|(a, b)| (a - b).abs() <= 1e-4 * b.abs().max(1.0)),
            "{ours:?}"
        );
        assert!(ours.1.0.keys().eq(theirs.1.0.keys()));
        for ((name, a), b) in ours.1.0.iter().zip(theirs.1.0.values()) {
            let largest = b.values.iter().fold(0.1f32, |largest, x| largest.max(x.abs()));
            let close = a.values.iter().zip(&b.values).all(|(a, b)| (a - b).abs() <= 2e-3 * largest);
            assert!(close, "{name}: {a:?} {b:?}");
        }
    }
}
