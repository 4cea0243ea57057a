//! Random input, events and replies in any order and at any size: nothing panics, and the program can be quit.

use std::collections::BTreeMap;

use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyEventState, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use proptest::prelude::*;

use super::scene::{PER, Scene};
use super::*;
use crate::run::{Event, StepRecord, Summary};
use crate::tui::action::TABLE;
use crate::tui::palette::Choice;

/// An input from the user, the terminal, the session or a worker.
#[derive(Clone, Debug)]
enum Deed {
    /// A key.
    Key(KeyEvent),
    /// An action chosen in the palette.
    Act(usize),
    /// The mouse.
    Mouse(MouseEvent),
    /// Pasted text.
    Paste(String),
    /// A frame of this size.
    Draw(u16, u16),
    /// Replies to a number of jobs, successful or not.
    Answer(bool, u8),
    /// The session trains a number of steps.
    Train(u64),
    /// An event of the session, expected or not.
    Say(Event),
    /// Time passes.
    Tick(u64),
    /// The process was suspended and resumed.
    Wake,
}

fn key() -> impl Strategy<Value = Deed> {
    let named = prop::sample::select(vec![
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::F(1),
        KeyCode::Null,
    ]);
    let code = prop_oneof![
        3 => prop::char::range(' ', '~').prop_map(KeyCode::Char),
        2 => named,
        1 => any::<char>().prop_map(KeyCode::Char),
    ];
    let modifiers = prop_oneof![
        4 => Just(KeyModifiers::NONE),
        1 => (0u8..8).prop_map(KeyModifiers::from_bits_truncate),
    ];
    (code, modifiers, any::<bool>()).prop_map(|(code, modifiers, press)| {
        let kind = if press { KeyEventKind::Press } else { KeyEventKind::Repeat };
        Deed::Key(KeyEvent { code, modifiers, kind, state: KeyEventState::NONE })
    })
}

fn mouse() -> impl Strategy<Value = Deed> {
    let kinds = vec![
        MouseEventKind::Down(MouseButton::Left),
        MouseEventKind::Down(MouseButton::Right),
        MouseEventKind::Drag(MouseButton::Left),
        MouseEventKind::Up(MouseButton::Left),
        MouseEventKind::Moved,
        MouseEventKind::ScrollUp,
        MouseEventKind::ScrollDown,
    ];
    (prop::sample::select(kinds), 0u16..130, 0u16..45).prop_map(|(kind, column, row)| {
        Deed::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
    })
}

fn event() -> impl Strategy<Value = Event> {
    let steps = (0u64..1000, any::<f64>()).prop_map(|(step, loss)| {
        let train = BTreeMap::from([("cross_entropy".to_owned(), loss), ("accuracy".to_owned(), loss)]);
        let (seconds, learning_rate, images_per_second) = (1.0, loss, loss);
        Event::Steps(StepRecord { step, seconds, train, learning_rate, images_per_second })
    });
    prop_oneof![
        steps,
        (0u64..5, 0u64..9).prop_map(|(revision, step)| {
            Event::Applied { step, revision: Some(revision), change: "alpha = 2".into() }
        }),
        (0u64..5).prop_map(|revision| Event::Refused { step: 1, revision, why: "no".into() }),
        (0u64..5).prop_map(|revision| Event::Extracted { step: 1, revision, module: "pair".into() }),
        (0u64..900).prop_map(|step| Event::Checkpointed { step }),
        (0u64..900).prop_map(|step| Event::Tuning { step }),
        (0u64..900, any::<f64>()).prop_map(|(step, seconds)| Event::Ready { step, seconds }),
        Just(Event::Warning { step: 1, message: "\u{1b}[31mred 飛行機".into() }),
        Just(Event::Finished { step: 300, summary: Summary::default() }),
        Just(Event::Stopped { step: 3 }),
        Just(Event::Failed { step: 3, message: "飛行機\u{7}".into(), diverged: true, checkpoint: None }),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    let size = prop_oneof![
        6 => (60u16..130, 16u16..45),
        1 => (1u16..60, 1u16..16),
        1 => prop::sample::select(vec![(1, 1), (500, 200), (80, 24), (60, 16)]),
    ];
    prop_oneof![
        12 => key(),
        8 => (0..TABLE.len()).prop_map(Deed::Act),
        4 => mouse(),
        1 => ".{0,12}".prop_map(Deed::Paste),
        2 => size.prop_map(|(width, height)| Deed::Draw(width, height)),
        6 => (prop::bool::weighted(0.8), 1u8..6).prop_map(|(lucky, count)| Deed::Answer(lucky, count)),
        3 => (1u64..3 * PER).prop_map(Deed::Train),
        2 => event().prop_map(Deed::Say),
        1 => (0u64..100).prop_map(Deed::Tick),
        1 => Just(Deed::Wake),
    ]
}

impl Scene {
    fn do_(&mut self, deed: Deed) {
        match deed {
            Deed::Key(key) => self.send(Msg::Key(key)),
            Deed::Act(at) => {
                let effects = self.app.chosen(Choice::Do(TABLE[at].action));
                let effects = self.app.apply_effects(effects);
                self.carry_out(effects);
            }
            Deed::Mouse(mouse) => self.send(Msg::Mouse(mouse)),
            Deed::Paste(text) => self.send(Msg::Paste(text)),
            Deed::Draw(width, height) => drop(self.draw(width, height)),
            Deed::Answer(lucky, count) => {
                self.lucky = lucky;
                let _ = (0..count).take_while(|_| self.answer()).count();
            }
            Deed::Train(steps) => self.train(steps),
            Deed::Say(event) => self.send(Msg::Session(event)),
            Deed::Tick(seconds) => self.send(at(seconds)),
            Deed::Wake => self.send(Msg::Woken),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_happens_panics_and_one_can_always_leave(deeds in prop::collection::vec(deed(), 1..100)) {
        let mut scene = Scene::new();
        for deed in deeds {
            scene.do_(deed);
        }
        scene.draw(80, 24);
        scene.answer_all();
        scene.left = false;
        scene.control('c');
        if !scene.left {
            scene.control('c');
        }
        prop_assert!(scene.left);
    }
}
