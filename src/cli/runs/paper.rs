//! A run's results next to the published ones, on stdout.

use crate::cli::error::Failure;
use crate::cli::output::{self, Table, percent, percent_or_dash, ratio_or_dash};
use crate::run::{Comparison, ComparisonRow};

/// Prints the comparison table.
pub(super) fn print(comparison: &Comparison) -> Result<(), Failure> {
    let mut table = Table::new(&[&format!("MwT paper, {}", comparison.source), "paper", "ours"]);
    for ComparisonRow { measure, paper, ours } in &comparison.rows {
        let (paper, ours) = match *measure {
            "cohesion" | "coupling" => (ratio_or_dash(Some(*paper)), ratio_or_dash(*ours)),
            _ => (percent(*paper), percent_or_dash(*ours)),
        };
        let measure = measure.replace('_', " ").replace("krr", "KRR");
        table.row([measure, paper, ours]);
    }
    output::line("")?;
    table.print()?;
    Ok(output::line(&comparison.note)?)
}
