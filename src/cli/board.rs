//! What `cleave train --tensorboard` writes while it trains.

use std::path::Path;

use super::error::Failure;
use super::output;
use crate::export::tensorboard::Live;
use crate::run::{Event, Run};

/// An event file that is fed with a session's events; nothing where none was asked for.
pub(super) struct Board(Option<Live>);

impl Board {
    pub(super) fn create(directory: Option<&Path>, run: &Run) -> Result<Board, Failure> {
        Ok(Board(directory.map(|directory| Live::create(directory, &run.manifest)).transpose()?))
    }

    /// Writes what the event has to show. A file that cannot be written any more stops no training: it is said
    /// once, and no more is written.
    pub(super) fn event(&mut self, event: &Event) {
        let Some(live) = &mut self.0 else { return };
        if let Err(failure) = live.event(event) {
            output::note(&format!("warning: no more is written for TensorBoard: {failure}"));
            self.0 = None;
        }
    }
}
