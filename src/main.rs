//! Cleave.
fn main(){}
