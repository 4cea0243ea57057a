//! The `[training]` table.

use serde::{Deserialize, Serialize};

use crate::backend::Precision;

/// How a network is trained: SGD with Nesterov momentum and a cosine schedule, stepped once an epoch. The
/// defaults are those of the published code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Training {
    /// Passes over the training split.
    pub epochs: usize,
    /// Samples a step.
    pub batch: usize,
    /// Learning rate of the first epoch.
    pub learning_rate: f64,
    /// Nesterov momentum.
    pub momentum: f64,
    /// Epochs until the cosine schedule reaches 0; by default `epochs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cosine_epochs: Option<usize>,
    /// What every random draw follows from.
    pub seed: u64,
    /// In what arithmetic products are computed while training; measuring and fine-tuning are f32.
    #[serde(skip_serializing_if = "is_default")]
    pub precision: Precision,
}

fn is_default(precision: &Precision) -> bool {
    *precision == Precision::default()
}

impl Default for Training {
    fn default() -> Self {
        Training {
            epochs: 200,
            batch: 128,
            learning_rate: 0.05,
            momentum: 0.9,
            cosine_epochs: None,
            seed: 0,
            precision: Precision::default(),
        }
    }
}

impl Training {
    /// Epochs until the cosine schedule reaches 0.
    pub fn cosine_period(&self) -> usize {
        self.cosine_epochs.unwrap_or(self.epochs)
    }
}
