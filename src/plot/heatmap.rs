//! A matrix as coloured cells.

mod draw;
mod svg;

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::csv;
use super::png::{PngError, Print};
use super::svg::Ground;
use super::ticks::Unit;

/// A matrix with named rows and columns: classes x classes, layers x classes, kernels x classes.
///
/// A matrix that is larger than its area is scrolled to the selected cell. Where cells would be too narrow
/// for names, these stand downwards.
#[derive(Debug, Clone)]
pub struct HeatMap<'a> {
    title: String,
    rows: Cow<'a, [String]>,
    columns: Cow<'a, [String]>,
    /// Row after row.
    values: Cow<'a, [f64]>,
    range: (f64, f64),
    unit: Unit,
    selected: Option<(usize, usize)>,
    dense: bool,
}

/// Which cells of a heat map an area shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cells {
    /// The rectangle of the cells, without names.
    pub area: Rect,
    /// Row and column of the matrix at its upper left corner.
    pub first: (usize, usize),
    /// Rows and columns shown.
    pub shown: (usize, usize),
    /// Columns of the screen for one of the matrix.
    pub width: u16,
    /// Rows of the matrix in one row of the screen: 2 in dense maps.
    pub per_row: u16,
}

impl Cells {
    /// Row and column of the matrix under a position on the screen; none outside the cells. In a dense map it is
    /// the upper of the two rows there.
    #[must_use]
    pub fn pick(&self, column: u16, row: u16) -> Option<(usize, usize)> {
        let (x, y) = (column.checked_sub(self.area.x)?, row.checked_sub(self.area.y)?);
        let cell = (usize::from(y) * usize::from(self.per_row), usize::from(x / self.width.max(1)));
        let within = cell.0 < self.shown.0 && cell.1 < self.shown.1;
        within.then_some((self.first.0 + cell.0, self.first.1 + cell.1))
    }
}

impl<'a> HeatMap<'a> {
    /// A map of `values`, row after row, with values from 0 to 1. Missing values are empty cells, values beyond
    /// the last row are not shown.
    #[must_use]
    pub fn new(
        title: impl Into<String>,
        rows: impl Into<Cow<'a, [String]>>,
        columns: impl Into<Cow<'a, [String]>>,
        values: impl Into<Cow<'a, [f64]>>,
    ) -> Self {
        HeatMap {
            title: title.into(),
            rows: rows.into(),
            columns: columns.into(),
            values: values.into(),
            range: (0.0, 1.0),
            unit: Unit::Number,
            selected: None,
            dense: false,
        }
    }

    /// The values at the two ends of the colours.
    #[must_use]
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = (low, high);
        self
    }

    /// What the values are.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// Marks a cell by row and column, shows its value, and keeps it in sight.
    #[must_use]
    pub fn selected(mut self, cell: Option<(usize, usize)>) -> Self {
        self.selected = cell;
        self
    }

    /// Two rows of the matrix in a row of the screen and one column in a column, in half blocks: for bitmaps of
    /// kernels x classes.
    #[must_use]
    pub fn dense(mut self) -> Self {
        self.dense = true;
        self
    }

    /// The value of a cell.
    #[must_use]
    pub fn value(&self, row: usize, column: usize) -> Option<f64> {
        let inside = row < self.rows.len() && column < self.columns.len();
        let value = self.values.get(row * self.columns.len() + column).filter(|_| inside)?;
        value.is_finite().then_some(*value)
    }

    /// The value of a cell between 0 and 1 within the range.
    fn share(&self, row: usize, column: usize) -> Option<f64> {
        let (low, high) = self.range;
        let share = (self.value(row, column)? - low) / (high - low);
        Some(if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 })
    }

    /// Draws into the area and says which cells are where.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, canvas: &Canvas) -> Cells {
        draw::render(self, area, buffer, canvas)
    }

    /// The map as a standalone SVG document, like [`super::Chart::to_svg`]; all of it, whatever its size.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::svg(self, Ground::Reader)
    }

    /// The map as a PNG image on white, `scale` pixels for a unit of the SVG.
    ///
    /// # Errors
    ///
    /// When the computer has no font, or the image would be too large.
    pub fn to_png(&self, scale: f32) -> Result<Vec<u8>, PngError> {
        self.print().png(scale)
    }

    /// The map as a picture to be drawn as a PNG image later.
    #[must_use]
    pub fn print(&self) -> Print {
        Print::of(svg::svg(self, Ground::White))
    }

    /// The matrix as CSV: the names of the columns behind an empty field, then each row behind its name.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let heading: Vec<String> =
            std::iter::once(String::new()).chain(self.columns.iter().cloned()).collect();
        let row = |(index, name): (usize, &String)| {
            let value = |column| csv::number(self.value(index, column).unwrap_or(f64::NAN));
            let fields = std::iter::once(name.clone()).chain((0..self.columns.len()).map(value));
            csv::line(&fields.collect::<Vec<_>>())
        };
        csv::line(&heading) + &self.rows.iter().enumerate().map(row).collect::<String>()
    }
}
