//! The results of a run beside the published ones that its preset reproduces.

use serde::Serialize;

use super::record::Summary;
use crate::preset::{Preset, Training};

/// The paper's row and ours. Accuracies and rates are fractions.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Which table of the paper.
    pub source: String,
    /// A row for each measure.
    pub rows: Vec<ComparisonRow>,
    /// How the two protocols differ.
    pub note: String,
}

/// A measure in the paper and here.
#[derive(Clone, Debug, Serialize)]
pub struct ComparisonRow {
    /// What is measured.
    pub measure: &'static str,
    /// The published value.
    pub paper: f64,
    /// Null where this run has no such figure.
    pub ours: Option<f64>,
}

impl Comparison {
    /// None for a preset without a published result.
    pub fn new(preset: &Preset, summary: Option<&Summary>) -> Option<Comparison> {
        let paper = preset.paper.as_ref()?;
        let accuracy = |modular: bool| {
            summary.filter(|_| preset.method.is_modular() == modular).map(|summary| summary.test_accuracy)
        };
        let row = |measure, paper, ours| ComparisonRow { measure, paper, ours };
        let rows = vec![
            row("standard_accuracy", paper.standard_accuracy, accuracy(false)),
            row("modular_accuracy", paper.modular_accuracy, accuracy(true)),
            row("krr", paper.krr, summary.and_then(|summary| summary.krr)),
            row("cohesion", paper.cohesion, summary.and_then(|summary| summary.cohesion)),
            row("coupling", paper.coupling, summary.and_then(|summary| summary.coupling)),
        ];
        let note = format!(
            "{}; both measure the network of the last epoch on the test split. The paper's modules are fine-tuned with \
             the epoch chosen on the test split, these on the validation split",
            differences(preset).join("; ")
        );
        Some(Comparison { source: paper.source.clone(), rows, note })
    }
}

/// Every setting that is not the paper's: all of its networks were trained with [`Training::default`], on all
/// training images (section 4.1).
fn differences(preset: &Preset) -> Vec<String> {
    let (ours, theirs) = (&preset.training, Training::default());
    let mut differences = vec![format!(
        "{:.2} % of the training images are held out for validation here, none in the paper",
        preset.data.valid_fraction * 100.0
    )];
    let mut compare = |what: &str, ours: f64, theirs: f64| {
        if ours != theirs {
            differences.push(format!("{what} {ours} here, {theirs} in the paper"));
        }
    };
    compare("epochs", ours.epochs as f64, theirs.epochs as f64);
    compare("images a step", ours.batch as f64, theirs.batch as f64);
    compare("learning rate", ours.learning_rate, theirs.learning_rate);
    compare("momentum", ours.momentum, theirs.momentum);
    compare("epochs of the cosine", ours.cosine_period() as f64, theirs.cosine_period() as f64);
    compare("width of the network", preset.network.width, 1.0);
    if let Some(limit) = preset.data.limit {
        differences.push(format!("{limit} training images here, all in the paper"));
    }
    differences
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn accuracies(preset: &str) -> (Option<f64>, Option<f64>) {
        let preset = Preset::find(preset, Path::new(""), &[]).unwrap();
        let summary = Summary { test_accuracy: 0.9, ..Summary::default() };
        let comparison = Comparison::new(&preset, Some(&summary)).unwrap();
        (comparison.rows[0].ours, comparison.rows[1].ours)
    }

    #[test]
    fn a_run_fills_the_row_of_its_own_kind() {
        assert_eq!(accuracies("paper-vgg16-cifar10"), (None, Some(0.9)));
        assert_eq!(accuracies("paper-vgg16-cifar10-standard"), (Some(0.9), None));
    }

    #[test]
    fn what_differs_from_the_paper_is_named_and_nothing_else() {
        let changes = ["training.epochs=3", "network.width=0.5", "data.limit=100"];
        let changes: Vec<_> = changes.iter().map(|change| change.parse().unwrap()).collect();
        let note = |changes: &[crate::preset::Override]| {
            let preset = Preset::find("paper-vgg16-cifar10", Path::new(""), changes).unwrap();
            Comparison::new(&preset, None).unwrap().note
        };
        let (changed, published) = (note(&changes), note(&[]));
        for said in
            ["epochs 3 here, 200 in the paper", "width of the network 0.5 here", "100 training images"]
        {
            assert!(changed.contains(said) && !published.contains(said), "{changed} | {published}");
        }
        assert!(
            published.starts_with("2.00 % of the training images") && !published.contains("images a step")
        );
    }

    #[test]
    fn a_preset_without_a_published_result_has_nothing_to_compare() {
        assert!(Comparison::new(&Preset::find("digits", Path::new(""), &[]).unwrap(), None).is_none());
    }
}
