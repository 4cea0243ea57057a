//! Snapshots of the complete frame with each panel, at three sizes, with and without colours.

use crossterm::event::KeyCode;

use super::scene::{PER, Scene};
use crate::run::Event;
use crate::tui::message::Msg;
use crate::tui::snapshot::{SIZES, compare, styled};
use crate::tui::theme::{Charset, Theme};

fn picture(name: &str, mut scene: Scene) {
    scene.answer_all();
    for (width, height) in SIZES {
        for (theme, charset, ending) in
            [(Theme::Dark, Charset::Braille, ""), (Theme::Mono, Charset::Ascii, "-mono")]
        {
            (scene.app.shared.theme, scene.app.shared.charset) = (theme, charset);
            let buffer = scene.draw(width, height);
            let plain = ratatui::style::Color::Reset;
            let mono = |cell: &ratatui::buffer::Cell| {
                cell.fg == plain && cell.bg == plain && cell.symbol().is_ascii()
            };
            assert!(theme != Theme::Mono || buffer.content.iter().all(mono), "{name}: colours or wide signs");
            compare("app", &format!("{name}-{width}x{height}{ending}"), &styled(&buffer));
        }
    }
}

fn with_runs() -> Scene {
    let mut scene = Scene::new();
    scene.send(Msg::Device { name: "cpu".into(), note: None });
    scene.answer_all();
    scene
}

#[test]
fn the_list_of_runs() {
    let mut scene = with_runs();
    scene.type_text(" j jj");
    picture("runs", scene);
}

#[test]
fn the_form_for_a_new_run() {
    let mut scene = with_runs();
    scene.type_text("n");
    picture("new-run", scene);
}

#[test]
fn the_text_of_a_preset() {
    let mut scene = with_runs();
    scene.type_text("n");
    scene.control('t');
    picture("preset", scene);
}

#[test]
fn the_form_for_a_branch() {
    let mut scene = with_runs();
    scene.type_text("b");
    picture("branch", scene);
}

#[test]
fn the_question_before_a_run_is_deleted() {
    let mut scene = with_runs();
    scene.type_text("d");
    picture("delete", scene);
}

#[test]
fn the_palette() {
    let mut scene = with_runs();
    scene.type_text(":ex");
    picture("palette", scene);
}

#[test]
fn the_help_page() {
    let mut scene = with_runs();
    scene.type_text("2?");
    picture("help", scene);
}

#[test]
fn a_run_in_training() {
    let mut scene = Scene::training(4 * PER);
    scene.type_text("]+");
    scene.train(PER);
    picture("training", scene);
}

#[test]
fn the_question_before_leaving() {
    let mut scene = Scene::training(2 * PER);
    scene.wait();
    scene.type_text("q");
    picture("leaving", scene);
}

#[test]
fn a_run_that_failed_and_the_log() {
    let mut scene = Scene::training(2 * PER);
    let message = "training stopped by a fault in the program: index out of bounds:\n".repeat(5);
    scene.say(Event::Failed { step: 45, message, diverged: false, checkpoint: Some(40) });
    scene.answer_all();
    scene.wait();
    scene.type_text("L");
    picture("failed", scene);
}

#[test]
fn the_form_for_an_extraction() {
    let mut scene = Scene::training(2 * PER);
    scene.wait();
    scene.type_text("3 j x");
    picture("extract", scene);
}

#[test]
fn a_module_tried_on_a_picture() {
    let mut scene = Scene::training(2 * PER);
    scene.wait();
    scene.type_text("3");
    scene.press(KeyCode::Tab);
    scene.press(KeyCode::Tab);
    scene.type_text("t");
    picture("image", scene);
}
