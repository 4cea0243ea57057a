//! The threads for slow work: `worker` reads and writes files, `evaluator` computes with networks. Of the waiting jobs
//! of one lane only the newest is done.

mod files;
mod networks;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::message::{Job, Msg, Reply};
use crate::backend::{Choice, Device};
use crate::data::{DataConfig, Dataset};
use crate::paths::Paths;
use crate::reuse;
use crate::run::{Manifest, Store};

/// What jobs need.
#[derive(Clone)]
pub struct Context {
    /// Directories of the user.
    pub paths: Paths,
    /// Runs.
    pub store: Store,
    /// The device to compute on.
    pub device: Choice,
    /// Cached data.
    pub data: Data,
}

/// Cache of the last data set read, shared by all threads: a data set is large, and decoding it is slow.
#[derive(Clone, Default)]
pub struct Data(Arc<Mutex<Option<Read>>>);

/// A data set and the settings it was read with.
struct Read {
    config: DataConfig,
    seed: u64,
    dataset: Arc<Dataset>,
}

impl Data {
    /// The data set of a run.
    ///
    /// # Errors
    ///
    /// When it cannot be read or has other classes or shapes.
    pub fn of(&self, manifest: &Manifest, archives: &Path) -> Result<Arc<Dataset>, reuse::Error> {
        if let Some(Read { config, seed, dataset }) = &*self.lock()
            && (config, *seed) == (&manifest.preset.data, manifest.seed)
            && dataset.classes == manifest.classes
        {
            return Ok(dataset.clone());
        }
        let dataset = Arc::new(reuse::load_data(manifest, archives)?);
        self.keep(manifest, dataset.clone());
        Ok(dataset)
    }

    /// Caches the data set of a run, replacing the previous one.
    pub fn keep(&self, manifest: &Manifest, dataset: Arc<Dataset>) {
        *self.lock() = Some(Read { config: manifest.preset.data.clone(), seed: manifest.seed, dataset });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Read>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time that the program waits at exit for files being written.
const PATIENCE: Duration = Duration::from_secs(2);

/// The two worker threads and their queues.
pub struct Workers {
    files: Queue,
    networks: Queue,
    /// Closed when the `worker` thread has ended.
    written: Receiver<()>,
}

impl Job {
    /// The lane of a job: waiting jobs of a lane replace each other; jobs without a lane are all done.
    fn lane(&self) -> Option<&'static str> {
        match self {
            Job::Runs => Some("runs"),
            Job::Usage { .. } => Some("usage"),
            Job::Presets => Some("presets"),
            Job::Preset { .. } => Some("preset"),
            Job::Examine { .. } => Some("examine"),
            Job::Predict { .. } => Some("predict"),
            Job::Time(_) => Some("time"),
            Job::SaveSchedule { quiet: true, .. } => Some("schedule"),
            Job::SaveSettings(_) => Some("settings"),
            _ => None,
        }
    }

    /// Whether it only saves a decision of the user, which is fast and must be done even when the program ends.
    fn is_note(&self) -> bool {
        matches!(
            self,
            Job::SaveSchedule { .. }
                | Job::SaveFile { .. }
                | Job::SaveSettings(_)
                | Job::KeepSet { .. }
                | Job::Tag { .. }
        )
    }

    /// The reply if the job fails.
    fn failed(&self, why: String) -> Reply {
        match self.clone() {
            Job::Runs => Reply::Runs(Err(why)),
            Job::History { run, until, .. } => Reply::History { run, until, found: Err(why) },
            Job::Checkpoints(run) => Reply::Checkpoints(run, Err(why)),
            Job::RunModules(run) => Reply::RunModules(run, Err(why)),
            Job::Usage { run, .. } => Reply::Usage { run, found: Err(why) },
            Job::Presets => Reply::Presets(Err(why)),
            Job::Preset { name, set } => Reply::Preset { name, set, summary: Err(why) },
            Job::Extract { run, .. } => Reply::Extracted(run, Err(why)),
            Job::Examine { run, module } => Reply::Examined { run, module, found: Err(why) },
            Job::RemoveModule { run, module } => Reply::Removed { run, module, done: Err(why) },
            Job::Compose { .. } | Job::Replace { .. } => Reply::Made(Err(why)),
            Job::Time(network) => Reply::Timed(network, Err(why)),
            Job::Sets | Job::KeepSet { .. } => Reply::Sets(Err(why)),
            Job::Predict { run, module, image, index } => {
                Reply::Predicted { run, module, image, index, found: Err(why) }
            }
            Job::SaveSchedule { quiet: true, .. } | Job::SaveSettings(_) => Reply::Quiet(Err(why)),
            Job::RemoveRun(_)
            | Job::Tag { .. }
            | Job::Export { .. }
            | Job::Verify { .. }
            | Job::Report { .. }
            | Job::SaveSchedule { .. }
            | Job::SaveFile { .. }
            | Job::SavePng { .. } => Reply::Done(Err(why)),
        }
    }

    fn needs_network(&self) -> bool {
        matches!(
            self,
            Job::Usage { .. }
                | Job::Extract { .. }
                | Job::Examine { .. }
                | Job::Predict { .. }
                | Job::Export { .. }
                | Job::Compose { .. }
                | Job::Replace { .. }
                | Job::Time(_)
        )
    }
}

impl Workers {
    /// Starts both threads. They end when the returned value is dropped, or when `send` returns false (no receiver).
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(
        context: &Context,
        send: impl Fn(Msg) -> bool + Clone + Send + 'static,
    ) -> std::io::Result<Workers> {
        let queue = |name: &str, work: fn(&Context, Job) -> Reply| {
            let (queue, context, send) = (Queue::default(), context.clone(), send.clone());
            let inbox = queue.clone();
            let (running, ended) = channel();
            let body = move || {
                while let Some(job) = inbox.next() {
                    if !send(Msg::Reply(Box::new(guarded(&context, job, work)))) {
                        break;
                    }
                }
                drop::<Sender<()>>(running);
            };
            thread::Builder::new().name(name.into()).spawn(body).map(|_| (queue, ended))
        };
        let (files, written) = queue("worker", files::work)?;
        let (networks, _) = queue("evaluator", networks::work)?;
        Ok(Workers { files, networks, written })
    }

    /// Queues a job.
    pub fn job(&self, job: Job) {
        match job.needs_network() {
            true => self.networks.push(job),
            false => self.files.push(job),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.files.close();
        self.networks.close();
        // Nothing is ever sent on this channel: it closes when the thread has ended.
        let _ = self.written.recv_timeout(PATIENCE);
    }
}

/// Runs a job; a panic becomes a failed reply of the same kind.
fn guarded(context: &Context, job: Job, work: fn(&Context, Job) -> Reply) -> Reply {
    let failed = job.failed("internal error; see workbench.log".into());
    catch_unwind(AssertUnwindSafe(|| work(context, job))).unwrap_or(failed)
}

impl Context {
    fn device(&self) -> Result<Device, String> {
        self.device.resolve().map(|(device, _)| device).map_err(|error| error.to_string())
    }
}

#[derive(Clone, Default)]
struct Queue(Arc<(Mutex<Waiting>, Condvar)>);

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) {
        let mut waiting = self.lock();
        if let Some(lane) = job.lane() {
            waiting.jobs.retain(|other| other.lane() != Some(lane));
        }
        waiting.jobs.push_back(job);
        self.0.1.notify_one();
    }

    /// Closes the queue; of the waiting jobs only those with [`Job::is_note`] are still done.
    fn close(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        waiting.jobs.retain(Job::is_note);
        self.0.1.notify_one();
    }

    /// The next job; `None` once the queue is closed and empty.
    fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            match waiting.jobs.pop_front() {
                Some(job) => return Some(job),
                None if waiting.closed => return None,
                None => waiting = self.0.1.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_in_a_job_is_an_answer_and_the_thread_goes_on() {
        let home = std::path::Path::new("/nowhere");
        let paths = Paths::below(home);
        let context =
            Context { store: Store::new(&paths), paths, device: Choice::Cpu, data: Data::default() };
        let job = Job::Examine { run: "r".into(), module: "m".into() };
        let answer = guarded(&context, job, |_, _| panic!("a fault of a worker"));
        let Reply::Examined { run, module, found: Err(why) } = answer else { panic!("{answer:?}") };
        assert_eq!((run.as_str(), module.as_str()), ("r", "m"));
        assert!(why.contains("internal error"), "{why}");
    }

    #[test]
    fn a_newer_job_takes_the_place_of_a_waiting_one_of_its_lane() {
        let queue = Queue::default();
        let preset = |name: &str| Job::Preset { name: name.into(), set: Vec::new() };
        for job in [preset("a"), Job::RemoveRun("r".into()), preset("b"), Job::RemoveRun("s".into())] {
            queue.push(job);
        }
        let done: Vec<Job> = (0..3).filter_map(|_| queue.next()).collect();
        assert_eq!(done, [Job::RemoveRun("r".into()), preset("b"), Job::RemoveRun("s".into())]);
    }

    #[test]
    fn what_a_person_has_decided_is_written_down_even_when_the_program_ends() {
        let queue = Queue::default();
        let settings = Job::SaveSettings(Default::default());
        [Job::Runs, settings.clone(), Job::Presets].into_iter().for_each(|job| queue.push(job));
        queue.close();
        assert_eq!(std::iter::from_fn(|| queue.next()).collect::<Vec<_>>(), [settings]);
    }
}
