//! How a series looks in a terminal.

use ratatui::style::Style;

use super::super::canvas::{Canvas, letter};
use super::super::raster::Stroke;
use super::scene::Trace;

/// The style of a series, faint where it is.
pub(super) fn series_style(canvas: &Canvas, line: &Trace<'_>) -> Style {
    let style = canvas.palette.of(line.colour);
    if line.faint { style.patch(canvas.palette.faint) } else { style }
}

/// A short piece of a line, as the legend shows it.
pub(super) fn sample(canvas: &Canvas, line: &Trace<'_>) -> String {
    match (canvas.letters(), line.is_area(), line.stroke) {
        (true, ..) => letter(line.colour).to_string(),
        (_, true, _) => "■".into(),
        (_, _, Stroke::Solid) => "──".into(),
        (_, _, Stroke::Dashed) => "╌╌".into(),
        (_, _, Stroke::Dotted) => "┈┈".into(),
        (_, _, Stroke::Points) => " •".into(),
    }
}
