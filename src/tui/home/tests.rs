use std::time::Duration;

use crossterm::event::KeyModifiers;

use super::super::live::Live;
use super::super::message::PresetSummary;
use super::super::shared::Shared;
use super::*;
use crate::preset::Preset;
use crate::run::{Entry, Manifest, Parent};

fn preset(name: &str) -> Preset {
    Preset::find(name, std::path::Path::new("/nowhere"), &[]).unwrap()
}

fn manifest(name: &str, created: &str, parent: Option<&str>) -> Manifest {
    let preset = preset("digits");
    Manifest {
        schema: 1,
        id: name.into(),
        created: created.into(),
        program: "0".into(),
        seed: 0,
        device: "cpu".into(),
        parent: parent.map(|run| Parent { run: run.into(), step: 7 }),
        classes: vec!["0".into(), "1".into()],
        input: [1, 8, 8],
        mean: vec![0.5],
        std: vec![0.5],
        network: preset.spec([1, 8, 8], 10).unwrap(),
        preset,
    }
}

fn row(name: &str, created: &str, status: Status, parent: Option<&str>) -> RunRow {
    let entry = Entry {
        id: name.into(),
        path: name.into(),
        status,
        reason: None,
        manifest: Some(manifest(name, created, parent)),
        last: None,
    };
    RunRow { entry, tags: vec![format!("tag-{name}")] }
}

fn shared() -> Shared {
    let rows = vec![
        row("new", "2026-03-03T00:00:00Z", Status::Stopped, Some("old")),
        row("mid", "2026-02-02T00:00:00Z", Status::Finished, None),
        row("old", "2026-01-01T00:00:00Z", Status::Damaged, None),
    ];
    Shared { runs: Some(Ok(rows)), size: (80, 24), now: Duration::ZERO, ..Shared::default() }
}

fn home(shared: &mut Shared) -> Home {
    let mut home = Home::default();
    home.reply(&Reply::Runs(Ok(Vec::new())), shared);
    home
}

fn names(home: &Home, shared: &Shared) -> Vec<String> {
    home.arranged.iter().map(|row| rows(shared)[row.index].entry.id.clone()).collect()
}

fn types(home: &mut Home, shared: &mut Shared, text: &str) -> Vec<Effect> {
    let key = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
    text.chars().flat_map(|c| home.key(key(c), shared)).collect()
}

#[test]
fn the_newest_run_comes_first_and_the_order_can_be_turned() {
    let mut shared = shared();
    let mut home = home(&mut shared);
    assert_eq!(names(&home, &shared), ["new", "mid", "old"]);
    home.act(Action::ReverseRuns, &mut shared);
    assert_eq!(names(&home, &shared), ["old", "mid", "new"]);
}

#[test]
fn the_tree_puts_branches_below_their_parents() {
    let mut shared = shared();
    let mut home = home(&mut shared);
    home.act(Action::TreeRuns, &mut shared);
    assert_eq!(names(&home, &shared), ["mid", "old", "new"]);
    assert_eq!(home.arranged[2].depth, 1);
}

#[test]
fn runs_that_are_each_others_parents_are_shown_all_the_same() {
    let rows = vec![row("a", "1", Status::Stopped, Some("b")), row("b", "2", Status::Stopped, Some("a"))];
    let order = SortOrder { tree: true, ..SortOrder::default() };
    assert_eq!(list::arrange(&rows, "", order).len(), 2);
}

#[test]
fn the_filter_takes_words_of_name_status_and_tags() {
    let mut shared = shared();
    let mut home = home(&mut shared);
    home.act(Action::Filter, &mut shared);
    assert!(home.prompt().is_some());
    types(&mut home, &mut shared, "FINISHED tag-m");
    assert_eq!(names(&home, &shared), ["mid"]);
}

#[test]
fn the_selection_stays_with_its_run_when_the_list_changes() {
    let mut shared = shared();
    let mut home = home(&mut shared);
    home.act(Action::Down, &mut shared);
    if let Some(Ok(rows)) = &mut shared.runs {
        rows.insert(0, row("newest", "2026-04-04T00:00:00Z", Status::Running, None));
    }
    home.reply(&Reply::Runs(Ok(Vec::new())), &mut shared);
    assert_eq!(home.current(&shared).unwrap().entry.id, "mid");
}

#[test]
fn an_epoch_of_the_run_in_training_shows_in_its_row_without_reading_the_runs_again() {
    let mut shared = shared();
    let mut home = home(&mut shared);
    shared.live = Some(Live::new(manifest("mid", "", None)));
    let record = crate::tui::curves::tests::epoch(40, 20, 800, &Default::default());
    assert_eq!(home.event(&Event::Epoch(Box::new(record.clone())), &mut shared), []);
    let last: Vec<Option<u64>> =
        rows(&shared).iter().map(|row| row.entry.last.as_ref().map(|last| last.epoch)).collect();
    assert_eq!(last, [None, Some(2), None]);
}

#[test]
fn deleting_asks_first() {
    let mut shared = shared();
    let mut home = home(&mut shared);
    assert!(home.act(Action::DeleteRun, &mut shared).is_empty());
    let enter = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
    assert!(home.key(enter, &mut shared).is_empty(), "enter keeps the run");
    home.act(Action::DeleteRun, &mut shared);
    let effects = types(&mut home, &mut shared, "y");
    assert_eq!(effects[0], job(Job::RemoveRun("new".into())));
}

#[test]
fn what_cannot_be_done_says_why() {
    let mut shared = shared();
    let mut home = home(&mut shared);
    assert_eq!(home.refusal(Action::ResumeRun, &shared), None);
    home.act(Action::Down, &mut shared);
    assert!(home.refusal(Action::ResumeRun, &shared).unwrap().contains("branch"));
    shared.live = Some(Live::new(manifest("busy", "", None)));
    assert!(home.refusal(Action::NewRun, &shared).unwrap().contains("busy is training"));
}

#[test]
fn a_new_run_starts_with_the_values_of_the_form() {
    let mut shared = shared();
    let mut home = home(&mut shared);
    assert_eq!(home.act(Action::NewRun, &mut shared), [job(Job::Presets)]);
    let asked = home.reply(&Reply::Presets(Ok(vec![("digits".into(), "small".into())])), &mut shared);
    assert_eq!(asked, [job(Job::Preset { name: "digits".into(), set: Vec::new() })]);
    let summary = |set: &[&str], epochs| {
        let mut preset = preset("digits");
        preset.training.epochs = epochs;
        let summary =
            PresetSummary { toml: String::new(), spec: None, images: None, seconds_per_epoch: None, preset };
        let set = set.iter().map(|set| (*set).to_owned()).collect();
        Reply::Preset { name: "digits".into(), set, summary: Ok(Box::new(summary)) }
    };
    home.reply(&summary(&[], 40), &mut shared);
    let Some(Open::New(new)) = &mut home.open else { panic!("the form is open") };
    let form = new.form.as_mut().unwrap();
    assert_eq!(form.value("epochs"), "40");
    form.focus = form.fields.iter().position(|field| field.name == "epochs").unwrap();
    let asked = types(&mut home, &mut shared, "0");
    assert_eq!(asked, [job(Job::Preset { name: "digits".into(), set: vec!["training.epochs=400".into()] })]);
    assert_eq!(home.command_line(&shared).unwrap(), "cleave train digits --set training.epochs=400");
    let submit = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
    assert!(home.key(submit, &mut shared).is_empty(), "it waits until the values are checked");
    let effects = home.reply(&summary(&["training.epochs=400"], 400), &mut shared);
    let Some(Effect::Launch(launch)) = effects.first() else { panic!("{effects:?}") };
    assert!(matches!(&**launch, Launch::New { preset, .. } if preset.training.epochs == 400));
    assert!(home.refused() && home.prompt().is_some(), "what was typed stays where the launch fails");
    let submit = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
    home.key(submit, &mut shared);
    home.started();
    assert!(home.prompt().is_none());
}

#[test]
fn a_branch_is_asked_for_on_the_dashboard_which_knows_the_settings_of_the_run() {
    let mut shared = shared();
    let mut home = home(&mut shared);
    let effects = home.act(Action::BranchRun, &mut shared);
    assert_eq!(effects, [Effect::Go(Screen::Dashboard), Effect::Do(Action::BranchHere)]);
    assert_eq!(shared.open.as_deref(), Some("new"));
}

#[test]
fn a_name_that_another_run_has_is_refused_while_it_is_typed() {
    let mut shared = shared();
    let mut home = home(&mut shared);
    home.act(Action::NewRun, &mut shared);
    home.reply(&Reply::Presets(Ok(vec![("digits".into(), "small".into())])), &mut shared);
    let Some(Open::New(new)) = &mut home.open else { panic!("the form is open") };
    new.form.as_mut().unwrap().focus = 1;
    let problem = |home: &Home| match &home.open {
        Some(Open::New(new)) => new.form.as_ref().unwrap().field("name").unwrap().problem(),
        _ => panic!("the form is closed"),
    };
    types(&mut home, &mut shared, "mid");
    assert_eq!(problem(&home).as_deref(), Some("name already in use"));
    types(&mut home, &mut shared, "d");
    assert_eq!(problem(&home), None);
}
