//! The directory of all runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Error;
use super::layout::{self, EVENTS, MANIFEST, METRICS, STEPS};
use super::lock::Lock;
use super::manifest::Manifest;
use super::reader::Run;
use super::writer::Writer;
use super::{name, time};
use crate::disk;
use crate::paths::Paths;

/// Age from which on an unfinished file is not another process's work any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// All runs of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    pub(super) directory: PathBuf,
}

impl Store {
    /// The runs in `paths.runs()`, which need not exist.
    pub fn new(paths: &Paths) -> Self {
        Store { directory: paths.runs() }
    }

    /// The store that a run lies in.
    pub fn around(run: &Run) -> Self {
        Store { directory: run.path.parent().unwrap_or(Path::new(".")).to_owned() }
    }

    /// The store that a module lies in, if its directory is one of a run.
    pub fn around_module(directory: &Path) -> Option<Self> {
        let run = layout::run_of(directory)?;
        Some(Store { directory: run.parent()?.to_owned() })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Creates a run and locks it: `name`, or else the preset's name with the date and time.
    ///
    /// # Errors
    ///
    /// When the name is taken or not allowed, or the directory cannot be written.
    pub fn create(&self, name: Option<&str>, manifest: Manifest) -> Result<Writer, Error> {
        disk::make_dir(&self.directory)?;
        // Others may share the directory; what cannot be removed there does no harm.
        let _ = disk::sweep(&self.directory, ABANDONED);
        if let Some(name) = name {
            name::check(name)?;
            return self.build(name, manifest);
        }
        let base = format!("{}-{}", name::slug(&manifest.preset.name), time::stamp());
        let taken = |result: &Result<Writer, Error>| matches!(result, Err(Error::Taken { .. }));
        let mut results = name::variants(&base).map(|name| self.build(&name, manifest.clone()));
        results.find(|result| !taken(result)).unwrap_or_else(|| self.build(&base, manifest.clone()))
    }

    /// The run that `query` means (see [`Store::resolve`]), for reading.
    ///
    /// # Errors
    ///
    /// As [`Store::resolve`] and [`Run::open`].
    pub fn open(&self, query: &str) -> Result<Run, Error> {
        Run::open(&self.resolve(query)?)
    }

    /// The run that `query` means (see [`Store::resolve`]), locked for writing.
    ///
    /// # Errors
    ///
    /// As [`Store::resolve`] and [`Writer::open`].
    pub fn open_to_write(&self, query: &str) -> Result<Writer, Error> {
        Writer::open(self.open(query)?)
    }

    /// Removes the run that `query` means (see [`Store::resolve`]), and returns its former directory.
    ///
    /// # Errors
    ///
    /// When it is locked, does not lie in this directory, or cannot be removed.
    pub fn remove(&self, query: &str) -> Result<PathBuf, Error> {
        let path = self.resolve(query)?;
        let real = |path: &Path| path.canonicalize().map_err(disk::Error::at("read", path));
        if real(&path)?.parent() != Some(&real(&self.directory)?) {
            return Err(Error::Outside { path, store: self.directory.clone() });
        }
        let _lock = Lock::take(&path)?;
        disk::remove_dir(&path)?;
        Ok(path)
    }

    fn build(&self, id: &str, mut manifest: Manifest) -> Result<Writer, Error> {
        let path = self.directory.join(id);
        manifest.id = id.into();
        let text = manifest.encode(&path)?;
        let files: [(&str, &[u8]); 4] =
            [(MANIFEST, text.as_bytes()), (METRICS, b""), (STEPS, b""), (EVENTS, b"")];
        match disk::create_dir(&path, &files) {
            Err(error) if error.is_taken() => Err(Error::Taken { kind: "run", name: id.into(), path }),
            Err(error) => Err(error.into()),
            Ok(()) => Writer::open(Run { path, manifest }),
        }
    }
}
