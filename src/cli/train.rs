//! `cleave train`.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use serde::Serialize;

use super::context::Context;
use super::error::Failure;
use super::modules::print_modules;
use super::output;
use super::progress::Progress;
use super::signals::Signals;
use crate::backend::{Choice, Device};
use crate::data::{self, Dataset};
use crate::network::State;
use crate::preset::{Override, Preset};
use crate::run::{Checkpoint, CheckpointInfo, Manifest, PROGRAM, SCHEMA, Writer, now};
use crate::train::{Command, Event, Job, Schedule, Session, Summary, branch};

/// Train a network from a preset, or go on with a run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave train digits
  cleave train cifar10-small --epochs 3 --set data.path=/data/cifar10
  cleave train digits --set method.beta=2 --name beta-2
  cleave train --resume latest
  cleave train --branch beta-2 --set method.beta=4")]
pub(super) struct Args {
    /// Preset: a name (see `cleave presets`) or the path of a TOML file
    #[arg(required_unless_present_any = ["resume", "branch"])]
    preset: Option<String>,
    /// Go on with a stopped or killed run from its newest checkpoint
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "set", "epochs", "seed", "name", "branch"])]
    resume: Option<String>,
    /// Start a new run from the newest checkpoint of another
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "seed"])]
    branch: Option<String>,
    /// Change a preset's value, such as `method.beta=2` (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Override>,
    /// Epochs to train, in place of the preset's
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Seed of every random draw, in place of the preset's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Where to train: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// What to call the run
    #[arg(long)]
    name: Option<String>,
    /// Changes of loss weights and learning rate to replay, in a TOML file
    #[arg(long, value_name = "FILE")]
    schedule: Option<std::path::PathBuf>,
    /// Print a JSON object with the results at the end
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    run: &'a str,
    epochs: u64,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// How a session ended.
enum Ending {
    Finished(Summary),
    Stopped(u64),
}

pub(super) fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let (device, note) = args.device.resolve()?;
    if let Some(note) = note {
        eprintln!("{note}");
    }
    let schedule = read_schedule(&args)?;
    let signals = Signals::watch()?;
    let Some(job) = prepare(&args, context, device, schedule)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let run = job.writer.run.clone();
    eprintln!("run {} in {}", run.manifest.id, run.path.display());
    match follow(job, &signals)? {
        Ending::Stopped(step) => {
            eprintln!("stopped after step {step}; go on with: cleave train --resume {}", run.manifest.id);
            Ok(ExitCode::from(signals.exit_code().unwrap_or(0)))
        }
        Ending::Finished(summary) => {
            report(&args, &run, &summary)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn report(args: &Args, run: &crate::run::Run, summary: &Summary) -> Result<(), Failure> {
    if !args.json && summary.krr.is_some() {
        print_modules(run, run.manifest.preset.modules.threshold)?;
        output::line("")?;
    }
    let text = format!(
        "test accuracy {}, validation accuracy {}, {:.0} s, {:.0} images/s",
        output::percent(summary.test_accuracy),
        output::percent(summary.valid_accuracy),
        summary.seconds,
        summary.images_per_second
    );
    match args.json {
        true => {
            eprintln!("{text}");
            let epochs = run.manifest.preset.training.epochs as u64;
            output::json(&Report { run: &run.manifest.id, epochs, summary })?;
        }
        false => output::line(&text)?,
    }
    Ok(())
}

/// The job of a new, resumed or branched run; `None` when a run to resume has nothing left to do.
fn prepare(
    args: &Args,
    context: &Context,
    device: Device,
    schedule: Schedule,
) -> Result<Option<Job>, Failure> {
    let job = |writer: Writer, dataset, checkpoint| Job {
        writer,
        dataset: Arc::new(dataset),
        checkpoint,
        schedule,
        device,
    };
    if let Some(query) = &args.resume {
        let (writer, checkpoint) = reopen(context.store.open_to_write(query)?)?;
        if is_finished(&writer, &checkpoint)? {
            eprintln!("run {} has finished; nothing is left to do", writer.run.manifest.id);
            return Ok(None);
        }
        let dataset = load_for(&writer.run.manifest, context)?;
        return Ok(Some(job(writer, dataset, checkpoint)));
    }
    if let Some(query) = &args.branch {
        let parent = context.store.open(query)?;
        let step = parent.newest_whole()?.checkpoint.step;
        let preset = changed(&parent.manifest.preset, &overrides(args)?)?;
        let run = branch(&parent, step, args.name.as_deref(), Some(preset))?;
        let (writer, checkpoint) = reopen(Writer::open(run)?)?;
        let dataset = load_for(&writer.run.manifest, context)?;
        return Ok(Some(job(writer, dataset, checkpoint)));
    }
    let name = args.preset.as_deref().unwrap_or_default();
    let preset = Preset::find(name, &context.paths.presets(), &overrides(args)?)?;
    let dataset = data::load(&preset.data, preset.training.seed, &context.archives())?;
    let (writer, checkpoint) = begin(args, context, preset, &dataset, device)?;
    Ok(Some(job(writer, dataset, checkpoint)))
}

fn overrides(args: &Args) -> Result<Vec<Override>, Failure> {
    let epochs = args.epochs.map(|n| format!("training.epochs={n}"));
    let seed = args.seed.map(|n| format!("training.seed={n}"));
    let flags = epochs.into_iter().chain(seed).map(|text| text.parse::<Override>());
    Ok(args.set.iter().cloned().map(Ok).chain(flags).collect::<Result<_, _>>()?)
}

fn changed(preset: &Preset, overrides: &[Override]) -> Result<Preset, Failure> {
    Ok(Preset::parse(&preset.to_toml()?, "the parent's preset", overrides)?)
}

/// Makes the run's directory with a checkpoint of its initial weights, so that it can be resumed from the
/// first step on.
fn begin(
    args: &Args,
    context: &Context,
    preset: Preset,
    dataset: &Dataset,
    device: Device,
) -> Result<(Writer, Checkpoint), Failure> {
    let spec = preset.spec(dataset.train.shape, dataset.classes.len())?;
    let seed = preset.training.seed;
    let manifest = Manifest {
        schema: SCHEMA,
        id: String::new(),
        created: now(),
        program: PROGRAM.into(),
        seed,
        device: device.to_string(),
        parent: None,
        classes: dataset.classes.clone(),
        input: dataset.train.shape,
        mean: dataset.mean.clone(),
        std: dataset.std.clone(),
        preset,
        network: spec.clone(),
    };
    let checkpoint = Checkpoint {
        step: 0,
        epoch: 0,
        weights: State::init(&spec, seed)?,
        velocity: State::default(),
        spec,
        info: CheckpointInfo::default(),
    };
    let mut writer = context.store.create(args.name.as_deref(), manifest)?;
    writer.save_checkpoint(&checkpoint, None)?;
    Ok((writer, checkpoint))
}

/// The newest whole checkpoint of a run, with everything later dropped.
fn reopen(mut writer: Writer) -> Result<(Writer, Checkpoint), Failure> {
    let newest = writer.run.newest_whole()?;
    for problem in &newest.skipped {
        eprintln!("warning: passed over a checkpoint: {problem}");
    }
    writer.rewind(newest.checkpoint.step)?;
    Ok((writer, newest.checkpoint))
}

fn is_finished(writer: &Writer, checkpoint: &Checkpoint) -> Result<bool, Failure> {
    let (events, _) = writer.run.events::<Event>()?;
    let finished = |event: &Event| matches!(event, Event::Finished { step, .. } if *step == checkpoint.step);
    Ok(events.last().is_some_and(finished))
}

/// The data of a run, which must still be those it began with.
pub(super) fn load_for(manifest: &Manifest, context: &Context) -> Result<Dataset, Failure> {
    let dataset = data::load(&manifest.preset.data, manifest.seed, &context.archives())?;
    if dataset.classes != manifest.classes || dataset.train.shape != manifest.input {
        return Err(Failure::Failed(format!(
            "the data have changed: the run knows {} classes of {:?} images, now there are {} of {:?}",
            manifest.classes.len(),
            manifest.input,
            dataset.classes.len(),
            dataset.train.shape
        )));
    }
    Ok(dataset)
}

fn read_schedule(args: &Args) -> Result<Schedule, Failure> {
    let Some(path) = &args.schedule else { return Ok(Schedule::default()) };
    let problem = |why: String| Failure::Usage(format!("cannot read the schedule {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    toml::from_str(&text).map_err(|error| problem(error.to_string()))
}

/// Trains, shows the progress, and passes signals on.
fn follow(job: Job, signals: &Signals) -> Result<Ending, Failure> {
    let epochs = job.writer.run.manifest.preset.training.epochs as u64;
    let mut session = Session::start(job)?;
    let mut progress = None;
    let mut stopping = false;
    loop {
        if signals.exit_code().is_some() && !stopping {
            stopping = true;
            session.send(Command::Stop);
            eprintln!("saving a checkpoint; once more to leave at once");
        }
        let event = match session.events().recv_timeout(Duration::from_millis(100)) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Failed("the trainer ended without a word".into()));
            }
        };
        if let Event::Started { step, steps, .. } = &event {
            progress = Some(Progress::new(*steps, epochs, *step));
        }
        if event.is_end() {
            progress.iter().for_each(Progress::finish);
            session.join();
            return ending(event);
        }
        if let Some(progress) = &progress {
            show(progress, &event);
        }
    }
}

fn show(progress: &Progress, event: &Event) {
    match event {
        Event::Steps(record) => progress.steps(record),
        Event::Epoch(record) => progress.epoch(record),
        Event::Applied { step, revision: None, change } => progress.say(&format!("step {step}: {change}")),
        Event::Warning { message, .. } => progress.say(&format!("warning: {message}")),
        _ => {}
    }
}

fn ending(event: Event) -> Result<Ending, Failure> {
    match event {
        Event::Finished { summary, .. } => Ok(Ending::Finished(summary)),
        Event::Stopped { step } => Ok(Ending::Stopped(step)),
        Event::Failed { message, diverged, checkpoint, .. } => {
            let kept = checkpoint
                .map_or_else(String::new, |step| format!("; the checkpoint of step {step} is whole"));
            Err(Failure::Training { message: format!("{message}{kept}"), diverged })
        }
        other => Err(Failure::Failed(format!("the trainer ended with {other:?}"))),
    }
}
