//! Networks, modules and runs written out for use elsewhere.
//!
//! | file | what it holds |
//! |---|---|
//! | `package` | a network with everything that is needed to use it |
//! | `prepare` | a package without mask generators, or with batch norm folded into its convolutions |
//! | `safetensors` | a package as the bytes of a safetensors file |
//! | `onnx` | a package as the bytes of an ONNX model |
//! | `pytorch` | a package as a directory for PyTorch |
//! | `burn_model` | a package as a directory for Burn |
//! | `form` | which of these forms, and of those of a run below |
//! | `history` | everything that was written down of a run |
//! | `tables` | a run as tables: CSV and JSON |
//! | `tensorboard` | a run as TensorBoard's event file, at once or live |
//! | `figure` | figures as people read them |
//! | `command` | command lines that do again what was done |
//! | `report` | runs as a page to read: HTML and Markdown |
//! | `target` | the file, or the files of a directory, that it goes to |
//! | `error` | what can go wrong |

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
