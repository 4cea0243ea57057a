//! A small experiment for the tests of training: milliseconds a step, yet with everything that a resumed run
//! must repeat (dropout, crops, a residual sum, an epoch whose last batch is smaller).

#![allow(dead_code, reason = "every test file uses a part of it")]

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cleave::backend::Device;
use cleave::data::{self, Dataset};
use cleave::paths::Paths;
use cleave::preset::Preset;
use cleave::run::{
    Checkpoint, CheckpointInfo, EpochRecord, Event, Manifest, PROGRAM, Run, SCHEMA, Store, now,
};
use cleave::session::{Job, Schedule, Session};
use cleave::spec::State;
use serde_json::Value;

/// Five steps an epoch, twenty in all.
pub const PRESET: &str = r#"
[data]
source = "digits"
limit = 150

[network]
stages = [
  { conv = { kernels = 6 } },
  { max-pool = { size = 2 } },
  { conv = { kernels = 8 } },
  { residual = { body = [{ kernels = 8 }, { kernels = 8, relu = false }] } },
  "flatten",
  { dropout = { probability = 0.3 } },
  { linear = { outputs = 10 } },
]

[method]
name = "mwt"
beta = 1.0

[training]
epochs = 4
batch = 32
learning_rate = 0.05
seed = 7

[modules]
fine_tune_epochs = 1
"#;

/// A directory of the program's own, with the preset `trial`.
pub struct Home {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Home {
    pub fn new() -> Home {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        Home { _temporary: Some(directory), ..Home::at(path) }
    }

    pub fn at(path: PathBuf) -> Home {
        let presets = Paths::below(&path).presets();
        fs::create_dir_all(&presets).unwrap();
        fs::write(presets.join("trial.toml"), PRESET).unwrap();
        Home { path, _temporary: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn store(&self) -> Store {
        Store::new(&Paths::below(&self.path))
    }

    pub fn run(&self, name: &str) -> Run {
        self.store().open(name).unwrap()
    }

    /// `cleave` with these arguments, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cleave"));
        command.args(arguments).env("CLEAVE_HOME", &self.path).env("NO_COLOR", "1");
        command.stdin(Stdio::null());
        command
    }

    /// Runs `cleave` to its end.
    pub fn cleave(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments))
    }

    /// Starts `cleave train` on the CPU with its messages at hand.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(&["train", "--device", "cpu"]);
        let mut child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let messages = BufReader::new(child.stderr.take().unwrap());
        Running { child, messages, said: String::new() }
    }

    /// Runs `cleave train` on the CPU to its end.
    pub fn train(&self, arguments: &[&str]) -> Ended {
        self.cleave(&[&["train", "--device", "cpu"], arguments].concat())
    }
}

/// A process that has ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    /// Messages, with the frames and line breaks of error reports taken out.
    pub said: String,
}

impl Ended {
    /// Runs a command to its end.
    pub fn of(mut command: Command) -> Ended {
        Ended::new(command.output().unwrap())
    }

    fn new(output: Output) -> Ended {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended {
            code: output.status.code(),
            stdout: text(output.stdout),
            said: unwrapped(&text(output.stderr)),
        }
    }

    /// Insists on this exit code.
    pub fn exits(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Insists on these words among the messages.
    pub fn says(self, words: &[&str]) -> Ended {
        words.iter().for_each(|words| assert!(self.said.contains(words), "{words:?} in {self:?}"));
        self
    }

    /// The JSON object on the last line of stdout.
    pub fn json(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_else(|| panic!("no output: {self:?}"));
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last}"))
    }
}

fn unwrapped(text: &str) -> String {
    let plain = text.replace(['│', '×', '╰', '├', '─', '▶'], " ");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `cleave train` under way; killed when dropped.
pub struct Running {
    pub child: Child,
    messages: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    /// Reads messages up to a line that begins like this.
    pub fn wait_for(&mut self, beginning: &str) {
        loop {
            let from = self.said.len();
            let bytes = self.messages.read_line(&mut self.said).unwrap();
            assert!(bytes > 0, "it never said {beginning:?}: {}", self.said);
            if self.said[from..].starts_with(beginning) {
                return;
            }
        }
    }

    /// Sends a signal by its name, such as `INT`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        self.messages.read_to_string(&mut self.said).unwrap();
        let code = self.child.wait().unwrap().code();
        Ended { code, stdout: String::new(), said: unwrapped(&self.said) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The preset `trial` with changes.
pub fn preset(changes: &[&str]) -> Preset {
    let changes: Vec<_> = changes.iter().map(|change| change.parse().unwrap()).collect();
    Preset::parse(PRESET, "trial.toml", &changes).unwrap()
}

/// A new run of `trial` with changes, with a checkpoint of its initial weights.
pub fn begin(store: &Store, name: &str, changes: &[&str]) -> Job {
    let preset = preset(changes);
    let seed = preset.training.seed;
    let dataset = data::load(&preset.data, seed, Path::new("")).unwrap();
    let spec = preset.spec(dataset.train.shape, dataset.classes.len()).unwrap();
    let checkpoint = Checkpoint {
        step: 0,
        epoch: 0,
        weights: State::init(&spec, seed).unwrap(),
        velocity: State::default(),
        spec: spec.clone(),
        method: State::default(),
        info: CheckpointInfo::default(),
    };
    let manifest = Manifest {
        schema: SCHEMA,
        id: String::new(),
        created: now(),
        program: PROGRAM.into(),
        seed,
        device: Device::Cpu.to_string(),
        parent: None,
        classes: dataset.classes.clone(),
        input: dataset.train.shape,
        mean: dataset.mean.clone(),
        std: dataset.std.clone(),
        preset,
        network: spec,
    };
    let mut writer = store.create(Some(name), manifest).unwrap();
    writer.save_checkpoint(&checkpoint, None).unwrap();
    let schedule = Schedule::default();
    Job { writer, dataset: Arc::new(dataset), checkpoint, schedule, device: Device::Cpu }
}

/// A run to be continued from its newest checkpoint.
pub fn reopen(store: &Store, name: &str) -> Job {
    let mut writer = store.open_to_write(name).unwrap();
    let checkpoint = writer.run.newest_whole().unwrap().checkpoint;
    writer.rewind(checkpoint.step).unwrap();
    let manifest = &writer.run.manifest;
    let dataset: Dataset = data::load(&manifest.preset.data, manifest.seed, Path::new("")).unwrap();
    let schedule = Schedule::default();
    Job { writer, dataset: Arc::new(dataset), checkpoint, schedule, device: Device::Cpu }
}

/// All events of a session, to its end.
pub fn play(session: Session) -> Vec<Event> {
    let events = session.events().iter().collect();
    session.join();
    events
}

/// Trains a run to its end.
pub fn train(job: Job) -> Run {
    let run = job.writer.run.clone();
    let events = play(Session::start(job).unwrap());
    assert!(matches!(events.last(), Some(Event::Finished { .. })), "{:?}", events.last());
    run
}

/// A file's bytes, of which a failing test shows only a hash.
#[derive(PartialEq)]
pub struct Bytes(Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        write!(f, "{} bytes, hash {:x}", self.0.len(), hasher.finish())
    }
}

/// What a run came to, without the wall clock.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// The bytes of weights, velocities and usage at the last step.
    pub files: BTreeMap<String, Bytes>,
    /// Everything else that the next step would depend on.
    pub info: CheckpointInfo,
    pub step: u64,
    /// The epoch records, without what varies from run to run.
    pub epochs: Vec<EpochRecord>,
}

/// Reads what a run came to.
pub fn outcome(run: &Run) -> Outcome {
    let (step, path) = run.checkpoints().unwrap().pop().unwrap();
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let files = files.map(|path| (name(&path), Bytes(fs::read(path).unwrap()))).collect();
    let (mut epochs, torn) = run.metrics().unwrap();
    assert_eq!(torn, None);
    for record in &mut epochs {
        (record.seconds, record.images_per_second) = (0.0, 0.0);
    }
    let info = CheckpointInfo { seconds: 0.0, ..run.load(step).unwrap().info };
    Outcome { files, info, step, epochs }
}

/// Waits until something holds; a test that would wait for ever fails instead.
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
