//! `cleave export`.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use super::context::Context;
use super::error::Failure;
use super::output;
use crate::export::{self, Package, safetensors};
use crate::network::Cost;
use crate::run::{self, Module, Run};

/// Write a module or a whole network to a file, for use elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave export digits-1/3-8 --to 3-8.safetensors
  cleave export latest --format safetensors --to module.safetensors --force

The header's metadata hold the network, the classes, the normalisation and where it comes from, as JSON.")]
pub(super) struct Args {
    /// Module or run: a name, a unique prefix of it, RUN/MODULE, `latest` (the latest module, or else the
    /// latest run), or a path
    #[arg(value_name = "MODULE")]
    target: String,
    /// The file format
    #[arg(long, value_enum, default_value_t = Format::Safetensors)]
    format: Format,
    /// The file to write
    #[arg(long, value_name = "PATH")]
    to: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Format {
    /// Weights as named arrays, with a description in the header
    Safetensors,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// `run/module`, or the run of a whole network.
    name: String,
    path: String,
    format: Format,
    bytes: usize,
    arrays: usize,
    classes: Vec<String>,
    params: u64,
    macs: u64,
}

pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let package = find(&args.target, context)?;
    let failed = |error: export::Error| Failure::Failed(error.to_string());
    let bytes = match args.format {
        Format::Safetensors => safetensors::encode(&package).map_err(failed)?,
    };
    export::write(&args.to, &bytes, args.force).map_err(failed)?;
    let cost = Cost::of(&package.spec)?;
    let report = Report {
        name: package.name(),
        path: args.to.display().to_string(),
        format: args.format,
        bytes: bytes.len(),
        arrays: package.weights.0.len(),
        classes: package.classes,
        params: cost.params(),
        macs: cost.macs(),
    };
    match args.json {
        true => output::json(&report)?,
        false => eprintln!("{} is in {} ({} bytes)", report.name, report.path, report.bytes),
    }
    Ok(())
}

/// The module that `target` means, or else the run: its whole network at the newest checkpoint. The exact name
/// of a run comes before the beginning of a module's.
pub(super) fn find(target: &str, context: &Context) -> Result<Package, Failure> {
    let (module, run) = (context.store.resolve_module(target), context.store.resolve(target));
    let is_named = |path: &PathBuf| path.file_name().is_some_and(|name| name == target);
    match (module, run) {
        (Ok(module), Ok(run)) if is_named(&run) && !is_named(&module) => whole(&Run::open(&run)?),
        (Ok(module), _) => Ok(Package::of_module(Module::load(&module)?)),
        (Err(_), Ok(run)) => whole(&Run::open(&run)?),
        (Err(module), Err(run)) => Err(neither(target, module, run)),
    }
}

fn whole(run: &Run) -> Result<Package, Failure> {
    let newest = run.newest_whole()?;
    for problem in &newest.skipped {
        eprintln!("warning: passed over a checkpoint: {problem}");
    }
    Ok(Package::of_run(&run.manifest, newest.checkpoint))
}

/// The error that says more: several names, or one that is nearly right.
fn neither(target: &str, module: run::Error, run: run::Error) -> Failure {
    let says_more = |error: &run::Error| !matches!(error, run::Error::Unknown { nearest: None, .. });
    match (says_more(&module), says_more(&run)) {
        (true, _) => module.into(),
        (_, true) => run.into(),
        _ => Failure::Failed(format!(
            "there is no module or run `{target}`; `cleave runs` lists runs, `cleave runs show RUN` their modules"
        )),
    }
}
