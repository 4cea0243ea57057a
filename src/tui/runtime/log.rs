//! The log file of the workbench.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::run::now;
use crate::tui::notices::Notice;

/// Size at which a new file is started; the previous one is kept.
const LONGEST: u64 = 1 << 20;

/// The log file. If it cannot be written, logging is silently off.
#[derive(Clone)]
pub(super) struct Log(Arc<Mutex<Pages>>);

struct Pages {
    path: PathBuf,
    file: Option<File>,
    length: u64,
}

impl Log {
    /// Opens the file, creating its directories.
    pub(super) fn open(path: &Path) -> Log {
        // Without a directory, opening the file fails too.
        let _ = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        Log(Arc::new(Mutex::new(Pages::open(path.to_owned()))))
    }

    /// Writes a line.
    pub(super) fn line(&self, text: &str) {
        let line = format!("{} {}\n", now(), text.replace('\n', "\n    "));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(&line);
    }

    /// Writes messages.
    pub(super) fn notices(&self, notices: &[Notice]) {
        notices.iter().for_each(|notice| self.line(&format!("{} {}", notice.tone.sign(), notice.text)));
    }

    /// Writes an error, if there is one.
    pub(super) fn failure(&self, what: &str, result: io::Result<()>) {
        if let Err(error) = result {
            self.line(&format!("cannot {what}: {error}"));
        }
    }
}

impl Pages {
    fn open(path: PathBuf) -> Pages {
        let file = OpenOptions::new().create(true).append(true).open(&path).ok();
        let length = file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |file| file.len());
        Pages { path, file, length }
    }

    fn write(&mut self, line: &str) {
        if self.length > LONGEST {
            let _ = std::fs::rename(&self.path, self.path.with_extension("log.old"));
            *self = Pages::open(std::mem::take(&mut self.path));
        }
        if let Some(file) = &mut self.file
            && file.write_all(line.as_bytes()).is_ok()
        {
            self.length += line.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_and_keeps_its_newest_lines() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/workbench.log");
        let log = Log::open(&path);
        let long = "x".repeat(1 << 16);
        (0..50).for_each(|n| log.line(&format!("{n} {long}\nand more")));
        let texts =
            [path.clone(), path.with_extension("log.old")].map(|p| std::fs::read_to_string(p).unwrap());
        assert!(texts.iter().all(|text| (text.len() as u64) < LONGEST + (1 << 17)), "both are bounded");
        assert!(texts[0].lines().rev().nth(1).unwrap().contains(" 49 x"));
        assert!(texts[0].ends_with("\n    and more\n"));
    }
}
