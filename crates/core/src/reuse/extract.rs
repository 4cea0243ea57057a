//! Extraction of a module from a trained network: cut, fine-tune, compare.

use super::error::Error;
use super::task::Task;
use super::tune::{Tuning, fine_tune};
use crate::backend::Training;
use crate::data::Dataset;
use crate::modular::{Provenance, Selection, Split, Usage, restrict_logits, slice, slice_folded, with_head};
use crate::run::{Ancestor, Card, Control, Manifest, Module, ModuleManifest};
use crate::spec::{Spec, State};

/// A trained network with what is known of it.
#[derive(Clone, Copy)]
pub struct Trained<'a> {
    /// The run it belongs to.
    pub manifest: &'a Manifest,
    /// Step of the weights.
    pub step: u64,
    /// Its description.
    pub spec: &'a Spec,
    /// Its weights.
    pub state: &'a State,
    /// Which units each class uses, where that was counted.
    pub usage: Option<&'a Usage>,
    /// The data it was trained on.
    pub dataset: &'a Dataset,
}

/// Which module to extract, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Labels of its classes in the whole network, in the order that its own labels will have.
    pub classes: Vec<usize>,
    /// How to split the network.
    pub provenance: Provenance,
    /// Whether to put a new head on (ReLU and a linear layer) instead of restricting the logits.
    pub head: bool,
    /// Whether to multiply the classes' mean masks into batch norm.
    pub fold_masks: bool,
    /// Epochs of fine-tuning; the one with the best validation accuracy is kept.
    pub fine_tune_epochs: usize,
    /// Random-mask controls to compare with.
    pub controls: usize,
    /// What to call it.
    pub name: String,
}

/// A network cut to a selection, before fine-tuning.
struct CutOut {
    spec: Spec,
    state: State,
}

impl Trained<'_> {
    /// The usage.
    ///
    /// # Errors
    ///
    /// When it was not counted.
    pub fn counted_usage(&self) -> Result<&Usage, Error> {
        self.usage.ok_or_else(|| Error::Refused("it was not counted which units each class uses".into()))
    }

    /// Extracts a module and measures it on the test split.
    ///
    /// # Errors
    ///
    /// When the classes make no sense, or a module cannot be measured as asked.
    pub fn extract<B: Training>(
        &self,
        split: &Split,
        request: &Request,
        device: &B::Device,
    ) -> Result<Module, Error> {
        request.check()?;
        if request.fold_masks && self.usage.is_some_and(|usage| usage.class_masks().is_some()) {
            let why = "the modules of this run were rehearsed without mask factors: leave --fold-masks out";
            return Err(Error::Refused(why.into()));
        }
        let union = split.union(&request.classes)?;
        let selection = split.selection(self.spec, &request.classes)?;
        let task = Task::new(self.dataset, &request.classes)?;
        let cut = self.cut(&selection, request)?;
        let before = self.accuracy_before::<B>(&cut, &task, device)?;
        let (module, after) = self.tune::<B>(cut, request, &task, device)?;
        let kept = union.count_ones(..);
        let all = self.spec.convs().map(|conv| conv.kernels).sum::<usize>();
        let manifest = ModuleManifest {
            classes: task.class_names(self.dataset),
            class_indices: request.classes.clone(),
            threshold: split.provenance.threshold,
            provenance: Some(split.provenance.clone()),
            head: request.head,
            fold_masks: request.fold_masks,
            one_vs_rest: task.is_one_vs_rest(),
            fine_tune_epochs: request.fine_tune_epochs as u64,
            kernels: kept as u64,
            krr: kept as f64 / union.len().max(1) as f64,
            krr_all: selection.kernels(self.spec)? as f64 / all.max(1) as f64,
            whole_accuracy: Some(self.accuracy_of_whole::<B>(&task, device)?),
            accuracy_before: Some(before),
            accuracy_after: after,
            controls: self.controls::<B>(split, &selection, request, &task, device)?,
            card: Some(self.card(split, request)),
            ..ModuleManifest::new(&request.name, self.manifest, self.step, module.spec)?
        };
        Ok(Module { manifest, weights: module.state })
    }

    /// Measures a module again, with this many controls (with none, those measured before stay): gives its
    /// manifest with the new figures. `split` is the one that the module was cut by.
    ///
    /// # Errors
    ///
    /// As [`Trained::extract`].
    pub fn evaluate_module<B: Training>(
        &self,
        split: &Split,
        module: &Module,
        controls: usize,
        device: &B::Device,
    ) -> Result<ModuleManifest, Error> {
        let old = &module.manifest;
        let request = Request { controls, ..Request::of(old)? };
        let selection = split.selection(self.spec, &request.classes)?;
        let task = Task::new(self.dataset, &request.classes)?;
        let cut = self.cut(&selection, &request)?;
        let accuracy = self.tuning().accuracy::<B>(&old.network, &module.weights, &task.test, device)?;
        let measured = self.controls::<B>(split, &selection, &request, &task, device)?;
        Ok(ModuleManifest {
            whole_accuracy: Some(self.accuracy_of_whole::<B>(&task, device)?),
            accuracy_before: Some(self.accuracy_before::<B>(&cut, &task, device)?),
            accuracy_after: (request.fine_tune_epochs > 0).then_some(accuracy),
            controls: if controls == 0 { old.controls.clone() } else { measured },
            ..old.clone()
        })
    }

    /// The card of a module that is extracted as asked.
    fn card(&self, split: &Split, request: &Request) -> Card {
        let data = self.manifest.preset.data.source.name();
        let tuned = match request.fine_tune_epochs {
            0 => "not fine-tuned".to_owned(),
            epochs => format!(
                "fine-tuned for {epochs} epochs on the training samples of its classes, of which the one that is \
                 best on the validation split was kept"
            ),
        };
        let protocol = format!(
            "Accuracies are on the test split of {data}, samples of the module's classes only. Kernels were chosen \
             on the training split by {}; {tuned}. Seed {}.",
            split.provenance, self.manifest.seed
        );
        let parent = Ancestor { run: self.manifest.id.clone(), step: self.step, module: None };
        Card { data: data.into(), protocol, parents: vec![parent], ..Card::default() }
    }

    fn tuning(&self) -> Tuning<'_> {
        Tuning { manifest: self.manifest }
    }

    fn cut(&self, selection: &Selection, request: &Request) -> Result<CutOut, Error> {
        let (spec, state) = match request.fold_masks {
            true => {
                let factors = self.counted_usage()?.mean_masks(self.spec, &request.classes)?;
                slice_folded(self.spec, self.state, selection, &factors)?
            }
            false => slice(self.spec, self.state, selection)?,
        };
        Ok(CutOut { spec, state })
    }

    /// Among the module's classes, with the whole network's logits.
    fn accuracy_of_whole<B: Training>(&self, task: &Task, device: &B::Device) -> Result<f64, Error> {
        let whole = CutOut { spec: self.spec.clone(), state: self.state.clone() };
        self.accuracy_before::<B>(&whole, task, device)
    }

    /// Without a head: from the network's own logits of the task's classes.
    fn accuracy_before<B: Training>(
        &self,
        cut: &CutOut,
        task: &Task,
        device: &B::Device,
    ) -> Result<f64, Error> {
        if let Some(class) = task.single_class() {
            return self.tuning().detection_accuracy::<B>(&cut.spec, &cut.state, class, &task.test, device);
        }
        let (spec, state) = restrict_logits(&cut.spec, &cut.state, task.classes())?;
        self.tuning().accuracy::<B>(&spec, &state, &task.test, device)
    }

    /// Puts the module's classifier on and fine-tunes; gives the accuracy after, if there were epochs.
    fn tune<B: Training>(
        &self,
        cut: CutOut,
        request: &Request,
        task: &Task,
        device: &B::Device,
    ) -> Result<(CutOut, Option<f64>), Error> {
        let (spec, state) = match request.head {
            true => with_head(&cut.spec, &cut.state, task.outputs(), self.manifest.seed)?,
            false => restrict_logits(&cut.spec, &cut.state, task.classes())?,
        };
        if request.fine_tune_epochs == 0 {
            return Ok((CutOut { spec, state }, None));
        }
        let state = fine_tune::<B>(&self.tuning(), &spec, &state, task, request.fine_tune_epochs, device)?;
        let accuracy = self.tuning().accuracy::<B>(&spec, &state, &task.test, device)?;
        Ok((CutOut { spec, state }, Some(accuracy)))
    }

    /// The same modules with as many units a site and weights an array, drawn at random.
    fn controls<B: Training>(
        &self,
        split: &Split,
        selection: &Selection,
        request: &Request,
        task: &Task,
        device: &B::Device,
    ) -> Result<Vec<Control>, Error> {
        let control = |draw| {
            let random = selection.random_like(&split.sites, self.manifest.seed, draw)?;
            let cut = self.cut(&random, request)?;
            let accuracy_before = self.accuracy_before::<B>(&cut, task, device)?;
            let (_, accuracy_after) = self.tune::<B>(cut, request, task, device)?;
            Ok(Control { draw, accuracy_before, accuracy_after })
        };
        (0..request.controls as u64).map(control).collect()
    }
}

impl Request {
    /// What was asked for when a module was extracted.
    ///
    /// # Errors
    ///
    /// When the module was not extracted from one network.
    pub fn of(module: &ModuleManifest) -> Result<Request, Error> {
        let provenance = module.provenance();
        let why = || format!("it is not known how the units of the module {} were chosen", module.name);
        Ok(Request {
            classes: module.class_indices.clone(),
            provenance: provenance.ok_or_else(|| Error::Refused(why()))?,
            head: module.head,
            fold_masks: module.fold_masks,
            fine_tune_epochs: module.fine_tune_epochs as usize,
            controls: module.controls.len(),
            name: module.name.clone(),
        })
    }

    /// Checks what can be known before anything is counted or computed.
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |why: &str| Err(Error::Refused(why.into()));
        match self.classes.len() {
            1 if !self.head => {
                refuse("a module of one class needs a head: one logit has nothing to be compared with")
            }
            1 if self.fine_tune_epochs == 0 => refuse(
                "a module of one class needs a new head, and a new head must be fine-tuned: give --fine-tune 1 epoch or more",
            ),
            _ if self.head && self.fine_tune_epochs == 0 => {
                refuse("a new head must be fine-tuned: give it epochs, or extract the module without a head")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{dataset, manifest, spec};
    use super::*;
    use crate::backend::{Cpu, cpu_device};
    use crate::modular::{Fallback, Part, full_set, tracked_sites};

    /// A way that knows no usage and keeps single weights: every second one of a convolution.
    fn by_weights() -> Split {
        let mut mask = full_set(3 * 4 * 9);
        (0..mask.len()).step_by(2).for_each(|weight| mask.set(weight, false));
        let part = Part {
            units: full_set(3),
            weights: [("conv1.conv.weight".to_owned(), mask)].into(),
            fallback: vec![Fallback::None],
        };
        let provenance =
            Provenance { by: "search".into(), threshold: None, settings: [("alpha".into(), 0.1)].into() };
        let sites = tracked_sites(&spec(), &[0]).unwrap();
        Split { provenance, sites, parts: vec![part; 3] }
    }

    #[test]
    fn a_split_of_any_provenance_is_extracted_without_usage() {
        let (manifest, dataset, spec) = (manifest(), dataset(), spec());
        let state = State::init(&spec, 1).unwrap();
        let trained = Trained {
            manifest: &manifest,
            step: 7,
            spec: &spec,
            state: &state,
            usage: None,
            dataset: &dataset,
        };
        let split = by_weights();
        let request = Request {
            classes: vec![0, 2],
            provenance: split.provenance.clone(),
            head: false,
            fold_masks: false,
            fine_tune_epochs: 0,
            controls: 1,
            name: "pair".into(),
        };
        let module = trained.extract::<Cpu>(&split, &request, &cpu_device()).unwrap();
        let weights = &module.weights.get("conv1.conv.weight").unwrap().values;
        assert_eq!(weights.iter().filter(|weight| **weight == 0.0).count(), 3 * 4 * 9 / 2);
        assert_eq!(
            (module.manifest.provenance(), module.manifest.threshold),
            (Some(split.provenance.clone()), None)
        );
        assert!(module.manifest.card.unwrap().protocol.contains("by search with alpha 0.1"));
        assert_eq!(module.manifest.controls.len(), 1);
        let folded = Request { fold_masks: true, ..request };
        let why = trained.extract::<Cpu>(&split, &folded, &cpu_device()).unwrap_err().to_string();
        assert!(why.contains("not counted"), "{why}");
    }
}
