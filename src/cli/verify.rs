//! `cleave verify`.

use serde::Serialize;

use super::context::Context;
use super::error::Failure;
use super::output::{self, Table};
use crate::run::{FileState, Module};

/// Check the files of a module against their recorded checksums.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave verify digits-1/3-8
  cleave verify ./3-8 --json

Each file is compared with the length and SHA-256 recorded in module.toml. Exit code 1 if any differs.")]
pub(super) struct Args {
    /// Module: a name, a unique prefix of it, RUN/MODULE, `latest`, or a path
    module: String,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// The module's directory.
    path: String,
    /// Whether every file matches.
    whole: bool,
    files: Vec<Row>,
    /// Files in the directory that are not part of the module.
    others: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    file: String,
    /// `whole`, `no-sum` (written by an older version that recorded no checksum) or `wrong`.
    state: &'static str,
    /// Why it is `wrong`.
    problem: Option<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let path = context.store.resolve_module(&args.module)?;
    let found = Module::verify(&path)?;
    let files: Vec<Row> = found.files.into_iter().map(|(file, state)| Row::new(file, state)).collect();
    let whole = files.iter().all(|row| row.problem.is_none());
    let report = Report { path: path.display().to_string(), whole, files, others: found.others };
    match args.json {
        true => output::json(&report)?,
        false => report.print()?,
    }
    match report.files.into_iter().find_map(|row| row.problem) {
        None => Ok(()),
        Some(problem) => {
            Err(Failure::Failed(format!("the module has changed since it was written: {problem}")))
        }
    }
}

impl Row {
    fn new(file: String, state: FileState) -> Row {
        match state {
            FileState::Whole => Row { file, state: "whole", problem: None },
            FileState::NoSum => Row { file, state: "no-sum", problem: None },
            FileState::Wrong(error) => Row { file, state: "wrong", problem: Some(error.to_string()) },
        }
    }
}

impl Report {
    fn print(&self) -> Result<(), Failure> {
        let mut table = Table::new(&["file", "state"]);
        for row in &self.files {
            let state = match row.state {
                "no-sum" => "not checked: written by an older version of cleave, which recorded no checksum",
                "wrong" => "WRONG",
                whole => whole,
            };
            table.row([row.file.clone(), state.into()]);
        }
        for other in &self.others {
            table.row([other.clone(), "not part of the module".into()]);
        }
        Ok(table.print()?)
    }
}
