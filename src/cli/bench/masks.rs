//! Random masks that images of the same class mostly share, as after training with MwT.

use fixedbitset::FixedBitSet;
use rand::RngExt;

use crate::modular::{Error, TrackedSite, masked_sites};
use crate::random::{Stream, generator};
use crate::spec::{Array, Spec};

/// Seed of everything that a bench draws.
pub(super) const SEED: u64 = 0;

/// Probability that an image lacks a kernel of its class.
const MISSING: f64 = 0.05;

/// The kernels of each class.
pub(super) struct ClassMasks {
    sites: Vec<TrackedSite>,
    /// One set per class, over the concatenated kernels of all layers.
    kernels: Vec<FixedBitSet>,
}

impl ClassMasks {
    /// Draws kernels for each class so that its images use this fraction of every layer, and at least one kernel
    /// per layer.
    ///
    /// # Errors
    ///
    /// When the spec's stages do not fit together.
    pub(super) fn new(spec: &Spec, classes: usize, density: f64) -> Result<ClassMasks, Error> {
        let sites = masked_sites(spec)?;
        let kernels = (0..classes as u64).map(|class| {
            let mut rng = generator(SEED, Stream::Control, class);
            let mut drawn = FixedBitSet::with_capacity(sites.iter().map(|site| site.units).sum());
            let mut first = 0;
            for site in &sites {
                let chance = (density / (1.0 - MISSING)).min(1.0);
                drawn.insert(first + rng.random_range(0..site.units));
                (first..first + site.units)
                    .filter(|_| rng.random::<f64>() < chance)
                    .for_each(|kernel| drawn.insert(kernel));
                first += site.units;
            }
            drawn
        });
        Ok(ClassMasks { kernels: kernels.collect(), sites })
    }

    pub(super) fn sites(&self) -> &[TrackedSite] {
        &self.sites
    }

    /// The union of the kernels of the first `classes` classes.
    pub(super) fn union(&self, classes: usize) -> FixedBitSet {
        let mut union = FixedBitSet::with_capacity(self.kernels[0].len());
        self.kernels[..classes].iter().for_each(|kernels| union.union_with(kernels));
        union
    }

    /// Masks `[samples, kernels]` per layer for samples with these labels.
    pub(super) fn of_samples(&self, labels: &[u32]) -> Vec<Array> {
        let mut rng = generator(SEED, Stream::Control, self.kernels.len() as u64);
        let mut first = 0;
        let mut masks = Vec::new();
        for site in &self.sites {
            let mut values = Vec::with_capacity(labels.len() * site.units);
            for &label in labels {
                for kernel in first..first + site.units {
                    let fires =
                        self.kernels[label as usize].contains(kernel) && rng.random::<f64>() >= MISSING;
                    values.push(if fires { rng.random_range(0.3f32..1.0) } else { 0.0 });
                }
            }
            first += site.units;
            masks.push(Array { shape: vec![labels.len(), site.units], values });
        }
        masks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Architecture;

    #[test]
    fn images_use_the_fraction_asked_for_and_those_of_a_class_the_same_kernels() {
        let spec = Architecture::Vgg16.spec([3, 32, 32], 10, 1.0, true);
        let masks = ClassMasks::new(&spec, 10, 0.3).unwrap();
        let samples = masks.of_samples(&[4, 4]);
        let (mut used, mut shared, mut all) = (0, 0, 0);
        for mask in &samples {
            let (a, b) = mask.values.split_at(mask.shape[1]);
            all += a.len();
            used += a.iter().filter(|value| **value > 0.0).count();
            shared += a.iter().zip(b).filter(|(a, b)| **a > 0.0 && **b > 0.0).count();
        }
        let rate = used as f64 / all as f64;
        assert!((0.28..0.32).contains(&rate), "{rate}");
        assert!(shared as f64 > 0.9 * used as f64, "{shared} of {used}");
        assert_eq!(masks.union(10).len(), all);
    }
}
