//! `cleave verify`.

use serde::Serialize;

use super::context::Context;
use super::error::Failure;
use super::output::{self, Table};
use crate::run::{FileState, Module};

/// Check that the files of a module are as they were written.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave verify digits-1/3-8
  cleave verify ./3-8 --json

Every file is held against its length and SHA-256 in module.toml. Exit code 1 if one was changed.")]
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
    /// Whether no file is wrong.
    whole: bool,
    files: Vec<Row>,
    /// Files of which the module knows nothing.
    others: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    file: String,
    /// whole, no-sum (an older version of the program kept none) or wrong.
    state: &'static str,
    /// What is wrong with it.
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
        Some(problem) => Err(Failure::Failed(format!("the module is not as it was written: {problem}"))),
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
                "no-sum" => "not checked: an older version of cleave wrote the module without its sum",
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
