//! Which part of the horizontal axis is shown.

use super::scale::Scale;

/// The window of a chart on its horizontal axis. A value of the caller's state: charts that share it are
/// zoomed and moved together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum View {
    /// Everything; grows with the data.
    #[default]
    All,
    /// The newest part, of this width in units of x; moves with the data.
    Follow(f64),
    /// From here to there.
    Window(f64, f64),
}

/// The range of the data along the horizontal axis; [`super::Chart::extent`] gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    /// Smallest x of the data.
    pub from: f64,
    /// Largest x of the data.
    pub to: f64,
    /// How the axis maps x.
    pub scale: Scale,
}

/// Smallest width of a view as a fraction of the extent.
const NARROWEST: f64 = 1e-9;

impl View {
    /// The window in data coordinates.
    #[must_use]
    pub fn window(self, extent: Extent) -> (f64, f64) {
        let (from, to) = (extent.from, extent.to);
        match self {
            View::All => (from, to),
            View::Follow(width) if from < to - width && to - width < to => (to - width, to),
            View::Follow(_) => (from, to),
            View::Window(a, b) if a < b && extent.scale.holds(a) && extent.scale.holds(b) => (a, b),
            View::Window(..) => (from, to),
        }
    }

    /// The view with `factor` times the width (0.5 zooms in, 2 zooms out). `at` stays in its place on the
    /// screen; without it the middle does, or the newest end of a view that follows or shows all. All is seen
    /// once the window would hold the whole extent.
    #[must_use]
    pub fn zoom(self, factor: f64, at: Option<f64>, extent: Extent) -> View {
        if !(factor.is_finite() && factor > 0.0 && extent.to > extent.from) {
            return self;
        }
        let (from, to) = self.window(extent);
        let follows = matches!(self, View::Follow(_)) || self == View::All && at.is_none();
        if follows && at.is_none() && extent.scale == Scale::Linear {
            let whole = extent.to - extent.from;
            let width = ((to - from) * factor).max(whole * NARROWEST);
            return if width < whole { View::Follow(width) } else { View::All };
        }
        let (low, high) = (extent.scale.forward(from), extent.scale.forward(to));
        let whole = extent.scale.forward(extent.to) - extent.scale.forward(extent.from);
        let width = ((high - low) * factor).max(whole * NARROWEST);
        if width >= whole {
            return View::All;
        }
        let anchor = at.map_or((low + high) / 2.0, |x| extent.scale.forward(x).clamp(low, high));
        let share = (anchor - low) / (high - low);
        View::placed(anchor - share * width, width, extent)
    }

    /// The view moved by `share` of its width, to the right where that is positive. It stops at the ends of the
    /// extent; a view that was moved no longer follows until it is moved to the newest end.
    #[must_use]
    pub fn pan(self, share: f64, extent: Extent) -> View {
        if self == View::All || !share.is_finite() {
            return self;
        }
        let (from, to) = self.window(extent);
        let (low, high) = (extent.scale.forward(from), extent.scale.forward(to));
        let start = low + share * (high - low);
        let end = extent.scale.forward(extent.to);
        if extent.scale == Scale::Linear && share > 0.0 && start + (high - low) >= end {
            return View::Follow(high - low);
        }
        View::placed(start, high - low, extent)
    }

    /// A window of this width on the linear axis, held within the extent.
    fn placed(start: f64, width: f64, extent: Extent) -> View {
        let (first, last) = (extent.scale.forward(extent.from), extent.scale.forward(extent.to));
        let start = start.clamp(first, (last - width).max(first));
        View::Window(extent.scale.back(start), extent.scale.back(start + width))
    }
}
