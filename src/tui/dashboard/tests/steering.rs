//! Setting changes from the slider to the mark on the charts.

use super::*;
use crate::preset::Objective;
use crate::run::PhaseStart;
use crate::session::{Change, Setting};

fn weight(name: &str, value: f64) -> Setting {
    Setting::Weight { name: name.into(), value }
}

/// A run with the beta slider selected and its first checkpoint saved.
fn at_beta() -> Bench {
    let mut bench = Bench::training("digits-mwt", 100);
    bench.act(Action::NextSlider);
    bench
}

#[test]
fn a_change_stands_at_the_step_at_which_the_trainer_made_it() {
    let mut bench = at_beta();
    bench.act(Action::SliderUp);
    let sent = bench.sent();
    assert_eq!(sent, [Command::Checkpoint, Command::Set(weight("beta", 3.2))]);
    let control = &bench.dashboard.controls(&bench.shared)[1];
    assert_eq!((control.value, control.pending), (3.0, Some(3.2)));
    assert!(bench.text(120, 40).contains("→ 3.2"), "pending is shown");
    bench.apply(117);
    bench.apply(117);
    let control = &bench.dashboard.controls(&bench.shared)[1];
    assert_eq!((control.value, control.pending), (3.2, None));
    let applied = &bench.curves().changes;
    assert_eq!(applied[0].change, Change { step: 117, set: weight("beta", 3.2) });
    bench.train(115, 200);
    assert_eq!(bench.text(120, 40).matches("beta 3→3.2").count(), 6, "on five charts and in the list");
}

#[test]
fn only_the_first_change_of_a_session_is_preceded_by_a_checkpoint() {
    let mut bench = at_beta();
    bench.act(Action::SliderUp);
    while bench.apply(120).is_some() {}
    bench.sent();
    bench.act(Action::SliderUp);
    assert_eq!(bench.sent(), [Command::Set(weight("beta", 3.4))]);
}

#[test]
fn of_rapid_moves_only_the_newest_is_sent_once_the_one_before_is_answered() {
    let mut bench = at_beta();
    for _ in 0..5 {
        bench.act(Action::SliderUp);
    }
    assert_eq!(bench.sent(), [Command::Checkpoint, Command::Set(weight("beta", 3.2))]);
    assert_eq!(bench.dashboard.controls(&bench.shared)[1].pending, Some(4.0));
    bench.apply(120);
    bench.apply(120);
    assert_eq!(bench.sent(), [Command::Set(weight("beta", 4.0))]);
    bench.apply(121);
    assert_eq!((bench.sent().len(), bench.curves().weights["beta"]), (0, 4.0));
}

#[test]
fn sliders_do_not_wait_for_each_other() {
    let mut bench = at_beta();
    bench.act(Action::SliderUp);
    bench.act(Action::PreviousSlider);
    bench.act(Action::SliderUp);
    assert_eq!(bench.sent().len(), 3, "a checkpoint and both");
}

#[test]
fn a_refused_change_goes_back_and_says_why() {
    let mut bench = at_beta();
    bench.act(Action::SliderUp);
    bench.apply(120);
    let revision = *bench.shared.live.as_ref().unwrap().pending.keys().next().unwrap();
    bench.event(Event::Refused { step: 120, revision, why: "no such weight".into() });
    let control = &bench.dashboard.controls(&bench.shared)[1];
    assert_eq!((control.value, control.pending), (3.0, None));
    assert!(bench.toasts().contains(&"beta was not changed: no such weight"), "{:?}", bench.toasts());
    assert!(bench.curves().changes.is_empty());
    assert!(bench.dashboard.refusal(Action::UndoChange, &bench.shared).is_some());
}

#[test]
fn undo_takes_back_one_change_after_the_other() {
    let mut bench = at_beta();
    for second in [10, 20, 30] {
        bench.shared.now = Duration::from_secs(second);
        bench.act(Action::SliderUp);
        while bench.apply(100 + second).is_some() {}
    }
    bench.sent();
    for (step, value) in [(140, 3.4), (150, 3.2), (160, 3.0)] {
        bench.act(Action::UndoChange);
        assert_eq!(bench.sent(), [Command::Set(weight("beta", value))]);
        bench.apply(step);
    }
    assert!(bench.dashboard.refusal(Action::UndoChange, &bench.shared).unwrap().contains("nothing"));
    assert_eq!(bench.curves().changes.len(), 6, "going back is a change too");
}

#[test]
fn a_slider_pulled_along_is_one_change_to_take_back() {
    let mut bench = at_beta();
    for _ in 0..4 {
        bench.act(Action::SliderUp);
        while bench.apply(120).is_some() {}
    }
    bench.sent();
    bench.act(Action::UndoChange);
    assert_eq!(bench.sent(), [Command::Set(weight("beta", 3.0))]);
}

#[test]
fn undo_during_a_change_waits_for_its_answer() {
    let mut bench = at_beta();
    bench.act(Action::SliderUp);
    bench.act(Action::SliderUp);
    bench.sent();
    bench.act(Action::UndoChange);
    assert!(bench.sent().is_empty());
    bench.apply(120);
    bench.apply(120);
    assert_eq!(bench.sent(), [Command::Set(weight("beta", 3.0))]);
}

#[test]
fn undoing_the_first_learning_rate_goes_back_to_the_schedule() {
    let mut bench = at_beta();
    bench.act(Action::NextSlider);
    bench.act(Action::SliderDown);
    while bench.apply(120).is_some() {}
    assert!(bench.shared.live.as_ref().unwrap().learning_rate.is_some());
    bench.sent();
    bench.act(Action::UndoChange);
    assert_eq!(bench.sent(), [Command::Set(Setting::LearningRate(None))]);
}

#[test]
fn a_typed_value_is_sent_as_it_is() {
    let mut bench = at_beta();
    bench.act(Action::EditSlider);
    assert!(bench.dashboard.prompt().is_some());
    bench.press(KeyCode::Backspace);
    "0.123".chars().for_each(|c| bench.press(KeyCode::Char(c)));
    bench.press(KeyCode::Enter);
    bench.press(KeyCode::Enter);
    assert!(bench.dashboard.prompt().is_none());
    assert_eq!(bench.sent().last(), Some(&Command::Set(weight("beta", 0.123))));
}

#[test]
fn the_saved_schedule_holds_the_applied_changes() {
    let mut bench = at_beta();
    bench.act(Action::SliderUp);
    while bench.apply(117).is_some() {}
    bench.act(Action::NextSlider);
    bench.act(Action::SliderDown);
    while bench.apply(133).is_some() {}
    bench.effects.clear();
    bench.act(Action::SaveSchedule);
    let saved = bench.effects.iter().find_map(|effect| match effect {
        Effect::Job(job) => match job.as_ref() {
            Job::SaveSchedule { schedule, .. } => Some(schedule.clone()),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(saved.unwrap(), bench.shared.live.as_ref().unwrap().schedule());
    let said = bench.toasts().join("");
    assert!(said.contains("cleave train digits-mwt --schedule first-schedule.toml"), "{said}");
}

#[test]
fn the_knob_follows_the_mouse() {
    use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
    let mut bench = at_beta();
    bench.draw(120, 40);
    let find = |target| {
        (0..40)
            .flat_map(|y| (0..120).map(move |x| (x, y)))
            .find(|(x, y)| bench.hits.at(*x, *y).is_some_and(|(_, at)| at == target))
    };
    let (x, y) = find(Target::Slider(1)).unwrap();
    let mouse = |kind| MouseEvent { kind, column: x, row: y, modifiers: KeyModifiers::NONE };
    for kind in [MouseEventKind::Down(MouseButton::Left), MouseEventKind::Up(MouseButton::Left)] {
        let at = bench.hits.at(x, y);
        let effects = bench.dashboard.mouse(mouse(kind), at, &mut bench.shared);
        bench.effects.extend(effects);
    }
    assert_eq!(bench.sent().last(), Some(&Command::Set(weight("beta", 0.0))));
}

#[test]
fn a_layer_is_frozen_from_its_form_and_thawed_by_undo() {
    let mut bench = Bench::training("digits-mwt", 100);
    bench.act(Action::FreezeLayer);
    (0..3).for_each(|_| bench.press(KeyCode::Enter));
    let freeze = Setting::Freeze { layer: "conv0".into() };
    let thaw = Setting::Thaw { layer: "conv0".into() };
    assert_eq!(bench.sent(), [Command::Checkpoint, Command::Set(freeze.clone())]);
    bench.apply(110);
    bench.apply(110);
    assert_eq!(bench.curves().frozen.parts(), ["conv0"]);
    let text = bench.text(120, 40);
    assert!(text.contains("freeze conv0") && text.contains("frozen"), "{text}");
    bench.act(Action::FreezeLayer);
    assert!(bench.text(120, 40).contains("frozen: conv0"));
    bench.press(KeyCode::Esc);
    bench.act(Action::UndoChange);
    assert_eq!(bench.sent(), [Command::Set(thaw.clone())]);
    bench.apply(120);
    assert!(bench.curves().frozen.parts().is_empty() && !bench.dashboard.steering.can_undo());
    let changes: Vec<_> = bench.curves().changes.iter().map(|applied| applied.change.set.clone()).collect();
    assert_eq!(changes, [freeze, thaw]);
}

#[test]
fn a_phase_replaces_the_settings_in_force_and_stands_on_the_charts() {
    let mut bench = Bench::training("digits-mwt", 100);
    bench.event(Event::Applied { step: 110, revision: None, change: "freeze conv0".parse().unwrap() });
    let begun = PhaseStart {
        step: 120,
        phase: 2,
        phases: 3,
        name: Some("masks".into()),
        objective: Objective::Method,
        weights: [("alpha".to_owned(), 0.5), ("beta".to_owned(), 4.0)].into(),
        learning_rate: None,
        frozen: vec!["linear0".into()],
    };
    bench.event(Event::Phase(Box::new(begun)));
    bench.train(115, 200);
    let live = bench.shared.live.as_ref().unwrap();
    assert_eq!((live.weights["beta"], live.frozen.parts()), (4.0, vec!["linear0".to_owned()]));
    let text = bench.text(120, 40);
    assert_eq!(text.matches("masks").count(), 6, "on five charts and in the panel\n{text}");
    assert!(text.contains("2 of 3, masks"), "{text}");
}
