//! `cleave evaluate RUN --class-sets SETS`.

use serde::Serialize;

use super::Args;
use crate::backend::Device;
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::output::{self, Table, count, percent};
use crate::cli::{extract, progress};
use crate::modular::Provenance;
use crate::reuse::{ClassSets, Loaded, SetResult, SetsSummary};
use crate::run::Run;

/// Rows of the printed table: the sets with the lowest accuracies as cut.
const ROWS: usize = 10;

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    run: &'a str,
    step: u64,
    /// How the units of modules were chosen.
    split: String,
    class_sets: SetsSummary,
    sets: &'a [SetResult],
}

pub(super) fn run(
    run: Run,
    sets: &ClassSets,
    args: &Args,
    device: Device,
    context: &Context,
) -> Result<(), Failure> {
    let sets = sets.of(&run.manifest.classes, run.manifest.seed)?;
    let mut loaded = Loaded::read(run, None, &context.archives())?;
    extract::check_threshold(args.threshold, loaded.has_class_masks(), &args.target)?;
    let threshold = args.threshold.unwrap_or(loaded.run.manifest.preset.modules.threshold);
    let bar = progress::counter(sets.len() as u64, "class sets");
    let results =
        loaded.evaluate_sets(&sets, threshold, args.controls, device, extract::counting, &mut |_| {
            bar.inc(1);
        });
    bar.finish_and_clear();
    let results = results?;
    let report = Report {
        run: &loaded.run.manifest.id,
        step: loaded.checkpoint.step,
        split: match loaded.has_class_masks() {
            true => Provenance::class_masks().to_string(),
            false => Provenance::usage(threshold).to_string(),
        },
        class_sets: SetsSummary::of(&results),
        sets: &results,
    };
    match args.json {
        true => Ok(output::json(&report)?),
        false => report.print(),
    }
}

impl Report<'_> {
    fn print(&self) -> Result<(), Failure> {
        let mut worst: Vec<&SetResult> = self.sets.iter().collect();
        worst.sort_by(|a, b| a.as_cut.total_cmp(&b.as_cut));
        let controls = self.class_sets.random_mean.is_some();
        let mut columns = vec!["classes", "as cut", "whole network", "KRR", "params", "MACs"];
        columns.extend(controls.then_some("random kernels"));
        let mut table = Table::new(&columns);
        for set in worst.iter().take(ROWS) {
            let random = set.random.iter().sum::<f64>() / set.random.len().max(1) as f64;
            let mut row = vec![
                set.classes.join(","),
                percent(set.as_cut),
                percent(set.whole),
                percent(set.krr),
                count(set.params),
                count(set.macs),
            ];
            row.extend(controls.then(|| percent(random)));
            table.row(row);
        }
        table.print()?;
        let SetsSummary { count: sets, whole_mean, as_cut_mean, as_cut_worst, within_1_point, .. } =
            self.class_sets;
        if sets > ROWS {
            output::line(&format!("the {ROWS} lowest of {sets} class sets"))?;
        }
        output::line(&format!(
            "{sets} class sets by {}: as cut {} (worst {}), whole network {}, {} within 1 point of it",
            self.split,
            percent(as_cut_mean),
            percent(as_cut_worst),
            percent(whole_mean),
            percent(within_1_point),
        ))?;
        if let Some(random) = self.class_sets.random_mean {
            output::line(&format!("as many random kernels, cut alike: {}", percent(random)))?;
        }
        let summary = &self.class_sets;
        Ok(output::line(&format!(
            "a module keeps {} of the kernels in the mean: {} parameters, {} MACs",
            percent(summary.krr_mean),
            count(summary.params_mean as u64),
            count(summary.macs_mean as u64),
        ))?)
    }
}
