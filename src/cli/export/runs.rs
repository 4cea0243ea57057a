//! `cleave export` of a run's records.

use serde::Serialize;

use super::{Args, Format};
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::output;
use crate::export::{self, History, Records};

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    run: String,
    /// The directory of the files.
    path: String,
    format: Format,
    files: Vec<String>,
    bytes: usize,
}

pub(super) fn export(args: &Args, records: Records, context: &Context) -> Result<(), Failure> {
    let run = context.store.open(&args.target)?;
    let history = History::read(&run)?;
    history.problems.iter().for_each(|problem| eprintln!("warning: {problem}"));
    let directory = records.directory(&args.to, &run.manifest.id);
    let files = records.encode(&history)?;
    let contents: Vec<(&str, &[u8])> =
        files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    export::write_all(&directory, &contents, args.force)?;
    let report = Report {
        run: run.manifest.id.clone(),
        path: directory.display().to_string(),
        format: args.format,
        bytes: files.iter().map(|(_, bytes)| bytes.len()).sum(),
        files: files.into_iter().map(|(name, _)| name).collect(),
    };
    match args.json {
        true => output::json(&report)?,
        false => eprintln!("{} is in {}: {}", report.run, report.path, report.files.join(", ")),
    }
    Ok(())
}
