//! `cleave completions`.

use std::io::Write;

use clap_complete::Shell;

use super::error::Failure;

/// Print a script that completes commands and options in a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave completions bash > ~/.local/share/bash-completion/completions/cleave
  cleave completions zsh > ~/.zfunc/_cleave
  cleave completions fish > ~/.config/fish/completions/cleave.fish")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    // Generated into memory: on a closed pipe the generator would panic.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "cleave", &mut script);
    Ok(std::io::stdout().lock().write_all(&script)?)
}
