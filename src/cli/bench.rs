//! `cleave bench`.

mod masks;

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use rand::{Rng, RngExt};
use serde::Serialize;

use self::masks::{ClassMasks, SEED};
use super::error::Failure;
use super::output;
use crate::backend::{self, Choice, Precision};
use crate::data::Images;
use crate::learn::{Bench, bench};
use crate::method::{MethodConfig, Mwt};
use crate::modular::{self, Selection};
use crate::random::{Stream, generator};
use crate::spec::{Architecture, Cost, Spec, State};

const CLASSES: usize = 10;
const INPUT: [usize; 3] = [3, 32, 32];

/// Time training steps or inference on random images.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, Subcommand)]
enum Work {
    /// Time complete training steps: forward pass, losses, backward pass and update
    #[command(after_help = "Examples:
  cleave bench step --model vgg16
  cleave bench step --model vgg16 --density 0.3 --threads 2
  cleave bench step --model resnet18 --plain --device cpu --json")]
    Step(Settings),
    /// Time forward passes without gradients
    #[command(after_help = "Examples:
  cleave bench infer --model vgg16
  cleave bench infer --model vgg16 --module-classes 2
  cleave bench infer --model small --batch 1 --steps 200 --json")]
    Infer(Settings),
}

#[derive(Debug, clap::Args)]
struct Settings {
    /// Network architecture, at its published width
    #[arg(long, value_enum, default_value = "vgg16")]
    model: Model,
    /// Batch size
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Timed steps
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..))]
    steps: u16,
    /// Warm-up steps, which are not timed
    #[arg(long, value_name = "N", default_value_t = 3)]
    warmup: u16,
    /// No mask generators and no modular losses: ordinary training
    #[arg(long)]
    plain: bool,
    /// Replace the generated masks by random ones in which each image uses this fraction of the kernels; images of a class
    /// share most of them
    #[arg(long, value_name = "D", conflicts_with = "plain")]
    density: Option<f64>,
    /// Time the module of this many classes instead of the whole network; --density is the fraction of kernels per class
    /// (default 0.2)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=10), conflicts_with = "plain")]
    module_classes: Option<u8>,
    /// Maximum number of CPU threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Device: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Precision of matrix products: f32, tf32 or bf16
    #[arg(long, value_name = "P", default_value = "f32")]
    precision: Precision,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Model {
    Vgg16,
    Resnet18,
    Simcnn,
    Rescnn,
    Small,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    mode: &'static str,
    model: String,
    batch: u16,
    device: String,
    precision: Precision,
    plain: bool,
    density: Option<f64>,
    module_classes: Option<u8>,
    /// Multiply-accumulates per image, excluding mask generators.
    macs: u64,
    steps: u16,
    /// Median time of a step.
    median_s: f64,
    /// Images per second at the median time.
    img_per_s: f64,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let (mode, settings) = match &args.work {
        Work::Step(settings) => ("step", settings),
        Work::Infer(settings) => ("infer", settings),
    };
    if let Some(threads) = settings.threads {
        backend::limit_threads(threads.into());
    }
    if settings.density.is_some_and(|density| !(0.0..=1.0).contains(&density)) {
        return Err(Failure::Usage("a density must be between 0 and 1".into()));
    }
    let (device, _) = settings.device.resolve()?;
    let (spec, state) = settings.network()?;
    let macs = Cost::of(&spec)?.macs();
    let images = settings.images();
    let masks = match (settings.density, settings.module_classes) {
        (Some(density), None) => ClassMasks::new(&spec, CLASSES, density)?.of_samples(&images.labels),
        _ => Vec::new(),
    };
    let method = match spec.convs().any(|conv| conv.masked) {
        true => MethodConfig::Mwt(Mwt::default()),
        false => MethodConfig::PLAIN,
    };
    let trains = (mode == "step").then_some(method);
    let Settings { precision, warmup, steps, .. } = *settings;
    let work = Bench { spec, state, images, masks, trains, precision, warmup, steps, seed: SEED };
    let median_s = median(bench(work, device)?).as_secs_f64();
    let report = Report {
        mode,
        model: format!("{:?}", settings.model).to_lowercase(),
        batch: settings.batch,
        device: device.to_string(),
        precision: settings.precision,
        plain: settings.plain,
        density: settings.density,
        module_classes: settings.module_classes,
        macs,
        steps: settings.steps,
        median_s,
        img_per_s: f64::from(settings.batch) / median_s,
    };
    match settings.json {
        true => output::json(&report)?,
        false => output::line(&format!(
            "{} {mode}, batch {}, {device}, {}: {:.1} images/s, median step {:.1} ms",
            report.model,
            report.batch,
            report.precision,
            report.img_per_s,
            1e3 * median_s
        ))?,
    }
    Ok(())
}

impl Settings {
    /// The network, or the module of its first classes.
    fn network(&self) -> Result<(Spec, State), Failure> {
        let spec = self.model.architecture().spec(INPUT, CLASSES, 1.0, !self.plain);
        let state = State::init(&spec, SEED)?;
        let Some(classes) = self.module_classes else { return Ok((spec, state)) };
        let masks = ClassMasks::new(&spec, CLASSES, self.density.unwrap_or(0.2))?;
        let selection = Selection::from_tracked(&spec, masks.sites(), &masks.union(classes.into()))?;
        Ok(modular::slice(&spec, &state, &selection)?)
    }

    fn images(&self) -> Images {
        let mut rng = generator(SEED, Stream::Augment, 0);
        let count = usize::from(self.batch);
        let mut pixels = vec![0; count * INPUT.iter().product::<usize>()];
        rng.fill_bytes(&mut pixels);
        let labels = (0..count).map(|_| rng.random_range(0..CLASSES as u32)).collect();
        Images { shape: INPUT, pixels, labels }
    }
}

impl Model {
    fn architecture(self) -> Architecture {
        match self {
            Model::Vgg16 => Architecture::Vgg16,
            Model::Resnet18 => Architecture::Resnet18,
            Model::Simcnn => Architecture::Simcnn,
            Model::Rescnn => Architecture::Rescnn,
            Model::Small => Architecture::Small,
        }
    }
}

/// The median; for an even number of values the mean of the middle two.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let middle = times.len() / 2;
    match times.len() % 2 {
        0 => (times[middle - 1] + times[middle]) / 2,
        _ => times[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_the_mean_of_two() {
        let times = |ms: &[u64]| ms.iter().copied().map(Duration::from_millis).collect();
        assert_eq!(median(times(&[9, 1, 5])), Duration::from_millis(5));
        assert_eq!(median(times(&[9, 1, 5, 7])), Duration::from_millis(6));
    }
}
