//! `cleave train`.

use std::process::ExitCode;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use serde::Serialize;

use super::board::Board;
use super::context::Context;
use super::error::Failure;
use super::modules::print_modules;
use super::output;
use super::progress::Progress;
use super::signals::Signals;
use crate::backend::{Choice, Device, Precision};
use crate::disk;
use crate::preset::{Override, Preset};
use crate::run::{Event, Summary};
use crate::session::{Command, Job, Prepared, Schedule, Session};

/// Train a network from a preset, or resume a run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cleave train digits
  cleave train cifar10-small --epochs 3 --set data.path=/data/cifar10
  cleave train digits --set method.beta=2 --name beta-2
  cleave train digits --tensorboard boards/
  cleave train --resume latest
  cleave train --branch beta-2 --set method.beta=4
  cleave train --branch beta-2 --step 1200 --set method.beta=4")]
pub(super) struct Args {
    /// Preset: a name (see `cleave presets`) or the path of a TOML file
    #[arg(required_unless_present_any = ["resume", "branch"])]
    preset: Option<String>,
    /// Resume a stopped or interrupted run from its newest checkpoint
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "set", "epochs", "seed", "precision", "name", "branch"])]
    resume: Option<String>,
    /// Start a new run from the newest checkpoint of another
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "seed"])]
    branch: Option<String>,
    /// Step of the checkpoint to branch from (`cleave runs show RUN` lists them); default: the newest
    #[arg(long, value_name = "STEP", requires = "branch")]
    step: Option<u64>,
    /// Override a preset value, such as `method.beta=2` (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Override>,
    /// Number of epochs; default: the preset's
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Seed of all random draws; default: the preset's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Device: auto, cpu, cuda, cuda:N, or cuda:N,M for several GPUs that share each batch
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Precision of matrix products in training: f32, tf32 or bf16; default: the preset's
    #[arg(long, value_name = "P")]
    precision: Option<Precision>,
    /// Name of the run; default: the preset's name with the date
    #[arg(long)]
    name: Option<String>,
    /// TOML file with changes of loss weights, learning rate and frozen layers to replay
    #[arg(long, value_name = "FILE")]
    schedule: Option<std::path::PathBuf>,
    /// Write an event file for TensorBoard into DIR/RUN while training
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<std::path::PathBuf>,
    /// Print a JSON object with the results at the end
    #[arg(long)]
    json: bool,
}

impl Args {
    /// A new run of a preset with default options.
    pub(super) fn of_preset(preset: &str, device: Choice) -> Args {
        Args {
            preset: Some(preset.into()),
            resume: None,
            branch: None,
            step: None,
            set: Vec::new(),
            epochs: None,
            seed: None,
            device,
            precision: None,
            name: None,
            schedule: None,
            tensorboard: None,
            json: false,
        }
    }
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
pub(super) enum Ending {
    Finished(Summary),
    Stopped(u64),
}

pub(super) fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let (device, note) = args.device.resolve()?;
    if let Some(note) = note {
        output::note(&note);
    }
    let schedule = read_schedule(&args)?;
    if let Some(directory) = &args.tensorboard {
        // Checked before the run directory is created.
        disk::make_dir(directory)?;
    }
    let signals = Signals::watch()?;
    let Some(prepared) = prepare(&args, &schedule, context, device)? else {
        return Ok(ExitCode::SUCCESS);
    };
    for warning in &prepared.warnings {
        output::note(&format!("warning: {warning}"));
    }
    let run = prepared.writer.run.clone();
    output::note(&format!("run {} in {}", run.manifest.id, run.path.display()));
    let board = Board::create(args.tensorboard.as_deref(), &run)?;
    match follow(prepared.job(schedule, device), &signals, board)? {
        Ending::Stopped(step) => {
            output::note(&format!(
                "stopped after step {step}; resume with: cleave train --resume {}",
                run.manifest.id
            ));
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
            output::note(&text);
            let epochs = run.manifest.preset.training.epochs as u64;
            output::json(&Report { run: &run.manifest.id, epochs, summary })?;
        }
        false => output::line(&text)?,
    }
    Ok(())
}

/// The new, resumed or branched run; `None` when the run to resume is already complete.
fn prepare(
    args: &Args,
    schedule: &Schedule,
    context: &Context,
    device: Device,
) -> Result<Option<Prepared>, Failure> {
    let (store, archives) = (&context.store, context.archives());
    if let Some(query) = &args.resume {
        let prepared = Prepared::resume(query, store, &archives)?;
        match &prepared {
            Some(prepared) => {
                let manifest = &prepared.writer.run.manifest;
                schedule.check(&manifest.preset, Some(&manifest.network))?;
            }
            None => output::note(&format!("run {query} is already complete")),
        }
        return Ok(prepared);
    }
    let name = args.name.as_deref();
    if let Some(query) = &args.branch {
        let parent = store.open(query)?;
        let preset = changed(&parent.manifest.preset, &overrides(args)?)?;
        schedule.check(&preset, Some(&parent.manifest.network))?;
        device.check(preset.training.precision)?;
        return Ok(Some(Prepared::branch(&parent, args.step, name, Some(preset), &archives)?));
    }
    let preset = args.preset.as_deref().unwrap_or_default();
    let preset = Preset::find(preset, &context.paths.presets(), &overrides(args)?)?;
    schedule.check(&preset, preset.known_spec()?.as_ref())?;
    device.check(preset.training.precision)?;
    Ok(Some(Prepared::new(preset, name, &device.to_string(), store, &archives)?))
}

fn overrides(args: &Args) -> Result<Vec<Override>, Failure> {
    let epochs = args.epochs.map(|n| format!("training.epochs={n}"));
    let seed = args.seed.map(|n| format!("training.seed={n}"));
    let precision = args.precision.map(|precision| format!("training.precision={precision}"));
    let flags = epochs.into_iter().chain(seed).chain(precision).map(|text| text.parse::<Override>());
    Ok(args.set.iter().cloned().map(Ok).chain(flags).collect::<Result<_, _>>()?)
}

fn changed(preset: &Preset, overrides: &[Override]) -> Result<Preset, Failure> {
    Ok(Preset::parse(&preset.to_toml()?, "the parent's preset", overrides)?)
}

fn read_schedule(args: &Args) -> Result<Schedule, Failure> {
    let Some(path) = &args.schedule else { return Ok(Schedule::default()) };
    let problem = |why: String| Failure::Usage(format!("cannot read the schedule {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    toml::from_str(&text).map_err(|error| problem(error.to_string()))
}

/// Trains, shows progress and forwards signals to the session.
pub(super) fn follow(job: Job, signals: &Signals, mut board: Board) -> Result<Ending, Failure> {
    let epochs = job.writer.run.manifest.preset.training.epochs as u64;
    let mut session = Session::start(job)?;
    let mut progress = None;
    let mut stopping = false;
    loop {
        if signals.exit_code().is_some() && !stopping {
            stopping = true;
            session.send(Command::Stop);
            output::note("saving a checkpoint; press ctrl-c again to quit now");
        }
        let event = match session.events().recv_timeout(Duration::from_millis(100)) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Failed("the trainer stopped without reporting a result".into()));
            }
        };
        board.event(&event);
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
        Event::Phase(begun) => progress.phase(begun),
        Event::Applied { step, revision: None, change } => progress.say(&format!("step {step}: {change}")),
        Event::Tuning { .. } => progress.say("tuning kernels: the first steps take longer"),
        Event::Ready { seconds, .. } => progress.ready(*seconds),
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
                .map_or_else(String::new, |step| format!("; the checkpoint of step {step} is intact"));
            Err(Failure::Training { message: format!("{message}{kept}"), diverged })
        }
        other => Err(Failure::Failed(format!("unexpected last event of the trainer: {other:?}"))),
    }
}
