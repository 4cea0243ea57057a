//! How all charts of the dashboard are looked at: axes, window, cursor.

use super::words::{grouped, span};
use crate::plot::{Extent, Scale, View, XAxis};
use crate::tui::curves::Measure;

/// Weights of smoothing that one can choose from.
const SMOOTHING: [f64; 8] = [0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99];

/// The part of the window that a key moves the cursor by.
const CURSOR_STEP: f64 = 1.0 / 60.0;

/// Where compared runs stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// A branch begins where it left its parent.
    #[default]
    Fork,
    /// All begin at 0.
    Start,
}

/// What all charts share.
#[derive(Clone, Debug)]
pub struct Axes {
    /// What the horizontal axis counts.
    pub x: XAxis,
    /// Scale of the horizontal axis.
    pub x_scale: Scale,
    /// Whether outliers are left out of the range.
    pub robust: bool,
    /// The window on the horizontal axis.
    pub view: View,
    /// The linked cursor.
    pub cursor: Option<f64>,
    /// Where compared runs stand.
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
    /// The weight of smoothing.
    pub fn smoothing(&self) -> f64 {
        SMOOTHING[self.smoothing]
    }

    /// Smooths more or less.
    pub fn smooth(&mut self, more: bool) {
        self.smoothing = match more {
            true => (self.smoothing + 1).min(SMOOTHING.len() - 1),
            false => self.smoothing.saturating_sub(1),
        };
    }

    /// The scale of a chart's vertical axis.
    pub fn y_scale(&self, measure: Measure) -> Scale {
        if self.log_y[measure as usize] { Scale::Log } else { Scale::Linear }
    }

    /// Turns the logarithmic axis of a chart on or off.
    pub fn toggle_log_y(&mut self, measure: Measure) {
        self.log_y[measure as usize] ^= true;
    }

    /// Turns the logarithmic horizontal axis on or off.
    pub fn toggle_log_x(&mut self) {
        self.x_scale = match self.x_scale {
            Scale::Linear => Scale::Log,
            Scale::Log => Scale::Linear,
        };
        self.view = View::All;
    }

    /// Counts by the next of step, epoch and time. Window and cursor are places on the old axis and go.
    pub fn next_x(&mut self) {
        self.x = match self.x {
            XAxis::Step | XAxis::Number => XAxis::Epoch,
            XAxis::Epoch => XAxis::Time,
            XAxis::Time => XAxis::Step,
        };
        (self.view, self.cursor) = (View::All, None);
    }

    /// Aligns compared runs the other way.
    pub fn next_align(&mut self) {
        self.align = match self.align {
            Align::Fork => Align::Start,
            Align::Start => Align::Fork,
        };
        (self.view, self.cursor) = (View::All, None);
    }

    /// Follows the newest quarter, or shows everything if the window follows already.
    pub fn toggle_follow(&mut self, extent: Extent) {
        self.view = match self.view {
            View::Follow(_) => View::All,
            View::All => View::All.zoom(0.25, None, extent),
            View::Window(from, to) => View::Follow(to - from),
        };
        self.cursor = None;
    }

    /// Shows less (a factor below 1) or more, around the cursor or a place.
    pub fn zoom(&mut self, factor: f64, at: Option<f64>, extent: Extent) {
        self.view = self.view.zoom(factor, at.or(self.cursor), extent);
    }

    /// Moves the cursor by so many steps of a key; it enters the charts at the end it comes from.
    pub fn move_cursor(&mut self, steps: f64, extent: Extent) {
        let (from, to) = self.view.window(extent);
        let (low, high) = (extent.scale.forward(from), extent.scale.forward(to));
        let place = match self.cursor {
            Some(x) => extent.scale.forward(x.max(from)) + steps * CURSOR_STEP * (high - low),
            None if steps < 0.0 => high,
            None => low,
        };
        let x = self.whole(extent.scale.back(place.clamp(low.min(high), high.max(low))));
        // In a narrow window a key's way is less than a step.
        let stays = self.cursor == Some(x);
        self.cursor = Some(if stays { (x + steps.signum()).clamp(from, to) } else { x });
    }

    /// Puts the cursor at the first or last place of the window.
    pub fn cursor_to_end(&mut self, last: bool, extent: Extent) {
        let (from, to) = self.view.window(extent);
        self.cursor = Some(self.whole(if last { to } else { from }));
    }

    /// Steps are whole numbers.
    fn whole(&self, x: f64) -> f64 {
        if self.x == XAxis::Step { x.round() } else { x }
    }

    /// Puts the cursor at a share of the width, 0..1.
    pub fn point(&mut self, share: f64, extent: Extent) {
        self.cursor = Some(self.whole(self.at(share, extent)));
    }

    /// The place on the axis of a share of the width, 0..1.
    pub fn at(&self, share: f64, extent: Extent) -> f64 {
        let (from, to) = self.view.window(extent);
        let (low, high) = (extent.scale.forward(from), extent.scale.forward(to));
        extent.scale.back(low + share * (high - low))
    }

    /// A place on the axis in words.
    pub fn words(&self, x: f64) -> String {
        match self.x {
            XAxis::Step | XAxis::Number => format!("step {}", grouped(x.max(0.0).round() as u64)),
            XAxis::Epoch => format!("epoch {x:.2}"),
            XAxis::Time => span(x),
        }
    }

    /// What the axis counts.
    pub fn unit(&self) -> &'static str {
        match self.x {
            XAxis::Step | XAxis::Number => "step",
            XAxis::Epoch => "epoch",
            XAxis::Time => "time",
        }
    }
}
