//! `cleave runs show`.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::output;
use crate::preset::Phase;
use crate::run::{
    Comparison, Entry, EpochRecord, Event, Manifest, ModuleEntry, Parent, Run, Status, Summary,
};
use crate::spec::Cost;

/// Show a run: its settings, results and modules.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave runs show latest
  cleave runs show digits-1 --json
  cleave runs show digits-1 --preset > again.toml")]
pub(super) struct Args {
    /// Run: its name, a unique prefix of it, `latest`, or its path
    run: String,
    /// Print the preset that it was trained from, as TOML
    #[arg(long)]
    preset: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints. Values that are unreadable or not available yet are null; rates are fractions.
#[derive(Serialize)]
pub(super) struct Report {
    pub run: String,
    pub path: String,
    pub status: Status,
    /// Why it is damaged or failed, or which process trains it.
    pub reason: Option<String>,
    /// RFC 3339, UTC.
    pub created: String,
    /// Version of the program that created it.
    pub program: String,
    pub device: String,
    pub seed: u64,
    /// The preset's name.
    pub preset: String,
    pub description: String,
    pub method: &'static str,
    /// The method's initial loss weights, by name.
    pub weights: BTreeMap<&'static str, f64>,
    pub data: &'static str,
    pub classes: Vec<String>,
    /// `[channels, height, width]` of an image.
    pub input: [usize; 3],
    /// Trainable parameters, mask generators included.
    pub params: u64,
    pub kernels: u64,
    pub macs: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// Epochs planned.
    pub epochs: u64,
    /// The preset's phases, if it has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
    pub parent: Option<Parent>,
    pub branches: Vec<Parent>,
    /// Steps of the checkpoints, ascending.
    pub checkpoints: Vec<u64>,
    /// The last epoch's record.
    pub last: Option<EpochRecord>,
    /// Results of a finished run: test accuracy, and cohesion, coupling and KRR of its modules.
    pub summary: Option<Summary>,
    pub paper: Option<Comparison>,
    pub modules: Vec<ModuleRow>,
    /// The preset, with `--preset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset_toml: Option<String>,
}

/// A module of the run; a damaged module has only a name and a problem.
#[derive(Default, Serialize)]
pub(super) struct ModuleRow {
    pub name: String,
    pub problem: Option<String>,
    pub classes: Vec<String>,
    pub step: Option<u64>,
    pub kernels: Option<u64>,
    pub krr: Option<f64>,
    pub params: Option<u64>,
    pub macs: Option<u64>,
    pub whole_accuracy: Option<f64>,
    pub accuracy_before: Option<f64>,
    pub accuracy_after: Option<f64>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let entry = Entry::read(&context.store.resolve(&args.run)?);
    let Some(manifest) = entry.manifest.clone() else {
        let reason = entry.reason.unwrap_or_default();
        return Err(Failure::Failed(format!("the run {} cannot be shown: {reason}", entry.id)));
    };
    let toml = args.preset.then(|| manifest.preset.to_toml()).transpose()?;
    if let (Some(toml), false) = (&toml, args.json) {
        return Ok(std::io::stdout().lock().write_all(toml.as_bytes())?);
    }
    let run = Run { path: entry.path.clone(), manifest };
    let mut report = Report::new(entry, &run, context)?;
    report.preset_toml = toml;
    match args.json {
        true => Ok(output::json(&report)?),
        false => report.print(),
    }
}

impl Report {
    fn new(entry: Entry, run: &Run, context: &Context) -> Result<Report, Failure> {
        let Manifest { preset, classes, input, network, .. } = &run.manifest;
        let cost = Cost::of(network)?;
        let summary = summary(run);
        Ok(Report {
            run: entry.id,
            path: entry.path.display().to_string(),
            status: entry.status,
            reason: entry.reason,
            created: run.manifest.created.clone(),
            program: run.manifest.program.clone(),
            device: run.manifest.device.clone(),
            seed: run.manifest.seed,
            preset: preset.name.clone(),
            description: preset.description.clone(),
            method: preset.method.name(),
            weights: preset.method.weights().into_iter().collect(),
            data: preset.data.source.name(),
            classes: classes.clone(),
            input: *input,
            params: cost.params(),
            kernels: cost.kernels,
            macs: cost.macs(),
            epoch: entry.last.as_ref().map_or(0, |record| record.epoch),
            epochs: preset.training.epochs as u64,
            phases: preset.phase.clone(),
            parent: run.manifest.parent.clone(),
            branches: branches(&run.manifest.id, context)?,
            checkpoints: run.checkpoints()?.into_iter().map(|(step, _)| step).collect(),
            last: entry.last,
            paper: Comparison::new(preset, summary.as_ref()),
            summary,
            modules: run.modules()?.into_iter().map(ModuleRow::new).collect(),
            preset_toml: None,
        })
    }
}

/// The results of the run, if it has finished.
fn summary(run: &Run) -> Option<Summary> {
    let events = match run.events() {
        Ok((events, _)) => events,
        Err(error) => {
            output::note(&format!("warning: {error}"));
            return None;
        }
    };
    events.into_iter().rev().find_map(|event| match event {
        Event::Finished { summary, .. } => Some(summary),
        _ => None,
    })
}

/// The runs that branched from `run`, each with the step.
fn branches(run: &str, context: &Context) -> Result<Vec<Parent>, Failure> {
    let entries = context.store.list()?;
    let branch = |entry: Entry| {
        let parent = entry.manifest?.parent.filter(|parent| parent.run == run)?;
        Some(Parent { run: entry.id, step: parent.step })
    };
    Ok(entries.into_iter().filter_map(branch).collect())
}

impl ModuleRow {
    fn new(entry: ModuleEntry) -> ModuleRow {
        let name = entry.name;
        match entry.manifest {
            Err(error) => ModuleRow { name, problem: Some(error.to_string()), ..ModuleRow::default() },
            Ok(manifest) => ModuleRow {
                name,
                problem: None,
                classes: manifest.classes,
                step: Some(manifest.step),
                kernels: Some(manifest.kernels),
                krr: Some(manifest.krr),
                params: Some(manifest.params),
                macs: Some(manifest.macs),
                whole_accuracy: manifest.whole_accuracy,
                accuracy_before: manifest.accuracy_before,
                accuracy_after: manifest.accuracy_after,
            },
        }
    }
}
