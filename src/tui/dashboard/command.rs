//! The command line that does without the workbench what the shown run did.

use std::collections::BTreeMap;

use crate::preset::{Preset, embedded};
use crate::run::Manifest;
use crate::tui::command::quoted;

/// How the shown run is trained again.
pub fn line(manifest: &Manifest) -> String {
    let mut words = vec!["cleave".to_owned(), "train".to_owned()];
    match &manifest.parent {
        Some(parent) => words.extend([
            "--branch".to_owned(),
            quoted(&parent.run),
            "--step".to_owned(),
            parent.step.to_string(),
        ]),
        None => words.push(quoted(&manifest.preset.name)),
    }
    for (key, value) in changed(&manifest.preset) {
        words.extend(["--set".to_owned(), quoted(&format!("{key}={value}"))]);
    }
    words.join(" ")
}

/// Values that differ from the preset of the same name in the program.
fn changed(preset: &Preset) -> Vec<(String, String)> {
    let found = embedded().find(|(name, _)| *name == preset.name);
    let original = found.and_then(|(name, text)| Preset::parse(text, name, &[]).ok());
    let Some(original) = original else { return Vec::new() };
    let (before, now) = (leaves(&original), leaves(preset));
    let differs = |(key, value): &(String, String)| before.get(key) != Some(value);
    now.into_iter().filter(differs).filter(|(key, _)| key.contains('.')).collect()
}

/// Keys with dots and values of a preset, all defaults included.
fn leaves(preset: &Preset) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if let Some(table) = preset.to_toml().ok().and_then(|text| text.parse::<toml::Table>().ok()) {
        gather("", &toml::Value::Table(table), &mut found);
    }
    found
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
