//! Evaluation: a pass over a split without changing anything.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::feed::Feed;
use super::input::Normaliser;
use super::loss::cross_entropy;
use crate::backend::Compute;
use crate::data::{Augmentation, Images};
use crate::method::MethodConfig;
use crate::modular::{Error, Usage, masked_sites};
use crate::network::{Network, Output};
use crate::random::Stream;
use crate::run::Manifest;
use crate::spec::Array;

/// What a network does on a split.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy.
    pub cross_entropy: f64,
    /// Mean of each term of the method over batches, unweighted.
    pub terms: Vec<(&'static str, f64)>,
    /// Samples by true class and predicted class.
    pub confusion: Vec<Vec<u32>>,
}

/// How to go through a split.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// The images.
    pub images: &'a Images,
    /// Samples a batch.
    pub batch: usize,
    /// Whether and how the images are varied.
    pub augmentation: Augmentation,
    /// Seed of the variation.
    pub seed: u64,
}

impl Evaluation {
    /// Fraction of samples predicted right.
    pub fn accuracy(&self) -> f64 {
        let right: u32 = self.confusion.iter().enumerate().map(|(class, row)| row[class]).sum();
        let all: u32 = self.confusion.iter().flatten().sum();
        f64::from(right) / f64::from(all.max(1))
    }

    /// Fraction of each class's samples predicted right; 0 for a class without samples.
    pub fn class_accuracy(&self) -> Vec<f64> {
        let rows = self.confusion.iter().enumerate();
        rows.map(|(class, row)| f64::from(row[class]) / f64::from(row.iter().sum::<u32>().max(1))).collect()
    }
}

impl<'a> Pass<'a> {
    /// A pass over images as they are, in batches of the run's size.
    pub fn of_run(manifest: &Manifest, images: &'a Images) -> Self {
        let batch = manifest.preset.training.batch;
        Pass { images, batch, augmentation: Augmentation::NONE, seed: manifest.seed }
    }

    /// Goes through the split in batches; hands each batch's labels and output to `each`.
    pub fn run<B: Compute>(
        &self,
        network: &Network<B>,
        normaliser: &Normaliser,
        device: &B::Device,
        mut each: impl FnMut(&[u32], Output<B>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let order: Vec<usize> = (0..self.images.len()).collect();
        let feed = Feed::new(self.images, self.augmentation, self.seed, normaliser, device)
            .drawing_from(Stream::PassAugment);
        for (step, indices) in order.chunks(self.batch).enumerate() {
            let images = feed.batch(self.images, indices, step as u64, 0);
            each(&self.images.labels_of(indices), network.forward(images))?;
        }
        Ok(())
    }

    /// Losses and predictions on the split. With `usage`, also counts which kernels each sample uses.
    ///
    /// # Errors
    ///
    /// When the network gives masks that are not finite.
    pub fn evaluate<B: Compute>(
        &self,
        network: &Network<B>,
        normaliser: &Normaliser,
        device: &B::Device,
        method: &MethodConfig,
        mut usage: Option<&mut Usage>,
    ) -> Result<Evaluation, Error> {
        let names = method.term_names();
        let mut sums = vec![0.0; 1 + names.len()];
        let mut confusion = Vec::new();
        self.run(network, normaliser, device, |labels, output| {
            let terms = method.terms(&output, labels).into_iter().map(|term| term.value);
            let losses = std::iter::once(cross_entropy(output.logits.clone(), labels)).chain(terms);
            // One reading waits for the device once.
            let losses = Array::from_tensor(Tensor::cat(losses.collect(), 0));
            for (sum, loss) in sums.iter_mut().zip(losses.values) {
                *sum += f64::from(loss) * labels.len() as f64;
            }
            count(&mut confusion, labels, &Array::from_tensor(output.logits.clone()));
            match &mut usage {
                Some(usage) => add_masks(usage, labels, method.sample_masks(&output)),
                None => Ok(()),
            }
        })?;
        let mean = |sum: &f64| sum / self.images.len().max(1) as f64;
        let terms = names.iter().zip(&sums[1..]).map(|(name, sum)| (*name, mean(sum))).collect();
        Ok(Evaluation { cross_entropy: mean(&sums[0]), terms, confusion })
    }
}

/// Which kernels each class uses in a network of a run: counted over these training images, varied where the
/// preset wants that.
///
/// # Errors
///
/// When the network gives masks that are not finite.
pub fn count_usage<B: Compute>(
    manifest: &Manifest,
    network: &Network<B>,
    images: &Images,
    device: &B::Device,
) -> Result<Usage, Error> {
    let preset = &manifest.preset;
    let augmentation = match preset.modules.augment_usage {
        true => preset.data.augmentation(),
        false => Augmentation::NONE,
    };
    let pass = Pass { augmentation, ..Pass::of_run(manifest, images) };
    let mut usage = Usage::new(masked_sites(network.spec())?, manifest.classes.len());
    pass.evaluate(network, &Normaliser::of_run(manifest), device, &preset.method, Some(&mut usage))?;
    Ok(usage)
}

/// Index of the largest value of each row, `[rows, columns]`; the first of equals.
pub fn argmax_rows(logits: &Array) -> Vec<usize> {
    let largest = |row: &[f32]| {
        let better = |best: usize, at: usize| if row[at] > row[best] { at } else { best };
        (1..row.len()).fold(0, better)
    };
    logits.values.chunks_exact(logits.shape[1]).map(largest).collect()
}

fn count(confusion: &mut Vec<Vec<u32>>, labels: &[u32], logits: &Array) {
    let classes = logits.shape[1];
    if confusion.is_empty() {
        *confusion = vec![vec![0; classes]; classes];
    }
    for (&label, predicted) in labels.iter().zip(argmax_rows(logits)) {
        confusion[label as usize][predicted] += 1;
    }
}

fn add_masks<B: Backend>(usage: &mut Usage, labels: &[u32], masks: Vec<Tensor<B, 2>>) -> Result<(), Error> {
    if masks.is_empty() {
        return Ok(());
    }
    let rows = Array::from_tensor(Tensor::cat(masks, 1));
    let rows = rows.values.chunks_exact(usage.total_units());
    labels.iter().zip(rows).try_for_each(|(&label, row)| usage.add(label as usize, row))
}
