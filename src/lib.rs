//! Cleave.
