//! Modules of different runs as one network, and a network of which a module decides one class.

use super::error::Error;
use crate::backend::{self, Device, Task};
use crate::data::{self, Dataset, Images};
use crate::learn::{Batches, Evaluation, Normaliser};
use crate::method::MethodConfig;
use crate::modular::{
    Affine, Fit, Logits, fit_linear, fit_scales, rescaled_input, side_by_side, with_linear, with_logits,
};
use crate::network::Network;
use crate::run::{
    Aggregation, Ancestor, Card, ClassAccuracy, Manifest, Module, ModuleManifest, Origin, Taxonomy, Training,
};
use crate::spec::{Array, Spec, State};

/// Images that are measured at a time.
const BATCH: usize = 256;
/// How MODA's calibration layer is trained: epochs, learning rate, samples a step.
const CALIBRATION: (u64, f64, usize) = (5, 0.05, 128);

/// A module with the runs that its classes are of.
#[derive(Clone)]
pub struct Source<'a> {
    /// The module.
    pub module: &'a Module,
    /// For each label of [`ModuleManifest::class_indices`] the run whose label it is, with that run's data.
    pub runs: Vec<(&'a Manifest, &'a Dataset)>,
}

/// A trained network that is weak at a class, with its run and data.
#[derive(Clone, Copy)]
pub struct Weak<'a> {
    /// Its run.
    pub run: &'a Manifest,
    /// Step of the checkpoint.
    pub step: u64,
    /// Its description.
    pub spec: &'a Spec,
    /// Its weights.
    pub state: &'a State,
    /// The run's data.
    pub dataset: &'a Dataset,
}

/// A class of a composed network: the data that hold its samples, and its label there.
pub type Labelled<'a> = (&'a Dataset, usize);

/// A network with the constants of its input.
struct Part<'a> {
    spec: Spec,
    state: State,
    mean: &'a [f32],
    std: &'a [f32],
}

/// One network of modules of different runs, kept with `run`: their logits one after the other, with a scale and a
/// shift a module that are fitted on the validation split. A module of one class gives the difference of its two logits.
///
/// # Errors
///
/// When fewer than two modules are given, they share a class, read images of different shapes, or their runs keep
/// no validation samples.
pub fn compose(name: &str, run: &Manifest, sources: &[Source<'_>], device: Device) -> Result<Module, Error> {
    device.run(Compose { name, run, sources })?
}

fn compose_on<B: backend::Training>(
    name: &str,
    run: &Manifest,
    sources: &[Source<'_>],
    device: &B::Device,
) -> Result<Module, Error> {
    let [first, _, ..] = sources else {
        return Err(Error::Refused("a composition takes at least two modules".into()));
    };
    let classes = classes_of(sources)?;
    let parts = sources.iter().map(|source| part_of(source.module)).collect::<Result<Vec<_>, Error>>()?;
    let (spec, state) = join(&parts)?;
    let labelled: Vec<Labelled<'_>> = classes.iter().map(|class| (class.dataset, class.label)).collect();
    let constants = (first.module.manifest.mean.as_slice(), first.module.manifest.std.as_slice());
    let measure = Measure::<B>::new(&spec, &state, constants, device)?;
    let valid = measure.logits(&samples(&labelled, |dataset| &dataset.valid)?)?;
    if valid.labels.is_empty() {
        return Err(Error::Refused(
            "the runs keep no validation samples, on which the modules are made comparable; train with \
             data.valid_fraction above 0"
                .into(),
        ));
    }
    let widths: Vec<usize> = sources.iter().map(|source| source.runs.len()).collect();
    let layer = fit_scales(&valid, &widths);
    let test = samples(&labelled, |dataset| &dataset.test)?;
    let before = evaluate::<B>(
        &with_linear(&spec, &state, &Affine::identity(classes.len()))?,
        constants,
        &test,
        device,
    )?;
    let network = with_linear(&spec, &state, &layer)?;
    let after = evaluate::<B>(&network, constants, &test, device)?;

    let data = distinct(classes.iter().map(|class| class.run.preset.data.source.name()));
    let card = Card {
        protocol: format!(
            "Accuracies are on the test split of {data}, samples of these classes only. Before: the modules' logits as \
             they are. After: with a scale and a shift a module, fitted on the validation split."
        ),
        data,
        origin: Origin::Composed,
        parents: sources.iter().map(|source| ancestor(&source.module.manifest)).collect(),
        class_runs: classes.iter().map(|class| class.run.id.clone()).collect(),
        replaced: None,
        class_accuracy: Vec::new(),
        taxonomy: POST_HOC,
        licence: licences(sources.iter().map(|source| source.module)),
    };
    let kept = sources.iter().map(|source| kept_of(&source.module.manifest)).collect();
    let composed = Composed { name, run, step: first.module.manifest.step, kept, card, network };
    let names = unique_names(&classes);
    composed.module(names, classes.iter().map(|class| class.label).collect(), &before, &after, None)
}

/// A network whose logit of `class` is that of a module: the other logits and the module's go through a linear
/// layer that is trained on the run's training samples while all else stays as it is (MODA, module replacement).
/// The layer begins as the identity, and the epoch that is best on validation is kept.
///
/// # Errors
///
/// When the module tells several classes apart and not this one, or reads images of another shape. A module that tells
/// one class from the rest may decide any: [`other_class`] says when that is not its own.
pub fn replace(
    name: &str,
    weak: &Weak<'_>,
    class: usize,
    donor: &Module,
    device: Device,
) -> Result<Module, Error> {
    device.run(Replace { name, weak, class, donor })?
}

fn replace_on<B: backend::Training>(
    name: &str,
    weak: &Weak<'_>,
    class: usize,
    donor: &Module,
    device: &B::Device,
) -> Result<Module, Error> {
    let classes = weak.run.classes.len();
    let row = row_of(&donor.manifest, &weak.run.classes[class])?;
    let others: Vec<Vec<(usize, f32)>> =
        (0..classes).filter(|&c| c != class).map(|c| vec![(c, 1.0)]).collect();
    let (spec, state) = with_logits(weak.spec, weak.state, &others)?;
    let constants = (weak.run.mean.as_slice(), weak.run.std.as_slice());
    let rest = Part { spec, state, mean: constants.0, std: constants.1 };
    let (spec, state) = with_logits(&donor.manifest.network, &donor.weights, &[row])?;
    let expert = Part { spec, state, mean: &donor.manifest.mean, std: &donor.manifest.std };
    let (spec, state) = join(&[rest, expert])?;

    let labelled: Vec<Labelled<'_>> = (0..classes).map(|label| (weak.dataset, label)).collect();
    let measure = Measure::<B>::new(&spec, &state, constants, device)?;
    let train = measure.logits(&samples(&labelled, |dataset| &dataset.train)?)?;
    let valid = measure.logits(&samples(&labelled, |dataset| &dataset.valid)?)?;
    let (epochs, rate, batch) = CALIBRATION;
    let fit = Fit { epochs, rate, batch, seed: weak.run.seed };
    let layer = fit_linear(&in_place(classes, class), &train, &valid, fit);
    let test = samples(&labelled, |dataset| &dataset.test)?;
    let whole = (weak.spec.clone(), weak.state.clone());
    let before = evaluate::<B>(&whole, constants, &test, device)?;
    let network = with_linear(&spec, &state, &layer)?;
    let after = evaluate::<B>(&network, constants, &test, device)?;

    let data = weak.run.preset.data.source.name().to_owned();
    let other = match other_class(&donor.manifest, &weak.run.classes[class]) {
        Some(other) => format!(" The module was made to tell another class, {other}, from the rest."),
        None => String::new(),
    };
    let card = Card {
        protocol: format!(
            "Accuracies are on the test split of {data}, all classes. Before: the network of the run {}. After: the \
             class {} is decided by the module; a linear layer over the logits was trained for {epochs} epochs on the \
             training split (learning rate {rate}) and its best epoch on the validation split kept.{other}",
            weak.run.id, weak.run.classes[class]
        ),
        data,
        origin: Origin::Replaced,
        parents: vec![
            Ancestor { run: weak.run.id.clone(), step: weak.step, module: None },
            ancestor(&donor.manifest),
        ],
        class_runs: Vec::new(),
        replaced: Some(class),
        class_accuracy: Vec::new(),
        taxonomy: POST_HOC,
        licence: licences([donor].into_iter()),
    };
    let kept = vec![Kept::all_of(weak.spec), kept_of(&donor.manifest)];
    let composed = Composed { name, run: weak.run, step: weak.step, kept, card, network };
    composed.module(
        weak.run.classes.clone(),
        (0..classes).collect(),
        &before,
        &after,
        Some(before.accuracy()),
    )
}

/// Measures a composed module again on the test samples of its classes: gives its manifest with the new figures.
///
/// # Errors
///
/// When the weights are not the network's.
pub fn evaluate_composed(
    module: &Module,
    classes: &[Labelled<'_>],
    device: Device,
) -> Result<ModuleManifest, Error> {
    device.run(Evaluate { module, classes })?
}

fn evaluate_composed_on<B: backend::Training>(
    module: &Module,
    classes: &[Labelled<'_>],
    device: &B::Device,
) -> Result<ModuleManifest, Error> {
    let mut manifest = module.manifest.clone();
    let network = (manifest.network.clone(), module.weights.clone());
    let test = samples(classes, |dataset| &dataset.test)?;
    let evaluation = evaluate::<B>(&network, (&manifest.mean, &manifest.std), &test, device)?;
    manifest.accuracy_after = Some(evaluation.accuracy());
    if let Some(card) = &mut manifest.card {
        for (row, after) in card.class_accuracy.iter_mut().zip(evaluation.class_accuracy()) {
            row.after = after;
        }
    }
    Ok(manifest)
}

const POST_HOC: Taxonomy = Taxonomy {
    computation: crate::run::Computation::ParameterComposition,
    routing: crate::run::Routing::Fixed,
    aggregation: Aggregation::Representation,
    training: Training::PostHoc,
};

/// The class that a module tells from the rest, if it is to decide another one than that.
pub fn other_class<'a>(donor: &'a ModuleManifest, class: &str) -> Option<&'a str> {
    let own = donor.classes.first().filter(|own| donor.one_vs_rest && *own != class);
    own.map(String::as_str)
}

/// A module as a part of a composition, to which it gives one logit a class.
fn part_of(module: &Module) -> Result<Part<'_>, Error> {
    let Module { manifest, weights } = module;
    let (spec, state) = match manifest.one_vs_rest {
        true => with_logits(&manifest.network, weights, &[vec![(0, 1.0), (1, -1.0)]])?,
        false => (manifest.network.clone(), weights.clone()),
    };
    Ok(Part { spec, state, mean: &manifest.mean, std: &manifest.std })
}

/// How a module's own logits give that of a class: of the only one, or of the one of this name.
fn row_of(manifest: &ModuleManifest, class: &str) -> Result<Vec<(usize, f32)>, Error> {
    if manifest.one_vs_rest {
        return Ok(vec![(0, 1.0), (1, -1.0)]);
    }
    match manifest.classes.iter().position(|name| name == class) {
        Some(logit) => Ok(vec![(logit, 1.0)]),
        None => Err(Error::Refused(format!(
            "the module {} has no class `{class}`; it has {}",
            manifest.name,
            manifest.classes.join(", ")
        ))),
    }
}

fn kept_of(manifest: &ModuleManifest) -> Kept {
    let ModuleManifest { kernels, krr, krr_all, network, .. } = manifest;
    let all = network.convs().map(|conv| conv.kernels as u64).sum();
    Kept { masked: (*kernels, *krr), all: (all, *krr_all) }
}

/// A module as a parent.
pub(super) fn ancestor(manifest: &ModuleManifest) -> Ancestor {
    let ModuleManifest { run, step, name, .. } = manifest;
    Ancestor { run: run.clone(), step: *step, module: Some(name.clone()) }
}

/// The terms of use that were stated of some modules, each once; what is made of them is under all of them.
pub(super) fn licences<'a>(modules: impl Iterator<Item = &'a Module>) -> String {
    let cards = modules.filter_map(|module| module.manifest.card.as_ref());
    distinct(cards.map(|card| card.licence.as_str()).filter(|licence| !licence.is_empty()))
}

/// A class of a composition.
struct Class<'a> {
    name: &'a str,
    label: usize,
    run: &'a Manifest,
    dataset: &'a Dataset,
}

impl Class<'_> {
    /// Whether it is the same class of the same data, perhaps of another run.
    fn is(&self, other: &Class<'_>) -> bool {
        let [data, others] = [self.run, other.run].map(|run| &run.preset.data);
        // A folder is a data set of its own; the others are the same wherever they lie.
        let same_place = data.source != data::Source::Folder || data.path == others.path;
        self.label == other.label && data.source == others.source && same_place
    }
}

/// The classes of all modules in their order.
fn classes_of<'a>(sources: &[Source<'a>]) -> Result<Vec<Class<'a>>, Error> {
    let mut classes: Vec<Class<'a>> = Vec::new();
    for source in sources {
        let manifest = &source.module.manifest;
        let labels = manifest.classes.iter().zip(&manifest.class_indices).zip(&source.runs);
        for ((name, &label), &(run, dataset)) in labels {
            let class = Class { name, label, run, dataset };
            if classes.iter().any(|other| other.is(&class)) {
                return Err(Error::Refused(format!(
                    "two of the modules have the class `{name}`; take it out of one"
                )));
            }
            classes.push(class);
        }
    }
    Ok(classes)
}

/// Names of classes; of those that several data sets use, the data set's first, or the run's where that is no
/// difference either.
fn unique_names(classes: &[Class<'_>]) -> Vec<String> {
    let forms: [fn(&Class<'_>) -> String; 3] = [
        |class| class.name.to_owned(),
        |class| format!("{}:{}", class.run.preset.data.source, class.name),
        |class| format!("{}:{}", class.run.id, class.name),
    ];
    let is_unique = |form: &fn(&Class<'_>) -> String, class| {
        classes.iter().filter(|other| form(other) == form(class)).count() == 1
    };
    let name = |class| forms.iter().find(|form| is_unique(form, class)).unwrap_or(&forms[2])(class);
    classes.iter().map(name).collect()
}

/// The parts side by side, reading what the first reads.
fn join(parts: &[Part<'_>]) -> Result<(Spec, State), Error> {
    let given = (parts[0].mean, parts[0].std);
    let adapted = parts.iter().map(|part| {
        let same = (part.mean, part.std) == given || part.spec.input != parts[0].spec.input;
        match same {
            // Images of another shape are refused below.
            true => Ok((part.spec.clone(), part.state.clone())),
            false => rescaled_input(&part.spec, &part.state, given, (part.mean, part.std)),
        }
    });
    Ok(side_by_side(&adapted.collect::<Result<Vec<_>, _>>()?)?)
}

/// From the logits of the other classes and then the replaced one's to all in their order.
fn in_place(classes: usize, replaced: usize) -> Affine {
    let mut layer =
        Affine { outputs: classes, weight: vec![0.0; classes * classes], bias: vec![0.0; classes] };
    let sources = (0..classes).filter(|&class| class != replaced).chain([replaced]);
    for (source, class) in sources.enumerate() {
        layer.weight[class * classes + source] = 1.0;
    }
    layer
}

/// The samples of some classes, labelled by their position among them.
pub(super) fn samples(classes: &[Labelled<'_>], split: fn(&Dataset) -> &Images) -> Result<Images, Error> {
    let Some((first, _)) = classes.first() else { return Err(crate::modular::Error::NoClasses.into()) };
    let mut all = Images::empty(split(first).shape);
    for (position, (dataset, label)) in classes.iter().enumerate() {
        let images = split(dataset);
        let chosen = images.select(&images.of_class(*label));
        all.pixels.extend_from_slice(&chosen.pixels);
        all.labels.extend(std::iter::repeat_n(position as u32, chosen.len()));
    }
    Ok(all)
}

struct Compose<'a> {
    name: &'a str,
    run: &'a Manifest,
    sources: &'a [Source<'a>],
}

impl Task for Compose<'_> {
    type Output = Result<Module, Error>;

    fn run<B: backend::Training>(self, device: B::Device) -> Self::Output {
        compose_on::<B>(self.name, self.run, self.sources, &device)
    }
}

struct Replace<'a> {
    name: &'a str,
    weak: &'a Weak<'a>,
    class: usize,
    donor: &'a Module,
}

impl Task for Replace<'_> {
    type Output = Result<Module, Error>;

    fn run<B: backend::Training>(self, device: B::Device) -> Self::Output {
        replace_on::<B>(self.name, self.weak, self.class, self.donor, &device)
    }
}

struct Evaluate<'a> {
    module: &'a Module,
    classes: &'a [Labelled<'a>],
}

impl Task for Evaluate<'_> {
    type Output = Result<ModuleManifest, Error>;

    fn run<B: backend::Training>(self, device: B::Device) -> Self::Output {
        evaluate_composed_on::<B>(self.module, self.classes, &device)
    }
}

/// A network that is measured on several splits.
struct Measure<'a, B: backend::Training> {
    network: Network<B::InnerBackend>,
    normaliser: Normaliser,
    device: &'a B::Device,
    width: usize,
}

impl<'a, B: backend::Training> Measure<'a, B> {
    fn new(
        spec: &Spec,
        state: &State,
        (mean, std): (&[f32], &[f32]),
        device: &'a B::Device,
    ) -> Result<Self, Error> {
        let network = Network::new(spec.clone(), state, device)?;
        let normaliser = Normaliser::new(spec.input, mean, std);
        Ok(Measure { network, normaliser, device, width: spec.outputs()? })
    }

    fn logits(&self, images: &Images) -> Result<Logits, Error> {
        let mut logits = Logits { width: self.width, ..Logits::default() };
        Batches::new(images, BATCH).run(&self.network, &self.normaliser, self.device, |labels, output| {
            logits.values.extend(Array::from_tensor(output.logits).values);
            logits.labels.extend_from_slice(labels);
            Ok(())
        })?;
        Ok(logits)
    }
}

fn evaluate<B: backend::Training>(
    (spec, state): &(Spec, State),
    constants: (&[f32], &[f32]),
    images: &Images,
    device: &B::Device,
) -> Result<Evaluation, Error> {
    let measure = Measure::<B>::new(spec, state, constants, device)?;
    let Measure { network, normaliser, .. } = &measure;
    let batches = Batches::new(images, BATCH);
    Ok(batches.evaluate(network, normaliser, device, &MethodConfig::PLAIN, None)?)
}

/// A network that was put together, before it has a description.
struct Composed<'a> {
    name: &'a str,
    /// The run that keeps it.
    run: &'a Manifest,
    step: u64,
    /// What its parts kept of the networks that they were cut out of.
    kept: Vec<Kept>,
    card: Card,
    network: (Spec, State),
}

/// Kernels of a part, and which share of its whole network they are: of the masked ones, and of all.
struct Kept {
    masked: (u64, f64),
    all: (u64, f64),
}

impl Kept {
    fn all_of(spec: &Spec) -> Kept {
        let kernels = spec.convs().map(|conv| conv.kernels as u64).sum();
        Kept { masked: (kernels, 1.0), all: (kernels, 1.0) }
    }
}

/// Kernels of all parts, and their share of all whole networks together.
fn together(parts: impl Iterator<Item = (u64, f64)>) -> (u64, f64) {
    let (kept, whole) = parts.fold((0_u64, 0.0), |(kept, whole), (kernels, share)| {
        (kept.saturating_add(kernels), whole + if share > 0.0 { kernels as f64 / share } else { 0.0 })
    });
    (kept, kept as f64 / f64::max(whole, 1.0))
}

impl Composed<'_> {
    fn module(
        self,
        classes: Vec<String>,
        class_indices: Vec<usize>,
        before: &Evaluation,
        after: &Evaluation,
        whole_accuracy: Option<f64>,
    ) -> Result<Module, Error> {
        let (spec, weights) = self.network;
        let (kernels, krr) = together(self.kept.iter().map(|kept| kept.masked));
        let (_, krr_all) = together(self.kept.iter().map(|kept| kept.all));
        let mut card = self.card;
        let accuracies = before.class_accuracy().into_iter().zip(after.class_accuracy());
        let rows = classes.iter().zip(accuracies);
        card.class_accuracy = rows
            .map(|(class, (before, after))| ClassAccuracy { class: class.clone(), before, after })
            .collect();
        let manifest = ModuleManifest {
            classes,
            class_indices,
            kernels,
            krr,
            krr_all,
            whole_accuracy,
            accuracy_before: Some(before.accuracy()),
            accuracy_after: Some(after.accuracy()),
            card: Some(card),
            ..ModuleManifest::new(self.name, self.run, self.step, spec)?
        };
        Ok(Module { manifest, weights })
    }
}

/// Texts without repetition, joined by commas.
fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut all: Vec<&str> = Vec::new();
    texts.for_each(|text| {
        if !all.contains(&text) {
            all.push(text);
        }
    });
    all.join(", ")
}
