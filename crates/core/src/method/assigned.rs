//! Class masks that are drawn at random before training, and rehearsed from the first step on: the control for methods
//! that learn which kernels a class uses.
//!
//! There are no mask generators. Samples that do not rehearse pass through the whole network.

use burn::tensor::Tensor;
use fixedbitset::FixedBitSet;
use serde::{Deserialize, Serialize};

use super::class_masks::{self, SetSizes};
use super::{
    HostBatch, HostTerms, Method, MethodState, Observes, PassPlan, StepInfo, TensorBatch, Term, Weight,
    rehearsal, weight_fields,
};
use crate::backend::Compute;
use crate::random::{Stream, generator, shuffle};
use crate::spec::{Spec, SpecError};

/// Random class masks, and the share of samples that train under them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Assigned {
    /// What fraction of each layer's kernels a class mask keeps.
    pub density: f64,
    /// What fraction of each batch's samples rehearse.
    pub share: f64,
    /// How many classes the sets of rehearsed samples have.
    pub sizes: SetSizes,
}

impl Default for Assigned {
    fn default() -> Self {
        Assigned { density: 0.16, share: SHARE.default, sizes: SetSizes::Uniform }
    }
}

const SHARE: Weight = Weight { name: "share", ..rehearsal::SHARE };

impl Method for Assigned {
    const NAME: &'static str = "assigned";
    const WEIGHTS: &'static [Weight] = &[SHARE];
    const TERMS: &'static [Term] = &[];
    const GENERATORS: bool = false;
    const OBSERVES: Observes = Observes::Activations;

    weight_fields!(share);

    fn check(&self, _epochs: usize) -> Result<(), (&'static str, String)> {
        match self.density > 0.0 && self.density <= 1.0 {
            true => Ok(()),
            false => Err(("density", format!("it is {}; it must be above 0, at most 1", self.density))),
        }
    }

    /// The convolutions that other methods put mask generators on.
    fn observes(&self, spec: &Spec) -> Result<Vec<usize>, SpecError> {
        spec.clone().with_masks().masked_sites()
    }

    fn terms<B: Compute>(&self, _batch: &TensorBatch<'_, B>) -> Vec<(&'static str, Tensor<B, 1>)> {
        Vec::new()
    }

    fn host_terms(&self, _batch: &HostBatch<'_>) -> HostTerms {
        HostTerms::default()
    }

    fn passes(&self, step: &StepInfo<'_>, state: &mut MethodState) -> Vec<PassPlan> {
        // Of a network whose stages do not fit together, which no learner has, there is nothing to rehearse.
        vec![self.plan(step, state).unwrap_or_default()]
    }

    fn check_state(&self, spec: &Spec, state: &MethodState) -> Result<(), String> {
        let sites = self.observes(spec).map_err(|error| error.to_string())?;
        state.0.iter().try_for_each(|(name, array)| match name.as_str() {
            class_masks::CLASS_MASKS => class_masks::check(spec, &sites, name, array),
            _ => Err(format!("the method {} keeps no {name}", Self::NAME)),
        })
    }
}

impl Assigned {
    fn plan(&self, step: &StepInfo<'_>, state: &mut MethodState) -> Result<PassPlan, SpecError> {
        let sites = self.observes(step.spec)?;
        if class_masks::rows(state).is_none() {
            let units = class_masks::units(step.spec, &sites)?;
            let masks = draw(&units, step.spec.outputs()?, self.density, step.progress.seed);
            class_masks::fix(state, &masks);
        }
        match class_masks::rows(state) {
            Some(masks) => class_masks::rehearse(step, masks, &sites, self.share, self.sizes),
            None => Ok(PassPlan::default()),
        }
    }
}

/// Masks that keep this fraction of each layer's kernels, and one at least. They are balanced: each takes the next kernels
/// of an endless row of shuffles, so that no kernel is in more than one mask more than another.
fn draw(units: &[usize], classes: usize, density: f64, seed: u64) -> Vec<FixedBitSet> {
    let mut masks = vec![FixedBitSet::with_capacity(units.iter().sum()); classes];
    let mut start = 0;
    for (site, &units) in (0..).zip(units) {
        let mut generator = generator(seed, Stream::ClassMasks, site);
        let kept = ((density * units as f64).round() as usize).clamp(1, units);
        let mut left: Vec<usize> = Vec::new();
        for mask in &mut masks {
            let mut taken = 0;
            // Kernels that the class took from the shuffle before stay for the next one.
            let mut passed = Vec::new();
            while taken < kept {
                let kernel = left.pop().unwrap_or_else(|| {
                    left = (0..units).collect();
                    shuffle(&mut generator, &mut left);
                    left.pop().unwrap_or_default()
                });
                match mask.put(start + kernel) {
                    false => taken += 1,
                    true => passed.push(kernel),
                }
            }
            left.extend(passed);
        }
        start += units;
    }
    masks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::method::Progress;
    use crate::spec::Architecture;

    proptest! {
        #[test]
        fn masks_are_of_one_size_and_balanced(
            units in prop::collection::vec(1usize..60, 1..4), classes in 1usize..12, density in 0.01f64..1.0,
            seed: u64,
        ) {
            let masks = draw(&units, classes, density, seed);
            let mut start = 0;
            for &units in &units {
                let kept = ((density * units as f64).round() as usize).clamp(1, units);
                prop_assert!(masks.iter().all(|mask| mask.count_ones(start..start + units) == kept));
                let uses = (start..start + units).map(|unit| masks.iter().filter(|m| m.contains(unit)).count());
                let uses: Vec<usize> = uses.collect();
                let (least, most) = (uses.iter().min().unwrap(), uses.iter().max().unwrap());
                prop_assert!(most - least <= 1, "{:?}", uses);
                start += units;
            }
            prop_assert_eq!(masks, draw(&units, classes, density, seed));
        }
    }

    #[test]
    fn masks_are_drawn_once_and_rehearsed_from_the_first_step_on() {
        let spec = Architecture::Small.spec([1, 16, 16], 4, 0.25, false);
        let (method, labels) = (Assigned::default(), [0, 1, 2, 3].repeat(8));
        let mut state = MethodState::default();
        let mut at = |step| {
            let progress = Progress { seed: 5, step, epoch: 0, epochs: 3 };
            let plans = method.passes(&StepInfo { progress, spec: &spec, labels: &labels }, &mut state);
            (plans, class_masks::class_masks(&state).unwrap())
        };
        let ((first, masks), (second, same)) = (at(0), at(1));
        assert_eq!((masks.len(), &masks), (4, &same));
        assert!(first[0].masks.samples.contains(&true) && first != second);
        method.check_state(&spec, &state).unwrap();
        let other = Architecture::Small.spec([1, 16, 16], 5, 0.25, false);
        assert!(method.check_state(&other, &state).unwrap_err().contains("[4, "));
    }
}
