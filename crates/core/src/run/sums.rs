//! The sums of an unfinished epoch in a checkpoint.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Sums of the training metrics over the steps of an unfinished epoch, by name; empty at an epoch's end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EpochSums {
    /// By name.
    Named(BTreeMap<String, f64>),
    /// As older versions wrote them: cross-entropy, the method's terms, their weighted total, correct predictions and
    /// kernels in use.
    Listed(Vec<f64>),
}

impl Default for EpochSums {
    fn default() -> Self {
        EpochSums::Named(BTreeMap::new())
    }
}

impl EpochSums {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        match self {
            EpochSums::Named(sums) => sums.is_empty(),
            EpochSums::Listed(sums) => sums.is_empty(),
        }
    }
}
