//! `cleave paths`.

use serde::Serialize;

use super::context::Context;
use super::error::Failure;
use super::output;

/// Show where files are kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave paths
  CLEAVE_HOME=/scratch/cleave cleave paths --json

With CLEAVE_HOME set, everything is kept below that directory. Directories are created on first use.")]
pub(super) struct Args {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// Runs and other data of the user.
    data: String,
    /// Downloads and caches, which can be recreated.
    cache: String,
    /// Settings and presets of the user.
    config: String,
    /// Run directories.
    runs: String,
    /// The user's presets.
    presets: String,
    /// Fetched data sets.
    archives: String,
}

pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let paths = &context.paths;
    let report = Report {
        data: paths.data.display().to_string(),
        cache: paths.cache.display().to_string(),
        config: paths.config.display().to_string(),
        runs: paths.runs().display().to_string(),
        presets: paths.presets().display().to_string(),
        archives: paths.archives().display().to_string(),
    };
    if args.json {
        return Ok(output::json(&report)?);
    }
    for (name, path) in [
        ("data", &report.data),
        ("cache", &report.cache),
        ("config", &report.config),
        ("runs", &report.runs),
        ("presets", &report.presets),
        ("archives", &report.archives),
    ] {
        output::line(&format!("{name:<8}  {path}"))?;
    }
    Ok(())
}
