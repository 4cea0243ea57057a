//! The `[paper]` table.

use serde::{Deserialize, Serialize};

/// A row of the MwT paper's result tables. Accuracies and rates are fractions; accuracies are on the test
/// split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperRow {
    /// Which table.
    pub source: String,
    /// Accuracy of the ordinarily trained network.
    pub standard_accuracy: f64,
    /// Accuracy of the network trained with masks.
    pub modular_accuracy: f64,
    /// Kernel retention rate, mean over the modules.
    pub krr: f64,
    /// Cohesion, mean over the modules.
    pub cohesion: f64,
    /// Coupling, mean over the pairs of modules.
    pub coupling: f64,
    /// Kernels of the whole network, where the table has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernels: Option<usize>,
}
