//! How often each kernel fires for each class.

mod file;

use std::ops::Range;

use fixedbitset::FixedBitSet;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::spec::{LayerKind, Spec, SpecError};

/// A convolution whose kernels are tracked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackedLayer {
    /// Its name, such as `conv3` or `residual1.shortcut`.
    pub name: String,
    /// Its index among the spec's convolutions, in mask order.
    pub conv: usize,
    /// Its number of kernels.
    pub kernels: usize,
}

/// The convolutions that have a mask generator, in mask order: what MwT tracks.
///
/// # Errors
///
/// When the spec's stages do not fit together.
pub fn masked_layers(spec: &Spec) -> Result<Vec<TrackedLayer>, SpecError> {
    let convs = spec.layers()?.into_iter().filter_map(|layer| match layer.kind {
        LayerKind::Conv { conv, .. } => Some((layer.name, conv)),
        LayerKind::Linear { .. } => None,
    });
    let masked = convs.enumerate().filter(|(_, (_, conv))| conv.masked);
    Ok(masked
        .map(|(index, (name, conv))| TrackedLayer { name, conv: index, kernels: conv.kernels })
        .collect())
}

/// Where each layer's kernels lie in the concatenation of all tracked layers.
pub fn ranges(layers: &[TrackedLayer]) -> impl Iterator<Item = Range<usize>> {
    layers.iter().scan(0, |end, layer| {
        let start = *end;
        *end += layer.kernels;
        Some(start..*end)
    })
}

/// Class by kernel firing counts, and the kernels that fired for each sample. Kernels are numbered through
/// the concatenation of the tracked layers; a kernel fires when its mask value is above 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    layers: Vec<TrackedLayer>,
    kernels: usize,
    class_sizes: Vec<u32>,
    /// `[class][kernel]`.
    counts: Vec<Vec<u32>>,
    /// Sums of soft mask values, `[class][kernel]`.
    mask_sums: Vec<Vec<f64>>,
    samples: Vec<FixedBitSet>,
    labels: Vec<usize>,
}

impl Usage {
    /// Usage of `layers` by this many classes, before any sample.
    pub fn new(layers: Vec<TrackedLayer>, classes: usize) -> Self {
        let kernels = layers.iter().map(|layer| layer.kernels).sum();
        Usage {
            layers,
            kernels,
            class_sizes: vec![0; classes],
            counts: vec![vec![0; kernels]; classes],
            mask_sums: vec![vec![0.0; kernels]; classes],
            samples: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// Usage from counts alone, `[class][kernel]`: without samples, and with each firing counted as a mask
    /// value of 1.
    ///
    /// # Errors
    ///
    /// When the lists' lengths do not agree.
    pub fn from_counts(
        layers: Vec<TrackedLayer>,
        class_sizes: Vec<u32>,
        counts: Vec<Vec<u32>>,
    ) -> Result<Self, Error> {
        let mut usage = Usage::new(layers, class_sizes.len());
        check_length("the list of class counts", counts.len(), class_sizes.len())?;
        for row in &counts {
            check_length("a class's counts", row.len(), usage.kernels)?;
        }
        usage.mask_sums = counts.iter().map(|row| row.iter().map(|&count| count.into()).collect()).collect();
        usage.class_sizes = class_sizes;
        usage.counts = counts;
        Ok(usage)
    }

    /// Adds a sample of `class` with its soft mask values, the tracked layers' rows one after the other.
    ///
    /// # Errors
    ///
    /// When there is no such class, the row has another length, or a value is not finite; nothing is added
    /// then.
    pub fn add(&mut self, class: usize, masks: &[f32]) -> Result<(), Error> {
        check_classes(&[class], self.classes())?;
        check_length("a sample's mask", masks.len(), self.kernels)?;
        if let Some(kernel) = masks.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { what: "the mask value", kernel, value: masks[kernel] });
        }
        let mut fired = FixedBitSet::with_capacity(self.kernels);
        for (kernel, &value) in masks.iter().enumerate() {
            self.mask_sums[class][kernel] += f64::from(value);
            fired.set(kernel, value > 0.0);
        }
        self.tally(class, &fired);
        self.samples.push(fired);
        self.labels.push(class);
        Ok(())
    }

    fn tally(&mut self, class: usize, fired: &FixedBitSet) {
        self.class_sizes[class] += 1;
        for kernel in fired.ones() {
            self.counts[class][kernel] += 1;
        }
    }

    /// The tracked layers, in mask order.
    pub fn layers(&self) -> &[TrackedLayer] {
        &self.layers
    }

    /// Kernels of all tracked layers together.
    pub fn total_kernels(&self) -> usize {
        self.kernels
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.class_sizes.len()
    }

    /// Samples of each class.
    pub fn class_sizes(&self) -> &[u32] {
        &self.class_sizes
    }

    /// For how many samples of `class` each kernel fired.
    ///
    /// # Panics
    ///
    /// When there is no such class, as slice indexing does; so do the other accessors.
    pub fn counts(&self, class: usize) -> &[u32] {
        &self.counts[class]
    }

    /// For how many samples of `class` this kernel fired.
    pub fn count(&self, class: usize, kernel: usize) -> u32 {
        self.counts[class][kernel]
    }

    /// The fraction of the class's samples for which the kernel fired, in 32-bit arithmetic as the published
    /// code has it; 0 for a class without samples.
    pub fn frequency(&self, class: usize, kernel: usize) -> f32 {
        self.count(class, kernel) as f32 / self.class_sizes[class].max(1) as f32
    }

    /// The mean of the kernel's soft mask value over the class's samples; 0 for a class without samples.
    pub fn mean_mask(&self, class: usize, kernel: usize) -> f32 {
        (self.mask_sums[class][kernel] / f64::from(self.class_sizes[class].max(1))) as f32
    }

    /// For every convolution of `spec`, the factor of each kernel that folding the masks in multiplies by:
    /// the mean of its mask over those samples of `classes` for which it fires, 0 if it never does, and 1 where
    /// no mask is tracked. Samples for which it rests are left out, so that a kernel of one class is not
    /// weakened by the other classes of a module.
    ///
    /// # Errors
    ///
    /// When `classes` is empty or names a class that does not exist, or the tracked layers are not the
    /// spec's.
    pub fn mean_masks(&self, spec: &Spec, classes: &[usize]) -> Result<Vec<Vec<f32>>, Error> {
        check_classes(classes, self.classes())?;
        let mut factors: Vec<Vec<f32>> = spec.convs().map(|conv| vec![1.0; conv.kernels]).collect();
        for (layer, range) in self.layers.iter().zip(ranges(&self.layers)) {
            let fits = factors.get_mut(layer.conv).filter(|conv| conv.len() == layer.kernels);
            for (factor, kernel) in fits.ok_or_else(|| layer.unknown())?.iter_mut().zip(range) {
                let sum: f64 = classes.iter().map(|&class| self.mask_sums[class][kernel]).sum();
                let fired: u32 = classes.iter().map(|&class| self.counts[class][kernel]).sum();
                *factor = (sum / f64::from(fired.max(1))) as f32;
            }
        }
        Ok(factors)
    }

    /// The kernels that fired, sample by sample in the order added; empty after [`Usage::from_counts`].
    pub fn samples(&self) -> &[FixedBitSet] {
        &self.samples
    }

    /// The class of each sample.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }
}

impl TrackedLayer {
    pub(super) fn unknown(&self) -> Error {
        Error::UnknownLayer { name: self.name.clone(), conv: self.conv, kernels: self.kernels }
    }
}

/// Refuses an empty choice of classes and a class that is not among the `total`.
pub(super) fn check_classes(chosen: &[usize], total: usize) -> Result<(), Error> {
    if chosen.is_empty() {
        return Err(Error::NoClasses);
    }
    match chosen.iter().find(|&&class| class >= total) {
        Some(&class) => Err(Error::UnknownClass { class, classes: total }),
        None => Ok(()),
    }
}

pub(super) fn check_length(what: &str, found: usize, expected: usize) -> Result<(), Error> {
    if found == expected { Ok(()) } else { Err(Error::Length { what: what.into(), found, expected }) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::layers;
    use super::*;
    use crate::spec::Architecture;

    #[test]
    fn tracked_layers_are_the_masked_convolutions_in_mask_order() {
        let spec = Architecture::Resnet18.spec([3, 32, 32], 10, 0.125, true);
        let tracked = masked_layers(&spec).unwrap();
        assert_eq!(tracked.len(), 19);
        assert_eq!(tracked[6], TrackedLayer { name: "residual2.shortcut".into(), conv: 7, kernels: 16 });
        assert_eq!(ranges(&tracked).nth(6).unwrap(), 64..80);
        assert_eq!(masked_layers(&spec.without_masks()).unwrap(), []);
    }

    #[test]
    fn a_kernel_fires_when_its_mask_is_above_zero() {
        let mut usage = Usage::new(layers(&[2, 1]), 2);
        usage.add(1, &[0.5, 0.0, 0.25]).unwrap();
        usage.add(1, &[0.0, 0.0, 0.75]).unwrap();
        usage.add(0, &[0.0, 1.0, 0.0]).unwrap();
        assert_eq!((usage.counts(0), usage.counts(1)), (&[0, 1, 0][..], &[1, 0, 2][..]));
        assert_eq!(usage.class_sizes(), [1, 2]);
        assert_eq!((usage.frequency(1, 0), usage.mean_mask(1, 2)), (0.5, 0.5));
        assert_eq!(usage.labels(), [1, 1, 0]);
        assert_eq!(usage.samples()[0].ones().collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn a_sample_that_does_not_fit_changes_nothing() {
        let mut usage = Usage::new(layers(&[2]), 2);
        let before = usage.clone();
        assert!(matches!(usage.add(2, &[0.0; 2]), Err(Error::UnknownClass { class: 2, classes: 2 })));
        assert!(matches!(usage.add(0, &[0.0; 3]), Err(Error::Length { found: 3, expected: 2, .. })));
        assert!(matches!(usage.add(0, &[0.5, f32::NAN]), Err(Error::NotFinite { kernel: 1, .. })));
        assert_eq!(usage, before);
    }

    #[test]
    fn folding_factors_are_means_over_firing_samples_and_one_where_nothing_is_tracked() {
        let spec = Architecture::Tiny.spec([1, 16, 16], 3, 0.0, true);
        let mut usage = Usage::new(masked_layers(&spec).unwrap(), 3);
        usage.add(0, &[0.5, 0.5, 0.0, 0.25]).unwrap();
        usage.add(1, &[0.0, 0.5, 0.75, 0.75]).unwrap();
        let factors = usage.mean_masks(&spec, &[0, 1]).unwrap();
        assert_eq!(factors, [[1.0], [0.5], [0.5], [0.75], [0.5]]);
        assert!(matches!(usage.mean_masks(&spec, &[]), Err(Error::NoClasses)));
        let other = Architecture::Tiny.spec([1, 16, 16], 3, 0.25, true);
        assert!(matches!(usage.mean_masks(&other, &[0]), Err(Error::UnknownLayer { .. })));
    }
}
