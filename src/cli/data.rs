//! `cleave data`.

mod check;
mod fetch;
mod list;
mod show;

use clap::Subcommand;

use super::context::Context;
use super::error::Failure;

/// List, fetch, check and show data sets.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  cleave data
  cleave data fetch cifar10
  cleave data check cifar10
  cleave data show digits")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: list::Args,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the known data sets and whether they are present (the default action)
    #[command(after_help = "Examples:
  cleave data list
  cleave data list --json")]
    List(list::Args),
    Fetch(fetch::Args),
    Check(check::Args),
    Show(show::Args),
}

pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.action.unwrap_or(Action::List(args.list)) {
        Action::List(args) => list::run(&args, context),
        Action::Fetch(args) => fetch::run(&args, context),
        Action::Check(args) => check::run(&args, context),
        Action::Show(args) => show::run(&args, context),
    }
}
