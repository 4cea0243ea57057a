//! A method for tests of what a method may do: it remembers, gives masks, restricts classes and makes several passes.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{
    GivenMask, HostBatch, HostTerms, Method, MethodState, Observes, PassMasks, PassPlan, Seen, StepInfo,
    TensorBatch, Term, Terms, Weight, weight_fields,
};
use crate::backend::Compute;
use crate::spec::{Array, Spec};

/// Adds the mean of all masks. In every step the samples with an odd position pass under given masks, which keep one
/// unit of [`every`](Probe::every), and are told apart from half of the classes only. In odd steps the others pass for themselves, in even
/// ones together with them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    #[serde(default = "weight")]
    pub load: f64,
    /// The given masks keep one unit of so many.
    #[serde(default = "two")]
    pub every: usize,
}

fn two() -> usize {
    2
}

fn weight() -> f64 {
    LOAD.default
}

const LOAD: Weight =
    Weight { name: "load", label: "load", default: 0.1, range: [0.0, 1.0], help: "weight of the mean mask" };

impl Default for Probe {
    fn default() -> Self {
        Probe { load: weight(), every: two() }
    }
}

/// Steps made, `[1]`.
pub(crate) const STEPS: &str = "steps";
/// Samples seen under masks of their own, `[1]`.
pub(crate) const SEEN: &str = "seen";

impl Method for Probe {
    const NAME: &'static str = "probe";
    const WEIGHTS: &'static [Weight] = &[LOAD];
    const TERMS: &'static [Term] =
        &[Term { name: "mean_mask", label: "mean mask", weight: LOAD.name, estimate: None }];
    const GENERATORS: bool = true;
    const OBSERVES: Observes = Observes::Masks;

    weight_fields!(load);

    fn check(&self, _epochs: usize) -> Result<(), (&'static str, String)> {
        if self.every >= 2 {
            Ok(())
        } else {
            Err(("every", format!("it is {}; it must be at least 2", self.every)))
        }
    }

    fn terms<B: Compute>(&self, batch: &TensorBatch<'_, B>) -> Vec<(&'static str, Tensor<B, 1>)> {
        let means: Vec<_> = batch.observed.iter().map(|masks| masks.clone().mean()).collect();
        if means.is_empty() {
            return vec![("mean_mask", Tensor::zeros([1], batch.device))];
        }
        vec![("mean_mask", Tensor::cat(means, 0).mean())]
    }

    fn host_terms(&self, batch: &HostBatch<'_>) -> HostTerms {
        let sites = batch.observed.len() as f64;
        let mean = |masks: &Vec<f32>| {
            masks.iter().map(|m| f64::from(*m)).sum::<f64>() / masks.len().max(1) as f64 / sites
        };
        let slope = |masks: &Vec<f32>| {
            let slope = batch.weights.of("mean_mask") / masks.len() as f64 / sites;
            vec![slope as f32; masks.len()]
        };
        HostTerms {
            values: vec![("mean_mask", batch.observed.iter().map(mean).sum())],
            gradients: batch.observed.iter().map(slope).collect(),
        }
    }

    fn passes(&self, step: &StepInfo<'_>, state: &mut MethodState) -> Vec<PassPlan> {
        let made = number(state, STEPS);
        state.0.insert(STEPS.into(), Array::filled(&[1], made + 1.0));
        let batch = step.labels.len();
        let (odd, even): (Vec<usize>, Vec<usize>) = (0..batch).partition(|sample| sample % 2 == 1);
        if made as usize % 2 == 1 {
            let under_given = PassPlan {
                masks: self.given(step.spec, &vec![true; odd.len()]),
                classes: Some(half_of_classes(step, &odd)),
                samples: Some(odd),
                terms: Terms::Only(Vec::new()),
                ..PassPlan::default()
            };
            vec![PassPlan { samples: Some(even), watched: true, ..PassPlan::default() }, under_given]
        } else {
            let given: Vec<bool> = (0..batch).map(|sample| sample % 2 == 1).collect();
            let mut classes = half_of_classes(step, &(0..batch).collect::<Vec<_>>());
            let width = classes.len() / batch.max(1);
            even.iter().for_each(|sample| classes[sample * width..][..width].fill(true));
            let masks = self.given(step.spec, &given);
            vec![PassPlan { masks, classes: Some(classes), watched: true, ..PassPlan::default() }]
        }
    }

    fn observe(&self, _step: &StepInfo<'_>, seen: &Seen, state: &mut MethodState) {
        let before = number(state, SEEN);
        state.0.insert(SEEN.into(), Array::filled(&[1], before + seen.labels.len() as f32));
    }

    fn check_state(&self, _spec: &Spec, _state: &MethodState) -> Result<(), String> {
        Ok(())
    }
}

impl Probe {
    /// Masks that keep one unit of [`Probe::every`] of every masked site, for the samples that take them.
    fn given(&self, spec: &Spec, samples: &[bool]) -> PassMasks {
        let (sites, masked) = (spec.sites().unwrap_or_default(), spec.masked_sites().unwrap_or_default());
        let given = masked.into_iter().map(|site| {
            let units = sites[site].units;
            let kept = |at: usize| at % units % self.every == 1;
            GivenMask { site, values: (0..samples.len() * units).map(|at| f32::from(kept(at))).collect() }
        });
        PassMasks { given: given.collect(), samples: samples.to_vec(), gradient: false }
    }
}

pub(crate) fn number(state: &MethodState, name: &str) -> f32 {
    state.0.get(name).map_or(0.0, |array| array.values[0])
}

/// For each of these samples the classes whose parity is that of its own.
fn half_of_classes(step: &StepInfo<'_>, samples: &[usize]) -> Vec<bool> {
    let classes = step.spec.outputs().unwrap_or_default();
    let allowed = |&sample: &usize| {
        let label = step.labels[sample] as usize;
        (0..classes).map(move |class| class % 2 == label % 2)
    };
    samples.iter().flat_map(allowed).collect()
}
