//! `cleave runs remove`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::super::output;
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::run::Store;

/// Permanently remove runs with their checkpoints and modules.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave runs remove digits-1
  cleave runs remove beta-2 beta-4 --yes")]
pub(super) struct Args {
    /// Runs: a name, a unique prefix of it, `latest`, or a path
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let store = &context.store;
    let mut paths = Vec::new();
    for query in &args.runs {
        let path = store.resolve(query)?;
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    if !args.yes && !agreed(&paths)? {
        output::note("nothing was removed");
        return Ok(());
    }
    for path in &paths {
        store.remove(&query_of(path, store))?;
        output::note(&format!("removed {}", path.display()));
    }
    Ok(())
}

/// A query that finds exactly the run at `path`. It is the name, because a damaged run cannot be found by path.
fn query_of(path: &Path, store: &Store) -> String {
    match path.file_name() {
        Some(name) if path.parent() == Some(store.directory()) => name.to_string_lossy().into_owned(),
        _ => path.to_string_lossy().into_owned(),
    }
}

fn agreed(paths: &[PathBuf]) -> Result<bool, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::Usage("cannot prompt: stdin is not a terminal; pass --yes".into()));
    }
    for path in paths {
        output::note(&format!("  {}", path.display()));
    }
    eprint!("remove {}, with all checkpoints and modules? [y/N] ", counted(paths.len()));
    std::io::stderr().flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn counted(runs: usize) -> String {
    if runs == 1 { "this run".into() } else { format!("these {runs} runs") }
}
