//! How many threads of the CPU compute.

use std::sync::atomic::{AtomicUsize, Ordering};

/// 0: as many as the machine has.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Threads that work on the CPU.
pub fn threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        limit => limit,
    }
}

/// Limits the threads of what is computed on the CPU from now on. Burn's own operations keep the limit that
/// they had when the first of them ran.
pub fn limit_threads(limit: usize) {
    THREADS.store(limit, Ordering::Relaxed);
    // Too late only when the pool is already there.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(limit).build_global();
}
