//! Drawing context of the screen's views.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

pub(super) use crate::export::figure::{count, share as percent, share_or_dash as percent_or_dash};
use crate::plot::{Canvas, Cells};
use crate::tui::action::Action;
use crate::tui::canvas::canvas;
use crate::tui::hits::{Hits, Target};
use crate::tui::keymap::Keymap;
use crate::tui::shared::Shared;
use crate::tui::theme::{Charset, Look, Role};
use crate::tui::widget::{frame, text};

/// The buffer, the look, and the clickable areas.
pub(super) struct Paint<'a> {
    pub look: Look,
    pub canvas: Canvas,
    pub buffer: &'a mut Buffer,
    pub hits: &'a mut Hits,
    /// Whether the view being drawn is focused.
    pub focused: bool,
    /// The key bindings, for hints.
    pub keys: &'a Keymap,
}

impl<'a> Paint<'a> {
    /// A context for this buffer.
    pub fn new(shared: &'a Shared, buffer: &'a mut Buffer, hits: &'a mut Hits) -> Self {
        let look = shared.look();
        Paint { look, canvas: canvas(look), buffer, hits, focused: false, keys: &shared.keymap }
    }

    /// The key of an action.
    pub fn key(&self, action: Action) -> String {
        self.keys.key(action)
    }

    /// Draws a pane with a border; returns the area inside.
    pub fn frame(&mut self, area: Rect, title: &str, focused: bool) -> Rect {
        frame(self.look, area, self.buffer, title, focused)
    }

    /// Writes styled parts into a row of the area, clipped; returns the columns used.
    pub fn line(&mut self, area: Rect, row: u16, parts: &[(&str, Role)]) -> u16 {
        let area = area.intersection(self.buffer.area);
        if row >= area.height {
            return 0;
        }
        let mut used = 0;
        for (part, role) in parts {
            let room = usize::from(area.width - used);
            let cut = text::cut(part, room, self.look.charset);
            let (x, y) = (area.x + used, area.y + row);
            let (end, _) = self.buffer.set_stringn(x, y, &cut, room, self.look.style(*role));
            used = end.saturating_sub(area.x).min(area.width);
            if used == area.width {
                break;
            }
        }
        used
    }

    /// Writes a wrapped text into the area; returns the rows used.
    pub fn note(&mut self, area: Rect, note: &str, role: Role) -> u16 {
        let lines = text::wrap(note, usize::from(area.width), self.look.charset);
        let shown = lines.iter().take(usize::from(area.height));
        let mut rows = 0;
        for (row, line) in (0..area.height).zip(shown) {
            self.line(area, row, &[(line, role)]);
            rows = row + 1;
        }
        rows
    }

    /// Writes the key hints below a view: `view` while the view is focused, else the key that focuses it; and `always` in
    /// both cases.
    pub fn hint(&mut self, area: Rect, row: u16, always: &str, view: &str) {
        let tab = format!("{}: focus the view", self.key(Action::NextPane));
        let view = if self.focused { view } else { &tab };
        let parts: Vec<&str> = [always, view].into_iter().filter(|part| !part.is_empty()).collect();
        self.line(area, row, &[(&parts.join("; "), Role::Dim)]);
    }

    /// Highlights a row of the area as selected.
    pub fn select(&mut self, area: Rect, row: u16, focused: bool) {
        let style = match focused {
            true => self.look.style(Role::Selected),
            false => Style::new().add_modifier(Modifier::BOLD),
        };
        let line = Rect { y: area.y.saturating_add(row), height: 1, ..area };
        self.buffer.set_style(line.intersection(area).intersection(self.buffer.area), style);
    }

    /// Makes the cells of a heat map clickable.
    pub fn cells(&mut self, cells: Cells) {
        let width = cells.width.max(1);
        for row in 0..cells.area.height {
            for column in 0..cells.area.width / width {
                let (x, y) = (cells.area.x + column * width, cells.area.y + row);
                if let Some((row, column)) = cells.pick(x, y) {
                    self.hits.add(Rect { x, y, width, height: 1 }, Target::Cell(row, column));
                }
            }
        }
    }

    /// A bar of this fraction of the columns, to an eighth of a column where the character set permits.
    pub fn bar(&self, share: f64, columns: u16) -> String {
        const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        let eighths = (share.clamp(0.0, 1.0) * 8.0 * f64::from(columns)).round() as usize;
        match self.look.charset {
            Charset::Ascii => "#".repeat((eighths + 4) / 8),
            _ => "█".repeat(eighths / 8) + EIGHTHS[eighths % 8],
        }
    }
}

/// Names shortened to fit above the columns of a matrix.
pub(super) fn heads<'n>(names: impl IntoIterator<Item = &'n String>, charset: Charset) -> Vec<String> {
    const LONGEST: usize = 8;
    names.into_iter().map(|name| text::cut(name, LONGEST, charset)).collect()
}

/// The first visible row of a list, so that the row under the cursor is visible.
pub(super) fn first_row(cursor: usize, rows: usize, shown: u16) -> usize {
    let shown = usize::from(shown);
    cursor.saturating_sub(shown / 2).min(rows.saturating_sub(shown))
}

/// A duration in s, ms or us.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.0} us", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
