//! What a session tells its listener. Events carry numbers, never tensors.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::record::{EpochRecord, StepRecord, Summary};
use super::setting::Applied;
use crate::backend::Machine;
use crate::import;
use crate::modular::Usage;
use crate::preset::{Objective, Preset};

/// Something that happened in a session, at a step. Serialised as a line of the run's event log, but for
/// [`Event::Steps`] and [`Event::Epoch`], which have logs of their own, and [`Event::Usage`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// The run began with weights that another program had trained.
    Imported {
        /// 0.
        step: u64,
        /// The file they came in.
        #[serde(flatten)]
        from: Imported,
    },
    /// Training starts, or goes on after `step` steps.
    Started {
        /// Steps taken before.
        step: u64,
        /// Steps of an epoch.
        steps_per_epoch: u64,
        /// Steps of the whole run.
        steps: u64,
        /// Where it trains.
        device: String,
    },
    /// What trains it from here on.
    Machine {
        /// Steps taken before.
        step: u64,
        /// Version of the program.
        program: String,
        /// The machine.
        machine: Machine,
    },
    /// The first step is under way on a device whose kernels are compiled and tuned when they are first
    /// needed. Not logged.
    #[serde(skip)]
    Tuning {
        /// Steps taken before.
        step: u64,
    },
    /// The first step of this process is done.
    Ready {
        /// Steps taken.
        step: u64,
        /// Seconds from the trainer's start to the step's end: weights and images brought to the device,
        /// kernels compiled and tuned.
        seconds: f64,
    },
    /// Means over the last few steps.
    Steps(StepRecord),
    /// An epoch ended.
    Epoch(Box<EpochRecord>),
    /// Which kernels each class uses, counted for the epoch's measures and at the end. Not logged.
    #[serde(skip)]
    Usage {
        /// Steps taken.
        step: u64,
        /// Of an evenly spaced part of the training split; at the end, of all of it.
        usage: Arc<Usage>,
    },
    /// A phase of training begins; only where the preset has phases.
    Phase(Box<PhaseStart>),
    /// A command or a scheduled change took effect, or a branch began with a setting of its parent's.
    Applied {
        /// Steps taken before it.
        step: u64,
        /// Number of the command; `None` for other changes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<u64>,
        /// What it did.
        change: Applied,
    },
    /// A command could not be carried out.
    Refused {
        /// Steps taken.
        step: u64,
        /// Number of the command.
        revision: u64,
        /// Why.
        why: String,
    },
    /// A checkpoint is on the disk.
    Checkpointed {
        /// Its step.
        step: u64,
    },
    /// Something that a person should know, while training goes on.
    Warning {
        /// Steps taken.
        step: u64,
        /// What.
        message: String,
    },
    /// What an `Evaluate` command found.
    Evaluated {
        /// Step of the weights.
        step: u64,
        /// Number of the command.
        revision: u64,
        /// Accuracy on the split.
        accuracy: f64,
    },
    /// A module was taken out and kept.
    Extracted {
        /// Step of the weights.
        step: u64,
        /// Number of the command.
        revision: u64,
        /// The module's name.
        module: String,
    },
    /// The last epoch is over. Nothing follows.
    Finished {
        /// Steps taken.
        step: u64,
        /// What it came to.
        summary: Summary,
    },
    /// Training was told to stop. Nothing follows.
    Stopped {
        /// Steps taken; there is a checkpoint of this step.
        step: u64,
    },
    /// Training failed. Nothing follows.
    Failed {
        /// Steps taken.
        step: u64,
        /// Why.
        message: String,
        /// Whether a loss or the weights stopped being finite.
        diverged: bool,
        /// Step of the newest checkpoint, if there is one.
        checkpoint: Option<u64>,
    },
}

/// A phase as it begins, with the settings that take effect then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseStart {
    /// Steps taken before it.
    pub step: u64,
    /// Its number, from 1.
    pub phase: u64,
    /// Phases of the run.
    pub phases: u64,
    /// What the preset calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which losses are minimised.
    pub objective: Objective,
    /// Weights of the method's loss terms.
    pub weights: BTreeMap<String, f64>,
    /// Learning rate of its first epoch, where it has a schedule of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// What does not train: the shortest list of names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<String>,
}

impl PhaseStart {
    /// The phase of this index of a preset, with these weights and this much frozen; `None` where there is no such
    /// phase.
    pub fn of(
        preset: &Preset,
        index: usize,
        step: u64,
        weights: BTreeMap<String, f64>,
        frozen: Vec<String>,
    ) -> Option<PhaseStart> {
        let phase = preset.phase.get(index)?;
        Some(PhaseStart {
            step,
            phase: index as u64 + 1,
            phases: preset.phase.len() as u64,
            name: phase.name.clone(),
            objective: phase.objective,
            weights,
            learning_rate: phase.learning_rate,
            frozen,
        })
    }

    /// `2 of 3`, with its name if it has one.
    pub fn title(&self) -> String {
        let name = self.name.as_ref().map_or_else(String::new, |name| format!(", {name}"));
        format!("{} of {}{name}", self.phase, self.phases)
    }

    /// Its name, or `phase 2`: for a mark on a chart.
    pub fn short(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("phase {}", self.phase))
    }
}

impl fmt::Display for PhaseStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "phase {}: ", self.title())?;
        match self.objective {
            Objective::CrossEntropy => f.write_str("cross-entropy only")?,
            Objective::Method => {
                f.write_str("the method's losses")?;
                self.weights.iter().try_for_each(|(name, value)| write!(f, ", {name} {value}"))?;
            }
        }
        if let Some(rate) = self.learning_rate {
            write!(f, ", learning rate {rate}")?;
        }
        if !self.frozen.is_empty() {
            write!(f, ", frozen: {}", self.frozen.join(" "))?;
        }
        Ok(())
    }
}

/// A file of weights that another program had trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Imported {
    /// Its name.
    pub file: String,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// What it was read as; older logs do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<import::Format>,
    /// The table of names that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<import::Names>,
}

impl Event {
    /// Steps taken when it happened.
    pub fn step(&self) -> u64 {
        match self {
            Event::Steps(record) => record.step,
            Event::Epoch(record) => record.step,
            Event::Phase(begun) => begun.step,
            Event::Imported { step, .. }
            | Event::Started { step, .. }
            | Event::Machine { step, .. }
            | Event::Tuning { step }
            | Event::Ready { step, .. }
            | Event::Usage { step, .. }
            | Event::Applied { step, .. }
            | Event::Refused { step, .. }
            | Event::Checkpointed { step }
            | Event::Warning { step, .. }
            | Event::Evaluated { step, .. }
            | Event::Extracted { step, .. }
            | Event::Finished { step, .. }
            | Event::Stopped { step }
            | Event::Failed { step, .. } => *step,
        }
    }

    /// Whether this is the last event of a session.
    pub fn is_end(&self) -> bool {
        matches!(self, Event::Finished { .. } | Event::Stopped { .. } | Event::Failed { .. })
    }
}
