//! `cleave runs list`.

use serde::Serialize;

use super::short;
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::output::{self, Table, percent_or_dash, ratio_or_dash};
use crate::run::{Entry, Parent, Status};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// Newest first; runs with an unreadable manifest last.
    runs: Vec<Row>,
}

/// A run. Values that are unreadable or not available yet are null; rates and accuracies are fractions.
#[derive(Serialize)]
struct Row {
    /// Its name.
    run: String,
    path: String,
    /// running, finished, stopped, interrupted, failed or damaged.
    status: Status,
    /// Why it is damaged or failed, or which process trains it.
    reason: Option<String>,
    preset: Option<String>,
    method: Option<&'static str>,
    data: Option<&'static str>,
    device: Option<String>,
    seed: Option<u64>,
    /// Epochs completed.
    epoch: Option<u64>,
    /// Epochs planned.
    epochs: Option<u64>,
    /// Best validation accuracy so far.
    valid_accuracy: Option<f64>,
    /// Per-sample cohesion on the validation split after the last epoch; likewise the next two.
    cohesion: Option<f64>,
    coupling: Option<f64>,
    krr: Option<f64>,
    parent: Option<Parent>,
    /// RFC 3339, UTC.
    created: Option<String>,
    age_seconds: Option<u64>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let entries = context.store.list()?;
    let report = Report { runs: entries.into_iter().map(Row::new).collect() };
    if args.json {
        return Ok(output::json(&report)?);
    }
    if report.runs.is_empty() {
        let place = context.store.directory().display();
        output::note(&format!("there are no runs in {place} yet; start one with: cleave train digits"));
        return Ok(());
    }
    report.print()
}

impl Report {
    fn print(&self) -> Result<(), Failure> {
        let mut table = Table::new(&[
            "run", "status", "preset", "method", "data", "epochs", "valid", "cohesion", "coupling", "KRR",
            "age",
        ]);
        self.runs.iter().for_each(|row| table.row(row.cells()));
        table.print()?;
        let told = |row: &&Row| matches!(row.status, Status::Damaged | Status::Failed | Status::Running);
        for row in self.runs.iter().filter(told) {
            let reason = row.reason.as_deref().unwrap_or("for an unknown reason");
            output::line(&format!("{} is {}: {reason}", row.run, row.status))?;
        }
        Ok(())
    }
}

impl Row {
    fn new(entry: Entry) -> Row {
        let age_seconds = entry.age().map(|age| age.as_secs());
        let Entry { id, path, status, reason, manifest, last } = entry;
        let masks = last.as_ref().and_then(|record| record.valid.masks.as_ref());
        let manifest = manifest.as_ref();
        let preset = manifest.map(|manifest| &manifest.preset);
        Row {
            run: id,
            path: path.display().to_string(),
            status,
            reason,
            preset: preset.map(|preset| preset.name.clone()),
            method: preset.map(|preset| preset.method.name()),
            data: preset.map(|preset| preset.data.source.name()),
            device: manifest.map(|manifest| manifest.device.clone()),
            seed: manifest.map(|manifest| manifest.seed),
            epoch: preset.map(|_| last.as_ref().map_or(0, |record| record.epoch)),
            epochs: preset.map(|preset| preset.training.epochs as u64),
            valid_accuracy: last.as_ref().map(|record| record.best_valid_accuracy),
            cohesion: masks.map(|masks| masks.cohesion),
            coupling: masks.map(|masks| masks.coupling),
            krr: masks.map(|masks| masks.krr),
            parent: manifest.and_then(|manifest| manifest.parent.clone()),
            created: manifest.map(|manifest| manifest.created.clone()),
            age_seconds,
        }
    }

    fn cells(&self) -> [String; 11] {
        let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let epochs = self.epoch.zip(self.epochs).map(|(done, planned)| format!("{done}/{planned}"));
        let age = self.age_seconds.map(|seconds| short(std::time::Duration::from_secs(seconds)));
        [
            self.run.clone(),
            self.status.to_string(),
            text(self.preset.as_deref()),
            text(self.method),
            text(self.data),
            text(epochs.as_deref()),
            percent_or_dash(self.valid_accuracy),
            ratio_or_dash(self.cohesion),
            ratio_or_dash(self.coupling),
            percent_or_dash(self.krr),
            text(age.as_deref()),
        ]
    }
}
