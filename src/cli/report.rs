//! `cleave report`.

use std::path::PathBuf;

use serde::Serialize;

use super::context::Context;
use super::error::Failure;
use super::output;
use crate::export::report::Report as Page;
use crate::export::{self, History};

/// Write a page about runs: one HTML file that needs no network, and its twin in Markdown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave report latest --to report/
  cleave report digits-1 digits-standard --to report/ --force

report.html holds everything; report.md has its figures in files beside it.")]
pub(super) struct Args {
    /// Runs: a name, a unique prefix of it, `latest`, or a path
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    /// The directory to write to; made if it is absent
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Replace files that are there
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
    /// The directory of the files.
    path: String,
    files: Vec<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let mut histories = Vec::new();
    for query in &args.runs {
        let history = History::read(&context.store.open(query)?)?;
        let id = &history.manifest.id;
        if histories.iter().any(|other: &History| other.manifest.id == *id) {
            return Err(Failure::Usage(format!("the run {id} is named twice")));
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
        false => output::note(&format!("the report is in {}", args.to.join("report.html").display())),
    }
    Ok(())
}
