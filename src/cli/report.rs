//! `cleave report`.

use std::path::PathBuf;

use serde::Serialize;

use super::context::Context;
use super::error::Failure;
use super::output;
use crate::export::report::Report as Page;
use crate::export::{self, History};

/// Write a report on runs, as one self-contained HTML file and as Markdown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave report latest --to report/
  cleave report digits-1 digits-standard --to report/ --force

report.html is self-contained; the figures of report.md are separate files next to it.")]
pub(super) struct Args {
    /// Runs: a name, a unique prefix of it, `latest`, or a path
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    /// Directory to write to; created if missing
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    runs: Vec<String>,
    /// The directory that holds the files.
    path: String,
    files: Vec<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let mut histories = Vec::new();
    for query in &args.runs {
        let history = History::read(&context.store.open(query)?)?;
        let id = &history.manifest.id;
        if histories.iter().any(|other: &History| other.manifest.id == *id) {
            return Err(Failure::Usage(format!("run {id} is given twice")));
        }
        histories.push(history);
    }
    let page = Page::new(&histories)?;
    let files: Vec<(&str, &[u8])> =
        page.files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    export::write_all(&args.to, &files, args.force)?;
    let report = Report {
        runs: histories.into_iter().map(|history| history.manifest.id).collect(),
        path: args.to.display().to_string(),
        files: page.files.into_iter().map(|(name, _)| name).collect(),
    };
    match args.json {
        true => output::json(&report)?,
        false => output::note(&format!("wrote the report to {}", args.to.join("report.html").display())),
    }
    Ok(())
}
