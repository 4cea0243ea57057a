//! The command line that does without the workbench what the shown run did.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::preset::{Preset, embedded};
use crate::run::Manifest;
use crate::tui::command::{option, quoted};
use crate::tui::curves::Curves;

/// How the shown run is made again.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The command line.
    pub text: String,
    /// A file that it names and that must hold this preset: one that is not in the program under its name.
    pub preset: Option<(PathBuf, String)>,
}

/// What makes a run again. `parent`: the preset of the run that it is a branch of; `file`: where its own preset
/// may be written. `None` where the parent is gone, or has a value that no option takes away.
pub fn line(manifest: &Manifest, curves: &Curves, parent: Option<&Preset>, file: PathBuf) -> Option<Line> {
    let own = &manifest.preset;
    if let Some(of) = &manifest.parent {
        let text =
            format!("cleave train --branch {} --step {}{}", quoted(&of.run), of.step, sets(parent?, own)?);
        return Some(Line { text, preset: None });
    }
    let (preset, set, written) = match original(own).and_then(|original| sets(&original, own)) {
        Some(set) => (own.name.clone(), set, None),
        None => (file.display().to_string(), String::new(), Some((file, own.to_toml().ok()?))),
    };
    let text = match &curves.imported {
        Some(weights) => format!("cleave import {}{}{set}", quoted(weights), option("preset", &preset)),
        None => format!("cleave train {}{set}", quoted(&preset)),
    };
    Some(Line { text, preset: written })
}

/// The preset of the same name in the program.
fn original(preset: &Preset) -> Option<Preset> {
    let (name, text) = embedded().find(|(name, _)| *name == preset.name)?;
    Preset::parse(text, name, &[]).ok()
}

/// The options that make one preset of another; none where it takes a value to be taken away.
fn sets(before: &Preset, now: &Preset) -> Option<String> {
    let (before, now) = (leaves(before)?, leaves(now)?);
    if before.keys().any(|key| !now.contains_key(key)) {
        return None;
    }
    // Keys without a dot are name and description.
    let changed = now.iter().filter(|(key, value)| before.get(*key) != Some(value) && key.contains('.'));
    Some(changed.map(|(key, value)| option("set", &format!("{key}={value}"))).collect())
}

/// Keys with dots and values of a preset, all defaults included.
fn leaves(preset: &Preset) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let table = preset.to_toml().ok()?.parse::<toml::Table>().ok()?;
    gather("", &toml::Value::Table(table), &mut found);
    Some(found)
}

fn gather(key: &str, value: &toml::Value, found: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                gather(&key, value, found);
            }
        }
        value => {
            found.insert(key.to_owned(), value.to_string());
        }
    }
}
