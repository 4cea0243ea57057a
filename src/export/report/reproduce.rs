//! The commands and files that make a run and its modules again.

use std::fmt::Write;

use super::document::{Block, Document};
use crate::export::error::Error;
use crate::export::history::History;
use crate::run::{ModuleManifest, Origin};
use crate::train::{Change, Schedule};

pub(super) fn section(history: &History, page: &mut Document) -> Result<(), Error> {
    let manifest = &history.manifest;
    let id = &manifest.id;
    page.heading(3, "To do it again");
    page.text(format!("With cleave {} and the preset below in {id}.toml:", manifest.program));
    let schedule = schedule(history);
    let replay =
        if schedule.change.is_empty() { String::new() } else { format!(" --schedule {id}-schedule.toml") };
    let mut commands = match &manifest.parent {
        None => format!("cleave train {id}.toml --name {id}{replay}\n"),
        Some(parent) => {
            page.text(format!(
                "The run branched off {} after step {}; make that one first and stop it there.",
                parent.run, parent.step
            ));
            format!("cleave train --branch {} --name {id}{replay}\n", parent.run)
        }
    };
    for module in &history.modules {
        let _ = writeln!(commands, "{}", extraction(id, module));
    }
    let _ = writeln!(commands, "cleave report {id} --to report");
    page.blocks.push(Block::Code("Commands".into(), commands));
    page.blocks.push(Block::Code(format!("{id}.toml, the preset as used"), manifest.preset.to_toml()?));
    if !schedule.change.is_empty() {
        let text = toml::to_string(&schedule).map_err(crate::preset::Error::Write)?;
        page.blocks.push(Block::Code(format!("{id}-schedule.toml, what was changed on the way"), text));
    }
    Ok(())
}

/// The changes of settings that the event log tells of.
fn schedule(history: &History) -> Schedule {
    let change = |(step, text): (u64, &str)| Some(Change { step, set: text.parse().ok()? });
    Schedule { change: history.changes().into_iter().filter_map(change).collect() }
}

/// Classes are given by number: a name may hold anything.
fn extraction(run: &str, module: &ModuleManifest) -> String {
    let origin = module.card.as_ref().map_or(Origin::Extracted, |card| card.origin);
    let parents = module.card.iter().flat_map(|card| &card.parents);
    let parents: Vec<String> = parents
        .map(|p| p.module.as_ref().map_or(p.run.clone(), |module| format!("{}/{module}", p.run)))
        .collect();
    match (origin, parents.as_slice()) {
        (Origin::Composed, parents) => format!("cleave compose {} --name {}", parents.join(" "), module.name),
        (Origin::Replaced, [weak, donor, ..]) => {
            let class = module.class_indices.first().copied().unwrap_or_default();
            format!("cleave replace --in {weak} --class {class} --with {donor} --name {}", module.name)
        }
        _ => extract(run, module),
    }
}

fn extract(run: &str, module: &ModuleManifest) -> String {
    let classes: Vec<String> = module.class_indices.iter().map(usize::to_string).collect();
    let mut command = format!(
        "cleave extract {run} --classes {} --threshold {} --fine-tune {}",
        classes.join(","),
        module.threshold,
        module.fine_tune_epochs
    );
    for (flag, given) in [(" --head-free", !module.head), (" --fold-masks", module.fold_masks)] {
        if given {
            command.push_str(flag);
        }
    }
    if !module.controls.is_empty() {
        let _ = write!(command, " --controls {}", module.controls.len());
    }
    let _ = write!(command, " --name {}", module.name);
    command
}
