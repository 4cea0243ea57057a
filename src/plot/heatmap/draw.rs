//! A heat map in a terminal.
//!
//! ```text
//! overlap                     title
//!            c  d  f          names of the columns, downwards where cells are narrow
//!        cat ██ ▒▒ ░░         names of the rows, cells
//!        dog ▒▒ ██ ░░
//! cat x dog: 0.42   0 ▁▂▃ 1   the selected cell, the colours
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::canvas::{Canvas, Depth};
use super::super::ramp::{colour, contrast, fill, sign};
use super::super::text::{columns_of, fit, pad, width};
use super::super::ticks::{readout, tight};
use super::{Cells, HeatMap};

/// Cells wider than this are not easier to read.
const WIDEST: u16 = 6;

struct Layout {
    cells: Cells,
    title: bool,
    /// Rows of column names, and whether they stand downwards.
    names: u16,
    downwards: bool,
    footer: bool,
}

fn layout(map: &HeatMap<'_>, area: Rect, canvas: &Canvas) -> Layout {
    let widest = |names: &[String]| names.iter().map(|name| width(name)).max().unwrap_or(0) as u16;
    let (rows, columns) = (map.rows.len(), map.columns.len());
    let gutter = match area.width {
        0..10 => 0,
        _ => (widest(&map.rows) + 1).min(area.width / 3),
    };
    let room = area.width - gutter;
    let fair = room / (columns.clamp(1, 10_000) as u16);
    let cell = if map.dense { 1 } else { fair.clamp(2, WIDEST).min(room.max(1)) };
    let title = area.height >= 3 && !map.title.is_empty();
    let footer = area.height >= 4;
    let taken = u16::from(title) + u16::from(footer);
    let per_row = if map.dense && !canvas.ascii() { 2 } else { 1 };
    let left = area.height.saturating_sub(taken);
    // Rows that the cells do not need, but a quarter at least.
    let spare = usize::from(left).saturating_sub(rows.div_ceil(usize::from(per_row))) as u16;
    let spare = spare.max(left / 4);
    let longest = widest(&map.columns);
    // Only where more of a name has room downwards than across.
    let downwards = longest >= cell && (spare >= longest || spare >= cell);
    let names = match left {
        0..4 => 0,
        _ if map.dense && canvas.ascii() => 0,
        _ if downwards => longest.min(spare).max(1),
        _ => 1,
    };
    let body = Rect {
        x: area.x + gutter,
        y: area.y + u16::from(title) + names,
        width: room,
        height: area.height.saturating_sub(taken + names),
    };
    let fitting = (usize::from(body.height) * usize::from(per_row), usize::from(room / cell.max(1)));
    let shown = (rows.min(fitting.0), columns.min(fitting.1));
    let selected = map.selected.unwrap_or((0, 0));
    let first = (scroll(selected.0, shown.0, rows, per_row), scroll(selected.1, shown.1, columns, 1));
    let shown = (shown.0.min(rows.saturating_sub(first.0)), shown.1);
    let area = Rect { width: shown.1 as u16 * cell, height: (shown.0 as u16).div_ceil(per_row), ..body };
    Layout { cells: Cells { area, first, shown, width: cell, per_row }, title, names, downwards, footer }
}

/// The first of `shown` out of `all` so that the selected one is in the middle, or as near as the ends allow; a
/// multiple of `step`, rounded up so that the last one can be seen.
fn scroll(selected: usize, shown: usize, all: usize, step: u16) -> usize {
    let first = selected.saturating_sub(shown / 2).min(all - shown);
    first.next_multiple_of(usize::from(step))
}

pub(super) fn render(map: &HeatMap<'_>, area: Rect, buffer: &mut Buffer, canvas: &Canvas) -> Cells {
    let area = area.intersection(buffer.area);
    let layout = layout(map, area, canvas);
    if area.is_empty() {
        return layout.cells;
    }
    let (palette, ascii) = (&canvas.palette, canvas.ascii());
    if layout.title {
        let title = fit(&map.title, usize::from(area.width), ascii);
        buffer.set_string(area.x, area.y, title, palette.title);
    }
    names(map, &layout, area, buffer, canvas);
    for row in 0..layout.cells.area.height {
        match map.dense && !ascii {
            true => dense_row(map, &layout.cells, row, buffer, canvas),
            false => row_of_cells(map, &layout.cells, row, buffer, canvas),
        }
    }
    if layout.footer {
        footer(map, &layout, area, buffer, canvas);
    }
    layout.cells
}

/// Names of the rows to the left, of the columns above; those of the selected cell stand out.
fn names(map: &HeatMap<'_>, layout: &Layout, area: Rect, buffer: &mut Buffer, canvas: &Canvas) {
    let (cells, palette, ascii) = (&layout.cells, &canvas.palette, canvas.ascii());
    let style = |chosen: bool| if chosen { palette.selected } else { palette.text };
    let gutter = usize::from(cells.area.x - area.x).saturating_sub(1);
    for row in (0..cells.shown.0).step_by(usize::from(cells.per_row)) {
        let index = cells.first.0 + row;
        let per = usize::from(cells.per_row);
        let chosen = map.selected.is_some_and(|selected| selected.0 / per == index / per);
        let named = if chosen { map.selected.map_or(index, |selected| selected.0) } else { index };
        let y = cells.area.y + row as u16 / cells.per_row;
        if let (true, Some(name)) = (gutter > 0, map.rows.get(named)) {
            buffer.set_string(area.x, y, pad(name, gutter, true, ascii), style(chosen));
        }
    }
    for column in 0..if layout.names > 0 { cells.shown.1 } else { 0 } {
        let index = cells.first.1 + column;
        let chosen = map.selected.is_some_and(|selected| selected.1 == index);
        let x = cells.area.x + column as u16 * cells.width;
        let top = cells.area.y - layout.names;
        if !layout.downwards {
            let room = usize::from(cells.width).saturating_sub(1);
            buffer.set_string(x, top, fit(&map.columns[index], room, ascii), style(chosen));
            continue;
        }
        let signs = columns_of(&map.columns[index], usize::from(cells.width), usize::from(layout.names));
        let start = top + layout.names - signs.len() as u16;
        for (y, sign) in (start..).zip(signs) {
            buffer.set_stringn(x, y, sign, usize::from(cells.width), style(chosen));
        }
    }
}

fn row_of_cells(map: &HeatMap<'_>, cells: &Cells, row: u16, buffer: &mut Buffer, canvas: &Canvas) {
    let y = cells.area.y + row;
    let room = usize::from(cells.width);
    let row = cells.first.0 + usize::from(row);
    for column in 0..cells.shown.1 {
        let index = cells.first.1 + column;
        let x = cells.area.x + column as u16 * cells.width;
        let chosen = map.selected == Some((row, index));
        let Some(share) = map.share(row, index) else {
            let text = pad(if canvas.ascii() { "" } else { "·" }, room, false, canvas.ascii());
            let style = if chosen { canvas.palette.selected } else { canvas.palette.axis };
            buffer.set_string(x, y, text, style);
            continue;
        };
        let (ink, style) = fill(canvas, share);
        let number = map.value(row, index).map(|value| tight(value, map.unit)).unwrap_or_default();
        let legible = width(&number) < room && room >= 4;
        let text = match legible {
            // Without colours there is a shade beside the number, where there is room to keep them apart.
            true if canvas.depth == Depth::Mono
                && room >= width(&number) + 3
                && room >= usize::from(WIDEST) =>
            {
                ink.to_string().repeat(room - width(&number) - 2) + " " + &number + " "
            }
            true => pad(&(number + " "), room, true, true),
            false => ink.to_string().repeat(room),
        };
        let style = if chosen { style.patch(canvas.palette.selected) } else { style };
        buffer.set_string(x, y, &text, style);
        if chosen && room >= 2 && (!legible || text.starts_with(' ')) {
            buffer.set_string(x, y, "[", style);
            buffer.set_string(x + cells.width - 1, y, "]", style);
        }
    }
}

/// Two rows of the matrix as half blocks. Without colours a cell is set when its value is at least half.
fn dense_row(map: &HeatMap<'_>, cells: &Cells, row: u16, buffer: &mut Buffer, canvas: &Canvas) {
    let upper = cells.first.0 + 2 * usize::from(row);
    for column in 0..cells.shown.1 {
        let index = cells.first.1 + column;
        let pair = [map.share(upper, index), map.share(upper + 1, index)];
        let set = pair.map(|share| share.is_some_and(|share| share >= 0.5));
        let (sign, mut style) = match pair.map(|share| share.and_then(|share| colour(canvas, share))) {
            [Some(above), Some(below)] => ("▀", Style::new().fg(above).bg(below)),
            [Some(above), None] => ("▀", Style::new().fg(above)),
            [None, Some(below)] => ("▄", Style::new().fg(below)),
            [None, None] => (half(set), Style::new()),
        };
        if map.selected.is_some_and(|selected| selected.0 / 2 == upper / 2 && selected.1 == index) {
            style = style.patch(canvas.palette.selected);
        }
        buffer.set_string(cells.area.x + column as u16, cells.area.y + row, sign, style);
    }
}

fn half([upper, lower]: [bool; 2]) -> &'static str {
    match (upper, lower) {
        (true, true) => "█",
        (true, false) => "▀",
        (false, true) => "▄",
        (false, false) => " ",
    }
}

/// The selected cell's names and value, then the colours with the values at their ends.
fn footer(map: &HeatMap<'_>, layout: &Layout, area: Rect, buffer: &mut Buffer, canvas: &Canvas) {
    const STEPS: u16 = 10;
    let (palette, ascii) = (&canvas.palette, canvas.ascii());
    let y = area.bottom() - 1;
    let (low, high) = (tight(map.range.0, map.unit), tight(map.range.1, map.unit));
    let bar = STEPS + 2 + (width(&low) + width(&high)) as u16;
    let mut room = usize::from(area.width);
    if area.width >= bar + 8 {
        let mut x = area.right() - bar;
        room -= usize::from(bar) + 1;
        buffer.set_string(x, y, &low, palette.text);
        x += width(&low) as u16 + 1;
        for step in 0..STEPS {
            let share = f64::from(step) / f64::from(STEPS - 1);
            let (ink, style) = match colour(canvas, share) {
                Some(ground) => (' ', Style::new().bg(ground).fg(contrast(canvas, share))),
                None => (sign(canvas.charset, share), Style::new()),
            };
            buffer.set_string(x + step, y, ink.to_string(), style);
        }
        buffer.set_string(x + STEPS + 1, y, &high, palette.text);
    }
    let cells = &layout.cells;
    let text = match map.selected.filter(|(row, column)| *row < map.rows.len() && *column < map.columns.len())
    {
        Some((row, column)) => {
            let value = map.value(row, column).map_or("–".into(), |value| readout(value, map.unit));
            let cross = if ascii { "x" } else { "×" };
            format!("{} {cross} {}: {value}", map.rows[row], map.columns[column])
        }
        None if cells.shown != (map.rows.len(), map.columns.len()) => {
            format!(
                "{} of {} rows, {} of {}",
                cells.shown.0,
                map.rows.len(),
                cells.shown.1,
                map.columns.len()
            )
        }
        None => String::new(),
    };
    buffer.set_string(area.x, y, fit(&text, room, ascii), palette.text);
}
