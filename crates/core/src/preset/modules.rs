//! The `[modules]` table.

use serde::{Deserialize, Serialize};

/// How modules are cut out of a trained network and fine-tuned. The defaults are those of the published
/// code, but for `augment_usage`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Modules {
    /// A kernel belongs to a class that uses it in at least this share of its samples.
    pub threshold: f64,
    /// Epochs of fine-tuning; 0 for none.
    pub fine_tune_epochs: usize,
    /// Learning rate of the first epoch of fine-tuning.
    pub fine_tune_learning_rate: f64,
    /// Epochs until fine-tuning's cosine schedule would reach 0.
    pub fine_tune_cosine_epochs: usize,
    /// Whether kernel usage is counted on augmented samples, as the published code does.
    pub augment_usage: bool,
    /// Random modules of the same size that a module is compared with.
    pub controls: usize,
}

impl Default for Modules {
    fn default() -> Self {
        Modules {
            threshold: 0.9,
            fine_tune_epochs: 10,
            fine_tune_learning_rate: 0.05,
            fine_tune_cosine_epochs: 20,
            augment_usage: false,
            controls: 5,
        }
    }
}
