//! A run's results beside the published ones that its preset is to reproduce.

use serde::Serialize;

use super::record::Summary;
use crate::preset::Preset;

/// The paper's row and ours. Accuracies and rates are fractions.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Which table of the paper.
    pub source: String,
    /// A row a measure.
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
            summary.filter(|_| preset.method.wants_masks() == modular).map(|summary| summary.test_accuracy)
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
            "ours trains {} epoch(s) and holds {:.2} % of the training images out for validation, the paper trains on \
             all of them; both measure the last epoch on the test split",
            preset.training.epochs,
            preset.data.valid_fraction * 100.0
        );
        Some(Comparison { source: paper.source.clone(), rows, note })
    }
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
    fn a_preset_without_a_published_result_has_nothing_to_compare() {
        assert!(Comparison::new(&Preset::find("digits", Path::new(""), &[]).unwrap(), None).is_none());
    }
}
