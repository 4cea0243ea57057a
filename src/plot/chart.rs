//! Lines and stacked areas over a common axis.

mod draw;
mod header;
mod scene;
mod series;
mod style;
mod svg;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::csv;
use super::png::{PngError, Print};
pub use super::raster::Stroke;
use super::scale::Scale;
use super::svg::Ground;
pub use super::ticks::Unit;
use super::view::{Extent, View};
pub use draw::Panel;
pub use series::{Best, Data, Series};

/// Series over steps, epochs or time, with marks, a cursor and a legend. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct Chart<'a> {
    title: String,
    series: Vec<Series<'a>>,
    marks: Vec<Mark>,
    x: XAxis,
    x_scale: Scale,
    y_scale: Scale,
    y_range: YRange,
    unit: Unit,
    stacked: bool,
    view: View,
    cursor: Option<f64>,
    legend: bool,
}

/// What the horizontal axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum XAxis {
    /// Training steps.
    #[default]
    Step,
    /// Epochs; parts of an epoch are allowed.
    Epoch,
    /// Seconds of wall time.
    Time,
    /// Any other number.
    Number,
}

/// The range of the vertical axis.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum YRange {
    /// All values in the window.
    #[default]
    Auto,
    /// The values between the 5 % and 95 % quantiles of each series, widened by half their distance: single outliers
    /// are cut off and the rest stays readable.
    Robust,
    /// These two numbers.
    Fixed(f64, f64),
}

/// A labelled line at an x: a change of a setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    x: f64,
    label: String,
}

impl Mark {
    /// A mark at an x of the chart's axis.
    #[must_use]
    pub fn new(x: f64, label: impl Into<String>) -> Self {
        Mark { x, label: label.into() }
    }
}

impl<'a> Chart<'a> {
    /// A chart without series.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Chart {
            title: title.into(),
            series: Vec::new(),
            marks: Vec::new(),
            x: XAxis::Step,
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            y_range: YRange::Auto,
            unit: Unit::Number,
            stacked: false,
            view: View::All,
            cursor: None,
            legend: true,
        }
    }

    /// Adds a series, over those before it.
    #[must_use]
    pub fn series(mut self, series: Series<'a>) -> Self {
        self.series.push(series);
        self
    }

    /// Adds a mark.
    #[must_use]
    pub fn mark(mut self, mark: Mark) -> Self {
        self.marks.push(mark);
        self
    }

    /// Adds marks.
    #[must_use]
    pub fn marks(mut self, marks: impl IntoIterator<Item = Mark>) -> Self {
        self.marks.extend(marks);
        self
    }

    /// What the horizontal axis counts.
    #[must_use]
    pub fn x_axis(mut self, x: XAxis) -> Self {
        self.x = x;
        self
    }

    /// The scale of the horizontal axis.
    #[must_use]
    pub fn x_scale(mut self, scale: Scale) -> Self {
        self.x_scale = scale;
        self
    }

    /// The scale of the vertical axis. Values that are not above zero are gaps on a logarithmic one.
    #[must_use]
    pub fn y_scale(mut self, scale: Scale) -> Self {
        self.y_scale = scale;
        self
    }

    /// The range of the vertical axis.
    #[must_use]
    pub fn y_range(mut self, range: YRange) -> Self {
        self.y_range = range;
        self
    }

    /// What the values are.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// Draws the series as areas on top of each other, the first at the bottom: parts of a sum. Values below
    /// zero count as zero.
    #[must_use]
    pub fn stacked(mut self) -> Self {
        self.stacked = true;
        self
    }

    /// The window on the horizontal axis.
    #[must_use]
    pub fn view(mut self, view: View) -> Self {
        self.view = view;
        self
    }

    /// A line at this x, with the values there in the legend. Charts that get the same x are linked.
    #[must_use]
    pub fn cursor(mut self, x: Option<f64>) -> Self {
        self.cursor = x;
        self
    }

    /// Whether the names of the series and their values are shown. They are by default.
    #[must_use]
    pub fn legend(mut self, shown: bool) -> Self {
        self.legend = shown;
        self
    }

    /// The range of the data along the horizontal axis, for [`View::zoom`] and [`View::pan`].
    #[must_use]
    pub fn extent(&self) -> Extent {
        scene::extent(self)
    }

    /// The value of each series at the point nearest to `x`, in the order in which they were added.
    #[must_use]
    pub fn values_at(&self, x: f64) -> Vec<(&str, Option<f64>)> {
        self.series.iter().map(|one| (one.name.as_str(), one.nearest(x).map(|point| point.1))).collect()
    }

    /// The chart as a standalone SVG document: 720 units wide, with colours for light and dark readers as CSS
    /// variables of the class `cleave-plot`, and no external references. It can be embedded in a page as it is.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::svg(self, Ground::Reader)
    }

    /// The chart as a PNG image on white, `scale` pixels for a unit of the SVG.
    ///
    /// # Errors
    ///
    /// When the computer has no font, or the image would be too large.
    pub fn to_png(&self, scale: f32) -> Result<Vec<u8>, PngError> {
        self.print().png(scale)
    }

    /// The chart as a picture to be drawn as a PNG image later.
    #[must_use]
    pub fn print(&self) -> Print {
        Print::of(svg::svg(self, Ground::White))
    }

    /// All kept points as CSV with the columns `series`, `x` and `value`; gaps have no value.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let all = |series: &Series<'_>| series.points(f64::NEG_INFINITY, f64::INFINITY).into_owned();
        let rows = self.series.iter().flat_map(|series| {
            all(series).into_iter().map(|(x, y)| [series.name.clone(), csv::number(x), csv::number(y)])
        });
        csv::table(["series", "x", "value"].map(str::to_owned), rows)
    }

    /// Draws into the area and returns where the panel with the lines is.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, canvas: &Canvas) -> Panel {
        draw::render(self, area, buffer, canvas)
    }

    /// Where rendering into `area` would put the lines, without drawing.
    #[must_use]
    pub fn panel(&self, area: Rect, canvas: &Canvas) -> Panel {
        draw::panel(self, area, canvas)
    }
}

/// For each label, from left to right, the first of `rows` rows in which it overlaps no earlier one.
fn rows_of_labels(spans: &[(f64, f64)], rows: usize) -> Vec<Option<usize>> {
    let mut ends: Vec<f64> = Vec::new();
    let mut place = |(start, end): &(f64, f64)| {
        let row = (0..rows).find(|row| ends.get(*row).is_none_or(|taken| start >= taken))?;
        ends.resize(ends.len().max(row + 1), f64::NEG_INFINITY);
        ends[row] = *end;
        Some(row)
    };
    spans.iter().map(&mut place).collect()
}
