//! Axes, window and cursor shared by all charts of the dashboard.

use super::words::{grouped, span};
use crate::plot::{Extent, Scale, View, XAxis};
use crate::tui::curves::Measure;

/// The selectable smoothing weights.
const SMOOTHING: [f64; 8] = [0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99];

/// Fraction of the window that one key press moves the cursor.
const CURSOR_STEP: f64 = 1.0 / 60.0;

/// Alignment of overlaid runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// A branch starts at its fork point.
    #[default]
    Fork,
    /// All runs start at 0.
    Start,
}

/// Settings shared by all charts.
#[derive(Clone, Debug)]
pub struct Axes {
    /// Unit of the x axis.
    pub x: XAxis,
    /// Scale of the x axis.
    pub x_scale: Scale,
    /// Whether outliers are excluded from the y range.
    pub robust: bool,
    /// The visible window of the x axis.
    pub view: View,
    /// The cursor, linked between charts.
    pub cursor: Option<f64>,
    /// Alignment of overlaid runs.
    pub align: Align,
    log_y: [bool; 5],
    smoothing: usize,
}

impl Default for Axes {
    fn default() -> Self {
        Axes {
            x: XAxis::Step,
            x_scale: Scale::Linear,
            robust: false,
            view: View::All,
            cursor: None,
            align: Align::Fork,
            log_y: [false; 5],
            smoothing: 2,
        }
    }
}

impl Axes {
    /// The smoothing weight.
    pub fn smoothing(&self) -> f64 {
        SMOOTHING[self.smoothing]
    }

    /// Increases or decreases smoothing.
    pub fn smooth(&mut self, more: bool) {
        self.smoothing = match more {
            true => (self.smoothing + 1).min(SMOOTHING.len() - 1),
            false => self.smoothing.saturating_sub(1),
        };
    }

    /// The scale of a chart's y axis.
    pub fn y_scale(&self, measure: Measure) -> Scale {
        if self.log_y[measure as usize] { Scale::Log } else { Scale::Linear }
    }

    /// Toggles the logarithmic y axis of a chart.
    pub fn toggle_log_y(&mut self, measure: Measure) {
        self.log_y[measure as usize] ^= true;
    }

    /// Toggles the logarithmic x axis.
    pub fn toggle_log_x(&mut self) {
        self.x_scale = match self.x_scale {
            Scale::Linear => Scale::Log,
            Scale::Log => Scale::Linear,
        };
        self.view = View::All;
    }

    /// Switches the x axis to the next unit. Window and cursor are reset, because they refer to the old unit.
    pub fn next_x(&mut self) {
        self.x = match self.x {
            XAxis::Step | XAxis::Number => XAxis::Epoch,
            XAxis::Epoch => XAxis::Time,
            XAxis::Time => XAxis::Step,
        };
        (self.view, self.cursor) = (View::All, None);
    }

    /// Switches the alignment of overlaid runs.
    pub fn next_align(&mut self) {
        self.align = match self.align {
            Align::Fork => Align::Start,
            Align::Start => Align::Fork,
        };
        (self.view, self.cursor) = (View::All, None);
    }

    /// Follows the newest quarter, or shows everything if already following.
    pub fn toggle_follow(&mut self, extent: Extent) {
        self.view = match self.view {
            View::Follow(_) => View::All,
            View::All => View::All.zoom(0.25, None, extent),
            View::Window(from, to) => View::Follow(to - from),
        };
        self.cursor = None;
    }

    /// Zooms in (factor below 1) or out, around the cursor or a given position.
    pub fn zoom(&mut self, factor: f64, at: Option<f64>, extent: Extent) {
        self.view = self.view.zoom(factor, at.or(self.cursor), extent);
    }

    /// Moves the cursor by a number of key steps; without a cursor it enters at the opposite end.
    pub fn move_cursor(&mut self, steps: f64, extent: Extent) {
        let (from, to) = self.view.window(extent);
        let (low, high) = (extent.scale.forward(from), extent.scale.forward(to));
        let place = match self.cursor {
            Some(x) => extent.scale.forward(x.max(from)) + steps * CURSOR_STEP * (high - low),
            None if steps < 0.0 => high,
            None => low,
        };
        let x = self.whole(extent.scale.back(place.clamp(low.min(high), high.max(low))));
        // In a narrow window a key step can be less than a training step.
        let stays = self.cursor == Some(x);
        self.cursor = Some(if stays { (x + steps.signum()).clamp(from, to) } else { x });
    }

    /// Moves the cursor to the start or end of the window.
    pub fn cursor_to_end(&mut self, last: bool, extent: Extent) {
        let (from, to) = self.view.window(extent);
        self.cursor = Some(self.whole(if last { to } else { from }));
    }

    /// Rounds to an integer where the axis counts steps.
    fn whole(&self, x: f64) -> f64 {
        if self.x == XAxis::Step { x.round() } else { x }
    }

    /// Moves the cursor to a fraction of the width, 0..1.
    pub fn point(&mut self, share: f64, extent: Extent) {
        self.cursor = Some(self.whole(self.at(share, extent)));
    }

    /// The x position at a fraction of the width, 0..1.
    pub fn at(&self, share: f64, extent: Extent) -> f64 {
        let (from, to) = self.view.window(extent);
        let (low, high) = (extent.scale.forward(from), extent.scale.forward(to));
        extent.scale.back(low + share * (high - low))
    }

    /// An x position as text.
    pub fn words(&self, x: f64) -> String {
        match self.x {
            XAxis::Step | XAxis::Number => format!("step {}", grouped(x.max(0.0).round() as u64)),
            XAxis::Epoch => format!("epoch {x:.2}"),
            XAxis::Time => span(x),
        }
    }

    /// The unit of the x axis, as text.
    pub fn unit(&self) -> &'static str {
        match self.x {
            XAxis::Step | XAxis::Number => "step",
            XAxis::Epoch => "epoch",
            XAxis::Time => "time",
        }
    }
}
