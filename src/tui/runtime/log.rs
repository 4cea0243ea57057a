//! The log file of the workbench.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::run::now;
use crate::tui::say::Said;

/// A file is begun anew from this size on; the one before is kept.
const LONGEST: u64 = 1 << 20;

/// The log file; absent where it cannot be written, which nothing else depends on.
#[derive(Clone)]
pub(super) struct Log(Arc<Mutex<Option<File>>>);

impl Log {
    /// Opens it, with the directories above.
    pub(super) fn open(path: &Path) -> Log {
        if std::fs::metadata(path).is_ok_and(|file| file.len() > LONGEST) {
            let _ = std::fs::rename(path, path.with_extension("log.old"));
        }
        let directory = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let file = directory.and_then(|()| OpenOptions::new().create(true).append(true).open(path));
        Log(Arc::new(Mutex::new(file.ok())))
    }

    /// Writes a line.
    pub(super) fn line(&self, text: &str) {
        if let Some(file) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let line = format!("{} {}\n", now(), text.replace('\n', "\n    "));
            let _ = file.write_all(line.as_bytes());
        }
    }

    /// Writes what was said.
    pub(super) fn said(&self, said: &[Said]) {
        said.iter().for_each(|said| self.line(&format!("{} {}", said.tone.sign(), said.text)));
    }

    /// Writes why something failed, if it did.
    pub(super) fn failure(&self, what: &str, result: io::Result<()>) {
        if let Err(error) = result {
            self.line(&format!("cannot {what}: {error}"));
        }
    }
}
