//! Jobs that compute with networks.

use std::path::Path;
use std::sync::Arc;

use super::super::message::{Job, Prediction, Reply};
use super::Context;
use crate::backend::{Cpu, cpu_device};
use crate::data::{Dataset, read_image};
use crate::export::{Form, Package};
use crate::modular::Usage;
use crate::network::Spec;
use crate::run::{Module, ModuleManifest, Run};
use crate::train::{self, Examination, Loaded, Normaliser, Request, load_data};

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
            let examination = examine(context, &run, &module);
            Reply::Examined(module, examination)
        }
        Job::Predict { run, module, image, index } => {
            Reply::Predicted(predict(context, &run, &module, image.as_deref(), index).map(Box::new))
        }
        Job::Export { run, module, format, to } => {
            Reply::Done(export(context, &run, module.as_deref(), &format, &to))
        }
        other => Reply::Done(Err(format!("no work for networks: {other:?}"))),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn open(context: &Context, run: &str) -> Result<Run, String> {
    context.store.open(run).map_err(text)
}

fn load(context: &Context, run: &str, step: Option<u64>) -> Result<Loaded, String> {
    let archives = context.paths.archives();
    Loaded::read(open(context, run)?, step, &archives, context.device()?, || ()).map_err(text)
}

type Found = (u64, Arc<Usage>, Arc<Spec>);

fn usage(context: &Context, run: &str, step: Option<u64>) -> Result<Found, String> {
    let loaded = load(context, run, step)?;
    Ok((loaded.checkpoint.step, Arc::new(loaded.usage), Arc::new(loaded.checkpoint.spec)))
}

fn extract(context: &Context, run: &str, mut request: Request) -> Result<ModuleManifest, String> {
    let loaded = load(context, run, None)?;
    request.name = loaded.run.free_module_name(&request.name);
    let module = loaded.extract(&request, context.device()?).map_err(text)?;
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
        // The checkpoint that it was taken from may be gone; latency does not depend on weights.
        Err(_) => run.newest_whole().map_err(text)?.checkpoint,
    };
    let dataset = load_data(&run.manifest, &context.paths.archives()).map_err(text)?;
    train::examine(&run.manifest, &whole, &module, &dataset, context.device()?).map_err(text)
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
        None => {
            let dataset = load_data(&run.manifest, &context.paths.archives()).map_err(text)?;
            test_picture(&dataset, &manifest, index)?
        }
    };
    let normaliser = Normaliser::new(manifest.input, &manifest.mean, &manifest.std);
    let device = context.device()?;
    let rows = train::predict(&manifest.network, &weights, &normaliser, &pixels, device).map_err(text)?;
    let row = rows.into_iter().next().unwrap_or_default();
    let probabilities = manifest.classes.into_iter().zip(row).collect();
    Ok(Prediction { name, truth, shape: manifest.input, pixels, probabilities })
}

/// The `index`-th test picture of the module's classes, counted round and round.
fn test_picture(
    dataset: &Dataset,
    manifest: &ModuleManifest,
    index: usize,
) -> Result<(String, Option<String>, Vec<u8>), String> {
    let own = |label: &u32| manifest.class_indices.contains(&(*label as usize));
    let pictures: Vec<usize> = (0..dataset.test.len()).filter(|&i| own(&dataset.test.labels[i])).collect();
    if pictures.is_empty() {
        return Err("the test split has no picture of the module's classes".into());
    }
    let position = index % pictures.len();
    let picture = pictures[position];
    let truth = dataset.classes[dataset.test.labels[picture] as usize].clone();
    let name = format!("test picture {} of {}", position + 1, pictures.len());
    Ok((name, Some(truth), dataset.test.select(&[picture]).pixels))
}

fn export(
    context: &Context,
    run: &str,
    name: Option<&str>,
    format: &str,
    to: &Path,
) -> Result<String, String> {
    let run = open(context, run)?;
    let package = match name {
        Some(name) => Package::of_module(module(&run, name)?),
        None => Package::of_run(&run.manifest, run.newest_whole().map_err(text)?.checkpoint),
    };
    let form = match format {
        "safetensors" => Form::Safetensors,
        "onnx" => Form::Onnx(None),
        "pytorch" => Form::Pytorch,
        "burn" => Form::Burn,
        other => return Err(format!("there is no format {other}")),
    };
    let encoded = form.encode::<Cpu>(&package, &cpu_device()).map_err(text)?;
    encoded.write(to, false).map_err(text)?;
    Ok(format!("{} is in {}", package.name(), to.display()))
}
