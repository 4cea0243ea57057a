//! Dialogs and forms of the dashboard.

use std::path::PathBuf;

use crossterm::event::{KeyEvent, MouseEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::steer::Control;
use super::words::grouped;
use crate::run::{Manifest, check_name};
use crate::session::Setting;
use crate::spec::{LayerKind, Spec};
use crate::tui::curves::{Curves, LEARNING_RATE, Measure};
use crate::tui::hits::{Hits, Target};
use crate::tui::live::Live;
use crate::tui::message::Launch;
use crate::tui::theme::Look;
use crate::tui::widget::{Answer, Dialog, Field, Form, FormEvent};

/// File formats of charts.
const FORMATS: [&str; 3] = ["svg", "png", "csv"];

/// What is to become of a layer.
const FREEZE: &str = "freeze";
const THAW: &str = "train again";

/// Name of the branch form's epochs field.
const EPOCHS: &str = "epochs";

/// Options for what happens to the run being trained.
const TRAIN_BRANCH: &str = "train the branch, stop this run";
const TRAIN_ON: &str = "keep training, start the branch later";

/// An open dialog or form.
#[derive(Debug)]
pub enum Popup {
    /// The question whether to stop training.
    Stop(Dialog),
    /// The form for a slider's value.
    Value(Form, Control),
    /// The form for a branch.
    Branch(Box<BranchForm>),
    /// The form for freezing a layer, or letting it train again.
    Freeze(Form),
    /// The form for exporting a chart.
    Export(Form, Measure),
}

/// A request from a dialog or form.
#[derive(Debug, PartialEq)]
pub enum PopupRequest {
    /// Stop training.
    Stop,
    /// Change a setting.
    Set(Setting),
    /// Train a branch.
    Branch(Box<Launch>),
    /// Create a branch of this name at the current step, and continue training this run.
    BranchAside(String),
    /// Export a chart.
    Export(Measure, PathBuf),
}

/// The form for a branch.
#[derive(Debug)]
pub struct BranchForm {
    form: Form,
    manifest: Manifest,
    /// Steps of the options; `None` for the current step of training.
    steps: Vec<Option<u64>>,
    /// The step of training when the form was opened, if the run is live.
    now: Option<u64>,
    /// 0 until known.
    steps_per_epoch: u64,
    /// Initial values of the weight and learning-rate fields.
    filled: Vec<f64>,
}

impl Popup {
    /// Asks whether to stop training.
    pub fn stop() -> Self {
        let text = "A checkpoint is saved first; the run can be resumed at any time.";
        Popup::Stop(Dialog::ask("Stop training", text, &[('s', "save and stop"), ('n', "keep training")]))
    }

    /// Asks for a slider's value.
    pub fn value(control: Control) -> Self {
        let now = control.pending.unwrap_or(control.value);
        let field = Field::number("value", &control.name, now, (0.0, 1e9))
            .help("Takes effect before the trainer's next step");
        Popup::Value(Form::new("Set a value", "set", vec![field]), control)
    }

    /// Asks for a layer to freeze or to thaw.
    pub fn freeze(live: &Live) -> Self {
        let layers = layers(&live.manifest.network);
        let now = live.frozen.parts();
        let now = if now.is_empty() {
            "nothing is frozen".to_owned()
        } else {
            format!("frozen: {}", now.join(" "))
        };
        let fields = vec![
            Field::choice("layer", "Layer", layers, 0).help(&now),
            Field::choice("then", "Then", vec![FREEZE.to_owned(), THAW.to_owned()], 0)
                .help("Takes effect before the trainer's next step"),
        ];
        Popup::Freeze(Form::new("Freeze a layer", "set", fields))
    }

    /// Asks where a chart is to be saved.
    pub fn export(run: &str, measure: Measure) -> Self {
        let file = format!("{run}-{}.svg", measure.title());
        let formats = FORMATS.map(str::to_owned).to_vec();
        let fields = vec![
            Field::choice("format", "Format", formats, 0)
                .help("SVG and PNG are images; CSV holds the numbers"),
            Field::text("file", "File", &file)
                .check(|text| if text.trim().is_empty() { Err("required".into()) } else { Ok(()) })
                .help("Relative to the directory that cleave was started in"),
        ];
        Popup::Export(Form::new("Export the chart", "save", fields), measure)
    }

    /// Handles a key; returns whether the popup closes, and its request.
    pub fn key(&mut self, key: KeyEvent) -> (bool, Option<PopupRequest>) {
        match self {
            Popup::Stop(dialog) => answered(dialog.key(key)),
            Popup::Value(form, _) | Popup::Freeze(form) | Popup::Export(form, _) => {
                let event = form.key(key);
                self.after(event)
            }
            Popup::Branch(branch) => {
                let event = branch.form.key(key);
                self.after(event)
            }
        }
    }

    /// As [`Popup::key`] for a pasted text.
    pub fn paste(&mut self, text: &str) {
        match self {
            Popup::Stop(_) => {}
            Popup::Value(form, _) | Popup::Freeze(form) | Popup::Export(form, _) => {
                form.paste(text);
            }
            Popup::Branch(branch) => {
                branch.form.paste(text);
            }
        }
    }

    /// As [`Popup::key`] for the mouse.
    pub fn mouse(&mut self, mouse: MouseEvent, at: Option<(Rect, Target)>) -> (bool, Option<PopupRequest>) {
        match self {
            Popup::Stop(dialog) => answered(dialog.mouse(mouse, at)),
            Popup::Value(form, _) | Popup::Freeze(form) | Popup::Export(form, _) => {
                let event = form.mouse(mouse, at);
                self.after(event)
            }
            Popup::Branch(branch) => {
                let event = branch.form.mouse(mouse, at);
                self.after(event)
            }
        }
    }

    fn after(&mut self, event: FormEvent) -> (bool, Option<PopupRequest>) {
        match (event, self) {
            (FormEvent::Cancelled, _) => (true, None),
            (FormEvent::Submitted, Popup::Value(form, control)) => {
                (true, form.number("value").map(|value| PopupRequest::Set(control.setting(value))))
            }
            (FormEvent::Submitted, Popup::Freeze(form)) => {
                let layer = form.value("layer");
                let set = match form.value("then") == FREEZE {
                    true => Setting::Freeze { layer },
                    false => Setting::Thaw { layer },
                };
                (true, Some(PopupRequest::Set(set)))
            }
            (FormEvent::Submitted, Popup::Export(form, measure)) => {
                (true, Some(PopupRequest::Export(*measure, PathBuf::from(form.value("file")))))
            }
            (FormEvent::Submitted, Popup::Branch(branch)) => {
                let request = branch.request();
                (request.is_some(), request)
            }
            (FormEvent::Changed(0), Popup::Export(form, _)) => {
                let file = PathBuf::from(form.value("file")).with_extension(form.value("format"));
                form.set_text("file", &file.display().to_string());
                (false, None)
            }
            (FormEvent::Changed(_), Popup::Branch(branch)) => {
                branch.check();
                (false, None)
            }
            _ => (false, None),
        }
    }

    /// Draws the popup over an area.
    pub fn view(&self, look: Look, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        match self {
            Popup::Stop(dialog) => dialog.view(look, area, buffer, hits),
            Popup::Value(form, _) | Popup::Freeze(form) | Popup::Export(form, _) => {
                form.view(look, area, buffer, hits)
            }
            Popup::Branch(branch) => branch.form.view(look, area, buffer, hits),
        }
    }
}

/// The blocks and layers of a network, and each mask generator by itself.
fn layers(spec: &Spec) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for layer in spec.layers().unwrap_or_default() {
        if let Some((block, _)) = layer.name.split_once('.')
            && !names.iter().any(|name| name == block)
        {
            names.push(block.to_owned());
        }
        let generator = matches!(&layer.kind, LayerKind::Conv { conv, .. } if conv.masked);
        let generator = generator.then(|| format!("{}.mask_generator", layer.name));
        names.extend([layer.name].into_iter().chain(generator));
    }
    names
}

fn answered(answer: Answer) -> (bool, Option<PopupRequest>) {
    match answer {
        Answer::Open => (false, None),
        Answer::Chosen(0) => (true, Some(PopupRequest::Stop)),
        Answer::Chosen(_) | Answer::Cancelled => (true, None),
    }
}

impl BranchForm {
    /// A form for a branch of the run with this manifest, with its current settings. `now` is its current step if it is
    /// live, so that the branch can start there.
    pub fn new(manifest: Manifest, settings: &[(&str, f64)], curves: &Curves, now: Option<u64>) -> Self {
        // The weights of a phase are not those of the phases after it.
        let settings = if manifest.preset.phase.is_empty() { settings } else { &[] };
        let value = |name: &str| settings.iter().find(|(of, _)| *of == name).map(|(_, value)| *value);
        let text = "Value that the branch trains with";
        let mut fields = vec![
            Field::choice("from", "From", Vec::new(), 0).help("Checkpoint to start the branch from"),
            Field::text("name", "Name", "").check(name_problem).help("Generated if empty"),
        ];
        let mut filled = Vec::new();
        for weight in manifest.preset.method.weight_specs() {
            let value = value(weight.name).or(manifest.preset.method.weight(weight.name));
            let (value, [low, high]) = (value.unwrap_or(weight.default), weight.range);
            filled.push(value);
            fields.push(Field::number(weight.name, weight.name, value, (low, high.min(1e9))).help(text));
        }
        let rate = manifest.preset.training.learning_rate;
        filled.push(rate);
        let epochs = manifest.preset.training.epochs;
        filled.push(epochs as f64);
        let help = "Initial value of the cosine schedule";
        fields.push(Field::number(LEARNING_RATE, LEARNING_RATE, rate, (0.0, 1e3)).help(help));
        let help = "Total, including those before the branch";
        fields.push(Field::count(EPOCHS, EPOCHS, epochs as u64, (1, 1_000_000)).help(help));
        if now.is_some() {
            let options = vec![TRAIN_BRANCH.to_owned(), TRAIN_ON.to_owned()];
            fields.push(
                Field::choice("then", "Then", options, 0)
                    .help("Only one run trains at a time; a stopped run is saved and can be resumed"),
            );
        }
        let form = Form::new(&format!("Branch of {}", manifest.id), "branch", fields);
        let steps_per_epoch = curves.steps_per_epoch;
        let mut branch = BranchForm { form, manifest, steps: Vec::new(), now, steps_per_epoch, filled };
        branch.offer(&curves.checkpoints);
        branch
    }

    /// Name of the parent run.
    pub fn run(&self) -> &str {
        &self.manifest.id
    }

    /// Sets the checkpoint options, newest first.
    pub fn offer(&mut self, checkpoints: &[u64]) {
        let now = self.now.map(|_| None);
        let before = self.step();
        self.steps = now.into_iter().chain(checkpoints.iter().rev().map(|step| Some(*step))).collect();
        let options = self.steps.iter().map(|step| match step {
            None => "now".to_owned(),
            Some(step) => format!("step {}", grouped(*step)),
        });
        let options: Vec<String> = options.collect();
        let chosen = before.and_then(|step| self.steps.iter().position(|other| *other == step)).unwrap_or(0);
        let field =
            Field::choice("from", "From", options, chosen).help("Checkpoint to start the branch from");
        if let Some(place) = self.form.field_mut("from") {
            *place = field;
        }
        self.check();
    }

    fn step(&self) -> Option<Option<u64>> {
        match &self.form.field("from")?.kind {
            crate::tui::widget::Kind::Choice { chosen, .. } => self.steps.get(*chosen).copied(),
            _ => None,
        }
    }

    fn values(&self) -> Option<Vec<f64>> {
        let names = self.manifest.preset.method.weights();
        let names = names.iter().map(|(name, _)| *name).chain([LEARNING_RATE, EPOCHS]);
        names.map(|name| self.form.number(name)).collect()
    }

    /// Marks fields with inconsistent values.
    fn check(&mut self) {
        let aside = self.form.value("then") == TRAIN_ON;
        let problem = match (self.step(), self.values()) {
            (None, _) => Some(("from", "no checkpoint")),
            (Some(step), Some(values)) if aside && (step.is_some() || values != self.filled) => {
                Some(("then", "only from now, with unchanged settings"))
            }
            _ if aside && self.form.value("name").is_empty() => Some(("name", "required for a later start")),
            (Some(step), Some(values)) if self.is_over(step, &values) => {
                Some((EPOCHS, "already reached: increase it, or start earlier"))
            }
            _ => None,
        };
        for name in ["from", "then", "name", EPOCHS] {
            if let Some(field) = self.form.field_mut(name) {
                let found = problem.filter(|(of, _)| *of == name);
                field.set_problem(found.map(|(_, problem)| problem.to_owned()));
            }
        }
    }

    /// Whether the branch would have no steps left.
    fn is_over(&self, step: Option<u64>, values: &[f64]) -> bool {
        let (Some(step), Some(epochs)) = (step.or(self.now), values.last()) else { return false };
        self.steps_per_epoch > 0 && step >= self.steps_per_epoch.saturating_mul(*epochs as u64)
    }

    fn request(&mut self) -> Option<PopupRequest> {
        self.check();
        let step = self.step()?;
        if !self.form.is_right() {
            return None;
        }
        let name = Some(self.form.value("name")).filter(|name| !name.is_empty());
        if self.form.value("then") == TRAIN_ON {
            return name.map(PopupRequest::BranchAside);
        }
        let mut preset = self.manifest.preset.clone();
        for weight in preset.method.weight_specs() {
            preset.method.set_weight(weight.name, self.form.number(weight.name)?).ok()?;
        }
        preset.training.learning_rate = self.form.number(LEARNING_RATE)?;
        preset.set_epochs(self.form.number(EPOCHS)? as usize);
        let run = self.manifest.id.clone();
        Some(PopupRequest::Branch(Box::new(Launch::Branch { run, step, name, preset: Some(preset) })))
    }
}

fn name_problem(name: &str) -> Result<(), String> {
    match name.is_empty() {
        true => Ok(()),
        false => check_name(name).map_err(|error| error.to_string()),
    }
}
