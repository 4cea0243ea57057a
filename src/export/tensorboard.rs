//! A run as a TensorBoard event file, exported at once or written while it trains.
//!
//! An event file is a sequence of records, each a protobuf message framed by its length and two checksums. A run is a
//! directory of such files, all of which TensorBoard reads.
//!
//! | file | what it holds |
//! |---|---|
//! | `proto` | the protobuf messages |
//! | `record` | the framing of a record |
//! | `summary` | scalars, images and settings of a run as messages |

mod proto;
mod record;
mod summary;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;

use self::proto::{SessionLog, What};
use super::error::Error;
use super::history::History;
use crate::disk;
use crate::run::{Event, Manifest, age};

/// Prefix of event file names.
const PREFIX: &str = "events.out.tfevents";

/// An event file that grows while a run trains.
#[derive(Debug)]
pub struct Live {
    file: File,
    path: PathBuf,
    manifest: Manifest,
}

impl Live {
    /// Creates a new file for a run in `directory/<run>`, next to those of earlier sessions.
    ///
    /// # Errors
    ///
    /// When the file cannot be created.
    pub fn create(directory: &Path, manifest: &Manifest) -> Result<Live, Error> {
        let directory = directory.join(&manifest.id);
        disk::make_dir(&directory)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("{PREFIX}.{:010}.{}.cleave", since.as_secs(), std::process::id());
        let path = directory.join(name);
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = file.map_err(disk::Error::at("write", &path))?;
        let mut live = Live { file, path, manifest: manifest.clone() };
        live.put(0, What::FileVersion(record::VERSION.into()))?;
        Ok(live)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends the summaries of an event; for kernel usage, the overlap of class modules as an image.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn event(&mut self, event: &Event) -> Result<(), Error> {
        match event {
            Event::Started { step, .. } => {
                // TensorBoard then discards what an earlier session wrote for this step and later ones.
                self.put(*step, What::SessionLog(SessionLog::start()))?;
                let created = seconds(created(&self.manifest));
                self.put(0, What::Summary(summary::begin(&self.manifest, created)?))
            }
            Event::Steps(record) => self.put(record.step, What::Summary(summary::step(record))),
            Event::Epoch(record) => self.put(record.step, What::Summary(summary::epoch(record))),
            Event::Usage { step, usage } => match usage.modules(self.manifest.preset.modules.threshold) {
                Ok(modules) => self.put(*step, What::Summary(summary::overlap(&modules)?)),
                // During training only a sample is counted, which may lack a class.
                Err(_) => Ok(()),
            },
            Event::Finished { step, summary } => {
                self.put(*step, What::Summary(summary::finish(Some(summary), seconds(SystemTime::now()))))
            }
            Event::Stopped { step } | Event::Failed { step, .. } => {
                self.put(*step, What::Summary(summary::finish(None, seconds(SystemTime::now()))))
            }
            _ => Ok(()),
        }
    }

    fn put(&mut self, step: u64, what: What) -> Result<(), Error> {
        let bytes = encode(SystemTime::now(), step, what);
        Ok(self.file.write_all(&bytes).map_err(disk::Error::at("write", &self.path))?)
    }
}

/// Name and bytes of an event file with all records of a run. Its timestamps are the run's creation time plus the
/// training seconds.
///
/// # Errors
///
/// When a value cannot be written, or a class has no samples.
pub fn file(history: &History) -> Result<(String, Vec<u8>), Error> {
    let start = created(&history.manifest);
    let mut bytes = encode(start, 0, What::FileVersion(record::VERSION.into()));
    let mut put = |clock: f64, step, what| {
        let passed = Duration::try_from_secs_f64(clock).unwrap_or_default();
        bytes.extend(encode(start + passed, step, What::Summary(what)));
    };
    put(0.0, 0, summary::begin(&history.manifest, seconds(start))?);
    let mut steps = history.steps.iter().peekable();
    let mut clock = 0.0;
    for epoch in &history.epochs {
        while let Some(step) = steps.next_if(|step| step.step <= epoch.step) {
            // A resumed run restarts its seconds, but TensorBoard needs increasing timestamps.
            clock = step.seconds.max(clock);
            put(clock, step.step, summary::step(step));
        }
        put(clock, epoch.step, summary::epoch(epoch));
    }
    for step in steps {
        clock = step.seconds.max(clock);
        put(clock, step.step, summary::step(step));
    }
    let last = history.epochs.last().map_or(0, |epoch| epoch.step);
    if let Some(modules) = history.class_modules()? {
        put(clock, last, summary::overlap(&modules)?);
    }
    put(clock, last, summary::finish(history.summary(), seconds(start) + clock));
    let name = format!("{PREFIX}.{:010}.{}.cleave", seconds(start) as u64, history.manifest.id);
    Ok((name, bytes))
}

fn encode(time: SystemTime, step: u64, what: What) -> Vec<u8> {
    let event = proto::Event { wall_time: seconds(time), step: step as i64, what: Some(what) };
    record::frame(&event.encode_to_vec())
}

fn created(manifest: &Manifest) -> SystemTime {
    let now = SystemTime::now();
    age(&manifest.created).and_then(|age| now.checked_sub(age)).unwrap_or(now)
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::super::history::fixture;
    use super::*;

    /// The messages of an event file.
    fn read(mut bytes: &[u8]) -> Vec<proto::Event> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            events.push(proto::Event::decode(&bytes[12..12 + length]).unwrap());
            bytes = &bytes[12 + length + 4..];
        }
        events
    }

    #[test]
    fn an_exported_run_begins_with_the_version_and_its_clock_never_goes_back() {
        let (name, bytes) = file(&fixture::history()).unwrap();
        assert!(name.starts_with("events.out.tfevents."), "{name}");
        let events = read(&bytes);
        assert!(matches!(&events[0].what, Some(What::FileVersion(version)) if version == "brain.Event:2"));
        assert!(events.is_sorted_by_key(|event| event.wall_time));
        assert!(events.len() > 4);
    }

    #[test]
    fn a_live_file_grows_with_the_run_and_an_earlier_one_stays() {
        let home = tempfile::tempdir().unwrap();
        let history = fixture::history();
        let mut live = Live::create(home.path(), &history.manifest).unwrap();
        let started = Event::Started { step: 3, steps_per_epoch: 2, steps: 8, device: "cpu".into() };
        live.event(&started).unwrap();
        live.event(&Event::Epoch(Box::new(history.epochs[0].clone()))).unwrap();
        live.event(&Event::Stopped { step: 4 }).unwrap();
        let events = read(&std::fs::read(live.path()).unwrap());
        assert_eq!(events.iter().map(|event| event.step).collect::<Vec<_>>(), [0, 3, 0, 2, 4]);
        assert!(matches!(Live::create(live.path(), &history.manifest), Err(Error::Disk(_))));
    }
}
