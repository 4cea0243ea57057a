//! The card of a module: what a stranger needs to know before using it.

use serde::{Deserialize, Serialize};

/// What is said of a module beside its network and its figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The data that it learned from and is measured on, as presets call them.
    pub data: String,
    /// How the accuracies were measured.
    pub protocol: String,
    /// The terms of use, such as an SPDX expression; empty where nobody stated them.
    #[serde(default)]
    pub licence: String,
    /// How it came about.
    pub origin: Origin,
    /// The networks that it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Ancestor>,
    /// For each class the run in whose data it has its label; empty where all are of the module's own run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_runs: Vec<String>,
    /// The label of the class that a module decides, of a network in which one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<usize>,
    /// Accuracy class by class before and after it was put together; empty where that was not measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_accuracy: Vec<ClassAccuracy>,
    /// What kind of module it is.
    pub taxonomy: Taxonomy,
}

/// How a module came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Cut out of a trained network.
    #[default]
    Extracted,
    /// Put together from modules.
    Composed,
    /// A network of which a module decides one class.
    Replaced,
}

/// A network that a module was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ancestor {
    /// Its run.
    pub run: String,
    /// The step of the checkpoint.
    pub step: u64,
    /// The module of that run; none for the whole network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
}

/// How well a class fares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassAccuracy {
    /// Its name.
    pub class: String,
    /// Fraction of its test samples predicted right before.
    pub before: f64,
    /// And after.
    pub after: f64,
}

/// The four axes of the survey "Modular Deep Learning" (Pfeiffer et al., 2023, arXiv 2302.11529).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taxonomy {
    /// How a module computes.
    pub computation: Computation,
    /// How it is chosen.
    pub routing: Routing,
    /// How several become one output.
    pub aggregation: Aggregation,
    /// When it is trained.
    pub training: Training,
}

/// How a module computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Computation {
    /// By a part of the network's own parameters, here whole kernels (structured sparse).
    #[default]
    ParameterComposition,
    /// By something added to its input.
    InputComposition,
    /// By new functions between its layers.
    FunctionComposition,
    /// By parameters that another network makes.
    Hypernetwork,
}

/// How a module is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Routing {
    /// Once, by the classes that it is for.
    #[default]
    Fixed,
    /// By a learned choice for each input.
    LearnedHard,
    /// By learned weights for each input.
    LearnedSoft,
}

/// How several modules become one output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregation {
    /// Their parameters are joined, here by the union of kernel sets.
    #[default]
    Parameter,
    /// Their outputs are, here by joining their logits and calibrating them.
    Representation,
    /// Their inputs are.
    Input,
    /// One after the other.
    Function,
}

/// When modules are trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Training {
    /// All together, with the network.
    #[default]
    Joint,
    /// One after the other.
    Continual,
    /// After the network, which stays as it is.
    PostHoc,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_the_survey_does_not_have_is_refused() {
        let taxonomy = toml::to_string(&Taxonomy::default()).unwrap();
        assert_eq!(toml::from_str::<Taxonomy>(&taxonomy).unwrap(), Taxonomy::default());
        let error = toml::from_str::<Taxonomy>(&taxonomy.replace("fixed", "fixe")).unwrap_err().to_string();
        assert!(error.contains("learned-hard"), "{error}");
    }
}
