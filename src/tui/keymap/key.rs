//! Keys with modifiers: parsing, display and conversion from terminal events.

use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key: `x`, `X`, `ctrl-p`, `alt-left`, `shift-up`, `space`, `F1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// Keys with names.
const NAMES: [(&str, KeyCode); 16] = [
    ("space", KeyCode::Char(' ')),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
];

const MODIFIERS: [(&str, KeyModifiers); 3] =
    [("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT), ("shift-", KeyModifiers::SHIFT)];

impl Key {
    fn new(code: KeyCode, modifiers: KeyModifiers) -> Self {
        let known = modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        match code {
            // Terminals do not distinguish ctrl-p from ctrl-P, and only some report shift with capital letters.
            KeyCode::Char(c) if known.contains(KeyModifiers::CONTROL) => {
                Key { code: KeyCode::Char(c.to_ascii_lowercase()), modifiers: known - KeyModifiers::SHIFT }
            }
            KeyCode::Char(_) | KeyCode::BackTab => Key { code, modifiers: known - KeyModifiers::SHIFT },
            _ => Key { code, modifiers: known },
        }
    }

    /// The key name most similar to a text.
    pub(super) fn nearest(text: &str) -> Option<&'static str> {
        let distance = |name: &str| strsim::osa_distance(name, &text.to_ascii_lowercase());
        let nearest = NAMES.iter().map(|(name, _)| *name).min_by_key(|name| distance(name))?;
        (distance(nearest) <= 2).then_some(nearest)
    }
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        Key::new(event.code, event.modifiers)
    }
}

/// The text does not name a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKey;

impl FromStr for Key {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let (mut rest, mut modifiers) = (text, KeyModifiers::NONE);
        while let Some((name, modifier)) = MODIFIERS.iter().find(|(name, _)| rest.starts_with(name)) {
            (rest, modifiers) = (&rest[name.len()..], modifiers | *modifier);
        }
        let mut characters = rest.chars();
        let code = match (characters.next(), characters.next()) {
            (Some(single), None) if !single.is_control() && !single.is_whitespace() => KeyCode::Char(single),
            (Some(_), Some(_)) => {
                let name = rest.to_ascii_lowercase();
                let named = NAMES.iter().find(|(own, _)| *own == name).map(|(_, code)| *code);
                let function = || name.strip_prefix('f')?.parse().ok().filter(|n| (1..=24).contains(n));
                named.or_else(|| function().map(KeyCode::F)).ok_or(NoKey)?
            }
            _ => return Err(NoKey),
        };
        Ok(Key::new(code, modifiers))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, modifier) in MODIFIERS {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        match (self.code, NAMES.iter().find(|(_, code)| *code == self.code)) {
            (_, Some((name, _))) => f.write_str(name),
            (KeyCode::Char(c), _) => write!(f, "{c}"),
            (KeyCode::F(n), _) => write!(f, "F{n}"),
            (code, _) => write!(f, "{code:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_written_as_people_write_them() {
        for text in ["x", "X", "ctrl-p", "alt-left", "shift-up", "space", "F12", "-", "ctrl--", "é"] {
            assert_eq!(text.parse::<Key>().unwrap().to_string(), text);
        }
        for text in ["", "ctrl-", "F0", "F25", "hyper-x", "enterr", " ", "ab"] {
            assert_eq!(text.parse::<Key>(), Err(NoKey), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "(ctrl-|alt-|shift-)?([a-zA-Z0-9?:/]|enter|space|F[1-9]|pageup)") {
            let key: Key = text.parse().unwrap();
            prop_assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        }

        #[test]
        fn any_text_is_a_key_or_not(text in ".{0,12}") {
            if let Ok(key) = text.parse::<Key>() {
                prop_assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
            }
        }
    }
}
