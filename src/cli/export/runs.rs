//! `cleave export` for the records of a run.

use serde::Serialize;

use super::{Args, Format};
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::output;
use crate::export::{History, Records, Written};

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    run: String,
    /// The directory that holds the files.
    path: String,
    format: Format,
    files: Vec<String>,
    bytes: usize,
}

pub(super) fn export(args: &Args, records: Records, context: &Context) -> Result<(), Failure> {
    let run = context.store.open(&args.target)?;
    let history = History::read(&run)?;
    history.problems.iter().for_each(|problem| output::warn(problem));
    let Written { directory, files, bytes } = records.write(&history, &args.to, args.force)?;
    let (run, path) = (run.manifest.id.clone(), directory.display().to_string());
    let report = Report { run, path, format: args.format, files, bytes };
    match args.json {
        true => output::json(&report)?,
        false => {
            output::note(&format!("wrote {} to {}: {}", report.run, report.path, report.files.join(", ")))
        }
    }
    Ok(())
}
