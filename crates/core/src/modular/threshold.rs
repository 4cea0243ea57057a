//! Usage against a threshold: the split of the published code.

use fixedbitset::FixedBitSet;

use super::Error;
use super::split::{Fallback, Part, Provenance, Split};
use super::usage::{Usage, ranges};

/// How much the threshold of a site is lowered at a time while no unit reaches it (published code).
const STEP: f64 = 0.05;

impl Usage {
    /// The module of every class: its units that fire for at least `threshold` of its samples. Where training fixed the
    /// classes' masks, these are the modules, whatever the threshold.
    ///
    /// As the published code has it, frequencies and threshold are compared as 32-bit floats. At a site that
    /// would be left without units the threshold, a 64-bit float, loses 0.05 until a unit reaches it. Where it
    /// would fall to 0 the published code stops; here the most frequent unit stays (the first of equals), so
    /// that a site that is dead for a class does not take its module away.
    ///
    /// # Errors
    ///
    /// When the threshold is not in (0, 1], or a class has no samples.
    pub fn modules(&self, threshold: f64) -> Result<Split, Error> {
        if !(threshold as f32 > 0.0 && threshold <= 1.0) {
            return Err(Error::Threshold(threshold));
        }
        if let Some(masks) = self.class_masks() {
            return Ok(self.fixed(masks));
        }
        if let Some(class) = self.class_sizes().iter().position(|&size| size == 0) {
            return Err(Error::EmptyClass(class));
        }
        let part = |class: usize| {
            let mut part = Part { units: FixedBitSet::with_capacity(self.total_units()), ..Part::default() };
            for range in ranges(self.sites()) {
                let frequencies: Vec<f32> = range.clone().map(|unit| self.frequency(class, unit)).collect();
                let (kept, outcome) = frequent(&frequencies, threshold);
                part.units.extend(kept.into_iter().map(|unit| range.start + unit));
                part.fallback.push(outcome);
            }
            part
        };
        Ok(Split {
            provenance: Provenance::usage(threshold),
            sites: self.sites().to_vec(),
            parts: (0..self.classes()).map(part).collect(),
        })
    }

    fn fixed(&self, masks: &[FixedBitSet]) -> Split {
        let fallback = vec![Fallback::None; self.sites().len()];
        let part = |units: &FixedBitSet| Part {
            units: units.clone(),
            fallback: fallback.clone(),
            ..Part::default()
        };
        Split {
            provenance: Provenance::class_masks(),
            sites: self.sites().to_vec(),
            parts: masks.iter().map(part).collect(),
        }
    }
}

/// The units whose frequency reaches the threshold, lowered as far as one site needs.
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
    let kept = (0..frequencies.len()).filter(|&unit| frequencies[unit] >= lowered as f32).collect();
    (kept, if steps == 0 { Fallback::None } else { Fallback::Lowered(steps) })
}

#[cfg(test)]
mod tests {
    use super::super::testing::sites;
    use super::*;

    /// One class of `size` samples for which the units of one site fired this often.
    fn one_site(counts: &[u32], size: u32, threshold: f64) -> (Vec<usize>, Fallback) {
        let usage = Usage::from_counts(sites(&[counts.len()]), vec![size], vec![counts.to_vec()]).unwrap();
        let split = usage.modules(threshold).unwrap();
        (split.parts[0].units.ones().collect(), split.parts[0].fallback[0])
    }

    #[test]
    fn a_frequency_equal_to_the_threshold_stays() {
        assert_eq!(one_site(&[36, 35, 40, 0], 40, 0.9), (vec![0, 2], Fallback::None));
        assert_eq!(one_site(&[18, 17], 20, 0.9), (vec![0], Fallback::None));
        assert_eq!(one_site(&[40, 39], 40, 1.0), (vec![0], Fallback::None));
    }

    #[test]
    fn ties_are_decided_in_32_bit_floats() {
        // In 64-bit floats 14/40 lies below 0.35000000000000003 and would go a step further.
        assert_eq!(one_site(&[14, 13], 40, 0.5), (vec![0], Fallback::Lowered(3)));
        assert_eq!(one_site(&[3, 13], 20, 0.9), (vec![1], Fallback::Lowered(5)));
    }

    #[test]
    fn the_threshold_falls_until_a_unit_reaches_it() {
        assert_eq!(one_site(&[0, 34, 33], 40, 0.9), (vec![1], Fallback::Lowered(1)));
        assert_eq!(one_site(&[2, 0], 40, 0.9), (vec![0], Fallback::Lowered(17)));
        assert_eq!(one_site(&[0, 1], 40, 0.5), (vec![1], Fallback::Lowered(10)));
    }

    #[test]
    fn a_dead_site_keeps_its_first_most_frequent_unit() {
        assert_eq!(one_site(&[0, 1, 1], 40, 0.9), (vec![1], Fallback::Dead));
        assert_eq!(one_site(&[0, 0], 40, 0.9), (vec![0], Fallback::Dead));
        assert_eq!(one_site(&[0, 0], 40, 0.5), (vec![0], Fallback::Dead));
    }

    #[test]
    fn sites_and_classes_fall_on_their_own() {
        let counts = vec![vec![10, 8, 9, 1], vec![0, 10, 8, 0]];
        let split = Usage::from_counts(sites(&[2, 2]), vec![10, 10], counts).unwrap().modules(0.9).unwrap();
        assert_eq!(split.parts[0].fallback, [Fallback::None, Fallback::None]);
        assert_eq!(split.parts[1].fallback, [Fallback::None, Fallback::Lowered(2)]);
        assert_eq!(split.kept_per_site(0), [1, 1]);
        assert_eq!(split.union(&[0, 1]).unwrap().ones().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_threshold_or_class_that_makes_no_sense_is_refused_by_name() {
        let usage = Usage::from_counts(sites(&[1]), vec![3, 0], vec![vec![3], vec![0]]).unwrap();
        for threshold in [0.0, -0.1, 1.01, f64::NAN, f64::INFINITY, 1e-60] {
            assert!(matches!(usage.modules(threshold), Err(Error::Threshold(_))), "{threshold}");
        }
        assert!(usage.modules(0.9).unwrap_err().to_string().starts_with("class 1 has no samples"));
        let usage = Usage::from_counts(sites(&[1]), vec![3], vec![vec![3]]).unwrap();
        let split = usage.modules(0.9).unwrap();
        assert!(matches!(split.union(&[1]), Err(Error::UnknownClass { class: 1, classes: 1 })));
        assert!(matches!(split.union(&[]), Err(Error::NoClasses)));
    }
}
