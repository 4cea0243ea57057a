//! `cleave predict`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::context::Context;
use super::error::Failure;
use super::export;
use super::output::{self, Table, percent};
use crate::backend::Choice;
use crate::data::{self, read_image};
use crate::export::Package;
use crate::learn::Normaliser;
use crate::reuse;

/// Number of classes shown per image.
const TOP: usize = 3;

/// Classify image files with a module or a whole network.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave predict latest photo.png
  cleave predict digits-1/3-8 scans/*.png --json

Images are resized and converted to the format that the network was trained on. Unreadable images are reported and
skipped; the exit code is then 1.")]
pub(super) struct Args {
    /// Module or run: a name, a unique prefix of it, RUN/MODULE, `latest` (the latest module, or else the
    /// latest run), or a path
    #[arg(value_name = "MODULE")]
    target: String,
    /// Image files: png, jpg, bmp, gif, webp, tiff or pnm
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Device: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// `run/module`, or the run of a whole network.
    name: String,
    /// The classes of the network.
    classes: Vec<String>,
    images: Vec<Prediction>,
    failed: Vec<Unreadable>,
}

#[derive(Serialize)]
struct Prediction {
    image: String,
    class: String,
    /// Softmax probability of the predicted class.
    probability: f64,
    /// The most probable classes, including the first.
    top: Vec<Ranked>,
}

#[derive(Clone, Default, Serialize)]
struct Ranked {
    class: String,
    probability: f64,
}

#[derive(Serialize)]
struct Unreadable {
    image: String,
    reason: String,
}

pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let (device, _) = args.device.resolve()?;
    let package = export::find(&args.target, context)?;
    let (mut pixels, mut read, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for path in &args.images {
        let image = path.display().to_string();
        match read_image(path, package.input) {
            Ok(values) => {
                pixels.extend(values);
                read.push(image);
            }
            Err(error) => failed.push(Unreadable { image, reason: reason(path, error) }),
        }
    }
    let Package { spec, weights, input, mean, std, .. } = &package;
    let normaliser = Normaliser::new(*input, mean, std);
    let rows = reuse::predict(spec, weights, &normaliser, &pixels, device)?;
    let predict = |(image, row): (String, Vec<f64>)| Prediction::new(image, &row, &package.classes);
    let images = read.into_iter().zip(rows).map(predict).collect();
    let report = Report { name: package.name(), classes: package.classes.clone(), images, failed };
    report.print(args.json)?;
    match report.failed.len() {
        0 => Ok(()),
        count => Err(Failure::Failed(format!("{count} of {} images could not be read", args.images.len()))),
    }
}

impl Report {
    fn print(&self, json: bool) -> Result<(), Failure> {
        for Unreadable { image, reason } in &self.failed {
            output::note(&format!("cannot read {image}: {reason}"));
        }
        if json {
            return Ok(output::json(self)?);
        }
        output::note(&format!("predicted by {}", self.name));
        let mut table = Table::new(&["image", "class", "probability", "then"]);
        for Prediction { image, class, probability, top } in &self.images {
            let others =
                top.iter().skip(1).map(|next| format!("{} {}", next.class, percent(next.probability)));
            let others = others.collect::<Vec<_>>().join(", ");
            table.row([image.clone(), class.clone(), percent(*probability), others]);
        }
        match table.is_empty() {
            true => Ok(()),
            false => Ok(table.print()?),
        }
    }
}

impl Prediction {
    fn new(image: String, probabilities: &[f64], classes: &[String]) -> Prediction {
        let pairs = classes.iter().zip(probabilities);
        let mut ranked: Vec<Ranked> =
            pairs.map(|(class, &probability)| Ranked { class: class.clone(), probability }).collect();
        ranked.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        ranked.truncate(TOP);
        let Ranked { class, probability } = ranked.first().cloned().unwrap_or_default();
        Prediction { image, class, probability, top: ranked }
    }
}

/// Why an image cannot be read, without repeating its path.
fn reason(path: &Path, error: data::Error) -> String {
    match error {
        data::Error::Unreadable { first, .. } if first.len() == 1 && first[0].0 == path => first[0].1.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_probable_classes_come_first() {
        let classes: Vec<String> = ["a", "b", "c", "d"].map(String::from).into();
        let prediction = Prediction::new("x.png".into(), &[0.1, 0.5, 0.05, 0.35], &classes);
        let top: Vec<&str> = prediction.top.iter().map(|ranked| ranked.class.as_str()).collect();
        assert_eq!((prediction.class.as_str(), top), ("b", vec!["b", "d", "a"]));
    }
}
