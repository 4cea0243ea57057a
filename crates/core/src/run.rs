//! The run directory: everything that is kept of a training run, and what a crash must not take away.
//!
//! ```text
//! runs/<id>/manifest.toml           what was asked for (Manifest)
//!           metrics.jsonl           a line an epoch, append-only (Log)
//!           steps.jsonl             a line for a few steps each
//!           events.jsonl            a line an event; the last one says how the run ended (Status)
//!           checkpoints/<step>/     checkpoint.toml, weights.safetensors, velocity.safetensors,
//!                                   usage.safetensors where it was counted, method.safetensors where the
//!                                   method remembers something (Checkpoint)
//!           modules/<name>/         module.toml, weights.safetensors, README.md (Module)
//!           tags.toml               words that a person gave it
//!           lock                    held, and signed, by the process that trains (Lock)
//! ```
//!
//! A [`Store`] finds, lists, creates and removes runs. A [`Run`] reads one and keeps its modules; a [`Writer`]
//! holds its lock and may also append, save checkpoints and go back to one. A checkpoint, a module or a run
//! appears under its name by one rename, when all of it is on the disk.

mod checkpoint;
mod class;
mod document;
mod error;
mod event;
mod fault;
#[cfg(test)]
mod fixture;
mod holder;
mod layout;
mod list;
mod lock;
mod log;
mod manifest;
mod module;
mod name;
mod paper;
mod reader;
mod record;
mod resolve;
mod setting;
mod store;
mod sums;
mod tags;
mod time;
mod writer;

pub use checkpoint::{Best, Checkpoint, CheckpointInfo, Newest};
pub use class::{class_label, class_word};
pub use error::Error;
pub use event::{Event, Imported, PhaseStart};
pub use holder::Holder;
pub use layout::{PROGRAM, SCHEMA};
pub use list::{Entry, Status};
pub use log::{Log, Torn};
pub use manifest::{Manifest, Parent};
pub use module::{
    Aggregation, Ancestor, Card, ClassAccuracy, Computation, Control, FileState, Module, ModuleEntry,
    ModuleManifest, Origin, Routing, Taxonomy, Training, Verification,
};
pub use name::{check as check_name, slug};
pub use paper::{Comparison, ComparisonRow};
pub use reader::Run;
pub use record::{EpochRecord, MaskRecord, SplitRecord, StepRecord, Summary};
pub use setting::{Applied, Setting};
pub use store::Store;
pub use sums::EpochSums;
pub use time::{age, now};
pub use writer::Writer;
