//! A network with everything needed to use it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::modular;
use crate::run::{self, Ancestor, Checkpoint, Manifest, Module, Run, Store};
use crate::spec::{Spec, State};

/// Version of the description's schema.
const SCHEMA: u32 = 1;

/// A whole network or a module, independent of its run directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// The network.
    pub spec: Spec,
    /// All its arrays.
    pub weights: State,
    /// Class names, in the order of the logits.
    pub classes: Vec<String>,
    /// Labels of these classes in the whole network; the "rest" of a one-class module has none.
    pub class_indices: Vec<usize>,
    /// `[channels, height, width]` of an input image.
    pub input: [usize; 3],
    /// Mean of each channel, for pixels in 0..1: an input value is `(pixel - mean) / std`.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, for pixels in 0..1.
    pub std: Vec<f32>,
    /// Its provenance.
    pub provenance: Provenance,
}

/// The provenance of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The run that trained it.
    pub run: String,
    /// The module's name; none for the whole network.
    pub module: Option<String>,
    /// The step of the checkpoint.
    pub step: u64,
    /// Version of the program that trained or extracted it.
    pub program: String,
    /// Threshold on the firing frequency for keeping a kernel; `None` for the whole network.
    pub threshold: Option<f64>,
    /// How the module's units were chosen; none for the whole network and for modules put together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<modular::Provenance>,
    /// Fine-tuning epochs after extraction.
    pub fine_tune_epochs: u64,
    /// Whether it classifies its one class against all others.
    pub one_vs_rest: bool,
    /// The networks that a module was composed from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Ancestor>,
    /// The stated licence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

/// The directory of a module or a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A module.
    Module(PathBuf),
    /// A run.
    Run(PathBuf),
}

impl Target {
    /// Resolves a query: the module of that name, or else the run. The exact name of a run takes precedence over the
    /// prefix of a module's name.
    ///
    /// # Errors
    ///
    /// When there is neither.
    pub fn find(query: &str, store: &Store) -> Result<Target, Error> {
        let is_named = |path: &Path| path.file_name().is_some_and(|name| name == query);
        match (store.resolve_module(query), store.resolve(query)) {
            (Ok(module), Ok(run)) if is_named(&run) && !is_named(&module) => Ok(Target::Run(run)),
            (Ok(module), _) => Ok(Target::Module(module)),
            (Err(_), Ok(run)) => Ok(Target::Run(run)),
            (Err(module), Err(run)) => Err(neither(query, module, run)),
        }
    }
}

impl Package {
    /// The package for a query (see [`Target::find`]), and why newer checkpoints were skipped. A run stands for its whole
    /// network at the newest intact checkpoint.
    ///
    /// # Errors
    ///
    /// When there is neither module nor run, or it cannot be read.
    pub fn find(query: &str, store: &Store) -> Result<(Package, Vec<run::Error>), Error> {
        match Target::find(query, store)? {
            Target::Module(path) => Ok((Package::of_module(Module::load(&path)?), Vec::new())),
            Target::Run(path) => Package::whole(&Run::open(&path)?),
        }
    }

    /// The whole network of a run at its newest intact checkpoint, and why newer ones were skipped.
    ///
    /// # Errors
    ///
    /// When no checkpoint is intact.
    pub fn whole(run: &Run) -> Result<(Package, Vec<run::Error>), Error> {
        let newest = run.newest_whole()?;
        Ok((Package::of_run(&run.manifest, newest.checkpoint), newest.skipped))
    }

    /// A module.
    pub fn of_module(module: Module) -> Package {
        let Module { manifest, weights } = module;
        let split = manifest.provenance();
        let card = manifest.card.unwrap_or_default();
        Package {
            spec: manifest.network,
            weights,
            classes: manifest.classes,
            class_indices: manifest.class_indices,
            input: manifest.input,
            mean: manifest.mean,
            std: manifest.std,
            provenance: Provenance {
                run: manifest.run,
                module: Some(manifest.name),
                step: manifest.step,
                program: manifest.program,
                threshold: manifest.threshold,
                split,
                fine_tune_epochs: manifest.fine_tune_epochs,
                one_vs_rest: manifest.one_vs_rest,
                parents: card.parents,
                licence: Some(card.licence).filter(|licence| !licence.is_empty()),
            },
        }
    }

    /// The whole network of a run at a checkpoint.
    pub fn of_run(manifest: &Manifest, checkpoint: Checkpoint) -> Package {
        Package {
            spec: checkpoint.spec,
            weights: checkpoint.weights,
            classes: manifest.classes.clone(),
            class_indices: (0..manifest.classes.len()).collect(),
            input: manifest.input,
            mean: manifest.mean.clone(),
            std: manifest.std.clone(),
            provenance: Provenance {
                run: manifest.id.clone(),
                module: None,
                step: checkpoint.step,
                program: manifest.program.clone(),
                threshold: None,
                split: None,
                fine_tune_epochs: 0,
                one_vs_rest: false,
                parents: Vec::new(),
                licence: None,
            },
        }
    }

    /// The metadata of the network: the keys listed in [`super::safetensors`], except `spec`.
    ///
    /// # Errors
    ///
    /// When JSON cannot hold a value.
    pub fn description(&self) -> Result<BTreeMap<&'static str, String>, serde_json::Error> {
        fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
            serde_json::to_string(value)
        }
        Ok(BTreeMap::from([
            ("format", "cleave".into()),
            ("schema", json(&SCHEMA)?),
            ("classes", json(&self.classes)?),
            ("class_indices", json(&self.class_indices)?),
            ("input", json(&self.input)?),
            ("mean", json(&self.mean)?),
            ("std", json(&self.std)?),
            ("provenance", json(&self.provenance)?),
        ]))
    }

    /// Its name: `run/module`, or the run's name.
    pub fn name(&self) -> String {
        let Provenance { run, module, .. } = &self.provenance;
        module.as_ref().map_or_else(|| run.clone(), |module| format!("{run}/{module}"))
    }

    /// [`Package::name`] with unsafe characters replaced, for a comment in source code: a run directory may have any
    /// name, and nothing in it may end the comment.
    pub(super) fn name_in_comment(&self) -> String {
        let is_harmless = |c: char| c.is_alphanumeric() || " ._-/".contains(c);
        self.name().chars().map(|c| if is_harmless(c) { c } else { '_' }).collect()
    }
}

/// The more specific of two errors: several matches, or a similar name.
fn neither(query: &str, module: run::Error, run: run::Error) -> Error {
    let says_more = |error: &run::Error| !matches!(error, run::Error::Unknown { nearest: None, .. });
    match (says_more(&module), says_more(&run)) {
        (true, _) => module.into(),
        (_, true) => run.into(),
        _ => Error::Unknown(query.into()),
    }
}
