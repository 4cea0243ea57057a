//! What makes training modular: the loss terms beside cross-entropy and where the sample masks come from.

mod config;

pub use config::{Average, MethodConfig};
