//! Jobs that compute with networks.

use std::path::Path;
use std::sync::Arc;

use super::super::message::{Export, Job, ModuleName, Prediction, Reply};
use super::Context;
use crate::backend::{Cpu, cpu_device};
use crate::data::{Images, read_image};
use crate::export::{Form, History, Package, Records};
use crate::learn::Normaliser;
use crate::modular::Usage;
use crate::reuse::{Composition, Examination, Loaded, Place, Replacement, Request};
use crate::run::{Module, ModuleManifest, Run};
use crate::spec::Spec;
use crate::{learn, reuse};

pub(super) fn work(context: &Context, job: Job) -> Reply {
    match job {
        Job::Usage { run, step } => {
            let found = usage(context, &run, step);
            Reply::Usage { run, found }
        }
        Job::Extract { run, request } => {
            let module = extract(context, &run, request).map(Box::new);
            Reply::Extracted(run, module)
        }
        Job::Examine { run, module } => {
            let found = examine(context, &run, &module);
            Reply::Examined { run, module, found }
        }
        Job::Predict { run, module, image, index } => {
            let found = predict(context, &run, &module, image.as_deref(), index).map(Box::new);
            Reply::Predicted { run, module, image, index, found }
        }
        Job::Export { run, module, export, to } => {
            Reply::Done(write(context, &run, module.as_deref(), &export, &to))
        }
        Job::Compose { modules, name, join, fine_tune, licence } => {
            let loaded = modules.iter().map(|(run, name)| module(&open(context, run)?, name));
            let made = loaded.collect::<Result<Vec<_>, _>>().and_then(|modules| {
                compose(context, Composition { modules, name, join, fine_tune_epochs: fine_tune, licence })
            });
            Reply::Made(made.map(Box::new))
        }
        Job::Replace { run, class, donor, name } => {
            Reply::Made(replace(context, &run, class, &donor, name).map(Box::new))
        }
        Job::Time(network) => {
            let device = context.device();
            let timed = device.and_then(|device| {
                learn::seconds_per_image(&network.preset, &network.spec, device).map_err(text)
            });
            Reply::Timed(network, timed)
        }
        other => Reply::Done(Err(format!("not a network job: {other:?}"))),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn open(context: &Context, run: &str) -> Result<Run, String> {
    context.store.exact(run).map_err(text)
}

fn load(context: &Context, run: &str, step: Option<u64>) -> Result<Loaded, String> {
    let run = open(context, run)?;
    let dataset = context.data.of(&run.manifest, &context.paths.archives()).map_err(text)?;
    Loaded::with_data(run, step, dataset).map_err(text)
}

type Found = (u64, Arc<Usage>, Arc<Spec>);

fn usage(context: &Context, run: &str, step: Option<u64>) -> Result<Found, String> {
    let mut loaded = load(context, run, step)?;
    let usage = Arc::new(loaded.usage(context.device()?, || ()).map_err(text)?.clone());
    Ok((loaded.checkpoint.step, usage, Arc::new(loaded.checkpoint.spec)))
}

fn extract(context: &Context, run: &str, mut request: Request) -> Result<ModuleManifest, String> {
    let mut loaded = load(context, run, None)?;
    request.name = loaded.run.free_module_name(&request.name);
    let module = loaded.extract(&request, context.device()?, || ()).map_err(text)?;
    loaded.run.save_module(&module).map_err(text)?;
    Ok(module.manifest)
}

fn module(run: &Run, name: &str) -> Result<Module, String> {
    let entries = run.modules().map_err(text)?;
    let entry = entries.into_iter().find(|entry| entry.name == name);
    let entry = entry.ok_or_else(|| format!("the run {} has no module {name}", run.manifest.id))?;
    Module::load(&entry.path).map_err(text)
}

fn examine(context: &Context, run: &str, name: &str) -> Result<Examination, String> {
    let run = open(context, run)?;
    let module = module(&run, name)?;
    let whole = match run.load(module.manifest.step) {
        Ok(checkpoint) => checkpoint,
        // The module's own checkpoint may have been deleted; latency does not depend on weights.
        Err(_) => run.newest_whole().map_err(text)?.checkpoint,
    };
    let images = images(context, &module.manifest)?;
    reuse::examine(&run.manifest, &whole, &module, &images, context.device()?).map_err(text)
}

/// The test images of a module's classes.
fn images(context: &Context, module: &ModuleManifest) -> Result<Images, String> {
    let archives = context.paths.archives();
    reuse::test_images(module, &context.store, |run| context.data.of(run, &archives)).map_err(text)
}

fn predict(
    context: &Context,
    run: &str,
    name: &str,
    image: Option<&Path>,
    index: usize,
) -> Result<Prediction, String> {
    let run = open(context, run)?;
    let Module { manifest, weights } = module(&run, name)?;
    let (name, truth, pixels) = match image {
        Some(path) => {
            let pixels = read_image(path, manifest.input).map_err(text)?;
            (path.display().to_string(), None, pixels)
        }
        None => test_picture(&images(context, &manifest)?, &manifest, index)?,
    };
    let normaliser = Normaliser::new(manifest.input, &manifest.mean, &manifest.std);
    let device = context.device()?;
    let rows = reuse::predict(&manifest.network, &weights, &normaliser, &pixels, device).map_err(text)?;
    let row = rows.into_iter().next().unwrap_or_default();
    let probabilities = manifest.classes.into_iter().zip(row).collect();
    Ok(Prediction { name, truth, shape: manifest.input, pixels, probabilities })
}

/// The module's test image at `index`, modulo their number.
fn test_picture(
    images: &Images,
    manifest: &ModuleManifest,
    index: usize,
) -> Result<(String, Option<String>, Vec<u8>), String> {
    if images.is_empty() {
        return Err("the test split has no image of the module's classes".into());
    }
    let picture = index % images.len();
    let truth = images.labels.get(picture).and_then(|label| manifest.classes.get(*label as usize)).cloned();
    let name = format!("test image {} of {}", picture + 1, images.len());
    Ok((name, truth, images.select(&[picture]).pixels))
}

fn compose(context: &Context, composition: Composition) -> Result<ModuleManifest, String> {
    let archives = context.paths.archives();
    let place = Place { store: &context.store, archives: &archives, device: context.device()? };
    place.compose(composition, || ()).map(|(module, _)| module).map_err(text)
}

fn replace(
    context: &Context,
    run: &str,
    class: usize,
    (donor_run, donor): &ModuleName,
    name: String,
) -> Result<ModuleManifest, String> {
    let (weak, donor) = (open(context, run)?, module(&open(context, donor_run)?, donor)?);
    let archives = context.paths.archives();
    let place = Place { store: &context.store, archives: &archives, device: context.device()? };
    let replacement = Replacement { weak, class, donor, name: Some(name) };
    place.replace(&replacement).map(|(module, _)| module).map_err(text)
}

fn write(
    context: &Context,
    run: &str,
    name: Option<&str>,
    export: &Export,
    to: &Path,
) -> Result<String, String> {
    let run = open(context, run)?;
    let form = match export.format.as_str() {
        "safetensors" => Form::Safetensors,
        "onnx" => Form::Onnx(export.preprocessing),
        "pytorch" => Form::Pytorch,
        "burn" => Form::Burn,
        "tensorboard" => return records(&run, Records::Tensorboard, to),
        "csv" => return records(&run, Records::Csv, to),
        "json" => return records(&run, Records::Json, to),
        other => return Err(format!("unknown format {other}")),
    };
    let package = match name {
        Some(name) => Package::of_module(module(&run, name)?),
        None => Package::of_run(&run.manifest, run.newest_whole().map_err(text)?.checkpoint),
    };
    let package = if export.without_masks { package.without_masks() } else { package };
    let package = if export.fold_norm { package.fold_batch_norm().map_err(text)? } else { package };
    let encoded = form.encode::<Cpu>(&package, &cpu_device()).map_err(text)?;
    encoded.write(to, false).map_err(text)?;
    Ok(format!("wrote {} to {}", package.name(), to.display()))
}

/// Writes the records of a run.
fn records(run: &Run, records: Records, to: &Path) -> Result<String, String> {
    let history = History::read(run).map_err(text)?;
    let written = records.write(&history, to, false).map_err(text)?;
    let (run, files) = (&run.manifest.id, written.files.len());
    let mut said = format!("wrote the records of {run} to {}: {files} files", written.directory.display());
    history.problems.iter().for_each(|problem| said.push_str(&format!("; {problem}")));
    Ok(said)
}
