//! The command line that reproduces the shown run.

use std::path::PathBuf;

use crate::export::command::{branch, option, quoted, set_of_own};
use crate::preset::Preset;
use crate::run::Manifest;
use crate::tui::curves::Curves;

/// How to reproduce the shown run.
#[derive(Clone, Debug, PartialEq)]
pub struct Reproduction {
    /// The command line.
    pub text: String,
    /// A file that it refers to and the preset to write there, if the preset is not built in.
    pub preset: Option<(PathBuf, String)>,
}

/// The command line that reproduces a run. `parent` is the preset of its parent run, `file` a path for its own
/// preset. `None` if it is a branch whose parent no longer exists.
pub fn line(
    manifest: &Manifest,
    curves: &Curves,
    parent: Option<&Preset>,
    file: PathBuf,
) -> Option<Reproduction> {
    let own = &manifest.preset;
    if let Some(of) = &manifest.parent {
        return Some(Reproduction { text: branch(of, own, Some(parent?)), preset: None });
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
    Some(Reproduction { text, preset: written })
}
