//! Messages to the user: toasts shown for a few seconds, and the log that keeps them.

use std::collections::VecDeque;
use std::time::Duration;

use super::theme::Role;

/// Lines that the log pane keeps.
const KEPT: usize = 500;

/// Maximum number of toasts shown at once.
const SHOWN: usize = 3;

/// The tone of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Only in the log.
    Quiet,
    /// Neutral information.
    Plain,
    /// Success.
    Good,
    /// A warning.
    Warn,
    /// An error.
    Bad,
}

/// A message that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Time since the start of the program.
    pub at: Duration,
    /// Its tone.
    pub tone: Tone,
    /// Its text.
    pub text: String,
}

/// The message history, bounded.
#[derive(Debug, Default)]
pub struct Notices {
    log: VecDeque<Notice>,
    toasts: VecDeque<Notice>,
    new: Vec<Notice>,
}

impl Tone {
    /// Its style.
    pub fn role(self) -> Role {
        match self {
            Tone::Quiet => Role::Dim,
            Tone::Plain => Role::Text,
            Tone::Good => Role::Good,
            Tone::Warn => Role::Warn,
            Tone::Bad => Role::Bad,
        }
    }

    /// A prefix character, so that the tone does not depend on colour.
    pub fn sign(self) -> &'static str {
        match self {
            Tone::Quiet | Tone::Plain => " ",
            Tone::Good => "+",
            Tone::Warn => "!",
            Tone::Bad => "x",
        }
    }

    /// How long a toast is shown.
    fn stays(self) -> Duration {
        match self {
            Tone::Quiet => Duration::ZERO,
            Tone::Plain | Tone::Good => Duration::from_secs(4),
            Tone::Warn => Duration::from_secs(7),
            Tone::Bad => Duration::from_secs(12),
        }
    }
}

impl Notices {
    /// Shows a message. A repeated message does not create a second toast.
    pub fn say(&mut self, at: Duration, tone: Tone, text: &str) {
        let notice = Notice { at, tone, text: text.to_owned() };
        if tone != Tone::Quiet {
            self.toasts.retain(|toast| toast.text != notice.text);
            self.toasts.push_back(notice.clone());
            self.toasts.drain(..self.toasts.len().saturating_sub(SHOWN));
        }
        self.new.push(notice.clone());
        self.log.push_back(notice);
        self.log.drain(..self.log.len().saturating_sub(KEPT));
    }

    /// Removes toasts that begin with a prefix, because a newer message replaces them.
    pub fn dismiss(&mut self, beginning: &str) {
        self.toasts.retain(|toast| !toast.text.starts_with(beginning));
    }

    /// Removes expired toasts; returns whether there were any.
    pub fn expire(&mut self, now: Duration) -> bool {
        let before = self.toasts.len();
        self.toasts.retain(|toast| now < toast.at + toast.tone.stays());
        self.toasts.len() != before
    }

    /// The messages since the last call, for the log file.
    pub fn take_new(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.new)
    }

    /// Toasts on the screen, oldest first.
    pub fn toasts(&self) -> impl DoubleEndedIterator<Item = &Notice> {
        self.toasts.iter()
    }

    /// The log, oldest first.
    pub fn log(&self) -> impl DoubleEndedIterator<Item = &Notice> + ExactSizeIterator {
        self.log.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toasts_fade_and_the_log_keeps_them() {
        let mut notices = Notices::default();
        notices.say(Duration::ZERO, Tone::Good, "saved");
        notices.say(Duration::ZERO, Tone::Bad, "failed");
        assert!(!notices.expire(Duration::from_secs(3)));
        assert!(notices.expire(Duration::from_secs(5)));
        assert_eq!(notices.toasts().map(|toast| toast.text.as_str()).collect::<Vec<_>>(), ["failed"]);
        assert_eq!(notices.log().len(), 2);
    }

    #[test]
    fn neither_toasts_nor_the_log_grow_without_end() {
        let mut notices = Notices::default();
        for n in 0..2 * KEPT {
            notices.say(Duration::ZERO, Tone::Plain, &n.to_string());
        }
        assert_eq!((notices.toasts().count(), notices.log().len()), (SHOWN, KEPT));
    }
}
