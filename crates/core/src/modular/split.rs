//! A split: what makes modules of a trained network, as one part of it for each class.

use std::collections::BTreeMap;
use std::fmt;

use fixedbitset::FixedBitSet;
use serde::{Deserialize, Serialize};

use super::rows::Rows;
use super::selection::{WeightMasks, unite_weights};
use super::usage::{TrackedSite, Usage, check_classes, check_length, is_conv, ranges, total_units};
use super::{Error, Selection, jaccard};
use crate::spec::Spec;

/// How a split was made: the way, and its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The way; [`Provenance::USAGE`] for usage against a threshold.
    pub by: String,
    /// For what fraction of a class's samples a unit had to fire to be kept, where that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Other settings, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, f64>,
}

/// The part of a network that one class keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// The units, numbered through all sites of the split.
    pub units: FixedBitSet,
    /// The single weights; empty where units are kept whole.
    pub weights: WeightMasks,
    /// What became of each site, in the order of the split's sites.
    pub fallback: Vec<Fallback>,
}

/// What a site had to do so that something of it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// Nothing: units were chosen as asked.
    None,
    /// The threshold was lowered by 0.05 this many times until a unit reached it.
    Lowered(u32),
    /// The threshold fell to 0 before any unit reached it; the site's most frequent unit was kept.
    Dead,
}

/// One part of a trained network for each class, and how they were chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// How it was made.
    pub provenance: Provenance,
    /// The sites whose units it decides about; all others stay whole.
    pub sites: Vec<TrackedSite>,
    /// The part of each class.
    pub parts: Vec<Part>,
}

impl Provenance {
    /// The name of the way that counts usage and compares it with a threshold.
    pub const USAGE: &'static str = "usage";

    /// The name of the way that takes the masks that training fixed for the classes.
    pub const CLASS_MASKS: &'static str = "class-masks";

    /// The masks that training fixed for the classes.
    pub fn class_masks() -> Self {
        Provenance { by: Self::CLASS_MASKS.into(), threshold: None, settings: BTreeMap::new() }
    }

    /// Usage against this threshold.
    pub fn usage(threshold: f64) -> Self {
        Provenance { by: Self::USAGE.into(), threshold: Some(threshold), settings: BTreeMap::new() }
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.by.replace('-', " "))?;
        let threshold = self.threshold.iter().map(|value| ("threshold", value));
        let settings = self.settings.iter().map(|(name, value)| (name.as_str(), value));
        for (index, (name, value)) in threshold.chain(settings).enumerate() {
            write!(f, "{} {name} {value}", if index == 0 { " with" } else { "," })?;
        }
        Ok(())
    }
}

impl Split {
    /// The units that any of `classes` has.
    ///
    /// # Errors
    ///
    /// When `classes` is empty or names a class that does not exist.
    pub fn union(&self, classes: &[usize]) -> Result<FixedBitSet, Error> {
        check_classes(classes, self.parts.len())?;
        let mut union = FixedBitSet::with_capacity(total_units(&self.sites));
        classes.iter().for_each(|&class| union.union_with(&self.parts[class].units));
        Ok(union)
    }

    /// The selection that makes the module of `classes` out of a network of `spec`.
    ///
    /// # Errors
    ///
    /// As [`Split::union`], and when the sites are not the spec's.
    pub fn selection(&self, spec: &Spec, classes: &[usize]) -> Result<Selection, Error> {
        let mut selection = Selection::from_tracked(spec, &self.sites, &self.union(classes)?)?;
        let mut weights = classes.iter().map(|&class| &self.parts[class].weights);
        selection.weights = weights.next().cloned().unwrap_or_default();
        weights.for_each(|others| unite_weights(&mut selection.weights, others));
        Ok(selection)
    }

    /// Kernel retention rate of a class: the fraction of the split's units that its module keeps.
    ///
    /// # Panics
    ///
    /// When there is no such class, as slice indexing does; so do the other measures of one class.
    pub fn krr(&self, class: usize) -> f64 {
        let units = &self.parts[class].units;
        fraction(units.count_ones(..), units.len())
    }

    /// Kernel retention rate: mean over classes.
    pub fn mean_krr(&self) -> f64 {
        mean((0..self.parts.len()).map(|class| self.krr(class))).unwrap_or(0.0)
    }

    /// Kernel retention rate of a class with every convolution of `spec` counted, and no other site; convolutions that
    /// the split does not decide about count as kept whole: the denominator of the paper's text. The published code
    /// has that of [`Split::krr`].
    ///
    /// # Errors
    ///
    /// When the sites are not the spec's.
    pub fn krr_all(&self, class: usize, spec: &Spec) -> Result<f64, Error> {
        let sites = spec.sites()?;
        let all: usize = sites.iter().filter(|site| is_conv(site)).map(|site| site.units).sum();
        let mut kept = all;
        for (tracked, range) in self.sites.iter().zip(ranges(&self.sites)) {
            if is_conv(tracked.of(&sites)?) {
                kept -= range.len() - self.parts[class].units.count_ones(range);
            }
        }
        Ok(fraction(kept, all))
    }

    /// How many units of each site of the split the class's module keeps.
    pub fn kept_per_site(&self, class: usize) -> Vec<usize> {
        ranges(&self.sites).map(|range| self.parts[class].units.count_ones(range)).collect()
    }

    /// Jaccard index of every two modules (paper, equation 3), `[class][class]`; 1 on the diagonal.
    pub fn coupling_matrix(&self) -> Vec<Vec<f64>> {
        let row = |a: &Part| self.parts.iter().map(|b| jaccard(&a.units, &b.units)).collect();
        self.parts.iter().map(row).collect()
    }

    /// Mean Jaccard index over pairs of modules; 0 where there is no pair.
    pub fn coupling(&self) -> f64 {
        let later = |class: usize| self.parts[class + 1..].iter().map(move |b| (class, b));
        let pairs = (0..self.parts.len()).flat_map(later);
        mean(pairs.map(|(class, b)| jaccard(&self.parts[class].units, &b.units))).unwrap_or(0.0)
    }

    /// Cohesion of every module: mean Jaccard index over all pairs of the class's samples, on the units of the module
    /// alone (paper, equation 2, as the published code applies it). A class of one sample has 1: nothing disagrees in
    /// it.
    ///
    /// # Errors
    ///
    /// When `usage` is not of the same sites and classes.
    pub fn class_cohesion(&self, usage: &Usage) -> Result<Vec<f64>, Error> {
        check_length("the list of class sizes", usage.classes(), self.parts.len())?;
        check_length("a sample's set of units", usage.total_units(), total_units(&self.sites))?;
        let cohesion = |(class, part): (usize, &Part)| {
            let units: Vec<usize> = part.units.ones().collect();
            let of_class = usage.samples().iter().zip(usage.labels()).filter(|(_, label)| **label == class);
            Rows::new(of_class.map(|(sample, _)| sample), &units).mean_similarity()
        };
        Ok(self.parts.iter().enumerate().map(cohesion).collect())
    }

    /// Mean of [`Split::class_cohesion`] over classes.
    ///
    /// # Errors
    ///
    /// As [`Split::class_cohesion`].
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
    use super::super::testing::{random_bits, rng, sites};
    use super::*;
    use crate::modular::{masked_sites, tracked_sites};
    use crate::spec::Architecture;

    #[test]
    fn retention_counts_tracked_kernels_or_all() {
        let spec = Architecture::Tiny.spec([1, 16, 16], 2, 0.125, true);
        let tracked = masked_sites(&spec).unwrap();
        let counts = vec![vec![9; 48], [vec![9; 12], vec![0; 36]].concat()];
        let split = Usage::from_counts(tracked, vec![9, 9], counts).unwrap().modules(0.9).unwrap();
        assert_eq!((split.krr(0), split.krr_all(0, &spec).unwrap()), (1.0, 1.0));
        let kept = split.parts[1].units.count_ones(..);
        assert_eq!(split.krr(1), kept as f64 / 48.0);
        assert_eq!(split.krr_all(1, &spec).unwrap(), (kept + 4) as f64 / 52.0);
        assert_eq!(split.selection(&spec, &[1]).unwrap().kernels(&spec).unwrap(), kept + 4);
        assert_eq!(split.mean_krr(), (1.0 + kept as f64 / 48.0) / 2.0);
    }

    #[test]
    fn sums_and_hidden_layers_count_in_krr_and_not_among_all_kernels() {
        let spec = Architecture::Vgg16.spec([3, 32, 32], 2, 0.125, false);
        let tracked = tracked_sites(&spec, &spec.active_sites().unwrap()[12..]).unwrap();
        let units = total_units(&tracked);
        let last = tracked[0].units;
        let counts = vec![[vec![9; last / 2], vec![0; units - last / 2]].concat()];
        let split = Usage::from_counts(tracked, vec![9], counts).unwrap().modules(0.9).unwrap();
        let all: usize = spec.convs().map(|conv| conv.kernels).sum();
        assert_eq!(split.krr(0), (last / 2 + 2) as f64 / units as f64, "a hidden layer keeps one unit");
        assert_eq!(split.krr_all(0, &spec).unwrap(), (all - last / 2) as f64 / all as f64);
    }

    #[test]
    fn a_selection_of_classes_keeps_the_weights_that_either_keeps() {
        let spec = Architecture::Tiny.spec([1, 16, 16], 3, 0.125, false);
        let part = |masks: &[(&str, &[usize])]| Part {
            weights: masks
                .iter()
                .map(|(name, kept)| {
                    let mut mask = FixedBitSet::with_capacity(8);
                    mask.extend(kept.iter().copied());
                    ((*name).to_owned(), mask)
                })
                .collect(),
            ..Part::default()
        };
        let (first, second) = ("conv1.conv.bias", "conv2.conv.bias");
        let parts = vec![part(&[(first, &[0, 1]), (second, &[5])]), part(&[(first, &[1, 7])]), part(&[])];
        let split = Split { provenance: Provenance::usage(0.9), sites: Vec::new(), parts };
        let kept = |classes: &[usize]| -> Vec<(String, Vec<usize>)> {
            let weights = split.selection(&spec, classes).unwrap().weights;
            weights.into_iter().map(|(name, mask)| (name, mask.ones().collect())).collect()
        };
        assert_eq!(kept(&[0]), [(first.to_owned(), vec![0, 1]), (second.to_owned(), vec![5])]);
        assert_eq!(kept(&[0, 1]), [(first.to_owned(), vec![0, 1, 7])]);
        assert_eq!(kept(&[0, 2]), []);
    }

    #[test]
    fn a_provenance_reads_as_a_sentence_would() {
        assert_eq!(Provenance::usage(0.9).to_string(), "usage with threshold 0.9");
        assert_eq!(Provenance::class_masks().to_string(), "class masks");
        let settings = BTreeMap::from([("alpha".to_owned(), 0.1), ("epochs".to_owned(), 145.0)]);
        let search = Provenance { by: "search".into(), threshold: None, settings };
        assert_eq!(search.to_string(), "search with alpha 0.1, epochs 145");
        let text = toml::to_string(&search).unwrap();
        assert_eq!(toml::from_str::<Provenance>(&text).unwrap(), search);
    }

    /// Equations 1 to 3 written out.
    #[test]
    fn cohesion_and_coupling_are_those_of_the_paper() {
        let mut rng = rng(5);
        let mut usage = Usage::new(sites(&[40, 90]), 3);
        for sample in 0..31 {
            let bits = random_bits(&mut rng, 130, 0.6);
            let masks: Vec<f32> = (0..130).map(|k| f32::from(u8::from(bits.contains(k)))).collect();
            usage.add(if sample == 30 { 2 } else { sample % 2 }, &masks).unwrap();
        }
        let split = usage.modules(0.6).unwrap();
        let units: Vec<&FixedBitSet> = split.parts.iter().map(|part| &part.units).collect();
        let cohesion = split.class_cohesion(&usage).unwrap();
        for (class, found) in cohesion.iter().enumerate().take(2) {
            let of_class = (0..31).filter(|&sample| usage.labels()[sample] == class);
            let sets: Vec<_> = of_class.map(|sample| &usage.samples()[sample] & units[class]).collect();
            let ordered = (0..15).flat_map(|j| (0..15).filter(move |&k| k != j).map(move |k| (j, k)));
            let sum: f64 = ordered.map(|(j, k)| jaccard(&sets[j], &sets[k])).sum();
            assert!((found - sum / 210.0).abs() < 1e-12);
        }
        assert_eq!(cohesion[2], 1.0, "one sample");
        let matrix = split.coupling_matrix();
        assert_eq!((matrix[1][1], matrix[0][2]), (1.0, jaccard(units[0], units[2])));
        let mean = (matrix[0][1] + matrix[0][2] + matrix[1][2]) / 3.0;
        assert!((split.coupling() - mean).abs() < 1e-12);
    }
}
