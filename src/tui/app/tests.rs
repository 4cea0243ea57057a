mod acts;
mod mash;
mod pictures;
mod scene;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::*;
use crate::preset::Preset;
use crate::run::{Event, Manifest, PROGRAM, SCHEMA, Summary, now};
use crate::session::Command;
use crate::spec::{Init, Spec, Stage};
use crate::tui::message::{Job, Launch, Reply};
use crate::tui::view;

fn app() -> App {
    let settings = Settings { theme: Theme::Mono, charset: Some(Charset::Ascii), mouse: true };
    let start = Start {
        settings,
        keymap: Keymap::default(),
        detected: Charset::Braille,
        depth: Depth::True,
        can_sleep: true,
        log: "/state/workbench.log".into(),
        size: (80, 24),
    };
    App::new(start).0
}

fn manifest() -> Manifest {
    Manifest {
        schema: SCHEMA,
        id: "digits-1".into(),
        created: now(),
        program: PROGRAM.into(),
        seed: 1,
        device: "cpu".into(),
        parent: None,
        classes: vec!["飛行機".into(), "one".into()],
        input: [1, 8, 8],
        mean: vec![0.1],
        std: vec![0.3],
        preset: Preset::find("digits-mwt", std::path::Path::new(""), &[]).unwrap(),
        network: Spec {
            input: [1, 8, 8],
            init: Init::default(),
            stages: vec![Stage::Flatten, Stage::Linear { outputs: 2 }],
        },
    }
}

fn training() -> App {
    let mut app = app();
    app.update(Msg::SessionStarted(Box::new(manifest())));
    app.update(Msg::Session(Event::Started {
        step: 0,
        steps_per_epoch: 10,
        steps: 300,
        device: "cpu".into(),
    }));
    app
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Msg {
    Msg::Key(KeyEvent::new(code, modifiers))
}

fn press(app: &mut App, character: char) -> Vec<Effect> {
    app.update(key(KeyCode::Char(character), KeyModifiers::NONE))
}

fn ctrl_c(app: &mut App) -> Vec<Effect> {
    app.update(key(KeyCode::Char('c'), KeyModifiers::CONTROL))
}

fn alt_y(app: &mut App) -> Vec<Effect> {
    app.update(key(KeyCode::Char('y'), KeyModifiers::ALT))
}

#[test]
fn a_report_is_asked_for_on_any_screen_and_its_command_line_can_be_copied() {
    let mut app = training();
    press(&mut app, 'P');
    let copied = alt_y(&mut app);
    assert!(
        copied.contains(&Effect::Copy("cleave report digits-1 --to digits-1-report".into())),
        "{copied:?}"
    );
    let effects = app.update(key(KeyCode::Char('s'), KeyModifiers::CONTROL));
    let job = Job::Report { runs: vec!["digits-1".into()], to: "digits-1-report".into() };
    assert_eq!(effects, [Effect::Job(Box::new(job))]);
    assert!(app.overlay.is_none());
}

#[test]
fn a_run_is_exported_with_its_records() {
    let mut app = training();
    press(&mut app, 'X');
    (0..4).for_each(|_| drop(app.update(key(KeyCode::Right, KeyModifiers::NONE))));
    let copied = alt_y(&mut app);
    let line = "cleave export digits-1 --format csv --to digits-1-csv";
    assert!(copied.contains(&Effect::Copy(line.into())), "{copied:?}");
}

#[test]
fn weights_are_imported_when_nothing_is_in_training() {
    let mut app = training();
    press(&mut app, 'I');
    assert!(app.overlay.is_none(), "only one run trains at a time");
    let mut app = self::app();
    press(&mut app, 'I');
    app.update(Msg::Paste("their weights.pth".into()));
    let effects = app.update(key(KeyCode::Char('s'), KeyModifiers::CONTROL));
    let launch = Launch::Import {
        file: "their weights.pth".into(),
        preset: "digits".into(),
        set: Vec::new(),
        map: None,
        name: None,
    };
    assert!(effects.contains(&Effect::Launch(Box::new(launch))), "{effects:?}");
}

#[test]
fn the_key_bar_says_the_keys_of_what_takes_them() {
    let mut app = app();
    let bar = |app: &mut App| screen(app, 80, 24).pop().unwrap();
    assert!(bar(&mut app).contains("n new") && !bar(&mut app).contains("enter"), "nothing to open");
    press(&mut app, 'n');
    app.update(Msg::Reply(Box::new(Reply::Presets(Ok(vec![("digits-mwt".into(), String::new())])))));
    assert!(bar(&mut app).contains("ctrl-s") && !bar(&mut app).contains("n new"), "{}", bar(&mut app));
    assert!(bar(&mut app).contains("alt-y copy command"));
}

fn at(seconds: u64) -> Msg {
    Msg::Tick(Duration::from_secs(seconds))
}

fn screen(app: &mut App, width: u16, height: u16) -> Vec<String> {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    app.hits = view::draw(app, area, &mut buffer);
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(row).collect()
}

fn toasts(app: &App) -> Vec<&str> {
    app.notices.toasts().map(|toast| toast.text.as_str()).collect()
}

#[test]
fn leaving_without_training_needs_no_question() {
    assert_eq!(press(&mut app(), 'q'), [Effect::Quit(0)]);
    assert_eq!(ctrl_c(&mut app()), [Effect::Quit(0)]);
}

#[test]
fn leaving_while_training_asks_and_enter_saves_a_checkpoint() {
    let mut app = training();
    assert_eq!(press(&mut app, 'q'), []);
    assert!(matches!(app.overlay, Some(Overlay::Quit(_))));
    assert_eq!(app.update(key(KeyCode::Enter, KeyModifiers::NONE)), [Effect::Quit(0)]);
    assert!(app.leaving.is_some());
    // A second ctrl-c quits without waiting.
    assert_eq!(ctrl_c(&mut app), [Effect::Abort(0)]);
}

#[test]
fn leaving_asks_while_something_goes_on_that_would_be_lost() {
    let mut app = app();
    let launch = Effect::Launch(Box::new(Launch::Resume { run: "other".into() }));
    app.apply_effects(vec![launch]);
    assert_eq!(press(&mut app, 'q'), []);
    assert!(screen(&mut app, 80, 24).join(" ").contains("resuming other is in preparation"));
    assert_eq!(app.update(key(KeyCode::Enter, KeyModifiers::NONE)), [], "enter stays");
    app.update(Msg::Reply(Box::new(Reply::Launch("no data".into()))));
    app.overlay = None;
    let removal = Effect::Job(Box::new(Job::RemoveRun("old".into())));
    app.apply_effects(vec![removal]);
    assert_eq!(press(&mut app, 'q'), []);
    assert_eq!(press(&mut app, 'y'), [Effect::Quit(0)]);
    app.leaving = None;
    app.update(Msg::Reply(Box::new(Reply::Done(Ok("deleted".into())))));
    assert_eq!(press(&mut app, 'q'), [Effect::Quit(0)], "it is done");
}

#[test]
fn a_run_that_is_gone_is_neither_marked_nor_open() {
    let mut scene = scene::Scene::new();
    scene.answer_all();
    (scene.app.shared.marked, scene.app.shared.open) =
        (vec!["digits-2".into(), "gone".into()], Some("gone".into()));
    scene.press(KeyCode::Char('R'));
    scene.answer_all();
    assert_eq!(
        (scene.app.shared.marked.as_slice(), &scene.app.shared.open),
        (&["digits-2".to_owned()][..], &None)
    );
}

#[test]
fn a_launch_that_fails_leads_back_to_the_form_with_what_was_typed() {
    let mut scene = scene::Scene::new();
    scene.answer_all();
    scene.press(KeyCode::Char('n'));
    scene.answer_all();
    scene.press(KeyCode::Tab);
    scene.type_text("mine");
    scene.control('s');
    scene.lucky = false;
    scene.answer();
    assert_eq!(scene.app.screen, Screen::Home);
    scene.lucky = true;
    scene.answer_all();
    scene.press(KeyCode::Esc);
    let text = crate::tui::snapshot::text(&scene.draw(80, 24));
    assert!(text.contains("New run") && text.contains("mine"), "{text}");
}

#[test]
fn the_question_can_be_answered_with_staying() {
    let mut app = training();
    press(&mut app, 'q');
    assert_eq!(press(&mut app, 'n'), []);
    assert!(app.overlay.is_none() && app.leaving.is_none());
}

#[test]
fn the_first_interrupt_asks_and_a_second_within_two_seconds_leaves() {
    let mut app = training();
    app.update(at(10));
    assert_eq!(ctrl_c(&mut app), []);
    app.update(at(11));
    assert_eq!(ctrl_c(&mut app), [Effect::Quit(130)]);
    let mut app = training();
    app.update(at(10));
    ctrl_c(&mut app);
    app.update(at(13));
    assert_eq!(ctrl_c(&mut app), [], "too late: it asks again");
}

#[test]
fn the_system_is_not_asked_back() {
    let mut app = training();
    let end = Msg::EndAsked { why: "SIGTERM", code: 143 };
    assert_eq!(app.update(end), [Effect::Quit(143)]);
    let gone = Msg::EndAsked { why: "the terminal is gone", code: 129 };
    assert_eq!(app.update(gone), [], "a second request changes nothing");
}

#[test]
fn keys_go_to_screens_by_their_numbers() {
    let mut app = app();
    for (number, screen) in [('2', Screen::Dashboard), ('3', Screen::Modules), ('1', Screen::Home)] {
        press(&mut app, number);
        assert_eq!(app.screen, screen);
    }
}

#[test]
fn what_lies_over_the_screen_takes_the_keys() {
    let mut app = app();
    press(&mut app, '?');
    press(&mut app, '2');
    assert_eq!(app.screen, Screen::Home);
    app.update(key(KeyCode::Esc, KeyModifiers::NONE));
    assert!(app.overlay.is_none());
}

#[test]
fn the_palette_does_actions_of_other_screens_too() {
    let mut app = training();
    app.update(key(KeyCode::Char('p'), KeyModifiers::CONTROL));
    app.update(Msg::Paste("refresh".into()));
    app.update(key(KeyCode::Enter, KeyModifiers::NONE));
    assert_eq!((app.screen, app.overlay.is_none()), (Screen::Home, true));
}

#[test]
fn the_palette_stays_open_and_says_why_an_action_cannot_be_done() {
    let mut app = app();
    press(&mut app, ':');
    app.update(Msg::Paste("checkpoint".into()));
    app.update(key(KeyCode::Enter, KeyModifiers::NONE));
    assert!(matches!(app.overlay, Some(Overlay::Palette(_))) && app.screen == Screen::Home);
    assert!(toasts(&app)[0].starts_with("save: "));
}

#[test]
fn settings_change_at_once_and_are_kept() {
    let mut app = app();
    let kept = |theme, charset, mouse| {
        let settings = Settings { theme, charset: Some(charset), mouse };
        Effect::Job(Box::new(Job::SaveSettings(settings)))
    };
    assert_eq!(press(&mut app, 'T'), [kept(Theme::Dark, Charset::Ascii, true)]);
    assert_eq!(press(&mut app, 'C'), [kept(Theme::Dark, Charset::Braille, true)]);
    let effects = press(&mut app, 'M');
    assert_eq!(effects, [Effect::Mouse(false), kept(Theme::Dark, Charset::Braille, false)]);
    assert_eq!((app.shared.theme, app.shared.charset), (Theme::Dark, Charset::Braille));
    assert_eq!(toasts(&app).len(), 3);
}

#[test]
fn what_cannot_be_done_says_why() {
    let mut app = app();
    app.start.depth = Depth::None;
    assert_eq!(press(&mut app, 'T'), []);
    assert_eq!(toasts(&app), ["theme: NO_COLOR is set, or the terminal has no colours"]);
}

#[test]
fn only_one_run_is_in_training_at_a_time() {
    let mut app = training();
    let launch = || Effect::Launch(Box::new(Launch::Resume { run: "other".into() }));
    assert_eq!(app.apply_effects(vec![launch()]), []);
    assert_eq!(toasts(&app).last().copied(), Some("digits-1 is training: stop it first"));
    let stopped = Msg::Session(Event::Stopped { step: 9 });
    app.update(stopped);
    assert_eq!(app.apply_effects(vec![launch()]), [launch()]);
    assert_eq!(app.apply_effects(vec![launch()]), [], "one that is being prepared counts too");
    app.update(Msg::Reply(Box::new(Reply::Launch("no data".into()))));
    assert!(app.launching.is_none() && matches!(app.overlay, Some(Overlay::Message(_))));
}

#[test]
fn what_took_effect_is_said_once() {
    let mut app = training();
    app.update(Msg::Session(Event::Applied {
        step: 7,
        revision: None,
        change: "alpha = 2".parse().unwrap(),
    }));
    assert_eq!(toasts(&app).last().copied(), Some("alpha = 2, from step 7 on"));
    app.update(Msg::Session(Event::Evaluated { step: 9, revision: 1, accuracy: 0.91 }));
    let about = toasts(&app).into_iter().filter(|toast| toast.contains("validation accuracy")).count();
    assert_eq!(about, 1);
}

#[test]
fn without_a_session_commands_go_nowhere() {
    let mut app = app();
    assert_eq!(app.apply_effects(vec![Effect::Send(Command::Pause)]), []);
    assert_eq!(toasts(&app), ["no run is training"]);
}

#[test]
fn a_failed_run_shows_why_until_it_was_read() {
    let mut app = training();
    let failed =
        Event::Failed { step: 12, message: "out of memory".into(), diverged: false, checkpoint: Some(10) };
    let effects = app.update(Msg::Session(failed));
    assert!(effects.contains(&Effect::Notify(Tone::Bad, "digits-1 failed: out of memory".into())));
    let text = screen(&mut app, 80, 24).join("\n");
    assert!(text.contains("out of memory") && text.contains("step 10"), "{text}");
    assert!(text.replace('\n', "").contains("workbench.log"), "{text}");
    app.update(key(KeyCode::Esc, KeyModifiers::NONE));
    assert!(app.banner.is_none());
    assert_eq!(press(&mut app, 'q'), [Effect::Quit(0)], "the workbench still runs and can be quit");
}

#[test]
fn a_finished_run_rings() {
    let mut app = training();
    let summary = Summary { test_accuracy: 0.972, ..Summary::default() };
    let effects = app.update(Msg::Session(Event::Finished { step: 300, summary }));
    assert!(
        effects.contains(&Effect::Notify(Tone::Good, "digits-1 has finished: test accuracy 97.2 %".into()))
    );
}

#[test]
fn the_screen_is_drawn_again_once_a_second_when_nothing_happens() {
    let mut app = app();
    app.dirty = false;
    app.update(Msg::Tick(Duration::from_millis(250)));
    assert!(!app.dirty);
    app.update(Msg::Tick(Duration::from_millis(1000)));
    assert!(app.dirty);
}

#[test]
fn a_click_does_as_its_key() {
    let mut app = app();
    let header = screen(&mut app, 80, 24).swap_remove(0);
    let column = u16::try_from(header.find("modules").unwrap()).unwrap();
    let kind = MouseEventKind::Down(MouseButton::Left);
    app.update(Msg::Mouse(MouseEvent { kind, column, row: 0, modifiers: KeyModifiers::NONE }));
    assert_eq!(app.screen, Screen::Modules);
}

#[test]
fn header_and_key_bar_say_where_one_is_and_what_one_can_do() {
    let mut app = training();
    app.update(Msg::Device { name: "cpu".into(), note: None });
    app.screen = Screen::Dashboard;
    for (width, height) in [(60, 16), (80, 24), (120, 40)] {
        let rows = screen(&mut app, width, height);
        assert!(rows[0].starts_with(" cleave  1 runs  2 training  3 modules"), "{}", rows[0]);
        assert!(rows[0].contains("digits-1"), "{}", rows[0]);
        let bar = &rows[usize::from(height) - 1];
        assert!(bar.starts_with(" tab pane  p pause  w save"), "{bar}");
        assert!(bar.ends_with(" : find  ? help  q quit"), "{bar}");
    }
}

#[test]
fn below_the_least_size_there_is_only_a_message() {
    let mut app = training();
    let text = screen(&mut app, 59, 16).join(" ");
    assert!(text.starts_with("The terminal is too small: 60x16 needed, 59x16 here."), "{text}");
    assert!(text.contains("Training continues."));
}

#[test]
fn the_help_page_lists_the_keys_of_the_screen() {
    let mut app = app();
    press(&mut app, '?');
    let text = screen(&mut app, 120, 60).join("\n");
    for entry in crate::tui::action::TABLE.iter().filter(|entry| entry.screen == Screen::Home) {
        assert!(text.contains(entry.help), "{}", entry.help);
    }
}

#[test]
fn the_theme_without_colours_draws_none() {
    let mut app = training();
    press(&mut app, ':');
    let area = Rect::new(0, 0, 80, 24);
    let mut buffer = Buffer::empty(area);
    view::draw(&app, area, &mut buffer);
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(buffer.content.iter().any(|cell| cell.modifier.contains(Modifier::REVERSED)));
}

#[test]
fn the_frame_is_drawn_at_any_size() {
    let mut app = training();
    for overlay in ['x', '?', ':'] {
        press(&mut app, overlay);
        for (width, height) in
            [(1, 1), (2, 50), (500, 1), (60, 16), (61, 17), (79, 23), (200, 50), (500, 200)]
        {
            screen(&mut app, width, height);
        }
        app.overlay = None;
    }
}
