//! The state of the shown run, and what it permits.

use super::Dashboard;
use crate::run::{Event, Status};
use crate::tui::action::Action;
use crate::tui::shared::Shared;

/// The state of the shown run.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// No run is shown.
    Nothing,
    /// Its logs are being read.
    Loading,
    /// Its logs cannot be read.
    Unreadable(String),
    /// A session has started and sent no event yet.
    Starting,
    /// It is training in this process.
    Training,
    /// It is paused.
    Paused,
    /// It was asked to stop and is saving a checkpoint.
    Stopping,
    /// It completed its last epoch.
    Finished,
    /// It was stopped.
    Stopped,
    /// It ended without a final event.
    Interrupted,
    /// Training failed.
    Failed(String),
    /// It is training in another process.
    Elsewhere(String),
}

impl State {
    /// Determines the state of the shown run.
    pub fn of(dashboard: &Dashboard, shared: &Shared) -> State {
        let Some(run) = shared.current() else { return State::Nothing };
        if let Some(live) = shared.live.as_ref().filter(|live| live.run() == run) {
            return match &live.ended {
                Some(end) => State::ended(end),
                None if live.pending.values().any(|c| *c == crate::session::Command::Stop) => State::Stopping,
                None if live.paused => State::Paused,
                None if live.steps == 0 => State::Starting,
                None => State::Training,
            };
        }
        let listed = match &shared.runs {
            Some(Ok(rows)) => rows.iter().find(|row| row.entry.id == run),
            _ => None,
        };
        match (dashboard.opened(run), listed.map(|row| &row.entry)) {
            (Some(Err(why)), _) => State::Unreadable(why.to_owned()),
            (_, Some(entry)) if entry.status == Status::Running => {
                State::Elsewhere(entry.reason.clone().unwrap_or_else(|| "another process trains it".into()))
            }
            (None, _) => State::Loading,
            (Some(Ok(last)), _) => last.map_or(State::Interrupted, State::ended),
        }
    }

    fn ended(event: &Event) -> State {
        match event {
            Event::Finished { .. } => State::Finished,
            Event::Stopped { .. } => State::Stopped,
            Event::Failed { message, .. } => State::Failed(message.clone()),
            _ => State::Interrupted,
        }
    }

    /// A short name.
    pub fn word(&self) -> &'static str {
        match self {
            State::Nothing => "no run",
            State::Loading => "reading",
            State::Unreadable(_) => "unreadable",
            State::Starting => "starting",
            State::Training => "training",
            State::Paused => "paused",
            State::Stopping => "stopping",
            State::Finished => "finished",
            State::Stopped => "stopped",
            State::Interrupted => "interrupted",
            State::Failed(_) => "failed",
            State::Elsewhere(_) => "trained elsewhere",
        }
    }

    /// Whether it can be resumed from its newest checkpoint.
    pub fn can_resume(&self) -> bool {
        matches!(self, State::Stopped | State::Interrupted | State::Failed(_))
    }

    /// Why no command can be sent to its trainer; `None` if one can.
    pub fn silent(&self, shared: &Shared) -> Option<String> {
        let resume = shared.key(Action::PauseResume);
        Some(match self {
            State::Training | State::Paused => return None,
            State::Nothing => {
                format!("no run is open: start one with {} in the run list", shared.key(Action::NewRun))
            }
            State::Loading => "the run is being read".into(),
            State::Unreadable(why) => format!("the run cannot be read: {why}"),
            State::Starting => "training is being prepared".into(),
            State::Stopping => "the run is saving a checkpoint and stopping".into(),
            State::Finished => {
                format!("the run has finished; {} starts a branch from it", shared.key(Action::BranchHere))
            }
            State::Stopped => format!("the run has stopped; {resume} resumes it"),
            State::Interrupted => format!("the run was interrupted; {resume} resumes it"),
            State::Failed(_) => format!("the run failed; {resume} resumes it from its newest checkpoint"),
            State::Elsewhere(who) => format!("the run is trained by another process ({who})"),
        })
    }
}
