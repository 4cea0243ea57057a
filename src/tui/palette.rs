//! The command palette: fuzzy search over all actions.

use crossterm::event::{KeyCode, KeyEvent};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::action::{Action, Entry, Screen, TABLE};
use super::hits::Hits;
use super::keymap::Keymap;
use super::theme::{Look, Role};
use super::widget::{Column, Input, Selection, Table, popup, text};

/// The pane number of its rows for the mouse.
pub const PANE: usize = usize::MAX;

/// Rows below the list, for the description of the selected action or why it is unavailable.
const FOOT: u16 = 2;

/// The query and the selected result.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    query: Input,
    selection: Selection,
}

/// The result of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The palette stays open.
    Open,
    /// The palette closes.
    Closed,
    /// This action was chosen.
    Do(Action),
}

const COLUMNS: [Column; 4] = [
    Column::new("action", 16),
    Column::new("where", 10).drop(2),
    Column::new("key", 10).drop(1),
    Column::new("what it does", 24).grows().drop(3),
];

impl Palette {
    /// The actions that match the query, best first; without a query all actions, the screen's own first.
    pub fn found(&self, screen: Screen) -> Vec<&'static Entry> {
        let mut entries: Vec<&Entry> = TABLE.iter().collect();
        entries.sort_by_key(|entry| match entry.screen {
            own if own == screen => 0,
            Screen::Everywhere => 1,
            _ => 2,
        });
        let query = self.query.text().trim();
        if query.is_empty() {
            return entries;
        }
        let pattern = Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut buffer = Vec::new();
        let mut score = |entry: &Entry| {
            let mut of = |text: &str| {
                pattern.score(nucleo_matcher::Utf32Str::new(text, &mut buffer), &mut matcher).unwrap_or(0)
            };
            // A match in the title counts more than one in the description.
            (2 * of(entry.title)).max(2 * of(&entry.action.name())).max(of(entry.help))
        };
        let mut scored: Vec<(u32, &Entry)> = entries.into_iter().map(|entry| (score(entry), entry)).collect();
        scored.retain(|(score, _)| *score > 0);
        scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        scored.into_iter().map(|(_, entry)| entry).collect()
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent, screen: Screen) -> Choice {
        let count = self.found(screen).len();
        let ctrl = key.modifiers.contains(crossterm::event::KeyModifiers::CONTROL);
        let moves = match key.code {
            KeyCode::Esc => return Choice::Closed,
            KeyCode::Enter => return self.choose(self.selection.at, screen),
            KeyCode::Up => Some(Action::Up),
            KeyCode::Down | KeyCode::Tab => Some(Action::Down),
            KeyCode::Char('p') if ctrl => Some(Action::Up),
            KeyCode::Char('n') if ctrl => Some(Action::Down),
            KeyCode::PageUp => Some(Action::PageUp),
            KeyCode::PageDown => Some(Action::PageDown),
            _ => None,
        };
        match moves {
            Some(moves) => {
                self.selection.act(moves, count);
            }
            None if self.query.key(key) => self.selection.at = 0,
            None => {}
        }
        Choice::Open
    }

    /// Inserts a pasted text.
    pub fn paste(&mut self, text: &str) {
        self.query.paste(text);
        self.selection.at = 0;
    }

    /// Moves the selection by an action.
    pub fn scroll(&mut self, action: Action, screen: Screen) {
        self.selection.act(action, self.found(screen).len());
    }

    /// Chooses a row.
    pub fn choose(&self, row: usize, screen: Screen) -> Choice {
        self.found(screen).get(row).map_or(Choice::Open, |entry| Choice::Do(entry.action))
    }

    /// Draws the palette. `refusal` returns why an action is unavailable.
    pub fn view(
        &self,
        (look, screen, keymap): (Look, Screen, &Keymap),
        refusal: &dyn Fn(Action) -> Option<String>,
        area: Rect,
        buffer: &mut Buffer,
        hits: &mut Hits,
    ) {
        let found = self.found(screen);
        let size = (area.width.saturating_sub(8).clamp(30, 100), area.height.saturating_sub(4).clamp(6, 24));
        let inner = popup(look, area, buffer, "commands", size);
        let line = Rect {
            x: inner.x + inner.width.min(2),
            width: inner.width.saturating_sub(3),
            height: inner.height.min(1),
            ..inner
        };
        self.query.view(look, line, buffer, true);
        let row = |index: usize| {
            let Some(entry) = found.get(index) else { return Vec::new() };
            let refused = refusal(entry.action);
            let dim = look.style(Role::Dim);
            let main = if refused.is_some() { dim } else { Style::new() };
            let keys: Vec<String> = keymap.keys(entry.action).collect();
            vec![
                (entry.title.to_owned(), main),
                (entry.screen.title().to_lowercase(), dim),
                (keys.join(" "), if refused.is_some() { dim } else { look.style(Role::Key) }),
                refused.map_or((entry.help.to_owned(), dim), |why| {
                    (format!("not now: {why}"), look.style(Role::Warn))
                }),
            ]
        };
        let table =
            Table { columns: &COLUMNS, sort: None, len: found.len(), row: &row, pane: PANE, focused: true };
        let foot = if inner.height >= 9 { FOOT } else { 0 };
        let below = Rect { y: inner.y + line.height, height: inner.height - line.height - foot, ..inner };
        table.view(look, below, buffer, hits, &self.selection);
        if let Some(entry) = found.get(self.selection.at) {
            let room = Rect { y: below.bottom(), height: foot, ..line };
            let (words, role) = match refusal(entry.action) {
                Some(why) => (format!("not now: {why}"), Role::Warn),
                None => (entry.help.to_owned(), Role::Text),
            };
            for (row, line) in (0..foot).zip(text::wrap(&words, usize::from(room.width), look.charset)) {
                text::put(buffer, room, (0, row), &line, look.style(role));
            }
        }
        if found.is_empty() {
            text::put(buffer, below, (2, 1), "no matching action", look.style(Role::Dim));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(query: &str) -> Palette {
        let mut palette = Palette::default();
        palette.paste(query);
        palette
    }

    #[test]
    fn the_palette_holds_every_action() {
        assert_eq!(Palette::default().found(Screen::Home).len(), TABLE.len());
    }

    #[test]
    fn a_few_letters_find_an_action() {
        for (query, action) in [
            ("chkpt", Action::Checkpoint),
            ("theme", Action::NextTheme),
            ("undo", Action::UndoChange),
            ("new run", Action::NewRun),
        ] {
            assert_eq!(typed(query).found(Screen::Home)[0].action, action, "{query}");
        }
        assert!(typed("zzzz").found(Screen::Home).is_empty());
    }

    #[test]
    fn the_screens_own_actions_come_first() {
        assert_eq!(Palette::default().found(Screen::Modules)[0].screen, Screen::Modules);
    }
}
