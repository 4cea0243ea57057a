//! `cleave presets`.

mod cost;

use std::io::Write;

use clap::Subcommand;
use serde::Serialize;

use self::cost::CostReport;
use super::context::Context;
use super::error::Failure;
use super::output::{self, Table};
use crate::preset::{self, Listed, Override, Preset};

/// List presets, or show one.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  cleave presets
  cleave presets show digits
  cleave presets show paper-vgg16-cifar10 --cost")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List every preset, your own first (the default action)
    #[command(after_help = "Examples:
  cleave presets list
  cleave presets list --json")]
    List(ListArgs),
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Print a preset as TOML, with its base and all defaults filled in, or the cost of its network.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave presets show digits > mine.toml
  cleave presets show digits --set network.width=0.5 --cost
  cleave presets show ./mine.toml --json")]
struct ShowArgs {
    /// Preset: a name or the path of a TOML file
    preset: String,
    /// Change a value, such as `method.beta=2` (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Override>,
    /// Show parameters, kernels and multiply-accumulates (MACs) per layer instead
    #[arg(long)]
    cost: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `list --json` prints.
#[derive(Serialize)]
struct List {
    presets: Vec<Listed>,
}

/// What `show --json` prints; `cost` is null without `--cost`.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    description: &'a str,
    preset: &'a Preset,
    cost: Option<CostReport>,
}

pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.action.unwrap_or(Action::List(args.list)) {
        Action::List(args) => list(&args, context),
        Action::Show(args) => show(&args, context),
    }
}

fn list(args: &ListArgs, context: &Context) -> Result<(), Failure> {
    let presets = preset::list(&context.paths.presets());
    if args.json {
        return Ok(output::json(&List { presets })?);
    }
    let mut table = Table::new(&["preset", "origin", "description"]);
    for Listed { name, description, origin, problem } in presets {
        let text = problem.map_or(description, |problem| format!("cannot be read: {problem}"));
        table.row([name, origin, text]);
    }
    Ok(table.print()?)
}

fn show(args: &ShowArgs, context: &Context) -> Result<(), Failure> {
    let preset = Preset::find(&args.preset, &context.paths.presets(), &args.set)?;
    let cost = args.cost.then(|| CostReport::new(&preset)).transpose()?;
    if args.json {
        let (name, description) = (&preset.name, &preset.description);
        return Ok(output::json(&Shown { name, description, preset: &preset, cost })?);
    }
    match cost {
        Some(cost) => cost.print(),
        None => Ok(std::io::stdout().lock().write_all(preset.to_toml()?.as_bytes())?),
    }
}
