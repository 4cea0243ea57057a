//! A fault at a step, for tests of what becomes of a trainer that panics.

use std::sync::atomic::{AtomicU64, Ordering};

static AT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Has every trainer of this process panic at a step.
pub fn plan(step: u64) {
    AT.store(step, Ordering::SeqCst);
}

pub(super) fn strike(step: u64) {
    assert!(step != AT.load(Ordering::SeqCst), "a fault at step {step}\nas the test wanted it");
}
