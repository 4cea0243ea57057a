//! `cleave import`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;

use super::board::Board;
use super::context::Context;
use super::error::Failure;
use super::output::{self, percent};
use super::signals::Signals;
use super::train::{Ending, follow};
use crate::backend::Choice;
use crate::import::{self, File, Names};
use crate::preset::{Override, Preset};
use crate::run::Summary;
use crate::session;
use crate::session::{Prepared, Schedule};

/// Create a run from weights trained by another program.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave import vgg16.pth --preset paper-vgg16-cifar10-standard
  cleave import checkpoint.safetensors --preset paper-resnet18-cifar10 --name theirs
  cleave import odd.pth --preset digits --map names.toml

Only weights are read: a state_dict, alone or next to other entries such as the epoch. No code in the file is ever
executed. Recognised names: Cleave's own, torchvision's and the usual CIFAR names of VGG and ResNet (features.0,
layer1.0.conv1, downsample.0, shortcut.0, fc, linear), those of the MwT authors' models, and the prefix `module.`.
Map other names with a TOML file of lines ours = theirs, for whole names or prefixes: \"conv0.conv\" = \"stem.0\".

The preset defines the network and the data it is measured on. The new run counts as finished; continue training it
with: cleave train --branch RUN --epochs N")]
pub(super) struct Args {
    /// The file
    file: PathBuf,
    /// Format of the file; default: safetensors for a file name with this extension, else pytorch
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Preset that defines the network: a name (see `cleave presets`) or the path of a TOML file
    #[arg(long)]
    preset: String,
    /// Override a preset value, such as `data.path=/data/cifar10` (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Override>,
    /// TOML file that maps array names, ours = theirs
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Name of the run; default: the preset's name with the date
    #[arg(long)]
    name: Option<String>,
    /// Device for the measurement: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A PyTorch checkpoint, as written by `torch.save`
    Pytorch,
    /// Safetensors
    Safetensors,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    run: &'a str,
    arrays: usize,
    #[serde(flatten)]
    summary: &'a Summary,
}

pub(super) fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let (device, _) = args.device.resolve()?;
    let preset = Preset::find(&args.preset, &context.paths.presets(), &args.set)?;
    let file = File::open(&args.file, args.format.map(import::Format::from)).map_err(session::Error::from)?;
    let signals = Signals::watch()?;
    let (name, store, archives) = (args.name.as_deref(), &context.store, context.archives());
    let names = args.map.as_deref().map(Names::open).transpose().map_err(session::Error::from)?;
    let (prepared, count) =
        Prepared::import(preset, &file, names, name, &device.to_string(), store, &archives)?;
    let run = prepared.writer.run.clone();
    let id = run.manifest.id.clone();
    output::note(&format!("imported {count} arrays as run {id}; measuring its accuracy"));
    let board = Board::create(None, &run)?;
    match follow(prepared.job(Schedule::default(), device), &signals, board)? {
        Ending::Stopped(_) => Ok(ExitCode::from(signals.exit_code().unwrap_or(0))),
        Ending::Finished(summary) => {
            let (test, valid) = (percent(summary.test_accuracy), percent(summary.valid_accuracy));
            match args.json {
                true => output::json(&Report { run: &id, arrays: count, summary: &summary })?,
                false => output::line(&format!("test accuracy {test}, validation accuracy {valid}"))?,
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

impl From<Format> for import::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Pytorch => import::Format::Pytorch,
            Format::Safetensors => import::Format::Safetensors,
        }
    }
}
