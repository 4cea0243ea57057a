//! Modules of kept runs put together, and a class of a kept run decided by a module: what the commands `compose`
//! and `replace` do, from runs and modules to the module that comes out. It is not kept yet.

use std::path::Path;
use std::sync::Arc;

use super::compose::{Source, Weak, compose, replace, samples};
use super::error::Error;
use super::extract::Request;
use super::launch::load_data;
use super::loaded::Loaded;
use super::task::Task;
use crate::backend::Device;
use crate::data::{Dataset, Images};
use crate::run::{Ancestor, Manifest, Module, ModuleManifest, Origin, Run, Store};

/// How modules are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// A union where the modules are of one run and checkpoint that is still there, logits otherwise.
    #[default]
    Auto,
    /// The union of their kernels, cut out of their run anew.
    Union,
    /// Side by side, logits one after the other.
    Logits,
}

/// Which modules to put together, and how.
pub struct Joining<'a> {
    /// The modules; the result belongs to the run of the first.
    pub modules: &'a [Module],
    /// How.
    pub join: Join,
    /// What to call the result; a number is added where the name is taken.
    pub name: &'a str,
    /// Epochs of fine-tuning of a union; the preset's without.
    pub fine_tune: Option<usize>,
    /// Terms of use to state on the card.
    pub licence: Option<String>,
}

impl Joining<'_> {
    /// Puts the modules together: gives the run that the result belongs to, and the result. `counting` is called
    /// before usage has to be counted, which can take minutes.
    ///
    /// # Errors
    ///
    /// When they cannot be joined in this way, a run or its data are gone, or as [`compose`] and
    /// [`Loaded::extract`].
    pub fn carry_out(
        self,
        store: &Store,
        archives: &Path,
        device: Device,
        counting: impl FnOnce(),
    ) -> Result<(Run, Module), Error> {
        let runs = self.modules.iter().map(|module| Ok(store.open(&module.manifest.run)?));
        let runs = runs.collect::<Result<Vec<Run>, Error>>()?;
        let Some(first) = runs.first().cloned() else { return Err(Error::Refused(TOO_FEW.into())) };
        let by_union = self.is_by_union(&first)?;
        let name = first.free_module_name(self.name);
        let mut module = match by_union {
            true => self.union(&name, first.clone(), archives, device, counting)?,
            false => self.logits(&name, &runs, archives, device)?,
        };
        if let (Some(card), Some(licence)) = (&mut module.manifest.card, self.licence) {
            card.licence = licence;
        }
        Ok((first, module))
    }

    fn is_by_union(&self, run: &Run) -> Result<bool, Error> {
        let [first, _, ..] = self.modules else { return Err(Error::Refused(TOO_FEW.into())) };
        let settings = |module: &Module| {
            let manifest = &module.manifest;
            let origin = manifest.card.as_ref().map_or(Origin::Extracted, |card| card.origin);
            (manifest.run.clone(), manifest.step, manifest.threshold.to_bits(), manifest.fold_masks, origin)
        };
        let wanted = settings(first);
        let alike =
            wanted.4 == Origin::Extracted && self.modules.iter().all(|module| settings(module) == wanted);
        match self.join {
            Join::Union if !alike => Err(Error::Refused(
                "a union takes modules that were cut out of one checkpoint of one run, at one threshold and all with \
                 or all without folded masks; join these by their logits"
                    .into(),
            )),
            Join::Logits if self.fine_tune.is_some() => Err(Error::Refused(
                "fine-tuning is for a union; modules side by side stay as they are".into(),
            )),
            Join::Union => Ok(true),
            // A module that was taken out between two checkpoints cannot be cut out anew.
            Join::Auto => Ok(alike && run.checkpoints()?.iter().any(|(step, _)| *step == wanted.1)),
            Join::Logits => Ok(false),
        }
    }

    /// The module of all classes of the modules, cut out of their run anew.
    fn union(
        &self,
        name: &str,
        run: Run,
        archives: &Path,
        device: Device,
        counting: impl FnOnce(),
    ) -> Result<Module, Error> {
        let first = &self.modules[0].manifest;
        let mut classes = Vec::new();
        for class in self.modules.iter().flat_map(|module| &module.manifest.class_indices) {
            if !classes.contains(class) {
                classes.push(*class);
            }
        }
        let request = Request {
            threshold: first.threshold,
            head: true,
            fold_masks: first.fold_masks,
            fine_tune_epochs: self.fine_tune.unwrap_or(run.manifest.preset.modules.fine_tune_epochs),
            controls: 0,
            name: name.to_owned(),
            classes,
        };
        let loaded = Loaded::read(run, Some(first.step), archives, device, counting)?;
        let mut module = loaded.extract(&request, device)?;
        if let Some(card) = &mut module.manifest.card {
            let parent = |module: &Module| Ancestor {
                run: module.manifest.run.clone(),
                step: module.manifest.step,
                module: Some(module.manifest.name.clone()),
            };
            card.origin = Origin::Composed;
            card.parents = self.modules.iter().map(parent).collect();
        }
        Ok(module)
    }

    fn logits(&self, name: &str, runs: &[Run], archives: &Path, device: Device) -> Result<Module, Error> {
        let datasets = runs.iter().map(|run| load_data(&run.manifest, archives));
        let datasets = datasets.collect::<Result<Vec<Dataset>, _>>()?;
        let sources = self.modules.iter().zip(runs).zip(&datasets);
        let sources = sources.map(|((module, run), dataset)| Source { module, run: &run.manifest, dataset });
        compose(name, &sources.collect::<Vec<_>>(), device)
    }
}

const TOO_FEW: &str = "a composition takes at least two modules";

/// Lets a module decide a class of the run `weak`, at its newest whole checkpoint. The result belongs to that run
/// and is called `name`, with a number where that is taken.
///
/// # Errors
///
/// When a run or its data are gone, or as [`replace`].
pub fn replace_class(
    weak: &Run,
    class: usize,
    donor: &Module,
    name: &str,
    archives: &Path,
    device: Device,
) -> Result<Module, Error> {
    let donor_run = Store::around(weak).open(&donor.manifest.run)?;
    let checkpoint = weak.newest_whole()?.checkpoint;
    let dataset = load_data(&weak.manifest, archives)?;
    let network = Weak {
        run: &weak.manifest,
        step: checkpoint.step,
        spec: &checkpoint.spec,
        state: &checkpoint.weights,
        dataset: &dataset,
    };
    let source = Source { module: donor, run: &donor_run.manifest, dataset: &dataset };
    replace(&weak.free_module_name(name), &network, class, &source, device)
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
