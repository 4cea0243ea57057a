//! Rehearsal: from a given epoch on, some samples of each batch train the networks that modules will be.
//!
//! A module as cut passes all samples of its classes through one 0/1 mask, the union of its classes' masks, which no
//! sample met in training. So the classes' masks are fixed before the end of training: they are counted over one epoch's
//! training passes, and from then on some samples of each batch run under the union of the masks of a random set of
//! classes that holds their own (`class_masks.rs`). The masks that are fixed are what every later cut uses.
//!
//! While they are counted, the state holds `class_mask_counts` `[classes, units]` (for how many samples of a class a unit
//! fired), `class_mask_samples` `[classes]` and `class_mask_epoch` `[1]`.

use std::cmp::Reverse;

use fixedbitset::FixedBitSet;
use serde::{Deserialize, Serialize};

use super::class_masks::{self, SetSizes};
use super::{Estimate, MethodState, PassPlan, Seen, StepInfo, Term, Weight};
use crate::modular::{Usage, ranges, tracked_sites};
use crate::spec::{Array, Spec, SpecError};

/// The `[method.rehearsal]` table of a preset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rehearsal {
    /// After what fraction of the run's epochs it begins; the class masks are counted in the epoch before.
    pub start: f64,
    /// What fraction of each batch's samples rehearse.
    pub share: f64,
    /// A class mask keeps the kernels that fire for at least this fraction of the class's samples.
    pub threshold: f64,
    /// A class mask keeps at least this fraction of each layer's kernels.
    pub floor: f64,
    /// A class mask keeps at most this fraction of each layer's kernels.
    pub cap: f64,
    /// Weight of the alignment loss.
    pub align: f64,
    /// How many classes the sets of rehearsed samples have.
    pub sizes: SetSizes,
}

impl Default for Rehearsal {
    fn default() -> Self {
        Rehearsal {
            start: 0.6,
            share: SHARE.default,
            threshold: 0.9,
            floor: 0.08,
            cap: 0.16,
            align: ALIGN.default,
            sizes: SetSizes::Uniform,
        }
    }
}

/// The share of samples that rehearse.
pub(super) const SHARE: Weight = Weight {
    name: "rehearsal.share",
    label: "share (rehearsal)",
    default: 0.5,
    range: [0.0, 1.0],
    help: "fraction of each batch's samples that train under the masks of a set of classes",
};

/// The weight of the alignment loss.
pub(super) const ALIGN: Weight = Weight {
    name: "rehearsal.align",
    label: "alignment (rehearsal)",
    default: 1.0,
    range: [0.0, f64::INFINITY],
    help: "weight of the alignment loss: how near the masks of samples stay to those fixed for their class",
};

/// 1 - mean cosine similarity of samples' masks and their class's fixed mask.
pub(super) const ALIGNMENT: Term =
    Term { name: "alignment", label: "alignment", weight: ALIGN.name, estimate: None::<Estimate> };

const COUNTS: &str = "class_mask_counts";
const SAMPLES: &str = "class_mask_samples";
const EPOCH: &str = "class_mask_epoch";

impl Rehearsal {
    /// The value of a weight of its.
    pub(super) fn weight(&self, name: &str) -> Option<f64> {
        match name {
            _ if name == SHARE.name => Some(self.share),
            _ if name == ALIGN.name => Some(self.align),
            _ => None,
        }
    }

    /// The place of a weight of its.
    pub(super) fn weight_mut(&mut self, name: &str) -> Option<&mut f64> {
        match name {
            _ if name == SHARE.name => Some(&mut self.share),
            _ if name == ALIGN.name => Some(&mut self.align),
            _ => None,
        }
    }

    /// As [`Method::check`](super::Method::check) for a run of so many epochs.
    pub(super) fn check(&self, epochs: usize) -> Result<(), (&'static str, String)> {
        let fraction = |key, value: f64, least: f64| match value >= least && value <= 1.0 {
            true => Ok(()),
            false if least == 0.0 => Err((key, format!("it is {value}; it must be from 0 to 1"))),
            false => Err((key, format!("it is {value}; it must be above 0, at most 1"))),
        };
        // Frequencies and threshold are compared as 32-bit floats.
        fraction("rehearsal.threshold", self.threshold, f64::from(f32::MIN_POSITIVE))?;
        fraction("rehearsal.floor", self.floor, 0.0)?;
        fraction("rehearsal.cap", self.cap, f64::MIN_POSITIVE)?;
        if self.cap < self.floor {
            let why = format!("it is {}, below rehearsal.floor, which is {}", self.cap, self.floor);
            return Err(("rehearsal.cap", why));
        }
        let begins = self.first_epoch(epochs as u64);
        // Runs of one epoch, or of none (of imported weights), have no epoch to rehearse in.
        if !(0.0..1.0).contains(&self.start) || epochs > 1 && begins >= epochs as u64 {
            let why = format!(
                "it is {}; it must be at least 0, and leave some of {epochs} epochs for rehearsal",
                self.start
            );
            return Err(("rehearsal.start", why));
        }
        Ok(())
    }

    /// The first epoch of rehearsal, from 0, of a run of so many: class masks are counted in the one before.
    fn first_epoch(&self, epochs: u64) -> u64 {
        ((self.start * epochs as f64).round() as u64).max(1)
    }

    /// As [`Method::passes`](super::Method::passes), of a method that observes `sites`.
    pub(super) fn passes(
        &self,
        step: &StepInfo<'_>,
        sites: &[usize],
        state: &mut MethodState,
    ) -> Vec<PassPlan> {
        let planned = self.plan(step, sites, state);
        // Of a network whose stages do not fit together, which no learner has.
        vec![planned.unwrap_or_default()]
    }

    fn plan(
        &self,
        step: &StepInfo<'_>,
        sites: &[usize],
        state: &mut MethodState,
    ) -> Result<PassPlan, SpecError> {
        let progress = step.progress;
        let begins = self.first_epoch(progress.epochs);
        let counted = state.0.get(EPOCH).map(|epoch| epoch.values[0] as u64);
        if class_masks::rows(state).is_none() && counted.is_some_and(|epoch| progress.epoch > epoch) {
            self.fix(step.spec, sites, state)?;
        }
        if let Some(masks) = class_masks::rows(state) {
            return class_masks::rehearse(step, masks, sites, self.share, self.sizes);
        }
        let counts = progress.epoch + 1 >= begins;
        if counts && counted != Some(progress.epoch) {
            let [classes, units] = class_masks::shape(step.spec, sites)?;
            state.0.insert(COUNTS.into(), Array::filled(&[classes, units], 0.0));
            state.0.insert(SAMPLES.into(), Array::filled(&[classes], 0.0));
            state.0.insert(EPOCH.into(), Array::filled(&[1], progress.epoch as f32));
        }
        Ok(PassPlan { watched: counts, ..PassPlan::default() })
    }

    /// As [`Method::observe`](super::Method::observe): counts which units fire.
    pub(super) fn observe(&self, seen: &Seen, state: &mut MethodState) {
        let (Some(mut counts), Some(samples)) = (state.0.remove(COUNTS), state.0.get_mut(SAMPLES)) else {
            return;
        };
        let units = counts.shape[1];
        for (sample, &label) in seen.labels.iter().enumerate() {
            samples.values[label as usize] += 1.0;
            let row = seen.observed.iter().flat_map(|values| {
                let units = values.len() / seen.labels.len();
                &values[sample * units..][..units]
            });
            let counts = &mut counts.values[label as usize * units..][..units];
            counts.iter_mut().zip(row).for_each(|(count, value)| *count += f32::from(*value > 0.0));
        }
        state.0.insert(COUNTS.into(), counts);
    }

    /// Fixes the class masks by what was counted, if every class has been seen.
    fn fix(&self, spec: &Spec, sites: &[usize], state: &mut MethodState) -> Result<(), SpecError> {
        let (Some(counts), Some(samples)) = (state.0.get(COUNTS), state.0.get(SAMPLES)) else {
            return Ok(());
        };
        let whole = |values: &[f32]| values.iter().map(|value| *value as u32).collect::<Vec<u32>>();
        let rows = counts.values.chunks_exact(counts.shape[1]).map(whole).collect();
        let tracked = tracked_sites(spec, sites).unwrap_or_default();
        let usage = Usage::from_counts(tracked, whole(&samples.values), rows);
        // A class without samples (of a part of an epoch, say): the next epoch is counted.
        let Some(masks) = usage.ok().and_then(|usage| self.masks(&usage)) else { return Ok(()) };
        class_masks::fix(state, &masks);
        [COUNTS, SAMPLES, EPOCH].iter().for_each(|name| drop(state.0.remove(*name)));
        Ok(())
    }

    /// The class masks by how often units fire: those of the threshold, with the most frequent units added up to the
    /// floor, and no more than the most frequent ones up to the cap. Of equally frequent units the first come first.
    fn masks(&self, usage: &Usage) -> Option<Vec<FixedBitSet>> {
        let split = usage.modules(self.threshold).ok()?;
        let bounded = |class: usize, mut units: FixedBitSet| {
            for range in ranges(usage.sites()) {
                let bound = |fraction: f64| (fraction * range.len() as f64 - 1e-9).ceil() as usize;
                let (least, most) = (bound(self.floor), bound(self.cap).max(1));
                let mut order: Vec<usize> = range.clone().collect();
                let kept = units.count_ones(range.clone());
                // Stable: of equally frequent units the first come first.
                order.sort_by_key(|&unit| Reverse(usage.count(class, unit)));
                if kept < least || kept > most {
                    units.set_range(range.clone(), false);
                    units.extend(order.into_iter().take(kept.clamp(least, most)));
                }
            }
            units
        };
        let parts = split.parts.into_iter().enumerate();
        Some(parts.map(|(class, part)| bounded(class, part.units)).collect())
    }

    /// As [`Method::check_state`](super::Method::check_state).
    pub(super) fn check_state(
        &self,
        spec: &Spec,
        sites: &[usize],
        state: &MethodState,
    ) -> Result<(), String> {
        let counting = [COUNTS, SAMPLES, EPOCH].map(|name| state.0.contains_key(name));
        if counting.contains(&true) && counting.contains(&false) {
            return Err(format!("{COUNTS}, {SAMPLES} and {EPOCH} belong together"));
        }
        for (name, array) in &state.0 {
            match name.as_str() {
                COUNTS | class_masks::CLASS_MASKS => class_masks::check(spec, sites, name, array)?,
                SAMPLES if array.shape == [spec.outputs().unwrap_or_default()] => {}
                EPOCH if array.shape == [1] && array.values[0] >= 0.0 => {}
                _ => return Err(format!("rehearsal keeps no {name} of this shape")),
            }
        }
        Ok(())
    }
}
