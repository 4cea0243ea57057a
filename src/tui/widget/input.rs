//! A single-line text editor.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;
use tui_input::backend::crossterm::EventHandler;
use tui_input::{Input as Line, InputRequest};
use unicode_width::UnicodeWidthStr;

use crate::tui::theme::{Look, Role};

/// A line of text with a cursor. Shell key bindings: ctrl-a, ctrl-e, ctrl-w, ctrl-u, ctrl-k, ctrl-y.
#[derive(Clone, Debug, Default)]
pub struct Input {
    line: Line,
}

impl Input {
    /// A text with the cursor at its end.
    pub fn new(text: &str) -> Self {
        Input { line: Line::new(clean(text)) }
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.line.value()
    }

    /// Replaces the text.
    pub fn set(&mut self, text: &str) {
        *self = Input::new(text);
    }

    /// Handles a key; returns whether the text changed.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        // ctrl-u deletes the text before the cursor, as in shells.
        let before = key.code == KeyCode::Char('u') && key.modifiers == KeyModifiers::CONTROL;
        let changed = match before {
            true => self.line.handle(InputRequest::DeleteFromStart),
            false => self.line.handle_event(&Event::Key(key)),
        };
        changed.is_some_and(|changed| changed.value)
    }

    /// Inserts a text at the cursor, without line breaks and control characters.
    pub fn paste(&mut self, text: &str) {
        for character in clean(text).chars() {
            self.line.handle(InputRequest::InsertChar(character));
        }
    }

    /// Draws the text, scrolled so that the cursor is visible; the cursor is drawn only if the input is focused.
    pub fn view(&self, look: Look, area: Rect, buffer: &mut Buffer, focused: bool) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let columns = usize::from(area.width);
        let scroll = if focused { self.line.visual_cursor().saturating_sub(columns - 1) } else { 0 };
        let cursor = self.line.visual_cursor();
        let mut column = 0;
        for grapheme in Span::raw(self.text()).styled_graphemes(Style::new()) {
            let width = grapheme.symbol.width();
            if column >= scroll && column + width <= scroll + columns && width > 0 {
                let x = area.x + u16::try_from(column - scroll).unwrap_or(area.width - 1);
                let symbol = match look.charset.is_unicode() || grapheme.symbol.is_ascii() {
                    true => grapheme.symbol,
                    false => &"????"[..width.min(4)],
                };
                buffer.set_string(x, area.y, symbol, look.style(Role::Text));
            }
            column += width;
        }
        if focused {
            let at = u16::try_from(cursor - scroll).unwrap_or(0).min(area.width - 1);
            buffer.set_style(Rect::new(area.x + at, area.y, 1, 1), look.style(Role::Cursor));
        }
    }
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(input: &mut Input, code: KeyCode, modifiers: KeyModifiers) {
        input.key(KeyEvent::new(code, modifiers));
    }

    #[test]
    fn text_is_edited_as_in_a_shell() {
        let mut input = Input::new("one two");
        press(&mut input, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!(input.text(), "one ");
        input.paste("zwei\ndrei\u{7}");
        assert_eq!(input.text(), "one zwei drei");
        press(&mut input, KeyCode::Left, KeyModifiers::NONE);
        press(&mut input, KeyCode::Char('u'), KeyModifiers::CONTROL);
        assert_eq!(input.text(), "i");
    }

    #[test]
    fn the_cursor_stays_in_sight() {
        let input = Input::new("a long text with 飛行機");
        let area = Rect::new(0, 0, 6, 1);
        let mut buffer = Buffer::empty(area);
        input.view(Look::default(), area, &mut buffer, true);
        let row: String = buffer.content.iter().map(|cell| cell.symbol()).collect();
        assert!(row.contains('機'), "{row}");
    }
}
