//! Cleave trains convolutional networks that can be decomposed into modules.
//!
//! The central idea: *a module is a network*. A [`spec::Spec`] is plain data; a [`network::Network`] is built from it
//! and runs it. Training with a modular [`method`] makes each class use few kernels; [`modular::Usage`] counts which,
//! a threshold turns counts into a [`modular::Selection`], and [`modular::slice()`] creates a smaller spec with fewer
//! weights, which is trained, measured, exported and sliced again like any other network.
//!
//! ```text
//! preset.toml -> Spec -> Network -- train --> Network + masks -> Usage
//!                  |                             |                 | threshold, union of classes
//!                 cost                           |             Selection
//!                                                +---- slice ------+---> Network (smaller Spec)
//! ```
//!
//! | room | what it holds |
//! |---|---|
//! | [`preset`] | the experiment as a file |
//! | [`data`] | file formats, one in-memory data set, augmented batches |
//! | [`spec`] | networks as data: stages, shapes, cost, weights on the host |
//! | [`network`] | a spec with weights on a device, the forward pass |
//! | [`method`] | loss terms that make training modular |
//! | [`modular`] | usage, thresholds, cohesion, coupling, retention, slicing |
//! | [`session`] | the trainer thread, its commands and events; new, resumed and branched runs |
//! | [`reuse`] | extraction, fine-tuning, composition and comparison of modules |
//! | [`learn`] | the training step, evaluation |
//! | [`run`] | the run directory: manifest, logs, checkpoints, modules, lock |
//! | [`export`] | export of modules and runs to other formats |
//! | [`plot`] | charts, heat maps, bars and images, for the terminal and as SVG, PNG and CSV |
//! | [`import`] | import of weights trained by other programs |
//! | [`backend`] | CPU or CUDA: the only room that names a concrete backend |
//! | [`tui`] | the terminal workbench |
//! | [`cli`] | the command line |
//! | [`paths`], [`disk`], [`random`], [`markup`] | directories, atomic writing, seeded draws, escaped text |
//!
//! Dependencies point downwards: nothing depends on `cli`; `session` depends on the rooms below it; `modular` and `data`
//! use no thread, file lock or terminal.

pub mod cli;
pub mod export;
pub mod plot;
pub mod tui;

pub use cleave_core::{
    backend, data, disk, import, learn, markup, method, modular, network, paths, preset, random, reuse, run,
    session, spec,
};
