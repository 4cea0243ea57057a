//! One kernel set a class: the modules that a threshold on firing frequencies makes.

use fixedbitset::FixedBitSet;
use serde::{Deserialize, Serialize};

use super::rows::Rows;
use super::usage::{TrackedLayer, Usage, check_classes, check_length, ranges};
use super::{Error, Selection, jaccard};
use crate::spec::Spec;

/// How much the threshold of a layer is lowered at a time while no kernel reaches it (published code).
const STEP: f64 = 0.05;

/// What became of the threshold in one layer of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// A kernel reached it.
    None,
    /// It was lowered by 0.05 this many times until a kernel reached it.
    Lowered(u32),
    /// It fell to 0 before any kernel reached it; the layer's most frequent kernel was kept.
    Dead,
}

/// The modules of all classes at one threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassModules {
    /// The frequency from which on a kernel belongs to a class.
    pub threshold: f64,
    /// The tracked layers, in mask order.
    pub layers: Vec<TrackedLayer>,
    /// The kernels of each class, numbered through all tracked layers.
    pub masks: Vec<FixedBitSet>,
    /// What became of the threshold, `[class][layer]`.
    pub fallback: Vec<Vec<Fallback>>,
}

impl Usage {
    /// The module of every class: its kernels that fire for at least `threshold` of its samples.
    ///
    /// As the published code has it, frequencies and threshold are compared as 32-bit floats. In a layer that
    /// would be left without kernels the threshold, a 64-bit float, loses 0.05 until a kernel reaches it.
    /// Where it would fall to 0 the published code stops; here the most frequent kernel stays (the first of
    /// equals), so that a layer dead for a class does not take its module away.
    ///
    /// # Errors
    ///
    /// When the threshold is not in (0, 1], or a class has no samples.
    pub fn modules(&self, threshold: f64) -> Result<ClassModules, Error> {
        if !(threshold as f32 > 0.0 && threshold <= 1.0) {
            return Err(Error::Threshold(threshold));
        }
        if let Some(class) = self.class_sizes().iter().position(|&size| size == 0) {
            return Err(Error::EmptyClass(class));
        }
        let mut masks = vec![FixedBitSet::with_capacity(self.total_kernels()); self.classes()];
        let mut fallback = vec![Vec::new(); self.classes()];
        for (class, mask) in masks.iter_mut().enumerate() {
            for range in ranges(self.layers()) {
                let frequencies: Vec<f32> = range.clone().map(|k| self.frequency(class, k)).collect();
                let (kept, outcome) = frequent(&frequencies, threshold);
                mask.extend(kept.into_iter().map(|kernel| range.start + kernel));
                fallback[class].push(outcome);
            }
        }
        Ok(ClassModules { threshold, layers: self.layers().to_vec(), masks, fallback })
    }
}

/// The kernels whose frequency reaches the threshold, lowered as far as one layer needs.
fn frequent(frequencies: &[f32], threshold: f64) -> (Vec<usize>, Fallback) {
    let highest = frequencies.iter().copied().fold(0.0, f32::max);
    let mut lowered = threshold;
    let mut steps = 0;
    while highest < lowered as f32 {
        lowered -= STEP;
        steps += 1;
        if lowered <= 0.0 {
            let first = frequencies.iter().position(|&frequency| frequency == highest);
            return (first.into_iter().collect(), Fallback::Dead);
        }
    }
    let kept = (0..frequencies.len()).filter(|&kernel| frequencies[kernel] >= lowered as f32).collect();
    (kept, if steps == 0 { Fallback::None } else { Fallback::Lowered(steps) })
}

impl ClassModules {
    /// The kernels that any of `classes` has.
    ///
    /// # Errors
    ///
    /// When `classes` is empty or names a class that does not exist.
    pub fn union(&self, classes: &[usize]) -> Result<FixedBitSet, Error> {
        check_classes(classes, self.masks.len())?;
        let mut union = FixedBitSet::with_capacity(self.layers.iter().map(|layer| layer.kernels).sum());
        classes.iter().for_each(|&class| union.union_with(&self.masks[class]));
        Ok(union)
    }

    /// The selection that makes the module of `classes` out of a network of `spec`.
    ///
    /// # Errors
    ///
    /// As [`ClassModules::union`], and when the tracked layers are not the spec's.
    pub fn selection(&self, spec: &Spec, classes: &[usize]) -> Result<Selection, Error> {
        Selection::from_tracked(spec, &self.layers, &self.union(classes)?)
    }

    /// Kernel retention rate of a class: the fraction of tracked kernels that its module keeps.
    ///
    /// # Panics
    ///
    /// When there is no such class, as slice indexing does; so do the other measures of one class.
    pub fn krr(&self, class: usize) -> f64 {
        fraction(self.masks[class].count_ones(..), self.masks[class].len())
    }

    /// Kernel retention rate: mean over classes.
    pub fn mean_krr(&self) -> f64 {
        mean((0..self.masks.len()).map(|class| self.krr(class))).unwrap_or(0.0)
    }

    /// Kernel retention rate of a class with every convolution of `spec` counted, untracked ones as kept
    /// whole: the denominator of the paper's text. The published code has that of [`ClassModules::krr`].
    pub fn krr_all(&self, class: usize, spec: &Spec) -> f64 {
        let all: usize = spec.convs().map(|conv| conv.kernels).sum();
        let dropped = self.masks[class].len() - self.masks[class].count_ones(..);
        fraction(all.saturating_sub(dropped), all)
    }

    /// How many kernels of each tracked layer the class's module keeps.
    pub fn kept_per_layer(&self, class: usize) -> Vec<usize> {
        ranges(&self.layers).map(|range| self.masks[class].count_ones(range)).collect()
    }

    /// Jaccard index of every two modules (paper, equation 3), `[class][class]`; 1 on the diagonal.
    pub fn coupling_matrix(&self) -> Vec<Vec<f64>> {
        self.masks.iter().map(|a| self.masks.iter().map(|b| jaccard(a, b)).collect()).collect()
    }

    /// Mean Jaccard index over pairs of modules; 0 where there is no pair.
    pub fn coupling(&self) -> f64 {
        let later = |class: usize| self.masks[class + 1..].iter().map(move |b| (class, b));
        let pairs = (0..self.masks.len()).flat_map(later);
        mean(pairs.map(|(class, b)| jaccard(&self.masks[class], b))).unwrap_or(0.0)
    }

    /// Cohesion of every module: mean Jaccard index over all pairs of the class's samples, on the kernels of
    /// the module alone (paper, equation 2, as the published code applies it). A class of one sample has 1:
    /// nothing disagrees in it.
    ///
    /// # Errors
    ///
    /// When `usage` is not of the same layers and classes.
    pub fn class_cohesion(&self, usage: &Usage) -> Result<Vec<f64>, Error> {
        check_length("the list of class sizes", usage.classes(), self.masks.len())?;
        let kernels = self.layers.iter().map(|layer| layer.kernels).sum();
        check_length("a sample's mask", usage.total_kernels(), kernels)?;
        let cohesion = |(class, mask): (usize, &FixedBitSet)| {
            let kernels: Vec<usize> = mask.ones().collect();
            let of_class = usage.samples().iter().zip(usage.labels()).filter(|(_, label)| **label == class);
            Rows::new(of_class.map(|(sample, _)| sample), &kernels).mean_similarity()
        };
        Ok(self.masks.iter().enumerate().map(cohesion).collect())
    }

    /// Mean of [`ClassModules::class_cohesion`] over classes.
    ///
    /// # Errors
    ///
    /// As [`ClassModules::class_cohesion`].
    pub fn cohesion(&self, usage: &Usage) -> Result<f64, Error> {
        Ok(mean(self.class_cohesion(usage)?.into_iter()).unwrap_or(0.0))
    }
}

fn fraction(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{layers, random_bits, rng};
    use super::*;
    use crate::spec::Architecture;

    /// One class of `size` samples for which the kernels of one layer fired this often.
    fn one_layer(counts: &[u32], size: u32, threshold: f64) -> (Vec<usize>, Fallback) {
        let usage = Usage::from_counts(layers(&[counts.len()]), vec![size], vec![counts.to_vec()]).unwrap();
        let modules = usage.modules(threshold).unwrap();
        (modules.masks[0].ones().collect(), modules.fallback[0][0])
    }

    #[test]
    fn a_frequency_equal_to_the_threshold_stays() {
        assert_eq!(one_layer(&[36, 35, 40, 0], 40, 0.9), (vec![0, 2], Fallback::None));
        assert_eq!(one_layer(&[18, 17], 20, 0.9), (vec![0], Fallback::None));
        assert_eq!(one_layer(&[40, 39], 40, 1.0), (vec![0], Fallback::None));
    }

    #[test]
    fn ties_are_decided_in_32_bit_floats() {
        // In 64-bit floats 14/40 lies below 0.35000000000000003 and would go a step further.
        assert_eq!(one_layer(&[14, 13], 40, 0.5), (vec![0], Fallback::Lowered(3)));
        assert_eq!(one_layer(&[3, 13], 20, 0.9), (vec![1], Fallback::Lowered(5)));
    }

    #[test]
    fn the_threshold_falls_until_a_kernel_reaches_it() {
        assert_eq!(one_layer(&[0, 34, 33], 40, 0.9), (vec![1], Fallback::Lowered(1)));
        assert_eq!(one_layer(&[2, 0], 40, 0.9), (vec![0], Fallback::Lowered(17)));
        assert_eq!(one_layer(&[0, 1], 40, 0.5), (vec![1], Fallback::Lowered(10)));
    }

    #[test]
    fn a_dead_layer_keeps_its_first_most_frequent_kernel() {
        assert_eq!(one_layer(&[0, 1, 1], 40, 0.9), (vec![1], Fallback::Dead));
        assert_eq!(one_layer(&[0, 0], 40, 0.9), (vec![0], Fallback::Dead));
        assert_eq!(one_layer(&[0, 0], 40, 0.5), (vec![0], Fallback::Dead));
    }

    #[test]
    fn layers_and_classes_fall_on_their_own() {
        let counts = vec![vec![10, 8, 9, 1], vec![0, 10, 8, 0]];
        let modules =
            Usage::from_counts(layers(&[2, 2]), vec![10, 10], counts).unwrap().modules(0.9).unwrap();
        assert_eq!(modules.fallback[0], [Fallback::None, Fallback::None]);
        assert_eq!(modules.fallback[1], [Fallback::None, Fallback::Lowered(2)]);
        assert_eq!(modules.kept_per_layer(0), [1, 1]);
        assert_eq!(modules.union(&[0, 1]).unwrap().ones().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_threshold_or_class_that_makes_no_sense_is_refused_by_name() {
        let usage = Usage::from_counts(layers(&[1]), vec![3, 0], vec![vec![3], vec![0]]).unwrap();
        for threshold in [0.0, -0.1, 1.01, f64::NAN, f64::INFINITY, 1e-60] {
            assert!(matches!(usage.modules(threshold), Err(Error::Threshold(_))), "{threshold}");
        }
        assert!(usage.modules(0.9).unwrap_err().to_string().starts_with("class 1 has no samples"));
        let usage = Usage::from_counts(layers(&[1]), vec![3], vec![vec![3]]).unwrap();
        let modules = usage.modules(0.9).unwrap();
        assert!(matches!(modules.union(&[1]), Err(Error::UnknownClass { class: 1, classes: 1 })));
        assert!(matches!(modules.union(&[]), Err(Error::NoClasses)));
    }

    #[test]
    fn retention_counts_tracked_kernels_or_all() {
        let spec = Architecture::Tiny.spec([1, 16, 16], 2, 0.125, true);
        let tracked = crate::modular::masked_layers(&spec).unwrap();
        let counts = vec![vec![9; 48], [vec![9; 12], vec![0; 36]].concat()];
        let modules = Usage::from_counts(tracked, vec![9, 9], counts).unwrap().modules(0.9).unwrap();
        assert_eq!((modules.krr(0), modules.krr_all(0, &spec)), (1.0, 1.0));
        let kept = modules.masks[1].count_ones(..);
        assert_eq!(modules.krr(1), kept as f64 / 48.0);
        assert_eq!(modules.krr_all(1, &spec), (kept + 4) as f64 / 52.0);
        assert_eq!(modules.selection(&spec, &[1]).unwrap().kept(), kept + 4);
        assert_eq!(modules.mean_krr(), (1.0 + kept as f64 / 48.0) / 2.0);
    }

    /// Equations 1 to 3 written out.
    #[test]
    fn cohesion_and_coupling_are_those_of_the_paper() {
        let mut rng = rng(5);
        let mut usage = Usage::new(layers(&[40, 90]), 3);
        for sample in 0..31 {
            let bits = random_bits(&mut rng, 130, 0.6);
            let masks: Vec<f32> = (0..130).map(|k| f32::from(u8::from(bits.contains(k)))).collect();
            usage.add(if sample == 30 { 2 } else { sample % 2 }, &masks).unwrap();
        }
        let modules = usage.modules(0.6).unwrap();
        let cohesion = modules.class_cohesion(&usage).unwrap();
        for (class, found) in cohesion.iter().enumerate().take(2) {
            let of_class = (0..31).filter(|&sample| usage.labels()[sample] == class);
            let sets: Vec<_> =
                of_class.map(|sample| &usage.samples()[sample] & &modules.masks[class]).collect();
            let ordered = (0..15).flat_map(|j| (0..15).filter(move |&k| k != j).map(move |k| (j, k)));
            let sum: f64 = ordered.map(|(j, k)| jaccard(&sets[j], &sets[k])).sum();
            assert!((found - sum / 210.0).abs() < 1e-12);
        }
        assert_eq!(cohesion[2], 1.0, "one sample");
        let matrix = modules.coupling_matrix();
        assert_eq!((matrix[1][1], matrix[0][2]), (1.0, jaccard(&modules.masks[0], &modules.masks[2])));
        let mean = (matrix[0][1] + matrix[0][2] + matrix[1][2]) / 3.0;
        assert!((modules.coupling() - mean).abs() < 1e-12);
    }
}
