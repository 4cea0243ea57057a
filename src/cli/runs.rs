//! `cleave runs`.

mod list;
mod paper;
mod remove;
mod show;
mod text;

use std::time::Duration;

use clap::Subcommand;

use super::context::Context;
use super::error::Failure;

/// List, show and remove runs.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  cleave runs
  cleave runs show latest
  cleave runs remove digits-1 digits-2 --yes")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: list::Args,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all runs, newest first (the default action)
    #[command(after_help = "Examples:
  cleave runs list
  cleave runs list --json | jq -r '.runs[] | select(.status == \"finished\") | .run'

Cohesion, coupling and KRR are per-sample values on the validation split after the last epoch;
`cleave modules` and `cleave runs show` print the per-module values.")]
    List(list::Args),
    Show(show::Args),
    Remove(remove::Args),
}

pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.action.unwrap_or(Action::List(args.list)) {
        Action::List(args) => list::run(&args, context),
        Action::Show(args) => show::run(&args, context),
        Action::Remove(args) => remove::run(&args, context),
    }
}

/// An age in its largest fitting unit.
fn short(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} m", seconds / 60),
        seconds @ 3_600..86_400 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_the_largest_unit_that_fits() {
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (60, "1 m"), (7_300, "2 h"), (450_000, "5 d")] {
            assert_eq!(short(Duration::from_secs(seconds)), text);
        }
    }
}
