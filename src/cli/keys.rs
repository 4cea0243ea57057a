//! `cleave keys`.

use std::io::Write;

use super::context::Context;
use super::error::Failure;
use super::output;
use crate::disk;
use crate::export;
use crate::tui::keymap::{KEY_FILE, default_key_file};

/// Print the keys of the workbench, as a key file to change.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave keys
  cleave keys --write

An action that a key file names has the keys given there and no others; what it does not name stays as it is. The
workbench reads the file when it starts, and says which line is wrong if one is.")]
pub(super) struct Args {
    /// Write the file where the workbench reads it, unless there is one
    #[arg(long)]
    write: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let path = context.paths.config.join(KEY_FILE);
    if !args.write {
        std::io::stdout().lock().write_all(default_key_file().as_bytes())?;
        output::note(&format!("the workbench reads {}", path.display()));
        return Ok(());
    }
    disk::make_dir(&context.paths.config)?;
    export::write(&path, default_key_file().as_bytes(), false)?;
    output::note(&format!("the keys are in {}; the workbench reads it when it starts", path.display()));
    Ok(())
}
