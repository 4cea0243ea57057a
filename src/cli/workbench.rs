//! `cleave` without a command: the workbench, or plain training output where there is no terminal.

use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;

use super::context::Context;
use super::error::Failure;
use super::output;
use super::train;
use crate::backend::Choice;
use crate::tui::runtime::{self, Options};
use crate::tui::theme::{Charset, Theme};

/// The preset to train where there is no terminal.
const PRESET: &str = "digits";

/// Options of the workbench.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Device: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Colour theme: dark, light, colour-blind or mono; a change in the workbench is saved
    #[arg(long, value_name = "THEME", value_parser = named(Theme::ALL, Theme::name))]
    theme: Option<Theme>,
    /// Character set for drawing: braille, half or ascii
    #[arg(long, value_name = "CHARSET", value_parser = named(Charset::ALL, Charset::name))]
    charset: Option<Charset>,
    /// Do not capture the mouse
    #[arg(long)]
    no_mouse: bool,
}

/// Parses one of a list of named values.
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
            "stdin or stdout is not a terminal: training preset `{PRESET}` with plain output"
        ));
        let code = train::run(train::Args::of_preset(PRESET, args.device), context)?;
        output::note("run cleave in a terminal to open the workbench");
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
