//! A series in one row.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Canvas, Charset};
use super::chart::Data;

/// Draws the whole series into the first row of the area, from its lowest to its highest value: in each column
/// the highest value there. Columns without values are left free.
pub fn sparkline<'a>(
    data: impl Into<Data<'a>>,
    area: Rect,
    buffer: &mut Buffer,
    canvas: &Canvas,
    style: Style,
) {
    let area = area.intersection(buffer.area);
    let data = data.into();
    let points = data.points(f64::NEG_INFINITY, f64::INFINITY);
    let finite = || points.iter().filter(|point| point.0.is_finite() && point.1.is_finite());
    let (Some(first), Some(last)) = (finite().next(), finite().next_back()) else { return };
    if area.is_empty() {
        return;
    }
    let columns = usize::from(area.width);
    let mut heights: Vec<Option<f64>> = vec![None; columns];
    for (x, y) in finite() {
        let share = if last.0 > first.0 { (x - first.0) / (last.0 - first.0) } else { 1.0 };
        let height = &mut heights[((share * columns as f64) as usize).min(columns - 1)];
        *height = Some(height.map_or(*y, |before: f64| before.max(*y)));
    }
    let low = finite().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = finite().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let signs: &[&str] = match canvas.charset {
        Charset::Ascii => &["_", ".", "-", "=", "*", "#"],
        _ => &["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    };
    for (x, height) in (area.x..).zip(heights) {
        let Some(height) = height else { continue };
        // Halves keep the difference of large values finite.
        let share = if high > low { (height / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) } else { 0.5 };
        buffer.set_string(x, area.y, signs[(share * (signs.len() - 1) as f64).round() as usize], style);
    }
}
