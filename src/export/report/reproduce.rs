//! The commands and files that make a run and its modules again.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::document::{Block, Document};
use crate::export::error::Error;
use crate::export::history::History;
use crate::run::{Ancestor, Manifest, ModuleManifest, Origin, Parent};
use crate::train::{Change, Schedule};

pub(super) fn section(history: &History, page: &mut Document) -> Result<(), Error> {
    let manifest = &history.manifest;
    let id = &manifest.id;
    page.heading(3, "To do it again");
    page.text(format!("With cleave {} and the preset below in {id}.toml:", manifest.program));
    let schedule = schedule(history);
    let mut commands = vec![beginning(history, &schedule, page)];
    let mut modules: Vec<&ModuleManifest> = history.modules.iter().collect();
    // What is made of modules comes after them.
    modules.sort_by_key(|module| (origin(module) != Origin::Extracted, &module.created));
    commands.extend(modules.iter().map(|module| making(id, module)));
    commands.push(format!("cleave report {id} --to report"));
    let others = modules.iter().flat_map(|module| parents(module)).map(|parent| &parent.run);
    let others: BTreeSet<&str> = others.filter(|run| *run != id).map(String::as_str).collect();
    if !others.is_empty() {
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        page.text(format!("Modules of other runs are among the parents; make these runs first: {others}."));
    }
    page.blocks.push(Block::Code("Commands".into(), commands.join("\n") + "\n"));
    page.blocks.push(Block::Code(format!("{id}.toml, the preset as used"), manifest.preset.to_toml()?));
    if !schedule.change.is_empty() {
        let text = toml::to_string(&schedule).map_err(crate::preset::Error::Write)?;
        page.blocks.push(Block::Code(format!("{id}-schedule.toml, what was changed on the way"), text));
    }
    Ok(())
}

/// The command that makes the run.
fn beginning(history: &History, schedule: &Schedule, page: &mut Document) -> String {
    let Manifest { id, device, parent, .. } = &history.manifest;
    if let Some((file, sha256)) = history.imported() {
        page.text(format!("The weights are those of the file {file} with the SHA-256 {sha256}."));
        return format!("cleave import {} --preset {id}.toml --name {id} --device {device}", quoted(file));
    }
    let source = match parent {
        None => format!("{id}.toml"),
        Some(Parent { run, step }) => {
            page.text(format!(
                "The run branched off {run} after step {step}; make that one first and stop it there."
            ));
            format!("--branch {run}")
        }
    };
    let replay = match schedule.change.is_empty() {
        true => String::new(),
        false => format!(" --schedule {id}-schedule.toml"),
    };
    format!("cleave train {source} --name {id} --device {device}{replay}")
}

/// The changes of settings that the event log tells of.
fn schedule(history: &History) -> Schedule {
    let change = |(step, text): (u64, &str)| Some(Change { step, set: text.parse().ok()? });
    Schedule { change: history.changes().into_iter().filter_map(change).collect() }
}

fn origin(module: &ModuleManifest) -> Origin {
    module.card.as_ref().map_or(Origin::Extracted, |card| card.origin)
}

fn parents(module: &ModuleManifest) -> &[Ancestor] {
    module.card.as_ref().map_or(&[], |card| &card.parents)
}

/// The command that makes a module.
fn making(run: &str, module: &ModuleManifest) -> String {
    let name = |parent: &Ancestor| match &parent.module {
        Some(module) => format!("{}/{module}", parent.run),
        None => parent.run.clone(),
    };
    let parents: Vec<String> = parents(module).iter().map(name).collect();
    let mut command = match (origin(module), parents.as_slice()) {
        (Origin::Composed, parents) => compose(parents, module),
        (Origin::Replaced, [weak, donor, ..]) => {
            let class = module.card.as_ref().and_then(|card| card.replaced).unwrap_or_default();
            format!("cleave replace --in {weak} --class {class} --with {donor}")
        }
        _ => extract(run, module),
    };
    let _ = write!(command, " --name {}", module.name);
    if origin(module) != Origin::Replaced
        && let Some(licence) = module.card.as_ref().map(|card| &card.licence).filter(|text| !text.is_empty())
    {
        let _ = write!(command, " --licence {}", quoted(licence));
    }
    command
}

fn compose(parents: &[String], module: &ModuleManifest) -> String {
    let join = match module.is_side_by_side() {
        true => "--join logits".to_owned(),
        false => format!("--join union --fine-tune {}", module.fine_tune_epochs),
    };
    format!("cleave compose {} {join}", parents.join(" "))
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// Classes are given by number: a name may hold anything.
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
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_word_of_a_shell() {
        assert_eq!((quoted("MIT"), quoted("it's $HOME")), ("MIT".into(), "'it'\\''s $HOME'".into()));
    }
}
