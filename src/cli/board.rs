//! The live event file of `cleave train --tensorboard`.

use std::path::Path;

use super::error::Failure;
use super::output;
use crate::export::tensorboard::Live;
use crate::run::{Event, Run};

/// A TensorBoard event file fed with a session's events; `None` without `--tensorboard`.
pub(super) struct Board(Option<Live>);

impl Board {
    pub(super) fn create(directory: Option<&Path>, run: &Run) -> Result<Board, Failure> {
        Ok(Board(directory.map(|directory| Live::create(directory, &run.manifest)).transpose()?))
    }

    /// Writes an event. A write error does not stop training: it is reported once, and writing ends.
    pub(super) fn event(&mut self, event: &Event) {
        let Some(live) = &mut self.0 else { return };
        if let Err(failure) = live.event(event) {
            output::note(&format!("warning: TensorBoard output stopped: {failure}"));
            self.0 = None;
        }
    }
}
