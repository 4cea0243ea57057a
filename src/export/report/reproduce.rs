//! The commands and files that reproduce a run and its modules.

use std::collections::BTreeSet;

use super::document::{Block, Document};
use crate::export::command::{branch, extract, option, quoted};
use crate::export::error::Error;
use crate::export::history::History;
use crate::preset::Preset;
use crate::reuse::Request;
use crate::run::{Ancestor, Imported, Manifest, ModuleManifest, Origin, Parent, class_word};
use crate::session::{Change, Schedule};

pub(super) fn section(history: &History, page: &mut Document) -> Result<(), Error> {
    let manifest = &history.manifest;
    let id = &manifest.id;
    page.heading(3, "How to reproduce");
    // A branch starts from its parent's preset.
    let given = match manifest.parent {
        None => format!(" and the preset below in {id}.toml"),
        Some(_) => String::new(),
    };
    page.text(format!("With cleave {}{given}:", manifest.program));
    let schedule = schedule(history);
    let mut commands = vec![beginning(history, &schedule, page)];
    let mut modules: Vec<&ModuleManifest> = history.modules.iter().collect();
    // Composed modules come after the modules they are composed of.
    modules.sort_by_key(|module| (origin(module) != Origin::Extracted, &module.created));
    commands.extend(modules.iter().map(|module| making(manifest, module)));
    commands.push(format!("cleave report {} --to report", quoted(id)));
    let others = modules.iter().flat_map(|module| parents(module)).map(|parent| &parent.run);
    let others: BTreeSet<&str> = others.filter(|run| *run != id).map(String::as_str).collect();
    if !others.is_empty() {
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        page.text(format!("Some parents are modules of other runs; reproduce these runs first: {others}."));
    }
    page.blocks.push(Block::Code("Commands".into(), commands.join("\n") + "\n"));
    let preset = preset(history, page).to_toml()?;
    page.blocks.push(Block::Code(format!("{id}.toml, the preset as used"), preset));
    if let Some(names) = history.imported().and_then(|from| from.names.as_ref()) {
        page.blocks.push(Block::Code(format!("{}, the name map", names.file), names.text.clone()));
    }
    if !schedule.change.is_empty() {
        let text = toml::to_string(&schedule).map_err(crate::preset::Error::Write)?;
        page.blocks
            .push(Block::Code(format!("{id}-schedule.toml, the setting changes during training"), text));
    }
    Ok(())
}

/// The preset. An import does not use its epochs, but a preset must have at least one.
fn preset(history: &History, page: &mut Document) -> Preset {
    let mut preset = history.manifest.preset.clone();
    if history.imported().is_some() && preset.training.epochs == 0 {
        page.text("An import does not train: the epochs of the preset are not used.");
        preset.training.epochs = 1;
    }
    preset
}

/// The command that reproduces the run.
fn beginning(history: &History, schedule: &Schedule, page: &mut Document) -> String {
    let Manifest { id, device, parent, preset, .. } = &history.manifest;
    let file = quoted(&format!("{id}.toml"));
    let ending = option("name", id) + &option("device", device);
    if let Some(Imported { file: weights, sha256, format, names }) = history.imported() {
        page.text(format!("The weights were imported from the file {weights} with SHA-256 {sha256}."));
        let format = format.map_or_else(String::new, |format| option("format", format.name()));
        let names = names.as_ref().map_or_else(String::new, |names| option("map", &names.file));
        return format!("cleave import {}{format} --preset {file}{names}{ending}", quoted(weights));
    }
    let command = match parent {
        None => format!("cleave train {file}"),
        Some(parent) => {
            let Parent { run, step } = parent;
            page.text(format!(
                "The run branched from {run} after step {step}; reproduce that run first, and stop it at that step if it \
                does not keep the checkpoint."
            ));
            branch(parent, preset, history.before.as_ref())
        }
    };
    let replay = match schedule.change.is_empty() {
        true => String::new(),
        false => option("schedule", &format!("{id}-schedule.toml")),
    };
    command + &ending + &replay
}

/// The setting changes recorded in the event log.
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

/// The command that reproduces a module.
fn making(manifest: &Manifest, module: &ModuleManifest) -> String {
    let name = |parent: &Ancestor| match &parent.module {
        Some(module) => quoted(&format!("{}/{module}", parent.run)),
        None => quoted(&parent.run),
    };
    let parents: Vec<String> = parents(module).iter().map(name).collect();
    let mut command = match (origin(module), parents.as_slice()) {
        (Origin::Composed, parents) => compose(parents, module),
        (Origin::Replaced, [weak, donor, ..]) => {
            let class = module.card.as_ref().and_then(|card| card.replaced).unwrap_or_default();
            let class = option("class", &class_word(class, &manifest.classes));
            format!("cleave replace --in {weak}{class} --with {donor}{}", option("name", &module.name))
        }
        _ => match Request::of(module) {
            Ok(request) => extract(&manifest.id, &manifest.classes, &request),
            Err(why) => return format!("# {why}"),
        },
    };
    if origin(module) != Origin::Replaced
        && let Some(card) = &module.card
    {
        command.push_str(&option("licence", &card.licence));
    }
    command
}

fn compose(parents: &[String], module: &ModuleManifest) -> String {
    let join = match module.is_side_by_side() {
        true => "--join logits".to_owned(),
        false => format!("--join union --fine-tune {}", module.fine_tune_epochs),
    };
    format!("cleave compose {} {join}{}", parents.join(" "), option("name", &module.name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::export::history::fixture;
    use crate::run::Event;
    use crate::session::Setting;

    /// Captions and contents of the code blocks of a run.
    fn told(history: &History) -> Vec<(String, String)> {
        let mut page = Document { title: String::new(), blocks: Vec::new() };
        section(history, &mut page).unwrap();
        let code = page.blocks.into_iter().filter_map(|block| match block {
            Block::Code(caption, code) => Some((caption, code)),
            _ => None,
        });
        code.collect()
    }

    #[test]
    fn an_imported_run_is_made_again_from_its_file_with_a_preset_that_loads() {
        let mut history = fixture::history();
        history.manifest.preset.training.epochs = 0;
        let logged = r#"{"kind":"imported","step":0,"file":"odd.pth","sha256":"ab","format":"pytorch",
            "names":{"file":"my names.toml","text":"\"conv0\" = \"stem\"\n"}}"#;
        history.events.insert(0, serde_json::from_str(logged).unwrap());
        let told = told(&history);
        let command = "cleave import odd.pth --format pytorch --preset run-1.toml --map 'my names.toml' --name run-1 \
                       --device cpu\n";
        assert!(told[0].1.starts_with(command), "{}", told[0].1);
        let preset = Preset::parse(&told[1].1, "run-1.toml", &[]).unwrap();
        assert_eq!(preset.network, history.manifest.preset.network);
        assert_eq!(told[2], ("my names.toml, the name map".into(), "\"conv0\" = \"stem\"\n".into()));
    }

    #[test]
    fn an_import_that_an_older_program_logged_is_still_read() {
        let event: Event =
            serde_json::from_str(r#"{"kind":"imported","step":0,"file":"a.pth","sha256":"ab"}"#).unwrap();
        let from = Imported { file: "a.pth".into(), sha256: "ab".into(), format: None, names: None };
        assert_eq!(event, Event::Imported { step: 0, from });
    }

    #[test]
    fn a_branch_is_made_again_from_its_step_with_what_it_changed() {
        let mut history = fixture::history();
        history.manifest.parent = Some(Parent { run: "digits-1".into(), step: 40 });
        history.manifest.preset =
            Preset::find("digits", Path::new(""), &["method.beta=4".parse().unwrap()]).unwrap();
        let commands = &told(&history)[0].1;
        let begins =
            "cleave train --branch digits-1 --step 40 --set method.beta=4.0 --name run-1 --device cpu";
        assert!(commands.starts_with(begins), "{commands}");
    }

    #[test]
    fn a_change_that_no_checkpoint_held_is_not_made_again() {
        let logged = r#"
            {"kind":"applied","step":40,"change":"beta = 3.5"}
            {"kind":"checkpointed","step":40}
            {"kind":"started","step":40,"steps_per_epoch":20,"steps":80,"device":"cpu"}
            {"kind":"applied","step":40,"revision":1,"change":"beta = 8"}
            {"kind":"started","step":40,"steps_per_epoch":20,"steps":80,"device":"cpu"}
            {"kind":"applied","step":60,"revision":1,"change":"alpha = 2"}"#;
        let mut history = fixture::history();
        history.events = logged.trim().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let made = schedule(&history).change;
        let change =
            |step, name: &str, value| Change { step, set: Setting::Weight { name: name.into(), value } };
        assert_eq!(made, [change(40, "beta", 3.5), change(60, "alpha", 2.0)]);
    }

    #[test]
    fn classes_are_named_so_that_the_command_line_finds_them_again() {
        let mut history = fixture::history();
        history.manifest.classes = ["1", "0", "a,b"].map(str::to_owned).into();
        history.modules[0].class_indices = vec![0, 2];
        let commands = &told(&history)[0].1;
        assert!(commands.contains("--classes 1,2 "), "{commands}");
    }
}
