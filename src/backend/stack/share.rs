//! Work shared among threads.

use std::sync::{Mutex, PoisonError};

use crate::backend::kernels::parallel;

/// Calls `job` with the number of each item and the item, on at most `threads` threads, in any order.
pub(super) fn each<T: Send>(threads: usize, items: impl Iterator<Item = T>, job: impl Fn(usize, T) + Sync) {
    let items: Vec<Mutex<Option<T>>> = items.map(|item| Mutex::new(Some(item))).collect();
    parallel(threads, items.len(), |_, index| {
        let item = items[index].lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(item) = item {
            job(index, item);
        }
    });
}
