//! Bases, a file and `--set`s laid over each other. The texts lie end to end in one range of offsets, so that
//! the span of a value in the merged tree says both in which text it was written and where.

use std::ops::Range;
use std::path::Path;

use miette::NamedSource;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::Preset;
use super::error::{Error, Mistake};
use super::explain::{Explained, explain};
use super::library::{BaseError, Found, find_base};

/// Texts, each with its name and its first offset.
#[derive(Default)]
pub(super) struct Sources<'i>(Vec<(&'i str, &'i str, usize)>);

impl<'i> Sources<'i> {
    /// Reads another text; the spans of what it gives count from the start of the first one.
    pub(super) fn add(&mut self, origin: &'i str, text: &'i str) -> Result<DeTable<'i>, Error> {
        let start = self.0.last().map_or(0, |(_, text, start)| start + text.len() + 1);
        self.0.push((origin, text, start));
        match DeTable::parse(text) {
            Ok(table) => Ok(shifted_table(table.into_inner(), start)),
            Err(error) => {
                let span = shift(error.span().unwrap_or(0..0), start);
                Err(self.mistake(span, &format!("this is not TOML: {}", error.message()), "here", ""))
            }
        }
    }

    /// A mistake at `span`, of which only the first line is shown.
    fn mistake(&self, span: Range<usize>, message: &str, label: &str, help: &str) -> Error {
        let (origin, text, start) =
            self.0.iter().rev().find(|(_, _, start)| *start <= span.start).copied().unwrap_or_default();
        // miette shows no line for the end of a text: what is missing there is shown at the last character.
        let from = text.floor_char_boundary((span.start - start).min(text.len().saturating_sub(1)));
        let to = text.ceil_char_boundary((span.end - start).clamp(from, text.len()));
        let length = text[from..to].find('\n').unwrap_or(to - from);
        Error::Written(Box::new(Mistake {
            message: message.to_owned(),
            label: label.to_owned(),
            help: (!help.is_empty()).then(|| help.to_owned()),
            text: NamedSource::new(origin, text.to_owned()),
            span: (from, length).into(),
        }))
    }

    fn explained(&self, what: Explained) -> Error {
        self.mistake(what.span, &what.message, &what.label, &what.help)
    }

    /// Finds where the value that an [`Error::Value`] complains of was written, if it was.
    fn located(&self, error: Error, tree: &DeTable<'_>) -> Error {
        match &error {
            Error::Value { key, message, help } => match span_of(tree, key) {
                Some(span) => self.mistake(span, message, "here", help.as_deref().unwrap_or_default()),
                None => error,
            },
            _ => error,
        }
    }
}

/// Reads `first`, its bases and changes (TOML, with what messages call it) into a checked preset.
pub(super) fn read(
    first: Found,
    user_dir: Option<&Path>,
    changes: &[(String, &str)],
) -> Result<Preset, Error> {
    let name = first.stem();
    let mut chain = vec![first];
    while let Some(base) = base(&chain, user_dir)? {
        chain.push(base);
    }
    let mut sources = Sources::default();
    let mut tree = DeTable::new();
    for (depth, found) in chain.iter().enumerate().rev() {
        let mut layer = sources.add(&found.origin, &found.text)?;
        layer.remove("base");
        if depth > 0 {
            layer.remove("name");
            layer.remove("description");
        }
        merge(&mut tree, layer);
    }
    let top = sources.0.last().map_or(0, |(_, _, start)| *start);
    let mut layer = DeTable::new();
    for (origin, change) in changes {
        merge(&mut layer, sources.add(origin, change)?);
    }
    let epochs_given = has_epochs(&layer);
    merge(&mut tree, layer);
    let whole = Spanned::new(top..top, DeValue::Table(tree.clone()));
    let mut preset = Preset::deserialize(ValueDeserializer::from(whole))
        .map_err(|error| sources.explained(explain(error, &tree, top)))?;
    if preset.name.is_empty() {
        preset.name = name;
    }
    fit_phases(&mut preset, &tree, epochs_given);
    preset.check().map_err(|error| sources.located(error, &tree))?;
    Ok(preset)
}

fn has_epochs(tree: &DeTable<'_>) -> bool {
    tree.get("training").is_some_and(|table| {
        table.get_ref().as_table().is_some_and(|training| training.contains_key("epochs"))
    })
}

/// Of a preset with phases the epochs are their sum, unless they are written too. With `--set training.epochs=N` the
/// phases are fitted to it.
fn fit_phases(preset: &mut Preset, tree: &DeTable<'_>, epochs_given: bool) {
    if preset.phase.is_empty() {
        return;
    }
    if epochs_given {
        preset.set_epochs(preset.training.epochs);
    } else if !has_epochs(tree) {
        preset.training.epochs = preset.phase.iter().map(|phase| phase.epochs).sum();
    }
}

/// What the last preset of `chain` is based on.
fn base(chain: &[Found], user_dir: Option<&Path>) -> Result<Option<Found>, Error> {
    let Some(last) = chain.last() else { return Ok(None) };
    let mut sources = Sources::default();
    let table = sources.add(&last.origin, &last.text)?;
    let Some(base) = table.get("base") else { return Ok(None) };
    let DeValue::String(name) = base.get_ref() else {
        let message = "`base` must be the name or the path of a preset, in quotes";
        return Err(sources.mistake(base.span(), message, "here", ""));
    };
    find_base(name, chain, user_dir).map(Some).map_err(|error| {
        let (message, help) = match error {
            BaseError::Unknown(help) => (format!("there is no preset {name:?} to be based on"), help),
            BaseError::Unreadable(error) => (format!("the base is missing: {error}"), String::new()),
            BaseError::Cycle => {
                let chain: Vec<&str> = chain.iter().map(|found| found.origin.as_str()).collect();
                (format!("presets are based on each other: {} -> {name}", chain.join(" -> ")), String::new())
            }
        };
        sources.mistake(base.span(), &message, "here", &help)
    })
}

/// Lays `newer` over `older`, key by key; values and spans are the newer ones.
fn merge<'i>(older: &mut DeTable<'i>, newer: DeTable<'i>) {
    for (key, value) in newer {
        let span = value.span();
        let value = match (older.remove(key.get_ref().as_ref()).map(Spanned::into_inner), value.into_inner())
        {
            (Some(DeValue::Table(mut old)), DeValue::Table(new)) if !replaces(key.get_ref(), &old, &new) => {
                merge(&mut old, new);
                DeValue::Table(old)
            }
            // `phase.0.epochs` in a list of tables.
            (Some(DeValue::Array(mut old)), DeValue::Table(new)) if indexes(&new, old.len()) => {
                for (index, value) in new {
                    put(&mut old, index.get_ref(), value);
                }
                DeValue::Array(old)
            }
            (_, new) => new,
        };
        older.insert(key, Spanned::new(span, value));
    }
}

/// Whether all keys are places in a list of so many.
fn indexes(table: &DeTable<'_>, length: usize) -> bool {
    let is_place = |key: &str| key.parse::<usize>().is_ok_and(|index| index < length);
    !table.is_empty() && table.keys().all(|key| is_place(key.get_ref()))
}

/// Lays a value over one of a list.
fn put<'i>(list: &mut [Spanned<DeValue<'i>>], index: &str, value: Spanned<DeValue<'i>>) {
    let Some(place) = index.parse::<usize>().ok().and_then(|index| list.get_mut(index)) else { return };
    match (place.get_mut(), value) {
        (DeValue::Table(old), value) if value.get_ref().as_table().is_some() => {
            if let DeValue::Table(new) = value.into_inner() {
                merge(old, new);
            }
        }
        (_, value) => *place = value,
    }
}

/// Whether keys of the older table make no sense any more.
fn replaces(key: &str, old: &DeTable<'_>, new: &DeTable<'_>) -> bool {
    let named =
        |table: &DeTable<'_>| table.get("name").and_then(|name| name.get_ref().as_str().map(str::to_owned));
    let turns = |from: &str, to: &str| old.contains_key(from) && new.contains_key(to);
    match key {
        "method" => matches!((named(old), named(new)), (Some(old), Some(new)) if old != new),
        "network" => turns("architecture", "stages") || turns("stages", "architecture"),
        _ => false,
    }
}

/// The place of a dotted key's value, or of the innermost table around it that was written.
fn span_of(tree: &DeTable<'_>, key: &str) -> Option<Range<usize>> {
    let mut steps = key.split('.');
    let mut value = tree.get(steps.next()?)?;
    for step in steps {
        let inner = match value.get_ref() {
            DeValue::Table(table) => table.get(step),
            DeValue::Array(array) => step.parse::<usize>().ok().and_then(|index| array.get(index)),
            _ => None,
        };
        match inner {
            Some(inner) => value = inner,
            None => break,
        }
    }
    Some(value.span())
}

fn shift(span: Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}

fn shifted_table(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    let entries = table.into_iter().map(|(key, value)| {
        let span = shift(key.span(), by);
        (Spanned::new(span, key.into_inner()), shifted(value, by))
    });
    entries.collect()
}

fn shifted(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = shift(value.span(), by);
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(shifted_table(table, by)),
        DeValue::Array(array) => DeValue::Array(array.into_iter().map(|item| shifted(item, by)).collect()),
        other => other,
    };
    Spanned::new(span, value)
}
