//! A network extracted from another, stored with where it comes from and how well it does.

mod card;
mod document;
mod fault;
mod manifest;
mod page;

pub use card::{
    Aggregation, Ancestor, Card, ClassAccuracy, Computation, Origin, Routing, Taxonomy, Training,
};
pub use document::{FileState, Module, ModuleEntry, Verification};
pub use manifest::{Control, ModuleManifest};
