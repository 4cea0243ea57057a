//! A session trains a run on a thread of its own: preparing the run, the thread, its commands and its events.
//!
//! | file | what it holds |
//! |---|---|
//! | `thread` | the trainer thread and its two channels |
//! | `command` | what a session can be told to do |
//! | `trainer` | a run's state and its way through steps, epochs and phases |
//! | `settings` | the settings in force |
//! | `schedule` | changes of settings at given steps |
//! | `evaluator` | extraction beside training |
//! | `launch`, `branch` | what comes before training: new, resumed, branched and imported runs |

mod branch;
mod command;
mod error;
mod evaluator;
#[doc(hidden)]
pub mod fault;
mod launch;
mod schedule;
mod settings;
#[cfg(test)]
mod tests;
mod thread;
mod trainer;

pub use crate::run::Setting;
pub use branch::branch;
pub use command::{Command, Numbered};
pub use error::Error;
pub use launch::Prepared;
pub use schedule::{Change, Schedule};
pub use settings::{Settings, scheduled_rate};
pub use thread::{Job, Remote, Session};
pub use trainer::Trainer;
