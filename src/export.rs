//! Export of networks, modules and runs to other formats.
//!
//! | file | what it holds |
//! |---|---|
//! | `package` | a network with everything needed to use it |
//! | `prepare` | omits mask generators, or folds batch norm into convolutions |
//! | `safetensors` | a package as the bytes of a safetensors file |
//! | `onnx` | a package as the bytes of an ONNX model |
//! | `pytorch` | a package as a directory for PyTorch |
//! | `burn_model` | a package as a directory for Burn |
//! | `form` | the formats of a package and of a run |
//! | `history` | all records of a run |
//! | `tables` | a run as tables: CSV and JSON |
//! | `tensorboard` | a run as a TensorBoard event file, exported or live |
//! | `figure` | formatting of numbers |
//! | `command` | command lines that reproduce runs and modules |
//! | `report` | a report on runs, as HTML and Markdown |
//! | `target` | writing a file, or the files of a directory |
//! | `error` | errors |

pub mod burn_model;
pub mod command;
mod error;
pub mod figure;
#[cfg(test)]
mod fixture;
mod form;
mod history;
pub mod onnx;
mod package;
mod prepare;
pub mod pytorch;
pub mod report;
pub mod safetensors;
pub mod tables;
mod target;
pub mod tensorboard;

pub use error::Error;
pub use form::{Encoded, Form, Records, Written};
pub use history::History;
pub use package::{Package, Provenance, Target};
pub use target::{write, write_all};
