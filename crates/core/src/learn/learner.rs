//! The training step, shared by modular training and the fine-tuning of modules.

use burn::tensor::Tensor;

use super::evaluate::argmax_rows;
use super::loss::{cross_entropy, host_cross_entropy, label_tensor};
use super::optimiser::Sgd;
use super::sums::{Sums, sum_names};
use crate::backend::Training;
use crate::method::{HostTerms, MethodConfig};
use crate::network::{FreezeError, Gradients, Network, PassMasks};
use crate::random::Draws;
use crate::spec::Array;

/// A network with what it takes to improve it: on one device, or on several that share each batch.
#[derive(Debug)]
pub struct Learner<B: Training> {
    first: Replica<B>,
    others: Vec<Replica<B>>,
}

/// The network on one device. Weights and velocities are the same on all; running statistics of batch norm
/// are those of the device's own shares.
#[derive(Debug)]
pub struct Replica<B: Training> {
    /// The network.
    pub network: Network<B>,
    /// Its optimiser.
    pub optimiser: Sgd<B>,
    /// Where it is.
    pub device: B::Device,
}

/// What one device does of a batch.
#[derive(Debug)]
pub struct Share<B: Training> {
    /// Network input, `[images, channels, height, width]`, on that device.
    pub images: Tensor<B, 4>,
    /// One label an image.
    pub labels: Vec<u32>,
}

/// What a pass through the network gave.
struct Passed<B: Training> {
    gradients: Gradients,
    sums: Sums<B::InnerBackend>,
    samples: usize,
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
    pub fn freeze(&mut self, parts: &[String]) -> Result<(), FreezeError> {
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

    /// One step of stochastic gradient descent on a batch, of which every device has a [`shares`]' share.
    /// Gives the sums over the batch's samples.
    ///
    /// Losses are means over a share, and gradients are averaged over the devices, samples counting alike.
    /// So what compares samples (batch norm, cohesion and coupling) compares those of a share.
    pub fn step(
        &mut self,
        batch: Vec<Share<B>>,
        method: &MethodConfig,
        rate: f64,
        draws: &Draws,
    ) -> Sums<B::InnerBackend> {
        let replicas = std::iter::once(&mut self.first).chain(&mut self.others);
        let mut first = 0;
        let pass = |(replica, share): (&mut Replica<B>, Share<B>)| {
            let draws = draws.clone().from_sample(first);
            first += share.labels.len();
            replica.pass(share, method, &draws)
        };
        let mut passed: Vec<Passed<B>> = replicas.zip(batch).map(pass).collect();
        match (self.others.is_empty(), passed.pop()) {
            (true, Some(Passed { gradients, sums, .. })) => {
                self.first.update(rate, gradients);
                sums
            }
            (_, last) => {
                passed.extend(last);
                self.update_all(rate, passed, sum_names(method))
            }
        }
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
        for Passed { gradients, sums: of_share, samples: share } in passed {
            let gradients = self.first.network.on_host(gradients);
            add(&mut mean, gradients, share as f32 / samples as f32);
            sums.iter_mut().zip(of_share.read()).for_each(|(sum, (_, value))| *sum += value);
        }
        for replica in &mut self.others {
            replica.update(rate, Gradients::Host(mean.clone()));
        }
        self.first.update(rate, Gradients::Host(mean));
        Sums::on_host(names, sums)
    }
}

/// Adds arrays, multiplied by a factor, to a sum that may be empty yet.
fn add(sum: &mut Vec<Vec<f32>>, arrays: Vec<Vec<f32>>, factor: f32) {
    sum.resize(sum.len().max(arrays.len()), Vec::new());
    for (sum, array) in sum.iter_mut().zip(arrays) {
        sum.resize(sum.len().max(array.len()), 0.0);
        for (sum, value) in sum.iter_mut().zip(array) {
            *sum += factor * value;
        }
    }
}

impl<B: Training> Replica<B> {
    fn update(&mut self, rate: f64, gradients: Gradients) {
        self.optimiser.step(rate, &mut self.network, gradients);
    }

    /// Forward and back.
    fn pass(&mut self, share: Share<B>, method: &MethodConfig, draws: &Draws) -> Passed<B> {
        let on_host = self.pass_on_host(&share, method, draws);
        on_host.unwrap_or_else(|| self.pass_on_tensors(share, method, draws))
    }

    /// With the backend's own engine: losses and their gradients are taken on arrays.
    fn pass_on_host(&mut self, share: &Share<B>, method: &MethodConfig, draws: &Draws) -> Option<Passed<B>> {
        if !self.network.is_on_host() {
            return None;
        }
        let (labels, images) = (&share.labels, Array::from_tensor(share.images.clone()).values);
        let mut pass = self.network.host_train(&images, labels.len(), &PassMasks::default(), draws)?;
        let (logits, masks) = (std::mem::take(&mut pass.logits), std::mem::take(&mut pass.observed));
        let (cross_entropy, at_logits) = host_cross_entropy(&logits, labels);
        let HostTerms { terms, gradients } = method.host_terms(&masks, labels);
        let at_masks: Vec<Option<&[f32]>> =
            (0..masks.len()).map(|layer| gradients.get(layer).map(Vec::as_slice)).collect();
        let gradients = self.network.host_gradients(pass, &at_logits, &at_masks);

        let total = terms.iter().fold(cross_entropy, |total, (weight, value)| total + weight * value);
        let shape = vec![labels.len(), logits.len() / labels.len().max(1)];
        let predicted = argmax_rows(&Array { shape, values: logits });
        let correct = predicted.iter().zip(labels).filter(|(p, label)| **p == **label as usize).count();
        let samples = labels.len();
        let values = terms.iter().map(|(_, value)| *value);
        let means = std::iter::once(cross_entropy).chain(values).chain([total]);
        let of_samples = [host_kernel_rate(&masks)].map(|mean| mean * samples as f64);
        let sums = means.map(|mean| mean * samples as f64).chain([correct as f64]).chain(of_samples);
        let sums = Sums::on_host(sum_names(method), sums.collect());
        Some(Passed { gradients, sums, samples })
    }

    /// With Burn's operations.
    fn pass_on_tensors(&mut self, share: Share<B>, method: &MethodConfig, draws: &Draws) -> Passed<B> {
        let Share { images, labels } = share;
        let pass = self.network.forward_train(images, &PassMasks::default(), draws);
        let cross_entropy = cross_entropy(pass.output().logits.clone(), &labels);
        let terms = method.terms(pass.output(), &labels);
        let output = pass.output().valid();
        let weighted = terms.iter().map(|term| term.value.clone().mul_scalar(term.weight));
        let total = weighted.fold(cross_entropy.clone(), |total, term| total + term);
        let gradients = self.network.gradients(vec![pass], total.backward());

        let predicted = output.logits.clone().argmax(1).flatten(0, 1);
        let targets = label_tensor::<B::InnerBackend>(&labels, &self.device);
        let correct = predicted.equal(targets).float().mean();
        let values = terms.into_iter().map(|term| term.value);
        let means = std::iter::once(cross_entropy).chain(values).chain([total]).map(Tensor::inner);
        let rate = kernel_rate(method.sample_masks(&output), &self.device);
        let samples = labels.len();
        let sums = Tensor::cat(means.chain([correct, rate]).collect(), 0).mul_scalar(samples as f64);
        let sums = Sums::on_device(sum_names(method), sums);
        Passed { gradients, sums, samples }
    }
}

/// The same of masks in the host's memory.
fn host_kernel_rate(masks: &[Vec<f32>]) -> f64 {
    let used = |mask: &Vec<f32>| mask.iter().filter(|m| **m > 0.0).count();
    let rates = masks.iter().map(|mask| used(mask) as f64 / mask.len().max(1) as f64);
    rates.sum::<f64>() / masks.len().max(1) as f64
}

/// Mean over layers of the fraction of mask values above zero, `[1]`; 0 without masks.
fn kernel_rate<B: burn::tensor::backend::Backend>(
    masks: Vec<Tensor<B, 2>>,
    device: &B::Device,
) -> Tensor<B, 1> {
    if masks.is_empty() {
        return Tensor::zeros([1], device);
    }
    let rates = masks.into_iter().map(|mask| mask.greater_elem(0.0).float().mean());
    Tensor::cat(rates.collect(), 0).mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Cpu, cpu_device};
    use crate::data::{Augmentation, Images};
    use crate::learn::{Feed, Normaliser};
    use crate::method::Average;
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
            let step = learner.step(batch, &MethodConfig::Plain {}, 0.1, &draws);
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
        let method = MethodConfig::Mwt { alpha: 0.5, beta: 1.5, average: Average::Classes };
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
