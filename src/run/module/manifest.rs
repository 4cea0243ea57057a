//! What a module is: the description in `module.toml`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::{layout, name};
use super::card::{Aggregation, Card};
use crate::spec::Spec;

/// Where a module comes from, what it decides, what it costs and how well it does.
///
/// Accuracies are fractions in 0..1 on the test images of the module's classes, and absent until measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleManifest {
    /// Its name, which is also its directory's.
    pub name: String,
    /// The run it was taken from.
    pub run: String,
    /// The step of the checkpoint it was taken from.
    pub step: u64,
    /// When: [`now`](crate::run::now).
    pub created: String,
    /// Version of the program that took it out: [`PROGRAM`](crate::run::PROGRAM).
    pub program: String,
    /// Names of its classes, in the order of its labels.
    pub classes: Vec<String>,
    /// Labels of these classes in the whole network.
    pub class_indices: Vec<usize>,
    /// How often a kernel had to fire for a class to be kept.
    pub threshold: f64,
    /// Whether a head to its classes was added; without one it has the whole network's logits.
    pub head: bool,
    /// Whether the mean masks of its classes were multiplied into batch norm.
    pub fold_masks: bool,
    /// Whether it tells its one class from all others.
    pub one_vs_rest: bool,
    /// Epochs of fine-tuning after it was taken out; 0 for none.
    pub fine_tune_epochs: u64,
    /// `[channels, height, width]` of an input image.
    pub input: [usize; 3],
    /// Mean of each channel, for pixels in 0..1.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, for pixels in 0..1.
    pub std: Vec<f32>,
    /// Kernels kept.
    pub kernels: u64,
    /// Kernel retention rate over the masked layers, in 0..1.
    pub krr: f64,
    /// Kernel retention rate over all layers, in 0..1.
    pub krr_all: f64,
    /// Parameters.
    pub params: u64,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// Accuracy of the whole network among these classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_accuracy: Option<f64>,
    /// Accuracy of the module as taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_before: Option<f64>,
    /// Accuracy of the module after fine-tuning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_after: Option<f64>,
    /// Modules of as many kernels drawn at random, for comparison.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<Control>,
    /// Data, protocol, licence, parents and taxonomy; absent in modules of before there were cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Card>,
    /// Its network.
    pub network: Spec,
}

/// A module of random kernels, as many in each layer as the real one has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// Which of the random draws of the run's seed.
    pub draw: u64,
    /// Its accuracy as taken out.
    pub accuracy_before: f64,
    /// Its accuracy after the same fine-tuning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_after: Option<f64>,
}

impl ModuleManifest {
    /// Whether it is several networks side by side, which cannot be cut out of a run again.
    pub fn is_side_by_side(&self) -> bool {
        self.card.as_ref().is_some_and(|card| card.taxonomy.aggregation == Aggregation::Representation)
    }

    /// States terms of use on the card, where some are given.
    pub fn state_licence(&mut self, licence: Option<String>) {
        if let (Some(card), Some(licence)) = (&mut self.card, licence) {
            card.licence = licence;
        }
    }

    /// For each class the run in whose data it has its label.
    pub fn class_runs(&self) -> impl Iterator<Item = &str> {
        let runs = self.card.as_ref().map_or(&[][..], |card| &card.class_runs);
        (0..self.class_indices.len()).map(move |class| runs.get(class).unwrap_or(&self.run).as_str())
    }

    /// A user may rename or copy the directory of a run, or of a module in one: that is then its name, as it is that
    /// of the run itself.
    pub(super) fn name_after(&mut self, directory: &Path) {
        let named = |path: &Path| {
            let name = path.file_name()?.to_str()?;
            name::check(name).ok().map(|()| name.to_owned())
        };
        let Some((run, name)) = layout::run_of(directory).and_then(named).zip(named(directory)) else {
            return;
        };
        let old = std::mem::replace(&mut self.run, run);
        self.name = name;
        if let Some(card) = &mut self.card {
            let parents = card.parents.iter_mut().map(|parent| &mut parent.run);
            let renamed = parents.chain(&mut card.class_runs).filter(|run| **run == old);
            renamed.for_each(|run| run.clone_from(&self.run));
        }
    }
}
