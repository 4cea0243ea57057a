//! The shown run and the overlaid runs.

use super::*;

fn asked(effects: &[Effect]) -> Vec<&str> {
    let jobs =
        effects.iter().filter_map(|e| if let Effect::Job(job) = e { Some(job.as_ref()) } else { None });
    jobs.filter_map(|job| if let Job::History { run, .. } = job { Some(run.as_str()) } else { None })
        .collect()
}

#[test]
fn marked_runs_are_read_and_laid_over_the_shown_one() {
    let mut bench = Bench::training("digits-mwt", 100);
    bench.shared.marked = vec!["other".into(), "first".into()];
    let effects = bench.dashboard.enter(&mut bench.shared);
    assert_eq!(asked(&effects), ["other"]);
    bench.read(history("other", "digits-mwt", None, 400));
    assert!(bench.text(120, 40).contains("other"));
    bench.act(Action::ClearOverlays);
    assert!(bench.shared.marked.is_empty() && !bench.text(120, 40).contains("other"));
}

#[test]
fn a_branch_is_shown_with_its_parent_and_a_mark_at_the_fork() {
    let mut bench = Bench::empty();
    bench.start("child", "digits-mwt", Some(("parent", 200)));
    assert_eq!(asked(&bench.effects), ["parent"]);
    bench.read(history("parent", "digits-mwt", None, 400));
    bench.train(200, 300);
    assert!(bench.text(120, 40).contains("fork"));
    let extent = |bench: &Bench| bench.dashboard.scope(&bench.shared).unwrap().extent();
    assert_eq!((extent(&bench).from, extent(&bench).to), (5.0, 400.0));
    assert_eq!(bench.curves().place(300, XAxis::Step, 0.0), 300.0);
    bench.act(Action::AlignRuns);
    assert_eq!(
        (extent(&bench).from, extent(&bench).to),
        (5.0, 400.0),
        "the child begins where its parent began"
    );
    bench.act(Action::ClearOverlays);
    assert_eq!((extent(&bench).from, extent(&bench).to), (5.0, 100.0));
}

#[test]
fn by_time_a_branch_stands_behind_what_its_parent_took() {
    let mut bench = Bench::empty();
    bench.start("child", "digits-mwt", Some(("parent", 200)));
    bench.read(history("parent", "digits-mwt", None, 400));
    bench.train(200, 300);
    bench.act(Action::NextXAxis);
    bench.act(Action::NextXAxis);
    let extent = bench.dashboard.scope(&bench.shared).unwrap().extent();
    // A hundred steps take ten seconds; the records of the child count from its own start.
    assert!((extent.to - 50.0).abs() < 1.0, "{extent:?}");
}

#[test]
fn a_resumed_run_shows_its_past_and_keeps_its_changes() {
    let mut bench = Bench::empty();
    bench.shared.live = Some(Live::new(manifest("first", "digits-mwt", None)));
    bench.event(Event::Started { step: 100, steps_per_epoch: PER, steps: STEPS, device: "cpu".into() });
    assert_eq!(asked(&bench.effects), ["first"]);
    bench.train(100, 140);
    let mut past = history("first", "digits-mwt", None, 120);
    let changed = Event::Applied { step: 60, revision: Some(1), change: "beta = 5".parse().unwrap() };
    past.events.insert(1, changed);
    past.epochs.iter_mut().filter(|epoch| epoch.step > 60).for_each(|epoch| {
        epoch.loss_weights.insert("beta".into(), 5.0);
    });
    bench.read(past);
    assert_eq!(bench.shared.live.as_ref().unwrap().weights["beta"], 5.0);
    assert_eq!(bench.shared.live.as_ref().unwrap().schedule().change.len(), 1);
    let line = bench.curves().line(Measure::Accuracy);
    assert_eq!(line.steps.raw().extent(), Some((5.0, 140.0)));
    assert_eq!(line.steps.raw().len(), 28, "each record once");
    assert_eq!(bench.curves().step, 140);
}

#[test]
fn a_plain_run_has_the_two_charts_that_it_fills() {
    let mut bench = Bench::training("paper-simcnn-cifar10-standard", 100);
    let text = bench.text(120, 40);
    assert!(text.contains("accuracy") && text.contains("loss"), "{text}");
    assert!(!text.contains("cohesion") && !text.contains("alpha"), "{text}");
}

#[test]
fn a_run_that_cannot_be_read_says_why() {
    let mut bench = Bench::empty();
    bench.shared.open = Some("broken".into());
    bench.dashboard.enter(&mut bench.shared);
    let (run, until) = ("broken".into(), u64::MAX);
    let reply = Reply::History { run, until, found: Err("line 3 of metrics.jsonl is no record".into()) };
    bench.dashboard.reply(&reply, &mut bench.shared);
    assert!(bench.text(80, 24).contains("line 3 of metrics.jsonl is no record"));
}

#[test]
fn the_terms_of_the_loss_stay_stacked_below_the_totals_of_other_runs() {
    let mut bench = Bench::training("digits-mwt", 100);
    bench.shared.marked = vec!["other".into()];
    bench.dashboard.enter(&mut bench.shared);
    bench.read(history("other", "digits-mwt", None, 400));
    let scope = bench.dashboard.scope(&bench.shared).unwrap();
    let loss = scope.chart(Measure::Loss, "").to_csv();
    for name in ["cross-entropy", "alpha*cohesion", "beta*coupling", "other"] {
        assert!(loss.lines().any(|line| line.starts_with(name)), "{name}");
    }
}

#[test]
fn window_and_cursor_do_not_outlive_the_run_that_they_were_placed_in() {
    let mut bench = Bench::training("digits-mwt", 200);
    [Action::Right, Action::ZoomIn].into_iter().for_each(|action| bench.act(action));
    bench.dashboard.enter(&mut bench.shared);
    assert!(bench.dashboard.axes.cursor.is_some(), "it is the same run");
    bench.shared.open = Some("other".into());
    bench.dashboard.enter(&mut bench.shared);
    assert_eq!((bench.dashboard.axes.view, bench.dashboard.axes.cursor), (View::All, None));
}

#[test]
fn a_change_is_not_written_over_those_of_sessions_that_are_still_being_read() {
    let mut bench = Bench::empty();
    bench.shared.live = Some(Live::new(manifest("first", "digits-mwt", None)));
    bench.event(Event::Started { step: 100, steps_per_epoch: PER, steps: STEPS, device: "cpu".into() });
    bench.event(Event::Applied { step: 105, revision: None, change: "alpha = 2".parse().unwrap() });
    let written = |effects: &[Effect]| -> Vec<usize> {
        let jobs =
            effects.iter().filter_map(|e| if let Effect::Job(job) = e { Some(job.as_ref()) } else { None });
        jobs.filter_map(|job| match job {
            Job::SaveSchedule { schedule, .. } => Some(schedule.change.len()),
            _ => None,
        })
        .collect()
    };
    assert!(written(&bench.effects).is_empty());
    let mut past = history("first", "digits-mwt", None, 100);
    past.events
        .insert(1, Event::Applied { step: 60, revision: Some(1), change: "beta = 5".parse().unwrap() });
    bench.read(past);
    assert_eq!(written(&bench.effects), [2]);
}

#[test]
fn marked_runs_that_have_no_room_are_said() {
    let mut bench = Bench::training("digits-mwt", 100);
    bench.shared.marked = (0..7).map(|n| format!("run-{n}")).collect();
    let effects = bench.dashboard.enter(&mut bench.shared);
    let said = |effects: &[Effect]| {
        effects.iter().any(|e| matches!(e, Effect::Toast(text) if text.contains("5 of 7")))
    };
    assert!(said(&effects));
    assert!(!said(&bench.dashboard.enter(&mut bench.shared)), "once is enough");
}
