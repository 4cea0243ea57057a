//! The card of a module: what a stranger needs to know before using it, as data and as a page to read.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::module::ModuleManifest;
use crate::markup::markdown;

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

impl ModuleManifest {
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

    /// The page beside a module: what [`ModuleManifest`] says, in Markdown.
    pub fn readme(&self) -> String {
        let mut page = format!("# Module {}\n\n", markdown(&self.name));
        page.push_str(&self.summary());
        page.push_str("\n\n## Classes\n\n");
        for (label, class) in self.classes.iter().enumerate() {
            let _ = writeln!(page, "{label}. {}", markdown(class));
        }
        page.push_str(&self.accuracies());
        page.push_str(&self.numbers());
        if let Some(card) = &self.card {
            page.push_str(&card.sections());
        }
        page.push_str(
            "\n## Files\n\n`module.toml` says all of this to programs, with the network and the SHA-256 of every \
             other file; `weights.safetensors` holds the weights. `cleave verify` in this directory checks \
             them, `cleave predict` tries the module on pictures, `cleave export` writes it for other \
             programs.\n",
        );
        page
    }

    fn summary(&self) -> String {
        let origin = self.card.as_ref().map_or(Origin::Extracted, |card| card.origin);
        let (run, step) = (markdown(&self.run), self.step);
        let how = match origin {
            Origin::Extracted => format!("cut out of the run {run} after step {step}"),
            Origin::Composed => "put together from the modules named below".into(),
            Origin::Replaced => format!("the network of the run {run}, of which a module decides one class"),
        };
        let kind =
            if self.one_vs_rest { "tells one class from all others" } else { "tells its classes apart" };
        let [channels, height, width] = self.input;
        format!(
            "A convolutional network that {kind}: {how}, by cleave {}, on {}. It takes \
             {channels}x{height}x{width} images (channels, height, width); an input value is (pixel / 255 - \
             mean) / std with mean {:?} and std {:?}.",
            markdown(&self.program),
            markdown(&self.created),
            self.mean,
            self.std
        )
    }

    fn accuracies(&self) -> String {
        let percent = |value: Option<f64>| value.map_or("-".into(), |v| format!("{:.2} %", 100.0 * v));
        let mut text =
            String::from("\n## Accuracy\n\n| on the test images of its classes | before | after |\n");
        text.push_str("|---|---:|---:|\n");
        let mut row = |name: &str, before, after| {
            let _ = writeln!(text, "| {name} | {} | {} |", percent(before), percent(after));
        };
        if self.whole_accuracy.is_some() {
            row("whole network", self.whole_accuracy, None);
        }
        row("module", self.accuracy_before, self.accuracy_after);
        for control in &self.controls {
            let name = format!("random kernels {}", control.draw + 1);
            row(&name, Some(control.accuracy_before), control.accuracy_after);
        }
        for class in self.card.iter().flat_map(|card| &card.class_accuracy) {
            row(&format!("class {}", markdown(&class.class)), Some(class.before), Some(class.after));
        }
        if let Some(card) = &self.card {
            let _ = writeln!(text, "\n{}", markdown(&card.protocol));
        }
        text
    }

    fn numbers(&self) -> String {
        format!(
            "\n## Size\n\n{} parameters, {} multiply-accumulates an image, {} kernels kept: {:.2} % of the masked \
             ones (kernel retention rate), {:.2} % of all.\n",
            self.params,
            self.macs,
            self.kernels,
            100.0 * self.krr,
            100.0 * self.krr_all
        )
    }
}

impl Card {
    fn sections(&self) -> String {
        let mut text = String::from("\n## Where it comes from\n\n");
        let _ = writeln!(text, "Data: {}.\n", markdown(&self.data));
        for parent in &self.parents {
            let what =
                parent.module.as_ref().map_or("whole network".into(), |m| format!("module {}", markdown(m)));
            let _ = writeln!(text, "* run {}, step {}: {what}", markdown(&parent.run), parent.step);
        }
        let licence = if self.licence.is_empty() { "not stated".into() } else { markdown(&self.licence) };
        let _ = writeln!(text, "\n## Licence\n\n{licence}\n\n## Taxonomy\n\n| axis | value |\n|---|---|");
        let Taxonomy { computation, routing, aggregation, training } = &self.taxonomy;
        for (axis, value) in [
            ("computation", word(computation)),
            ("routing", word(routing)),
            ("aggregation", word(aggregation)),
            ("training", word(training)),
        ] {
            let _ = writeln!(text, "| {axis} | {value} |");
        }
        text.push_str("\nAfter the survey \"Modular Deep Learning\" (arXiv 2302.11529).\n");
        text
    }
}

/// A unit variant as it is written in `module.toml`.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn the_page_says_what_a_stranger_needs_and_names_are_only_text() {
        let mut manifest = fixture::module("zero").manifest;
        manifest.classes = vec!["<script>|x".into(), "rest".into()];
        let page = manifest.readme();
        for said in ["# Module zero", "75.00 %", "128 parameters", "cut out of the run digits", "not stated"]
        {
            assert!(page.contains(said), "{said} in {page}");
        }
        assert!(page.contains("0. &lt;script\\>\\|x") && !page.contains("<script"), "{page}");
    }

    #[test]
    fn a_word_that_the_survey_does_not_have_is_refused() {
        let taxonomy = toml::to_string(&Taxonomy::default()).unwrap();
        assert_eq!(toml::from_str::<Taxonomy>(&taxonomy).unwrap(), Taxonomy::default());
        let error = toml::from_str::<Taxonomy>(&taxonomy.replace("fixed", "fixe")).unwrap_err().to_string();
        assert!(error.contains("learned-hard"), "{error}");
    }
}
