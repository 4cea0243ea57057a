//! Work on stored runs, without a session: usage, modules, measures, predictions. Nothing here is generic: each
//! function takes the [`Device`] to work on.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::class_sets::SetResult;
use super::error::Error;
use super::extract::{Request, Trained};
use super::splitter::splitter;
use crate::backend::{Compute, Device, Task, Training};
use crate::data::{self, Dataset, Images};
use crate::learn::{Batches, Evaluation, Normaliser, count_usage};
use crate::method::{MethodConfig, class_masks};
use crate::modular::{Provenance, Split, Usage, softmax};
use crate::network::Network;
use crate::run::{Checkpoint, Manifest, Module, ModuleManifest, Run, check_name};
use crate::spec::{Array, Spec, State};

/// Images that pass through a network at once in [`predict`].
const BATCH: usize = 64;

/// Times that [`examine`] runs a network on one image.
const TIMED: usize = 31;

/// A run at a checkpoint, with its data, and with usage once something asked for it.
pub struct Loaded {
    /// The run.
    pub run: Run,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Which units each class uses there, if that was read or counted.
    pub usage: Option<Usage>,
    /// The data that the run was trained on.
    pub dataset: Arc<Dataset>,
}

/// Confusion matrix and latency of a module.
#[derive(Clone, Debug, PartialEq)]
pub struct Examination {
    /// Test samples by true class and predicted class, in the order of the module's classes.
    pub confusion: Vec<Vec<u32>>,
    /// Median seconds for one image.
    pub seconds_per_image: f64,
    /// The same for the whole network.
    pub whole_seconds_per_image: f64,
}

impl Loaded {
    /// Reads the checkpoint of `step`, or the newest whole one, and the data.
    ///
    /// # Errors
    ///
    /// When there is no whole checkpoint, or the data cannot be read or have changed.
    pub fn read(run: Run, step: Option<u64>, archives: &Path) -> Result<Loaded, Error> {
        let dataset = load_data(&run.manifest, archives)?;
        Loaded::with_data(run, step, Arc::new(dataset))
    }

    /// As [`Loaded::read`], with the run's data where they have been read already.
    ///
    /// # Errors
    ///
    /// As [`Loaded::read`].
    pub fn with_data(run: Run, step: Option<u64>, dataset: Arc<Dataset>) -> Result<Loaded, Error> {
        let checkpoint = match step {
            Some(step) => run.load(step)?,
            None => run.newest_whole()?.checkpoint,
        };
        Ok(Loaded { run, checkpoint, usage: None, dataset })
    }

    /// Whether training has fixed the masks of the classes, by which modules are then cut.
    pub fn has_class_masks(&self) -> bool {
        class_masks(&self.checkpoint.method).is_some()
    }

    /// Which units each class uses. Usage that was not counted at this checkpoint yet is counted now, which can take
    /// minutes (`counting` is called before), and kept with the run.
    ///
    /// # Errors
    ///
    /// When the method has no masks to count, or usage cannot be read, counted or kept.
    pub fn usage(&mut self, device: Device, counting: impl FnOnce()) -> Result<&Usage, Error> {
        let usage = match self.usage.take() {
            Some(usage) => usage,
            None => match kept_usage(&self.run, self.checkpoint.step)? {
                Some(usage) => usage,
                None => self.count_usage(device, counting)?,
            },
        };
        Ok(self.usage.insert(usage))
    }

    fn count_usage(&self, device: Device, counting: impl FnOnce()) -> Result<Usage, Error> {
        let method = &self.run.manifest.preset.method;
        if !method.is_modular() {
            return Err(Error::NoMasks(method.name()));
        }
        counting();
        let count = Count { run: &self.run, checkpoint: &self.checkpoint, images: &self.dataset.train };
        let usage = device.run(count)??;
        self.run.save_usage(self.checkpoint.step, &usage.to_safetensors()?)?;
        Ok(usage)
    }

    /// Splits the network as a request says; `counting` is called before usage is counted, where the request wants it.
    fn split(&mut self, request: &Request, device: Device, counting: impl FnOnce()) -> Result<Split, Error> {
        if request.wants_usage()? {
            self.usage(device, counting)?;
        }
        splitter(&request.provenance)?.split(&self.trained())
    }

    /// Extracts a module and measures it, as [`Trained::extract`]. `counting` is called before usage is counted, where
    /// the request wants it.
    ///
    /// # Errors
    ///
    /// As [`Trained::extract`], and when the run's directory has a name that a module could not store.
    pub fn extract(
        &mut self,
        request: &Request,
        device: Device,
        counting: impl FnOnce(),
    ) -> Result<Module, Error> {
        check_name(&self.run.manifest.id)?;
        request.check()?;
        let split = self.split(request, device, counting)?;
        device.run(Extract { trained: self.trained(), split: &split, request })?
    }

    /// Measures a module again, as [`Trained::evaluate_module`].
    ///
    /// # Errors
    ///
    /// As [`Trained::evaluate_module`].
    pub fn evaluate_module(
        &mut self,
        module: &Module,
        controls: usize,
        device: Device,
        counting: impl FnOnce(),
    ) -> Result<ModuleManifest, Error> {
        let request = Request::of(&module.manifest)?;
        let split = self.split(&request, device, counting)?;
        device.run(Measure { trained: self.trained(), split: &split, module, controls })?
    }

    /// Measures the modules of many sets of classes as cut, as [`Trained::evaluate_sets`].
    ///
    /// # Errors
    ///
    /// As [`Trained::evaluate_sets`], and as [`Loaded::usage`].
    pub fn evaluate_sets(
        &mut self,
        sets: &[Vec<usize>],
        threshold: f64,
        controls: usize,
        device: Device,
        counting: impl FnOnce(),
        done: &mut dyn FnMut(&SetResult),
    ) -> Result<Vec<SetResult>, Error> {
        self.usage(device, counting)?;
        let split = splitter(&Provenance::usage(threshold))?.split(&self.trained())?;
        device.run(MeasureSets { trained: self.trained(), split: &split, sets, controls, done })?
    }

    fn trained(&self) -> Trained<'_> {
        Trained {
            manifest: &self.run.manifest,
            step: self.checkpoint.step,
            spec: &self.checkpoint.spec,
            state: &self.checkpoint.weights,
            usage: self.usage.as_ref(),
            dataset: &self.dataset,
        }
    }
}

/// The data of a run, which must still be those it began with.
///
/// # Errors
///
/// When they cannot be read or have other classes or shapes.
pub fn load_data(manifest: &Manifest, archives: &Path) -> Result<Dataset, Error> {
    let dataset = data::load(&manifest.preset.data, manifest.seed, archives)?;
    if dataset.classes != manifest.classes || dataset.train.shape != manifest.input {
        return Err(Error::DataChanged(format!(
            "the run knows {} classes of {:?} images, now there are {} of {:?}",
            manifest.classes.len(),
            manifest.input,
            dataset.classes.len(),
            dataset.train.shape
        )));
    }
    Ok(dataset)
}

/// The usage that was kept with a checkpoint.
///
/// # Errors
///
/// When there is no such checkpoint, or its usage is damaged.
pub fn kept_usage(run: &Run, step: u64) -> Result<Option<Usage>, Error> {
    let bytes = run.load_usage(step)?;
    Ok(bytes.map(|bytes| Usage::from_safetensors(&bytes, &run.manifest.network)).transpose()?)
}

/// What the network of a run does on the test split.
///
/// # Errors
///
/// When the weights are not the network's.
pub fn test(
    manifest: &Manifest,
    checkpoint: &Checkpoint,
    dataset: &Dataset,
    device: Device,
) -> Result<Evaluation, Error> {
    let Checkpoint { spec, weights, .. } = checkpoint;
    device.run(Test { manifest, spec, weights, images: &dataset.test })?
}

/// Confusion matrix of a module on test images of its classes ([`test_images`]), and its latency beside that of
/// the whole network: medians of single images, after one to warm up.
///
/// [`test_images`]: super::test_images
///
/// # Errors
///
/// When weights are not their network's.
pub fn examine(
    manifest: &Manifest,
    whole: &Checkpoint,
    module: &Module,
    images: &Images,
    device: Device,
) -> Result<Examination, Error> {
    if images.is_empty() {
        return Err(Error::Refused("there are no test images of the module's classes".into()));
    }
    let spec = &module.manifest.network;
    let evaluation = device.run(Test { manifest, spec, weights: &module.weights, images })??;
    let latency = |spec, weights| device.run(Latency { manifest, spec, weights, images })?;
    Ok(Examination {
        confusion: evaluation.confusion,
        seconds_per_image: latency(spec, &module.weights)?,
        whole_seconds_per_image: latency(&whole.spec, &whole.weights)?,
    })
}

/// The probabilities (softmax of the logits) that a network gives to its classes, a row for each image of
/// `pixels`: u8, `[images, channels, height, width]` with the shape `input`.
///
/// # Errors
///
/// When the weights are not the network's.
pub fn predict(
    spec: &Spec,
    weights: &State,
    normaliser: &Normaliser,
    pixels: &[u8],
    device: Device,
) -> Result<Vec<Vec<f64>>, Error> {
    device.run(Predict { spec, weights, normaliser, pixels })?
}

struct Count<'a> {
    run: &'a Run,
    checkpoint: &'a Checkpoint,
    images: &'a Images,
}

impl Task for Count<'_> {
    type Output = Result<Usage, Error>;

    fn run<B: Training>(self, device: B::Device) -> Self::Output {
        let Checkpoint { spec, weights, method, .. } = self.checkpoint;
        let sites = self.run.manifest.preset.method.observes(spec)?;
        let network = Network::<B::InnerBackend>::new(spec.clone(), weights, &device)?.observing(&sites);
        Ok(count_usage(&self.run.manifest, &network, method, self.images, &device)?)
    }
}

struct MeasureSets<'a> {
    trained: Trained<'a>,
    split: &'a Split,
    sets: &'a [Vec<usize>],
    controls: usize,
    done: &'a mut dyn FnMut(&SetResult),
}

impl Task for MeasureSets<'_> {
    type Output = Result<Vec<SetResult>, Error>;

    fn run<B: Training>(self, device: B::Device) -> Self::Output {
        let MeasureSets { trained, split, sets, controls, done } = self;
        trained.evaluate_sets::<B>(split, sets, controls, &device, done)
    }
}

struct Extract<'a> {
    trained: Trained<'a>,
    split: &'a Split,
    request: &'a Request,
}

impl Task for Extract<'_> {
    type Output = Result<Module, Error>;

    fn run<B: Training>(self, device: B::Device) -> Self::Output {
        self.trained.extract::<B>(self.split, self.request, &device)
    }
}

struct Measure<'a> {
    trained: Trained<'a>,
    split: &'a Split,
    module: &'a Module,
    controls: usize,
}

impl Task for Measure<'_> {
    type Output = Result<ModuleManifest, Error>;

    fn run<B: Training>(self, device: B::Device) -> Self::Output {
        self.trained.evaluate_module::<B>(self.split, self.module, self.controls, &device)
    }
}

struct Test<'a> {
    manifest: &'a Manifest,
    spec: &'a Spec,
    weights: &'a State,
    images: &'a Images,
}

impl Task for Test<'_> {
    type Output = Result<Evaluation, Error>;

    fn run<B: Training>(self, device: B::Device) -> Self::Output {
        let network = Network::<B::InnerBackend>::new(self.spec.clone(), self.weights, &device)?;
        let normaliser = Normaliser::of_run(self.manifest);
        let batches = Batches::of_run(self.manifest, self.images);
        Ok(batches.evaluate(&network, &normaliser, &device, &MethodConfig::PLAIN, None)?)
    }
}

struct Latency<'a> {
    manifest: &'a Manifest,
    spec: &'a Spec,
    weights: &'a State,
    images: &'a Images,
}

impl Task for Latency<'_> {
    type Output = Result<f64, Error>;

    fn run<B: Training>(self, device: B::Device) -> Self::Output {
        let network = Network::<B::InnerBackend>::new(self.spec.clone(), self.weights, &device)?;
        let normaliser = Normaliser::of_run(self.manifest);
        let pixels = self.images.select(&[0]).pixels;
        let mut seconds: Vec<f64> = (0..=TIMED)
            .map(|_| {
                let begun = Instant::now();
                forward(&network, &normaliser, &pixels, &device);
                begun.elapsed().as_secs_f64()
            })
            .skip(1)
            .collect();
        seconds.sort_by(f64::total_cmp);
        Ok(seconds[TIMED / 2])
    }
}

struct Predict<'a> {
    spec: &'a Spec,
    weights: &'a State,
    normaliser: &'a Normaliser,
    pixels: &'a [u8],
}

impl Task for Predict<'_> {
    type Output = Result<Vec<Vec<f64>>, Error>;

    fn run<B: Training>(self, device: B::Device) -> Self::Output {
        let network = Network::<B::InnerBackend>::new(self.spec.clone(), self.weights, &device)?;
        let mut rows = Vec::new();
        for pixels in self.pixels.chunks(BATCH * self.spec.input.iter().product::<usize>()) {
            let logits = forward(&network, self.normaliser, pixels, &device);
            let rows_of_logits = logits.values.chunks_exact(logits.shape[1]);
            rows.extend(rows_of_logits.map(|row| softmax(row).probabilities));
        }
        Ok(rows)
    }
}

/// The logits of some images, on the host.
fn forward<B: Compute>(
    network: &Network<B>,
    normaliser: &Normaliser,
    pixels: &[u8],
    device: &B::Device,
) -> Array {
    Array::from_tensor(network.forward(normaliser.tensor(pixels, device)).logits)
}
