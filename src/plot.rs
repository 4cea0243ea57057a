//! Plots of numbers: charts, heat maps, bars and pictures.
//!
//! One value serves all outputs. A [`Chart`] renders into a rectangle of a terminal buffer with a [`Canvas`] (styles
//! and characters of the caller's theme), and has methods for SVG, PNG and CSV. So what the workbench shows and what a
//! report contains cannot differ.
//!
//! ```
//! use cleave::plot::{Canvas, Chart, Curve, Mark, Series, YRange};
//! use ratatui::{buffer::Buffer, layout::Rect};
//!
//! let mut accuracy = Curve::new(0.6);
//! for step in 0..1_000 {
//!     accuracy.push(f64::from(step), 1.0 - 1.0 / (1.0 + f64::from(step) / 100.0));
//! }
//! let chart = Chart::new("accuracy")
//!     .series(Series::new("train", accuracy.raw()).faint())
//!     .series(Series::new("train, smoothed", accuracy.smooth()))
//!     .mark(Mark::new(400.0, "beta 1.5→3"))
//!     .y_range(YRange::Fixed(0.0, 1.0))
//!     .cursor(Some(250.0));
//! let area = Rect::new(0, 0, 80, 20);
//! let mut buffer = Buffer::empty(area);
//! let panel = chart.render(area, &mut buffer, &Canvas::default());
//! assert!(panel.pick(40, 10).is_some());
//! ```
//!
//! Nothing here knows runs, methods or training: the input is numbers and names.

mod bars;
mod canvas;
mod chart;
mod cluster;
mod csv;
mod heatmap;
mod history;
mod picture;
mod png;
mod ramp;
mod raster;
mod scale;
mod svg;
#[cfg(test)]
mod tests;
mod text;
mod ticks;
mod view;

pub use bars::{Bar, Bars};
pub use canvas::{Canvas, Charset, Depth, Palette, Ramp};
pub use chart::{Best, Chart, Data, Mark, Panel, Series, Stroke, Unit, XAxis, YRange};
pub use cluster::cluster;
pub use csv::field as csv_field;
pub use heatmap::{Cells, HeatMap};
pub use history::{Curve, Ema, History};
pub use picture::Picture;
pub use png::{PngError, Print};
pub use scale::Scale;
pub use ticks::grouped;
pub use view::{Extent, View};
