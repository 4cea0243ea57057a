//! The `[[phase]]` entries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Preset;
use super::error::{Error, demand};
use crate::method::MethodConfig;
use crate::spec::{Frozen, Spec};

/// A phase of training: for some epochs, what trains and for which losses. Phases follow one another. What a phase
/// does not set is as in the preset, whatever the phase before had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Passes over the training split.
    pub epochs: usize,
    /// What trains.
    #[serde(default, skip_serializing_if = "Trains::is_all")]
    pub train: Trains,
    /// Which losses are minimised.
    #[serde(default, skip_serializing_if = "Objective::is_method")]
    pub objective: Objective,
    /// Weights of the method's loss terms that are not the preset's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, f64>,
    /// Learning rate of its first epoch; it falls to 0 by a cosine over the phase. Without it the training's cosine
    /// goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
}

/// What trains in a phase; the rest keeps its values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trains {
    /// The whole network.
    #[default]
    All,
    /// The mask generators.
    Masks,
    /// These layers, blocks (`residual1`) or pieces of layers (`conv1.mask_generator`).
    Layers(Vec<String>),
    /// The stages from the first of these indices to the second, both included; stages count from 0.
    Stages([usize; 2]),
}

/// Which losses a phase minimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Cross-entropy and the method's weighted terms.
    #[default]
    Method,
    /// Cross-entropy: the weights of all terms are 0. The method's terms are measured all the same.
    CrossEntropy,
}

impl Trains {
    fn is_all(&self) -> bool {
        *self == Trains::All
    }

    /// What it leaves frozen of a network.
    ///
    /// # Errors
    ///
    /// Says the key below the phase, and what is wrong with its value.
    fn frozen(&self, spec: &Spec) -> Result<Frozen, (String, String)> {
        let at = |key: &str| key.to_owned();
        let mut frozen = Frozen::none(spec).map_err(|error| (at("train"), error.to_string()))?;
        let parts = match self {
            Trains::All => return Ok(frozen),
            Trains::Masks => spec.generator_arrays(),
            Trains::Layers(layers) => {
                for (index, layer) in layers.iter().enumerate() {
                    let known = frozen.thaw(layer);
                    known.map_err(|error| (format!("train.layers.{index}"), error.to_string()))?;
                }
                Ok(layers.clone())
            }
            Trains::Stages(range @ [from, to]) => {
                let stages = spec.stages.len();
                if from > to || *to >= stages {
                    let why = format!(
                        "stages {from} to {to}: there are stages 0 to {}, the first of the two not above the second",
                        stages.saturating_sub(1)
                    );
                    return Err((at("train.stages"), why));
                }
                spec.layers_of_stages(*range)
            }
        };
        let parts = parts.map_err(|error| (at("train"), error.to_string()))?;
        let known = frozen.freeze_all_but(parts.iter().map(String::as_str));
        known.map_err(|error| (at("train"), error.to_string()))?;
        match frozen.leaves_something() {
            true => Ok(frozen),
            false => Err((at("train"), "nothing of it can be trained".into())),
        }
    }
}

impl Objective {
    fn is_method(&self) -> bool {
        *self == Objective::Method
    }
}

impl Preset {
    /// Index of the phase of an epoch (both from 0) where the preset has phases; the last one beyond its end.
    pub fn phase_at(&self, epoch: u64) -> Option<usize> {
        let mut end = 0;
        let within = self.phase.iter().position(|phase| {
            end += phase.epochs as u64;
            epoch < end
        });
        within.or(self.phase.len().checked_sub(1))
    }

    /// Epochs before a phase.
    pub fn epochs_before(&self, phase: usize) -> u64 {
        self.phase.iter().take(phase).map(|phase| phase.epochs as u64).sum()
    }

    /// The method with the loss weights of a phase; the preset's where there is no such phase.
    ///
    /// # Errors
    ///
    /// When the method has no such weight or its value makes no sense: says which.
    pub fn method_in(&self, phase: Option<usize>) -> Result<MethodConfig, Error> {
        let mut method = self.method.clone();
        let Some((index, phase)) = phase.and_then(|index| Some((index, self.phase.get(index)?))) else {
            return Ok(method);
        };
        if phase.objective == Objective::CrossEntropy {
            for term in self.method.term_specs() {
                let set = method.set_weight(term.weight, 0.0);
                set.map_err(|why| Error::value(&format!("phase.{index}.objective"), &why, ""))?;
            }
        }
        for (name, value) in &phase.weights {
            let key = format!("phase.{index}.weights.{name}");
            method.set_weight(name, *value).map_err(|why| Error::value(&key, &why, ""))?;
        }
        Ok(method)
    }

    /// What does not train of a network in a phase; nothing where there is no such phase.
    ///
    /// # Errors
    ///
    /// When a layer or stage that is to train is not there.
    pub fn frozen_in(&self, phase: Option<usize>, spec: &Spec) -> Result<Frozen, Error> {
        let index = phase.unwrap_or(0);
        let trains = phase.and_then(|index| self.phase.get(index)).map_or(&Trains::All, |phase| &phase.train);
        trains.frozen(spec).map_err(|(below, why)| {
            let key = format!("phase.{index}.{below}");
            Error::value(&key, &format!("`{key}`: {why}"), "")
        })
    }

    /// Trains for so many epochs: of several phases the last ones are cut, or the last one is made longer.
    pub fn set_epochs(&mut self, epochs: usize) {
        self.training.epochs = epochs;
        let mut left = epochs;
        self.phase.retain_mut(|phase| {
            phase.epochs = phase.epochs.min(left);
            left -= phase.epochs;
            phase.epochs > 0
        });
        if let Some(last) = self.phase.last_mut() {
            last.epochs += left;
        }
    }
}

/// Refuses phases that make no sense; layers and stages where the network is known.
pub(super) fn check(preset: &Preset, spec: Option<&Spec>) -> Result<(), Error> {
    for (index, phase) in preset.phase.iter().enumerate() {
        let key = |name: &str| format!("phase.{index}.{name}");
        demand(phase.epochs >= 1, &key("epochs"), phase.epochs, "at least 1")?;
        if let Some(rate) = phase.learning_rate {
            demand(rate > 0.0 && rate.is_finite(), &key("learning_rate"), rate, "a number above 0")?;
        }
        if phase.objective == Objective::CrossEntropy && !phase.weights.is_empty() {
            let message = format!("`{}`: the objective of this phase is cross-entropy alone", key("weights"));
            let help = "leave out the weights, or the objective";
            return Err(Error::value(&key("weights"), &message, help));
        }
        if phase.train == Trains::Masks && !preset.method.has_generators() {
            let message =
                format!("`{}`: the method {} has no mask generators", key("train"), preset.method.name());
            return Err(Error::value(&key("train"), &message, ""));
        }
        preset.method_in(Some(index))?;
        if let Some(spec) = spec {
            preset.frozen_in(Some(index), spec)?;
        }
    }
    let (sum, epochs) = (preset.epochs_before(preset.phase.len()), preset.training.epochs);
    if preset.phase.is_empty() || sum == epochs as u64 {
        return Ok(());
    }
    let message = format!("`training.epochs` is {epochs} and the phases have {sum} epochs together");
    let help = "leave out training.epochs, or make the two alike";
    Err(Error::value("training.epochs", &message, help))
}
