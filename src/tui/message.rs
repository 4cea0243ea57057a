//! Messages to the workbench, the effects it requests, and jobs for worker threads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyEvent, MouseEvent};

use super::action::{Action, Place};
use super::curves::Curves;
use super::modules::sets::Sets;
use super::say::Tone;
use super::settings::Settings;
use crate::backend::GpuLoad;
use crate::export::onnx::Preprocessing;
use crate::modular::Usage;
use crate::plot::Print;
use crate::preset::Preset;
pub use crate::reuse::Examination;
use crate::reuse::{Join, Request};
use crate::run::{Entry, EpochRecord, Event, Manifest, ModuleManifest};
use crate::session::{Command, Schedule};
use crate::spec::Spec;

/// An input to [`App::update`](super::app::App::update).
#[derive(Debug)]
pub enum Msg {
    /// A key was pressed or repeats.
    Key(KeyEvent),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// A text was pasted.
    Paste(String),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// A quarter of a second went by; with the time since the program started.
    Tick(Duration),
    /// The system asks to end, by a signal or because the terminal is gone.
    EndAsked {
        /// What to call it.
        why: &'static str,
        /// With which exit code.
        code: u8,
    },
    /// The system asks to sleep (SIGTSTP from outside).
    SleepAsked,
    /// The process goes on after it slept.
    Woken,
    /// The device that will train, and a note on why it is not another.
    Device {
        /// `cpu`, `cuda:0`.
        name: String,
        /// Why `auto` came to the CPU.
        note: Option<String>,
    },
    /// A session began for this run.
    SessionStarted(Box<Manifest>),
    /// The session says something.
    Session(Event),
    /// What a worker found; `Err` with a whole sentence.
    Reply(Box<Reply>),
    /// Load of this computer.
    Load(Load),
    /// Something for the log.
    Noted(String),
}

/// Load of this computer, as the dashboard shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Of all cores, 0..1.
    pub cpu: f32,
    /// Bytes that this process has in memory.
    pub memory: u64,
    /// Of the GPU, where one is in use and can be asked.
    pub gpu: Option<GpuLoad>,
}

/// Something to do outside the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// End the program with this exit code, when the session has ended.
    Quit(u8),
    /// End the program now.
    Abort(u8),
    /// Put the process to sleep as Ctrl-Z does.
    Suspend,
    /// Clear and draw everything.
    Redraw,
    /// Start training in the background; answered by `SessionStarted` or a failed `Reply::Launch`.
    Launch(Box<Launch>),
    /// Send a command to the session. Its revision is one more than that of the command before.
    Send(Command),
    /// Work for another thread.
    Job(Box<Job>),
    /// Put a text into the clipboard of the terminal (OSC 52).
    Copy(String),
    /// Say something for a few seconds.
    Toast(String),
    /// Ring, say it in this tone, and notify where the terminal can.
    Notify(Tone, String),
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    /// Write to the log file.
    Log(String),
    /// Go to a screen.
    Go(Place),
    /// Do an action, as if its key were pressed.
    Do(Action),
}

/// How to begin training.
#[derive(Clone, Debug, PartialEq)]
pub enum Launch {
    /// A new run.
    New {
        /// The experiment.
        preset: Preset,
        /// The run's name; one is made up without.
        name: Option<String>,
        /// Changes to replay.
        schedule: Schedule,
    },
    /// Go on with a run.
    Resume {
        /// Its name.
        run: String,
    },
    /// A new run from a checkpoint of another.
    Branch {
        /// The parent's name.
        run: String,
        /// The checkpoint's step; the newest whole one without.
        step: Option<u64>,
        /// The new run's name.
        name: Option<String>,
        /// The experiment from there on; as it was, without.
        preset: Option<Preset>,
    },
    /// A run of weights that another program has trained, to measure them.
    Import {
        /// The file.
        file: PathBuf,
        /// The preset whose network the weights are of: a name or a path.
        preset: String,
        /// Changes of it, `key=value`.
        set: Vec<String>,
        /// A file of names.
        map: Option<PathBuf>,
        /// The run's name.
        name: Option<String>,
    },
}

/// A module's run and name.
pub type Named = (String, String);

/// As what a module or a run is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// `safetensors`, `onnx`, `pytorch`, `burn`; for the records of a run `csv`, `json`, `tensorboard`.
    pub format: String,
    /// ONNX: from bytes of pixels to probabilities, in this order of axes.
    pub preprocessing: Option<Preprocessing>,
    /// Without mask generators.
    pub without_masks: bool,
    /// With batch norm in the convolutions before it.
    pub fold_norm: bool,
}

/// A network that would be trained, for timing it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The network.
    pub spec: Spec,
    /// How it would be trained.
    pub preset: Preset,
}

impl Trial {
    /// Whether an image takes as long in both.
    pub fn is_as_fast_as(&self, other: &Trial) -> bool {
        let batch = |trial: &Trial| trial.preset.training.batch;
        self.spec == other.spec && batch(self) == batch(other)
    }
}

/// Work for another thread. Of waiting jobs of one kind only the newest is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    /// List all runs.
    Runs,
    /// Read what is charted of a run.
    History {
        /// The run.
        run: String,
        /// What its logs say up to this step.
        until: u64,
        /// The weight of smoothing.
        smoothing: f64,
    },
    /// Read which checkpoints a run has.
    Checkpoints(String),
    /// Read a run's epochs and modules.
    Shelf(String),
    /// Read the usage of a run's checkpoint, counting it where it was not (minutes), with its network.
    Usage {
        /// The run.
        run: String,
        /// The checkpoint's step; the newest whole one without.
        step: Option<u64>,
    },
    /// List presets.
    Presets,
    /// Read a preset with `key=value` changes: its cost and TOML, or what is wrong.
    Preset {
        /// Its name or path.
        name: String,
        /// Changes.
        set: Vec<String>,
    },
    /// Delete a run.
    RemoveRun(String),
    /// Replace the tags of a run.
    Tag {
        /// The run.
        run: String,
        /// Its tags from now on.
        tags: Vec<String>,
    },
    /// Take a module out of a run that is not being trained here.
    Extract {
        /// The run.
        run: String,
        /// What to take out.
        request: Request,
    },
    /// Confusion matrix and latency of a module.
    Examine {
        /// The run.
        run: String,
        /// The module.
        module: String,
    },
    /// Delete a module.
    RemoveModule {
        /// The run.
        run: String,
        /// The module.
        module: String,
    },
    /// Write a module or a run for other programs.
    Export {
        /// The run.
        run: String,
        /// The module; the run itself without.
        module: Option<String>,
        /// As what.
        export: Export,
        /// File or directory.
        to: PathBuf,
    },
    /// Hold the files of a module against their sums.
    Verify {
        /// The run.
        run: String,
        /// The module.
        module: String,
    },
    /// Put modules together.
    Compose {
        /// Runs and modules, at least two.
        modules: Vec<Named>,
        /// What to call the result.
        name: String,
        /// How.
        join: Join,
        /// Epochs of fine-tuning of a union; the preset's without.
        fine_tune: Option<usize>,
        /// Terms of use for the card.
        licence: Option<String>,
    },
    /// Let a module decide a class of a run.
    Replace {
        /// The run.
        run: String,
        /// The class's label.
        class: usize,
        /// The module.
        donor: Named,
        /// What to call the result.
        name: String,
    },
    /// Write a page about runs.
    Report {
        /// The runs.
        runs: Vec<String>,
        /// The directory.
        to: PathBuf,
    },
    /// Time some training steps of an experiment that has not run here.
    Time(Box<Trial>),
    /// Read the kept sets of classes.
    Sets,
    /// Keep a set of classes, in place of one of the same name; without classes, take the name away. Answered
    /// by `Reply::Sets`.
    KeepSet {
        /// Its name.
        name: String,
        /// Names of its classes.
        classes: Vec<String>,
    },
    /// Predict a picture's class with a module.
    Predict {
        /// The run.
        run: String,
        /// The module.
        module: String,
        /// The picture's file; one of the run's test pictures without.
        image: Option<PathBuf>,
        /// Which test picture.
        index: usize,
    },
    /// Write a schedule file.
    SaveSchedule {
        /// The file.
        to: PathBuf,
        /// The changes.
        schedule: Schedule,
        /// Whether to say no more than why it failed.
        quiet: bool,
    },
    /// Write a file, such as an exported chart.
    SaveFile {
        /// The file.
        to: PathBuf,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Draw a picture as a PNG image, which takes its time.
    SavePng {
        /// The file.
        to: PathBuf,
        /// What is to be drawn.
        picture: Print,
    },
    /// Keep settings for the next start.
    SaveSettings(Settings),
}

impl Job {
    /// Whether leaving before it is done would lose what a person is waiting for. Each such job has one answer
    /// for which [`Reply::is_awaited`].
    pub fn is_awaited(&self) -> bool {
        match self {
            Job::Extract { .. }
            | Job::Compose { .. }
            | Job::Replace { .. }
            | Job::RemoveRun(_)
            | Job::RemoveModule { .. }
            | Job::Tag { .. }
            | Job::Export { .. }
            | Job::Verify { .. }
            | Job::Report { .. }
            | Job::SaveFile { .. }
            | Job::SavePng { .. }
            | Job::SaveSchedule { quiet: false, .. } => true,
            Job::Runs
            | Job::History { .. }
            | Job::Checkpoints(_)
            | Job::Shelf(_)
            | Job::Usage { .. }
            | Job::Presets
            | Job::Preset { .. }
            | Job::Examine { .. }
            | Job::Time(_)
            | Job::Sets
            | Job::KeepSet { .. }
            | Job::Predict { .. }
            | Job::SaveSchedule { quiet: true, .. }
            | Job::SaveSettings(_) => false,
        }
    }
}

/// What is charted of a run's past, and how far it came.
#[derive(Clone, Debug)]
pub struct Past {
    /// What was asked for.
    pub manifest: Manifest,
    /// Its series, smoothed with `smoothing`.
    pub curves: Arc<Curves>,
    /// The weight of smoothing.
    pub smoothing: f64,
    /// Its last event.
    pub last: Option<Event>,
    /// What could not be read, in a line.
    pub problem: Option<String>,
}

/// What the modules screen reads of a run.
#[derive(Clone, Debug)]
pub struct Shelf {
    /// What was asked for.
    pub manifest: Manifest,
    /// Its epochs.
    pub epochs: Vec<EpochRecord>,
    /// Its modules; those that cannot be read with the reason.
    pub modules: Vec<(String, Result<ModuleManifest, String>)>,
}

/// A run in the list with its tags.
#[derive(Clone, Debug)]
pub struct RunRow {
    /// Status, manifest and last epoch.
    pub entry: Entry,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A preset as the form for a new run shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct PresetCard {
    /// The experiment.
    pub preset: Preset,
    /// As TOML, all defaults included.
    pub toml: String,
    /// Its network, where the data's shape is known before they are read.
    pub spec: Option<Spec>,
    /// Images of an epoch, where their number is known before they are read.
    pub images: Option<usize>,
    /// Seconds an epoch is likely to take here, from runs of the same network; else from its MACs.
    pub seconds_per_epoch: Option<f64>,
}

/// A prediction for a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Where the picture comes from.
    pub name: String,
    /// Its class, where known.
    pub truth: Option<String>,
    /// `[channels, height, width]` of `pixels`.
    pub shape: [usize; 3],
    /// Channel after channel, row after row.
    pub pixels: Vec<u8>,
    /// Probability of each of the module's classes.
    pub probabilities: Vec<(String, f64)>,
}

/// What a worker found.
#[derive(Clone, Debug)]
pub enum Reply {
    /// All runs.
    Runs(Result<Vec<RunRow>, String>),
    /// A run's past.
    History {
        /// The run.
        run: String,
        /// Up to this step.
        until: u64,
        /// What is charted of it.
        found: Result<Arc<Past>, String>,
    },
    /// Steps of a run's checkpoints, ascending.
    Checkpoints(String, Result<Vec<u64>, String>),
    /// A run's epochs and modules.
    Shelf(String, Result<Arc<Shelf>, String>),
    /// A run's usage at a step, and its network.
    Usage {
        /// The run.
        run: String,
        /// The step, the usage and the network.
        found: Result<(u64, Arc<Usage>, Arc<Spec>), String>,
    },
    /// Names and descriptions of presets; those that cannot be read with the reason.
    Presets(Result<Vec<(String, String)>, String>),
    /// A preset.
    Preset {
        /// Its name or path.
        name: String,
        /// The changes.
        set: Vec<String>,
        /// What came of them.
        card: Result<Box<PresetCard>, String>,
    },
    /// A launch failed.
    Launch(String),
    /// A module was taken out of the run of this name.
    Extracted(String, Result<Box<ModuleManifest>, String>),
    /// A module was put together, or a class of a run replaced.
    Made(Result<Box<ModuleManifest>, String>),
    /// Seconds that an image takes in training, or why that is not known.
    Timed(Box<Trial>, Result<f64, String>),
    /// A module was examined.
    Examined {
        /// The run.
        run: String,
        /// The module.
        module: String,
        /// What came of it.
        found: Result<Examination, String>,
    },
    /// A module was deleted.
    Removed {
        /// The run.
        run: String,
        /// The module.
        module: String,
        /// Why it could not be, if it could not.
        done: Result<(), String>,
    },
    /// The kept sets of classes.
    Sets(Result<Sets, String>),
    /// A picture's class was predicted.
    Predicted {
        /// The run.
        run: String,
        /// The module.
        module: String,
        /// The picture's file; one of the run's test pictures without.
        image: Option<PathBuf>,
        /// Which test picture.
        index: usize,
        /// What came of it.
        found: Result<Box<Prediction>, String>,
    },
    /// Something was done that needs no more than a line; or it failed.
    Done(Result<String, String>),
    /// Something was done that needs no word, unless it failed.
    Quiet(Result<(), String>),
}

impl Reply {
    /// Whether it answers a job that a person is waiting for.
    pub fn is_awaited(&self) -> bool {
        matches!(self, Reply::Extracted(..) | Reply::Made(_) | Reply::Removed { .. } | Reply::Done(_))
    }
}
