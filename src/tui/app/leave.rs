//! Quitting. It asks first while a run trains or is being prepared or background jobs are running; a run is
//! checkpointed unless the user declines.

use std::time::Duration;

use super::{App, Overlay};
use crate::tui::action::Action;
use crate::tui::message::Effect;
use crate::tui::notices::Tone;
use crate::tui::widget::{Answer, Dialog};

/// Two interrupts within this time quit.
const TWICE: Duration = Duration::from_secs(2);

/// Exit code after SIGINT.
const INTERRUPTED: u8 = 130;

/// The program is quitting and waits for the session to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// The exit code.
    pub code: u8,
    /// When quitting started.
    pub since: Duration,
}

impl App {
    /// Ctrl-c: asks first; the second time it quits.
    pub(super) fn interrupt(&mut self) -> Vec<Effect> {
        if let Some(leaving) = self.leaving {
            return vec![Effect::Abort(leaving.code)];
        }
        let twice = self.interrupted.is_some_and(|before| self.shared.now.saturating_sub(before) <= TWICE);
        self.interrupted = Some(self.shared.now);
        match twice && self.overlay.as_ref().is_some_and(|overlay| matches!(overlay, Overlay::Quit(_))) {
            true => self.leave(INTERRUPTED),
            false => self.quit(),
        }
    }

    /// Quits, after a question if something would be lost.
    pub(super) fn quit(&mut self) -> Vec<Effect> {
        if !self.shared.is_training() {
            return match self.would_be_lost() {
                Some(what) => self.ask_whether(&what),
                None => self.leave(0),
            };
        }
        let run = self.shared.live.as_ref().map(|live| live.run()).unwrap_or_default();
        let text = format!(
            "{run} is training.\nSave a checkpoint to resume this run later ({} in the run list).",
            self.shared.key(Action::ResumeRun)
        );
        let buttons = [
            ('s', "save a checkpoint and quit"),
            ('d', "discard the steps since the last checkpoint and quit"),
            ('n', "cancel"),
        ];
        self.overlay = Some(Overlay::Quit(Dialog::ask("Quit", &text, &buttons)));
        Vec::new()
    }

    /// What quitting would discard while no run trains.
    fn would_be_lost(&self) -> Option<String> {
        let work = match self.unfinished {
            0 => None,
            1 => Some("a background task is still running".to_owned()),
            n => Some(format!("{n} background tasks are still running")),
        };
        let launch = self.launching.as_ref().map(|what| format!("{what} is in preparation"));
        let all: Vec<String> = launch.into_iter().chain(work).collect();
        (!all.is_empty()).then(|| all.join(", and "))
    }

    fn ask_whether(&mut self, what: &str) -> Vec<Effect> {
        let text = format!("{what}. Quitting cancels it.");
        self.overlay = Some(Overlay::Quit(Dialog::confirm("Quit", &text, "quit anyway")));
        Vec::new()
    }

    /// Handles the answer. The second button exists only while a run trains.
    pub(super) fn quit_answered(&mut self, answer: Answer) -> Vec<Effect> {
        match answer {
            Answer::Open => return Vec::new(),
            Answer::Chosen(0) => return self.leave(0),
            Answer::Chosen(1) if self.shared.is_training() => return vec![Effect::Abort(0)],
            Answer::Chosen(_) | Answer::Cancelled => self.overlay = None,
        }
        Vec::new()
    }

    /// A signal or a closed terminal requests the end: there is nobody to ask. Both may arrive for one cause.
    pub(super) fn end_asked(&mut self, why: &str, code: u8) -> Vec<Effect> {
        self.say(Tone::Warn, &format!("{why}: quitting"));
        match self.leaving {
            Some(_) => Vec::new(),
            None => self.leave(code),
        }
    }

    /// Lets the session save a checkpoint and stop, then quits.
    fn leave(&mut self, code: u8) -> Vec<Effect> {
        self.overlay = None;
        self.leaving = Some(Leaving { code, since: self.shared.now });
        vec![Effect::Quit(code)]
    }
}
