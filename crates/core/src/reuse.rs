//! Reuse: what is done with trained networks and their modules: extraction, fine-tuning, composition, replacement,
//! measurement, prediction. Knows no session.
//!
//! | file | what it holds |
//! |---|---|
//! | `loaded` | work on stored runs |
//! | `splitter` | the ways to split a network into one part for each class |
//! | `extract`, `task`, `tune` | extracting modules, fine-tuning and comparing them |
//! | `class_sets` | what the modules of many sets of classes are worth as cut |
//! | `compose` | modules of several runs as one, and a class replaced by a module |
//! | `assemble` | the same, and measuring modules again, for stored runs |

mod assemble;
mod class_sets;
mod compose;
mod error;
mod extract;
#[cfg(test)]
mod fixture;
mod loaded;
mod splitter;
mod task;
mod tune;

pub use assemble::{Composition, Join, Place, Replacement, test_images};
pub use class_sets::{ClassSets, SetResult, SetsSummary};
pub use compose::{Labelled, Source, Weak, compose, evaluate_composed, other_class, replace};
pub use error::Error;
pub use extract::{Request, Trained};
pub use loaded::{Examination, Loaded, examine, kept_usage, load_data, predict, test};
pub use splitter::{Splitter, splitter};
pub use task::Task;
pub use tune::Tuning;
