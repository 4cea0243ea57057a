//! `cleave compose`.

use clap::ValueEnum;

use super::context::Context;
use super::error::Failure;
use super::extract;
use crate::backend::{Choice, Device};
use crate::data::Dataset;
use crate::run::{Ancestor, Module, Origin, Run};
use crate::train::{Request, Source, compose, load_data};

/// Put modules together to one network.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave compose digits-1/3-8 digits-1/0-1 --name four
  cleave compose digits-1/3-8 digits-2/0-1 --name mixed
  cleave compose mnist/odd fashion/shoes --name both --licence MIT

Modules of one run and checkpoint become the module of all their classes: the union of their kernels, with a new
head, fine-tuned like any other (--join union). Modules of different runs stand side by side, and a scale and a
shift for each, fitted on the validation split, make their logits comparable (--join logits).")]
pub(super) struct Args {
    /// Modules: a name, a unique prefix of it, RUN/MODULE, or a path
    #[arg(required = true, num_args = 2.., value_name = "MODULE")]
    modules: Vec<String>,
    /// What to call the result, which is kept with the run of the first module
    #[arg(long)]
    name: String,
    /// How they are joined
    #[arg(long, value_enum, default_value_t = Join::Auto)]
    join: Join,
    /// Epochs of fine-tuning of a union, in place of the preset's
    #[arg(long, value_name = "N")]
    fine_tune: Option<usize>,
    /// Terms of use to state on the card
    #[arg(long, value_name = "TEXT")]
    licence: Option<String>,
    /// Where to work: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Join {
    /// A union where the modules are of one run and checkpoint, logits otherwise
    Auto,
    /// The union of their kernels, cut out of their run anew
    Union,
    /// Side by side, logits one after the other
    Logits,
}

pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let (device, _) = args.device.resolve()?;
    let load = |query: &String| -> Result<Module, Failure> {
        Ok(Module::load(&context.store.resolve_module(query)?)?)
    };
    let modules = args.modules.iter().map(load).collect::<Result<Vec<Module>, Failure>>()?;
    let runs = modules.iter().map(|module| Ok(context.store.open(&module.manifest.run)?));
    let runs = runs.collect::<Result<Vec<Run>, Failure>>()?;
    let name = runs[0].free_module_name(&args.name);
    let mut module = match joins_by_union(&args, &modules)? {
        true => union(&args, &name, &modules, &runs[0], context, device)?,
        false => logits(&name, &modules, &runs, context, device)?,
    };
    if let (Some(card), Some(licence)) = (&mut module.manifest.card, args.licence) {
        card.licence = licence;
    }
    let path = runs[0].save_module(&module)?;
    eprintln!("module {} in {}", module.manifest.name, path.display());
    extract::print(&module.manifest, args.json)
}

fn joins_by_union(args: &Args, modules: &[Module]) -> Result<bool, Failure> {
    let settings = |module: &Module| {
        let manifest = &module.manifest;
        let origin = manifest.card.as_ref().map_or(Origin::Extracted, |card| card.origin);
        (manifest.run.clone(), manifest.step, manifest.threshold.to_bits(), manifest.fold_masks, origin)
    };
    let first = settings(&modules[0]);
    let alike = first.4 == Origin::Extracted && modules.iter().all(|module| settings(module) == first);
    match args.join {
        Join::Union if !alike => Err(Failure::Usage(
            "a union takes modules that were cut out of one checkpoint of one run, at one threshold and with or \
             without --fold-masks; join these with --join logits"
                .into(),
        )),
        Join::Logits if args.fine_tune.is_some() => {
            Err(Failure::Usage("--fine-tune is for a union; modules side by side stay as they are".into()))
        }
        join => Ok(join == Join::Union || join == Join::Auto && alike),
    }
}

/// The module of all classes of the modules, cut out of their run anew.
fn union(
    args: &Args,
    name: &str,
    modules: &[Module],
    run: &Run,
    context: &Context,
    device: Device,
) -> Result<Module, Failure> {
    let first = &modules[0].manifest;
    let mut classes = Vec::new();
    for class in modules.iter().flat_map(|module| &module.manifest.class_indices) {
        if !classes.contains(class) {
            classes.push(*class);
        }
    }
    let request = Request {
        threshold: first.threshold,
        head: true,
        fold_masks: first.fold_masks,
        fine_tune_epochs: args.fine_tune.unwrap_or(run.manifest.preset.modules.fine_tune_epochs),
        controls: 0,
        name: name.to_owned(),
        classes,
    };
    let loaded = extract::load(run.clone(), Some(first.step), context, device)?;
    let mut module = loaded.extract(&request, device)?;
    if let Some(card) = &mut module.manifest.card {
        let parent = |module: &Module| Ancestor {
            run: module.manifest.run.clone(),
            step: module.manifest.step,
            module: Some(module.manifest.name.clone()),
        };
        card.origin = Origin::Composed;
        card.parents = modules.iter().map(parent).collect();
    }
    Ok(module)
}

fn logits(
    name: &str,
    modules: &[Module],
    runs: &[Run],
    context: &Context,
    device: Device,
) -> Result<Module, Failure> {
    let datasets = runs.iter().map(|run| load_data(&run.manifest, &context.archives()));
    let datasets = datasets.collect::<Result<Vec<Dataset>, _>>()?;
    let sources = modules.iter().zip(runs).zip(&datasets);
    let sources = sources.map(|((module, run), dataset)| Source { module, run: &run.manifest, dataset });
    Ok(compose(name, &sources.collect::<Vec<_>>(), device)?)
}
