//! The training step, shared by modular training and the fine-tuning of modules.

use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;

use super::evaluate::argmax_rows;
use super::input::Normaliser;
use super::loss::{cross_entropy, host_cross_entropy, label_tensor};
use super::optimiser::Sgd;
use crate::backend::Training;
use crate::data::Batch;
use crate::method::{HostTerms, MethodConfig};
use crate::network::{Array, Network};

/// A network with what it takes to improve it.
#[derive(Debug)]
pub struct Learner<B: Training> {
    /// The network.
    pub network: Network<B>,
    /// Its optimiser.
    pub optimiser: Sgd<B>,
    /// Pixels to input.
    pub normaliser: Normaliser,
    /// Where the network is.
    pub device: B::Device,
}

/// Names of the sums that a step gives for a method: cross-entropy, the method's terms, their weighted total,
/// correct predictions and kernels in use.
pub fn sum_names(method: &MethodConfig) -> Vec<&'static str> {
    [&["cross_entropy"], method.term_names(), &["total", "correct", "kernel_rate"]].concat()
}

impl<B: Training> Learner<B> {
    /// One step of stochastic gradient descent. Gives, still on the device, the sums over the batch's samples
    /// that [`sum_names`] names: `[sums]`.
    pub fn step(
        &mut self,
        batch: &Batch,
        method: &MethodConfig,
        rate: f64,
        dropout: &mut ChaCha8Rng,
    ) -> Tensor<B::InnerBackend, 1> {
        match self.step_on_host(batch, method, rate, dropout) {
            Some(sums) => {
                let sums = sums.into_iter().map(|sum| sum as f32).collect::<Vec<_>>();
                Tensor::from_data(sums.as_slice(), &self.device)
            }
            None => self.step_on_tensors(batch, method, rate, dropout),
        }
    }

    /// The step with the backend's own engine: losses and their gradients are taken on arrays.
    fn step_on_host(
        &mut self,
        batch: &Batch,
        method: &MethodConfig,
        rate: f64,
        dropout: &mut ChaCha8Rng,
    ) -> Option<Vec<f64>> {
        if !self.network.is_on_host() {
            return None;
        }
        let (labels, images) = (&batch.labels, self.normaliser.values(&batch.pixels));
        let output = self.network.host_train(&images, labels.len(), dropout, &self.device)?;
        let (cross_entropy, logits) = host_cross_entropy(&output.logits, labels);
        let HostTerms { terms, gradients } = method.host_terms(&output.masks, labels);
        let masks: Vec<Option<&[f32]>> =
            (0..output.masks.len()).map(|layer| gradients.get(layer).map(Vec::as_slice)).collect();
        let gradients = self.network.host_gradients(&logits, &masks)?;
        self.optimiser.step(rate, &mut self.network, gradients);

        let total = terms.iter().fold(cross_entropy, |total, (weight, value)| total + weight * value);
        let shape = vec![labels.len(), output.logits.len() / labels.len().max(1)];
        let predicted = argmax_rows(&Array { shape, values: output.logits });
        let correct = predicted.iter().zip(labels).filter(|(p, label)| **p == **label as usize).count();
        let rates = output
            .masks
            .iter()
            .map(|mask| mask.iter().filter(|m| **m > 0.0).count() as f64 / mask.len().max(1) as f64);
        let rate = rates.sum::<f64>() / output.masks.len().max(1) as f64;
        let count = labels.len() as f64;
        let means = std::iter::once(cross_entropy).chain(terms.iter().map(|(_, value)| *value));
        let sums = means.chain([total]).map(|mean| mean * count);
        Some(sums.chain([correct as f64, rate * count]).collect())
    }

    /// The step with Burn's operations.
    fn step_on_tensors(
        &mut self,
        batch: &Batch,
        method: &MethodConfig,
        rate: f64,
        dropout: &mut ChaCha8Rng,
    ) -> Tensor<B::InnerBackend, 1> {
        let images = self.normaliser.tensor(&batch.pixels, &self.device);
        let output = self.network.forward_train(images, dropout);
        let cross_entropy = cross_entropy(output.logits.clone(), &batch.labels);
        let terms = method.terms(&output, &batch.labels);
        let weighted = terms.iter().map(|term| term.value.clone().mul_scalar(term.weight));
        let total = weighted.fold(cross_entropy.clone(), |total, term| total + term);
        let gradients = self.network.gradients(total.backward());
        self.optimiser.step(rate, &mut self.network, gradients);

        let output = output.valid();
        let predicted = output.logits.clone().argmax(1).flatten(0, 1);
        let targets = label_tensor::<B::InnerBackend>(&batch.labels, &self.device);
        let correct = predicted.equal(targets).float().mean();
        let values = terms.into_iter().map(|term| term.value);
        let means = std::iter::once(cross_entropy).chain(values).chain([total]).map(Tensor::inner);
        let rate = kernel_rate(method.sample_masks(&output), &self.device);
        Tensor::cat(means.chain([correct, rate]).collect(), 0).mul_scalar(batch.labels.len() as f64)
    }
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
    use crate::method::Average;
    use crate::network::{Architecture, State};
    use crate::random::{Stream, generator};

    /// The sums and the velocities of one step.
    fn stepped(network: Network<Cpu>) -> (Vec<f32>, State) {
        let pixels = (0..12 * 256).map(|i| (i * i % 251) as u8).collect();
        let batch = Batch { pixels, labels: (0..12).map(|i| i % 3).collect() };
        let normaliser = Normaliser::new([1, 16, 16], &[0.5], &[0.25]);
        let mut learner = Learner { network, optimiser: Sgd::new(0.9), normaliser, device: cpu_device() };
        let method = MethodConfig::Mwt { alpha: 0.5, beta: 1.5, average: Average::Classes };
        let sums = learner.step(&batch, &method, 0.05, &mut generator(1, Stream::Dropout, 0));
        (Array::from_tensor(sums).values, learner.optimiser.velocity(&learner.network))
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
