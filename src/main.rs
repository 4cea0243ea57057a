//! Cleave.
fn main() {}
