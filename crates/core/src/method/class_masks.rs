//! Class masks: which units each class's module keeps, fixed while training goes on.
//!
//! They are kept in the method's state as `class_masks`, `[classes, units]` of zeros and ones, units numbered through
//! all sites that the method observes.

use fixedbitset::FixedBitSet;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{GivenMask, MethodState, PassMasks, PassPlan, StepInfo};
use crate::random::{Stream, below, fraction, generator, shuffle};
use crate::spec::{Array, Spec, SpecError};

/// Name of the masks in a method's state.
pub(super) const CLASS_MASKS: &str = "class_masks";

/// How many classes the set of a rehearsed sample has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetSizes {
    /// 2 to all classes, each number with the same probability.
    #[default]
    Uniform,
    /// The number k, from 2 to all classes, with a probability proportional to 1 / (k - 1).
    SmallFirst,
}

/// The units of each class's module, where the method has fixed them.
pub fn class_masks(state: &MethodState) -> Option<Vec<FixedBitSet>> {
    let array = state.0.get(CLASS_MASKS)?;
    let rows = array.values.chunks_exact(array.shape[1]);
    let set = |row: &[f32]| {
        let mut set = FixedBitSet::with_capacity(row.len());
        set.extend(row.iter().enumerate().filter(|(_, kept)| **kept > 0.0).map(|(unit, _)| unit));
        set
    };
    Some(rows.map(set).collect())
}

/// Fixes the masks.
pub(super) fn fix(state: &mut MethodState, masks: &[FixedBitSet]) {
    let units = masks.first().map_or(0, FixedBitSet::len);
    let row = |mask: &FixedBitSet| (0..units).map(|unit| f32::from(mask.contains(unit))).collect::<Vec<_>>();
    let values = masks.iter().flat_map(row).collect();
    state.0.insert(CLASS_MASKS.into(), Array { shape: vec![masks.len(), units], values });
}

/// The masks as they are in the state, `[classes, units]`.
pub(super) fn rows(state: &MethodState) -> Option<&Array> {
    state.0.get(CLASS_MASKS)
}

/// The mask of one class.
pub(super) fn row(masks: &Array, class: usize) -> &[f32] {
    let units = masks.shape[1];
    &masks.values[class * units..][..units]
}

/// Checks an array of the state that has a row for each class and a column for each of these sites' units.
///
/// # Errors
///
/// Says what does not fit.
pub(super) fn check(spec: &Spec, sites: &[usize], name: &str, array: &Array) -> Result<(), String> {
    let shape = shape(spec, sites).map_err(|error| error.to_string())?;
    if array.shape != shape {
        return Err(format!("{name} has the shape {:?}, and the network needs {shape:?}", array.shape));
    }
    match array.values.iter().find(|value| name == CLASS_MASKS && **value != 0.0 && **value != 1.0) {
        Some(value) => Err(format!("{name} has the value {value}; it must be 0 or 1")),
        None => Ok(()),
    }
}

/// `[classes, units]` of these sites.
pub(super) fn shape(spec: &Spec, sites: &[usize]) -> Result<[usize; 2], SpecError> {
    Ok([spec.outputs()?, units(spec, sites)?.iter().sum()])
}

/// The number of units of each of these sites.
pub(super) fn units(spec: &Spec, sites: &[usize]) -> Result<Vec<usize>, SpecError> {
    let all = spec.sites()?;
    Ok(sites.iter().map(|&site| all[site].units).collect())
}

/// A pass in which some samples rehearse: each of them draws a set of classes that holds its own, runs under the union of
/// their masks and is told apart from these classes only. All others pass as without rehearsal.
///
/// A sample rehearses with the probability `share`; other classes of its set are drawn uniformly, without replacement.
/// `masks` are `[classes, units]`. The draws depend on the run's seed and the step alone.
pub(super) fn rehearse(
    step: &StepInfo<'_>,
    masks: &Array,
    sites: &[usize],
    share: f64,
    sizes: SetSizes,
) -> Result<PassPlan, SpecError> {
    let [classes, _] = shape(step.spec, sites)?;
    let mut generator = generator(step.progress.seed, Stream::Rehearsal, step.progress.step);
    let batch = step.labels.len();
    let (mut samples, mut allowed) = (vec![false; batch], vec![true; batch * classes]);
    let mut others: Vec<usize> = Vec::new();
    for (sample, &label) in step.labels.iter().enumerate() {
        if fraction(&mut generator) >= share || classes < 2 {
            continue;
        }
        let size = sizes.draw(&mut generator, classes);
        others.clear();
        others.extend((0..classes).filter(|&class| class != label as usize));
        shuffle(&mut generator, &mut others);
        samples[sample] = true;
        others[size - 1..].iter().for_each(|&class| allowed[sample * classes + class] = false);
    }
    if !samples.contains(&true) {
        return Ok(PassPlan::default());
    }
    let mut start = 0;
    let mut given = Vec::new();
    for (&site, units) in sites.iter().zip(units(step.spec, sites)?) {
        let mut values = vec![0.0; batch * units];
        for (sample, union) in
            values.chunks_exact_mut(units).enumerate().filter(|(sample, _)| samples[*sample])
        {
            for class in (0..classes).filter(|class| allowed[sample * classes + class]) {
                let mask = &row(masks, class)[start..start + units];
                union.iter_mut().zip(mask).for_each(|(value, kept)| *value = kept.max(*value));
            }
        }
        given.push(GivenMask { site, values });
        start += units;
    }
    let masks = PassMasks { given, samples, gradient: false };
    Ok(PassPlan { masks, classes: Some(allowed), ..PassPlan::default() })
}

impl SetSizes {
    /// How many classes a set has, of so many that there are.
    fn draw(self, generator: &mut impl Rng, classes: usize) -> usize {
        let most = classes - 1;
        match self {
            SetSizes::Uniform => 2 + below(generator, most),
            SetSizes::SmallFirst => {
                let total: f64 = (1..=most).map(|others| 1.0 / others as f64).sum();
                let mut left = fraction(generator) * total;
                let reached = (1..most).find(|&others| {
                    left -= 1.0 / others as f64;
                    left < 0.0
                });
                1 + reached.unwrap_or(most)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Progress;
    use super::*;
    use crate::spec::Architecture;

    fn plan(share: f64, sizes: SetSizes, step: u64) -> (PassPlan, Vec<u32>, Array) {
        let spec = Architecture::Small.spec([1, 16, 16], 5, 0.25, true);
        let sites = spec.masked_sites().unwrap();
        let labels: Vec<u32> = (0..200).map(|sample| sample % 5).collect();
        let [classes, units] = shape(&spec, &sites).unwrap();
        let values = (0..classes * units).map(|at| f32::from(at % units % classes == at / units)).collect();
        let masks = Array { shape: vec![classes, units], values };
        let progress = Progress { seed: 3, step, epoch: 4, epochs: 8 };
        let info = StepInfo { progress, spec: &spec, labels: &labels };
        (rehearse(&info, &masks, &sites, share, sizes).unwrap(), labels, masks)
    }

    #[test]
    fn a_rehearsed_sample_has_the_union_of_its_sets_masks_and_is_told_apart_from_its_set() {
        let (plan, labels, masks) = plan(0.5, SetSizes::Uniform, 7);
        let allowed = plan.classes.as_ref().unwrap();
        let mut sizes = [0; 6];
        for (sample, &label) in labels.iter().enumerate() {
            let set: Vec<usize> = (0..5).filter(|class| allowed[sample * 5 + class]).collect();
            if !plan.masks.samples[sample] {
                assert_eq!(set.len(), 5);
                continue;
            }
            sizes[set.len()] += 1;
            assert!(set.contains(&(label as usize)) && set.len() >= 2);
            let rows = plan.masks.given.iter().flat_map(|given| {
                let units = given.values.len() / labels.len();
                given.values[sample * units..][..units].to_vec()
            });
            let union = (0..masks.shape[1])
                .map(|unit| set.iter().map(|&class| row(&masks, class)[unit]).fold(0.0, f32::max));
            assert_eq!(rows.collect::<Vec<_>>(), union.collect::<Vec<_>>());
        }
        assert!(sizes[2..].iter().all(|&count| count > 10), "all sizes are drawn alike: {sizes:?}");
        assert!((80..120).contains(&sizes.iter().sum::<usize>()), "half of the samples: {sizes:?}");
    }

    #[test]
    fn masks_of_another_shape_or_with_other_values_are_refused() {
        let spec = Architecture::Small.spec([1, 16, 16], 5, 0.25, true);
        let sites = spec.masked_sites().unwrap();
        let mut masks = Array::filled(&shape(&spec, &sites).unwrap(), 1.0);
        check(&spec, &sites, CLASS_MASKS, &masks).unwrap();
        masks.values[3] = 0.5;
        assert!(check(&spec, &sites, CLASS_MASKS, &masks).unwrap_err().contains("0.5; it must be 0 or 1"));
        assert!(check(&spec, &sites[1..], CLASS_MASKS, &masks).unwrap_err().contains("the network needs"));
    }

    #[test]
    fn small_sets_come_first_where_that_is_asked_for() {
        let mut counts = [0f64; 11];
        let mut generator = generator(1, Stream::Rehearsal, 0);
        (0..20_000).for_each(|_| counts[SetSizes::SmallFirst.draw(&mut generator, 10)] += 1.0);
        assert_eq!(counts[0] + counts[1], 0.0);
        for size in 3..=10 {
            let ratio = counts[2] / counts[size] / (size as f64 - 1.0);
            assert!((0.8..1.25).contains(&ratio), "{counts:?}");
        }
    }

    #[test]
    fn the_draws_follow_from_seed_and_step_and_nothing_rehearses_without_a_share() {
        assert_eq!(plan(0.5, SetSizes::Uniform, 7).0, plan(0.5, SetSizes::Uniform, 7).0);
        assert_ne!(plan(0.5, SetSizes::Uniform, 7).0, plan(0.5, SetSizes::Uniform, 8).0);
        assert_eq!(plan(0.0, SetSizes::Uniform, 7).0, PassPlan::default());
        assert!(plan(1.0, SetSizes::SmallFirst, 7).0.masks.all_take());
    }
}
