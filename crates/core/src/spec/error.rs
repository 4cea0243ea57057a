//! Why the stages of a [`Spec`](super::Spec) do not fit together.

use thiserror::Error;

/// A spec that no network can be built from.
#[derive(Debug, Error, PartialEq)]
#[error("stage {stage} ({kind}): {problem}")]
pub struct SpecError {
    /// Index of the stage, from 0.
    pub stage: usize,
    /// Its kind, as written in a preset.
    pub kind: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}
