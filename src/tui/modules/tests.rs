//! Behaviour of the modules screen.

mod module_list;

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;

use super::testing::{Stage, epoch, manifest, module, run_modules, usage};
use super::*;
use crate::modular::{Provenance, jaccard, module_cost};
use crate::reuse::Request;
use crate::session::Command;
use crate::spec::Architecture;
use crate::tui::action::{Action, TABLE};
use crate::tui::message::{Examination, Export};
use crate::tui::snapshot::{SIZES, compare, styled};
use crate::tui::theme::{Charset, Theme};

#[test]
fn the_module_in_sight_has_the_numbers_that_the_counts_give() {
    let mut stage = Stage::live(Architecture::Small, 12);
    stage.act(&[Action::ToggleClass, Action::Down, Action::Down, Action::ToggleClass, Action::ThresholdDown]);
    let model = stage.screen.model.as_ref().unwrap();
    let threshold = model.threshold();
    let (usage, spec) = (usage(&stage.manifest), &stage.manifest.network);
    let modules = usage.modules(threshold).unwrap();
    let selection = modules.selection(spec, &[0, 2]).unwrap();
    let found = model.preview().unwrap();
    assert_eq!(threshold, 0.85);
    assert_eq!(found.classes, [0, 2]);
    assert_eq!(found.cost, module_cost(spec, &selection).unwrap());
    assert_eq!(found.kernels, modules.union(&[0, 2]).unwrap().count_ones(..));
    assert_eq!(found.kernels_all, selection.kernels(spec).unwrap());
    let untracked = spec.convs().filter(|conv| !conv.masked).map(|conv| conv.kernels).sum::<usize>();
    assert_eq!(found.all, found.tracked + untracked);
    let class_modules = model.class_modules().unwrap();
    assert_eq!(class_modules.overlap()[0][2], jaccard(&modules.parts[0].units, &modules.parts[2].units));
    let by_layer: usize = class_modules.pair_by_layer(0, 2).iter().map(|(_, _, shared)| shared.len()).sum();
    assert_eq!(Some(by_layer), class_modules.pair(0, 2).map(|(both, _, _)| both));
}

#[test]
fn a_finished_run_is_read_then_counted() {
    let manifest = manifest(Architecture::Tiny, 4, true);
    let mut stage = Stage::opened(manifest.clone());
    assert!(stage.wants(Job::RunModules("digits-1".into())));
    assert!(stage.text(80, 24).contains("Reading digits-1"));
    stage.reply(Reply::RunModules("digits-1".into(), Ok(Arc::new(run_modules(&manifest, &[])))));
    assert!(stage.wants(Job::Usage { run: "digits-1".into(), step: None }));
    assert!(stage.text(80, 24).contains("Counting the kernel usage"));
    let found = (300, Arc::new(usage(&manifest)), Arc::new(manifest.network.clone()));
    stage.reply(Reply::Usage { run: "digits-1".into(), found: Ok(found) });
    stage.act(&[Action::AllClasses]);
    assert!(stage.text(80, 24).contains("step 300"), "{}", stage.text(80, 24));
}

#[test]
fn what_another_run_answers_is_passed_over() {
    let manifest = manifest(Architecture::Tiny, 4, true);
    let mut stage = Stage::opened(manifest.clone());
    stage.reply(Reply::RunModules("other".into(), Ok(Arc::new(run_modules(&manifest, &[])))));
    assert!(stage.screen.model.is_none());
    let modules = [module(&manifest, "cat-sea-lion", &[0, 1])];
    stage.reply(Reply::RunModules("digits-1".into(), Ok(Arc::new(run_modules(&manifest, &modules)))));
    stage.act(&[Action::NextPane, Action::NextPane, Action::Accept]);
    let found = Examination {
        confusion: vec![vec![9, 1], vec![0, 10]],
        seconds_per_image: 2e-4,
        whole_seconds_per_image: 1e-3,
    };
    stage.reply(examined("other", found.clone()));
    assert!(stage.text(120, 40).contains("measuring..."), "a module of the same name of another run");
    stage.reply(examined("digits-1", found));
    assert!(stage.text(120, 40).contains("200 us"));
}

fn examined(run: &str, found: Examination) -> Reply {
    Reply::Examined { run: run.into(), module: "cat-sea-lion".into(), found: Ok(found) }
}

#[test]
fn back_leads_to_the_view_that_one_came_from() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.act(&[Action::NextPane, Action::NextView, Action::NextView, Action::Accept]);
    assert_eq!(stage.screen.view, View::Kernels);
    stage.act(&[Action::Back]);
    assert_eq!(stage.screen.view, View::Retention);
    stage.act(&[Action::NextPane, Action::Accept, Action::TryImage, Action::Back]);
    assert_eq!(stage.screen.view, View::Card);
    stage.act(&[Action::Back]);
    assert_eq!(stage.screen.view, View::Retention);
}

#[test]
fn of_two_views_side_by_side_the_one_with_the_keys_is_exported() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.shared.size = (160, 40);
    stage.act(&[Action::ToggleClass, Action::NextPane, Action::ExportChart]);
    stage.submit();
    let jobs = stage.jobs();
    let Some(Job::SaveFile { to, .. }) = jobs.first() else { panic!("{jobs:?}") };
    assert_eq!(to.to_str(), Some("digits-1-kernels-kept.svg"));
}

#[test]
fn a_run_without_masks_says_so_and_what_to_do() {
    let manifest = manifest(Architecture::Tiny, 4, false);
    let mut stage = Stage::opened(manifest.clone());
    stage.reply(Reply::RunModules("digits-1".into(), Ok(Arc::new(run_modules(&manifest, &[])))));
    assert!(!stage.jobs().iter().any(|job| matches!(job, Job::Usage { .. })));
    let text = stage.text(120, 40);
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    assert!(words.collect::<Vec<_>>().join(" ").contains("no masks so"), "{text}");
    stage.act(&[Action::ToggleClass]);
    let why = stage.screen.refusal(Action::ExtractModule, &stage.shared).unwrap();
    assert!(why.contains("no masks"), "{why}");
}

#[test]
fn the_threshold_moves_by_keys_and_by_dragging_its_slider() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.act(&[Action::ToggleClass]);
    let threshold = |stage: &Stage| stage.screen.model.as_ref().unwrap().threshold();
    stage.act(&[Action::ThresholdUp]);
    assert_eq!(threshold(&stage), 0.95);
    stage.act(&[Action::Left]);
    assert_eq!(threshold(&stage), 0.94);
    stage.click(Target::Slider(0), MouseEventKind::Drag(MouseButton::Left), 0.0);
    assert_eq!(threshold(&stage), 0.01, "0 keeps everything and is no threshold");
    let kernels = |stage: &Stage| stage.screen.model.as_ref().unwrap().preview().unwrap().kernels;
    let many = kernels(&stage);
    let away = MouseEvent {
        kind: MouseEventKind::Drag(MouseButton::Left),
        column: 79,
        row: 20,
        modifiers: KeyModifiers::NONE,
    };
    stage.screen.mouse(away, None, &mut stage.shared);
    assert_eq!(threshold(&stage), 1.0, "the drag continues outside the track");
    assert!(kernels(&stage) < many);
    assert!(stage.screen.refusal(Action::ThresholdUp, &stage.shared).is_some());
}

#[test]
fn classes_are_found_by_typing_and_clicked() {
    let mut stage = Stage::live(Architecture::Tiny, 6);
    stage.act(&[Action::Filter]);
    assert!(stage.screen.prompt().is_some());
    stage.type_text("lion");
    stage.keys(&[KeyCode::Enter]);
    assert!(stage.screen.prompt().is_none());
    stage.press(Target::Row(0, 0));
    assert_eq!(stage.screen.model.as_ref().unwrap().classes.chosen(), [1]);
    stage.act(&[Action::Back]);
    assert_eq!(stage.screen.model.as_ref().unwrap().classes.shown().len(), 6);
}

#[test]
fn a_set_is_kept_and_taken_again() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    assert!(stage.screen.refusal(Action::LoadSet, &stage.shared).is_some());
    stage.act(&[Action::ToggleClass, Action::SaveSet]);
    stage.type_text("pets");
    stage.submit();
    assert!(stage.wants(Job::KeepSet { name: "pets".into(), classes: vec!["cat".into()] }));
    let sets = [("pets".to_owned(), vec!["sea lion".to_owned(), "horse".to_owned()])].into();
    stage.reply(Reply::Sets(Ok(sets)));
    stage.act(&[Action::LoadSet]);
    stage.keys(&[KeyCode::Enter]);
    assert_eq!(stage.screen.model.as_ref().unwrap().classes.chosen(), [1]);
    assert!(stage.text(120, 40).contains("no class horse"));
}

/// Opens the extraction form, enters a name and submits.
fn extract(stage: &mut Stage, name: &str) {
    stage.act(&[Action::ExtractModule]);
    stage.screen.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL), &mut stage.shared);
    stage.type_text(name);
    stage.submit();
}

fn sent(stage: &Stage) -> Vec<String> {
    let names = stage.effects.iter().filter_map(|effect| match effect {
        Effect::Send(Command::Extract(request)) => Some(request.name.clone()),
        _ => None,
    });
    names.collect()
}

#[test]
fn an_extraction_goes_to_the_session_and_its_result_is_shown() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.act(&[Action::ToggleClass, Action::Down, Action::ToggleClass, Action::ExtractModule]);
    let text = stage.text(80, 24);
    assert!(text.contains("cat-sea-lion") && text.contains("threshold 0.9"), "{text}");
    stage.submit();
    let wanted = Request {
        classes: vec![0, 1],
        provenance: Provenance::usage(0.9),
        head: true,
        fold_masks: false,
        fine_tune_epochs: stage.manifest.preset.modules.fine_tune_epochs,
        controls: stage.manifest.preset.modules.controls,
        name: "cat-sea-lion".into(),
    };
    assert!(stage.effects.contains(&Effect::Send(Command::Extract(wanted))));
    assert_eq!(stage.shared.live.as_ref().unwrap().pending.len(), 1);
    assert!(stage.text(80, 24).contains("extracting cat-sea-lion"));
    stage.event(Event::Extracted { step: 250, revision: 1, module: "cat-sea-lion".into() });
    assert!(stage.wants(Job::RunModules("digits-1".into())));
    let modules = [module(&stage.manifest, "cat-sea-lion", &[0, 1])];
    stage.reply(Reply::RunModules("digits-1".into(), Ok(Arc::new(run_modules(&stage.manifest, &modules)))));
    assert!(stage.wants(Job::Examine { run: "digits-1".into(), module: "cat-sea-lion".into() }));
    let found = Examination {
        confusion: vec![vec![9, 1], vec![0, 10]],
        seconds_per_image: 2e-4,
        whole_seconds_per_image: 1e-3,
    };
    stage.reply(examined("digits-1", found));
    let text = stage.text(120, 40);
    for words in
        ["whole network", "98.1 %", "module, extracted", "random kernels", "200 us", "5.0 x", "confusion"]
    {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn of_extractions_that_wait_the_latest_is_sent_next() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.act(&[Action::AllClasses]);
    for name in ["one", "two", "three"] {
        extract(&mut stage, name);
    }
    assert_eq!(sent(&stage), ["one"]);
    stage.event(Event::Extracted { step: 250, revision: 1, module: "one".into() });
    assert_eq!(sent(&stage), ["one", "three"]);
}

#[test]
fn why_the_trainer_refused_an_extraction_is_shown() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.act(&[Action::AllClasses]);
    extract(&mut stage, "one");
    stage.event(Event::Refused { step: 250, revision: 1, why: "class 3 has no samples".into() });
    assert!(stage.text(80, 24).contains("extraction failed: class 3"), "{}", stage.text(80, 24));
}

#[test]
fn what_waits_when_training_ends_goes_to_a_worker() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.act(&[Action::AllClasses]);
    extract(&mut stage, "one");
    extract(&mut stage, "two");
    stage.event(Event::Stopped { step: 260 });
    let extracts = |job: &Job| matches!(job, Job::Extract { request, .. } if request.name == "two");
    let jobs = stage.jobs();
    assert!(jobs.iter().any(extracts), "{jobs:?}");
    assert!(jobs.contains(&Job::Usage { run: "digits-1".into(), step: None }));
}

#[test]
fn the_form_refuses_what_the_trainer_would() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    let problem = |stage: &Stage, field: &str| match &stage.screen.popup {
        Some(Popup::Form(open)) => open.form().field(field).unwrap().problem(),
        _ => panic!("the form is closed"),
    };
    stage.act(&[Action::ToggleClass, Action::ExtractModule]);
    assert_eq!(problem(&stage, "name"), None);
    stage.type_text("/");
    assert!(problem(&stage, "name").is_some());
    stage.keys(&[KeyCode::Backspace, KeyCode::Tab, KeyCode::Char(' ')]);
    assert_eq!(problem(&stage, "head").unwrap(), "required for a single class");
    stage.keys(&[KeyCode::Char(' '), KeyCode::Tab, KeyCode::Tab]);
    for _ in 0..6 {
        stage.keys(&[KeyCode::Backspace]);
    }
    stage.type_text("0");
    assert_eq!(problem(&stage, "epochs").unwrap(), "at least 1 with a new head");
    stage.submit();
    assert!(stage.screen.prompt().is_some() && stage.effects.is_empty());
    stage.keys(&[KeyCode::Esc]);
    extract(&mut stage, "cat-dog");
    assert_eq!(problem(&stage, "name").unwrap(), "name already in use");
}

#[test]
fn deleting_asks_and_keeping_is_what_enter_chooses() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.act(&[Action::NextPane, Action::NextPane, Action::DeleteModule]);
    stage.keys(&[KeyCode::Enter]);
    assert!(stage.jobs().is_empty());
    stage.act(&[Action::DeleteModule]);
    stage.keys(&[KeyCode::Char('y')]);
    assert!(stage.wants(Job::RemoveModule { run: "digits-1".into(), module: "cat-dog".into() }));
    stage.effects.clear();
    stage.reply(Reply::Done(Ok("saved a chart".into())));
    assert!(stage.jobs().is_empty(), "another job's reply is not its reply");
    let (run, module) = ("digits-1".into(), "cat-dog".into());
    stage.reply(Reply::Removed { run, module, done: Ok(()) });
    assert!(stage.wants(Job::RunModules("digits-1".into())));
}

#[test]
fn modules_are_compared_exported_and_tried() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.act(&[
        Action::NextPane,
        Action::NextPane,
        Action::CompareModules,
        Action::Down,
        Action::CompareModules,
    ]);
    let text = stage.text(120, 40);
    assert!(text.contains("comparison") && text.contains("random kernels"), "{text}");
    stage.act(&[Action::ExportModule]);
    stage.keys(&[KeyCode::Right]);
    stage.submit();
    let jobs = stage.jobs();
    let onnx = Job::Export {
        run: "digits-1".into(),
        module: Some("rest".into()),
        export: Export { format: "onnx".into(), ..Export::default() },
        to: "digits-1-rest.onnx".into(),
    };
    assert!(jobs.contains(&onnx), "{jobs:?}");
    stage.act(&[Action::TryImage]);
    let predict = |index| Job::Predict { run: "digits-1".into(), module: "rest".into(), image: None, index };
    assert!(stage.wants(predict(0)));
    let found = crate::tui::message::Prediction {
        name: "test image 1".into(),
        truth: Some("車".into()),
        shape: [1, 8, 8],
        pixels: (0..64).map(|n| n * 4).collect(),
        probabilities: vec![("車".into(), 0.9), ("other".into(), 0.1)],
    };
    let answer = |run: &str, index| {
        let (run, module, image) = (run.to_owned(), "rest".to_owned(), None);
        Reply::Predicted { run, module, image, index, found: Ok(Box::new(found.clone())) }
    };
    stage.reply(answer("other", 0));
    stage.reply(answer("digits-1", 7));
    assert!(!stage.text(80, 24).contains("90.0 %"), "replies to other requests are ignored");
    stage.reply(answer("digits-1", 0));
    let text = stage.text(80, 24);
    assert!(text.contains("90.0 %") && text.contains("true class 車"), "{text}");
    stage.act(&[Action::Right]);
    assert!(stage.wants(predict(1)));
    stage.act(&[Action::TryImage]);
    stage.type_text("a.png");
    stage.submit();
    let jobs = stage.jobs();
    assert!(jobs.iter().any(|job| matches!(job, Job::Predict { image: Some(_), .. })), "{jobs:?}");
}

#[test]
fn a_damaged_module_says_why_and_can_be_deleted() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.act(&[Action::NextPane, Action::NextPane, Action::Bottom, Action::Accept]);
    assert!(stage.text(120, 40).contains("module.toml is damaged"));
    assert!(stage.screen.refusal(Action::ExportModule, &stage.shared).is_some());
    stage.act(&[Action::DeleteModule]);
}

#[test]
fn enter_drills_down_from_layer_and_class_to_kernels() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.act(&[Action::NextPane, Action::NextView, Action::NextView]);
    stage.press(Target::Cell(2, 1));
    assert_eq!((stage.screen.layer, stage.screen.retention.class), (2, 1));
    stage.act(&[Action::ScrubBack]);
    assert!(stage.text(80, 24).contains("step 200"), "{}", stage.text(80, 24));
    stage.act(&[Action::Accept]);
    assert!(stage.text(80, 24).contains("conv3 kernel 0 fires for"), "{}", stage.text(80, 24));
}

#[test]
fn the_matrix_is_ordered_by_name_size_and_likeness() {
    let mut stage = Stage::live(Architecture::Tiny, 6);
    stage.act(&[Action::NextPane, Action::NextView]);
    let model = stage.screen.model.as_ref().unwrap();
    let (class_modules, names) = (model.class_modules().unwrap(), model.classes.names());
    let order = |order: overlap::MatrixOrder| order.of(class_modules, names);
    assert_eq!(order(overlap::MatrixOrder::Name)[0], 5, "numbers first");
    let sizes: Vec<usize> = order(overlap::MatrixOrder::Size)
        .iter()
        .map(|&class| class_modules.modules.parts[class].units.count_ones(..))
        .collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b));
    let mut likeness = order(overlap::MatrixOrder::Likeness);
    likeness.sort_unstable();
    assert_eq!(likeness, [0, 1, 2, 3, 4, 5]);
    stage.press(Target::Cell(0, 1));
    assert_eq!(stage.screen.overlap.pair, (5, 3), "7, then the class that begins with a");
    assert!(stage.text(80, 24).contains("Jaccard index"));
    stage.act(&[Action::Accept]);
    assert!(stage.text(80, 24).contains("both"));
}

#[test]
fn all_kernels_that_two_classes_share_can_be_scrolled_to() {
    let mut stage = Stage::live(Architecture::Small, 4);
    stage.act(&[Action::ThresholdDown; 8]);
    stage.act(&[Action::NextPane, Action::NextView, Action::Right, Action::Accept]);
    let model = stage.screen.model.as_ref().unwrap();
    let (a, b) = stage.screen.overlap.pair;
    let shared = model.class_modules().unwrap().pair_by_layer(a, b);
    let last = shared.iter().rev().find_map(|(_, _, shared)| shared.last()).unwrap().to_string();
    stage.act(&[Action::Bottom]);
    let text = stage.text(80, 24);
    let words = text.split(|c: char| !c.is_alphanumeric());
    assert!(words.into_iter().any(|word| word == last), "{last}: {text}");
}

#[test]
fn the_chart_in_sight_becomes_a_file() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.act(&[Action::NextPane, Action::NextView, Action::ExportChart]);
    stage.keys(&[KeyCode::Backspace, KeyCode::Backspace, KeyCode::Backspace]);
    stage.submit();
    assert!(stage.jobs().is_empty(), "a chart file needs an extension");
    stage.type_text("csv");
    stage.submit();
    let jobs = stage.jobs();
    let Some(Job::SaveFile { to, bytes }) = jobs.first() else { panic!("{jobs:?}") };
    assert_eq!(to.to_str(), Some("digits-1-overlap.csv"));
    assert!(String::from_utf8(bytes.clone()).unwrap().contains("sea lion"));
}

#[test]
fn the_command_line_does_the_same() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    assert_eq!(stage.screen.command_line(&stage.shared), None);
    stage.act(&[Action::ToggleClass, Action::Down, Action::ToggleClass]);
    let line = stage.screen.command_line(&stage.shared).unwrap();
    assert!(line.starts_with("cleave extract digits-1 --classes 'cat,sea lion' --threshold 0.9"), "{line}");
    stage.act(&[Action::CopyValue]);
    assert!(stage.effects.contains(&Effect::Copy("sea lion".into())));
}

#[test]
fn a_new_epoch_changes_the_numbers_while_the_screen_is_open() {
    let mut stage = Stage::live(Architecture::Tiny, 4);
    stage.act(&[Action::ToggleClass]);
    assert!(stage.text(120, 40).contains("step 200"));
    let usage = usage(&stage.manifest);
    stage.event(Event::Epoch(Box::new(epoch(3, &usage))));
    stage.event(Event::Usage { step: 300, usage: Arc::new(usage) });
    assert!(stage.text(120, 40).contains("step 300"));
}

#[test]
fn the_screen_looks_as_it_did() {
    for (width, height) in SIZES {
        let mut stage = Stage::live(Architecture::Small, 10);
        stage.act(&[Action::ToggleClass, Action::Down, Action::Down, Action::ToggleClass]);
        for view in ["sizes", "overlap", "retention", "kernels", "card"] {
            stage.screen.view = match view {
                "sizes" => View::Sizes,
                "overlap" => View::Overlap,
                "retention" => View::Retention,
                "kernels" => View::Kernels,
                _ => View::Card,
            };
            stage.shared.theme = Theme::Mono;
            stage.shared.charset = Charset::Ascii;
            compare("modules", &format!("{view}-{width}x{height}-mono"), &styled(&stage.draw(width, height)));
            stage.shared.theme = Theme::Dark;
            stage.shared.charset = Charset::Braille;
            compare("modules", &format!("{view}-{width}x{height}"), &styled(&stage.draw(width, height)));
        }
    }
}

/// Any key, mouse event, event or size.
#[derive(Clone, Debug)]
enum Move {
    Act(usize),
    Key(KeyCode),
    Mouse(u16, u16, u8),
    Draw(u16, u16),
    News(u8),
}

fn moves() -> impl Strategy<Value = Move> {
    let keys = prop_oneof![
        any::<char>().prop_map(KeyCode::Char),
        prop::sample::select(vec![
            KeyCode::Enter,
            KeyCode::Esc,
            KeyCode::Tab,
            KeyCode::Up,
            KeyCode::Down,
            KeyCode::Left,
            KeyCode::Right,
            KeyCode::Backspace,
            KeyCode::Delete
        ]),
    ];
    prop_oneof![
        6 => (0..TABLE.len()).prop_map(Move::Act),
        3 => keys.prop_map(Move::Key),
        2 => (0u16..220, 0u16..60, 0u8..4).prop_map(|(x, y, kind)| Move::Mouse(x, y, kind)),
        2 => (1u16..220, 1u16..60).prop_map(|(width, height)| Move::Draw(width, height)),
        1 => (0u8..9).prop_map(Move::News),
    ]
}

fn news(stage: &mut Stage, which: u8) {
    let usage = Arc::new(usage(&stage.manifest));
    match which {
        0 => stage.event(Event::Epoch(Box::new(epoch(9, &usage)))),
        1 => stage.event(Event::Usage { step: 900, usage }),
        2 => stage.event(Event::Extracted { step: 1, revision: 1, module: "cat-dog".into() }),
        3 => stage.event(Event::Refused { step: 1, revision: 1, why: "no".into() }),
        4 => stage.event(Event::Stopped { step: 901 }),
        5 => {
            stage.reply(Reply::RunModules("digits-1".into(), Ok(Arc::new(run_modules(&stage.manifest, &[])))))
        }
        6 => stage.reply(Reply::Sets(Ok([("a".to_owned(), vec!["cat".to_owned()])].into()))),
        7 => stage.reply(Reply::Predicted {
            run: "digits-1".into(),
            module: "cat-dog".into(),
            image: None,
            index: 0,
            found: Err("no image".into()),
        }),
        _ => stage.reply(Reply::Usage { run: "digits-1".into(), found: Err("gone".into()) }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn no_keys_mouse_news_and_sizes_make_it_panic(moves in prop::collection::vec(moves(), 1..60)) {
        let mut stage = Stage::live(Architecture::Tiny, 9);
        for step in moves {
            match step {
                Move::Act(index) if stage.screen.prompt().is_none() => {
                    let action = TABLE[index].action;
                    if stage.screen.refusal(action, &stage.shared).is_none() {
                        stage.act(&[action]);
                    }
                }
                Move::Act(_) => stage.keys(&[KeyCode::Esc]),
                Move::Key(code) if stage.screen.prompt().is_some() => stage.keys(&[code]),
                Move::Key(_) => {}
                Move::Mouse(column, row, kind) => {
                    let kind = [
                        MouseEventKind::Down(MouseButton::Left),
                        MouseEventKind::Drag(MouseButton::Left),
                        MouseEventKind::ScrollDown,
                        MouseEventKind::Moved,
                    ][usize::from(kind)];
                    let mouse = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
                    let at = stage.hits.at(column, row);
                    let effects = stage.screen.mouse(mouse, at, &mut stage.shared);
                    stage.effects.extend(effects);
                }
                Move::Draw(width, height) => {
                    stage.draw(width, height);
                }
                Move::News(which) => news(&mut stage, which),
            }
        }
        stage.draw(80, 24);
    }
}

#[test]
fn it_draws_at_every_size() {
    for (classes, architecture) in [(4, Architecture::Tiny), (200, Architecture::Small)] {
        let mut stage = Stage::live(architecture, classes);
        stage.act(&[Action::AllClasses]);
        let sizes = [
            (1, 1),
            (2, 40),
            (200, 2),
            (7, 5),
            (20, 10),
            (47, 17),
            (60, 16),
            (121, 9),
            (200, 50),
            (500, 200),
        ];
        for view in View::ALL.into_iter().chain([View::Image]) {
            stage.screen.view = view;
            for pane in Pane::ALL {
                stage.screen.pane = pane;
                for (width, height) in sizes {
                    stage.draw(width, height);
                }
            }
        }
    }
}
