//! One writer for each run: a lock that the system releases when the process that holds it ends.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::error::Error;
use super::holder::Holder;
use super::layout::LOCK;
use crate::disk;

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Takes the lock of the run in `directory`.
    pub(super) fn take(directory: &Path) -> Result<Lock, Error> {
        let path = directory.join(LOCK);
        let mut file = disk::append(&path)?;
        if !try_lock(&file, &path)? {
            return Err(Error::Locked { path: directory.into(), holder: Holder::read(&path) });
        }
        let text = toml::to_string(&Holder::this()).unwrap_or_default();
        // This text is for people; the lock works without it, also on a full disk.
        let _ = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
        Ok(Lock(file))
    }
}

/// Who holds the lock of the run in `directory`, if anyone does.
pub(super) fn holder(directory: &Path) -> Option<Holder> {
    let path = directory.join(LOCK);
    let (file, _) = disk::open(&path).ok()?;
    // A shared lock, so that two processes that ask do not take each other for a holder.
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| Holder::read(&path))
}

/// Tries for a moment, since a process that lists runs holds each lock briefly.
fn try_lock(file: &File, path: &Path) -> Result<bool, Error> {
    for _ in 0..10 {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(source)) => return Err(disk::Error::at("lock", path)(source).into()),
        }
    }
    Ok(false)
}
