//! `cleave evaluate`.

use burn::tensor::backend::AutodiffBackend;
use serde::Serialize;

use super::context::Context;
use super::error::Failure;
use super::extract;
use super::output::{self, Table, percent};
use super::train::load_for;
use super::whole::Loaded;
use crate::backend::{Choice, Task};
use crate::data::Dataset;
use crate::method::MethodConfig;
use crate::network::Network;
use crate::run::{Checkpoint, Module, ModuleManifest, Run};
use crate::train::{self, Evaluation, Normaliser, Pass};

/// Measure a run, or a module against the whole network and random kernels, on the test split.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave evaluate latest
  cleave evaluate digits-1/3-8 --controls 5")]
pub(super) struct Args {
    /// Run or module: a name, a unique prefix of it, RUN/MODULE, `latest` (the latest run), or a path
    target: String,
    /// Random-mask modules of the same size to compare with
    #[arg(long, value_name = "N", default_value_t = 0)]
    controls: usize,
    /// Where to work: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints of a run.
#[derive(Serialize)]
struct Report {
    run: String,
    step: u64,
    test_accuracy: f64,
    classes: Vec<ClassRow>,
    confusion: Vec<Vec<u32>>,
}

#[derive(Serialize)]
struct ClassRow {
    name: String,
    accuracy: f64,
}

pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let (device, _) = args.device.resolve()?;
    let as_run = context.store.resolve(&args.target);
    if let Ok(path) = as_run {
        let run = Run::open(&path)?;
        let checkpoint = run.newest_whole()?.checkpoint;
        let dataset = load_for(&run.manifest, context)?;
        let evaluation = device.run(Test { run: &run, checkpoint: &checkpoint, dataset: &dataset })?;
        return Report::new(&run, &checkpoint, &evaluation).print(args.json);
    }
    let path = context.store.resolve_module(&args.target)?;
    let module = Module::load(&path)?;
    let run = context.store.open(&module.manifest.run)?;
    let loaded = Loaded::read(run, Some(module.manifest.step), context, device)?;
    let task = Measure { loaded: &loaded, module: &module, controls: args.controls };
    let manifest = device.run(task)?;
    manifest.update(&path)?;
    extract::print(&manifest, args.json)
}

impl Report {
    fn new(run: &Run, checkpoint: &Checkpoint, evaluation: &Evaluation) -> Self {
        let rows = run.manifest.classes.iter().zip(evaluation.class_accuracy());
        Report {
            run: run.manifest.id.clone(),
            step: checkpoint.step,
            test_accuracy: evaluation.accuracy(),
            classes: rows.map(|(name, accuracy)| ClassRow { name: name.clone(), accuracy }).collect(),
            confusion: evaluation.confusion.clone(),
        }
    }

    fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            return Ok(output::json(self)?);
        }
        let mut table = Table::new(&["class", "accuracy"]);
        for row in &self.classes {
            table.row([row.name.clone(), percent(row.accuracy)]);
        }
        table.print()?;
        Ok(output::line(&format!("test accuracy {} after step {}", percent(self.test_accuracy), self.step))?)
    }
}

struct Test<'a> {
    run: &'a Run,
    checkpoint: &'a Checkpoint,
    dataset: &'a Dataset,
}

impl Task for Test<'_> {
    type Output = Result<Evaluation, train::Error>;

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Self::Output {
        let manifest = &self.run.manifest;
        let Checkpoint { spec, weights, .. } = self.checkpoint;
        let network = Network::<B::InnerBackend>::new(spec.clone(), weights, &device)?;
        let normaliser = Normaliser::of_run(manifest);
        let pass = Pass::of_run(manifest, &self.dataset.test);
        Ok(pass.evaluate(&network, &normaliser, &device, &MethodConfig::Plain {}, None)?)
    }
}

struct Measure<'a> {
    loaded: &'a Loaded,
    module: &'a Module,
    controls: usize,
}

impl Task for Measure<'_> {
    type Output = Result<ModuleManifest, train::Error>;

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Self::Output {
        self.loaded.whole().evaluate_module::<B>(self.module, self.controls, &device)
    }
}
