//! Panes and popups.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use super::text;
use crate::tui::theme::{Look, Role};

/// Draws a titled border around a pane; returns the area inside. A focused pane has another border colour, and a mark
/// before its title that does not depend on colour.
pub fn frame(look: Look, area: Rect, buffer: &mut Buffer, title: &str, focused: bool) -> Rect {
    let area = area.intersection(buffer.area);
    let (border, mark) = match focused {
        true => (Role::Focus, look.charset.pick("▸ ", "> ")),
        false => (Role::Border, ""),
    };
    let title =
        text::cut(&format!(" {mark}{title} "), usize::from(area.width.saturating_sub(2)), look.charset);
    let block = Block::bordered()
        .border_type(BorderType::Plain)
        .border_set(look.charset.border())
        .border_style(look.style(border))
        .title(Span::styled(title, look.style(Role::Title)));
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}

/// Clears an area of at most this size in the middle of `area` and draws a frame around it; returns the area inside.
pub fn popup(look: Look, area: Rect, buffer: &mut Buffer, title: &str, size: (u16, u16)) -> Rect {
    let area = area.intersection(buffer.area);
    let (width, height) = (size.0.min(area.width), size.1.min(area.height));
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(place, buffer);
    buffer.set_style(place, look.style(Role::Ground));
    frame(look, place, buffer, title, true)
}
