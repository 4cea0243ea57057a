//! A run in training on a thread of its own: commands in, events out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use super::branch::branch;
use super::command::{Command, Numbered};
use super::error::Error;
use super::evaluator::Evaluator;
use super::launch::Prepared;
use super::schedule::Schedule;
use super::trainer::Trainer;
use crate::backend::fault::Watch;
use crate::backend::{Device, Fault, Machine, Task, Training};
use crate::data::Dataset;
use crate::learn::Footprint;
use crate::run::{Applied, Checkpoint, Event, PROGRAM, Setting, StepRecord, Writer};

/// What a session trains.
pub struct Job {
    /// The run's directory, locked.
    pub writer: Writer,
    /// Its data.
    pub dataset: Arc<Dataset>,
    /// Where to begin.
    pub checkpoint: Checkpoint,
    /// Changes to make on the way.
    pub schedule: Schedule,
    /// Where to train.
    pub device: Device,
}

impl Prepared {
    /// The job of training it with these changes on this device.
    pub fn job(self, schedule: Schedule, device: Device) -> Job {
        let Prepared { writer, dataset, checkpoint, .. } = self;
        Job { writer, dataset, checkpoint, schedule, device }
    }
}

impl Job {
    /// What its steps need of a device's memory.
    fn footprint(&self) -> Footprint {
        let preset = &self.writer.run.manifest.preset;
        let images = &self.dataset.train;
        let padding = 2 * preset.data.augmentation().crop_padding;
        let [channels, height, width] = images.shape;
        let split = images.len() * channels * (height + padding) * (width + padding);
        let weights: usize = self.checkpoint.weights.0.values().map(|array| array.values.len()).sum();
        let (batch, devices) = (preset.training.batch, self.device.count());
        Footprint::new(&self.checkpoint.spec, batch, devices, split as u64, weights as u64)
    }
}

/// A session: a trainer thread and the two channels to it.
pub struct Session {
    remote: Remote,
    events: Receiver<Event>,
}

/// The end of a session that takes commands.
pub struct Remote {
    commands: Sender<Numbered>,
    revision: u64,
    thread: Option<JoinHandle<()>>,
}

impl Session {
    /// Starts training on a thread named `trainer`.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(job: Job) -> std::io::Result<Session> {
        let (commands, inbox) = channel();
        let (outbox, events) = channel();
        let body = move || {
            let device = job.device;
            // What the device met is in the last event already.
            let _ = device.run(TrainerThread { job, inbox, outbox });
        };
        let thread = std::thread::Builder::new().name("trainer".into()).spawn(body)?;
        Ok(Session { remote: Remote { commands, revision: 0, thread: Some(thread) }, events })
    }

    /// Sends a command, as [`Remote::send`].
    pub fn send(&mut self, command: Command) -> u64 {
        self.remote.send(command)
    }

    /// The events; the channel closes after the last one.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// Both ends, for two threads.
    pub fn split(self) -> (Remote, Receiver<Event>) {
        (self.remote, self.events)
    }

    /// Waits for the trainer thread to end. Pending events can no longer be received.
    pub fn join(self) {
        self.remote.join();
    }
}

impl Remote {
    /// Sends a command; gives its number, which the event that answers it carries. A session that has ended
    /// answers nothing.
    pub fn send(&mut self, command: Command) -> u64 {
        self.revision += 1;
        // A closed channel means that the last event is on its way or has been received.
        let _ = self.commands.send(Numbered { revision: self.revision, command });
        self.revision
    }

    /// Waits for the trainer thread to end.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            // Panics of the trainer have already become a `Failed` event.
            let _ = thread.join();
        }
    }
}

/// How a session went on after the commands at a step boundary were carried out.
enum Control {
    GoOn,
    Stop,
}

struct TrainerThread {
    job: Job,
    inbox: Receiver<Numbered>,
    outbox: Sender<Event>,
}

impl Task for TrainerThread {
    type Output = ();

    fn run<B: Training>(self, device: B::Device) {
        self.run_on::<B>(vec![device]);
    }

    fn run_on<B: Training>(self, devices: Vec<B::Device>) {
        let TrainerThread { job, inbox, outbox } = self;
        let (run, step) = (job.writer.run.clone(), job.checkpoint.step);
        let (footprint, memory) = (job.footprint(), job.device.memory());
        let watch = (!B::ON_HOST).then(Watch::new);
        let mut events = Events { outbox, step };
        let trained = catch_unwind(AssertUnwindSafe(|| train::<B>(job, &inbox, &mut events, &devices)));
        let failed = match trained {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(panic) => Error::of_panic(panic.as_ref()),
        };
        let failed = match watch.and_then(|watch| of_device(&failed, &watch)) {
            Some(fault) => footprint.explain(fault, memory).into(),
            None => failed,
        };
        let event = Event::Failed {
            step: events.step,
            diverged: failed.is_divergence(),
            message: failed.to_string(),
            checkpoint: run.newest_whole().ok().map(|newest| newest.checkpoint.step),
        };
        // The writer is gone with the trainer: open the log again for the last word.
        let logged = crate::run::Writer::open(run).and_then(|mut writer| writer.events.append(&event));
        if let Err(error) = logged {
            events.send(Event::Warning { step: events.step, message: error.to_string() });
        }
        events.send(event);
    }
}

/// The outgoing channel. A listener that is gone does not stop training.
struct Events {
    outbox: Sender<Event>,
    step: u64,
}

impl Events {
    fn send(&mut self, event: Event) {
        let _ = self.outbox.send(event);
    }

    /// Writes the event to the run's log, then sends it.
    fn log<B: Training>(&mut self, trainer: &mut Trainer<B>, event: Event) -> Result<(), Error> {
        trainer.writer.events.append(&event)?;
        self.send(event);
        Ok(())
    }
}

fn train<B: Training>(
    job: Job,
    inbox: &Receiver<Numbered>,
    events: &mut Events,
    devices: &[B::Device],
) -> Result<(), Error> {
    let Some((device, others)) = devices.split_first() else {
        unreachable!("a set of devices is never empty")
    };
    let dataset = job.dataset.clone();
    let mut trainer =
        Trainer::<B>::new(job.writer, dataset.clone(), &job.checkpoint, device.clone(), others)?;
    let mut evaluator = Evaluator::<B>::new(dataset, device.clone(), events.outbox.clone());
    let started = Event::Started {
        step: trainer.step,
        steps_per_epoch: trainer.steps_per_epoch(),
        steps: trainer.steps(),
        device: job.device.to_string(),
    };
    events.log(&mut trainer, started)?;
    let machine = Machine::of(job.device);
    let step = trainer.step;
    events.log(&mut trainer, Event::Machine { step, program: PROGRAM.into(), machine })?;
    if !B::ON_HOST {
        // Kernels are compiled and tried out when they are first needed.
        events.send(Event::Tuning { step: trainer.step });
    }
    let first = trainer.step + 1;
    while trainer.step < trainer.steps() {
        events.step = trainer.step;
        make_due_changes(&mut trainer, &job.schedule, events)?;
        match carry_out(&mut trainer, inbox, &job.schedule, events, &mut evaluator)? {
            Control::Stop => {
                save(&mut trainer, events)?;
                // A module that is being taken out comes first: nothing follows the last event.
                drop(evaluator);
                let step = trainer.step;
                return events.log(&mut trainer, Event::Stopped { step });
            }
            // The last step may have been made while paused.
            Control::GoOn if trainer.step < trainer.steps() => advance(&mut trainer, events)?,
            Control::GoOn => {}
        }
        if trainer.step == first {
            ready(&mut trainer, events)?;
        }
    }
    let (usage, summary) = trainer.summarise()?;
    let written = trainer.checkpoint(usage.as_ref())?;
    checkpointed(&mut trainer, events, written)?;
    let step = trainer.step;
    if let Some(usage) = usage {
        events.send(Event::Usage { step, usage: Arc::new(usage) });
    }
    drop(evaluator);
    events.log(&mut trainer, Event::Finished { step, summary })
}

/// Says how long the first step of this process took, with all that comes before it.
fn ready<B: Training>(trainer: &mut Trainer<B>, events: &mut Events) -> Result<(), Error> {
    let (step, seconds) = (trainer.step, trainer.wait()?);
    events.log(trainer, Event::Ready { step, seconds })
}

/// One step, and what is due after it.
fn advance<B: Training>(trainer: &mut Trainer<B>, events: &mut Events) -> Result<(), Error> {
    trainer.train_step();
    let record = trainer.read_steps()?;
    take_record(trainer, events, record)?;
    if trainer.at_epoch_end() {
        let (record, usage) = trainer.finish_epoch()?;
        trainer.writer.metrics.append(&record)?;
        let step = record.step;
        events.send(Event::Epoch(Box::new(record)));
        if let Some(usage) = usage {
            events.send(Event::Usage { step, usage: Arc::new(usage) });
        }
        if trainer.step < trainer.steps() {
            let written = trainer.keep_epoch()?;
            checkpointed(trainer, events, written)?;
        }
    }
    Ok(())
}

/// Records the steps that no record has yet.
fn record<B: Training>(trainer: &mut Trainer<B>, events: &mut Events) -> Result<(), Error> {
    let record = trainer.record_steps()?;
    take_record(trainer, events, record)
}

fn take_record<B: Training>(
    trainer: &mut Trainer<B>,
    events: &mut Events,
    record: Option<StepRecord>,
) -> Result<(), Error> {
    let Some(record) = record else { return Ok(()) };
    trainer.writer.steps.append(&record)?;
    events.send(Event::Steps(record));
    Ok(())
}

/// Saves a checkpoint. The steps before it are recorded first, because a resumed run does not repeat them.
fn save<B: Training>(trainer: &mut Trainer<B>, events: &mut Events) -> Result<(), Error> {
    record(trainer, events)?;
    let written = trainer.checkpoint(None)?;
    checkpointed(trainer, events, written)
}

fn checkpointed<B: Training>(
    trainer: &mut Trainer<B>,
    events: &mut Events,
    steps: impl IntoIterator<Item = u64>,
) -> Result<(), Error> {
    steps.into_iter().try_for_each(|step| events.log(trainer, Event::Checkpointed { step }))
}

/// Changes a setting, after the checkpoint of an epoch before it if that was put off.
fn set<B: Training>(
    trainer: &mut Trainer<B>,
    events: &mut Events,
    setting: &Setting,
) -> Result<Result<(), String>, Error> {
    let written = trainer.write_put_off()?;
    checkpointed(trainer, events, written)?;
    Ok(trainer.set(setting))
}

/// What changes before the next step without a command: the phase begins, then the schedule's changes are made.
fn make_due_changes<B: Training>(
    trainer: &mut Trainer<B>,
    schedule: &Schedule,
    events: &mut Events,
) -> Result<(), Error> {
    if let Some(begun) = trainer.begin_phase()? {
        let written = trainer.write_put_off()?;
        checkpointed(trainer, events, written)?;
        events.log(trainer, Event::Phase(Box::new(begun)))?;
    }
    let step = trainer.step;
    for change in schedule.change.iter().filter(|change| change.step == step) {
        set(trainer, events, &change.set)?.map_err(Error::Refused)?;
        let change = Applied::Set(change.set.clone());
        events.log(trainer, Event::Applied { step, revision: None, change })?;
    }
    Ok(())
}

/// Carries out the commands that have arrived; while paused, waits for more.
fn carry_out<B: Training>(
    trainer: &mut Trainer<B>,
    inbox: &Receiver<Numbered>,
    schedule: &Schedule,
    events: &mut Events,
    evaluator: &mut Evaluator<B>,
) -> Result<Control, Error> {
    let mut paused = false;
    loop {
        let received = match paused {
            true => inbox.recv().map_err(|_| TryRecvError::Disconnected),
            false => inbox.try_recv(),
        };
        let Numbered { revision, command } = match received {
            Ok(numbered) => numbered,
            // Nobody is left to resume a paused run.
            Err(TryRecvError::Disconnected) if paused => return Ok(Control::Stop),
            Err(_) => return Ok(Control::GoOn),
        };
        let stop = command == Command::Stop;
        let step = trainer.step;
        let change = match command {
            Command::Pause => {
                paused = true;
                record(trainer, events)?;
                Ok(Applied::Paused)
            }
            Command::Resume => {
                paused = false;
                Ok(Applied::Resumed)
            }
            Command::StepOnce if paused => {
                step_once(trainer, schedule, events)?;
                Ok(Applied::OneStep)
            }
            Command::StepOnce => Err("single steps are for a paused run: pause it first".into()),
            Command::Stop => Ok(Applied::Stopped),
            Command::Checkpoint => {
                save(trainer, events)?;
                Ok(Applied::Checkpoint)
            }
            Command::Set(setting) => set(trainer, events, &setting)?.map(|()| Applied::Set(setting)),
            Command::Evaluate => {
                let accuracy = trainer.valid_accuracy()?;
                events.send(Event::Evaluated { step, revision, accuracy });
                Ok(Applied::Evaluated)
            }
            Command::Extract(request) => evaluator.extract(trainer, revision, request),
            Command::Branch(name) => {
                save(trainer, events)?;
                let branched = branch(&trainer.writer.run, step, Some(&name), None);
                branched.map(|run| Applied::Branched(run.manifest.id)).map_err(|e| e.to_string())
            }
        };
        let answer = match change {
            Ok(change) => Event::Applied { step, revision: Some(revision), change },
            Err(why) => Event::Refused { step, revision, why },
        };
        events.log(trainer, answer)?;
        if stop {
            return Ok(Control::Stop);
        }
        // A run whose last step was made while paused has nothing to wait for.
        if trainer.step >= trainer.steps() {
            return Ok(Control::GoOn);
        }
    }
}

fn step_once<B: Training>(
    trainer: &mut Trainer<B>,
    schedule: &Schedule,
    events: &mut Events,
) -> Result<(), Error> {
    advance(trainer, events)?;
    events.step = trainer.step;
    record(trainer, events)?;
    if trainer.step < trainer.steps() {
        make_due_changes(trainer, schedule, events)?;
    }
    Ok(())
}

/// The device's fault behind a failure, if there is one: as the device's thread reported it, or as the failure's text says.
fn of_device(failed: &Error, watch: &Watch) -> Option<Fault> {
    let said = match failed {
        Error::Panic(text) => Fault::of(text),
        Error::Device(fault) => Some(fault.clone()),
        // A device that went wrong gives numbers that mean nothing.
        error if error.is_divergence() => None,
        _ => return None,
    };
    watch.seen().or(said)
}
