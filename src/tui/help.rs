//! The help page: the keys of the screen in sight, and those of every screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::{Action, Place, TABLE};
use super::keymap::Keymap;
use super::theme::{Look, Role};
use super::widget::{Selection, popup, text};

/// How far the page is scrolled.
#[derive(Clone, Debug, Default)]
pub struct Help {
    top: Selection,
}

/// A line of the page.
enum Line {
    Heading(&'static str),
    Keys(String, &'static str),
    Note(&'static str),
}

/// What no table of keys says.
const NOTES: [&str; 4] = [
    "ctrl-c asks before it leaves; twice within two seconds it saves a checkpoint and leaves.",
    "With the mouse: click to choose, drag sliders, wheel to zoom or scroll. Hold shift to select text.",
    "Keys can be changed in keys.toml, see `cleave paths`.",
    "Training goes on while you look at other screens.",
];

impl Help {
    /// Scrolls by an action.
    pub fn scroll(&mut self, action: Action, place: Place, keymap: &Keymap) {
        self.top.act(action, lines(place, keymap).len());
    }

    /// Draws the page.
    pub fn view(&self, look: Look, place: Place, keymap: &Keymap, area: Rect, buffer: &mut Buffer) {
        let lines = lines(place, keymap);
        let size = (area.width.saturating_sub(4).clamp(30, 96), area.height.saturating_sub(2).max(3));
        let inner = popup(look, area, buffer, "help: arrows scroll, esc closes", size);
        let height = usize::from(inner.height);
        let first = self.top.at.min(lines.len().saturating_sub(height));
        let columns = usize::from(inner.width);
        for (row, line) in (0..inner.height).zip(lines.iter().skip(first)) {
            match line {
                Line::Heading(title) => {
                    text::put(buffer, inner, (1, row), title, look.style(Role::Title));
                }
                Line::Keys(keys, help) => {
                    let keys = text::fit(keys, 18.min(columns / 2), false, look.charset);
                    let x = text::put(buffer, inner, (3, row), &keys, look.style(Role::Key));
                    let help = text::cut(help, columns.saturating_sub(usize::from(x) + 1), look.charset);
                    text::put(buffer, inner, (x + 1, row), &help, look.style(Role::Text));
                }
                Line::Note(note) => {
                    let note = text::cut(note, columns.saturating_sub(3), look.charset);
                    text::put(buffer, inner, (3, row), &note, look.style(Role::Dim));
                }
            }
        }
    }
}

fn lines(place: Place, keymap: &Keymap) -> Vec<Line> {
    let mut lines = Vec::new();
    for section in [place, Place::Everywhere] {
        lines.push(Line::Heading(section.title()));
        for entry in TABLE.iter().filter(|entry| entry.place == section) {
            let keys: Vec<String> = keymap.keys(entry.action).collect();
            lines.push(Line::Keys(keys.join(" "), entry.help));
        }
    }
    lines.push(Line::Heading("Good to know"));
    lines.extend(NOTES.map(Line::Note));
    lines
}
