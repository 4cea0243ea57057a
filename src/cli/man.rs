//! `cleave man`.

use std::io::Write;
use std::path::PathBuf;

use clap_mangen::Man;

use super::error::Failure;
use super::output;
use crate::disk;

/// Print the manual, or write one manual page per command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave man | man -l -
  cleave man --to ~/.local/share/man/man1")]
pub(super) struct Args {
    /// Write one page per command into this directory instead
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// A manual page: file name and text.
type Page = (String, Vec<u8>);

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let mut command = super::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add_pages(command, &mut pages)?;
    let Some(directory) = args.to else {
        let mut stdout = std::io::stdout().lock();
        return Ok(pages.iter().try_for_each(|(_, text)| stdout.write_all(text))?);
    };
    disk::make_dir(&directory)?;
    for (name, text) in &pages {
        disk::write(&directory.join(name), text)?;
    }
    output::note(&format!("wrote {} pages to {}", pages.len(), directory.display()));
    Ok(())
}

/// Adds the page of a command, then those of its subcommands.
fn add_pages(command: clap::Command, pages: &mut Vec<Page>) -> Result<(), Failure> {
    let subcommands: Vec<clap::Command> = command.get_subcommands().cloned().collect();
    let man = Man::new(command);
    let mut text = Vec::new();
    man.render(&mut text)?;
    pages.push((man.get_filename(), text));
    subcommands.into_iter().try_for_each(|command| add_pages(command, pages))
}
