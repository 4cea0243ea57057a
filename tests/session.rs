//! What a client of a training session may rely on: every command is answered, and nothing stalls or loses a
//! run.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use cleave::data::Dataset;
use cleave::method::class_masks;
use cleave::modular::Provenance;
use cleave::reuse::{Request, kept_usage};
use cleave::run::{Applied, Event, Module, Run};
use cleave::session::{Change, Command, Job, Schedule, Session, Setting, branch};
use common::{Home, begin, eventually, outcome, play, preset, reopen, train};

/// Enough epochs that a run is still under way when it is told something.
const LONG: &str = "training.epochs=100000";

fn beta(value: f64) -> Setting {
    Setting::Weight { name: "beta".into(), value }
}

fn request(classes: &[usize], name: &str) -> Request {
    Request {
        classes: classes.into(),
        provenance: Provenance::usage(0.9),
        head: true,
        fold_masks: false,
        fine_tune_epochs: 1,
        controls: 0,
        name: name.into(),
    }
}

/// A session that waits before its first step.
fn paused(job: Job) -> Session {
    let mut session = Session::start(job).unwrap();
    session.send(Command::Pause);
    session
}

/// Sends one command and receives events up to its answer, which it gives: the step, and what was done or why
/// it was not.
fn ask(session: &mut Session, command: Command) -> (u64, Result<Applied, String>) {
    let sent = session.send(command);
    loop {
        match session.events().recv().unwrap() {
            Event::Applied { step, revision: Some(revision), change } if revision == sent => {
                return (step, Ok(change));
            }
            Event::Refused { step, revision, why } if revision == sent => return (step, Err(why)),
            event => assert!(!event.is_end(), "{event:?} before the answer to command {sent}"),
        }
    }
}

fn refusal(session: &mut Session, command: Command) -> String {
    ask(session, command.clone()).1.expect_err(&format!("{command:?} is refused"))
}

fn logged(run: &Run) -> Vec<Event> {
    run.events().unwrap().0
}

#[test]
fn every_command_is_answered_with_its_number_and_the_step_at_which_it_took_effect() {
    let home = Home::new();
    let mut session = paused(begin(&home.store(), "a", &[LONG]));
    let (start, change) = ask(&mut session, Command::StepOnce);
    assert_eq!(change.unwrap(), Applied::OneStep);
    let mut step = |command| ask(&mut session, command);
    assert_eq!(step(Command::StepOnce).0, start + 1, "steps taken before it");
    assert_eq!(step(Command::Set(beta(2.0))), (start + 2, Ok(Applied::Set(beta(2.0)))));
    assert_eq!(step(Command::Checkpoint), (start + 2, Ok(Applied::Checkpoint)));
    assert_eq!(step(Command::Branch("b".into())), (start + 2, Ok(Applied::Branched("b".into()))));
    assert_eq!(step(Command::Resume), (start + 2, Ok(Applied::Resumed)));
    let (_, stopped) = step(Command::Stop);
    assert_eq!(stopped.unwrap(), Applied::Stopped);
    assert!(matches!(play(session).last(), Some(Event::Stopped { .. })));
    assert_eq!(home.run("b").load(start + 2).unwrap().info.loss_weights["beta"], 2.0);
}

#[test]
fn a_branch_with_the_settings_in_force_says_which_they_are() {
    let home = Home::new();
    let mut session = paused(begin(&home.store(), "a", &[LONG]));
    let rate = Setting::LearningRate(Some(0.01));
    let changes = [beta(2.0), beta(3.5), rate.clone()];
    changes.into_iter().for_each(|change| drop(ask(&mut session, Command::Set(change)).1.unwrap()));
    let (step, _) = ask(&mut session, Command::Branch("b".into()));
    session.send(Command::Stop);
    play(session);
    let changes = [beta(3.5), rate].map(Applied::Set);
    let applied = changes.map(|change| Event::Applied { step, revision: None, change });
    let log = logged(&home.run("b"));
    assert_eq!(log, applied.into_iter().chain([Event::Checkpointed { step }]).collect::<Vec<_>>());
}

#[test]
fn evaluating_measures_the_validation_split_and_changes_nothing() {
    let home = Home::new();
    let mut session = paused(begin(&home.store(), "measured", &[]));
    for _ in 0..3 {
        session.send(Command::StepOnce);
        session.send(Command::Evaluate);
    }
    session.send(Command::Resume);
    let events = play(session);
    let found = |event: &Event| match event {
        Event::Evaluated { step, revision, accuracy } => Some((*step, *revision, *accuracy)),
        _ => None,
    };
    let found: Vec<_> = events.iter().filter_map(found).collect();
    assert_eq!(found.iter().map(|(_, revision, _)| *revision).collect::<Vec<_>>(), [3, 5, 7]);
    assert!(found.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1));
    assert!(found.iter().all(|(_, _, accuracy)| (0.0..=1.0).contains(accuracy)));
    let alone = train(begin(&home.store(), "alone", &[]));
    assert_eq!(outcome(&home.run("measured")), outcome(&alone));
}

#[test]
fn a_run_can_be_stepped_by_hand_to_its_very_end() {
    let home = Home::new();
    let mut session = paused(begin(&home.store(), "stepped", &[]));
    (0..30).for_each(|_| _ = session.send(Command::StepOnce));
    let events = play(session);
    let Some(Event::Finished { step, .. }) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!(*step, 20);
    let alone = train(begin(&home.store(), "alone", &[]));
    assert_eq!(outcome(&home.run("stepped")), outcome(&alone));
}

#[test]
fn a_scheduled_change_takes_effect_at_its_step_while_stepping_by_hand_too() {
    let home = Home::new();
    let mut job = begin(&home.store(), "a", &[]);
    job.schedule = Schedule { change: (3..9).map(|step| Change { step, set: beta(step as f64) }).collect() };
    let mut session = paused(job);
    (0..12).for_each(|_| _ = session.send(Command::StepOnce));
    session.send(Command::Stop);
    let applied = |event: &Event| match event {
        Event::Applied { step, revision: None, change } => Some((*step, change.clone())),
        _ => None,
    };
    let applied: Vec<_> = play(session).iter().filter_map(applied).collect();
    let expected: Vec<_> = (3..9).map(|step| (step, Applied::Set(beta(step as f64)))).collect();
    assert_eq!(applied, expected);
}

#[test]
fn a_command_that_cannot_be_carried_out_is_refused_with_the_reason_and_changes_nothing() {
    let home = Home::new();
    drop(begin(&home.store(), "taken", &[]));
    let mut session = paused(begin(&home.store(), "refused", &[]));
    let weight = |name: &str, value| Command::Set(Setting::Weight { name: name.into(), value });
    let rate = |rate| Command::Set(Setting::LearningRate(Some(rate)));
    for (command, reason) in [
        (weight("gamma", 1.0), "the method mwt has no loss weight gamma"),
        (weight("beta", -0.5), "must be a number of at least 0, not -0.5"),
        (weight("alpha", f64::NAN), "not NaN"),
        (rate(-0.1), "must be a number of at least 0, not -0.1"),
        (rate(f64::INFINITY), "not inf"),
        (Command::Branch("taken".into()), "already a run `taken`"),
        (Command::Branch("../up".into()), "cannot be a name"),
    ] {
        let why = refusal(&mut session, command);
        assert!(why.contains(reason), "{why}");
    }
    session.send(Command::Resume);
    play(session);
    let alone = train(begin(&home.store(), "alone", &[]));
    assert_eq!(outcome(&home.run("refused")).files, outcome(&alone).files);
}

#[test]
fn a_single_step_is_refused_while_the_run_is_under_way() {
    let home = Home::new();
    let mut session = Session::start(begin(&home.store(), "a", &[LONG])).unwrap();
    let why = refusal(&mut session, Command::StepOnce);
    assert!(why.contains("pause it first"), "{why}");
    session.send(Command::Stop);
    play(session);
}

#[test]
fn a_module_is_taken_out_beside_the_training_and_belongs_to_the_step_of_the_command() {
    let home = Home::new();
    let mut session = paused(begin(&home.store(), "a", &[]));
    ask(&mut session, Command::StepOnce).1.unwrap();
    let (step, change) = ask(&mut session, Command::Extract(request(&[3, 8], "pair")));
    assert_eq!(change.unwrap(), Applied::Extracting("pair".into()));
    session.send(Command::Resume);
    let events = play(session);
    let found = |event: &&Event| matches!(event, Event::Extracted { .. });
    let extracted = events.iter().find(found).unwrap();
    assert_eq!(*extracted, Event::Extracted { step, revision: 3, module: "pair".into() });
    let module = Module::load(&home.run("a").modules().unwrap()[0].path).unwrap();
    assert_eq!((module.manifest.step, module.manifest.class_indices), (step, vec![3, 8]));
    let alone = train(begin(&home.store(), "alone", &[]));
    assert_eq!(outcome(&home.run("a")), outcome(&alone), "training did not notice");
}

#[test]
fn an_extraction_that_makes_no_sense_is_refused_with_the_reason_and_its_number() {
    let home = Home::new();
    for (request, reason) in [
        (request(&[], "none"), "no class was chosen"),
        (request(&[4, 4], "twice"), "chosen twice"),
        (request(&[12], "unknown"), "no class 12"),
        (Request { provenance: Provenance::usage(1.5), ..request(&[1, 2], "high") }, "threshold 1.5"),
        (Request { fine_tune_epochs: 0, ..request(&[1, 2], "raw") }, "must be fine-tuned"),
    ] {
        let name = request.name.clone();
        let mut session = paused(begin(&home.store(), &name, &[]));
        let asked = session.send(Command::Extract(request));
        session.send(Command::Stop);
        let refused = |event: &Event| match event {
            Event::Refused { revision, why, .. } => *revision == asked && why.contains(reason),
            _ => false,
        };
        let events = play(session);
        assert!(events.iter().any(refused), "{reason}: {events:?}");
        assert!(home.run(&name).modules().unwrap().is_empty());
    }
    let mut session = paused(begin(&home.store(), "plain", &["method.name=plain"]));
    let why = refusal(&mut session, Command::Extract(request(&[1, 2], "pair")));
    assert!(why.contains("does not train modules"), "{why}");
}

#[test]
fn nothing_follows_the_last_event() {
    let home = Home::new();
    let mut session = paused(begin(&home.store(), "a", &[]));
    session.send(Command::Extract(Request { fine_tune_epochs: 5, ..request(&[1, 2, 3], "late") }));
    session.send(Command::Stop);
    let events = play(session);
    assert!(events.iter().any(|event| matches!(event, Event::Extracted { .. })), "{events:?}");
    assert!(matches!(events.last(), Some(Event::Stopped { .. })), "{events:?}");
}

#[test]
fn training_goes_on_when_nobody_listens_any_more() {
    let home = Home::new();
    drop(Session::start(begin(&home.store(), "a", &[])).unwrap());
    let run = home.run("a");
    eventually("the run is finished", || matches!(logged(&run).last(), Some(Event::Finished { .. })));
    let alone = train(begin(&home.store(), "alone", &[]));
    assert_eq!(outcome(&run), outcome(&alone));
}

#[test]
fn a_paused_run_that_nobody_can_resume_saves_a_checkpoint_and_stops() {
    let home = Home::new();
    let mut session = paused(begin(&home.store(), "a", &[]));
    let (step, _) = ask(&mut session, Command::StepOnce);
    drop(session);
    let run = home.run("a");
    eventually("the run is stopped", || matches!(logged(&run).last(), Some(Event::Stopped { .. })));
    assert_eq!(run.newest_whole().unwrap().checkpoint.step, step + 1);
}

/// The failure that ended a session.
fn failure(session: Session) -> (bool, String, Option<u64>) {
    match play(session).pop() {
        Some(Event::Failed { diverged, message, checkpoint, .. }) => (diverged, message, checkpoint),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_by_name_and_keeps_the_checkpoint_before() {
    let home = Home::new();
    let mut session = paused(begin(&home.store(), "a", &[]));
    for command in [Command::StepOnce, Command::Checkpoint, Command::Set(Setting::LearningRate(Some(1e30)))] {
        session.send(command);
    }
    session.send(Command::Resume);
    let (diverged, message, checkpoint) = failure(session);
    assert!(diverged && message.contains("training diverged: "), "{message}");
    let terms = ["cross_entropy", "cohesion", "coupling", "total", "weights", "masks"];
    assert!(terms.iter().any(|term| message.contains(&format!("{term} is not finite"))), "{message}");
    let run = home.run("a");
    let newest = run.newest_whole().unwrap().checkpoint;
    assert_eq!(Some(newest.step), checkpoint);
    assert!(newest.weights.0.values().flat_map(|array| &array.values).all(|value| value.is_finite()));
    assert!(matches!(logged(&run).last(), Some(Event::Failed { diverged: true, .. })));
    let mut resumed = paused(reopen(&home.store(), "a"));
    resumed.send(Command::Stop);
    assert!(matches!(play(resumed).last(), Some(Event::Stopped { .. })));
}

#[test]
fn a_divergence_in_the_very_last_step_is_one_too() {
    let home = Home::new();
    for method in ["mwt", "plain"] {
        let changes = ["training.epochs=1", "training.batch=999", "training.learning_rate=1e20"];
        let method_change = format!("method.name={method}");
        let job = begin(&home.store(), method, &[&changes[..], &[&method_change]].concat());
        let (diverged, message, checkpoint) = failure(Session::start(job).unwrap());
        assert!(diverged, "{message}");
        assert_eq!(checkpoint, Some(0));
        home.run(method).metrics().unwrap();
    }
}

#[test]
fn a_fault_of_the_program_becomes_a_failure_with_its_text_and_leaves_the_run_whole() {
    let home = Home::new();
    let job = begin(&home.store(), "a", &[]);
    let mut dataset = Dataset::clone(&job.dataset);
    // No reader gives a label beyond the classes; one that did would make the evaluation panic.
    dataset.valid.labels[0] = 99;
    let (diverged, message, checkpoint) =
        failure(Session::start(Job { dataset: Arc::new(dataset), ..job }).unwrap());
    assert!(!diverged && message.contains("an internal error"), "{message}");
    assert_eq!(checkpoint, Some(0));
    let resumed = train(reopen(&home.store(), "a"));
    let alone = train(begin(&home.store(), "alone", &[]));
    assert_eq!(outcome(&resumed), outcome(&alone));
}

#[test]
fn the_time_of_a_resumed_run_is_that_of_all_its_processes() {
    let home = Home::new();
    let mut job = begin(&home.store(), "a", &[]);
    job.checkpoint.info.seconds = 1000.0;
    let events = play(Session::start(job).unwrap());
    let Some(Event::Finished { summary, .. }) = events.last() else { panic!("{:?}", events.last()) };
    assert!((1000.0..1100.0).contains(&summary.seconds), "{}", summary.seconds);
    let kept = home.run("a").newest_whole().unwrap().checkpoint.info.seconds;
    assert!((1000.0..=summary.seconds + 1.0).contains(&kept), "{kept}");
}

const PHASES: &str = "phase=[{ epochs = 1, objective = 'cross-entropy' }, \
                      { name = 'masks', epochs = 2, train = 'masks', weights = { beta = 3 }, learning_rate = 0.02 }, \
                      { epochs = 2, train = { layers = ['conv1', 'linear0'] } }]";

#[test]
fn phases_begin_at_their_steps_and_are_in_the_logs() {
    let home = Home::new();
    let run = train(begin(&home.store(), "a", &[PHASES, "training.epochs=5"]));
    let events = logged(&run);
    let begun = |event: &Event| match event {
        Event::Phase(begun) => Some((begun.step, begun.title(), begun.weights["beta"])),
        _ => None,
    };
    let found: Vec<_> = events.iter().filter_map(begun).collect();
    let per = match &events[0] {
        Event::Started { steps_per_epoch, .. } => *steps_per_epoch,
        other => panic!("{other:?}"),
    };
    let expected = [(0, "1 of 3", 0.0), (per, "2 of 3, masks", 3.0), (3 * per, "3 of 3", 1.0)];
    assert_eq!(found, expected.map(|(step, title, beta)| (step, title.to_owned(), beta)));
    let epochs: Vec<cleave::run::EpochRecord> = run.metrics().unwrap().0;
    assert_eq!(epochs.iter().map(|epoch| epoch.phase.unwrap()).collect::<Vec<_>>(), [1, 2, 2, 3, 3]);
    assert_eq!(epochs[1].learning_rate, 0.02);
    let steps: Vec<cleave::run::StepRecord> = run.steps().unwrap().0;
    assert!(steps.iter().all(|record| record.phase.is_some()));
    let plain = train(begin(&home.store(), "plain", &[]));
    assert!(!logged(&plain).iter().any(|event| matches!(event, Event::Phase(_))));
    let text = std::fs::read_to_string(plain.path.join("metrics.jsonl")).unwrap();
    assert!(text.lines().count() == 4 && !text.contains("phase"), "{text}");
}

#[test]
fn a_run_that_is_stopped_anywhere_goes_on_through_its_phases_to_the_same_bits() {
    let home = Home::new();
    let changes = [PHASES, "training.epochs=5"];
    let change = |step, set| Change { step, set };
    let freeze = |layer: &str| Setting::Freeze { layer: layer.into() };
    let schedule = |per: u64| Schedule {
        change: vec![
            change(1, freeze("conv0")),
            change(per + 1, beta(4.0)),
            change(3 * per, freeze("conv1.mask_generator")),
            change(3 * per + 2, Setting::Thaw { layer: "conv1".into() }),
        ],
    };
    let mut job = begin(&home.store(), "whole", &changes);
    let per = job.dataset.train.len().div_ceil(job.writer.run.manifest.preset.training.batch) as u64;
    job.schedule = schedule(per);
    let whole = outcome(&train(job));
    // Stopped within each phase, at each border, and after a change.
    for (number, stop) in
        [1, per - 1, per, per + 2, 3 * per, 3 * per + 1, 3 * per + 2].into_iter().enumerate()
    {
        let name = format!("stopped-{number}");
        let mut job = begin(&home.store(), &name, &changes);
        job.schedule = schedule(per);
        let mut session = paused(job);
        let (at, _) = ask(&mut session, Command::Checkpoint);
        (at..stop).for_each(|_| _ = session.send(Command::StepOnce));
        session.send(Command::Stop);
        let events = play(session);
        assert!(
            matches!(events.last(), Some(Event::Stopped { step }) if *step == stop.max(at)),
            "{events:?}"
        );
        let mut job = reopen(&home.store(), &name);
        job.schedule = schedule(per);
        assert_eq!(outcome(&train(job)), whole, "stopped after {stop}");
    }
}

#[test]
fn a_rehearsed_run_that_is_stopped_anywhere_goes_on_to_the_same_bits_and_keeps_its_class_masks() {
    let home = Home::new();
    // Masks are counted in the second epoch and rehearsed in the other two.
    let changes = ["method.rehearsal.start=0.5", "method.rehearsal.floor=0.3", "method.rehearsal.cap=0.5"];
    let run = train(begin(&home.store(), "whole", &changes));
    let (whole, end) = (outcome(&run), run.newest_whole().unwrap().checkpoint);
    let per = end.step / 4;
    for (number, stop) in [per + 1, 2 * per, 2 * per + 1, 4 * per - 1].into_iter().enumerate() {
        let name = format!("stopped-{number}");
        let mut session = paused(begin(&home.store(), &name, &changes));
        let (at, _) = ask(&mut session, Command::Checkpoint);
        (at..stop).for_each(|_| _ = session.send(Command::StepOnce));
        session.send(Command::Stop);
        play(session);
        let kept = home.run(&name).newest_whole().unwrap().checkpoint.method;
        assert_eq!(class_masks(&kept).is_some(), stop > 2 * per, "after {stop}");
        assert_eq!(outcome(&train(reopen(&home.store(), &name))), whole, "stopped after {stop}");
    }
    for (name, change, keeps) in
        [("b", "method.rehearsal.share=0.1", true), ("c", "method.rehearsal.cap=0.6", false)]
    {
        let preset = preset(&[&changes[..], &[change]].concat());
        let branched = branch(&run, end.step, Some(name), Some(preset)).unwrap();
        let memory = branched.newest_whole().unwrap().checkpoint.method;
        assert_eq!(class_masks(&memory).is_some(), keeps, "{change}");
    }
    let masks = class_masks(&end.method).unwrap();
    let usage = kept_usage(&run, end.step).unwrap().unwrap();
    assert_eq!(usage.class_masks(), Some(masks.as_slice()));
    for threshold in [0.1, 0.9] {
        let split = usage.modules(threshold).unwrap();
        assert!(split.parts.iter().map(|part| &part.units).eq(&masks), "whatever the threshold");
        assert_eq!(split.provenance, Provenance::class_masks());
    }
}

#[test]
fn a_branch_goes_on_in_the_phase_of_its_step_with_the_settings_in_force() {
    let home = Home::new();
    let mut job = begin(&home.store(), "a", &[PHASES, "training.epochs=5"]);
    let per = job.dataset.train.len().div_ceil(job.writer.run.manifest.preset.training.batch) as u64;
    let step = per + 1;
    let thaw = Setting::Thaw { layer: "conv0".into() };
    job.schedule =
        Schedule { change: vec![Change { step, set: beta(9.0) }, Change { step, set: thaw.clone() }] };
    let mut session = paused(job);
    (0..step).for_each(|_| _ = session.send(Command::StepOnce));
    let (_, branched) = ask(&mut session, Command::Branch("b".into()));
    assert_eq!(branched, Ok(Applied::Branched("b".into())));
    session.send(Command::Resume);
    play(session);
    let (log, first) = (logged(&home.run("b")), home.run("a").newest_whole().unwrap().checkpoint.step);
    assert!(
        matches!(&log[0], Event::Phase(begun) if begun.phase == 2 && begun.weights["beta"] == 3.0),
        "{log:?}"
    );
    let set = |event: &Event| match event {
        Event::Applied { change, .. } => change.setting().cloned(),
        _ => None,
    };
    let sets: Vec<_> = log.iter().filter_map(set).collect();
    assert_eq!(sets[0], beta(9.0));
    let info = home.run("b").load(step).unwrap().info;
    assert_eq!((info.phase, info.loss_weights["beta"]), (Some(2), 9.0));
    assert!(!info.frozen.iter().any(|part| part == "conv0"), "{:?}", info.frozen);
    let branch = train(reopen(&home.store(), "b"));
    assert_eq!(outcome(&branch).files, outcome(&home.run("a")).files, "{first}");
}

#[test]
fn a_layer_is_frozen_by_a_command_or_refused_with_the_layers_there_are() {
    let home = Home::new();
    let mut session = paused(begin(&home.store(), "a", &[LONG]));
    let freeze = |layer: &str| Command::Set(Setting::Freeze { layer: layer.into() });
    let why = refusal(&mut session, freeze("conv77"));
    assert!(why.contains("there is no layer `conv77`: there are conv0"), "{why}");
    let (step, applied) = ask(&mut session, freeze("conv0"));
    assert_eq!(applied, Ok(Applied::Set(Setting::Freeze { layer: "conv0".into() })));
    session.send(Command::StepOnce);
    ask(&mut session, Command::Checkpoint).1.unwrap();
    session.send(Command::Stop);
    play(session);
    let run = home.run("a");
    let info = run.newest_whole().unwrap().checkpoint.info;
    assert_eq!(info.frozen, ["conv0"]);
    let log = logged(&run);
    let text = log.iter().find_map(|event| match event {
        Event::Applied { step: at, change, .. } if *at == step => change.setting().map(ToString::to_string),
        _ => None,
    });
    assert_eq!(text.as_deref(), Some("freeze conv0"));
    let start = run.load(0).unwrap().weights;
    let weights = run.newest_whole().unwrap().checkpoint.weights;
    for (name, array) in &weights.0 {
        let same = array.values.iter().zip(&start.0[name].values).all(|(a, b)| a.to_bits() == b.to_bits());
        // The bias in front of a batch norm has no gradient.
        if name.starts_with("conv0.") || name.ends_with("weight") {
            assert_eq!(same, name.starts_with("conv0."), "{name}");
        }
    }
}

#[test]
fn every_step_is_in_a_record_wherever_a_run_is_stopped() {
    let home = Home::new();
    let mut session = paused(begin(&home.store(), "a", &[]));
    (0..3).for_each(|_| _ = session.send(Command::StepOnce));
    session.send(Command::Stop);
    play(session);
    let last = |run: &Run| run.steps().unwrap().0.last().unwrap().step;
    let run = home.run("a");
    assert_eq!(last(&run), run.newest_whole().unwrap().checkpoint.step);
    let run = train(reopen(&home.store(), "a"));
    let steps: Vec<cleave::run::StepRecord> = run.steps().unwrap().0;
    let epochs: Vec<cleave::run::EpochRecord> = run.metrics().unwrap().0;
    for epoch in epochs {
        assert!(steps.iter().any(|record| record.step == epoch.step), "epoch {}", epoch.epoch);
    }
}
