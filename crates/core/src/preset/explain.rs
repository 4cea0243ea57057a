//! What a reader's error means to the person who wrote the preset.

use std::ops::Range;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::{Modules, NetworkConfig, Phase, Training};
use crate::data::DataConfig;
use crate::method::MethodConfig;

/// A mistake whose text is still to be found.
pub(super) struct Explained {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) label: String,
    pub(super) help: String,
}

/// The candidate that a name was probably meant to be.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let name = plain(name);
    candidates
        .into_iter()
        .map(|candidate| (likeness(&name, &plain(candidate)), candidate))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// One slip of the finger counts as much as no slip, in short names too.
fn likeness(a: &str, b: &str) -> f64 {
    if strsim::damerau_levenshtein(a, b) <= 1 { 1.0 } else { strsim::jaro_winkler(a, b) }
}

/// Explains why `tree` is no preset; a mistake without a place is shown at `top`.
pub(super) fn explain(error: toml::de::Error, tree: &DeTable<'_>, top: usize) -> Explained {
    let path = path(&error);
    let method = tree.get("method").and_then(|method| method.get_ref().as_table());
    let narrowed = method.filter(|_| path == "method").and_then(|method| narrow(method, error.message()));
    let (key, span) = narrowed.unwrap_or_else(|| (None, error.span().unwrap_or(top..top)));
    let path = key.map_or(path.clone(), |key| format!("{path}.{key}"));
    match Problem::read(error.message(), &path) {
        Problem::UnknownKey { found, mut known } => {
            if path.is_empty() && found != "base" {
                known.push("base".into());
            }
            let elsewhere = home(&found, &path);
            unknown(span, format!("unknown key `{found}`{}", inside(&path)), elsewhere, &found, &known)
        }
        Problem::UnknownValue { found, known } => {
            unknown(span, format!("`{path}` cannot be {found:?}"), None, &found, &known)
        }
        Problem::Missing { key } => Explained {
            span,
            message: format!("missing key `{key}`{}", inside(&path)),
            label: format!("`{key}` is missing here"),
            help: String::new(),
        },
        Problem::WrongType { found, expected } => Explained {
            span,
            message: format!("`{path}` is {found}; it must be {expected}"),
            label: format!("must be {expected}"),
            help: String::new(),
        },
        Problem::Other(message) => Explained {
            span,
            message: if path.is_empty() { message } else { format!("`{path}`: {message}") },
            label: "here".into(),
            help: String::new(),
        },
    }
}

/// serde's and toml's messages, taken apart.
enum Problem {
    UnknownKey { found: String, known: Vec<String> },
    UnknownValue { found: String, known: Vec<String> },
    Missing { key: String },
    WrongType { found: String, expected: String },
    Other(String),
}

impl Problem {
    fn read(message: &str, path: &str) -> Problem {
        if let Some(rest) = message.strip_prefix("unknown field `") {
            let (found, known) = found_and_known(rest);
            return Problem::UnknownKey { found, known };
        }
        if let Some(rest) = message.strip_prefix("unknown variant `") {
            let (found, known) = found_and_known(rest);
            return Problem::UnknownValue { found, known };
        }
        let unexpected = message.strip_prefix("unexpected keys in table: ");
        if let Some((found, known)) = unexpected.and_then(|rest| rest.rsplit_once(", available keys: ")) {
            let found = found.split(", ").next().unwrap_or(found);
            return Problem::UnknownKey {
                found: found.into(),
                known: known.split(", ").map(str::to_owned).collect(),
            };
        }
        if let Some(key) = message.strip_prefix("missing field `") {
            return Problem::Missing { key: key.trim_end_matches('`').into() };
        }
        if message.starts_with("wanted exactly 1 element") {
            let what = match path.starts_with("phase") {
                true => "what trains is one choice, such as { layers = [\"conv0\"] }",
                false => "a stage is one kind with its settings, such as { conv = { kernels = 32 } }",
            };
            return Problem::Other(what.into());
        }
        let invalid = message.strip_prefix("invalid type: ").or(message.strip_prefix("invalid value: "));
        match invalid.and_then(|rest| rest.rsplit_once(", expected ")) {
            Some((found, expected)) => {
                Problem::WrongType { found: found.into(), expected: in_words(expected) }
            }
            None => Problem::Other(message.into()),
        }
    }
}

/// Takes "x`, expected one of `a`, `b`" apart.
fn found_and_known(rest: &str) -> (String, Vec<String>) {
    let end = rest.find("`, expected ").or(rest.find("`, there are no")).unwrap_or(rest.len());
    let (found, expected) = rest.split_at(end);
    let known = expected.split('`').skip(2).step_by(2).map(str::to_owned).collect();
    (found.into(), known)
}

fn in_words(expected: &str) -> String {
    match expected {
        "usize" | "u64" => "a whole number of at least 0".into(),
        "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a string" | "path string" => "a string, in quotes".into(),
        "a sequence" => "a list, in [ ]".into(),
        _ if expected.starts_with("struct ") || expected.contains("tagged enum") => "a table".into(),
        _ => expected.into(),
    }
}

fn unknown(
    span: Range<usize>,
    message: String,
    elsewhere: Option<String>,
    found: &str,
    known: &[String],
) -> Explained {
    let near = elsewhere.or_else(|| nearest(found, known.iter().map(String::as_str)).map(str::to_owned));
    let label = near.map_or("not known here".into(), |near| format!("did you mean `{near}`?"));
    let help = match known {
        [] => "nothing more can be set here".into(),
        _ => format!("known here: {}", known.join(", ")),
    };
    Explained { span, message, label, help }
}

fn inside(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" in `{path}`") }
}

/// The dotted key of a setting that was written into `path`, which is not its table.
fn home(key: &str, path: &str) -> Option<String> {
    let tables = [
        ("data", keys::<DataConfig>("{ '?' = 0 }")),
        ("network", keys::<NetworkConfig>("{ '?' = 0 }")),
        ("method", keys_of_methods()),
        ("training", keys::<Training>("{ '?' = 0 }")),
        ("phase", keys::<Phase>("{ epochs = 1, '?' = 0 }")),
        ("modules", keys::<Modules>("{ '?' = 0 }")),
    ];
    let holds = |keys: &[String]| keys.iter().any(|known| known == key);
    let (table, _) = tables.iter().find(|(table, keys)| *table != path && holds(keys))?;
    Some(format!("{table}.{key}"))
}

/// The keys of all methods.
fn keys_of_methods() -> Vec<String> {
    let keys =
        |method: MethodConfig| keys::<MethodConfig>(&format!("{{ name = '{}', '?' = 0 }}", method.name()));
    MethodConfig::all().into_iter().flat_map(keys).collect()
}

/// A table's keys: serde lists them when it meets one that it does not know.
fn keys<T: DeserializeOwned>(unknown: &str) -> Vec<String> {
    let error = ValueDeserializer::parse(unknown).and_then(T::deserialize).err();
    match error.map(|error| Problem::read(error.message(), "")) {
        Some(Problem::UnknownKey { known, .. }) => known,
        _ => Vec::new(),
    }
}

/// The dotted key in whose value an error arose; toml tells it in the last line of its text only.
fn path(error: &toml::de::Error) -> String {
    let text = error.to_string();
    let path = text.trim_end().rsplit_once("\nin `").and_then(|(_, path)| path.strip_suffix('`'));
    path.unwrap_or_default().to_owned()
}

/// serde reads a table whose kind hangs on one of its keys through a copy without spans, so an error in it
/// has none. The key that is to blame is the one with which alone the error is the same.
fn narrow(method: &DeTable<'_>, message: &str) -> Option<(Option<String>, Range<usize>)> {
    let name = method.get_key_value("name");
    let others = method.iter().filter(|(key, _)| key.get_ref() != "name");
    name.into_iter().chain(others).find_map(|(key, value)| {
        let alone: DeTable<'_> =
            name.into_iter().chain([(key, value)]).map(|(key, value)| (key.clone(), value.clone())).collect();
        let error =
            MethodConfig::deserialize(ValueDeserializer::from(Spanned::new(0..0, DeValue::Table(alone))))
                .err()?;
        let same = error.message() == message;
        match Problem::read(message, "method") {
            Problem::UnknownKey { .. } => same.then(|| (None, key.span())),
            Problem::Missing { .. } => None,
            _ => same.then(|| (Some(key.get_ref().to_string()), value.span())),
        }
    })
}
