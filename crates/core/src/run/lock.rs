//! One writer a run: a lock that goes with the process that holds it.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::error::Error;
use super::holder::Holder;
use super::layout::LOCK;
use crate::disk;

/// A held lock; dropping it lets go.
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
        // Who holds it is for people; the lock holds without it, on a full disk too.
        let _ = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
        Ok(Lock(file))
    }
}

/// Who holds the lock of the run in `directory`, if anyone does.
pub(super) fn holder(directory: &Path) -> Option<Holder> {
    let path = directory.join(LOCK);
    let (file, _) = disk::open(&path).ok()?;
    // A shared lock, so that two processes that look do not see each other.
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| Holder::read(&path))
}

/// Tries for a moment, since a process that lists runs touches each lock briefly.
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
