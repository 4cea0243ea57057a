//! The key file: one line per action, `new-run = "n"` or `quit = ["q", "ctrl-q"]`.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as ValueError;
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Key, Keymap};
use crate::tui::action::{Action, Screen, TABLE};

/// An error in a key file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}:{line}: {what}", path.display())]
pub struct Error {
    path: PathBuf,
    line: usize,
    what: String,
}

impl Action {
    /// Its name in the key file.
    pub fn name(self) -> String {
        let mut name = String::new();
        for character in format!("{self:?}").chars() {
            if character.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(character.to_ascii_lowercase());
        }
        name
    }

    fn from_name(name: &str) -> Option<Action> {
        let text: serde::de::value::StrDeserializer<'_, ValueError> = name.into_deserializer();
        Action::deserialize(text).ok()
    }
}

impl Keymap {
    /// The default key bindings, with those of a key file replacing the defaults of the actions it lists. A key that the
    /// file binds is removed from unlisted actions of the same screen.
    ///
    /// # Errors
    ///
    /// When the file is not TOML, has an unknown action or key, or binds a key to two actions of a screen. The message
    /// has the line and the most similar name.
    pub fn read(text: &str, path: &Path) -> Result<Keymap, Error> {
        let fault = |at: Range<usize>, what: String| {
            let line = text.get(..at.start).unwrap_or(text).matches('\n').count() + 1;
            Error { path: path.into(), line, what }
        };
        let table = DeTable::parse(text)
            .map_err(|error| fault(error.span().unwrap_or_default(), error.message().to_owned()))?;
        let mut named = Vec::new();
        for (name, value) in table.get_ref() {
            let action = Action::from_name(name.get_ref().as_ref())
                .ok_or_else(|| fault(name.span(), no_action(name.get_ref().as_ref())))?;
            let mut keys = Vec::new();
            for value in values(value) {
                let DeValue::String(text) = value.get_ref() else {
                    return Err(fault(value.span(), "a key must be a string such as \"ctrl-p\"".into()));
                };
                keys.push((
                    text.parse::<Key>().map_err(|_| fault(value.span(), no_key(text.as_ref())))?,
                    value.span(),
                ));
            }
            named.push((action, keys));
        }
        let mut taken: HashMap<(Screen, Key), Action> = HashMap::new();
        for (action, keys) in &named {
            for (key, span) in keys {
                if let Some(other) =
                    taken.insert((action.entry().screen, *key), *action).filter(|other| other != action)
                {
                    let what = format!("{key} is already bound to `{}` on the same screen", other.name());
                    return Err(fault(span.clone(), what));
                }
            }
        }
        let mut keys = Keymap::default().keys;
        for (action, keys) in &mut keys {
            keys.retain(|key| !taken.contains_key(&(action.entry().screen, *key)));
        }
        keys.extend(
            named.into_iter().map(|(action, keys)| (action, keys.into_iter().map(|(key, _)| key).collect())),
        );
        Ok(Keymap::new(keys))
    }
}

/// A single value counts as a list of one.
fn values<'a, 'i>(value: &'a Spanned<DeValue<'i>>) -> Vec<&'a Spanned<DeValue<'i>>> {
    match value.get_ref() {
        DeValue::Array(array) => array.iter().collect(),
        _ => vec![value],
    }
}

fn no_action(name: &str) -> String {
    let names = TABLE.iter().map(|entry| entry.action.name());
    let nearest = names.min_by_key(|own| strsim::osa_distance(own, name)).unwrap_or_default();
    format!("there is no action `{name}`; the nearest is `{nearest}`")
}

fn no_key(text: &str) -> String {
    let nearest = Key::nearest(text.rsplit('-').next().unwrap_or(text));
    let nearest = nearest.map(|name| format!("; the nearest is \"{name}\"")).unwrap_or_default();
    format!(
        "\"{text}\" is not a key; keys are written as x, X, ctrl-p, alt-left, shift-up, space, F1{nearest}"
    )
}

/// A key file with the default bindings.
pub fn default_key_file() -> String {
    let mut text = String::from(
        "# Keys of the Cleave workbench. An action listed here has exactly these keys; all others keep their defaults.\n\
        # A screen's own key takes precedence over the same key for all screens. ctrl-c always quits.\n",
    );
    let mut screen = None;
    for entry in TABLE {
        // Writing to a string does not fail.
        if screen.replace(entry.screen) != Some(entry.screen) {
            let _ = writeln!(text, "\n# {}", entry.screen.title());
        }
        let keys: Vec<String> = entry.keys.iter().map(|key| format!("{key:?}")).collect();
        let line = format!("{} = [{}]", entry.action.name(), keys.join(", "));
        let _ = writeln!(text, "{line:<40} # {}", entry.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Keymap, String> {
        Keymap::read(text, Path::new("keys.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_default_file_changes_nothing() {
        assert_eq!(read(&default_key_file()), Ok(Keymap::default()));
        assert_eq!(read(""), Ok(Keymap::default()));
    }

    #[test]
    fn a_file_overrides_only_what_it_names() {
        let keymap = read("new-run = \"m\"\nquit = [\"ctrl-q\", \"Q\"]").unwrap();
        assert_eq!(keymap.keys(Action::NewRun).collect::<Vec<_>>(), ["m"]);
        assert_eq!(keymap.keys(Action::Quit).collect::<Vec<_>>(), ["ctrl-q", "Q"]);
        assert_eq!(keymap.keys(Action::MarkRun).collect::<Vec<_>>(), ["space"]);
    }

    #[test]
    fn a_key_that_is_given_away_leaves_its_old_action() {
        let keymap = read("new-run = \"d\"").unwrap();
        assert_eq!(keymap.keys(Action::DeleteRun).collect::<Vec<_>>(), ["delete"]);
        assert_eq!(keymap.keys(Action::DeleteModule).collect::<Vec<_>>(), ["d", "delete"]);
    }

    #[test]
    fn faults_say_where_they_are_and_what_comes_nearest() {
        let fault = |text: &str| read(text).unwrap_err();
        assert_eq!(
            fault("# keys\nnew-rnu = \"n\""),
            "keys.toml:2: there is no action `new-rnu`; the nearest is `new-run`"
        );
        assert!(fault("quit = \"ctrl-entr\"").ends_with("the nearest is \"enter\""));
        assert_eq!(fault("quit = [\"q\", 3]"), "keys.toml:1: a key must be a string such as \"ctrl-p\"");
        assert_eq!(
            fault("new-run = \"x\"\ntag-run = \"x\""),
            "keys.toml:2: x is already bound to `new-run` on the same screen"
        );
        assert!(fault("quit = ").starts_with("keys.toml:1: "));
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_refused(text in "(([a-z-]{1,12}|new-run|quit) = (\"[a-z-]{0,8}\"|\\[\"q\"\\]|3)\n){0,4}.{0,10}") {
            let _ = read(&text);
        }
    }
}
