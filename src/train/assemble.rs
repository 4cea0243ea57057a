//! Modules put together, replaced and measured again, from where runs are kept to where the result is kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compose::{Source, Weak, compose, evaluate_composed, replace, samples};
use super::error::Error;
use super::extract::Request;
use super::launch::load_data;
use super::loaded::Loaded;
use super::task::Task;
use crate::backend::Device;
use crate::data::{Dataset, Images};
use crate::run::{Ancestor, Manifest, Module, ModuleManifest, Origin, Run, Store};

/// Where runs and data are kept, and where to compute.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The runs.
    pub store: &'a Store,
    /// Fetched data sets.
    pub archives: &'a Path,
    /// The device.
    pub device: Device,
}

/// How modules are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// A union where the modules are of one run and of a checkpoint that is still there, logits otherwise.
    #[default]
    Auto,
    /// The union of their kernels, cut out of their run anew.
    Union,
    /// Side by side, logits one after the other.
    Logits,
}

/// Which modules to put together.
#[derive(Clone, Debug, Default)]
pub struct Composition {
    /// The modules, at least two.
    pub modules: Vec<Module>,
    /// What to call the result; a number is added where the run has a module of that name.
    pub name: String,
    /// How they are joined.
    pub join: Join,
    /// Epochs of fine-tuning of a union, in place of the preset's.
    pub fine_tune_epochs: Option<usize>,
    /// Terms of use to state on the card.
    pub licence: Option<String>,
}

/// Which class of a run a module is to decide.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// The run whose network is weak.
    pub weak: Run,
    /// The class, by its label.
    pub class: usize,
    /// The module that decides it.
    pub donor: Module,
    /// What to call the result, which is kept with the weak run; by default after the class.
    pub name: Option<String>,
}

impl Place<'_> {
    /// Puts modules together and keeps the result with the run of the first: its manifest, and its directory.
    /// `counting` is called before usage is counted, which can take minutes.
    ///
    /// # Errors
    ///
    /// When the modules cannot be joined as asked (says why), or a run or its data cannot be read.
    pub fn compose(
        &self,
        composition: Composition,
        counting: impl FnOnce(),
    ) -> Result<(ModuleManifest, PathBuf), Error> {
        let Composition { modules, name, .. } = &composition;
        let runs = modules.iter().map(|module| Ok(self.store.open(&module.manifest.run)?));
        let runs = runs.collect::<Result<Vec<Run>, Error>>()?;
        let [first, _, ..] = runs.as_slice() else {
            return Err(Error::Refused("a composition takes at least two modules".into()));
        };
        let name = first.free_module_name(name);
        let mut module = match composition.is_union(first)? {
            true => self.union(&composition, &name, first, counting)?,
            false => self.logits(modules, &name, &runs)?,
        };
        module.manifest.state_licence(composition.licence);
        let path = first.save_module(&module)?;
        Ok((module.manifest, path))
    }

    /// The module of all classes of the modules, cut out of their run anew.
    fn union(
        &self,
        composition: &Composition,
        name: &str,
        run: &Run,
        counting: impl FnOnce(),
    ) -> Result<Module, Error> {
        let first = &composition.modules[0].manifest;
        let mut classes = Vec::new();
        for class in composition.modules.iter().flat_map(|module| &module.manifest.class_indices) {
            if !classes.contains(class) {
                classes.push(*class);
            }
        }
        let preset = &run.manifest.preset;
        let request = Request {
            threshold: first.threshold,
            head: true,
            fold_masks: first.fold_masks,
            fine_tune_epochs: composition.fine_tune_epochs.unwrap_or(preset.modules.fine_tune_epochs),
            controls: 0,
            name: name.to_owned(),
            classes,
        };
        let loaded = Loaded::read(run.clone(), Some(first.step), self.archives, self.device, counting)?;
        let mut module = loaded.extract(&request, self.device)?;
        if let Some(card) = &mut module.manifest.card {
            let parent = |module: &Module| Ancestor {
                run: module.manifest.run.clone(),
                step: module.manifest.step,
                module: Some(module.manifest.name.clone()),
            };
            card.origin = Origin::Composed;
            card.parents = composition.modules.iter().map(parent).collect();
        }
        Ok(module)
    }

    fn logits(&self, modules: &[Module], name: &str, runs: &[Run]) -> Result<Module, Error> {
        let datasets = runs.iter().map(|run| load_data(&run.manifest, self.archives));
        let datasets = datasets.collect::<Result<Vec<Dataset>, _>>()?;
        let sources = modules.iter().zip(runs).zip(&datasets);
        let sources = sources.map(|((module, run), dataset)| Source { module, run: &run.manifest, dataset });
        compose(name, &sources.collect::<Vec<_>>(), self.device)
    }

    /// Lets a module decide a class of a run's network, at its newest whole checkpoint, and keeps the result with
    /// that run: its manifest, and its directory.
    ///
    /// # Errors
    ///
    /// When the module has no such class, or a run or its data cannot be read.
    pub fn replace(&self, replacement: &Replacement) -> Result<(ModuleManifest, PathBuf), Error> {
        let Replacement { weak, class, donor, name } = replacement;
        let donor_run = self.store.open(&donor.manifest.run)?;
        let checkpoint = weak.newest_whole()?.checkpoint;
        let dataset = load_data(&weak.manifest, self.archives)?;
        let base = || format!("replaced-{}", weak.manifest.classes[*class]);
        let name = weak.free_module_name(&name.clone().unwrap_or_else(base));
        let network = Weak {
            run: &weak.manifest,
            step: checkpoint.step,
            spec: &checkpoint.spec,
            state: &checkpoint.weights,
            dataset: &dataset,
        };
        let source = Source { module: donor, run: &donor_run.manifest, dataset: &dataset };
        let module = replace(&name, &network, *class, &source, self.device)?;
        let path = weak.save_module(&module)?;
        Ok((module.manifest, path))
    }

    /// Measures the module in a directory again, with this many random controls (with none, those measured before
    /// stay), and writes the figures down. `counting` is called before usage is counted.
    ///
    /// # Errors
    ///
    /// When there are no controls of its kind, or a run or its data cannot be read.
    pub fn measure(
        &self,
        directory: &Path,
        controls: usize,
        counting: impl FnOnce(),
    ) -> Result<ModuleManifest, Error> {
        let module = Module::load(directory)?;
        let manifest = match module.manifest.is_side_by_side() {
            true if controls > 0 => {
                let why = "there are no random kernels for a composed module: leave --controls out";
                return Err(Error::Refused(why.into()));
            }
            true => self.measure_composed(&module)?,
            false => {
                let ModuleManifest { run, step, .. } = &module.manifest;
                let run = self.store.open(run)?;
                let loaded = Loaded::read(run, Some(*step), self.archives, self.device, counting)?;
                loaded.evaluate_module(&module, controls, self.device)?
            }
        };
        manifest.update(directory)?;
        Ok(manifest)
    }

    /// Each class in the data of its run.
    fn measure_composed(&self, module: &Module) -> Result<ModuleManifest, Error> {
        let mut datasets = BTreeMap::new();
        for run in module.manifest.class_runs() {
            if !datasets.contains_key(run) {
                let manifest = self.store.open(run)?.manifest;
                datasets.insert(run.to_owned(), load_data(&manifest, self.archives)?);
            }
        }
        let labels = module.manifest.class_runs().zip(&module.manifest.class_indices);
        let classes: Vec<_> = labels.filter_map(|(run, &label)| Some((datasets.get(run)?, label))).collect();
        evaluate_composed(module, &classes, self.device)
    }
}

impl Composition {
    /// Whether modules of `run`, the first one's, are joined by a union.
    fn is_union(&self, run: &Run) -> Result<bool, Error> {
        let settings = |module: &Module| {
            let manifest = &module.manifest;
            let origin = manifest.card.as_ref().map_or(Origin::Extracted, |card| card.origin);
            (manifest.run.clone(), manifest.step, manifest.threshold.to_bits(), manifest.fold_masks, origin)
        };
        let first = settings(&self.modules[0]);
        let alike =
            first.4 == Origin::Extracted && self.modules.iter().all(|module| settings(module) == first);
        // A module that was taken out between two checkpoints cannot be cut out anew.
        let is_kept = || Ok::<_, Error>(run.checkpoints()?.iter().any(|(step, _)| *step == first.1));
        let is_union = match self.join {
            Join::Union => true,
            Join::Auto => alike && is_kept()?,
            Join::Logits => false,
        };
        match is_union {
            true if !alike => Err(Error::Refused(
                "a union takes modules that were cut out of one checkpoint of one run, at one threshold and with or \
                 without --fold-masks; join these with --join logits"
                    .into(),
            )),
            false if self.fine_tune_epochs.is_some() => Err(Error::Refused(
                "--fine-tune is for a union; these modules stand side by side and stay as they are".into(),
            )),
            is_union => Ok(is_union),
        }
    }
}

/// The test samples of a module's classes, each in the data of its run, with the module's own labels. `data` reads
/// the data of a run.
///
/// # Errors
///
/// When a run or its data are gone, or have other classes.
pub fn test_images(
    module: &ModuleManifest,
    store: &Store,
    data: impl Fn(&Manifest) -> Result<Arc<Dataset>, Error>,
) -> Result<Images, Error> {
    if !module.is_side_by_side() {
        let dataset = data(&store.open(&module.run)?.manifest)?;
        return Ok(Task::new(&dataset, &module.class_indices)?.test);
    }
    let datasets = module.class_runs().map(|run| data(&store.open(run)?.manifest));
    let datasets = datasets.collect::<Result<Vec<_>, Error>>()?;
    let labelled = datasets.iter().map(Arc::as_ref).zip(module.class_indices.iter().copied());
    samples(&labelled.collect::<Vec<_>>(), |dataset| &dataset.test)
}
