//! The method of a preset: which losses make training modular, and their weights.

use serde::{Deserialize, Serialize};

/// A training method and its settings, as written in a preset's `[method]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MethodConfig {
    /// Ordinary training: no masks, no modular losses.
    Plain {},
    /// Modularizing while training: mask generators, cohesion and coupling losses.
    Mwt {
        /// Weight of the cohesion loss.
        #[serde(default = "alpha")]
        alpha: f64,
        /// Weight of the coupling loss.
        #[serde(default = "beta")]
        beta: f64,
        /// How similarities of pairs become one number.
        #[serde(default)]
        average: Average,
    },
}

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

impl MethodConfig {
    /// Whether the network gets mask generators.
    pub fn wants_masks(&self) -> bool {
        matches!(self, MethodConfig::Mwt { .. })
    }

    /// The name as written in a preset.
    pub fn name(&self) -> &'static str {
        match self {
            MethodConfig::Plain {} => "plain",
            MethodConfig::Mwt { .. } => "mwt",
        }
    }

    /// The names of the loss weights that may be changed while training runs, with their values.
    pub fn weights(&self) -> Vec<(&'static str, f64)> {
        match self {
            MethodConfig::Plain {} => Vec::new(),
            MethodConfig::Mwt { alpha, beta, .. } => vec![("alpha", *alpha), ("beta", *beta)],
        }
    }

    /// Sets the loss weight of this name.
    ///
    /// # Errors
    ///
    /// When the method has no such weight, or the value is negative or not finite.
    pub fn set_weight(&mut self, name: &str, value: f64) -> Result<(), String> {
        if !value.is_finite() || value < 0.0 {
            return Err(format!("the loss weight {name} must be a number of at least 0, not {value}"));
        }
        match (&mut *self, name) {
            (MethodConfig::Mwt { alpha, .. }, "alpha") => *alpha = value,
            (MethodConfig::Mwt { beta, .. }, "beta") => *beta = value,
            (method, _) => return Err(format!("the method {} has no loss weight {name}", method.name())),
        }
        Ok(())
    }
}

fn alpha() -> f64 {
    0.5
}

fn beta() -> f64 {
    1.5
}
