//! A table with a selected row.

use std::cell::Cell;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::text;
use crate::tui::action::Action;
use crate::tui::hits::{Hits, Target};
use crate::tui::theme::{Look, Role};

/// The selected row and the first visible row. Drawing updates the latter, so that the selected row stays visible
/// with little scrolling.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The selected row.
    pub at: usize,
    first: Cell<usize>,
    height: Cell<usize>,
}

impl Selection {
    /// Performs a movement action; returns whether it is one.
    pub fn act(&mut self, action: Action, len: usize) -> bool {
        let page = self.height.get().saturating_sub(1).max(1);
        self.at = match action {
            Action::Up => self.at.saturating_sub(1),
            Action::Down => self.at + 1,
            Action::PageUp => self.at.saturating_sub(page),
            Action::PageDown => self.at + page,
            Action::Top => 0,
            Action::Bottom => len,
            _ => return false,
        };
        self.keep_in(len);
        true
    }

    /// Limits the selection to this many rows.
    pub fn keep_in(&mut self, len: usize) {
        self.at = self.at.min(len.saturating_sub(1));
    }

    /// The first visible row of `len`, when `height` rows fit.
    pub fn first(&self, len: usize, height: usize) -> usize {
        let at = self.at.min(len.saturating_sub(1));
        let lowest = (at + 1).saturating_sub(height);
        let first = self.first.get().clamp(lowest, at.max(lowest)).min(len.saturating_sub(height));
        self.first.set(first);
        self.height.set(height);
        first
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Minimum width in terminal columns.
    pub width: u16,
    /// Whether it takes the remaining width.
    pub grows: bool,
    /// Whether it is right-aligned.
    pub right: bool,
    /// Columns with the highest number are dropped first when there is no room; those with 0 always stay.
    pub drop: u8,
}

impl Column {
    /// A left-aligned column that is never dropped.
    pub const fn new(title: &'static str, width: u16) -> Self {
        Column { title, width, grows: false, right: false, drop: 0 }
    }

    /// Makes it right-aligned.
    pub const fn right(mut self) -> Self {
        self.right = true;
        self
    }

    /// Makes it take the remaining width.
    pub const fn grows(mut self) -> Self {
        self.grows = true;
        self
    }

    /// Makes it droppable, in descending order of this number.
    pub const fn drop(mut self, order: u8) -> Self {
        self.drop = order;
        self
    }
}

/// A table. Only visible rows are requested.
pub struct Table<'a> {
    /// Its columns.
    pub columns: &'a [Column],
    /// The sort column, and whether it is descending.
    pub sort: Option<(usize, bool)>,
    /// Number of rows.
    pub len: usize,
    /// The cells of a row, one per column.
    pub row: &'a dyn Fn(usize) -> Vec<(String, Style)>,
    /// The pane's number in [`Target::Row`].
    pub pane: usize,
    /// Whether the table is focused.
    pub focused: bool,
}

/// Space between two columns.
const GAP: u16 = 2;

impl Table<'_> {
    /// Draws headings and rows. Headings become [`Target::Heading`], rows [`Target::Row`].
    pub fn view(&self, look: Look, area: Rect, buffer: &mut Buffer, hits: &mut Hits, selection: &Selection) {
        let area = area.intersection(buffer.area);
        let places = places(self.columns, area.width);
        self.headings(look, area, buffer, hits, &places);
        let height = usize::from(area.height.saturating_sub(1));
        let first = selection.first(self.len, height);
        for (y, index) in (1..area.height).zip(first..self.len) {
            let line = Rect { y: area.y + y, height: 1, ..area };
            for (&(column, x, width), cells) in places.iter().zip(std::iter::repeat((self.row)(index))) {
                let Some((cell, style)) = cells.get(column) else { continue };
                let right = self.columns[column].right;
                let cell = text::fit(cell, usize::from(width), right, look.charset);
                text::put(buffer, line, (x, 0), &cell, look.style(Role::Text).patch(*style));
            }
            if index == selection.at {
                let mark = look.charset.pick("▸", ">");
                let role = if self.focused { Role::Focus } else { Role::Dim };
                text::put(buffer, line, (0, 0), mark, look.style(role));
                if self.focused {
                    buffer.set_style(line, look.style(Role::Selected));
                }
            }
            hits.add(line, Target::Row(self.pane, index));
        }
        scrollbar(look, area, buffer, self.len, height, first);
    }

    fn headings(
        &self,
        look: Look,
        area: Rect,
        buffer: &mut Buffer,
        hits: &mut Hits,
        places: &[(usize, u16, u16)],
    ) {
        for &(index, x, width) in places {
            let column = &self.columns[index];
            let order = match self.sort {
                Some((sorted, descending)) if sorted == index => look.charset.order(descending),
                _ => "",
            };
            let room = usize::from(width).saturating_sub(text::width(order));
            let title = text::cut(column.title, room, look.charset) + order;
            let title = text::fit(&title, usize::from(width), column.right, look.charset);
            text::put(buffer, area, (x, 0), &title, look.style(Role::Dim));
            hits.add(Rect::new(area.x + x, area.y, width, area.height.min(1)), Target::Heading(index));
        }
    }
}

/// A scrollbar at the right edge of a table or list whose rows do not all fit.
fn scrollbar(look: Look, area: Rect, buffer: &mut Buffer, len: usize, height: usize, first: usize) {
    if len <= height || height == 0 || area.width == 0 {
        return;
    }
    let size = (height * height / len).max(1);
    let top = first * (height - size) / (len - height).max(1);
    for row in top..(top + size).min(height) {
        // Less than the area's height, so it fits in u16.
        text::put(
            buffer,
            area,
            (area.width - 1, row as u16 + 1),
            look.charset.pick("▐", "|"),
            look.style(Role::Border),
        );
    }
}

/// Index, position and width of the columns that fit. The area's first two columns are for the mark of the selected
/// row, the last for the scrollbar.
fn places(columns: &[Column], width: u16) -> Vec<(usize, u16, u16)> {
    let room = width.saturating_sub(3);
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let needed =
        |kept: &[usize]| kept.iter().map(|&n| columns[n].width + GAP).sum::<u16>().saturating_sub(GAP);
    while needed(&kept) > room {
        let Some(worst) =
            kept.iter().copied().filter(|&n| columns[n].drop > 0).max_by_key(|&n| (columns[n].drop, n))
        else {
            break;
        };
        kept.retain(|&n| n != worst);
    }
    let growing = kept.iter().filter(|&&n| columns[n].grows).count() as u16;
    let share = room.saturating_sub(needed(&kept)).checked_div(growing).unwrap_or(0);
    let mut x = 2;
    let mut found = Vec::new();
    for &index in &kept {
        let extra = if columns[index].grows { share } else { 0 };
        let wide = (columns[index].width + extra).min(width.saturating_sub(x + 1));
        if wide > 0 {
            found.push((index, x, wide));
        }
        x = x.saturating_add(columns[index].width + extra + GAP);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{Charset, Theme};

    const COLUMNS: [Column; 3] = [
        Column::new("run", 8).grows(),
        Column::new("accuracy", 9).right().drop(1),
        Column::new("age", 6).drop(2),
    ];

    fn draw(width: u16, height: u16, at: usize) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let row = |n: usize| {
            vec![
                (format!("run-{n}"), Style::new()),
                ("98.7 %".into(), Style::new()),
                ("2 h".into(), Style::new()),
            ]
        };
        let table =
            Table { columns: &COLUMNS, sort: Some((1, true)), len: 20, row: &row, pane: 0, focused: true };
        let look = Look { theme: Theme::Mono, charset: Charset::Ascii, ..Look::default() };
        let selection = Selection { at, ..Selection::default() };
        table.view(look, area, &mut buffer, &mut Hits::default(), &selection);
        (0..height)
            .map(|y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned())
            .collect()
    }

    #[test]
    fn columns_drop_out_where_there_is_no_room() {
        assert_eq!(draw(34, 2, 0)[0], "  run           accuracyv  age");
        assert_eq!(draw(24, 2, 0)[0], "  run         accuracyv");
        assert_eq!(draw(14, 2, 0)[0], "  run");
    }

    #[test]
    fn the_selected_row_is_in_sight() {
        assert!(draw(34, 5, 17).iter().any(|line| line.starts_with("> run-17")));
        assert!(draw(34, 2, 3)[1].starts_with("> run-3"));
    }

    #[test]
    fn the_place_moves_by_actions_and_stays_within_the_rows() {
        let mut selection = Selection::default();
        for action in [Action::Down, Action::PageDown, Action::Bottom, Action::Down] {
            assert!(selection.act(action, 4));
            assert!(selection.at < 4);
        }
        assert_eq!(selection.at, 3);
        assert!(!selection.act(Action::Quit, 4));
        assert!(selection.act(Action::Down, 0) && selection.at == 0);
    }

    #[test]
    fn a_table_draws_at_any_size() {
        for width in 0..60 {
            for height in 0..6 {
                draw(width, height, 19);
            }
        }
    }
}
