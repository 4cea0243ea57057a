//! The help page: the keys of the current screen, and those of every screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::{Action, Screen, TABLE};
use super::keymap::Keymap;
use super::theme::{Look, Role};
use super::widget::{Selection, popup, text};

/// The scroll position of the page.
#[derive(Clone, Debug, Default)]
pub struct Help {
    top: Selection,
}

/// A line of the page.
enum HelpLine {
    Heading(&'static str),
    Keys(String, String),
    Note(String),
}

/// Width of the key column.
const KEYS: usize = 15;

/// The lines, with long ones wrapped.
fn wrapped(lines: Vec<HelpLine>, room: usize, look: Look) -> Vec<HelpLine> {
    let wrap = |text: &str, room: usize| text::wrap(text, room.max(8), look.charset);
    let broken = lines.into_iter().flat_map(|line| match line {
        HelpLine::Keys(keys, help) => {
            let keys = std::iter::once(keys).chain(std::iter::repeat(String::new()));
            keys.zip(wrap(&help, room)).map(|(keys, help)| HelpLine::Keys(keys, help)).collect()
        }
        HelpLine::Note(note) => wrap(&note, room + KEYS).into_iter().map(HelpLine::Note).collect(),
        heading => vec![heading],
    });
    broken.collect()
}

/// Notes below the key tables.
const NOTES: [&str; 4] = [
    "ctrl-c asks before quitting; pressed twice within two seconds it saves a checkpoint and quits.",
    "Mouse: click to select, drag sliders, use the wheel to zoom or scroll. Hold shift to select text.",
    "Keys can be changed: `cleave keys` prints the key file and its location.",
    "Training continues while other screens are shown.",
];

impl Help {
    /// Scrolls by an action.
    pub fn scroll(&mut self, action: Action, screen: Screen, keymap: &Keymap) {
        // Counts unwrapped lines: few are wrapped, and the view clamps to the last line.
        self.top.act(action, 2 * lines(screen, keymap).len());
    }

    /// Draws the page.
    pub fn view(&self, look: Look, screen: Screen, keymap: &Keymap, area: Rect, buffer: &mut Buffer) {
        let size = (area.width.saturating_sub(2).clamp(30, 100), area.height.saturating_sub(2).max(3));
        let columns = usize::from(size.0.min(area.width).saturating_sub(2));
        let keys = KEYS.min(columns / 2);
        let lines = wrapped(lines(screen, keymap), columns.saturating_sub(keys + 5), look);
        let height = usize::from(size.1.min(area.height).saturating_sub(2));
        let first = self.top.at.min(lines.len().saturating_sub(height));
        let last = (first + height).min(lines.len());
        let title = format!("help, lines {} to {last} of {}", first + 1, lines.len());
        let inner = popup(look, area, buffer, &title, size);
        for (row, line) in (0..inner.height).zip(lines.iter().skip(first)) {
            match line {
                HelpLine::Heading(title) => {
                    text::put(buffer, inner, (1, row), title, look.style(Role::Title));
                }
                HelpLine::Keys(of, help) => {
                    let of = text::fit(of, keys, false, look.charset);
                    let x = text::put(buffer, inner, (3, row), &of, look.style(Role::Key));
                    text::put(buffer, inner, (x + 1, row), help, look.style(Role::Text));
                }
                HelpLine::Note(note) => {
                    text::put(buffer, inner, (3, row), note, look.style(Role::Dim));
                }
            }
        }
    }
}

fn lines(screen: Screen, keymap: &Keymap) -> Vec<HelpLine> {
    let mut lines = Vec::new();
    for section in [screen, Screen::Everywhere] {
        lines.push(HelpLine::Heading(section.title()));
        for entry in TABLE.iter().filter(|entry| entry.screen == section) {
            let keys: Vec<String> = keymap.keys(entry.action).collect();
            lines.push(HelpLine::Keys(keys.join(" "), entry.help.to_owned()));
        }
    }
    lines.push(HelpLine::Heading("Notes"));
    lines.extend(NOTES.map(|note| HelpLine::Note(note.to_owned())));
    lines
}
