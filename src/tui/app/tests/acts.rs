//! Every action that is not refused does something that a person can see.

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;

use super::scene::{PER, Scene};
use super::*;
use crate::tui::action::{Action, TABLE};

/// Large enough for all panels.
const SIZE: (u16, u16) = (140, 40);

/// Where one can be, by name, and how to come there.
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

/// A workbench that has listed no run.
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

/// What takes one to where the action has room: up from the first row is nowhere.
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

/// Does an action that must not be refused; gives the frame, and whether something outside was asked for.
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
        // The number of the screen that one is on leads where one is.
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
                // The first move may only bring the cursor in, at the end that it comes from.
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
