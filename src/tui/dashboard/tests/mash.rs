//! Random input and events in any order and at any size: nothing panics.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;

use super::*;
use crate::tui::action::{Screen, TABLE};

#[derive(Clone, Debug)]
enum Deed {
    Act(Action),
    Key(KeyCode),
    Mouse(MouseEventKind, u16, u16),
    Draw(u16, u16),
    Train,
    Apply,
    Refuse,
    End(u8),
    Start(bool),
    Read(bool, bool),
    Look(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    let known = |screen: Screen| matches!(screen, Screen::Everywhere | Screen::Dashboard);
    let actions: Vec<Action> = TABLE.iter().filter(|e| known(e.screen)).map(|e| e.action).collect();
    let keys = vec![
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::Right,
        KeyCode::Backspace,
        KeyCode::Char('7'),
    ];
    let kinds = vec![
        MouseEventKind::Down(MouseButton::Left),
        MouseEventKind::Drag(MouseButton::Left),
        MouseEventKind::Up(MouseButton::Left),
        MouseEventKind::Moved,
        MouseEventKind::ScrollUp,
        MouseEventKind::ScrollDown,
    ];
    prop_oneof![
        8 => prop::sample::select(actions).prop_map(Deed::Act),
        3 => prop::sample::select(keys).prop_map(Deed::Key),
        4 => (prop::sample::select(kinds), 0..130u16, 0..50u16).prop_map(|(kind, x, y)| Deed::Mouse(kind, x, y)),
        2 => (1..160u16, 1..60u16).prop_map(|(width, height)| Deed::Draw(width, height)),
        3 => Just(Deed::Train),
        3 => Just(Deed::Apply),
        1 => Just(Deed::Refuse),
        1 => (0..3u8).prop_map(Deed::End),
        1 => any::<bool>().prop_map(Deed::Start),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(own, right)| Deed::Read(own, right)),
        1 => (0..4u8).prop_map(Deed::Look),
    ]
}

impl Bench {
    fn do_(&mut self, deed: Deed) {
        match deed {
            Deed::Act(action) if self.dashboard.prompt().is_none() => self.act(action),
            Deed::Act(_) => {}
            Deed::Key(code) => self.press(code),
            Deed::Mouse(kind, column, row) => {
                let at = self.hits.at(column, row);
                let mouse = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
                self.dashboard.mouse(mouse, at, &mut self.shared);
            }
            Deed::Draw(width, height) => {
                self.draw(width, height);
            }
            Deed::Train => {
                let step = self.shared.live.as_ref().map_or(0, |live| live.step);
                self.train(step, step + 40);
            }
            Deed::Apply => {
                let step = self.shared.live.as_ref().map_or(0, |live| live.step);
                self.apply(step);
            }
            Deed::Refuse => {
                self.event(Event::Refused { step: 1, revision: 1, why: "no".into() });
            }
            Deed::End(how) => self.event(match how {
                0 => Event::Stopped { step: 7 },
                1 => Event::Finished { step: STEPS, summary: Default::default() },
                _ => Event::Failed {
                    step: 9,
                    message: "飛行機 fell down".into(),
                    diverged: true,
                    checkpoint: None,
                },
            }),
            Deed::Start(branch) => self.start("second", "digits-mwt", branch.then_some(("first", 40))),
            Deed::Read(own, right) => {
                let run = if own { "first" } else { "other" };
                match right {
                    true => self.read(history(run, "digits-mwt", None, 200)),
                    false => {
                        let (run, until) = (run.into(), u64::MAX);
                        let reply = Reply::History { run, until, found: Err("it is gone".into()) };
                        self.dashboard.reply(&reply, &mut self.shared);
                    }
                }
            }
            Deed::Look(what) => {
                match what {
                    0 => self.shared.open = Some("other".into()),
                    1 => self.shared.open = None,
                    2 => self.shared.marked = vec!["other".into(), "first".into()],
                    _ => self.shared.theme = self.shared.theme.next(),
                }
                self.dashboard.enter(&mut self.shared);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_order_of_keys_events_and_sizes_panics(deeds in prop::collection::vec(deed(), 1..60)) {
        let mut bench = Bench::training("digits-mwt", 60);
        bench.draw(80, 24);
        for deed in deeds {
            bench.do_(deed);
        }
        bench.draw(80, 24);
    }
}

#[test]
fn it_draws_at_any_size() {
    let mut bench = Bench::training("digits-mwt", 300);
    for expanded in [false, true] {
        bench.dashboard.expanded = expanded;
        for (width, height) in [(1, 1), (2, 3), (10, 2), (30, 5), (59, 15), (72, 18), (110, 24), (500, 200)] {
            bench.draw(width, height);
            bench.act(Action::EditSlider);
            bench.draw(width, height);
            bench.press(KeyCode::Esc);
        }
    }
}
