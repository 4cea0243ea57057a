//! Exports as the programs at the other end see them.
#![allow(clippy::unwrap_used)]

mod burn_record;
mod cases;
mod onnx;
#[path = "../common/python.rs"]
mod python;
mod pytorch;
mod scripts;

/// How far a peer's logits may be from ours, for logits of at most 1; larger ones in proportion.
const TOLERANCE: f64 = 1e-4;

/// Insists that what a script found is close to what was expected.
fn assert_close(found: &serde_json::Value) {
    let (difference, scale) = (found["difference"].as_f64().unwrap(), found["scale"].as_f64().unwrap());
    assert!(difference <= TOLERANCE * scale.max(1.0), "{found}");
}
