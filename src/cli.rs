//! The command line: parses arguments, calls the library, prints text or JSON. One file per subcommand.
//!
//! Results go to stdout, messages and progress to stderr. With `--json` the last line of stdout is one JSON
//! object. Exit codes: 0 ok, 1 failure, 2 usage, 3 training diverged, 4 run locked by another process, 130 after
//! SIGINT, 143 after SIGTERM, 129 after SIGHUP (terminal closed).

mod bench;
mod board;
mod completions;
mod compose;
mod context;
mod data;
mod devices;
mod error;
mod evaluate;
mod export;
mod extract;
mod import;
mod keys;
mod man;
mod modules;
mod output;
mod paths;
mod predict;
mod presets;
mod progress;
mod replace;
mod report;
mod runs;
mod signals;
mod train;
mod verify;
mod workbench;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use context::Context;
use error::Failure;

use crate::backend;

/// Train convolutional networks that can be decomposed into modules, one per class.
#[derive(Debug, Parser)]
#[command(name = "cleave", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
#[command(
    after_help = "Without a command the workbench opens: train, monitor and steer runs and extract modules, in the terminal.

Examples:
  cleave                                       open the workbench
  cleave train digits                          train the embedded example
  cleave modules latest                        one row per class: kernels, retention, size
  cleave extract latest --classes 3,8          extract the module of two classes
  cleave predict latest photo.png              classify an image with it

`cleave paths` lists where files are kept; CLEAVE_HOME moves all of them."
)]
struct Cli {
    #[command(flatten)]
    workbench: workbench::Args,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::Args),
    Runs(runs::Args),
    Modules(modules::Args),
    Extract(extract::Args),
    Compose(compose::Args),
    Replace(replace::Args),
    Evaluate(evaluate::Args),
    Predict(predict::Args),
    Export(export::Args),
    Report(report::Args),
    Verify(verify::Args),
    Import(import::Args),
    Data(data::Args),
    Presets(presets::Args),
    Paths(paths::Args),
    Keys(keys::Args),
    Devices(devices::Args),
    Bench(bench::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help written to a closed pipe is not an error.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match dispatch(cli) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// The complete command tree, for the manual pages and the shell completions.
fn command() -> clap::Command {
    Cli::command()
}

fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let done = |result: Result<(), Failure>| result.map(|()| ExitCode::SUCCESS);
    let context = Context::find()?;
    backend::keep_tuning(&context.paths.tuning());
    let Some(command) = cli.command else { return workbench::run(cli.workbench, &context) };
    match command {
        Command::Train(args) => train::run(args, &context),
        Command::Runs(args) => done(runs::run(args, &context)),
        Command::Modules(args) => done(modules::run(args, &context)),
        Command::Extract(args) => done(extract::run(args, &context)),
        Command::Compose(args) => done(compose::run(args, &context)),
        Command::Replace(args) => done(replace::run(&args, &context)),
        Command::Evaluate(args) => done(evaluate::run(args, &context)),
        Command::Predict(args) => done(predict::run(args, &context)),
        Command::Export(args) => done(export::run(args, &context)),
        Command::Report(args) => done(report::run(&args, &context)),
        Command::Verify(args) => done(verify::run(&args, &context)),
        Command::Import(args) => import::run(args, &context),
        Command::Data(args) => done(data::run(args, &context)),
        Command::Presets(args) => done(presets::run(args, &context)),
        Command::Paths(args) => done(paths::run(args, &context)),
        Command::Keys(args) => done(keys::run(&args, &context)),
        Command::Devices(args) => done(devices::run(args)),
        Command::Bench(args) => done(bench::run(args)),
        Command::Completions(args) => done(completions::run(args)),
        Command::Man(args) => done(man::run(args)),
    }
}
