//! Cohesion, coupling and retention on single samples, over a whole set of them.

use fixedbitset::FixedBitSet;

use super::rows::Rows;
use super::usage::{Usage, ranges};

/// Jaccard index of two sets of units, |A and B| / |A or B| (paper, equation 1). Two empty sets have 0, as an
/// all-zero mask has similarity 0 to every other in the losses.
pub fn jaccard(a: &FixedBitSet, b: &FixedBitSet) -> f64 {
    a.intersection_count(b) as f64 / a.union_count(b).max(1) as f64
}

/// How alike the sets of firing units are among single samples, and how many units fire. What the
/// published code logs while it trains, there a mean over batches, here over the whole set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SampleMetrics {
    /// Mean Jaccard index over all pairs of samples of the same class; 1 where there is no such pair.
    pub cohesion: f64,
    /// Mean Jaccard index over all pairs of samples of different classes; 0 where there is no such pair.
    pub coupling: f64,
    /// Fraction of all tracked units that fire, mean over samples; 0 without samples.
    pub krr: f64,
    /// As `cohesion`, class by class.
    pub class_cohesion: Vec<f64>,
    /// As `krr`, class by class.
    pub class_krr: Vec<f64>,
    /// Fraction of a site's units that fire, mean over samples, site by site.
    pub layer_krr: Vec<f64>,
    /// As `layer_krr` for the samples of one class, `[site][class]`.
    pub layer_class_krr: Vec<Vec<f64>>,
}

impl Usage {
    /// Sample-level measures over all samples added. Time grows with the square of their number: less
    /// than a second of one core for 5,000 samples of a VGG16.
    pub fn sample_metrics(&self) -> SampleMetrics {
        let Pairs { same, different } = self.pairs();
        let total = |means: &[Mean]| {
            means.iter().fold(Mean::default(), |a, b| Mean { sum: a.sum + b.sum, count: a.count + b.count })
        };
        let means = |means: &[Mean]| means.iter().map(|mean| mean.or(0.0)).collect::<Vec<_>>();
        let units = 0..self.total_units();
        SampleMetrics {
            cohesion: total(&same).or(1.0),
            coupling: different.or(0.0),
            krr: total(&self.fired(units.clone())).or(0.0),
            class_cohesion: same.iter().map(|mean| mean.or(1.0)).collect(),
            class_krr: means(&self.fired(units)),
            layer_krr: ranges(self.sites()).map(|range| total(&self.fired(range)).or(0.0)).collect(),
            layer_class_krr: ranges(self.sites()).map(|range| means(&self.fired(range))).collect(),
        }
    }

    /// Firings of these units, class by class.
    fn fired(&self, units: std::ops::Range<usize>) -> Vec<Mean> {
        (self.class_sizes().iter().enumerate())
            .map(|(class, &size)| Mean {
                sum: self.counts(class)[units.clone()].iter().map(|&count| f64::from(count)).sum(),
                count: u64::from(size) * units.len() as u64,
            })
            .collect()
    }

    /// Jaccard indices over all pairs of samples.
    fn pairs(&self) -> Pairs {
        let mut order: Vec<usize> = (0..self.samples().len()).collect();
        order.sort_by_key(|&sample| self.labels()[sample]);
        let ever: Vec<usize> = (0..self.total_units())
            .filter(|&unit| (0..self.classes()).any(|class| self.count(class, unit) > 0))
            .collect();
        let rows = Rows::new(order.iter().map(|&sample| &self.samples()[sample]), &ever);
        let mut pairs = Pairs { same: vec![Mean::default(); self.classes()], different: Mean::default() };
        let mut first_of_class = 0;
        for (row, &sample) in order.iter().enumerate() {
            let label = self.labels()[sample];
            if self.labels()[order[first_of_class]] != label {
                first_of_class = row;
            }
            pairs.different.add(rows.similarity(row, 0..first_of_class), first_of_class);
            pairs.same[label].add(rows.similarity(row, first_of_class..row), row - first_of_class);
        }
        pairs
    }
}

struct Pairs {
    same: Vec<Mean>,
    different: Mean,
}

/// A sum and the number of its terms.
#[derive(Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, sum: f64, count: usize) {
        self.sum += sum;
        self.count += count as u64;
    }

    fn or(&self, empty: f64) -> f64 {
        if self.count == 0 { empty } else { self.sum / self.count as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{random_bits, rng, sites};
    use super::*;

    fn usage(samples: &[(usize, FixedBitSet)], kernels: &[usize], classes: usize) -> Usage {
        let mut usage = Usage::new(sites(kernels), classes);
        for (class, bits) in samples {
            let masks: Vec<f32> = (0..bits.len()).map(|k| if bits.contains(k) { 0.5 } else { 0.0 }).collect();
            usage.add(*class, &masks).unwrap();
        }
        usage
    }

    #[test]
    fn measures_are_means_over_pairs_and_samples() {
        let mut rng = rng(9);
        let samples: Vec<_> = (0..40).map(|i| (i * i % 3, random_bits(&mut rng, 150, 0.2))).collect();
        let metrics = usage(&samples, &[50, 100], 3).sample_metrics();
        let (mut same, mut different) = (Vec::new(), Vec::new());
        for (j, (label, a)) in samples.iter().enumerate() {
            for (other, b) in &samples[..j] {
                if label == other { &mut same } else { &mut different }.push(jaccard(a, b));
            }
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert!((metrics.cohesion - mean(&same)).abs() < 1e-12);
        assert!((metrics.coupling - mean(&different)).abs() < 1e-12);
        let first: usize = samples.iter().map(|(_, bits)| bits.count_ones(..50)).sum();
        let all: usize = samples.iter().map(|(_, bits)| bits.count_ones(..)).sum();
        assert_eq!((metrics.layer_krr[0], metrics.krr), (first as f64 / 2000.0, all as f64 / 6000.0));
        assert_eq!(metrics.class_cohesion[2], 1.0, "no square leaves 2 by 3: no sample, no pair");
        assert_eq!(metrics.class_krr[2], 0.0);
    }

    #[test]
    fn samples_without_firing_units_are_like_no_other() {
        let empty = FixedBitSet::with_capacity(4);
        assert_eq!(jaccard(&empty, &empty), 0.0);
        let metrics = usage(&[(0, empty.clone()), (0, empty.clone()), (1, empty)], &[4], 2).sample_metrics();
        assert_eq!((metrics.cohesion, metrics.coupling, metrics.krr), (0.0, 0.0, 0.0));
    }

    #[test]
    fn nothing_to_measure_is_no_error() {
        let metrics = usage(&[], &[4], 2).sample_metrics();
        assert_eq!((metrics.cohesion, metrics.coupling, metrics.krr), (1.0, 0.0, 0.0));
        assert_eq!(metrics.class_cohesion, [1.0, 1.0]);
    }
}
