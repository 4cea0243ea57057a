//! What all screens know.

use std::time::Duration;

use super::action::Action;
use super::keymap::Keymap;
use super::live::Live;
use super::message::{Load, RunRow};
use super::theme::{Charset, Depth, Look, Theme};

/// State that belongs to no single screen. Screens read it; `App` writes it.
#[derive(Debug, Default)]
pub struct Shared {
    /// Colours and modifiers.
    pub theme: Theme,
    /// Which characters draw.
    pub charset: Charset,
    /// Colours that the terminal has.
    pub depth: Depth,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Time since the program started.
    pub now: Duration,
    /// Where training would run, once known, and why not elsewhere.
    pub device: Option<(String, Option<String>)>,
    /// All runs, once listed; or why that failed.
    pub runs: Option<Result<Vec<RunRow>, String>>,
    /// Names of the runs marked for comparison, in the order of marking.
    pub marked: Vec<String>,
    /// The run that is open on dashboard and modules screen, if it is not the live one.
    pub open: Option<String>,
    /// The run in training.
    pub live: Option<Live>,
    /// Load of this computer.
    pub load: Load,
    /// Which key does what.
    pub keymap: Keymap,
}

impl Shared {
    /// The key of an action, for texts that name it.
    pub fn key(&self, action: Action) -> String {
        self.keymap.key(action)
    }

    /// What panels need to know to draw.
    pub fn look(&self) -> Look {
        Look { theme: self.theme, charset: self.charset, depth: self.depth }
    }

    /// The run that dashboard and modules screen show: the opened one, else the one in training.
    pub fn current(&self) -> Option<&str> {
        self.open.as_deref().or_else(|| self.live.as_ref().map(|live| live.run()))
    }

    /// The session, if it is the shown run's and has not ended.
    pub fn session(&self) -> Option<&Live> {
        self.live.as_ref().filter(|live| live.ended.is_none() && self.current() == Some(live.run()))
    }

    /// Whether a session is going on, shown or not.
    pub fn is_training(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.ended.is_none())
    }
}
