//! What a module is: the description in `module.toml`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::layout::{self, PROGRAM};
use super::super::manifest::Manifest;
use super::super::{name, time};
use super::card::{Aggregation, Card};
use crate::modular::Provenance;
use crate::spec::{Cost, Spec, SpecError};

/// Where a module comes from, what it decides, what it costs and how well it does.
///
/// Accuracies are fractions in 0..1 on the test images of the module's classes, and absent until measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleManifest {
    /// Its name, which is also its directory's.
    pub name: String,
    /// The run that it was extracted from, or that keeps it.
    pub run: String,
    /// The step of the checkpoint that it was extracted from.
    pub step: u64,
    /// When: [`now`](crate::run::now).
    pub created: String,
    /// Version of the program that wrote it: [`PROGRAM`](crate::run::PROGRAM).
    pub program: String,
    /// Names of its classes, in the order of its labels.
    pub classes: Vec<String>,
    /// Labels of these classes in the whole network.
    pub class_indices: Vec<usize>,
    /// That of `provenance`, at the place where versions 0.1 look for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Whether a head to its classes was added; without one it has the whole network's logits.
    pub head: bool,
    /// Whether the mean masks of its classes were multiplied into batch norm.
    pub fold_masks: bool,
    /// Whether it tells its one class from all others.
    pub one_vs_rest: bool,
    /// Epochs of fine-tuning after it was extracted; 0 for none.
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
    /// Accuracy of the module as cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_before: Option<f64>,
    /// Accuracy of the module after fine-tuning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_after: Option<f64>,
    /// Modules of as many kernels drawn at random, for comparison.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<Control>,
    /// How its units were chosen; absent in modules of versions 0.1, where usage and `threshold` decided, and in
    /// modules put together ([`ModuleManifest::provenance`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
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
    /// Its accuracy as cut.
    pub accuracy_before: f64,
    /// Its accuracy after the same fine-tuning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_after: Option<f64>,
}

impl ModuleManifest {
    /// The description of a new module of a run, with a head: what follows from the run and the network. Classes, origin
    /// and figures are still to be filled in.
    ///
    /// # Errors
    ///
    /// When the network's stages do not fit together.
    pub fn new(name: &str, run: &Manifest, step: u64, network: Spec) -> Result<Self, SpecError> {
        let cost = Cost::of(&network)?;
        Ok(ModuleManifest {
            name: name.into(),
            run: run.id.clone(),
            step,
            created: time::now(),
            program: PROGRAM.into(),
            classes: Vec::new(),
            class_indices: Vec::new(),
            threshold: Some(run.preset.modules.threshold),
            head: true,
            fold_masks: false,
            one_vs_rest: false,
            fine_tune_epochs: 0,
            input: network.input,
            mean: run.mean.clone(),
            std: run.std.clone(),
            kernels: 0,
            krr: 0.0,
            krr_all: 0.0,
            params: cost.params(),
            macs: cost.macs(),
            whole_accuracy: None,
            accuracy_before: None,
            accuracy_after: None,
            controls: Vec::new(),
            provenance: None,
            card: None,
            network,
        })
    }

    /// How its units were chosen; `None` for several networks side by side.
    pub fn provenance(&self) -> Option<Provenance> {
        let by_usage = || self.threshold.filter(|_| !self.is_side_by_side()).map(Provenance::usage);
        self.provenance.clone().or_else(by_usage)
    }

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
