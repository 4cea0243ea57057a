//! `cleave paths`.

use super::context::Context;
use super::error::Failure;

/// paths
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: Args, _context: &Context) -> Result<(), Failure> {
    Ok(())
}
