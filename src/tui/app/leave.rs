//! Leaving: with a question while a run is in training or being prepared or work goes on in the background, and
//! never without a checkpoint of the run.

use std::time::Duration;

use super::{App, Overlay};
use crate::tui::action::Action;
use crate::tui::message::Effect;
use crate::tui::say::Tone;
use crate::tui::widget::{Answer, Dialog};

/// Two interrupts within this time leave.
const TWICE: Duration = Duration::from_secs(2);

/// Exit code after SIGINT.
const INTERRUPTED: u8 = 130;

/// The program is on its way out and waits for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// With this exit code.
    pub code: u8,
    /// Since when.
    pub since: Duration,
}

impl App {
    /// Ctrl-c: asks first, leaves the second time.
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

    /// Leaves, after a question if something would be lost.
    pub(super) fn quit(&mut self) -> Vec<Effect> {
        if !self.shared.is_training() {
            return match self.would_be_lost() {
                Some(what) => self.ask_whether(&what),
                None => self.leave(0),
            };
        }
        let run = self.shared.live.as_ref().map(|live| live.run()).unwrap_or_default();
        let text = format!(
            "{run} is in training.\nWith a checkpoint it goes on from this step at the next start: \
             choose it in the list of runs and press {}.",
            self.shared.key(Action::ResumeRun)
        );
        let buttons = [
            ('s', "save a checkpoint and quit"),
            ('d', "drop what came after the last checkpoint"),
            ('n', "stay"),
        ];
        self.overlay = Some(Overlay::Quit(Dialog::ask("Quit", &text, &buttons)));
        Vec::new()
    }

    /// What is going on that leaving would discard, where no run is in training.
    fn would_be_lost(&self) -> Option<String> {
        let work = match self.unfinished {
            0 => None,
            1 => Some("work in the background is not done".to_owned()),
            n => Some(format!("{n} pieces of work in the background are not done")),
        };
        let launch = self.launching.as_ref().map(|what| format!("{what} is being prepared"));
        let all: Vec<String> = launch.into_iter().chain(work).collect();
        (!all.is_empty()).then(|| all.join(", and "))
    }

    fn ask_whether(&mut self, what: &str) -> Vec<Effect> {
        let text = format!("{what}: it would be lost.");
        self.overlay = Some(Overlay::Quit(Dialog::confirm("Quit", &text, "quit all the same")));
        Vec::new()
    }

    /// The question was answered. The second button is there only while a run is in training.
    pub(super) fn quit_answered(&mut self, answer: Answer) -> Vec<Effect> {
        match answer {
            Answer::Open => return Vec::new(),
            Answer::Chosen(0) => return self.leave(0),
            Answer::Chosen(1) if self.shared.is_training() => return vec![Effect::Abort(0)],
            Answer::Chosen(_) | Answer::Cancelled => self.overlay = None,
        }
        Vec::new()
    }

    /// The system asks to end: nobody is left to answer a question. It may ask in several ways at once, by
    /// a signal and by a terminal that is gone.
    pub(super) fn end_asked(&mut self, why: &str, code: u8) -> Vec<Effect> {
        self.say(Tone::Warn, &format!("{why}: ending"));
        match self.leaving {
            Some(_) => Vec::new(),
            None => self.leave(code),
        }
    }

    /// Has the session save a checkpoint and end, and the program after it.
    fn leave(&mut self, code: u8) -> Vec<Effect> {
        self.overlay = None;
        self.leaving = Some(Leaving { code, since: self.shared.now });
        vec![Effect::Quit(code)]
    }
}
