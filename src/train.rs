//! Training: a session's thread, its commands and events, and what a step, an epoch and an extraction are.
//!
//! | file | what it holds |
//! |---|---|
//! | `session` | the trainer thread and its two channels |
//! | `command`, `event` | what goes through them |
//! | `trainer` | a run's state and its way through steps and epochs |
//! | `learner`, `loss`, `optimiser`, `input`, `feed` | the training step |
//! | `footprint` | what a step needs of a device's memory |
//! | `schedule` | the learning rate, and changes at given steps |
//! | `evaluate`, `record` | measuring a split, and what is written down |
//! | `extract`, `task`, `tune`, `evaluator` | taking modules out, fine-tuning and comparing them |
//! | `loaded` | work on runs as they were kept, with no session |
//! | `launch`, `branch` | what comes before training: new, resumed, branched and imported runs |
//! | `compose` | modules of several runs as one, and a class replaced by a module |
//! | `assemble` | the same, and measuring modules again, from where runs are kept |
//! | `paper` | a run's results beside published ones |
//! | `pace` | how fast an experiment would train here |

mod assemble;
mod branch;
mod command;
mod compose;
mod error;
pub mod evaluate;
mod evaluator;
mod event;
mod extract;
#[cfg(test)]
pub(crate) mod fault;
mod feed;
mod footprint;
pub mod input;
mod launch;
pub mod learner;
mod loaded;
pub mod loss;
pub mod optimiser;
mod pace;
mod paper;
mod record;
pub mod schedule;
mod session;
mod task;
mod trainer;
mod tune;

pub use assemble::{Composition, Join, Place, Replacement, test_images};
pub use branch::branch;
pub use command::{Command, Numbered};
pub use compose::{Labelled, Source, Weak, compose, evaluate_composed, other_class, replace};
pub use error::Error;
pub use evaluate::{Evaluation, Pass};
pub use event::{Event, Imported};
pub use extract::{Request, Whole};
pub use feed::Feed;
pub use input::Normaliser;
pub use launch::{Prepared, load_data};
pub use learner::{Learner, Replica, Share};
pub use loaded::{Examination, Loaded, examine, kept_usage, predict, test};
pub use loss::cross_entropy;
pub use optimiser::Sgd;
pub use pace::seconds_per_image;
pub use paper::{Comparison, ComparisonRow};
pub use record::{EpochRecord, MaskRecord, SplitRecord, StepRecord, Summary};
pub use schedule::{Change, Schedule, Setting};
pub use session::{Job, Remote, Session};
pub use task::Task;
pub use trainer::Trainer;
pub use tune::Tuning;
