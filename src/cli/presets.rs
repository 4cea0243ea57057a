//! `cleave presets`.

use super::context::Context;
use super::error::Failure;

/// presets
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: Args, _context: &Context) -> Result<(), Failure> {
    Ok(())
}
