//! The manifest of a run: everything that is needed to train it again.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::document::{self, damaged};
use super::error::Error;
use super::fault;
use super::layout::MANIFEST;
use crate::modular::{self, TrackedSite, tracked_sites};
use crate::preset::Preset;
use crate::spec::Spec;

/// The content of `manifest.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the files in the run directory: [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// The name of the run, taken from its directory: leave it empty for a new run.
    pub id: String,
    /// When the run was created: [`now`](super::now).
    pub created: String,
    /// Version of the program that created it: [`PROGRAM`](super::PROGRAM).
    pub program: String,
    /// Seed of every random draw.
    pub seed: u64,
    /// Where it was trained, such as `cpu` or `cuda:0`.
    pub device: String,
    /// The run and step that this one is a branch of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Class names; a label is an index into them.
    pub classes: Vec<String>,
    /// `[channels, height, width]` of an input image.
    pub input: [usize; 3],
    /// Mean of each channel, for pixels in 0..1.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, for pixels in 0..1.
    pub std: Vec<f32>,
    /// The experiment as it was run: the preset with every change made on the command line.
    pub preset: Preset,
    /// The network that is trained.
    pub network: Spec,
}

impl Manifest {
    /// Reads the manifest of the run in `directory`.
    pub(super) fn read(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(MANIFEST);
        let manifest: Manifest = document::read(&path)?;
        if let Some(fault) = manifest.fault() {
            return Err(damaged(&path, &fault));
        }
        // A user may rename or copy the directory of a run, which changes its name.
        let id = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Manifest { id, ..manifest })
    }

    /// The text of `manifest.toml` in `directory`.
    pub(super) fn encode(&self, directory: &Path) -> Result<String, Error> {
        let path = directory.join(MANIFEST);
        match self.fault() {
            // What is written must be readable.
            Some(problem) => Err(Error::Unwritable { path, problem }),
            None => document::encode(&path, self),
        }
    }

    /// The sites whose units the method looks at: usage is counted over these.
    ///
    /// # Errors
    ///
    /// When the network's stages do not fit together.
    pub fn tracked_sites(&self) -> Result<Vec<TrackedSite>, modular::Error> {
        tracked_sites(&self.network, &self.preset.method.observes(&self.network)?)
    }

    fn fault(&self) -> Option<String> {
        let Manifest { network, input, mean, std, classes, .. } = self;
        fault::of_network(network, *input, [mean, std], classes.len())
    }
}

/// The run and step that a branch began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Name of the parent run.
    pub run: String,
    /// Step of the checkpoint that the branch began with.
    pub step: u64,
}
