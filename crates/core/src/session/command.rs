//! What a session can be told to do.

use crate::reuse::Request as Extraction;
use crate::run::Setting;

/// A command, carried out between two steps and answered by an event with its number.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Wait after the current step.
    Pause,
    /// Go on.
    Resume,
    /// Make one step and wait again; only while paused.
    StepOnce,
    /// Change a loss weight, the learning rate, or what trains.
    Set(Setting),
    /// Save a checkpoint.
    Checkpoint,
    /// Measure the accuracy on the validation split.
    Evaluate,
    /// Take a module out of the network as it is now, beside the training.
    Extract(Extraction),
    /// Start a new run's directory from this step, under this name.
    Branch(String),
    /// Save a checkpoint and end.
    Stop,
}

/// A command and its number.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbered {
    /// Counts up from 1 in a session.
    pub revision: u64,
    /// What to do.
    pub command: Command,
}
