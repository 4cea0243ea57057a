//! `cleave modules`.

use serde::Serialize;

use super::context::Context;
use super::error::Failure;
use super::extract::{check_threshold, counting};
use super::output::{self, Table, count, percent};
use crate::backend::Choice;
use crate::method::class_masks;
use crate::modular::{Fallback, Split, TrackedSite, Usage, module_cost};
use crate::reuse::{Loaded, kept_usage};
use crate::run::Run;
use crate::spec::{Cost, Spec};

/// Show the module of each class of a run: kernels kept, retention, size.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave modules latest
  cleave modules digits-1 --threshold 0.8 --matrix
  cleave modules latest --layers --json")]
pub(super) struct Args {
    /// Run: its name, a unique prefix of it, `latest`, or its path
    run: String,
    /// Fraction of a class's samples for which a kernel must fire to be kept, in (0, 1]; refused where training fixed
    /// the class masks
    #[arg(long, value_name = "T")]
    threshold: Option<f64>,
    /// Also show the Jaccard index of each pair of modules
    #[arg(long)]
    matrix: bool,
    /// Also show the kernels kept per layer
    #[arg(long)]
    layers: bool,
    /// Device for counting kernel usage if it was not counted yet: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints: the modules of a run at a threshold.
#[derive(Serialize)]
struct Report {
    run: String,
    step: u64,
    /// `null` where training fixed the masks of the classes.
    threshold: Option<f64>,
    cohesion: f64,
    coupling: f64,
    krr: f64,
    krr_all: f64,
    whole: Size,
    classes: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matrix: Option<Vec<Vec<f64>>>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    kernels: usize,
    krr: f64,
    krr_all: f64,
    cohesion: f64,
    #[serde(flatten)]
    size: Size,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<LayerRow>>,
}

#[derive(Serialize)]
struct Size {
    params: u64,
    macs: u64,
}

#[derive(Serialize)]
struct LayerRow {
    name: String,
    kernels: usize,
    kept: usize,
    fallback: Fallback,
}

pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let run = context.store.open(&args.run)?;
    let threshold = args.threshold.unwrap_or(run.manifest.preset.modules.threshold);
    let checkpoint = run.newest_whole()?.checkpoint;
    check_threshold(args.threshold, class_masks(&checkpoint.method).is_some(), &args.run)?;
    let usage = match kept_usage(&run, checkpoint.step)? {
        Some(usage) => usage,
        None => {
            let (device, _) = args.device.resolve()?;
            let mut loaded = Loaded::read(run.clone(), Some(checkpoint.step), &context.archives())?;
            loaded.usage(device, counting)?.clone()
        }
    };
    let report = Report::new(&run, checkpoint.step, &checkpoint.spec, &usage, threshold, &args)?;
    match args.json {
        true => Ok(output::json(&report)?),
        false => report.print(),
    }
}

/// Prints the modules of a run, after training.
pub(super) fn print_modules(run: &Run, threshold: f64) -> Result<(), Failure> {
    let checkpoint = run.newest_whole()?.checkpoint;
    let Some(usage) = kept_usage(run, checkpoint.step)? else { return Ok(()) };
    let args = Args {
        run: String::new(),
        threshold: None,
        matrix: false,
        layers: false,
        device: Choice::Auto,
        json: false,
    };
    Report::new(run, checkpoint.step, &checkpoint.spec, &usage, threshold, &args)?.print()
}

impl Report {
    fn new(
        run: &Run,
        step: u64,
        spec: &Spec,
        usage: &Usage,
        threshold: f64,
        args: &Args,
    ) -> Result<Report, Failure> {
        let modules = usage.modules(threshold)?;
        let cohesion = modules.class_cohesion(usage)?;
        let names = &run.manifest.classes;
        let row = |class: usize| Row::new(&modules, class, &names[class], cohesion[class], spec, args.layers);
        let classes = (0..names.len()).map(row).collect::<Result<Vec<Row>, Failure>>()?;
        let whole = Cost::of(spec)?;
        Ok(Report {
            run: run.manifest.id.clone(),
            step,
            threshold: modules.provenance.threshold,
            cohesion: cohesion.iter().sum::<f64>() / cohesion.len().max(1) as f64,
            coupling: modules.coupling(),
            krr: modules.mean_krr(),
            krr_all: classes.iter().map(|row| row.krr_all).sum::<f64>() / classes.len().max(1) as f64,
            whole: Size { params: whole.trunk_params, macs: whole.macs() },
            classes,
            matrix: args.matrix.then(|| modules.coupling_matrix()),
        })
    }

    fn print(&self) -> Result<(), Failure> {
        let mut table =
            Table::new(&["class", "kernels", "KRR", "KRR all", "cohesion", "params", "MACs", "of MACs"]);
        for row in &self.classes {
            table.row([
                row.name.clone(),
                row.kernels.to_string(),
                percent(row.krr),
                percent(row.krr_all),
                format!("{:.3}", row.cohesion),
                count(row.size.params),
                count(row.size.macs),
                percent(row.size.macs as f64 / self.whole.macs.max(1) as f64),
            ]);
        }
        table.print()?;
        let way = match self.threshold {
            Some(threshold) => format!("threshold {threshold}"),
            None => "class masks fixed in training".to_owned(),
        };
        output::line(&format!(
            "{way}: cohesion {:.3}, coupling {:.3}, KRR {} of masked kernels, {} of all; whole network: {} parameters, {} MACs",
            self.cohesion,
            self.coupling,
            percent(self.krr),
            percent(self.krr_all),
            count(self.whole.params),
            count(self.whole.macs)
        ))?;
        self.print_layers()?;
        self.print_matrix()
    }

    fn print_layers(&self) -> Result<(), Failure> {
        let Some(first) = self.classes.first().and_then(|row| row.layers.as_ref()) else { return Ok(()) };
        let header = ["layer", "kernels"].into_iter().chain(self.classes.iter().map(|row| row.name.as_str()));
        let mut table = Table::new(&header.collect::<Vec<_>>());
        for (index, layer) in first.iter().enumerate() {
            let kept = self.classes.iter().filter_map(|row| row.layers.as_ref()).map(|layers| &layers[index]);
            let cells = kept.map(|layer| match layer.fallback {
                Fallback::None => layer.kept.to_string(),
                Fallback::Lowered(_) => format!("{}*", layer.kept),
                Fallback::Dead => format!("{}!", layer.kept),
            });
            table.row([layer.name.clone(), layer.kernels.to_string()].into_iter().chain(cells));
        }
        output::line("")?;
        table.print()?;
        Ok(output::line("* threshold lowered until a kernel is kept; ! dead: no kernel fires")?)
    }

    fn print_matrix(&self) -> Result<(), Failure> {
        let Some(matrix) = &self.matrix else { return Ok(()) };
        let names: Vec<&str> = self.classes.iter().map(|row| row.name.as_str()).collect();
        let mut table = Table::new(&[&["Jaccard"], names.as_slice()].concat());
        for (name, row) in names.iter().zip(matrix) {
            table.row(std::iter::once((*name).to_owned()).chain(row.iter().map(|v| format!("{v:.2}"))));
        }
        output::line("")?;
        Ok(table.print()?)
    }
}

impl Row {
    fn new(
        modules: &Split,
        class: usize,
        name: &str,
        cohesion: f64,
        spec: &Spec,
        layers: bool,
    ) -> Result<Row, Failure> {
        let selection = modules.selection(spec, &[class])?;
        let cost = module_cost(spec, &selection)?;
        let kept = modules.kept_per_site(class);
        let layer = |(index, site): (usize, &TrackedSite)| LayerRow {
            name: site.name.clone(),
            kernels: site.units,
            kept: kept[index],
            fallback: modules.parts[class].fallback[index],
        };
        Ok(Row {
            name: name.into(),
            kernels: kept.iter().sum(),
            krr: modules.krr(class),
            krr_all: modules.krr_all(class, spec)?,
            cohesion,
            size: Size { params: cost.params(), macs: cost.macs() },
            layers: layers.then(|| modules.sites.iter().enumerate().map(layer).collect()),
        })
    }
}
