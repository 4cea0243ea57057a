//! What `cleave train --tensorboard` writes while it trains.

use std::path::Path;

use super::error::Failure;
use crate::export::tensorboard::Live;
use crate::run::Run;
use crate::train::Event;
use crate::train::kept_usage;

/// An event file that is fed with a session's events; nothing where none was asked for.
pub(super) struct Board(Option<(Live, Run)>);

impl Board {
    pub(super) fn create(directory: Option<&Path>, run: &Run) -> Result<Board, Failure> {
        let live = directory.map(|directory| Live::create(directory, &run.manifest)).transpose()?;
        Ok(Board(live.map(|live| (live, run.clone()))))
    }

    /// Writes what the event has to show. A file that cannot be written any more stops no training: it is said
    /// once, and no more is written.
    pub(super) fn event(&mut self, event: &Event) {
        let Some((live, run)) = &mut self.0 else { return };
        if let Err(failure) = write(live, run, event) {
            eprintln!("warning: no more is written for TensorBoard: {failure}");
            self.0 = None;
        }
    }
}

fn write(live: &mut Live, run: &Run, event: &Event) -> Result<(), Failure> {
    if let Event::Finished { step, .. } = event
        && let Some(usage) = kept_usage(run, *step)?
    {
        live.overlap(*step, &usage.modules(run.manifest.preset.modules.threshold)?)?;
    }
    Ok(live.event(event)?)
}
