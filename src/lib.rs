//! Cleave trains convolutional networks that come apart into modules.
//!
//! One idea carries everything: *a module is a network*. A [`spec::Spec`] is plain data; a
//! [`network::Network`] is built from it and runs it. Training with a modular [`method`] makes each class use
//! few kernels; [`modular::Usage`] counts which, a threshold turns counts into a [`modular::Selection`], and
//! [`modular::slice()`] makes a smaller spec with fewer weights, which is trained, measured, exported and
//! sliced again like any other.
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
//! | [`export`] | modules and runs as files for other programs |
//! | [`plot`] | charts, heat maps, bars and pictures, for the terminal and as SVG, PNG and CSV |
//! | [`import`] | weights that other programs have trained |
//! | [`backend`] | CPU or CUDA: the only room that names a concrete backend |
//! | [`tui`] | the terminal workbench |
//! | [`cli`] | the command line |
//! | [`paths`], [`disk`], [`random`], [`markup`] | directories, atomic writing, seeded draws, escaped text |
//!
//! Knowledge goes down: nothing knows `cli`; `session` knows the rooms below it; `modular` and `data` know no thread,
//! file lock or terminal.

pub mod cli;
pub mod export;
pub mod plot;
pub mod tui;

pub use cleave_core::{
    backend, data, disk, import, learn, markup, method, modular, network, paths, preset, random, reuse, run,
    session, spec,
};
