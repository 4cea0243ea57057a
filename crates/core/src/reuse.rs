//! Reuse: what is done with trained networks and their modules: extraction, fine-tuning, composition, replacement,
//! measurement, prediction. Knows no session.
//!
//! | file | what it holds |
//! |---|---|
//! | `loaded` | work on runs as they were kept |
//! | `extract`, `task`, `tune` | extracting modules, fine-tuning and comparing them |
//! | `compose` | modules of several runs as one, and a class replaced by a module |
//! | `assemble` | the same, and measuring modules again, from where runs are kept |

mod assemble;
mod compose;
mod error;
mod extract;
mod loaded;
mod task;
mod tune;

pub use assemble::{Composition, Join, Place, Replacement, test_images};
pub use compose::{Labelled, Source, Weak, compose, evaluate_composed, other_class, replace};
pub use error::Error;
pub use extract::{Request, Whole};
pub use loaded::{Examination, Loaded, examine, kept_usage, load_data, predict, test};
pub use task::Task;
pub use tune::Tuning;
