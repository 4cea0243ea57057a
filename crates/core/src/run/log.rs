//! Append-only logs: a JSON object for each line.
//!
//! A crash can leave the last line incomplete (torn). Readers ignore that line, and only it; the next writer cuts it
//! off.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::disk;

/// Bytes that are read first from the end of a log; a record has a few hundred.
const TAIL: u64 = 4096;

/// A log that is being written.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    length: u64,
}

/// An incomplete last line, which is not part of what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Its number, from 1.
    pub line: usize,
    /// Its bytes.
    pub bytes: usize,
}

/// Every record of a log.
///
/// # Errors
///
/// When the file cannot be read, or a line other than a torn last one is not a record: names the line.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<(Vec<T>, Option<Torn>), Error> {
    let bytes = disk::read(path, u64::MAX)?;
    let (lines, torn) = split(&bytes);
    let records = lines.iter().map(|&(number, line)| decode(path, number, line));
    Ok((records.collect::<Result<_, _>>()?, torn))
}

/// The last record of a log, read from the end of the file; `None` if it has none.
///
/// # Errors
///
/// When the file cannot be read, or the line is not a record.
pub fn last<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let (mut file, length) = disk::open(path)?;
    let mut window = TAIL;
    loop {
        let tail = tail(&mut file, length, window).map_err(disk::Error::at("read", path))?;
        let (lines, _) = split(&tail);
        let whole = window >= length;
        // The first line of a part of the file may be incomplete.
        match lines.last() {
            Some(&(_, line)) if whole || lines.len() > 1 => return decode_last(path, line),
            None if whole => return Ok(None),
            _ => window *= 4,
        }
    }
}

impl Log {
    /// Opens a log to append to it, and cuts off a torn last line; creates it if it is absent.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut file = disk::append(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(disk::Error::at("read", path))?;
        let whole = bytes.len() - split(&bytes).1.map_or(0, |torn| torn.bytes);
        let mut log = Log { path: path.into(), file, length: whole as u64 };
        log.cut().map_err(disk::Error::at("write", path))?;
        if bytes[..whole].last().is_some_and(|&byte| byte != b'\n') {
            log.put(b"\n")?;
        }
        Ok(log)
    }

    /// Appends one record as one line.
    ///
    /// # Errors
    ///
    /// When it cannot be JSON, or the disk is full; the log is then as it was before.
    pub fn append<T: Serialize>(&mut self, record: &T) -> Result<(), Error> {
        let mut line = serde_json::to_vec(record)
            .map_err(|error| Error::Unwritable { path: self.path.clone(), problem: error.to_string() })?;
        line.push(b'\n');
        self.put(&line)
    }

    /// Drops every record whose `step` is greater; records without a step stay.
    ///
    /// # Errors
    ///
    /// When a line is not a record, or the file cannot be written; the log is then as it was before.
    pub fn truncate_after(&mut self, step: u64) -> Result<(), Error> {
        let bytes = disk::read(&self.path, u64::MAX)?;
        let mut kept = Vec::with_capacity(bytes.len());
        for (number, line) in split(&bytes).0 {
            let Step { step: at } = decode(&self.path, number, line)?;
            if at.is_none_or(|at| at <= step) {
                kept.extend_from_slice(line);
                kept.push(b'\n');
            }
        }
        if kept != bytes {
            disk::write(&self.path, &kept)?;
            *self = Log::open(&self.path)?;
        }
        Ok(())
    }

    /// Syncs what was appended to the disk.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn sync(&self) -> Result<(), Error> {
        Ok(self.file.sync_data().map_err(disk::Error::at("write", &self.path))?)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Ok(())
            }
            Err(source) => {
                // The next line must not follow half of this one.
                let _ = self.cut();
                Err(disk::Error::at("write", &self.path)(source).into())
            }
        }
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)
    }
}

#[derive(Deserialize)]
struct Step {
    step: Option<u64>,
}

/// The lines with their numbers, without blank ones and without a torn last one.
fn split(bytes: &[u8]) -> (Vec<(usize, &[u8])>, Option<Torn>) {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').enumerate();
    let lines = lines.map(|(index, line)| (index + 1, line));
    let mut lines: Vec<(usize, &[u8])> = lines.filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
    let torn = lines.pop_if(|(_, line)| serde_json::from_slice::<IgnoredAny>(line).is_err());
    let torn = torn.map(|(line, _)| Torn { line, bytes: bytes.len() - start(bytes, line) });
    (lines.into_iter().map(|(number, line)| (number, line.trim_ascii())).collect(), torn)
}

fn start(bytes: &[u8], line: usize) -> usize {
    bytes.split_inclusive(|&byte| byte == b'\n').take(line - 1).map(<[u8]>::len).sum()
}

fn tail(file: &mut File, length: u64, window: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(window)))?;
    file.take(window).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(path: &Path, line: usize, text: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(text).map_err(|error| Error::BrokenLine {
        path: path.into(),
        line,
        problem: error.to_string(),
    })
}

fn decode_last<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<Option<T>, Error> {
    serde_json::from_slice(text)
        .map(Some)
        .map_err(|error| Error::Damaged { path: path.into(), problem: format!("its last record: {error}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn log(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        std::fs::write(&path, content).unwrap();
        (home, path)
    }

    #[test]
    fn a_torn_last_line_is_dropped_by_readers_and_cut_by_the_next_writer() {
        let (_home, path) = log(b"{\"step\":1}\n{\"step\":2}\n{\"ste");
        let (records, torn) = read::<Value>(&path).unwrap();
        assert_eq!(records, [json!({"step": 1}), json!({"step": 2})]);
        assert_eq!(torn, Some(Torn { line: 3, bytes: 5 }));
        assert_eq!(last::<Value>(&path).unwrap(), Some(json!({"step": 2})));
        Log::open(&path).unwrap().append(&json!({"step": 3})).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");
    }

    #[test]
    fn a_last_line_that_lacks_only_its_end_of_line_is_whole() {
        let (_home, path) = log(b"{\"step\":1}");
        Log::open(&path).unwrap().append(&json!({"step": 2})).unwrap();
        assert_eq!(read::<Value>(&path).unwrap().0.len(), 2);
    }

    #[test]
    fn a_broken_line_in_the_middle_is_named() {
        let (_home, path) = log(b"{\"step\":1}\n{\"st\n{\"step\":3}\n");
        let error = read::<Value>(&path).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn going_back_drops_later_records_and_keeps_those_without_a_step() {
        let (_home, path) = log(b"{\"kind\":\"a\"}\n{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");
        let mut log = Log::open(&path).unwrap();
        log.truncate_after(2).unwrap();
        log.append(&json!({"step": 9})).unwrap();
        let (records, _) = read::<Value>(&path).unwrap();
        assert_eq!(
            records,
            [json!({"kind": "a"}), json!({"step": 1}), json!({"step": 2}), json!({"step": 9})]
        );
    }

    #[test]
    fn the_last_record_is_found_whatever_the_lengths() {
        for length in [1, 4000, 4090, 5000, 70_000] {
            let long = json!({"text": "x".repeat(length)});
            let (_home, path) = log(format!("{}\n{long}\n", json!({"a": 1})).as_bytes());
            assert_eq!(last::<Value>(&path).unwrap(), Some(long.clone()));
            std::fs::write(&path, format!("{long}\n{}", "{".repeat(length))).unwrap();
            assert_eq!(last::<Value>(&path).unwrap(), Some(long));
        }
        let (_home, path) = log(b"");
        assert_eq!(last::<Value>(&path).unwrap(), None);
    }

    proptest! {
        #[test]
        fn the_last_record_is_the_last_of_all(
            lengths in prop::collection::vec(0usize..6000, 0..6),
            cut in 0usize..8000,
        ) {
            let lines = lengths.iter().map(|&length| json!({"text": "x".repeat(length)}).to_string() + "\n");
            let mut text: String = lines.collect();
            text.truncate(text.len().saturating_sub(cut));
            let (_home, path) = log(text.as_bytes());
            let (all, _) = read::<Value>(&path).unwrap();
            prop_assert_eq!(last::<Value>(&path).unwrap(), all.last().cloned());
        }
    }
}
