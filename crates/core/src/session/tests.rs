//! A method that remembers, in a run that is stopped and goes on.

use std::path::Path;

use super::{Command, Job, Prepared, Schedule, Session};
use crate::backend::Device;
use crate::method::probe::{SEEN, STEPS, number};
use crate::paths::Paths;
use crate::preset::Preset;
use crate::run::{Checkpoint, Event, Store};

const PRESET: &str = r#"
[data]
source = "digits"
limit = 150

[network]
stages = [{ conv = { kernels = 6 } }, { conv = { kernels = 6 } }, { max-pool = { size = 4 } }, "flatten", { dropout = { probability = 0.3 } }, { linear = { outputs = 10 } }]

[method]
name = "probe"

[training]
epochs = 2
batch = 32
seed = 7
"#;

fn begin(store: &Store, name: &str) -> Job {
    let preset = Preset::parse(PRESET, "probe.toml", &[]).unwrap();
    let prepared = Prepared::new(preset, Some(name), "cpu", store, Path::new("")).unwrap();
    prepared.job(Schedule::default(), Device::Cpu)
}

/// Trains to the end, or makes so many steps at most; gives the newest checkpoint, and whether the run is finished.
fn train(job: Job, steps: Option<usize>) -> (Checkpoint, bool) {
    let run = job.writer.run.clone();
    let mut session = Session::start(job).unwrap();
    if let Some(steps) = steps {
        session.send(Command::Pause);
        (0..steps).for_each(|_| _ = session.send(Command::StepOnce));
        session.send(Command::Stop);
    }
    let finished = session.events().iter().any(|event| matches!(event, Event::Finished { .. }));
    session.join();
    (run.newest_whole().unwrap().checkpoint, finished)
}

#[test]
fn what_a_method_remembers_goes_on_where_a_run_was_stopped() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::new(&Paths::below(home.path()));
    let (whole, finished) = train(begin(&store, "whole"), None);
    assert_eq!((finished, whole.step), (true, 10));
    assert_eq!(number(&whole.method, STEPS), 10.0);
    assert!(number(&whole.method, SEEN) > 100.0, "{:?}", whole.method);
    drop(begin(&store, "stopped"));
    let (mut sessions, mut finished) = (0, false);
    while !finished {
        let prepared = Prepared::resume("stopped", &store, Path::new("")).unwrap().unwrap();
        let (checkpoint, end) = train(prepared.job(Schedule::default(), Device::Cpu), Some(3));
        assert_eq!(number(&checkpoint.method, STEPS), checkpoint.step as f32);
        (sessions, finished) = (sessions + 1, end);
        assert!(sessions < 20, "each session makes steps");
    }
    let stopped = store.open("stopped").unwrap().newest_whole().unwrap().checkpoint;
    assert!(stopped.weights == whole.weights && stopped.velocity == whole.velocity);
    assert_eq!(stopped.method, whole.method);
    assert_eq!(stopped.info.loss_weights, whole.info.loss_weights);
}

#[test]
fn a_method_that_remembers_nothing_refuses_what_another_remembered() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::new(&Paths::below(home.path()));
    let mut job = begin(&store, "probed");
    job.checkpoint.method.0.insert(STEPS.into(), crate::spec::Array::filled(&[1], 3.0));
    let mut writer = job.writer;
    writer.run.manifest.preset.method = crate::method::MethodConfig::Mwt(Default::default());
    let refused = Session::start(Job { writer, ..job }).map(|session| {
        let last = session.events().iter().last();
        session.join();
        last
    });
    let said = format!("{refused:?}");
    assert!(said.contains("the method mwt remembers nothing"), "{said}");
}
