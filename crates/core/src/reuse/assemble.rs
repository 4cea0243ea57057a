//! Modules put together, replaced and measured again: reads stored runs and stores the result.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compose::{Source, Weak, ancestor, compose, evaluate_composed, licences, replace, samples};
use super::error::Error;
use super::extract::Request;
use super::loaded::Loaded;
use super::loaded::load_data;
use super::task::Task;
use crate::backend::Device;
use crate::data::{Dataset, Images};
use crate::run::{Manifest, Module, ModuleManifest, Origin, Run, Store};

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

/// Runs with their data, by name.
type Library = BTreeMap<String, (Run, Dataset)>;

/// How modules are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// A union where the modules are of one run and of a checkpoint that is still there, logits otherwise.
    #[default]
    Auto,
    /// The union of their units, cut out of their run again.
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
        let [first, _, ..] = modules.as_slice() else {
            return Err(Error::Refused("a composition takes at least two modules".into()));
        };
        let first = self.store.exact(&first.manifest.run)?;
        let name = first.free_module_name(name);
        let mut module = match composition.is_union(&first)? {
            true => self.union(&composition, &name, &first, counting)?,
            false => self.logits(modules, &name, &first.manifest)?,
        };
        module.manifest.state_licence(composition.licence);
        let path = first.save_module(&module)?;
        Ok((module.manifest, path))
    }

    /// The module of all classes of the modules, cut out of their run again.
    fn union(
        &self,
        composition: &Composition,
        name: &str,
        run: &Run,
        counting: impl FnOnce(),
    ) -> Result<Module, Error> {
        let modules = &composition.modules;
        let first = &modules[0].manifest;
        modules.iter().try_for_each(|module| runs_of(self.store, &module.manifest).map(drop))?;
        let mut classes = Vec::new();
        for class in modules.iter().flat_map(|module| &module.manifest.class_indices) {
            if !classes.contains(class) {
                classes.push(*class);
            }
        }
        let preset = &run.manifest.preset;
        let epochs = composition.fine_tune_epochs.unwrap_or(preset.modules.fine_tune_epochs);
        if epochs == 0 {
            let why = "a union has a new head, which must be fine-tuned: give --fine-tune 1 epoch or more";
            return Err(Error::Refused(why.into()));
        }
        let request = Request {
            head: true,
            fine_tune_epochs: epochs,
            controls: 0,
            name: name.to_owned(),
            classes,
            ..Request::of(first)?
        };
        let mut loaded = Loaded::read(run.clone(), Some(first.step), self.archives)?;
        let mut module = loaded.extract(&request, self.device, counting)?;
        if let Some(card) = &mut module.manifest.card {
            card.origin = Origin::Composed;
            card.parents = modules.iter().map(|module| ancestor(&module.manifest)).collect();
            card.licence = licences(modules.iter());
        }
        Ok(module)
    }

    fn logits(&self, modules: &[Module], name: &str, run: &Manifest) -> Result<Module, Error> {
        let library = self.library(modules.iter().map(|module| &module.manifest))?;
        let sources = modules.iter().map(|module| {
            let runs = of_classes(&module.manifest, &library).map(|(run, dataset)| (&run.manifest, dataset));
            Source { module, runs: runs.collect() }
        });
        compose(name, run, &sources.collect::<Vec<_>>(), self.device)
    }

    /// The runs of some modules' classes with their data, each read once.
    fn library<'m>(&self, modules: impl Iterator<Item = &'m ModuleManifest>) -> Result<Library, Error> {
        let mut library = Library::new();
        for module in modules {
            for (name, run) in runs_of(self.store, module)? {
                if let Entry::Vacant(new) = library.entry(name) {
                    let dataset = load_data(&run.manifest, self.archives)?;
                    new.insert((run, dataset));
                }
            }
        }
        Ok(library)
    }

    /// Lets a module decide a class of a run's network, at its newest whole checkpoint, and keeps the result with
    /// that run: its manifest, and its directory.
    ///
    /// # Errors
    ///
    /// When the module tells several classes apart and not this one, or the run or its data cannot be read. A module
    /// that tells one class from the rest may decide any ([`other_class`](super::other_class)).
    pub fn replace(&self, replacement: &Replacement) -> Result<(ModuleManifest, PathBuf), Error> {
        let Replacement { weak, class, donor, name } = replacement;
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
        let module = replace(&name, &network, *class, donor, self.device)?;
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
        // A module in a run elsewhere is of that run, and not of one here that has its name.
        let own = Store::around_module(directory);
        let place = Place { store: own.as_ref().unwrap_or(self.store), ..*self };
        let manifest = match module.manifest.is_side_by_side() {
            true if controls > 0 => {
                let why = "there are no random kernels for a composed module: leave --controls out";
                return Err(Error::Refused(why.into()));
            }
            true => place.measure_composed(&module)?,
            false => {
                let run = run_of(place.store, &module.manifest)?;
                let step = module.manifest.step;
                let mut loaded = Loaded::read(run, Some(step), self.archives)?;
                loaded.evaluate_module(&module, controls, self.device, counting)?
            }
        };
        manifest.update(directory)?;
        Ok(manifest)
    }

    /// Each class in the data of its run.
    fn measure_composed(&self, module: &Module) -> Result<ModuleManifest, Error> {
        let library = self.library([&module.manifest].into_iter())?;
        let runs = of_classes(&module.manifest, &library).map(|(_, dataset)| dataset);
        let classes: Vec<_> = runs.zip(module.manifest.class_indices.iter().copied()).collect();
        evaluate_composed(module, &classes, self.device)
    }
}

impl Composition {
    /// Whether modules of `run`, the first one's, are joined by a union.
    fn is_union(&self, run: &Run) -> Result<bool, Error> {
        let settings = |module: &Module| {
            let manifest = &module.manifest;
            let origin = manifest.card.as_ref().map_or(Origin::Extracted, |card| card.origin);
            (manifest.run.clone(), manifest.step, manifest.provenance(), manifest.fold_masks, origin)
        };
        let first = settings(&self.modules[0]);
        let alike =
            first.4 == Origin::Extracted && self.modules.iter().all(|module| settings(module) == first);
        // A module that was extracted between two checkpoints cannot be cut out again.
        let is_kept = || Ok::<_, Error>(run.checkpoints()?.iter().any(|(step, _)| *step == first.1));
        let is_union = match self.join {
            Join::Union => true,
            Join::Auto => alike && is_kept()?,
            Join::Logits => false,
        };
        match is_union {
            true if !alike => Err(Error::Refused(
                "a union takes modules that were cut out of one checkpoint of one run, in the same way, at one threshold \
                 and with or without --fold-masks; join these with --join logits"
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
        let dataset = data(&run_of(store, module)?.manifest)?;
        return Ok(Task::new(&dataset, &module.class_indices)?.test);
    }
    let runs = runs_of(store, module)?;
    let datasets = module.class_runs().filter_map(|run| runs.get(run)).map(|run| data(&run.manifest));
    let datasets = datasets.collect::<Result<Vec<_>, Error>>()?;
    let labelled = datasets.iter().map(Arc::as_ref).zip(module.class_indices.iter().copied());
    samples(&labelled.collect::<Vec<_>>(), |dataset| &dataset.test)
}

/// For each label of a module the run whose label it is, with its data.
fn of_classes<'a>(
    module: &'a ModuleManifest,
    library: &'a Library,
) -> impl Iterator<Item = (&'a Run, &'a Dataset)> {
    module.class_runs().filter_map(|run| library.get(run)).map(|(run, dataset)| (run, dataset))
}

/// The run that a module with classes of one run was extracted from.
fn run_of(store: &Store, module: &ModuleManifest) -> Result<Run, Error> {
    runs_of(store, module)?.remove(&module.run).map_or_else(|| Ok(store.exact(&module.run)?), Ok)
}

/// The runs that a module's classes are of, by name.
///
/// # Errors
///
/// When one is gone, or a run of its name has other images or other classes.
fn runs_of(store: &Store, module: &ModuleManifest) -> Result<BTreeMap<String, Run>, Error> {
    let mut runs = BTreeMap::new();
    for (class, (name, &label)) in module.classes.iter().zip(module.class_runs().zip(&module.class_indices)) {
        let run = match runs.entry(name.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(store.exact(name)?),
        };
        let known = run.manifest.classes.get(label);
        // A composition writes where a class is from before its name.
        let is_same = |known: &String| {
            class.strip_suffix(known.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with(':'))
        };
        if run.manifest.input != module.input || !known.is_some_and(is_same) {
            return Err(Error::Refused(format!(
                "the module {} is not of the run {name} that is there now: it knows class {label} of {:?} images as \
                 `{class}`, and the run {} of {:?} images",
                module.name,
                module.input,
                known.map_or("has no such class".into(), |known| format!("has `{known}`")),
                run.manifest.input
            )));
        }
    }
    Ok(runs)
}
