//! Which units and which single weights of a network stay.

use std::collections::BTreeMap;

use fixedbitset::FixedBitSet;
use rand_chacha::ChaCha8Rng;

use super::Error;
use super::usage::{TrackedSite, check_length, is_conv, ranges, total_units};
use crate::random::{Stream, generator, sample};
use crate::spec::{Role, Spec, SpecError};

/// Masks of single weights: for an array of the network, by its name, which of its values stay. An array that
/// is absent stays whole.
pub type WeightMasks = BTreeMap<String, FixedBitSet>;

/// Which units of every site stay, and which single weights of what is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// One set a site of [`Spec::sites`], as long as it has units.
    pub sites: Vec<FixedBitSet>,
    /// Masks of single weights, in the numbering of the whole network's arrays.
    pub weights: WeightMasks,
}

impl Selection {
    /// Everything of `spec`.
    ///
    /// # Errors
    ///
    /// When its stages do not fit together.
    pub fn all(spec: &Spec) -> Result<Self, SpecError> {
        let sites = spec.sites()?.into_iter().map(|site| full_set(site.units)).collect();
        Ok(Selection { sites, weights: WeightMasks::new() })
    }

    /// The given units of the tracked sites, numbered through their concatenation, and every unit of the other
    /// sites.
    ///
    /// # Errors
    ///
    /// When `units` has another length than the sites together, or a site is not the spec's.
    pub fn from_tracked(spec: &Spec, tracked: &[TrackedSite], units: &FixedBitSet) -> Result<Self, Error> {
        check_length("the set of units", units.len(), total_units(tracked))?;
        let sites = spec.sites()?;
        let mut selection = Selection::all(spec)?;
        for (tracked, range) in tracked.iter().zip(ranges(tracked)) {
            tracked.of(&sites)?;
            let kept = range.clone().filter(|&unit| units.contains(unit));
            let site = &mut selection.sites[tracked.site];
            site.clear();
            site.extend(kept.map(|unit| unit - range.start));
        }
        Ok(selection)
    }

    /// How many kernels stay, of all convolutions of `spec`.
    ///
    /// # Errors
    ///
    /// When its stages do not fit together.
    pub fn kernels(&self, spec: &Spec) -> Result<usize, SpecError> {
        let sites = spec.sites()?;
        let convs = self.sites.iter().zip(&sites).filter(|(_, site)| is_conv(site));
        Ok(convs.map(|(kept, _)| kept.count_ones(..)).sum())
    }

    /// How many units of each site stay.
    pub fn kept_per_site(&self) -> Vec<usize> {
        self.sites.iter().map(|site| site.count_ones(..)).collect()
    }

    /// The fraction of single weights that the masks keep, among all weights and biases of the convolutions and
    /// linear layers of `spec`. Units that go do not count here.
    ///
    /// # Errors
    ///
    /// When its stages do not fit together.
    pub fn weights_kept(&self, spec: &Spec) -> Result<f64, SpecError> {
        let (mut kept, mut all) = (0, 0);
        for slot in spec.slots()?.into_iter().filter(|slot| can_be_masked(slot.role)) {
            let values = slot.shape.iter().product::<usize>();
            kept += self.weights.get(&slot.name).map_or(values, |mask| mask.count_ones(..));
            all += values;
        }
        Ok(kept as f64 / all.max(1) as f64)
    }

    /// A control: as many units at each of `tracked`, and as many single weights in each masked array, drawn
    /// uniformly. Control number `control` of a seed is always the same.
    ///
    /// # Errors
    ///
    /// When the selection has no such site.
    pub fn random_like(&self, tracked: &[TrackedSite], seed: u64, control: u64) -> Result<Self, Error> {
        let mut rng = generator(seed, Stream::Control, control);
        let mut selection = self.clone();
        for TrackedSite { name, site, units } in tracked {
            let kept = selection.sites.get_mut(*site).filter(|kept| kept.len() == *units);
            let kept = kept.ok_or_else(|| Error::UnknownSite { name: name.clone(), units: *units })?;
            *kept = draw(&mut rng, kept.len(), kept.count_ones(..));
        }
        for mask in selection.weights.values_mut() {
            *mask = draw(&mut rng, mask.len(), mask.count_ones(..));
        }
        Ok(selection)
    }

    /// Whether every unit and weight that stays here stays there too.
    pub fn is_subset(&self, other: &Selection) -> bool {
        let within = |(name, theirs): (&String, &FixedBitSet)| match self.weights.get(name) {
            Some(mask) => mask.is_subset(theirs),
            None => theirs.is_full(),
        };
        self.sites.len() == other.sites.len()
            && self.sites.iter().zip(&other.sites).all(|(a, b)| a.is_subset(b))
            && other.weights.iter().all(within)
    }

    /// The units and weights of both; sites that the other lacks stay as they are.
    pub fn union(&self, other: &Selection) -> Selection {
        let mut union = self.clone();
        for (site, other) in union.sites.iter_mut().zip(&other.sites) {
            site.union_with(other);
        }
        unite_weights(&mut union.weights, &other.weights);
        union
    }

    /// Checks that this selects from the sites and arrays of `spec` and leaves something of each site.
    ///
    /// # Errors
    ///
    /// Names the first site or array that does not fit, or the site that would be left without units.
    pub fn check(&self, spec: &Spec) -> Result<(), Error> {
        let sites = spec.sites()?;
        check_length("the selection's list of sites", self.sites.len(), sites.len())?;
        for (kept, site) in self.sites.iter().zip(&sites) {
            check_length(&format!("the selection of {}", site.name), kept.len(), site.units)?;
            if kept.is_clear() {
                return Err(Error::NothingKept(site.name.clone()));
            }
        }
        if self.weights.is_empty() {
            return Ok(());
        }
        let slots = spec.slots()?;
        for (name, mask) in &self.weights {
            let slot = slots.iter().find(|slot| slot.name == *name && can_be_masked(slot.role));
            let slot = slot.ok_or_else(|| Error::UnknownArray(name.clone()))?;
            check_length(&format!("the mask of `{name}`"), mask.len(), slot.shape.iter().product())?;
        }
        Ok(())
    }
}

/// Lets `masks` keep what either keeps: an array that one of them does not mask is whole.
pub(super) fn unite_weights(masks: &mut WeightMasks, others: &WeightMasks) {
    masks.retain(|name, mask| match others.get(name) {
        Some(other) => {
            mask.union_with(other);
            true
        }
        None => false,
    });
}

/// Whether single values of an array can be masked: weights and biases of convolutions and linear layers.
fn can_be_masked(role: Role) -> bool {
    matches!(role, Role::ConvWeight | Role::ConvBias | Role::LinearWeight | Role::LinearBias)
}

/// A set of this length with everything in it.
pub fn full_set(length: usize) -> FixedBitSet {
    let mut set = FixedBitSet::with_capacity(length);
    set.insert_range(..);
    set
}

/// `count` of `0..length`, drawn at random.
fn draw(rng: &mut ChaCha8Rng, length: usize, count: usize) -> FixedBitSet {
    let mut drawn = FixedBitSet::with_capacity(length);
    drawn.extend(sample(rng, length, count));
    drawn
}

#[cfg(test)]
mod tests {
    use super::super::testing::{random_bits, random_selection, random_spec, rng};
    use super::*;
    use crate::modular::masked_sites;
    use crate::spec::Architecture;
    use proptest::prelude::*;
    use rand::RngExt;

    #[test]
    fn tracked_units_stay_as_given_and_the_others_all() {
        let spec = Architecture::Tiny.spec([1, 16, 16], 10, 0.125, true);
        let tracked = masked_sites(&spec).unwrap();
        let mut units = FixedBitSet::with_capacity(48);
        units.extend([0, 7, 8, 47]);
        let selection = Selection::from_tracked(&spec, &tracked, &units).unwrap();
        let sites: Vec<Vec<usize>> = selection.sites.iter().map(|site| site.ones().collect()).collect();
        assert_eq!(sites[..5], [vec![0, 1, 2, 3], vec![0, 7], vec![0], vec![], vec![15]]);
        assert_eq!(selection.kept_per_site()[..5], [4, 2, 1, 0, 1]);
        assert_eq!(selection.kernels(&spec).unwrap(), 8);
        assert!(Selection::from_tracked(&spec, &tracked[1..], &units).is_err());
        assert!(matches!(selection.check(&spec), Err(Error::NothingKept(name)) if name == "conv3"));
    }

    #[test]
    fn a_control_has_as_many_units_at_each_site_and_its_number_fixes_which() {
        let spec = Architecture::Vgg16.spec([3, 32, 32], 10, 0.5, true);
        let tracked = masked_sites(&spec).unwrap();
        let units = random_bits(&mut rng(1), 2080, 0.3);
        let selection = Selection::from_tracked(&spec, &tracked, &units).unwrap();
        let control = |number| selection.random_like(&tracked, 7, number).unwrap();
        assert_eq!(control(0).kept_per_site(), selection.kept_per_site());
        assert_eq!(control(0), control(0));
        assert_ne!(control(0), control(1));
        assert_ne!(control(0), selection);
        assert_eq!(control(0).sites[0], selection.sites[0], "untracked");
    }

    #[test]
    fn a_control_of_masked_weights_keeps_as_many_in_each_array() {
        let spec = Architecture::Tiny.spec([1, 16, 16], 10, 0.125, false);
        let mut selection = Selection::all(&spec).unwrap();
        let name = "conv1.conv.weight".to_owned();
        selection.weights.insert(name.clone(), random_bits(&mut rng(2), 4 * 9 * 8, 0.3));
        selection.check(&spec).unwrap();
        let control = selection.random_like(&[], 7, 0).unwrap();
        assert_ne!(control, selection);
        assert_eq!(control.weights[&name].count_ones(..), selection.weights[&name].count_ones(..));
        assert_eq!(control.weights_kept(&spec).unwrap(), selection.weights_kept(&spec).unwrap());
    }

    proptest! {
        #[test]
        fn a_union_holds_both_in_units_and_in_weights(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let mut random = || {
                let mut selection = random_selection(&mut rng, &spec);
                for slot in spec.slots().unwrap().into_iter().filter(|slot| can_be_masked(slot.role)) {
                    if rng.random_bool(0.5) {
                        let mask = random_bits(&mut rng, slot.shape.iter().product(), 0.7);
                        selection.weights.insert(slot.name, mask);
                    }
                }
                selection
            };
            let (a, b) = (random(), random());
            let union = a.union(&b);
            union.check(&spec).unwrap();
            prop_assert!(a.is_subset(&union) && b.is_subset(&union));
            let kept = |selection: &Selection| selection.weights_kept(&spec).unwrap();
            prop_assert!(kept(&union) >= kept(&a).max(kept(&b)) && kept(&union) <= 1.0);
            prop_assert_eq!(&b.union(&a), &union);
            let all = Selection::all(&spec).unwrap();
            prop_assert_eq!(a.union(&all), all);
        }
    }

    #[test]
    fn a_mask_of_an_array_that_cannot_have_one_is_refused_by_name() {
        let spec = Architecture::Tiny.spec([1, 16, 16], 10, 0.125, true);
        let refusal = |name: &str, length| {
            let mut selection = Selection::all(&spec).unwrap();
            selection.weights.insert(name.into(), full_set(length));
            selection.check(&spec).unwrap_err().to_string()
        };
        assert!(refusal("conv9.conv.weight", 3).contains("no array `conv9.conv.weight`"));
        assert!(refusal("conv1.bn.running_mean", 8).contains("no array `conv1.bn.running_mean`"));
        assert!(refusal("conv1.conv.weight", 3).contains("has 3 entries where 288 are needed"));
    }
}
