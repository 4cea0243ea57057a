//! Cleave trains convolutional networks that come apart into modules.
pub mod backend;
pub mod cli;
pub mod data;
pub mod disk;
pub mod method;
pub mod modular;
pub mod network;
pub mod paths;
pub mod preset;
pub mod random;
pub mod run;
pub mod train;
