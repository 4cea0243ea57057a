//! Every available action has a visible effect.

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;

use super::scene::{PER, Scene};
use super::*;
use crate::tui::action::{Action, TABLE};

/// A size with room for all panels.
const SIZE: (u16, u16) = (140, 40);

/// Situations by name, and how to reach each.
type Situation = (&'static str, fn() -> Scene);

const SITUATIONS: [Situation; 9] = [
    ("runs", runs),
    ("no runs", nothing),
    ("a run in training", || Scene::training(4 * PER)),
    ("no run on the dashboard", || pressed(nothing(), "2")),
    ("a run that stopped", || pressed(runs(), "jjj\n")),
    ("classes", || pressed(Scene::training(4 * PER), "3 ")),
    ("a view", || pressed(Scene::training(4 * PER), "3 \tv")),
    ("modules", || pressed(Scene::training(4 * PER), "3 \t\t\n")),
    ("no run on the modules screen", || pressed(nothing(), "3")),
];

/// A workbench without runs.
fn nothing() -> Scene {
    let mut scene = Scene::new();
    scene.send(Msg::Device { name: "cpu".into(), note: None });
    scene.send(Msg::Reply(Box::new(Reply::Runs(Ok(Vec::new())))));
    scene
}

fn runs() -> Scene {
    let mut scene = Scene::new();
    scene.answer_all();
    scene
}

fn pressed(mut scene: Scene, keys: &str) -> Scene {
    for key in keys.chars() {
        scene.press(match key {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            key => KeyCode::Char(key),
        });
        scene.answer_all();
    }
    scene.wait();
    scene
}

/// The action to perform first so that `action` has an effect: Up does nothing in the first row.
fn before(action: Action) -> Option<Action> {
    let pairs = [
        (Action::Up, Action::Down),
        (Action::Left, Action::Right),
        (Action::PageUp, Action::PageDown),
        (Action::Top, Action::Bottom),
        (Action::ScrubForward, Action::ScrubBack),
    ];
    pairs.into_iter().find_map(|(one, other)| match action {
        action if action == one => Some(other),
        action if action == other => Some(one),
        _ => None,
    })
}

/// Performs an action that must be available; returns the frame, and whether there were effects.
fn does(scene: &mut Scene, action: Action) -> (Buffer, bool) {
    let effects = scene.app.act(action);
    let effects = scene.app.apply_effects(effects);
    (scene.draw(SIZE.0, SIZE.1), !effects.is_empty())
}

#[test]
fn every_action_that_is_not_refused_is_seen_or_does_something() {
    let mut idle = Vec::new();
    for (name, make) in SITUATIONS {
        let mut open: Vec<Action> = TABLE.iter().map(|entry| entry.action).collect();
        let scene = make();
        // The action of the current screen has no effect.
        let here = match scene.app.screen {
            Screen::Dashboard => Action::GoDashboard,
            Screen::Modules => Action::GoModules,
            Screen::Home | Screen::Everywhere => Action::GoHome,
        };
        let own = |action: &Action| [scene.app.screen, Screen::Everywhere].contains(&action.entry().screen);
        open.retain(|action| own(action) && *action != here && scene.app.refusal(*action).is_none());
        for action in open {
            let mut scene = make();
            let mut old = scene.draw(SIZE.0, SIZE.1);
            if let Some(back) = before(action).filter(|back| scene.app.refusal(*back).is_none()) {
                // The first move may only place the cursor at an end.
                does(&mut scene, back);
                (old, _) = does(&mut scene, back);
            }
            if scene.app.refusal(action).is_none() {
                let (new, asked) = does(&mut scene, action);
                if new == old && !asked {
                    idle.push(format!("{name}: {action:?}"));
                }
            }
        }
    }
    assert!(idle.is_empty(), "nothing is seen of\n{}", idle.join("\n"));
}

#[test]
fn the_log_lies_over_the_screen_where_there_are_few_rows() {
    let mut scene = Scene::training(PER);
    scene.wait();
    let before = scene.draw(60, 16);
    scene.press(KeyCode::Char('L'));
    let text = crate::tui::snapshot::text(&scene.draw(60, 16));
    assert!(text.contains("log ") && text.contains("epoch 1: validation accuracy"), "{text}");
    scene.press(KeyCode::Esc);
    assert_eq!(scene.draw(60, 16), before);
}
