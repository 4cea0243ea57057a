//! Training: a session's thread, its commands and events, and what a step, an epoch and an extraction are.
//!
//! | file | what it holds |
//! |---|---|
//! | `session` | the trainer thread and its two channels |
//! | `command`, `event` | what goes through them |
//! | `trainer` | a run's state and its way through steps and epochs |
//! | `learner`, `loss`, `optimiser`, `input` | the training step |
//! | `schedule` | the learning rate, and changes at given steps |
//! | `evaluate`, `record` | measuring a split, and what is written down |
//! | `extract`, `task`, `tune`, `evaluator` | taking modules out, fine-tuning and comparing them |
//! | `branch` | a new run from another's checkpoint |

mod branch;
mod command;
mod error;
pub mod evaluate;
mod evaluator;
mod event;
mod extract;
pub mod input;
pub mod learner;
pub mod loss;
pub mod optimiser;
mod record;
pub mod schedule;
mod session;
mod task;
mod trainer;
mod tune;

pub use branch::branch;
pub use command::{Command, Numbered};
pub use error::Error;
pub use evaluate::{Evaluation, Pass};
pub use event::Event;
pub use extract::{Request, Whole};
pub use input::Normaliser;
pub use learner::Learner;
pub use loss::cross_entropy;
pub use optimiser::Sgd;
pub use record::{EpochRecord, MaskRecord, SplitRecord, StepRecord, Summary};
pub use schedule::{Change, Schedule, Setting};
pub use session::{Job, Session};
pub use task::Task;
pub use trainer::Trainer;
pub use tune::Tuning;
