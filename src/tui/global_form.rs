//! Forms that are available on every screen: reports, exports of runs, imports.

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

/// A form and its purpose.
#[derive(Debug)]
pub struct GlobalForm {
    form: Form,
    purpose: Purpose,
}

#[derive(Debug)]
enum Purpose {
    /// A report on these runs.
    Report(Vec<String>),
    /// An export of a run.
    Export(String),
    /// An import of weights.
    Import,
}

/// The result of a key or click.
#[derive(Debug)]
pub enum Answer {
    /// The form stays open.
    Open,
    /// It closes with this effect.
    Done(Vec<Effect>),
}

fn needed(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err("required".into()) } else { Ok(()) }
}

impl GlobalForm {
    /// The form for a report.
    pub fn report(runs: Vec<String>) -> GlobalForm {
        let to = match runs.as_slice() {
            [run] => format!("{run}-report"),
            _ => "report".to_owned(),
        };
        let path = Field::text("path", "Directory", &to)
            .check(needed)
            .help("relative to the directory that cleave was started in");
        let mut form = Form::new("Write a report", "write", vec![path]);
        form.notes = vec![format!("about {}", runs.join(", "))];
        form.notes.push("report.html is self-contained; report.md has the same text.".into());
        GlobalForm { form, purpose: Purpose::Report(runs) }
    }

    /// The form for exporting a run.
    pub fn export(run: &str) -> GlobalForm {
        let mut form = output::form(&format!("Export {run}"), run, true);
        form.notes = vec!["The whole network at its newest checkpoint, or the run's records.".into()];
        GlobalForm { form, purpose: Purpose::Export(run.to_owned()) }
    }

    /// The form for importing weights.
    pub fn import(presets: Vec<String>) -> GlobalForm {
        let fields = vec![
            Field::text("file", "File", "")
                .check(needed)
                .help("a PyTorch checkpoint or safetensors file; no code in it is executed"),
            Field::choice("preset", "Preset", presets, 0).help("defines the network of the weights"),
            Field::text("more", "Overrides", "").help("preset settings as key=value, separated by spaces"),
            Field::text("map", "Name map", "")
                .help("a TOML file, ours = theirs; empty: recognise known layouts"),
            Field::text("name", "Name", "").check(check_run).help("empty: the preset's name with the date"),
        ];
        let mut form = Form::new("Import weights", "import", fields);
        form.notes = vec!["Creates a finished run and measures its accuracy.".into()];
        GlobalForm { form, purpose: Purpose::Import }
    }

    /// Sets the choice of presets once they are listed.
    pub fn offer(&mut self, presets: &[(String, String)]) {
        if let Some(field) = self.form.field_mut("preset") {
            let names: Vec<String> = presets.iter().map(|(name, _)| name.clone()).collect();
            let chosen = names.iter().position(|name| *name == field.value()).unwrap_or(0);
            let help = std::mem::take(&mut field.help);
            *field = Field::choice("preset", "Preset", names, chosen).help(&help);
        }
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent) -> Answer {
        let event = self.form.key(key);
        self.answer(event)
    }

    /// Handles pasted text.
    pub fn paste(&mut self, text: &str) {
        let event = self.form.paste(text);
        self.answer(event);
    }

    /// Handles a mouse event.
    pub fn mouse(&mut self, mouse: MouseEvent, at: Option<(Rect, Target)>) -> Answer {
        let event = self.form.mouse(mouse, at);
        self.answer(event)
    }

    /// Draws the form over an area.
    pub fn view(&self, look: Look, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        self.form.view(look, area, buffer, hits);
    }

    /// The equivalent command line.
    pub fn command_line(&self) -> String {
        let value = |name: &str| self.form.value(name);
        match &self.purpose {
            Purpose::Report(runs) => {
                let runs: Vec<String> = runs.iter().map(|run| quoted(run)).collect();
                format!("cleave report {}{}", runs.join(" "), option("to", &value("path")))
            }
            Purpose::Export(run) => output::command_line(&self.form, run),
            Purpose::Import => {
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
                if let Purpose::Export(run) = &self.purpose {
                    output::changed(&mut self.form, field, run);
                }
                Answer::Open
            }
        }
    }

    fn submit(&self) -> Effect {
        let value = |name: &str| self.form.value(name);
        let some = |name: &str| Some(value(name)).filter(|text| !text.is_empty());
        let job = match &self.purpose {
            Purpose::Report(runs) => Job::Report { runs: runs.clone(), to: PathBuf::from(value("path")) },
            Purpose::Export(run) => Job::Export {
                run: run.clone(),
                module: None,
                export: output::export(&self.form),
                to: PathBuf::from(value("path")),
            },
            Purpose::Import => {
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
