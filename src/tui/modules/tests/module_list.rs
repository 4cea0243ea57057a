//! Actions on extracted modules.

use super::*;
use crate::run::Manifest;

#[test]
fn marked_modules_are_composed_and_marks_stay_when_another_run_is_opened() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    assert!(
        stage.screen.refusal(Action::ComposeModules, &stage.shared).is_some_and(|why| why.contains("mark"))
    );
    stage.act(&[Action::NextPane, Action::NextPane, Action::CompareModules]);
    let other = Manifest { id: "digits-2".into(), ..stage.manifest.clone() };
    stage.shared.live = None;
    stage.shared.open = Some("digits-2".into());
    let modules = [module(&other, "rest", &[2, 3])];
    stage.reply(Reply::RunModules("digits-2".into(), Ok(Arc::new(run_modules(&other, &modules)))));
    stage.act(&[Action::NextPane, Action::NextPane, Action::CompareModules]);
    let text = stage.text(120, 40);
    assert!(text.contains("digits-1") && text.contains("cat-dog"), "{text}");
    stage.act(&[Action::ComposeModules]);
    assert_eq!(
        stage.screen.command_line(&stage.shared).unwrap(),
        "cleave compose digits-1/cat-dog digits-2/rest --name 4-classes --join auto --fine-tune 10"
    );
    stage.submit();
    let named = |run: &str, module: &str| (run.to_owned(), module.to_owned());
    let wanted = Job::Compose {
        modules: vec![named("digits-1", "cat-dog"), named("digits-2", "rest")],
        name: "4-classes".into(),
        join: crate::reuse::Join::Auto,
        fine_tune: Some(10),
        licence: None,
    };
    let jobs = stage.jobs();
    assert!(jobs.contains(&wanted), "{jobs:?}");
    assert!(stage.text(80, 24).contains("creating 4-classes"));
    assert!(stage.screen.refusal(Action::ComposeModules, &stage.shared).is_some());
    stage.reply(Reply::Made(Err("two of the modules have the class `cat`".into())));
    assert!(stage.text(120, 40).contains("failed: two of the modules"));
}

#[test]
fn a_class_is_replaced_by_a_module_and_a_module_is_verified() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.act(&[Action::Down, Action::NextPane, Action::NextPane, Action::ReplaceClass]);
    assert_eq!(
        stage.screen.command_line(&stage.shared).unwrap(),
        "cleave replace --in digits-1 --class 'sea lion' --with digits-1/cat-dog --name replaced-sea-lion"
    );
    stage.submit();
    let donor = ("digits-1".to_owned(), "cat-dog".to_owned());
    let wanted = Job::Replace { run: "digits-1".into(), class: 1, donor, name: "replaced-sea-lion".into() };
    let jobs = stage.jobs();
    assert!(jobs.contains(&wanted), "{jobs:?}");
    stage.act(&[Action::VerifyModule]);
    assert!(stage.wants(Job::Verify { run: "digits-1".into(), module: "cat-dog".into() }));
}

#[test]
fn an_export_is_made_as_its_form_says() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.act(&[Action::NextPane, Action::NextPane, Action::ExportModule]);
    stage.keys(&[KeyCode::Tab, KeyCode::Tab, KeyCode::Right]);
    stage.submit();
    assert!(stage.jobs().is_empty(), "pixels are for ONNX");
    stage.keys(&[KeyCode::BackTab, KeyCode::BackTab, KeyCode::Right]);
    assert_eq!(
        stage.screen.command_line(&stage.shared).unwrap(),
        "cleave export digits-1/cat-dog --format onnx --to digits-1-cat-dog.onnx --with-preprocessing=nhwc"
    );
}
