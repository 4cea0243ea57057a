//! A panic at a chosen step, for tests of how the workbench handles a trainer that panics. Only code of this process can
//! ask for one; it costs a step one atomic read.

use std::sync::atomic::{AtomicU64, Ordering};

static AT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Makes every trainer of this process panic at a step.
pub fn plan(step: u64) {
    AT.store(step, Ordering::SeqCst);
}

pub(super) fn strike(step: u64) {
    assert!(step != AT.load(Ordering::SeqCst), "a fault at step {step}\nas the test wanted it");
}
