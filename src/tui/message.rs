//! Messages to the workbench, the effects it requests, and jobs for worker threads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyEvent, MouseEvent};

use super::action::{Action, Screen};
use super::curves::{Curves, Logs};
use super::modules::sets::Sets;
use super::notices::Tone;
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
    /// The terminal was resized to this many columns and rows.
    Resize(u16, u16),
    /// Clock tick every quarter of a second, with the time since start.
    Tick(Duration),
    /// The program must end, because of a signal or a closed terminal.
    EndAsked {
        /// The reason, for the log.
        why: &'static str,
        /// The exit code.
        code: u8,
    },
    /// The program must suspend itself (SIGTSTP from another process).
    SleepAsked,
    /// The process was resumed after a suspension.
    Woken,
    /// The device for training was found.
    Device {
        /// `cpu`, `cuda:0`.
        name: String,
        /// Why `auto` chose the CPU.
        note: Option<String>,
    },
    /// A session started for this run.
    SessionStarted(Box<Manifest>),
    /// An event of the session.
    Session(Event),
    /// The reply of a worker.
    Reply(Box<Reply>),
    /// CPU and GPU load.
    Load(Load),
    /// A note for the log.
    Noted(String),
}

/// CPU and GPU load, as shown on the dashboard.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Load of all CPU cores, 0..1.
    pub cpu: f32,
    /// Resident memory of this process, in bytes.
    pub memory: u64,
    /// Load of the GPU, if one is in use and can be queried.
    pub gpu: Option<GpuLoad>,
}

/// A side effect requested by the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Exit with this code once the session has ended.
    Quit(u8),
    /// Exit with this code now.
    Abort(u8),
    /// Suspend the process as ctrl-z does.
    Suspend,
    /// Clear and redraw the screen.
    Redraw,
    /// Start training in the background; answered by `SessionStarted` or `Reply::Launch` with an error.
    Launch(Box<Launch>),
    /// Send a command to the session. Its revision is the previous command's plus one.
    Send(Command),
    /// A job for a worker thread.
    Job(Box<Job>),
    /// Copy a text to the terminal's clipboard (OSC 52).
    Copy(String),
    /// Show a toast.
    Toast(String),
    /// Ring the bell, show a toast in this tone, and send a desktop notification if the terminal supports it.
    Notify(Tone, String),
    /// Turn mouse capture on or off.
    Mouse(bool),
    /// Write to the log file.
    Log(String),
    /// Switch to a screen.
    Go(Screen),
    /// Perform an action, as if its key were pressed.
    Do(Action),
}

/// How to start training.
#[derive(Clone, Debug, PartialEq)]
pub enum Launch {
    /// A new run.
    New {
        /// The experiment.
        preset: Preset,
        /// The run's name; generated if `None`.
        name: Option<String>,
        /// Setting changes to replay.
        schedule: Schedule,
    },
    /// Resume a run.
    Resume {
        /// Its name.
        run: String,
    },
    /// A new run from a checkpoint of another.
    Branch {
        /// The parent's name.
        run: String,
        /// Step of the checkpoint; `None` for the newest intact one.
        step: Option<u64>,
        /// The new run's name.
        name: Option<String>,
        /// The experiment of the branch; `None` to keep the parent's.
        preset: Option<Preset>,
    },
    /// A run of imported weights, to measure them.
    Import {
        /// The file.
        file: PathBuf,
        /// The preset that defines the network: a name or a path.
        preset: String,
        /// Overrides of the preset, `key=value`.
        set: Vec<String>,
        /// A file that maps array names.
        map: Option<PathBuf>,
        /// The run's name.
        name: Option<String>,
    },
}

/// Run and name of a module.
pub type ModuleName = (String, String);

/// Format and options of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// `safetensors`, `onnx`, `pytorch`, `burn`; for the records of a run `csv`, `json`, `tensorboard`.
    pub format: String,
    /// ONNX: include preprocessing for pixel bytes in this layout, and output probabilities.
    pub preprocessing: Option<Preprocessing>,
    /// Whether to omit the mask generators.
    pub without_masks: bool,
    /// Whether to fold batch norm into the preceding convolutions.
    pub fold_norm: bool,
}

/// A network and its training settings, for timing a few steps.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedNetwork {
    /// The network.
    pub spec: Spec,
    /// Its training settings.
    pub preset: Preset,
}

impl TimedNetwork {
    /// Whether both take the same time per image.
    pub fn is_as_fast_as(&self, other: &TimedNetwork) -> bool {
        let batch = |network: &TimedNetwork| network.preset.training.batch;
        self.spec == other.spec && batch(self) == batch(other)
    }
}

/// A job for a worker thread. Of the waiting jobs of one lane only the newest is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    /// List all runs.
    Runs,
    /// Read the charted series of a run.
    History {
        /// The run.
        run: String,
        /// Read its logs up to this step.
        until: u64,
        /// The smoothing weight.
        smoothing: f64,
    },
    /// List the checkpoints of a run.
    Checkpoints(String),
    /// Read the epochs and modules of a run.
    RunModules(String),
    /// Read the kernel usage at a run's checkpoint, with its network. If it was not counted yet, it is counted, which
    /// takes minutes.
    Usage {
        /// The run.
        run: String,
        /// Step of the checkpoint; `None` for the newest intact one.
        step: Option<u64>,
    },
    /// List presets.
    Presets,
    /// Read a preset with `key=value` overrides: its cost and TOML, or the error.
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
        /// The new tags.
        tags: Vec<String>,
    },
    /// Extract a module from a run that is not being trained by this process.
    Extract {
        /// The run.
        run: String,
        /// What to extract.
        request: Request,
    },
    /// Compute the confusion matrix and latency of a module.
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
    /// Export a module or a run.
    Export {
        /// The run.
        run: String,
        /// The module; `None` for the run itself.
        module: Option<String>,
        /// Format and options.
        export: Export,
        /// The file or directory to write.
        to: PathBuf,
    },
    /// Check the files of a module against their checksums.
    Verify {
        /// The run.
        run: String,
        /// The module.
        module: String,
    },
    /// Compose modules.
    Compose {
        /// The modules, at least two.
        modules: Vec<ModuleName>,
        /// Name of the result.
        name: String,
        /// How they are joined.
        join: Join,
        /// Fine-tuning epochs of a union; `None` for the preset's.
        fine_tune: Option<usize>,
        /// Licence for the card.
        licence: Option<String>,
    },
    /// Replace a class of a run's network by a module.
    Replace {
        /// The run.
        run: String,
        /// The class's label.
        class: usize,
        /// The module.
        donor: ModuleName,
        /// Name of the result.
        name: String,
    },
    /// Write a report on runs.
    Report {
        /// The runs.
        runs: Vec<String>,
        /// The directory to write to.
        to: PathBuf,
    },
    /// Time a few training steps of an experiment.
    Time(Box<TimedNetwork>),
    /// Read the saved sets of classes.
    Sets,
    /// Save a set of classes, replacing one of the same name; without classes, delete the set. Answered by `Reply::Sets`.
    KeepSet {
        /// Its name.
        name: String,
        /// Names of its classes.
        classes: Vec<String>,
    },
    /// Classify an image with a module.
    Predict {
        /// The run.
        run: String,
        /// The module.
        module: String,
        /// The image file; `None` for one of the run's test images.
        image: Option<PathBuf>,
        /// Index of the test image.
        index: usize,
    },
    /// Write a schedule file.
    SaveSchedule {
        /// The file.
        to: PathBuf,
        /// The changes.
        schedule: Schedule,
        /// Whether to report only failures.
        quiet: bool,
    },
    /// Write a file, such as an exported chart.
    SaveFile {
        /// The file.
        to: PathBuf,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Render a chart as a PNG file, which is slow.
    SavePng {
        /// The file.
        to: PathBuf,
        /// What to render.
        picture: Print,
    },
    /// Save the settings.
    SaveSettings(Settings),
}

impl Job {
    /// Whether quitting before it is done would lose something that the user is waiting for. Each such job has exactly one
    /// reply for which [`Reply::is_awaited`] holds.
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
            | Job::RunModules(_)
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

/// The charted series of a run from its logs.
#[derive(Clone, Debug)]
pub struct LoadedCurves {
    /// The run's manifest.
    pub manifest: Manifest,
    /// Its series, smoothed with `smoothing`.
    pub curves: Arc<Curves>,
    /// The smoothing weight.
    pub smoothing: f64,
    /// Its last event.
    pub last: Option<Event>,
    /// What could not be read, in one line.
    pub problem: Option<String>,
}

impl LoadedCurves {
    /// The charted series up to a step. Consumes the logs.
    pub fn of(logs: Logs, until: u64, smoothing: f64) -> Self {
        LoadedCurves {
            curves: Arc::new(Curves::load(&logs, until, smoothing)),
            smoothing,
            last: logs.events.last().cloned(),
            problem: None,
            manifest: logs.manifest,
        }
    }
}

/// What the modules screen reads from a run.
#[derive(Clone, Debug)]
pub struct RunModules {
    /// The run's manifest.
    pub manifest: Manifest,
    /// Its epochs.
    pub epochs: Vec<EpochRecord>,
    /// Its modules; unreadable ones with the reason.
    pub modules: Vec<(String, Result<ModuleManifest, String>)>,
}

/// A run of the list, with its tags.
#[derive(Clone, Debug)]
pub struct RunRow {
    /// Status, manifest and last epoch.
    pub entry: Entry,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A preset as shown beside the form for a new run.
#[derive(Clone, Debug, PartialEq)]
pub struct PresetSummary {
    /// The experiment.
    pub preset: Preset,
    /// Its TOML text with all defaults.
    pub toml: String,
    /// Its network, if the shape of the data is known before reading them.
    pub spec: Option<Spec>,
    /// Images per epoch, if their number is known before reading them.
    pub images: Option<usize>,
    /// Expected seconds per epoch, from earlier runs of the same network, or else scaled by MACs.
    pub seconds_per_epoch: Option<f64>,
}

/// A prediction for an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The origin of the image.
    pub name: String,
    /// Its true class, if known.
    pub truth: Option<String>,
    /// `[channels, height, width]` of `pixels`.
    pub shape: [usize; 3],
    /// Pixels in channel, row, column order.
    pub pixels: Vec<u8>,
    /// Probability of each of the module's classes.
    pub probabilities: Vec<(String, f64)>,
}

/// A worker's reply.
#[derive(Clone, Debug)]
pub enum Reply {
    /// All runs.
    Runs(Result<Vec<RunRow>, String>),
    /// The charted series of a run.
    History {
        /// The run.
        run: String,
        /// The last step asked for.
        until: u64,
        /// The series, or the error.
        found: Result<Arc<LoadedCurves>, String>,
    },
    /// Steps of a run's checkpoints, ascending.
    Checkpoints(String, Result<Vec<u64>, String>),
    /// A run's epochs and modules.
    RunModules(String, Result<Arc<RunModules>, String>),
    /// A run's usage at a step, and its network.
    Usage {
        /// The run.
        run: String,
        /// The step, the usage and the network.
        found: Result<(u64, Arc<Usage>, Arc<Spec>), String>,
    },
    /// Names and descriptions of presets; unreadable ones with the reason.
    Presets(Result<Vec<(String, String)>, String>),
    /// A preset.
    Preset {
        /// Its name or path.
        name: String,
        /// The changes.
        set: Vec<String>,
        /// The preset, or the error.
        summary: Result<Box<PresetSummary>, String>,
    },
    /// A launch failed.
    Launch(String),
    /// The result of extracting a module from the run of this name.
    Extracted(String, Result<Box<ModuleManifest>, String>),
    /// The result of composing modules or replacing a class.
    Made(Result<Box<ModuleManifest>, String>),
    /// Seconds per image in training, or the error.
    Timed(Box<TimedNetwork>, Result<f64, String>),
    /// Confusion matrix and latency of a module.
    Examined {
        /// The run.
        run: String,
        /// The module.
        module: String,
        /// The result, or the error.
        found: Result<Examination, String>,
    },
    /// A module was deleted.
    Removed {
        /// The run.
        run: String,
        /// The module.
        module: String,
        /// The error, if it failed.
        done: Result<(), String>,
    },
    /// The saved sets of classes.
    Sets(Result<Sets, String>),
    /// The prediction for an image.
    Predicted {
        /// The run.
        run: String,
        /// The module.
        module: String,
        /// The image file; `None` for one of the run's test images.
        image: Option<PathBuf>,
        /// Index of the test image.
        index: usize,
        /// The result, or the error.
        found: Result<Box<Prediction>, String>,
    },
    /// The result of a job that is reported in one line.
    Done(Result<String, String>),
    /// The result of a job that is reported only if it failed.
    Quiet(Result<(), String>),
}

impl Reply {
    /// Whether it answers a job for which [`Job::is_awaited`].
    pub fn is_awaited(&self) -> bool {
        matches!(self, Reply::Extracted(..) | Reply::Made(_) | Reply::Removed { .. } | Reply::Done(_))
    }
}
