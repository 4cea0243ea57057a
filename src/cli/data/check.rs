//! `cleave data check`.

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::output::{self, Table};
use crate::data::{FileCheck, FileState, check, find_set};

/// Compare the files of a data set with the published lengths and checksums; exit code 1 if any differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave data check cifar10
  cleave data check svhn --json")]
pub(super) struct Args {
    /// Data set, see `cleave data`
    name: String,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    name: &'static str,
    /// Whether every file is good.
    good: bool,
    files: Vec<FileCheck>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let set = find_set(&args.name)?;
    let files = check(set, &context.archives())?;
    let bad = files.iter().filter(|file| file.state != FileState::Good).count();
    let report = Report { name: set.name, good: bad == 0, files };
    match args.json {
        true => output::json(&report)?,
        false => report.print()?,
    }
    match bad {
        0 => Ok(()),
        _ => Err(Failure::Failed(format!(
            "{bad} of {} files of {} are missing or differ; fetch them with: cleave data fetch {}",
            report.files.len(),
            report.name,
            report.name
        ))),
    }
}

impl Report {
    fn print(&self) -> Result<(), Failure> {
        if self.files.is_empty() {
            return Ok(output::line(&format!("data set {} is embedded: no file to check", self.name))?);
        }
        let mut table = Table::new(&["state", "file"]);
        for FileCheck { path, state } in &self.files {
            table.row([describe(state), path.display().to_string()]);
        }
        Ok(table.print()?)
    }
}

fn describe(state: &FileState) -> String {
    match state {
        FileState::Good => "good".into(),
        FileState::Unverified => "right length, no checksum known".into(),
        FileState::Missing => "missing".into(),
        FileState::WrongLength { expected, actual } => format!("{actual} bytes instead of {expected}"),
        FileState::WrongChecksum { expected, actual } => {
            format!("SHA-256 {} instead of {}", short(actual), short(expected))
        }
    }
}

fn short(sum: &str) -> String {
    sum.chars().take(12).chain("...".chars()).collect()
}
