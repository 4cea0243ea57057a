//! Commands to the session, and messages when there is none.

use super::*;
use crate::backend::GpuLoad;
use crate::run::Imported;

#[test]
fn the_load_of_a_gpu_is_shown_where_it_trains_and_said_to_be_unknown_where_it_cannot_be_asked() {
    let mut bench = Bench::training("digits-mwt", 100);
    assert!(bench.text(120, 40).contains("cpu load") && !bench.text(120, 40).contains("gpu"));
    bench.event(Event::Started { step: 100, steps_per_epoch: PER, steps: STEPS, device: "cuda:0".into() });
    bench.train(100, 120);
    assert!(bench.text(120, 40).contains("gpu        load unknown"), "{}", bench.text(120, 40));
    bench.shared.load.gpu = Some(GpuLoad { busy: 0.63, memory: 12_300_000_000, total: 80_000_000_000 });
    assert!(bench.text(120, 40).contains("gpu        63% busy, 12.3 GB of 80.0 GB"));
    assert!(bench.text(80, 24).contains("busy 63%"), "{}", bench.text(80, 24));
}

#[test]
fn the_keys_of_a_session_send_its_commands() {
    let mut bench = Bench::training("digits-mwt", 40);
    for (action, command) in [
        (Action::Checkpoint, Command::Checkpoint),
        (Action::EvaluateNow, Command::Evaluate),
        (Action::PauseResume, Command::Pause),
    ] {
        bench.act(action);
        assert_eq!(bench.sent(), [command]);
        bench.apply(40);
        bench.effects.clear();
    }
    bench.act(Action::StepOnce);
    bench.act(Action::PauseResume);
    assert_eq!(bench.sent(), [Command::StepOnce, Command::Resume]);
}

#[test]
fn a_single_step_is_for_a_paused_run() {
    let bench = Bench::training("digits-mwt", 40);
    let why = bench.dashboard.refusal(Action::StepOnce, &bench.shared).unwrap();
    assert!(why.contains("pause it with p"), "{why}");
}

#[test]
fn stopping_is_asked_for() {
    let mut bench = Bench::training("digits-mwt", 40);
    bench.act(Action::StopTraining);
    bench.press(KeyCode::Esc);
    assert!(bench.sent().is_empty() && bench.dashboard.prompt().is_none());
    bench.act(Action::StopTraining);
    bench.press(KeyCode::Enter);
    assert_eq!(bench.sent(), [Command::Stop]);
    assert!(bench.text(80, 24).contains("stopping"));
}

#[test]
fn without_a_session_controls_say_why_and_resume_is_offered() {
    let mut bench = Bench::empty();
    bench.shared.open = Some("old".into());
    bench.dashboard.enter(&mut bench.shared);
    assert!(bench.text(80, 24).contains("Reading old"));
    bench.read(history("old", "digits-mwt", None, 400));
    for action in [Action::SliderUp, Action::Checkpoint, Action::StopTraining, Action::EditSlider] {
        let why = bench.dashboard.refusal(action, &bench.shared).unwrap();
        assert!(why.contains("p resumes it"), "{why}");
    }
    bench.act(Action::PauseResume);
    assert!(matches!(&bench.effects[..], [Effect::Launch(launch)]
        if **launch == Launch::Resume { run: "old".into() }));
}

#[test]
fn a_run_that_failed_shows_the_message() {
    let mut bench = Bench::training("digits-mwt", 40);
    let message = "training diverged: coupling is not finite after step 40".to_owned();
    bench.event(Event::Failed { step: 40, message, diverged: true, checkpoint: Some(20) });
    for (width, height) in [(120, 40), (80, 24), (60, 16)] {
        let text = bench.text(width, height);
        assert!(text.contains("failed") && text.contains("training diverged"), "{text}");
    }
}

#[test]
fn a_branch_of_a_run_in_training_begins_when_the_run_has_stopped() {
    let mut bench = Bench::training("digits-mwt", 40);
    bench.act(Action::BranchHere);
    bench.read(history("first", "digits-mwt", None, 40));
    let form = bench.text(80, 24);
    assert!(form.contains("Branch of first") && form.contains("now"), "{form}");
    bench.effects.clear();
    bench.dashboard.key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL), &mut bench.shared);
    assert!(bench.shared.live.as_ref().unwrap().pending.values().any(|c| *c == Command::Stop));
    bench.event(Event::Stopped { step: 45 });
    assert!(bench.effects.iter().any(|effect| matches!(effect, Effect::Launch(launch)
        if matches!(&**launch, Launch::Branch { run, step: None, .. } if run == "first"))));
}

#[test]
fn a_branch_can_be_kept_aside_under_a_name() {
    let mut bench = Bench::training("digits-mwt", 40);
    bench.act(Action::BranchHere);
    bench.effects.clear();
    bench.press(KeyCode::Tab);
    "aside".chars().for_each(|c| bench.press(KeyCode::Char(c)));
    (0..5).for_each(|_| bench.press(KeyCode::Tab));
    bench.press(KeyCode::Right);
    let key = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
    let effects = bench.dashboard.key(key, &mut bench.shared);
    assert_eq!(effects, [Effect::Send(Command::Branch("aside".into()))]);
}

#[test]
fn a_branch_of_an_old_run_has_the_weights_of_the_form() {
    let mut bench = Bench::empty();
    bench.shared.open = Some("old".into());
    bench.dashboard.enter(&mut bench.shared);
    bench.read(history("old", "digits-mwt", None, 400));
    bench.act(Action::BranchHere);
    (0..3).for_each(|_| bench.press(KeyCode::Tab));
    bench.press(KeyCode::Backspace);
    bench.press(KeyCode::Char('7'));
    let key = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
    let effects = bench.dashboard.key(key, &mut bench.shared);
    let [Effect::Launch(launch)] = &effects[..] else { panic!("{effects:?}") };
    let Launch::Branch { step, preset: Some(preset), .. } = &**launch else { panic!("{launch:?}") };
    assert_eq!((*step, preset.method.weights()), (Some(400), vec![("alpha", 0.5), ("beta", 7.0)]));
}

#[test]
fn a_branch_that_would_be_over_at_its_first_step_is_refused_in_the_form() {
    let mut bench = Bench::empty();
    bench.shared.open = Some("old".into());
    bench.dashboard.enter(&mut bench.shared);
    bench.act(Action::BranchHere);
    assert!(bench.dashboard.prompt().is_none(), "it is not read yet");
    bench.read(history("old", "digits-mwt", None, STEPS));
    assert!(bench.text(80, 24).contains("already reached"), "the form opens: {}", bench.text(80, 24));
    let submit = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
    assert_eq!(bench.dashboard.key(submit, &mut bench.shared), [], "all epochs are done");
    bench.press(KeyCode::Char('0'));
    let effects = bench.dashboard.key(submit, &mut bench.shared);
    assert!(matches!(&effects[..], [Effect::Launch(_)]), "{effects:?}");
}

#[test]
fn an_empty_dashboard_says_what_to_do() {
    let text = Bench::empty().text(80, 24);
    assert!(text.contains("No run is open") && text.contains("n      starts a new run"), "{text}");
}

#[test]
fn the_chart_that_has_the_keys_is_exported() {
    let mut bench = Bench::training("digits-mwt", 100);
    bench.act(Action::NextPane);
    bench.act(Action::ExportChart);
    bench.press(KeyCode::Right);
    bench.press(KeyCode::Right);
    bench.effects.clear();
    let key = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
    let effects = bench.dashboard.key(key, &mut bench.shared);
    let [Effect::Job(job)] = &effects[..] else { panic!("{effects:?}") };
    let Job::SaveFile { to, bytes } = &**job else { panic!("{job:?}") };
    assert_eq!(to.to_str(), Some("first-loss.csv"));
    assert!(String::from_utf8_lossy(bytes).contains("beta*coupling"));
}

#[test]
fn the_value_under_the_cursor_is_copied() {
    let mut bench = Bench::training("digits-mwt", 100);
    assert!(bench.dashboard.refusal(Action::CopyValue, &bench.shared).is_some());
    bench.act(Action::Bottom);
    bench.act(Action::CopyValue);
    let Some(Effect::Copy(text)) = bench.effects.last() else { panic!("{:?}", bench.effects) };
    assert!(text.starts_with("accuracy at step 100: train 0.") && text.contains(", valid 0."), "{text}");
}

#[test]
fn the_command_line_names_what_differs_from_the_preset() {
    let mut bench = Bench::training("digits-mwt", 20);
    assert_eq!(bench.dashboard.command_line(&bench.shared).unwrap(), "cleave train digits-mwt");
    let live = bench.shared.live.as_mut().unwrap();
    live.manifest.preset.training.epochs = 3;
    live.manifest.preset.method.set_weight("beta", 2.5).unwrap();
    let line = bench.dashboard.command_line(&bench.shared).unwrap();
    assert_eq!(line, "cleave train digits-mwt --set method.beta=2.5 --set training.epochs=3");
}

#[test]
fn the_command_line_of_a_preset_that_is_not_in_the_program_names_a_file_of_it() {
    let mut bench = Bench::training("digits-mwt", 20);
    bench.shared.live.as_mut().unwrap().manifest.preset.name = "mine".into();
    assert_eq!(bench.dashboard.command_line(&bench.shared).unwrap(), "cleave train first-preset.toml");
    let written = bench.dashboard.keep(&bench.shared);
    let [Effect::Job(job)] = &written[..] else { panic!("{written:?}") };
    let Job::SaveFile { to, bytes } = &**job else { panic!("{job:?}") };
    assert_eq!(to.to_str(), Some("first-preset.toml"));
    let text = String::from_utf8(bytes.clone()).unwrap();
    let preset = crate::preset::Preset::parse(&text, "mine", &[]).unwrap();
    assert_eq!(preset, bench.shared.live.as_ref().unwrap().manifest.preset);
}

#[test]
fn the_command_line_of_imported_weights_imports_them() {
    let mut bench = Bench::training("digits-mwt", 20);
    let from = Imported { file: "theirs.pth".into(), sha256: String::new(), format: None, names: None };
    bench.event(Event::Imported { step: 0, from });
    let line = bench.dashboard.command_line(&bench.shared).unwrap();
    assert_eq!(line, "cleave import theirs.pth --preset digits-mwt");
}

#[test]
fn the_command_line_of_a_branch_names_what_differs_from_its_parent() {
    let mut bench = Bench::empty();
    bench.start("child", "digits-mwt", Some(("parent", 200)));
    assert_eq!(bench.dashboard.command_line(&bench.shared), None, "its parent is not known");
    let mut parent = manifest("parent", "digits-mwt", None);
    parent.preset.method.set_weight("beta", 9.0).unwrap();
    let entry = crate::run::Entry {
        id: "parent".into(),
        path: "parent".into(),
        status: crate::run::Status::Stopped,
        reason: None,
        manifest: Some(parent),
        last: None,
    };
    bench.shared.runs = Some(Ok(vec![RunRow { entry, tags: Vec::new() }]));
    let line = bench.dashboard.command_line(&bench.shared).unwrap();
    assert_eq!(line, "cleave train --branch parent --step 200 --set method.beta=3.0");
}
