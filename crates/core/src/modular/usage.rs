//! How often each unit fires for each class.

mod file;

use std::ops::Range;

use fixedbitset::FixedBitSet;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::spec::{Site, SiteKind, Spec, SpecError};

/// A site whose units are tracked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackedSite {
    /// Its name, such as `conv3`, `residual1.sum` or `linear0`.
    pub name: String,
    /// Its index in [`Spec::sites`].
    pub site: usize,
    /// Its number of units.
    pub units: usize,
}

/// The sites of `spec` with these indices, to be tracked in that order.
///
/// # Errors
///
/// When the spec's stages do not fit together, or it has no site of such an index.
pub fn tracked_sites(spec: &Spec, indices: &[usize]) -> Result<Vec<TrackedSite>, Error> {
    let sites = spec.sites()?;
    let tracked = |&site: &usize| match sites.get(site) {
        Some(Site { name, units, .. }) => Ok(TrackedSite { name: name.clone(), site, units: *units }),
        None => Err(Error::NoSite { site, sites: sites.len() }),
    };
    indices.iter().map(tracked).collect()
}

/// The sites that have a mask generator.
///
/// # Errors
///
/// When the spec's stages do not fit together.
pub fn masked_sites(spec: &Spec) -> Result<Vec<TrackedSite>, SpecError> {
    let sites = spec.sites()?.into_iter().enumerate().filter(|(_, site)| site.is_masked());
    Ok(sites.map(|(index, site)| TrackedSite { name: site.name, site: index, units: site.units }).collect())
}

/// Where each site's units lie in the concatenation of all tracked sites.
pub fn ranges(sites: &[TrackedSite]) -> impl Iterator<Item = Range<usize>> {
    sites.iter().scan(0, |end, site| {
        let start = *end;
        *end += site.units;
        Some(start..*end)
    })
}

/// Units of all these sites together.
pub(super) fn total_units(sites: &[TrackedSite]) -> usize {
    sites.iter().map(|site| site.units).sum()
}

/// Class by unit firing counts, and the units that fired for each sample. Units are numbered through the
/// concatenation of the tracked sites; a unit fires when its observed value (its mask where it has one, else
/// its mean absolute activation) is above 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    sites: Vec<TrackedSite>,
    units: usize,
    class_sizes: Vec<u32>,
    /// `[class][unit]`.
    counts: Vec<Vec<u32>>,
    /// Sums of observed values, `[class][unit]`.
    mask_sums: Vec<Vec<f64>>,
    samples: Vec<FixedBitSet>,
    labels: Vec<usize>,
    /// The units of each class's module, where training fixed them.
    class_masks: Option<Vec<FixedBitSet>>,
}

impl Usage {
    /// Usage of `sites` by this many classes, before any sample.
    pub fn new(sites: Vec<TrackedSite>, classes: usize) -> Self {
        let units = total_units(&sites);
        Usage {
            sites,
            units,
            class_sizes: vec![0; classes],
            counts: vec![vec![0; units]; classes],
            mask_sums: vec![vec![0.0; units]; classes],
            samples: Vec::new(),
            labels: Vec::new(),
            class_masks: None,
        }
    }

    /// The same usage of a network whose training fixed which units each class's module keeps.
    ///
    /// # Errors
    ///
    /// When these are not as many sets as classes, or not of as many units, or one keeps nothing of a site.
    pub fn with_class_masks(self, class_masks: Vec<FixedBitSet>) -> Result<Self, Error> {
        check_length("the list of class masks", class_masks.len(), self.classes())?;
        for mask in &class_masks {
            check_length("a class mask", mask.len(), self.units)?;
            for (site, range) in self.sites.iter().zip(ranges(&self.sites)) {
                if !mask.contains_any_in_range(range) {
                    return Err(Error::EmptyMask(site.name.clone()));
                }
            }
        }
        Ok(Usage { class_masks: Some(class_masks), ..self })
    }

    /// The units of each class's module, where training fixed them: [`Usage::modules`] then gives these.
    pub fn class_masks(&self) -> Option<&[FixedBitSet]> {
        self.class_masks.as_deref()
    }

    /// Usage from counts alone, `[class][unit]`: without samples, and with each firing counted as an observed
    /// value of 1.
    ///
    /// # Errors
    ///
    /// When the lists' lengths do not agree.
    pub fn from_counts(
        sites: Vec<TrackedSite>,
        class_sizes: Vec<u32>,
        counts: Vec<Vec<u32>>,
    ) -> Result<Self, Error> {
        let mut usage = Usage::new(sites, class_sizes.len());
        check_length("the list of class counts", counts.len(), class_sizes.len())?;
        for row in &counts {
            check_length("a class's counts", row.len(), usage.units)?;
        }
        usage.mask_sums = counts.iter().map(|row| row.iter().map(|&count| count.into()).collect()).collect();
        usage.class_sizes = class_sizes;
        usage.counts = counts;
        Ok(usage)
    }

    /// Adds a sample of `class` with its observed values, the tracked sites' rows one after the other.
    ///
    /// # Errors
    ///
    /// When there is no such class, the row has another length, or a value is not finite; nothing is added
    /// then.
    pub fn add(&mut self, class: usize, observed: &[f32]) -> Result<(), Error> {
        check_classes(&[class], self.classes())?;
        check_length("a sample's row of observed values", observed.len(), self.units)?;
        if let Some(unit) = observed.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { what: "the observed value", unit, value: observed[unit] });
        }
        let mut fired = FixedBitSet::with_capacity(self.units);
        for (unit, &value) in observed.iter().enumerate() {
            self.mask_sums[class][unit] += f64::from(value);
            fired.set(unit, value > 0.0);
        }
        self.tally(class, &fired);
        self.samples.push(fired);
        self.labels.push(class);
        Ok(())
    }

    fn tally(&mut self, class: usize, fired: &FixedBitSet) {
        self.class_sizes[class] += 1;
        for unit in fired.ones() {
            self.counts[class][unit] += 1;
        }
    }

    /// The tracked sites.
    pub fn sites(&self) -> &[TrackedSite] {
        &self.sites
    }

    /// Units of all tracked sites together.
    pub fn total_units(&self) -> usize {
        self.units
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.class_sizes.len()
    }

    /// Samples of each class.
    pub fn class_sizes(&self) -> &[u32] {
        &self.class_sizes
    }

    /// For how many samples of `class` each unit fired.
    ///
    /// # Panics
    ///
    /// When there is no such class, as slice indexing does; so do the other accessors.
    pub fn counts(&self, class: usize) -> &[u32] {
        &self.counts[class]
    }

    /// For how many samples of `class` this unit fired.
    pub fn count(&self, class: usize, unit: usize) -> u32 {
        self.counts[class][unit]
    }

    /// The fraction of the class's samples for which the unit fired, in 32-bit arithmetic as the published
    /// code has it; 0 for a class without samples.
    pub fn frequency(&self, class: usize, unit: usize) -> f32 {
        self.count(class, unit) as f32 / self.class_sizes[class].max(1) as f32
    }

    /// The mean of the unit's observed value over the class's samples; 0 for a class without samples.
    pub fn mean_mask(&self, class: usize, unit: usize) -> f32 {
        (self.mask_sums[class][unit] / f64::from(self.class_sizes[class].max(1))) as f32
    }

    /// For every convolution of `spec`, the factor by which folding the masks in multiplies each kernel: the
    /// mean of its mask over those samples of `classes` for which it fires, 0 if it never does, and 1 where no
    /// mask is tracked. Samples for which it rests are left out, so that a kernel of one class is not weakened
    /// by the other classes of a module.
    ///
    /// # Errors
    ///
    /// When `classes` is empty or names a class that does not exist, or the tracked sites are not the spec's.
    pub fn mean_masks(&self, spec: &Spec, classes: &[usize]) -> Result<Vec<Vec<f32>>, Error> {
        check_classes(classes, self.classes())?;
        let sites = spec.sites()?;
        let mut factors: Vec<Vec<f32>> = sites.iter().map(|site| vec![1.0; site.units]).collect();
        for (tracked, range) in self.sites.iter().zip(ranges(&self.sites)) {
            let site = tracked.of(&sites)?;
            if !site.is_masked() {
                continue;
            }
            for (factor, unit) in factors[tracked.site].iter_mut().zip(range) {
                let sum: f64 = classes.iter().map(|&class| self.mask_sums[class][unit]).sum();
                let fired: u32 = classes.iter().map(|&class| self.counts[class][unit]).sum();
                *factor = (sum / f64::from(fired.max(1))) as f32;
            }
        }
        let of_convs = factors.into_iter().zip(&sites).filter(|(_, site)| is_conv(site));
        Ok(of_convs.map(|(factors, _)| factors).collect())
    }

    /// The units that fired, sample by sample in the order added; empty after [`Usage::from_counts`].
    pub fn samples(&self) -> &[FixedBitSet] {
        &self.samples
    }

    /// The class of each sample.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }
}

impl TrackedSite {
    /// This site among those of a network.
    ///
    /// # Errors
    ///
    /// When the network has another one in its place.
    pub(super) fn of<'a>(&self, sites: &'a [Site]) -> Result<&'a Site, Error> {
        let found = sites.get(self.site).filter(|site| site.name == self.name && site.units == self.units);
        found.ok_or_else(|| Error::UnknownSite { name: self.name.clone(), units: self.units })
    }
}

/// Whether a site is the output of a convolution.
pub(super) fn is_conv(site: &Site) -> bool {
    matches!(site.kind, SiteKind::Conv { .. })
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
    use super::super::testing::sites;
    use super::*;
    use crate::spec::Architecture;

    #[test]
    fn the_masked_sites_are_the_masked_convolutions_in_the_order_of_sites() {
        let spec = Architecture::Resnet18.spec([3, 32, 32], 10, 0.125, true);
        let tracked = masked_sites(&spec).unwrap();
        assert_eq!(tracked.len(), 19);
        assert_eq!(tracked[6], TrackedSite { name: "residual2.shortcut".into(), site: 9, units: 16 });
        assert_eq!(ranges(&tracked).nth(6).unwrap(), 64..80);
        assert_eq!(tracked_sites(&spec, &spec.masked_sites().unwrap()).unwrap(), tracked);
        assert_eq!(masked_sites(&spec.without_masks()).unwrap(), []);
    }

    #[test]
    fn any_site_can_be_tracked_and_one_that_is_absent_is_refused() {
        let spec = Architecture::Resnet18.spec([3, 32, 32], 10, 0.125, false);
        let tracked = tracked_sites(&spec, &[3]).unwrap();
        assert_eq!(tracked, [TrackedSite { name: "residual0.sum".into(), site: 3, units: 8 }]);
        let error = tracked_sites(&spec, &[99]).unwrap_err().to_string();
        assert!(error.contains("no site 99"), "{error}");
    }

    #[test]
    fn a_unit_fires_when_its_observed_value_is_above_zero() {
        let mut usage = Usage::new(sites(&[2, 1]), 2);
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
        let mut usage = Usage::new(sites(&[2]), 2);
        let before = usage.clone();
        assert!(matches!(usage.add(2, &[0.0; 2]), Err(Error::UnknownClass { class: 2, classes: 2 })));
        assert!(matches!(usage.add(0, &[0.0; 3]), Err(Error::Length { found: 3, expected: 2, .. })));
        assert!(matches!(usage.add(0, &[0.5, f32::NAN]), Err(Error::NotFinite { unit: 1, .. })));
        assert_eq!(usage, before);
    }

    #[test]
    fn folding_factors_are_means_over_firing_samples_and_one_where_nothing_is_tracked() {
        let spec = Architecture::Tiny.spec([1, 16, 16], 3, 0.0, true);
        let mut usage = Usage::new(masked_sites(&spec).unwrap(), 3);
        usage.add(0, &[0.5, 0.5, 0.0, 0.25]).unwrap();
        usage.add(1, &[0.0, 0.5, 0.75, 0.75]).unwrap();
        let factors = usage.mean_masks(&spec, &[0, 1]).unwrap();
        assert_eq!(factors, [[1.0], [0.5], [0.5], [0.75], [0.5]]);
        assert!(matches!(usage.mean_masks(&spec, &[]), Err(Error::NoClasses)));
        let other = Architecture::Tiny.spec([1, 16, 16], 3, 0.25, true);
        assert!(matches!(usage.mean_masks(&other, &[0]), Err(Error::UnknownSite { .. })));
    }
}
