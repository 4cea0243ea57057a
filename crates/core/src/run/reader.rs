//! Reading a run, also while it is being trained, and keeping its modules.

use std::fs;
use std::path::{Path, PathBuf};

use super::checkpoint::{self, Checkpoint, Newest};
use super::error::Error;
use super::event::Event;
use super::log::{self, Torn};
use super::manifest::Manifest;
use super::module::{Module, ModuleEntry, ModuleManifest};
use super::record::{EpochRecord, StepRecord};
use super::{layout, name};
use crate::disk;

/// A run: its directory and its manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its directory.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
}

impl Run {
    /// Reads the run in a directory.
    ///
    /// # Errors
    ///
    /// When its manifest is absent, damaged or of a newer version.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Run { path: path.into(), manifest: Manifest::read(path)? })
    }

    /// Every record of the metric log.
    ///
    /// # Errors
    ///
    /// When the log cannot be read, or a line other than a torn last one is not a record: names the line.
    pub fn metrics(&self) -> Result<(Vec<EpochRecord>, Option<Torn>), Error> {
        log::read(&self.path.join(layout::METRICS))
    }

    /// Every record of the step log.
    ///
    /// # Errors
    ///
    /// As [`Run::metrics`].
    pub fn steps(&self) -> Result<(Vec<StepRecord>, Option<Torn>), Error> {
        log::read(&self.path.join(layout::STEPS))
    }

    /// Every record of the event log.
    ///
    /// # Errors
    ///
    /// As [`Run::metrics`].
    pub fn events(&self) -> Result<(Vec<Event>, Option<Torn>), Error> {
        log::read(&self.path.join(layout::EVENTS))
    }

    /// The steps of all checkpoints, whole or not, with their directories; ascending.
    ///
    /// # Errors
    ///
    /// When their directory cannot be read.
    pub fn checkpoints(&self) -> Result<Vec<(u64, PathBuf)>, Error> {
        checkpoint::list(&layout::checkpoints(&self.path))
    }

    /// The newest undamaged checkpoint, and why newer ones were skipped.
    ///
    /// # Errors
    ///
    /// When there is none, or a newer version of the program wrote the newest one.
    pub fn newest_whole(&self) -> Result<Newest, Error> {
        checkpoint::newest_whole(&self.path, &layout::checkpoints(&self.path))
    }

    /// The checkpoint of a step.
    ///
    /// # Errors
    ///
    /// When there is none or it is damaged: names the file.
    pub fn load(&self, step: u64) -> Result<Checkpoint, Error> {
        let path = self.checkpoint(step);
        if !path.is_dir() {
            let steps = self.checkpoints()?.into_iter().map(|(step, _)| step).collect();
            return Err(Error::NoSuchStep { run: self.manifest.id.clone(), step, steps });
        }
        checkpoint::load(&path)
    }

    /// The bytes of the usage that was counted at a checkpoint, if it was.
    ///
    /// # Errors
    ///
    /// When there is no such checkpoint, or its files are not as they were written.
    pub fn load_usage(&self, step: u64) -> Result<Option<Vec<u8>>, Error> {
        checkpoint::load_usage(&self.checkpoint(step))
    }

    /// Saves the bytes of the usage that was counted at a checkpoint. Needs no lock.
    ///
    /// # Errors
    ///
    /// When there is no such checkpoint, or it cannot be written.
    pub fn save_usage(&self, step: u64, usage: &[u8]) -> Result<(), Error> {
        checkpoint::save_usage(&self.checkpoint(step), usage)
    }

    /// The modules of this run, by name.
    ///
    /// # Errors
    ///
    /// When their directory cannot be read; a damaged module is listed with its error.
    pub fn modules(&self) -> Result<Vec<ModuleEntry>, Error> {
        let directory = layout::modules(&self.path);
        let entry = |name: String| {
            let path = directory.join(&name);
            ModuleEntry { manifest: ModuleManifest::read(&path), name, path }
        };
        Ok(layout::directories(&directory)?.into_iter().map(entry).collect())
    }

    /// Saves a new module under the name in its manifest, and returns its directory. Needs no lock.
    ///
    /// # Errors
    ///
    /// When the name is taken or not allowed, the weights are not those of its network, or it cannot be written.
    pub fn save_module(&self, module: &Module) -> Result<PathBuf, Error> {
        name::check(&module.manifest.name)?;
        let path = layout::modules(&self.path).join(&module.manifest.name);
        layout::make_own(&layout::modules(&self.path))?;
        module.create(&path)?;
        Ok(path)
    }

    /// The first of `base`, `base-2`, `base-3` and so on that no module of this run has.
    pub fn free_module_name(&self, base: &str) -> String {
        let directory = layout::modules(&self.path);
        let free = |name: &String| fs::symlink_metadata(directory.join(name)).is_err();
        name::variants(&name::slug(base)).find(free).unwrap_or_default()
    }

    /// Removes a module.
    ///
    /// # Errors
    ///
    /// When there is none of this name, or the system refuses.
    pub fn remove_module(&self, name: &str) -> Result<(), Error> {
        name::check(name)?;
        Ok(disk::remove_dir(&layout::modules(&self.path).join(name))?)
    }

    fn checkpoint(&self, step: u64) -> PathBuf {
        layout::checkpoints(&self.path).join(step.to_string())
    }
}
