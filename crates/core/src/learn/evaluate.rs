//! Evaluation: a pass over a split without changing anything.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::feed::Feed;
use super::input::Normaliser;
use super::loss::cross_entropy;
use crate::backend::Compute;
use crate::data::{Augmentation, Images};
use crate::method::{MethodConfig, MethodState, TensorBatch, class_masks};
use crate::modular::{Error, Usage, argmax, tracked_sites};
use crate::network::{Network, Output};
use crate::random::Stream;
use crate::run::Manifest;
use crate::spec::Array;

/// What a network does on a split.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy.
    pub cross_entropy: f64,
    /// Mean of each term of the method over batches, by name, unweighted.
    pub terms: Vec<(&'static str, f64)>,
    /// Samples by true class and predicted class.
    pub confusion: Vec<Vec<u32>>,
}

/// A split that goes through a network in batches.
#[derive(Clone, Copy, Debug)]
pub struct Batches<'a> {
    images: &'a Images,
    size: usize,
    augmentation: Augmentation,
    seed: u64,
    state: Option<&'a MethodState>,
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

impl<'a> Batches<'a> {
    /// Images as they are, in batches of `size`.
    pub fn new(images: &'a Images, size: usize) -> Self {
        Batches { images, size, augmentation: Augmentation::NONE, seed: 0, state: None }
    }

    /// Images as they are, in batches of the run's size.
    pub fn of_run(manifest: &Manifest, images: &'a Images) -> Self {
        Batches { seed: manifest.seed, ..Batches::new(images, manifest.preset.training.batch) }
    }

    /// With what the method remembers: its terms may depend on it.
    pub fn remembering(self, state: &'a MethodState) -> Self {
        Batches { state: Some(state), ..self }
    }

    /// Goes through the split; hands each batch's labels and output to `each`.
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
        for (step, indices) in order.chunks(self.size).enumerate() {
            let images = feed.batch(self.images, indices, step as u64, 0);
            each(&self.images.labels_of(indices), network.forward(images))?;
        }
        Ok(())
    }

    /// Losses and predictions on the split. With `usage`, also counts which units each sample uses: those whose
    /// observed value is above 0.
    ///
    /// # Errors
    ///
    /// When the network gives observed values that are not finite.
    ///
    /// # Panics
    ///
    /// When `usage` is of other sites than the network observes.
    pub fn evaluate<B: Compute>(
        &self,
        network: &Network<B>,
        normaliser: &Normaliser,
        device: &B::Device,
        method: &MethodConfig,
        mut usage: Option<&mut Usage>,
    ) -> Result<Evaluation, Error> {
        if let Some(usage) = &usage {
            let counted = usage.sites().iter().map(|site| site.site);
            assert!(
                counted.eq(network.observed_sites().iter().copied()),
                "usage is of what the network observes"
            );
        }
        let nothing = MethodState::default();
        let state = self.state.unwrap_or(&nothing);
        let mut cross_entropies = 0.0;
        let mut sums: Vec<(&'static str, f64)> =
            method.term_specs().iter().map(|term| (term.name, 0.0)).collect();
        let mut confusion = Vec::new();
        self.run(network, normaliser, device, |labels, output| {
            let terms = method.terms(&TensorBatch::of(&output, labels, device, state));
            let (names, terms): (Vec<&str>, Vec<_>) = terms.into_iter().unzip();
            let losses = std::iter::once(cross_entropy(output.logits.clone(), labels)).chain(terms);
            // One reading waits for the device once.
            let losses = Array::from_tensor(Tensor::cat(losses.collect(), 0)).values;
            let mut losses = losses.into_iter().map(|loss| f64::from(loss) * labels.len() as f64);
            cross_entropies += losses.next().unwrap_or_default();
            for (name, loss) in names.into_iter().zip(losses) {
                sums.iter_mut().filter(|(of, _)| *of == name).for_each(|(_, sum)| *sum += loss);
            }
            count(&mut confusion, labels, &Array::from_tensor(output.logits.clone()));
            match &mut usage {
                Some(usage) => add_observed(usage, labels, output.observed),
                None => Ok(()),
            }
        })?;
        let mean = |sum: f64| sum / self.images.len().max(1) as f64;
        let terms = sums.into_iter().map(|(name, sum)| (name, mean(sum))).collect();
        Ok(Evaluation { cross_entropy: mean(cross_entropies), terms, confusion })
    }
}

/// Which of the units that a network of a run observes each class uses: counted over these training images, varied where
/// the preset wants that. Class masks that the method has fixed, as `state` says, come with it.
///
/// # Errors
///
/// When the network gives observed values that are not finite.
pub fn count_usage<B: Compute>(
    manifest: &Manifest,
    network: &Network<B>,
    state: &MethodState,
    images: &Images,
    device: &B::Device,
) -> Result<Usage, Error> {
    let preset = &manifest.preset;
    let augmentation = match preset.modules.augment_usage {
        true => preset.data.augmentation(),
        false => Augmentation::NONE,
    };
    let batches = Batches { augmentation, ..Batches::of_run(manifest, images) };
    let sites = tracked_sites(network.spec(), network.observed_sites())?;
    let mut usage = Usage::new(sites, manifest.classes.len());
    batches.evaluate(
        network,
        &Normaliser::of_run(manifest),
        device,
        &MethodConfig::PLAIN,
        Some(&mut usage),
    )?;
    with_class_masks(usage, state)
}

/// The usage with the class masks that the method has fixed, if it has.
///
/// # Errors
///
/// When they are not masks of what usage is of.
pub fn with_class_masks(usage: Usage, state: &MethodState) -> Result<Usage, Error> {
    match class_masks(state) {
        Some(masks) => usage.with_class_masks(masks),
        None => Ok(usage),
    }
}

/// Index of the largest value of each row, `[rows, columns]`; the first of equals.
pub fn argmax_rows(logits: &Array) -> Vec<usize> {
    logits.values.chunks_exact(logits.shape[1]).map(argmax).collect()
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

fn add_observed<B: Backend>(
    usage: &mut Usage,
    labels: &[u32],
    observed: Vec<Tensor<B, 2>>,
) -> Result<(), Error> {
    if observed.is_empty() {
        return Ok(());
    }
    let rows = Array::from_tensor(Tensor::cat(observed, 1));
    let rows = rows.values.chunks_exact(usage.total_units());
    labels.iter().zip(rows).try_for_each(|(&label, row)| usage.add(label as usize, row))
}
