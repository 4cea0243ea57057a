//! `cleave keys`.

use std::io::Write;

use super::context::Context;
use super::error::Failure;
use super::output;
use crate::disk;
use crate::export;
use crate::tui::keymap::{KEY_FILE, default_key_file};

/// Print the key bindings of the workbench as a key file to edit.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave keys
  cleave keys --write

An action in the key file has exactly the keys given there; all other actions keep their default keys. The
workbench reads the file on start and reports the line of any error.")]
pub(super) struct Args {
    /// Write the file to where the workbench reads it, if it does not exist
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
    output::note(&format!("wrote {}; the workbench reads it on start", path.display()));
    Ok(())
}
