//! Key bindings: the defaults of the action table, overridden by the user's key file.

mod file;
mod key;

use std::collections::HashMap;

use crossterm::event::KeyEvent;

use super::action::{Action, Screen, TABLE};

pub use file::{Error, default_key_file};
pub use key::Key;

/// Name of the user's key file in the configuration directory.
pub const KEY_FILE: &str = "keys.toml";

/// The key bindings of every screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    actions: HashMap<(Screen, Key), Action>,
    /// In display order.
    keys: HashMap<Action, Vec<Key>>,
}

impl Default for Keymap {
    fn default() -> Self {
        let keys = TABLE.iter().map(|entry| {
            let keys = entry.keys.iter().filter_map(|text| text.parse().ok());
            (entry.action, keys.collect())
        });
        Keymap::new(keys.collect())
    }
}

impl Keymap {
    fn new(keys: HashMap<Action, Vec<Key>>) -> Self {
        let pairs = TABLE.iter().flat_map(|entry| {
            let keys = keys.get(&entry.action).into_iter().flatten();
            keys.map(|key| ((entry.screen, *key), entry.action))
        });
        Keymap { actions: pairs.collect(), keys }
    }

    /// The action of a key on a screen: the screen's own binding, or else the global one.
    pub fn action(&self, screen: Screen, key: KeyEvent) -> Option<Action> {
        let key = Key::from(key);
        let find = |screen| self.actions.get(&(screen, key)).copied();
        find(screen).or_else(|| find(Screen::Everywhere))
    }

    /// The keys of an action, as text.
    pub fn keys(&self, action: Action) -> impl Iterator<Item = String> {
        self.keys.get(&action).into_iter().flatten().map(Key::to_string)
    }

    /// The first key of an action, for use in messages; for an action without keys, its name in the palette.
    pub fn key(&self, action: Action) -> String {
        let first = self.keys(action).next();
        first.unwrap_or_else(|| format!("the command `{}`", action.entry().title))
    }

    /// The key that the key bar shows for an action: the shortest one bound on this screen.
    pub fn shown(&self, screen: Screen, action: Action) -> Option<String> {
        let own = action.entry().screen;
        let hidden = |key: &Key| own == Screen::Everywhere && self.actions.contains_key(&(screen, *key));
        self.keys.get(&action)?.iter().find(|key| !hidden(key)).map(Key::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::{KeyCode, KeyModifiers};

    #[test]
    fn no_key_has_two_meanings_on_a_screen() {
        let keymap = Keymap::default();
        let total: usize = TABLE.iter().map(|entry| entry.keys.len()).sum();
        assert_eq!(keymap.actions.len(), total);
    }

    #[test]
    fn a_screens_meaning_of_a_key_comes_before_that_of_everywhere() {
        let keymap = Keymap::default();
        let enter = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
        assert_eq!(keymap.action(Screen::Dashboard, enter), Some(Action::ExpandChart));
        assert_eq!(keymap.action(Screen::Home, enter), Some(Action::Accept));
    }

    #[test]
    fn capitals_are_keys_of_their_own_whether_the_terminal_says_shift_or_not() {
        let keymap = Keymap::default();
        for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
            let key = KeyEvent::new(KeyCode::Char('T'), modifiers);
            assert_eq!(keymap.action(Screen::Home, key), Some(Action::NextTheme));
        }
        let small = KeyEvent::new(KeyCode::Char('t'), KeyModifiers::NONE);
        assert_eq!(keymap.action(Screen::Home, small), Some(Action::TagRun));
    }
}
