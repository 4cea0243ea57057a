//! How similarities of pairs become one number.

use serde::{Deserialize, Serialize};

/// How pair similarities are averaged into a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Average {
    /// Over all pairs of the batch alike (micro): the published code.
    #[default]
    Pairs,
    /// Over classes and pairs of classes (macro): the paper's equations 4 and 5.
    Classes,
}
