//! `cleave evaluate`.

mod class_sets;

use serde::Serialize;

use super::context::Context;
use super::error::Failure;
use super::extract;
use super::output::{self, Table, percent};
use crate::backend::Choice;
use crate::export::Target;
use crate::learn::Evaluation;
use crate::reuse::{self, ClassSets};
use crate::run::{Checkpoint, Run};

/// Measure the test accuracy of a run, of a module and its random-kernel controls, or of the modules of many class sets.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave evaluate digits-1
  cleave evaluate digits-1/3-8 --controls 5
  cleave evaluate digits-1 --class-sets all-pairs --controls 1
  cleave evaluate digits-1 --class-sets random:3:50 --json")]
pub(super) struct Args {
    /// Run or module: a name, a unique prefix of it, RUN/MODULE, `latest` (the latest module, or else the
    /// latest run), or a path
    target: String,
    /// Random-kernel control modules of the same size to measure as well; with --class-sets, for each set
    #[arg(long, value_name = "N", default_value_t = 0)]
    controls: usize,
    /// Measure the modules of many class sets of a run as they are cut, without fine-tuning: all-pairs, all (every set of two
    /// or more), random:K:N (N sets of K classes), or a file with a set a line, class names separated by commas
    #[arg(long, value_name = "SETS")]
    class_sets: Option<ClassSets>,
    /// With --class-sets: fraction of a class's samples for which a kernel must fire to be kept, in (0, 1];
    /// refused where training fixed the class masks
    #[arg(long, value_name = "T", requires = "class_sets")]
    threshold: Option<f64>,
    /// Device: auto, cpu, cuda or cuda:N
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
    let archives = context.archives();
    let path = match Target::find(&args.target, &context.store)? {
        Target::Module(path) => path,
        Target::Run(path) => {
            let run = Run::open(&path)?;
            if let Some(sets) = &args.class_sets {
                return class_sets::run(run, sets, &args, device, context);
            }
            if args.controls > 0 {
                let why = "--controls measures random kernels beside a module, or with --class-sets beside its modules";
                return Err(Failure::Usage(why.into()));
            }
            let checkpoint = run.newest_whole()?.checkpoint;
            let dataset = reuse::load_data(&run.manifest, &archives)?;
            let evaluation = reuse::test(&run.manifest, &checkpoint, &dataset, device)?;
            return Report::new(&run, &checkpoint, &evaluation).print(args.json);
        }
    };
    if args.class_sets.is_some() {
        let why = format!("{} is a module: --class-sets measures the modules of a run", args.target);
        return Err(Failure::Usage(why));
    }
    let manifest = context.place(&archives, device).measure(&path, args.controls, extract::counting)?;
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
