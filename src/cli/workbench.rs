//! `cleave` without a command: the workbench, or without a terminal the same experiment with plain lines.

use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;

use super::context::Context;
use super::error::Failure;
use super::output;
use super::train;
use crate::backend::Choice;
use crate::tui::runtime::{self, Options};
use crate::tui::theme::{Charset, Theme};

/// The preset that is trained where there is no terminal.
const PRESET: &str = "digits";

/// Options of the workbench.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to train: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Colours: dark, light, colour-blind or mono; kept for the next start when changed in the workbench
    #[arg(long, value_name = "THEME", value_parser = named(Theme::ALL, Theme::name))]
    theme: Option<Theme>,
    /// Characters to draw with: braille, half or ascii
    #[arg(long, value_name = "CHARSET", value_parser = named(Charset::ALL, Charset::name))]
    charset: Option<Charset>,
    /// Leave the mouse to the terminal
    #[arg(long)]
    no_mouse: bool,
}

/// Reads one of some named values.
fn named<T: Copy + Send + Sync + 'static, const N: usize>(
    all: [T; N],
    name: fn(T) -> &'static str,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let found = all.into_iter().find(|value| name(*value) == text);
        found.ok_or_else(|| format!("choose one of {}", all.map(name).join(", ")))
    }
}

pub(super) fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if dumb || !stdin().is_terminal() || !stdout().is_terminal() {
        output::note(&format!(
            "this is no terminal for the workbench: training {PRESET} with plain lines instead"
        ));
        let code = train::run(train::Args::of_preset(PRESET, args.device), context)?;
        output::note("for the workbench, run cleave in a terminal");
        return Ok(code);
    }
    let options = Options {
        paths: context.paths.clone(),
        device: args.device,
        theme: args.theme,
        charset: args.charset,
        mouse: args.no_mouse.then_some(false),
    };
    runtime::run(&options).map(ExitCode::from).map_err(|error| Failure::Failed(error.to_string()))
}
