//! Work shared among threads.

use std::sync::{Mutex, PoisonError};

use crate::backend::kernels::parallel;

/// Items of which each is given to one thread.
pub(super) struct Items<T>(Vec<Mutex<Option<T>>>);

impl<T> Items<T> {
    pub(super) fn new(items: impl Iterator<Item = T>) -> Self {
        Items(items.map(|item| Mutex::new(Some(item))).collect())
    }

    /// The item with this number, to the first who asks.
    pub(super) fn take(&self, index: usize) -> Option<T> {
        self.0[index].lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Calls `job` with the number of each item and the item, on at most `threads` threads, in any order.
pub(super) fn each<T: Send>(threads: usize, items: impl Iterator<Item = T>, job: impl Fn(usize, T) + Sync) {
    let items = Items::new(items);
    parallel(threads, items.0.len(), |_, index| {
        if let Some(item) = items.take(index) {
            job(index, item);
        }
    });
}
