//! A dialog: a message, or a question with buttons.

use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::frame::popup;
use super::text;
use crate::tui::hits::{Hits, Target};
use crate::tui::theme::{Look, Role};

/// The result of a key or click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The dialog stays open.
    Open,
    /// The button of this index was chosen.
    Chosen(usize),
    /// The dialog was closed without a choice.
    Cancelled,
}

/// A text with buttons. Arrows and tab move between buttons; enter, or the letter shown before a button, chooses one;
/// esc cancels.
#[derive(Clone, Debug)]
pub struct Dialog {
    title: String,
    text: String,
    buttons: Vec<(char, String)>,
    selected: usize,
}

impl Dialog {
    /// A question. Each button has a letter; the first is selected initially.
    pub fn ask(title: &str, text: &str, buttons: &[(char, &str)]) -> Self {
        let buttons = buttons.iter().map(|(letter, label)| (*letter, (*label).to_owned())).collect();
        Dialog { title: title.into(), text: text.into(), buttons, selected: 0 }
    }

    /// A yes-or-no question about something that cannot be undone: "no" is selected initially. Yes is button 0.
    pub fn confirm(title: &str, text: &str, yes: &str) -> Self {
        Dialog { selected: 1, ..Dialog::ask(title, text, &[('y', yes), ('n', "no")]) }
    }

    /// A message with a close button.
    pub fn message(title: &str, text: &str) -> Self {
        Dialog::ask(title, text, &[('c', "close")])
    }

    /// Handles a key.
    pub fn key(&mut self, key: KeyEvent) -> Answer {
        let count = self.buttons.len().max(1);
        match key.code {
            KeyCode::Esc => return Answer::Cancelled,
            KeyCode::Enter => return Answer::Chosen(self.selected),
            KeyCode::Left | KeyCode::Up | KeyCode::BackTab => {
                self.selected = (self.selected + count - 1) % count
            }
            KeyCode::Right | KeyCode::Down | KeyCode::Tab => self.selected = (self.selected + 1) % count,
            KeyCode::Char(letter) => {
                let chosen = |(own, _): &(char, String)| own.eq_ignore_ascii_case(&letter);
                if let Some(index) = self.buttons.iter().position(chosen) {
                    return Answer::Chosen(index);
                }
            }
            _ => {}
        }
        Answer::Open
    }

    /// Handles a click on a button.
    pub fn mouse(&mut self, mouse: MouseEvent, at: Option<(Rect, Target)>) -> Answer {
        match (mouse.kind, at) {
            (MouseEventKind::Down(MouseButton::Left), Some((_, Target::Button(index)))) => {
                Answer::Chosen(index)
            }
            _ => Answer::Open,
        }
    }

    /// Draws the dialog in the middle of an area.
    pub fn view(&self, look: Look, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let widest =
            self.text.lines().map(text::width).chain([text::width(&self.title) + 4]).max().unwrap_or(0);
        let buttons = self.buttons.iter().map(|(_, label)| text::width(label) + 8).sum::<usize>();
        let width = widest.max(buttons).clamp(24, 66).min(usize::from(area.width.saturating_sub(4)).max(1));
        let lines = text::wrap(&self.text, width, look.charset);
        // Stack the buttons if they do not fit on one line.
        let stacked = buttons > width;
        let rows = if stacked { self.buttons.len() } else { 1 };
        let height = lines.len() + 1 + rows;
        let size = |n: usize, frame: u16| u16::try_from(n).unwrap_or(u16::MAX).saturating_add(frame);
        let inner = popup(look, area, buffer, &self.title, (size(width, 4), size(height, 2)));
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        let room = usize::from(inner.height).saturating_sub(rows + 1);
        for (row, line) in (0..).zip(lines.iter().take(room)) {
            text::put(buffer, inner, (0, row), line, look.style(Role::Text));
        }
        let (mut x, mut y) =
            (0, size(lines.len().min(room), 1).min(inner.height.saturating_sub(size(rows, 0))));
        for (index, (letter, label)) in self.buttons.iter().enumerate() {
            let selected = index == self.selected;
            let mark = if selected { look.charset.pick("▸", ">") } else { " " };
            let start = x;
            x = text::put(buffer, inner, (x, y), mark, look.style(Role::Focus));
            x = text::put(buffer, inner, (x, y), &format!(" {letter}"), look.style(Role::Key));
            x = text::put(buffer, inner, (x, y), &format!(" {label} "), look.style(Role::Text));
            let place = Rect::new(inner.x + start, inner.y + y, x - start, 1).intersection(inner);
            if selected {
                buffer.set_style(place, look.style(Role::Selected));
            }
            hits.add(place, Target::Button(index));
            (x, y) = if stacked { (0, y + 1) } else { (x + 2, y) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::KeyModifiers;

    fn press(dialog: &mut Dialog, code: KeyCode) -> Answer {
        dialog.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn what_cannot_be_undone_needs_more_than_enter() {
        let mut dialog = Dialog::confirm("Delete", "Delete the run?", "delete");
        assert_eq!(press(&mut dialog, KeyCode::Enter), Answer::Chosen(1));
        assert_eq!(press(&mut dialog, KeyCode::Char('Y')), Answer::Chosen(0));
        assert_eq!(press(&mut dialog, KeyCode::Esc), Answer::Cancelled);
        assert_eq!(press(&mut dialog, KeyCode::Char('x')), Answer::Open);
    }

    #[test]
    fn a_box_draws_at_any_size() {
        let dialog = Dialog::ask("Quit", "A run is being trained.", &[('s', "save and quit"), ('n', "stay")]);
        for (width, height) in [(1, 1), (3, 2), (20, 4), (40, 8), (200, 50)] {
            let area = Rect::new(0, 0, width, height);
            dialog.view(Look::default(), area, &mut Buffer::empty(area), &mut Hits::default());
        }
    }
}
