//! The form for a new run from a preset.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseEvent};
use ratatui::layout::Rect;

use super::super::hits::Target;
use super::super::message::{Effect, Job, Launch, PresetSummary, RunRow, TimedNetwork};
use super::super::widget::{Field, Form, FormEvent};
use crate::export::command::{option, quoted};
use crate::preset::Preset;
use crate::run;
use crate::session::Schedule;

/// The result of a key or reply.
#[derive(Debug)]
pub enum Step {
    /// It stays open.
    Stay(Vec<Effect>),
    /// It closes.
    Close,
    /// Training must be launched; the form stays open until it has started.
    Launch(Box<Launch>),
}

/// A field of the form whose value is a setting of the preset.
struct Setting {
    /// The field's name.
    field: &'static str,
    /// The key in the preset.
    key: String,
    label: &'static str,
    help: &'static str,
    value: String,
    is_number: bool,
}

/// The initially selected preset.
const FIRST: &str = "digits";

/// The new-run form, with the worker's reply about the preset with the changes.
#[derive(Debug)]
pub struct NewRun {
    /// The form; `None` until the presets are listed.
    pub form: Option<Form>,
    /// Why there is no form.
    pub problem: Option<String>,
    /// Summary of the preset with the values of the form, or the error.
    pub summary: Option<Result<Box<PresetSummary>, String>>,
    /// Whether the preset's TOML is shown instead of the summary.
    pub show_toml: bool,
    /// Scroll position in the TOML.
    pub scroll: u16,
    presets: Vec<(String, String)>,
    /// The unchanged preset, once read.
    base: Option<(String, Preset)>,
    /// The last timed network, and its seconds per image.
    timed: Option<(TimedNetwork, Result<f64, String>)>,
    /// Whether to start as soon as the summary matches the form.
    submitted: bool,
    /// Whether this form's run is being launched.
    pub launched: bool,
}

impl NewRun {
    /// A form without presets, and the request to list them.
    pub fn new() -> (Self, Vec<Effect>) {
        let new = NewRun {
            form: None,
            problem: None,
            summary: None,
            show_toml: false,
            scroll: 0,
            presets: Vec::new(),
            base: None,
            timed: None,
            submitted: false,
            launched: false,
        };
        (new, vec![Effect::Job(Box::new(Job::Presets))])
    }

    /// Handles the list of presets.
    pub fn presets(&mut self, presets: &Result<Vec<(String, String)>, String>) -> Vec<Effect> {
        match presets {
            Err(why) => {
                self.problem = Some(why.clone());
                Vec::new()
            }
            Ok(presets) => {
                self.presets = presets.clone();
                let first = presets.iter().position(|(name, _)| name == FIRST).unwrap_or(0);
                let names = presets.iter().map(|(name, _)| name.clone()).collect();
                self.form = Some(form(names, first, None));
                self.ask()
            }
        }
    }

    /// Handles the worker's reply about a preset. Replies that do not match the current form are ignored.
    pub fn summary(
        &mut self,
        name: &str,
        set: &[String],
        summary: &Result<Box<PresetSummary>, String>,
    ) -> Step {
        if (name, set) != (self.preset().as_str(), &self.set()) {
            return Step::Stay(Vec::new());
        }
        self.summary = Some(summary.clone());
        if let Ok(summary) = summary
            && self.base.as_ref().is_none_or(|(base, _)| base != name)
        {
            self.base = Some((name.to_owned(), summary.preset.clone()));
            self.fill(&summary.preset);
        }
        if self.submitted { self.start() } else { Step::Stay(self.time()) }
    }

    /// Requests timing of a few training steps, unless an earlier run tells the time per epoch.
    fn time(&mut self) -> Vec<Effect> {
        let Some(Ok(summary)) = &self.summary else { return Vec::new() };
        let (Some(spec), None) = (&summary.spec, summary.seconds_per_epoch) else { return Vec::new() };
        let network = TimedNetwork { spec: spec.clone(), preset: summary.preset.clone() };
        if self.timed.as_ref().is_some_and(|(timed, _)| timed.is_as_fast_as(&network)) {
            return Vec::new();
        }
        self.timed = None;
        vec![Effect::Job(Box::new(Job::Time(Box::new(network))))]
    }

    /// Handles the result of timing.
    pub fn timed(&mut self, network: &TimedNetwork, found: &Result<f64, String>) {
        self.timed = Some((network.clone(), found.clone()));
    }

    /// Expected seconds per epoch and their source; `None` while timing.
    pub fn seconds_per_epoch(&self) -> Option<Result<(f64, &'static str), String>> {
        let Some(Ok(summary)) = &self.summary else { return None };
        if let Some(seconds) = summary.seconds_per_epoch {
            return Some(Ok((seconds, "estimated from earlier runs")));
        }
        let (Some(images), Some(_)) = (summary.images, &summary.spec) else {
            return Some(Err("unknown until the images are read".into()));
        };
        let (_, seconds) = self.timed.as_ref()?;
        Some(seconds.clone().map(|seconds| (seconds * images as f64, "estimated from a few timed steps")))
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent) -> Step {
        match (key.code, key.modifiers) {
            (KeyCode::Char('t'), KeyModifiers::CONTROL) => {
                (self.show_toml, self.scroll) = (!self.show_toml, 0);
                return Step::Stay(Vec::new());
            }
            (KeyCode::PageDown, _) => self.scroll = self.scroll.saturating_add(10),
            (KeyCode::PageUp, _) => self.scroll = self.scroll.saturating_sub(10),
            _ => {}
        }
        match &mut self.form {
            Some(form) => {
                let event = form.key(key);
                self.event(event)
            }
            None if key.code == KeyCode::Esc => Step::Close,
            None => Step::Stay(Vec::new()),
        }
    }

    /// Handles pasted text.
    pub fn paste(&mut self, text: &str) -> Step {
        let event = self.form.as_mut().map_or(FormEvent::Open, |form| form.paste(text));
        self.event(event)
    }

    /// Handles a mouse event.
    pub fn mouse(&mut self, mouse: MouseEvent, at: Option<(Rect, Target)>) -> Step {
        let event = self.form.as_mut().map_or(FormEvent::Open, |form| form.mouse(mouse, at));
        self.event(event)
    }

    /// The description of the chosen preset.
    pub fn description(&self) -> &str {
        let preset = self.preset();
        self.presets.iter().find(|(name, _)| *name == preset).map_or("", |(_, line)| line)
    }

    /// The equivalent command line.
    pub fn command_line(&self) -> String {
        let set: String = self.set().iter().map(|set| option("set", set)).collect();
        format!("cleave train {}{set}{}", quoted(&self.preset()), option("name", &self.value("name")))
    }

    fn event(&mut self, event: FormEvent) -> Step {
        match event {
            FormEvent::Open => Step::Stay(Vec::new()),
            FormEvent::Cancelled => Step::Close,
            FormEvent::Submitted => {
                self.submitted = true;
                self.start()
            }
            FormEvent::Changed(_) => {
                self.submitted = false;
                if self.base.as_ref().is_some_and(|(name, _)| *name != self.preset()) {
                    self.base = None;
                }
                self.summary = None;
                Step::Stay(self.ask())
            }
        }
    }

    /// Starts the run if the summary is available and valid.
    fn start(&mut self) -> Step {
        let Some(Ok(summary)) = &self.summary else { return Step::Stay(Vec::new()) };
        (self.submitted, self.launched) = (false, true);
        let name = Some(self.value("name")).filter(|name| !name.is_empty());
        let preset = summary.preset.clone();
        Step::Launch(Box::new(Launch::New { preset, name, schedule: Schedule::default() }))
    }

    /// Marks the name field if a run of this name exists.
    pub fn check_name(&mut self, rows: &[RunRow]) {
        let name = self.value("name");
        let taken = rows.iter().any(|row| row.entry.id == name);
        if let Some(field) = self.form.as_mut().and_then(|form| form.field_mut("name")) {
            field.set_problem(taken.then(|| "name already in use".to_owned()));
        }
    }

    fn ask(&self) -> Vec<Effect> {
        vec![Effect::Job(Box::new(Job::Preset { name: self.preset(), set: self.set() }))]
    }

    fn value(&self, field: &str) -> String {
        self.form.as_ref().map_or(String::new(), |form| form.value(field).trim().to_owned())
    }

    fn preset(&self) -> String {
        self.value("preset")
    }

    /// The overrides: settings that differ from the preset's.
    fn set(&self) -> Vec<String> {
        let Some((name, base)) = &self.base else { return Vec::new() };
        if *name != self.preset() {
            return Vec::new();
        }
        let changed = settings(base).into_iter().filter_map(|setting| {
            let value = self.value(setting.field);
            let differs = !value.is_empty() && value != setting.value;
            differs.then(|| format!("{}={value}", setting.key))
        });
        let more = self.value("more");
        changed.chain(more.split_whitespace().map(str::to_owned)).collect()
    }

    /// Sets the fields to the preset's values, and omits fields that do not apply to it.
    fn fill(&mut self, preset: &Preset) {
        let Some(old) = &self.form else { return };
        let names: Vec<String> = self.presets.iter().map(|(name, _)| name.clone()).collect();
        let chosen = names.iter().position(|name| *name == old.value("preset")).unwrap_or(0);
        let mut new = form(names, chosen, Some(preset));
        for field in ["name", "more"] {
            if let Some(slot) = new.field_mut(field) {
                *slot = old.field(field).cloned().unwrap_or_else(|| slot.clone());
            }
        }
        self.form = Some(new);
    }
}

fn form(presets: Vec<String>, chosen: usize, preset: Option<&Preset>) -> Form {
    let name =
        Field::text("name", "name", "").help("empty: the preset's name with the date").check(check_name);
    let mut fields = vec![Field::choice("preset", "preset", presets, chosen), name];
    fields.extend(preset.map(settings).into_iter().flatten().map(|setting| {
        let field = Field::text(setting.field, setting.label, &setting.value).help(setting.help);
        if setting.is_number { field.check(check_number) } else { field }
    }));
    let more = Field::text("more", "overrides", "").help("preset settings as key=value, separated by spaces");
    fields.push(more);
    Form::new("New run", "start", fields)
}

/// The settings of a preset that have a field each, with the preset's own values.
fn settings(preset: &Preset) -> Vec<Setting> {
    let number = |field, key: &str, label, value: String| Setting {
        field,
        key: key.to_owned(),
        label,
        help: "",
        value,
        is_number: true,
    };
    let training = &preset.training;
    let mut settings = vec![
        number("epochs", "training.epochs", "epochs", training.epochs.to_string()),
        number("batch", "training.batch", "batch size", training.batch.to_string()),
        number("rate", "training.learning_rate", "learning rate", training.learning_rate.to_string()),
    ];
    settings.extend(preset.method.weight_specs().iter().filter_map(|weight| {
        let value = preset.method.weight(weight.name)?.to_string();
        let field = number(weight.name, &format!("method.{}", weight.name), weight.label, value);
        Some(Setting { help: weight.help, ..field })
    }));
    settings.push(number("seed", "training.seed", "seed", training.seed.to_string()));
    if preset.data.source != crate::data::Source::Digits {
        let path = preset.data.path.as_ref().map(|path| path.display().to_string());
        let field = number("path", "data.path", "data files", path.unwrap_or_default());
        settings.push(Setting { is_number: false, ..field });
    }
    settings
}

fn check_name(name: &str) -> Result<(), String> {
    match name.trim() {
        "" => Ok(()),
        name => run::check_name(name).map_err(|error| error.to_string()),
    }
}

fn check_number(text: &str) -> Result<(), String> {
    text.trim().parse::<f64>().map(drop).map_err(|_| "must be a number".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::MethodConfig;

    #[test]
    fn every_weight_of_a_method_has_a_field_of_its_own() {
        let mut preset = Preset::find("digits", std::path::Path::new("/nowhere"), &[]).unwrap();
        for method in MethodConfig::all() {
            preset.method = method;
            let mut names: Vec<&str> =
                form(vec!["digits".into()], 0, Some(&preset)).fields.iter().map(|field| field.name).collect();
            for (weight, _) in preset.method.weights() {
                assert!(names.contains(&weight), "{weight} of {}", preset.method.name());
            }
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{names:?}");
        }
    }
}
