//! `cleave devices`.

use indicatif::BinaryBytes;
use serde::Serialize;

use super::error::Failure;
use super::output::{self, Table};
use crate::backend::{self, Listed};

/// List what can be trained on, and why a GPU cannot be used.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave devices
  cleave train digits --device cuda:0")]
pub(super) struct Args {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints: a device's `problem` is null exactly if it can be used.
#[derive(Serialize)]
struct Report {
    devices: Vec<Listed>,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let report = Report { devices: backend::list() };
    if args.json {
        return Ok(output::json(&report)?);
    }
    let mut table = Table::new(&["device", "memory", "name", "state"]);
    for Listed { device, name, memory, problem } in report.devices {
        let memory = memory.map_or_else(|| "-".into(), |bytes| BinaryBytes(bytes).to_string());
        let name = if name.is_empty() { "-".into() } else { name };
        let state = problem.unwrap_or_else(|| "ready".into());
        table.row([device, memory, name, state]);
    }
    Ok(table.print()?)
}
