//! The library below the workbench and the command line: specs, training, modules, run directories.
//!
//! The crate `cleave` gives these rooms again, with what it adds to them; its documentation is the overview.
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
//! | [`import`] | weights that other programs have trained |
//! | [`backend`] | CPU or CUDA: the only room that names a concrete backend |
//! | [`paths`], [`disk`], [`random`], [`markup`] | directories, atomic writing, seeded draws, escaped text |

pub mod backend;
pub mod data;
pub mod disk;
pub mod import;
pub mod learn;
pub mod markup;
pub mod method;
pub mod modular;
pub mod network;
pub mod paths;
pub mod preset;
pub mod random;
pub mod reuse;
pub mod run;
pub mod session;
pub mod spec;
