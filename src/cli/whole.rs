//! A run's trained network, read back for commands that look at it.

use burn::tensor::backend::AutodiffBackend;

use super::context::Context;
use super::error::Failure;
use super::train::load_for;
use crate::backend::{Device, Task};
use crate::data::{Augmentation, Dataset};
use crate::modular::{Usage, masked_layers};
use crate::network::Network;
use crate::run::{Checkpoint, Run};
use crate::train::{self, Normaliser, Pass, Whole};

/// A run at its newest whole checkpoint, with usage and data.
pub(super) struct Loaded {
    pub run: Run,
    pub checkpoint: Checkpoint,
    pub usage: Usage,
    pub dataset: Dataset,
}

impl Loaded {
    /// Reads the checkpoint of `step`, or the newest whole one; counts its usage where it was not yet.
    pub(super) fn read(
        run: Run,
        step: Option<u64>,
        context: &Context,
        device: Device,
    ) -> Result<Loaded, Failure> {
        let checkpoint = match step {
            Some(step) => run.load(step)?,
            None => run.newest_whole()?.checkpoint,
        };
        let dataset = load_for(&run.manifest, context)?;
        let usage = usage(&run, &checkpoint, &dataset, device)?;
        Ok(Loaded { run, checkpoint, usage, dataset })
    }

    pub(super) fn whole(&self) -> Whole<'_> {
        Whole {
            manifest: &self.run.manifest,
            step: self.checkpoint.step,
            spec: &self.checkpoint.spec,
            state: &self.checkpoint.weights,
            usage: &self.usage,
            dataset: &self.dataset,
        }
    }
}

/// The usage kept with a checkpoint, or counted now and kept.
fn usage(run: &Run, checkpoint: &Checkpoint, dataset: &Dataset, device: Device) -> Result<Usage, Failure> {
    if let Some(usage) = kept_usage(run, checkpoint.step)? {
        return Ok(usage);
    }
    let method = &run.manifest.preset.method;
    if !method.wants_masks() {
        return Err(train::Error::NoMasks(method.name()).into());
    }
    eprintln!("counting which kernels each class uses");
    let usage = device.run(Count { run, checkpoint, dataset })?;
    run.save_usage(checkpoint.step, &usage.to_safetensors()?)?;
    Ok(usage)
}

/// The usage that was kept with a checkpoint.
pub(super) fn kept_usage(run: &Run, step: u64) -> Result<Option<Usage>, Failure> {
    let bytes = run.load_usage(step)?;
    Ok(bytes.map(|bytes| Usage::from_safetensors(&bytes)).transpose()?)
}

struct Count<'a> {
    run: &'a Run,
    checkpoint: &'a Checkpoint,
    dataset: &'a Dataset,
}

impl Task for Count<'_> {
    type Output = Result<Usage, train::Error>;

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Self::Output {
        let manifest = &self.run.manifest;
        let preset = &manifest.preset;
        let Checkpoint { spec, weights, .. } = self.checkpoint;
        let network = Network::<B::InnerBackend>::new(spec.clone(), weights, &device)?;
        let normaliser = Normaliser::of_run(manifest);
        let augmentation = match preset.modules.augment_usage {
            true => preset.data.augmentation(),
            false => Augmentation::NONE,
        };
        let pass = Pass { augmentation, ..Pass::of_run(manifest, &self.dataset.train) };
        let mut usage = Usage::new(masked_layers(spec)?, manifest.classes.len());
        pass.evaluate(&network, &normaliser, &device, &preset.method, Some(&mut usage))?;
        Ok(usage)
    }
}
