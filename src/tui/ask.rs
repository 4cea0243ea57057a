//! Forms that belong to no screen: reports, exports of runs, imports.

use std::path::PathBuf;

use crossterm::event::{KeyEvent, MouseEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::hits::{Hits, Target};
use super::message::{Effect, Job, Launch};
use super::output;
use super::theme::Look;
use super::widget::{Field, Form, FormEvent};
use crate::export::command::{option, quoted};
use crate::run::check_name;

/// A form, and what it is for.
#[derive(Debug)]
pub struct Ask {
    form: Form,
    what: What,
}

#[derive(Debug)]
enum What {
    /// A page about these runs.
    Report(Vec<String>),
    /// A run for other programs.
    Export(String),
    /// Weights of another program.
    Import,
}

/// What came of a key or click.
#[derive(Debug)]
pub enum Answer {
    /// The form stays open.
    Open,
    /// It closes, and this is to be done.
    Done(Vec<Effect>),
}

fn needed(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err("name one".into()) } else { Ok(()) }
}

impl Ask {
    /// Where to write a page about runs.
    pub fn report(runs: Vec<String>) -> Ask {
        let to = match runs.as_slice() {
            [run] => format!("{run}-report"),
            _ => "report".to_owned(),
        };
        let path = Field::text("path", "Directory", &to)
            .check(needed)
            .help("made in the directory that the program was started in");
        let mut form = Form::new("Write a report", "write", vec![path]);
        form.notes = vec![format!("about {}", runs.join(", "))];
        form.notes.push("report.html needs no network; report.md is its twin.".into());
        Ask { form, what: What::Report(runs) }
    }

    /// As what to write a run.
    pub fn export(run: &str) -> Ask {
        let mut form = output::form(&format!("Export {run}"), run, true);
        form.notes = vec!["The whole network at its newest checkpoint, or the run's records.".into()];
        Ask { form, what: What::Export(run.to_owned()) }
    }

    /// Which weights to make a run of.
    pub fn import(presets: Vec<String>) -> Ask {
        let fields = vec![
            Field::text("file", "File", "")
                .check(needed)
                .help("a PyTorch checkpoint or safetensors; it is read as data, nothing in it is run"),
            Field::choice("preset", "Preset", presets, 0).help("whose network the weights are of"),
            Field::text("more", "Changes", "").help("of the preset, as key=value with spaces between"),
            Field::text("map", "Names", "").help("a TOML file of names, ours = theirs; empty: known layouts"),
            Field::text("name", "Name", "").check(check_run).help("empty: the preset's name with the date"),
        ];
        let mut form = Form::new("Import weights", "import", fields);
        form.notes = vec!["Makes a run that is finished from the start, and measures it.".into()];
        Ask { form, what: What::Import }
    }

    /// The presets that there are, once listed.
    pub fn offer(&mut self, presets: &[(String, String)]) {
        if let Some(field) = self.form.field_mut("preset") {
            let names: Vec<String> = presets.iter().map(|(name, _)| name.clone()).collect();
            let chosen = names.iter().position(|name| *name == field.value()).unwrap_or(0);
            let help = std::mem::take(&mut field.help);
            *field = Field::choice("preset", "Preset", names, chosen).help(&help);
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Answer {
        let event = self.form.key(key);
        self.answer(event)
    }

    /// Takes a pasted text.
    pub fn paste(&mut self, text: &str) {
        let event = self.form.paste(text);
        self.answer(event);
    }

    /// Takes the mouse.
    pub fn mouse(&mut self, mouse: MouseEvent, at: Option<(Rect, Target)>) -> Answer {
        let event = self.form.mouse(mouse, at);
        self.answer(event)
    }

    /// Draws it over an area.
    pub fn view(&self, look: Look, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        self.form.view(look, area, buffer, hits);
    }

    /// The command line that does the same.
    pub fn command_line(&self) -> String {
        let value = |name: &str| self.form.value(name);
        match &self.what {
            What::Report(runs) => {
                let runs: Vec<String> = runs.iter().map(|run| quoted(run)).collect();
                format!("cleave report {}{}", runs.join(" "), option("to", &value("path")))
            }
            What::Export(run) => output::command_line(&self.form, run),
            What::Import => {
                let set: String = self.changes().iter().map(|set| option("set", set)).collect();
                let options = [("preset", "preset"), ("map", "map"), ("name", "name")];
                let options: String = options.map(|(flag, field)| option(flag, &value(field))).concat();
                format!("cleave import {}{options}{set}", quoted(&value("file")))
            }
        }
    }

    fn changes(&self) -> Vec<String> {
        self.form.value("more").split_whitespace().map(str::to_owned).collect()
    }

    fn answer(&mut self, event: FormEvent) -> Answer {
        match event {
            FormEvent::Open => Answer::Open,
            FormEvent::Cancelled => Answer::Done(Vec::new()),
            FormEvent::Submitted => Answer::Done(vec![self.submit()]),
            FormEvent::Changed(field) => {
                if let What::Export(run) = &self.what {
                    output::changed(&mut self.form, field, run);
                }
                Answer::Open
            }
        }
    }

    fn submit(&self) -> Effect {
        let value = |name: &str| self.form.value(name);
        let some = |name: &str| Some(value(name)).filter(|text| !text.is_empty());
        let job = match &self.what {
            What::Report(runs) => Job::Report { runs: runs.clone(), to: PathBuf::from(value("path")) },
            What::Export(run) => Job::Export {
                run: run.clone(),
                module: None,
                export: output::export(&self.form),
                to: PathBuf::from(value("path")),
            },
            What::Import => {
                return Effect::Launch(Box::new(Launch::Import {
                    file: PathBuf::from(value("file")),
                    preset: value("preset"),
                    set: self.changes(),
                    map: some("map").map(PathBuf::from),
                    name: some("name"),
                }));
            }
        };
        Effect::Job(Box::new(job))
    }
}

fn check_run(name: &str) -> Result<(), String> {
    match name {
        "" => Ok(()),
        name => check_name(name).map_err(|error| error.to_string()),
    }
}
