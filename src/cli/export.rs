//! `cleave export`.

mod runs;

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use super::context::Context;
use super::error::Failure;
use super::output;
use crate::backend::{Cpu, cpu_device};
use crate::export::onnx::Preprocessing;
use crate::export::{Form, Package, Records};
use crate::spec::Cost;

/// Export a module, a whole network or the records of a run to other formats.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave export digits-1/3-8 --to 3-8.safetensors
  cleave export latest --format safetensors --to module.safetensors --force
  cleave export digits-1/3-8 --format onnx --to 3-8.onnx
  cleave export digits-1/3-8 --format onnx --with-preprocessing=nhwc --fold-bn --to 3-8.onnx
  cleave export digits-1 --format onnx --without-masks --to whole.onnx
  cleave export latest --format pytorch --to module/
  cleave export latest --format burn --to module/
  cleave export digits-1 --format csv --to tables/
  cleave export digits-1 --format tensorboard --to boards/

The exported files include the class names and the pixel normalisation; safetensors and ONNX also hold the network's
provenance, as JSON metadata. Whole networks keep their mask generators unless --without-masks is given; modules have
none.")]
pub(super) struct Args {
    /// Module or run (for tensorboard, csv and json a run): a name, a unique prefix of it, RUN/MODULE, `latest`
    /// (the latest module, or else the latest run), or a path
    #[arg(value_name = "MODULE|RUN")]
    target: String,
    /// The file format
    #[arg(long, value_enum, default_value_t = Format::Safetensors)]
    format: Format,
    /// File to write; a directory for pytorch, burn, tensorboard, csv and json
    #[arg(long, value_name = "PATH")]
    to: PathBuf,
    /// Omit the mask generators of a whole network: every kernel is then active for every image
    #[arg(long)]
    without_masks: bool,
    /// Fold batch norm into the convolutions, which then run slightly faster
    #[arg(long)]
    fold_bn: bool,
    /// ONNX: accept pixel bytes in this layout (nhwc by default), normalise them, and output probabilities
    #[arg(long, value_enum, value_name = "ORDER", num_args = 0..=1, require_equals = true, default_missing_value = "nhwc")]
    with_preprocessing: Option<PixelLayout>,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Format {
    /// Named weight arrays, with a description in the header
    Safetensors,
    /// A model for ONNX runtimes, with any batch size
    Onnx,
    /// A directory for PyTorch: weights and the network as Python source
    Pytorch,
    /// A directory for Burn: a record and the network as Rust source
    Burn,
    /// A TensorBoard event file with a run's scalars, overlap and settings
    Tensorboard,
    /// A run's records and kernels as CSV tables (columns: docs/exports.md)
    Csv,
    /// The same tables as JSON arrays of objects
    Json,
}

/// Memory layout of an image batch.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PixelLayout {
    /// Batch, height, width, channels
    Nhwc,
    /// Batch, channels, height, width
    Nchw,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// `run/module`, or the run of a whole network.
    name: String,
    path: String,
    format: Format,
    bytes: usize,
    arrays: usize,
    classes: Vec<String>,
    params: u64,
    macs: u64,
}

pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let form = match form(&args) {
        Wanted::Network(form) => form,
        Wanted::Records(records) => {
            if args.without_masks || args.fold_bn || args.with_preprocessing.is_some() {
                let why =
                    "--without-masks, --fold-bn and --with-preprocessing apply to networks, not to records";
                return Err(Failure::Usage(why.into()));
            }
            return runs::export(&args, records, context);
        }
    };
    let package = prepared(&args, find(&args.target, context)?)?;
    let bytes = form.encode::<Cpu>(&package, &cpu_device())?.write(&args.to, args.force)?;
    let cost = Cost::of(&package.spec)?;
    let report = Report {
        name: package.name(),
        path: args.to.display().to_string(),
        format: args.format,
        bytes,
        arrays: package.weights.0.len(),
        classes: package.classes,
        params: cost.params(),
        macs: cost.macs(),
    };
    match args.json {
        true => output::json(&report)?,
        false => output::note(&format!("wrote {} to {} ({} bytes)", report.name, report.path, report.bytes)),
    }
    Ok(())
}

/// The package with the requested transformations applied.
fn prepared(args: &Args, package: Package) -> Result<Package, Failure> {
    if args.with_preprocessing.is_some() && !matches!(args.format, Format::Onnx) {
        return Err(Failure::Usage("--with-preprocessing is for --format onnx".into()));
    }
    let package = if args.without_masks { package.without_masks() } else { package };
    Ok(if args.fold_bn { package.fold_batch_norm()? } else { package })
}

/// What to write, and in which format.
enum Wanted {
    Network(Form),
    Records(Records),
}

fn form(args: &Args) -> Wanted {
    let preprocessing = args.with_preprocessing.map(|order| match order {
        PixelLayout::Nhwc => Preprocessing::Nhwc,
        PixelLayout::Nchw => Preprocessing::Nchw,
    });
    match args.format {
        Format::Safetensors => Wanted::Network(Form::Safetensors),
        Format::Onnx => Wanted::Network(Form::Onnx(preprocessing)),
        Format::Pytorch => Wanted::Network(Form::Pytorch),
        Format::Burn => Wanted::Network(Form::Burn),
        Format::Tensorboard => Wanted::Records(Records::Tensorboard),
        Format::Csv => Wanted::Records(Records::Csv),
        Format::Json => Wanted::Records(Records::Json),
    }
}

/// The module or run that a query names. Warns about damaged checkpoints that were skipped.
pub(super) fn find(target: &str, context: &Context) -> Result<Package, Failure> {
    let (package, skipped) = Package::find(target, &context.store)?;
    skipped.iter().for_each(|problem| output::warn(&format!("skipped a checkpoint: {problem}")));
    Ok(package)
}
