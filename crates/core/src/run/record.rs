//! Metric records: what a run writes down and shows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Means over the steps since the record before: a few times a second at most, and at each epoch's end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Steps taken.
    pub step: u64,
    /// Number of the phase, from 1; absent where the preset has one phase only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<u64>,
    /// Seconds since training started in this process.
    pub seconds: f64,
    /// Cross-entropy, the method's terms (unweighted), `total` (weighted), `accuracy` and `kernel_rate`.
    pub train: BTreeMap<String, f64>,
    /// Learning rate of the last of them.
    pub learning_rate: f64,
    /// Training images a second, evaluation, checkpoints and pauses left out.
    pub images_per_second: f64,
}

/// An epoch's results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Steps taken at its end.
    pub step: u64,
    /// Epochs completed, from 1.
    pub epoch: u64,
    /// Number of the phase, from 1; absent where the preset has one phase only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<u64>,
    /// Learning rate at its end.
    pub learning_rate: f64,
    /// Loss weights at its end.
    pub loss_weights: BTreeMap<String, f64>,
    /// On the training split: losses and accuracy over the epoch's steps; cohesion, coupling and retention in
    /// evaluation mode on an evenly spaced part of it, as large as the validation split at most.
    pub train: SplitRecord,
    /// On the validation split, after the epoch.
    pub valid: SplitRecord,
    /// Best validation accuracy so far.
    pub best_valid_accuracy: f64,
    /// Seconds that its training steps took; varies from run to run.
    pub seconds: f64,
    /// Training images a second; varies from run to run.
    pub images_per_second: f64,
}

/// Losses and sample-level measures on a split. Accuracies and rates are fractions in 0..1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SplitRecord {
    /// Mean of cross-entropy, of each of the method's terms (unweighted), and of their weighted `total`.
    pub losses: BTreeMap<String, f64>,
    /// Fraction predicted right.
    pub accuracy: f64,
    /// Accuracy class by class; empty where it was not measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_accuracy: Vec<f64>,
    /// Sample-level measures of the masks; `None` without masks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masks: Option<MaskRecord>,
}

/// Sample-level measures (mean Jaccard index over pairs of samples, on mask > 0, over the whole set).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MaskRecord {
    /// Mean over same-class pairs.
    pub cohesion: f64,
    /// Mean over different-class pairs.
    pub coupling: f64,
    /// Kernel retention rate: fraction of masked kernels in use, mean over samples.
    pub krr: f64,
    /// Retention layer by layer.
    pub layer_krr: Vec<f64>,
    /// Retention class by class.
    pub class_krr: Vec<f64>,
    /// Retention by layer and class, `[layer][class]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layer_class_krr: Vec<Vec<f64>>,
    /// Cohesion class by class.
    pub class_cohesion: Vec<f64>,
}

/// The final measurements of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Accuracy on the test split.
    pub test_accuracy: f64,
    /// Accuracy on the validation split after the last epoch.
    pub valid_accuracy: f64,
    /// Module cohesion at the preset's threshold; absent without masks, as are the next two.
    pub cohesion: Option<f64>,
    /// Module coupling.
    pub coupling: Option<f64>,
    /// Kernel retention rate over masked kernels, mean over the modules of all classes.
    pub krr: Option<f64>,
    /// Seconds of training, of all processes that had a part in the run.
    pub seconds: f64,
    /// Training images a second, over this process's training steps.
    pub images_per_second: f64,
}
