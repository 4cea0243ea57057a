//! State shared by all screens.

use std::time::Duration;

use super::action::Action;
use super::keymap::Keymap;
use super::live::Live;
use super::message::{Load, RunRow};
use super::theme::{Charset, Depth, Look, Theme};

/// State that belongs to no single screen.
#[derive(Debug, Default)]
pub struct Shared {
    /// The colour theme.
    pub theme: Theme,
    /// The character set for drawing.
    pub charset: Charset,
    /// The terminal's colour depth.
    pub depth: Depth,
    /// Terminal size in columns and rows.
    pub size: (u16, u16),
    /// Time since the program started.
    pub now: Duration,
    /// The device for training once known, and why another one was not chosen.
    pub device: Option<(String, Option<String>)>,
    /// All runs once listed, or the error.
    pub runs: Option<Result<Vec<RunRow>, String>>,
    /// Names of the runs marked for comparison, in marking order.
    pub marked: Vec<String>,
    /// The run opened on dashboard and modules screen; `None` for the live one.
    pub open: Option<String>,
    /// The run being trained.
    pub live: Option<Live>,
    /// CPU and GPU load.
    pub load: Load,
    /// The key bindings.
    pub keymap: Keymap,
}

impl Shared {
    /// The key of an action, for use in messages.
    pub fn key(&self, action: Action) -> String {
        self.keymap.key(action)
    }

    /// The look for drawing.
    pub fn look(&self) -> Look {
        Look { theme: self.theme, charset: self.charset, depth: self.depth }
    }

    /// The run shown on dashboard and modules screen: the opened one, else the live one.
    pub fn current(&self) -> Option<&str> {
        self.open.as_deref().or_else(|| self.live.as_ref().map(|live| live.run()))
    }

    /// The session of the shown run, if it has not ended.
    pub fn session(&self) -> Option<&Live> {
        self.live.as_ref().filter(|live| live.ended.is_none() && self.current() == Some(live.run()))
    }

    /// Whether a session is running, shown or not.
    pub fn is_training(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.ended.is_none())
    }
}
