//! `cleave data show`.

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::output::{self, Table};
use crate::data::{DataConfig, Dataset, Source, load};

/// Read a data set and show its splits, classes and normalisation constants.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave data show digits
  cleave data show cifar10 --path /data/cifar10 --json
  cleave data show folder --path ./photos --size 32")]
pub(super) struct Args {
    /// Source: digits, cifar10, cifar100, svhn, mnist, fashion-mnist or folder
    name: String,
    /// Directory of its files; default: where `cleave data fetch` stores them
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Resize every image to this width and height
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
    /// Image folder: 3 for RGB (the default), 1 for grey
    #[arg(long, value_name = "N")]
    channels: Option<usize>,
    /// SVHN: include the extra images
    #[arg(long)]
    extra: bool,
    /// Seed of the training/validation split
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    name: String,
    /// `[channels, height, width]` of an image.
    shape: [usize; 3],
    /// Images of each split.
    train: usize,
    valid: usize,
    test: usize,
    classes: Vec<Row>,
    /// Mean of each channel, for pixels scaled to 0..1.
    mean: Vec<f32>,
    /// Standard deviation of each channel, for pixels scaled to 0..1.
    std: Vec<f32>,
}

/// A class and its images in each split.
#[derive(Serialize)]
struct Row {
    name: String,
    train: usize,
    valid: usize,
    test: usize,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let config = DataConfig {
        path: args.path.clone(),
        size: args.size,
        channels: args.channels,
        extra: args.extra,
        ..DataConfig::new(source(&args.name)?)
    };
    let report = Report::new(load(&config, args.seed, &context.archives())?);
    match args.json {
        true => Ok(output::json(&report)?),
        false => report.print(),
    }
}

fn source(name: &str) -> Result<Source, Failure> {
    let found = Source::ALL.into_iter().find(|source| source.name() == name);
    found.ok_or_else(|| {
        let known = Source::ALL.map(Source::name).join(", ");
        Failure::Usage(format!("there is no data source `{name}`; choose one of {known}"))
    })
}

impl Report {
    fn new(dataset: Dataset) -> Report {
        let sizes = |images: &crate::data::Images| images.class_sizes(dataset.classes.len());
        let (train, valid, test) = (sizes(&dataset.train), sizes(&dataset.valid), sizes(&dataset.test));
        let row = |(class, name): (usize, &String)| Row {
            name: name.clone(),
            train: train[class],
            valid: valid[class],
            test: test[class],
        };
        Report {
            name: dataset.name.clone(),
            shape: dataset.train.shape,
            train: dataset.train.len(),
            valid: dataset.valid.len(),
            test: dataset.test.len(),
            classes: dataset.classes.iter().enumerate().map(row).collect(),
            mean: dataset.mean,
            std: dataset.std,
        }
    }

    fn print(&self) -> Result<(), Failure> {
        let mut table = Table::new(&["class", "train", "valid", "test"]);
        let mut row = |name: &str, counts: [usize; 3]| {
            table.row(std::iter::once(name.to_owned()).chain(counts.map(|count| count.to_string())));
        };
        self.classes.iter().for_each(|class| row(&class.name, [class.train, class.valid, class.test]));
        row("all", [self.train, self.valid, self.test]);
        table.print()?;
        let [channels, height, width] = self.shape;
        let numbers = |values: &[f32]| values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(" ");
        Ok(output::line(&format!(
            "{}: {channels}x{height}x{width} images (channels, height, width), mean {}, deviation {}",
            self.name,
            numbers(&self.mean),
            numbers(&self.std)
        ))?)
    }
}
