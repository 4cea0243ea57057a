//! The series of a chart: where their points come from and how they are drawn.

use std::borrow::Cow;

use super::super::history::{History, nearest, window};
use super::Stroke;

/// Which value of a series is the best one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Best {
    /// The highest, as for accuracy.
    Highest,
    /// The lowest, as for loss.
    Lowest,
}

/// Where the points of a series come from. They are ordered by x; a y that is not finite is a gap.
#[derive(Debug, Clone)]
pub enum Data<'a> {
    /// A series that grows.
    History(&'a History),
    /// Points.
    Points(Cow<'a, [(f64, f64)]>),
}

impl<'a> From<&'a History> for Data<'a> {
    fn from(history: &'a History) -> Self {
        Data::History(history)
    }
}

impl<'a> From<&'a [(f64, f64)]> for Data<'a> {
    fn from(points: &'a [(f64, f64)]) -> Self {
        Data::Points(Cow::Borrowed(points))
    }
}

impl From<Vec<(f64, f64)>> for Data<'_> {
    fn from(points: Vec<(f64, f64)>) -> Self {
        Data::Points(Cow::Owned(points))
    }
}

/// One line, or one layer of stacked areas.
#[derive(Debug, Clone)]
pub struct Series<'a> {
    pub(super) name: String,
    pub(super) data: Data<'a>,
    pub(super) along: Option<&'a History>,
    pub(super) colour: Option<usize>,
    pub(super) stroke: Stroke,
    pub(super) faint: bool,
    pub(super) best: Option<Best>,
    pub(super) over: bool,
}

impl<'a> Series<'a> {
    /// A solid line in the next colour.
    #[must_use]
    pub fn new(name: impl Into<String>, data: impl Into<Data<'a>>) -> Self {
        Series {
            name: name.into(),
            data: data.into(),
            along: None,
            colour: None,
            stroke: Stroke::Solid,
            faint: false,
            best: None,
            over: false,
        }
    }

    /// Draws in this colour of the palette, counted from 0. Without it, the colours follow the order of the
    /// series that are not faint, and a faint one takes the colour of the next that is not.
    #[must_use]
    pub fn colour(mut self, colour: usize) -> Self {
        self.colour = Some(colour);
        self
    }

    /// Breaks the line up.
    #[must_use]
    pub fn stroke(mut self, stroke: Stroke) -> Self {
        self.stroke = stroke;
        self
    }

    /// Draws behind the others, faintly, and without a place in the legend: raw values behind smoothed ones.
    #[must_use]
    pub fn faint(mut self) -> Self {
        self.faint = true;
        self
    }

    /// Marks the best value in the window.
    #[must_use]
    pub fn best(mut self, best: Best) -> Self {
        self.best = Some(best);
        self
    }

    /// In a chart of stacked areas, a line over them: a sum to compare theirs with.
    #[must_use]
    pub fn over(mut self) -> Self {
        self.over = true;
        self
    }

    /// Translates the x of the series: `clock` maps an x of the data to the axis of the chart, such as steps to seconds
    /// since the start. It is interpolated linearly.
    #[must_use]
    pub fn along(mut self, clock: &'a History) -> Self {
        self.along = Some(clock);
        self
    }
}

impl Data<'_> {
    /// The kept points with from <= x <= to, and neighbours.
    pub(in crate::plot) fn points(&self, from: f64, to: f64) -> Cow<'_, [(f64, f64)]> {
        match self {
            Data::History(history) => history.points(from, to).collect(),
            Data::Points(points) => Cow::Borrowed(window(points, from, to)),
        }
    }
}

impl Series<'_> {
    /// The kept points with from <= x <= to on the chart's axis, and neighbours.
    pub(in crate::plot) fn points(&self, from: f64, to: f64) -> Cow<'_, [(f64, f64)]> {
        match self.along {
            None => self.data.points(from, to),
            Some(clock) => {
                let all = self.data.points(f64::NEG_INFINITY, f64::INFINITY);
                let translated = translate(all.iter().copied(), clock);
                Cow::Owned(window(&translated, from, to).to_vec())
            }
        }
    }

    /// As [`Series::points`], with means in place of a bucket's lowest and highest point.
    pub(super) fn means(&self, from: f64, to: f64) -> Cow<'_, [(f64, f64)]> {
        let Data::History(history) = self.data else { return self.points(from, to) };
        let means = |from, to| history.between(from, to).iter().map(|b| ((b.from + b.to) / 2.0, b.mean()));
        match self.along {
            None => means(from, to).collect(),
            Some(clock) => {
                let translated = translate(means(f64::NEG_INFINITY, f64::INFINITY), clock);
                Cow::Owned(window(&translated, from, to).to_vec())
            }
        }
    }

    pub(super) fn nearest(&self, x: f64) -> Option<(f64, f64)> {
        match (&self.data, self.along) {
            (Data::History(history), None) => history.nearest(x),
            _ => nearest(self.points(x, x).iter().copied().filter(|point| point.1.is_finite()), x),
        }
    }

    pub(super) fn extent(&self) -> Option<(f64, f64)> {
        let (from, to) = match &self.data {
            Data::History(history) => history.extent()?,
            Data::Points(points) => {
                let finite = |point: &&(f64, f64)| point.0.is_finite();
                (points.iter().find(finite)?.0, points.iter().rev().find(finite)?.0)
            }
        };
        let Some(clock) = self.along else { return Some((from, to)) };
        let ends = translate([(from, 0.0), (to, 0.0)].into_iter(), clock);
        Some((ends.first()?.0, ends.last()?.0))
    }
}

/// Replaces x by its value on the clock, linearly interpolated, and constant beyond the ends of the clock.
fn translate(points: impl Iterator<Item = (f64, f64)>, clock: &History) -> Vec<(f64, f64)> {
    let all = clock.points(f64::NEG_INFINITY, f64::INFINITY);
    let times: Vec<(f64, f64)> = all.filter(|(_, y)| y.is_finite()).collect();
    let mut at = 0;
    let place = |(x, y): (f64, f64)| {
        while times.get(at + 1).is_some_and(|next| next.0 <= x) {
            at += 1;
        }
        let (x0, y0) = *times.get(at)?;
        let (x1, y1) = *times.get(at + 1).unwrap_or(&(x0, y0));
        let share = if x1 > x0 { ((x - x0) / (x1 - x0)).clamp(0.0, 1.0) } else { 0.0 };
        Some((y0 + share * (y1 - y0), y))
    };
    points.filter_map(place).collect()
}
