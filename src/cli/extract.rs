//! `cleave extract`.

use serde::Serialize;

use super::context::Context;
use super::error::Failure;
use super::output::{self, Table, count, percent, percent_or_dash};
use crate::backend::Choice;
use crate::modular::Provenance;
use crate::reuse::{Loaded, Request};
use crate::run::{ClassAccuracy, ModuleManifest, Origin, class_label};

/// Extract the module of some classes from a run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave extract latest --classes 3,8
  cleave extract digits-1 --classes cat,dog --threshold 0.8 --name pets
  cleave extract latest --classes 1,2,3 --head-free --fold-masks --fine-tune 0")]
pub(super) struct Args {
    /// Run: its name, a unique prefix of it, `latest`, or its path
    run: String,
    /// Classes by name or number, separated by commas (`#3` always means number 3); `all` for every class
    #[arg(long, value_delimiter = ',', required = true)]
    classes: Vec<String>,
    /// Fraction of a class's samples for which a kernel must fire to be kept, in (0, 1]; refused where training fixed
    /// the class masks
    #[arg(long, value_name = "T")]
    threshold: Option<f64>,
    /// Fine-tuning epochs on the chosen classes; 0 keeps the network's logits
    #[arg(long, value_name = "N")]
    fine_tune: Option<usize>,
    /// Keep the network's logits of the chosen classes instead of adding a new head
    #[arg(long)]
    head_free: bool,
    /// Fold the classes' mean masks into batch norm (not in the paper)
    #[arg(long)]
    fold_masks: bool,
    /// Random-kernel control modules of the same size to train as well
    #[arg(long, value_name = "N", default_value_t = 0)]
    controls: usize,
    /// Name of the module
    #[arg(long)]
    name: Option<String>,
    /// Licence to state on the module's card, such as an SPDX expression
    #[arg(long, alias = "license", value_name = "TEXT")]
    licence: Option<String>,
    /// Device: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints of a module.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    module: String,
    classes: &'a [String],
    kernels: u64,
    krr: f64,
    krr_all: f64,
    params: u64,
    macs: u64,
    whole_accuracy: Option<f64>,
    accuracy_before: Option<f64>,
    accuracy_after: Option<f64>,
    controls: &'a [crate::run::Control],
    /// Accuracy per class of a composed module or of one with a replaced class.
    class_accuracy: &'a [ClassAccuracy],
}

pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let (device, _) = args.device.resolve()?;
    let run = context.store.open(&args.run)?;
    let classes = parse_classes(&args.classes, &run.manifest.classes)?;
    let preset = &run.manifest.preset;
    let base = args.name.clone().unwrap_or_else(|| default_name(&classes, &run.manifest.classes));
    let epochs = args.fine_tune.unwrap_or(preset.modules.fine_tune_epochs);
    let request = Request {
        provenance: Provenance::usage(args.threshold.unwrap_or(preset.modules.threshold)),
        head: !args.head_free && (epochs > 0 || classes.len() == 1),
        fold_masks: args.fold_masks,
        fine_tune_epochs: epochs,
        controls: args.controls,
        name: run.free_module_name(&base),
        classes,
    };
    let mut loaded = Loaded::read(run, None, &context.archives())?;
    check_threshold(args.threshold, loaded.has_class_masks(), &args.run)?;
    let mut module = loaded.extract(&request, device, counting)?;
    module.manifest.state_licence(args.licence);
    let path = loaded.run.save_module(&module)?;
    output::note(&format!("module {} in {}", module.manifest.name, path.display()));
    print(&module.manifest, args.json)
}

/// Refuses a threshold where training has fixed the masks of the classes.
pub(super) fn check_threshold(threshold: Option<f64>, fixed: bool, run: &str) -> Result<(), Failure> {
    match threshold {
        Some(threshold) if fixed => Err(Failure::Usage(format!(
            "training has fixed the masks of the classes of {run}, and modules are cut by them: a threshold of {threshold} \
             would cut networks that were not rehearsed; leave --threshold out"
        ))),
        _ => Ok(()),
    }
}

/// Prints that kernel usage is being counted first.
pub(super) fn counting() {
    output::note("counting the kernel usage of each class");
}

/// Prints the figures of a module.
pub(super) fn print(manifest: &ModuleManifest, json: bool) -> Result<(), Failure> {
    if json {
        return Ok(output::json(&Report::new(manifest))?);
    }
    let mut table = Table::new(&["module", "classes", "kernels", "KRR", "params", "MACs"]);
    table.row([
        manifest.name.clone(),
        manifest.classes.join(","),
        manifest.kernels.to_string(),
        percent(manifest.krr),
        count(manifest.params),
        count(manifest.macs),
    ]);
    table.print()?;
    output::line("")?;
    let origin = manifest.card.as_ref().map_or(Origin::Extracted, |card| card.origin);
    let columns = match (origin, class_accuracy(manifest)) {
        (Origin::Extracted, _) | (_, []) => ["extracted", "fine-tuned"],
        _ => ["before", "calibrated"],
    };
    let mut table = Table::new(&["accuracy on these classes", columns[0], columns[1]]);
    table.row(["whole network".into(), percent_or_dash(manifest.whole_accuracy), "-".into()]);
    let (before, after) = (manifest.accuracy_before, manifest.accuracy_after);
    table.row(["module".into(), percent_or_dash(before), percent_or_dash(after)]);
    for control in &manifest.controls {
        table.row([
            format!("random kernels {}", control.draw + 1),
            percent(control.accuracy_before),
            percent_or_dash(control.accuracy_after),
        ]);
    }
    for class in class_accuracy(manifest) {
        table.row([format!("class {}", class.class), percent(class.before), percent(class.after)]);
    }
    Ok(table.print()?)
}

fn class_accuracy(manifest: &ModuleManifest) -> &[ClassAccuracy] {
    manifest.card.as_ref().map_or(&[], |card| &card.class_accuracy)
}

impl<'a> Report<'a> {
    pub(super) fn new(manifest: &'a ModuleManifest) -> Self {
        Report {
            module: format!("{}/{}", manifest.run, manifest.name),
            classes: &manifest.classes,
            kernels: manifest.kernels,
            krr: manifest.krr,
            krr_all: manifest.krr_all,
            params: manifest.params,
            macs: manifest.macs,
            whole_accuracy: manifest.whole_accuracy,
            accuracy_before: manifest.accuracy_before,
            accuracy_after: manifest.accuracy_after,
            controls: &manifest.controls,
            class_accuracy: class_accuracy(manifest),
        }
    }
}

/// The labels of the given classes, each as [`class_label`] parses it, or of all.
fn parse_classes(given: &[String], names: &[String]) -> Result<Vec<usize>, Failure> {
    if given.iter().any(|class| class == "all") && !names.iter().any(|name| name == "all") {
        return Ok((0..names.len()).collect());
    }
    given.iter().map(|class| parse_class(class, names)).collect()
}

/// The label of a class, as [`class_label`] parses it.
pub(super) fn parse_class(class: &str, names: &[String]) -> Result<usize, Failure> {
    class_label(class, names).ok_or_else(|| unknown_class(class, names))
}

fn unknown_class(class: &str, names: &[String]) -> Failure {
    let nearest =
        names.iter().max_by(|a, b| strsim::jaro_winkler(a, class).total_cmp(&strsim::jaro_winkler(b, class)));
    let hint = match names.len() {
        0..=20 => format!("the run has {}", names.join(", ")),
        _ => format!("did you mean {}?", nearest.map_or("", String::as_str)),
    };
    Failure::Usage(format!("there is no class `{class}`; {hint}"))
}

fn default_name(classes: &[usize], names: &[String]) -> String {
    match classes.len() {
        n if n == names.len() => "all".into(),
        1..=4 => classes.iter().map(|&class| names[class].as_str()).collect::<Vec<_>>().join("-"),
        n => format!("{n}-classes"),
    }
}
