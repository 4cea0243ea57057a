//! The workbench with simulated sessions, workers and terminal.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::preset::Preset;
use crate::reuse::Examination;
use crate::run::{Applied, Entry, EpochRecord, Event, Manifest, Status};
use crate::session::Command;
use crate::tui::app::{App, Start};
use crate::tui::curves::Logs;
use crate::tui::curves::tests::{self as curves, manifest as run_of};
use crate::tui::keymap::Keymap;
use crate::tui::message::{
    Effect, Job, Launch, Load, LoadedCurves, Msg, Prediction, PresetSummary, Reply, RunModules, RunRow,
};
use crate::tui::modules::testing as modules;
use crate::tui::settings::Settings;
use crate::tui::theme::{Charset, Depth, Theme};
use crate::tui::view;

/// Steps per epoch and per run.
pub const PER: u64 = 20;
pub const STEPS: u64 = 800;

/// The workbench and its unanswered jobs.
pub struct Scene {
    pub app: App,
    /// Whether it asked to exit.
    pub left: bool,
    /// Whether jobs succeed.
    pub lucky: bool,
    jobs: VecDeque<Job>,
    commands: VecDeque<(u64, Command)>,
    launch: Option<Launch>,
    revision: u64,
}

pub fn start(size: (u16, u16)) -> Start {
    Start {
        settings: Settings { theme: Theme::Dark, charset: Some(Charset::Braille), mouse: true },
        keymap: Keymap::default(),
        detected: Charset::Braille,
        depth: Depth::True,
        can_sleep: true,
        log: "/state/workbench.log".into(),
        size,
    }
}

impl Scene {
    pub fn new() -> Scene {
        let (app, first) = App::new(start((80, 24)));
        let mut scene = Scene {
            app,
            left: false,
            lucky: true,
            jobs: VecDeque::new(),
            commands: VecDeque::new(),
            launch: None,
            revision: 0,
        };
        scene.carry_out(first);
        scene
    }

    /// A run that has trained this many steps, with all jobs answered.
    pub fn training(steps: u64) -> Scene {
        let mut scene = Scene::new();
        scene.send(Msg::Device { name: "cpu".into(), note: None });
        scene.answer_all();
        let preset = Preset::find("digits-mwt", Path::new(""), &[]).unwrap();
        let launch = Launch::New { preset, name: Some("digits-9".into()), schedule: Default::default() };
        scene.launch = Some(launch);
        scene.answer_all();
        scene.train(steps);
        let load = Load { cpu: 0.5, memory: 400_000_000, gpu: None };
        scene.send(Msg::Load(load));
        scene.answer_all();
        scene
    }

    pub fn send(&mut self, msg: Msg) {
        let effects = self.app.update(msg);
        self.carry_out(effects);
    }

    pub fn press(&mut self, code: KeyCode) {
        self.send(Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    pub fn control(&mut self, letter: char) {
        self.send(Msg::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)));
    }

    /// Types a text and answers all jobs.
    pub fn type_text(&mut self, text: &str) {
        for letter in text.chars() {
            self.press(KeyCode::Char(letter));
            self.answer_all();
        }
    }

    pub fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Quit(_) | Effect::Abort(_) => self.left = true,
                Effect::Job(job) => self.jobs.push_back(*job),
                Effect::Launch(launch) => self.launch = Some(*launch),
                Effect::Send(command) => {
                    self.revision += 1;
                    self.commands.push_back((self.revision, command));
                }
                _ => {}
            }
        }
    }

    /// Answers the oldest job; returns whether there was one.
    pub fn answer(&mut self) -> bool {
        if let Some(launch) = self.launch.take() {
            self.begin(launch);
        } else if let Some((revision, command)) = self.commands.pop_front() {
            self.obey(revision, command);
        } else if let Some(job) = self.jobs.pop_front() {
            let reply = reply(&job, self.lucky);
            self.send(Msg::Reply(Box::new(reply)));
        } else {
            return false;
        }
        true
    }

    pub fn answer_all(&mut self) {
        let answers = (0..1_000).take_while(|_| self.answer()).count();
        assert!(answers < 1_000, "a reply causes the same job forever");
    }

    fn begin(&mut self, launch: Launch) {
        if !self.lucky {
            return self.send(Msg::Reply(Box::new(Reply::Launch("the data are\nnot there".into()))));
        }
        let (name, parent) = match launch {
            Launch::New { name, .. } => (name.unwrap_or("digits-9".into()), None),
            Launch::Resume { run } => (run, None),
            Launch::Import { name, .. } => (name.unwrap_or("imported".into()), None),
            Launch::Branch { run, step, name, .. } => {
                (name.unwrap_or("branch".into()), Some((run, step.unwrap_or(40))))
            }
        };
        let parent = parent.as_ref().map(|(run, step)| (run.as_str(), *step));
        (self.revision, self.commands) = (0, VecDeque::new());
        self.send(Msg::SessionStarted(Box::new(run_of(&name, "digits-mwt", parent))));
        let step = parent.map_or(0, |(_, step)| step);
        let (steps_per_epoch, steps) = (PER, STEPS);
        self.say(Event::Started { step, steps_per_epoch, steps, device: "cpu".into() });
    }

    /// Sends an event of the session, if there is one.
    pub fn say(&mut self, event: Event) {
        if self.app.shared.is_training() {
            self.send(Msg::Session(event));
        }
    }

    /// Trains this many steps.
    pub fn train(&mut self, steps: u64) {
        let Some(live) = self.app.shared.live.as_ref() else { return };
        let (from, weights, manifest) = (live.step, live.weights.clone(), live.manifest.clone());
        for step in (from + 1..=from + steps).filter(|step| step % 5 == 0) {
            self.say(Event::Steps(curves::steps(step, STEPS, &weights)));
            if step % PER == 0 {
                self.say(Event::Epoch(Box::new(epoch(&manifest, step))));
                self.say(Event::Usage { step, usage: Arc::new(modules::usage(&manifest)) });
            }
        }
    }

    fn obey(&mut self, revision: u64, command: Command) {
        let step = self.app.shared.live.as_ref().map_or(0, |live| live.step);
        if !self.lucky {
            return self.say(Event::Refused { step, revision, why: "it makes\nno sense".into() });
        }
        let applied = |change| Event::Applied { step, revision: Some(revision), change };
        let answers = match command {
            Command::Pause => vec![applied(Applied::Paused)],
            Command::Resume => vec![applied(Applied::Resumed)],
            Command::StepOnce => vec![applied(Applied::OneStep)],
            Command::Set(setting) => vec![applied(Applied::Set(setting))],
            Command::Checkpoint => vec![Event::Checkpointed { step }, applied(Applied::Checkpoint)],
            Command::Evaluate => {
                vec![Event::Evaluated { step, revision, accuracy: 0.9 }, applied(Applied::Evaluated)]
            }
            Command::Extract(request) => {
                vec![
                    applied(Applied::Extracting(request.name.clone())),
                    Event::Extracted { step, revision, module: request.name },
                ]
            }
            Command::Branch(name) => vec![applied(Applied::Branched(name))],
            Command::Stop => {
                vec![applied(Applied::Stopped), Event::Checkpointed { step }, Event::Stopped { step }]
            }
        };
        answers.into_iter().for_each(|event| self.say(event));
    }

    pub fn draw(&mut self, width: u16, height: u16) -> Buffer {
        self.send(Msg::Resize(width, height));
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        self.app.hits = view::draw(&self.app, area, &mut buffer);
        buffer
    }

    /// Advances the time until toasts expire.
    pub fn wait(&mut self) {
        let now = self.app.shared.now + Duration::from_secs(40);
        self.send(Msg::Tick(now));
    }
}

/// The simulated reply of a worker.
pub fn reply(job: &Job, lucky: bool) -> Reply {
    let no = || "the file\nis gone".to_owned();
    let told = |good: &str| Reply::Done(if lucky { Ok(good.to_owned()) } else { Err(no()) });
    match job {
        Job::Runs if lucky => Reply::Runs(Ok(rows())),
        Job::Runs => Reply::Runs(Err(no())),
        Job::History { run, until, smoothing } => {
            let loaded = || Arc::new(LoadedCurves::of(logs(run), *until, *smoothing));
            Reply::History {
                run: run.clone(),
                until: *until,
                found: if lucky { Ok(loaded()) } else { Err(no()) },
            }
        }
        Job::Checkpoints(run) => {
            Reply::Checkpoints(run.clone(), if lucky { Ok(logs(run).checkpoints) } else { Err(no()) })
        }
        Job::RunModules(run) => {
            Reply::RunModules(run.clone(), if lucky { Ok(run_modules(run)) } else { Err(no()) })
        }
        Job::RemoveModule { run, module } => {
            let done = if lucky { Ok(()) } else { Err(no()) };
            Reply::Removed { run: run.clone(), module: module.clone(), done }
        }
        Job::SaveSettings(_) => Reply::Quiet(if lucky { Ok(()) } else { Err(no()) }),
        Job::Usage { run, .. } => {
            let manifest = run_of(run, "digits-mwt", None);
            let found = || (40, Arc::new(modules::usage(&manifest)), Arc::new(manifest.network.clone()));
            Reply::Usage { run: run.clone(), found: if lucky { Ok(found()) } else { Err(no()) } }
        }
        Job::Presets => {
            let names = ["digits-mwt", "digits-standard", "cifar10-small"];
            let known = names.map(|name| (name.to_owned(), format!("what {name} is for"))).to_vec();
            Reply::Presets(if lucky { Ok(known) } else { Err(no()) })
        }
        Job::Preset { name, set } => {
            let summary = if lucky { preset_summary(name, set) } else { Err(no()) };
            Reply::Preset { name: name.clone(), set: set.clone(), summary }
        }
        Job::Extract { run, request } => {
            let manifest = run_of(run, "digits-mwt", None);
            let module = || Box::new(modules::module(&manifest, &request.name, &[0, 1]));
            Reply::Extracted(run.clone(), if lucky { Ok(module()) } else { Err(no()) })
        }
        Job::Examine { run, module } => {
            let found = Examination {
                confusion: vec![vec![9, 1], vec![0, 10]],
                seconds_per_image: 1e-4,
                whole_seconds_per_image: 1e-3,
            };
            let found = if lucky { Ok(found) } else { Err(no()) };
            Reply::Examined { run: run.clone(), module: module.clone(), found }
        }
        Job::Sets | Job::KeepSet { .. } => {
            let sets = [("some".to_owned(), vec!["0".to_owned(), "飛行機".to_owned()])].into();
            Reply::Sets(if lucky { Ok(sets) } else { Err(no()) })
        }
        Job::Predict { run, module, image, index } => {
            let found = Prediction {
                name: "test image 1 of 9".into(),
                truth: Some("1".into()),
                shape: [1, 16, 16],
                pixels: (0..=255).collect(),
                probabilities: vec![("0".into(), 0.25), ("1".into(), 0.75)],
            };
            let found = if lucky { Ok(Box::new(found)) } else { Err(no()) };
            let (run, module, image) = (run.clone(), module.clone(), image.clone());
            Reply::Predicted { run, module, image, index: *index, found }
        }
        _ => told("done"),
    }
}

fn preset_summary(name: &str, set: &[String]) -> Result<Box<PresetSummary>, String> {
    let changes: Result<Vec<_>, _> = set.iter().map(|text| text.parse()).collect();
    let preset =
        Preset::find(name, Path::new(""), &changes.map_err(|e: crate::preset::Error| e.to_string())?);
    let preset = preset.map_err(|error| error.to_string())?;
    preset.check().map_err(|error| error.to_string())?;
    let toml = preset.to_toml().map_err(|error| error.to_string())?;
    let spec = preset.spec([1, 16, 16], 10).ok();
    Ok(Box::new(PresetSummary { preset, toml, spec, images: Some(1_293), seconds_per_epoch: Some(0.6) }))
}

fn epoch(manifest: &Manifest, step: u64) -> EpochRecord {
    let weights = manifest.preset.method.weights();
    let weights = weights.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut record = curves::epoch(step, PER, STEPS, &weights);
    let rates = modules::epoch(step / PER, &modules::usage(manifest)).train.masks;
    for split in [&mut record.train, &mut record.valid] {
        if let (Some(masks), Some(rates)) = (&mut split.masks, &rates) {
            masks.layer_class_krr.clone_from(&rates.layer_class_krr);
        }
    }
    record
}

fn logs(run: &str) -> Logs {
    let manifest = run_of(run, "digits-mwt", None);
    let weights = manifest.preset.method.weights();
    let weights = weights.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Logs {
        epochs: (1..=2).map(|n| epoch(&manifest, n * PER)).collect(),
        steps: (5..=2 * PER).step_by(5).map(|step| curves::steps(step, STEPS, &weights)).collect(),
        events: vec![
            Event::Started { step: 0, steps_per_epoch: PER, steps: STEPS, device: "cpu".into() },
            Event::Applied { step: 10, revision: Some(1), change: "beta = 3.5".parse().unwrap() },
            Event::Stopped { step: 2 * PER },
        ],
        checkpoints: vec![0, 2 * PER],
        manifest,
    }
}

fn run_modules(run: &str) -> Arc<RunModules> {
    let Logs { manifest, epochs, .. } = logs(run);
    let module = modules::module(&manifest, "pair", &[0, 1]);
    let modules = vec![("pair".into(), Ok(module)), ("broken".into(), Err("module.toml is damaged".into()))];
    Arc::new(RunModules { manifest, epochs, modules })
}

/// Runs of every status.
fn rows() -> Vec<RunRow> {
    let row = |name: &str, status, parent, tags: &[&str], reason: Option<&str>| {
        let mut manifest = run_of(name, "digits-mwt", parent);
        // A date in the future, so that the age is always 0.
        manifest.created = "2999-01-01T00:00:00Z".into();
        let last = Some(epoch(&manifest, 2 * PER));
        let entry = Entry {
            id: name.into(),
            path: Path::new("/runs").join(name),
            status,
            reason: reason.map(str::to_owned),
            manifest: Some(manifest),
            last,
        };
        RunRow { entry, tags: tags.iter().map(|tag| (*tag).to_owned()).collect() }
    };
    let mut damaged = row("digits-1", Status::Damaged, None, &[], Some("manifest.toml is gone"));
    (damaged.entry.manifest, damaged.entry.last) = (None, None);
    vec![
        row("digits-5", Status::Stopped, None, &["paper", "飛行機"], None),
        row("digits-4", Status::Failed, None, &[], Some("training diverged: total is not finite")),
        row("digits-3", Status::Running, Some(("digits-2", 40)), &[], Some("process 7 on host")),
        row("digits-2", Status::Finished, None, &["good"], None),
        damaged,
    ]
}
