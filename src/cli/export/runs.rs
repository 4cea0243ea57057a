//! `cleave export` of a run's records.

use serde::Serialize;

use super::{Args, Format};
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::output;
use crate::export::{self, History, tables, tensorboard};

/// Names and contents of the files that a run becomes.
type Files = Vec<(String, Vec<u8>)>;

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

pub(super) fn export(args: &Args, context: &Context) -> Result<(), Failure> {
    let run = context.store.open(&args.target)?;
    let history = History::read(&run)?;
    history.problems.iter().for_each(|problem| eprintln!("warning: {problem}"));
    let (directory, files) = match args.format {
        // TensorBoard takes a directory of event files for a run.
        Format::Tensorboard => (args.to.join(&run.manifest.id), vec![tensorboard::file(&history)?]),
        Format::Json => (args.to.clone(), files(&history, "json", tables::Table::json)?),
        _ => (args.to.clone(), files(&history, "csv", tables::Table::csv)?),
    };
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

fn files(
    history: &History,
    extension: &str,
    encode: fn(&tables::Table) -> String,
) -> Result<Files, export::Error> {
    let file = |table: tables::Table| (format!("{}.{extension}", table.name), encode(&table).into_bytes());
    Ok(tables::tables(history)?.into_iter().map(file).collect())
}
