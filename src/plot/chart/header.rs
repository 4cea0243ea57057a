//! Title and legend of a chart: as many rows as they need and are given.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::canvas::Canvas;
use super::super::text::{fit, width};
use super::super::ticks::readout;
use super::Chart;
use super::scene::Scene;
use super::style::{sample, series_style};

/// A piece of text that is not broken over rows.
struct Item {
    parts: Vec<(String, Style)>,
}

impl Item {
    fn width(&self) -> usize {
        self.parts.iter().map(|(text, _)| width(text)).sum()
    }
}

/// Columns between items.
const APART: usize = 2;

fn items(chart: &Chart<'_>, scene: &Scene<'_>, columns: usize, canvas: &Canvas) -> Vec<Item> {
    let palette = &canvas.palette;
    let mut items = Vec::new();
    if !chart.title.is_empty() {
        items.push(Item { parts: vec![(fit(&chart.title, columns, canvas.ascii()), palette.title)] });
    }
    if !chart.legend {
        return items;
    }
    for line in scene.lines.iter().filter(|line| !line.faint) {
        let value = line.value.map(|(_, y)| format!(" {}", readout(y, chart.unit))).unwrap_or_default();
        let sample = sample(canvas, line);
        let room = columns.saturating_sub(width(&sample) + 1 + width(&value));
        let name = fit(line.name, room, canvas.ascii());
        let parts = vec![
            (sample + " ", series_style(canvas, line)),
            (name, palette.text),
            (value, series_style(canvas, line)),
        ];
        items.push(Item { parts });
    }
    items
}

/// Number of rows for all items, at most `most`.
pub(super) fn rows(
    chart: &Chart<'_>,
    scene: &Scene<'_>,
    columns: u16,
    most: usize,
    canvas: &Canvas,
) -> usize {
    let columns = usize::from(columns);
    let places = places(&items(chart, scene, columns, canvas), columns);
    places.last().map_or(0, |(row, _)| row + 1).min(most)
}

fn places(items: &[Item], columns: usize) -> Vec<(usize, usize)> {
    wrap(items.iter().map(Item::width), columns, APART)
}

/// Row and column of items of these widths.
pub(super) fn wrap(widths: impl Iterator<Item = usize>, columns: usize, apart: usize) -> Vec<(usize, usize)> {
    let (mut row, mut column) = (0, 0);
    let mut places = Vec::new();
    for width in widths {
        if column > 0 && column + width > columns {
            (row, column) = (row + 1, 0);
        }
        places.push((row, column));
        column += width + apart;
    }
    places
}

pub(super) fn render(chart: &Chart<'_>, scene: &Scene<'_>, area: Rect, buffer: &mut Buffer, canvas: &Canvas) {
    let columns = usize::from(area.width);
    let items = items(chart, scene, columns, canvas);
    let places = places(&items, columns);
    let rows = usize::from(area.height);
    for (item, (row, column)) in items.iter().zip(&places).filter(|(_, place)| place.0 < rows) {
        let mut x = area.x + *column as u16;
        for (text, style) in &item.parts {
            let room = usize::from(area.right().saturating_sub(x));
            (x, _) = buffer.set_stringn(x, area.y + *row as u16, text, room, *style);
        }
    }
    // The last row says how many names found no room.
    let hidden = places.iter().filter(|place| place.0 >= rows).count();
    if hidden > 0 && rows > 0 {
        let more = format!(" +{hidden}");
        let length = width(&more).min(columns) as u16;
        buffer.set_stringn(area.right() - length, area.bottom() - 1, more, columns, canvas.palette.text);
    }
}
