//! `cleave devices`.

use indicatif::BinaryBytes;
use serde::Serialize;

use super::error::Failure;
use super::output::{self, Table};
use crate::backend::{self, Listed};

/// List the devices, and why a GPU cannot be used.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave devices
  cleave train digits --device cuda:0")]
pub(super) struct Args {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints. A device's `problem` is null if and only if it can be used.
#[derive(Serialize)]
struct Report {
    devices: Vec<Listed>,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let report = Report { devices: backend::list() };
    if args.json {
        return Ok(output::json(&report)?);
    }
    let mut table = Table::new(&["device", "memory", "capability", "driver", "NVRTC", "name", "state"]);
    let or_dash = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".into());
    for listed in report.devices {
        table.row([
            listed.device,
            or_dash(listed.memory.map(|bytes| BinaryBytes(bytes).to_string())),
            or_dash(listed.compute_capability),
            or_dash(listed.driver),
            or_dash(listed.nvrtc),
            or_dash(Some(listed.name)),
            listed.problem.unwrap_or_else(|| "ready".into()),
        ]);
    }
    Ok(table.print()?)
}
