//! The command line that does without the workbench what the shown run did.

use std::path::PathBuf;

use crate::export::command::{branch, option, quoted, set_of_own};
use crate::preset::Preset;
use crate::run::Manifest;
use crate::tui::curves::Curves;

/// How the shown run is made again.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The command line.
    pub text: String,
    /// A file that it names and that must hold this preset: one that the program has not under its name.
    pub preset: Option<(PathBuf, String)>,
}

/// What makes a run again. `parent`: the preset of the run that it is a branch of; `file`: where its own preset
/// may be written. `None` where the parent is gone.
pub fn line(manifest: &Manifest, curves: &Curves, parent: Option<&Preset>, file: PathBuf) -> Option<Line> {
    let own = &manifest.preset;
    if let Some(of) = &manifest.parent {
        return Some(Line { text: branch(of, own, Some(parent?)), preset: None });
    }
    let (preset, set, written) = match set_of_own(own) {
        Some(set) => (own.name.clone(), set, None),
        None => (file.display().to_string(), String::new(), Some((file, own.to_toml().ok()?))),
    };
    let text = match &curves.imported {
        Some(from) => {
            let format = from.format.map_or_else(String::new, |format| option("format", format.name()));
            let names = from.names.as_ref().map_or_else(String::new, |names| option("map", &names.file));
            let preset = option("preset", &preset);
            format!("cleave import {}{format}{preset}{names}{set}", quoted(&from.file))
        }
        None => format!("cleave train {}{set}", quoted(&preset)),
    };
    Some(Line { text, preset: written })
}
