//! The contents of a chart for a given width: axes, points, areas. Terminal and SVG draw from it.

use super::super::scale::{Axis, Scale};
use super::super::view::Extent;
use super::{Best, Chart, Series, Stroke, Unit, XAxis, YRange};

/// A chart with its ranges and points.
pub(in crate::plot) struct Scene<'a> {
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Trace<'a>>,
    /// Whether a point in the window has a position on both axes.
    pub holds_points: bool,
}

/// One series of a scene.
pub(in crate::plot) struct Trace<'a> {
    pub name: &'a str,
    /// Number of its colour and letter.
    pub colour: usize,
    pub stroke: Stroke,
    pub faint: bool,
    /// At most four in each column; NaN without a position on the axes.
    pub points: Vec<(f64, f64)>,
    /// Of a stacked area: upper and lower end for each column, not a number where there is none; empty for a line.
    pub area: Vec<(f64, f64)>,
    pub best: Option<(f64, f64)>,
    /// At the cursor, or else the newest.
    pub value: Option<(f64, f64)>,
}

impl Trace<'_> {
    /// Whether it is an area and not a line.
    pub fn is_area(&self) -> bool {
        !self.area.is_empty()
    }
}

impl Chart<'_> {
    /// The name of the horizontal axis.
    pub(in crate::plot) fn x_name(&self) -> &'static str {
        match self.x {
            XAxis::Step => "step",
            XAxis::Epoch => "epoch",
            XAxis::Time => "time",
            XAxis::Number => "",
        }
    }

    /// The unit of the horizontal axis.
    pub(in crate::plot) fn x_unit(&self) -> Unit {
        match self.x {
            XAxis::Step | XAxis::Epoch => Unit::Count,
            XAxis::Time => Unit::Seconds,
            XAxis::Number => Unit::Number,
        }
    }
}

/// The range of the data along the horizontal axis.
pub(super) fn extent(chart: &Chart<'_>) -> Extent {
    let scale = chart.x_scale;
    let ends = chart.series.iter().filter_map(|series| match (scale, series.extent()?) {
        (Scale::Log, (from, to)) if from <= 0.0 => {
            // Step 0 has no position on a logarithmic axis; the first above it has one.
            let first = series.points(from, to).iter().map(|point| point.0).find(|x| *x > 0.0)?;
            Some((first, to))
        }
        (_, ends) => Some(ends),
    });
    let held = ends.filter(|(from, to)| scale.holds(*from) && scale.holds(*to));
    let all = held.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let axis = Axis::new(scale, all);
    match all {
        Some((from, to)) if from < to => Extent { from, to, scale },
        _ => Extent { from: axis.low, to: axis.high, scale },
    }
}

/// Computes the contents of a chart; areas have this many columns.
pub(in crate::plot) fn scene<'a>(chart: &'a Chart<'_>, columns: usize) -> Scene<'a> {
    let window = chart.view.window(extent(chart));
    let x = Axis::new(chart.x_scale, Some(window));
    let colours = colours(&chart.series);
    let mut lines: Vec<Trace<'a>> = chart
        .series
        .iter()
        .zip(colours)
        .map(|(series, colour)| trace(chart, series, colour, &x, columns))
        .collect();
    if chart.stacked {
        stack(chart, &x, columns, &mut lines);
    }
    let y = y_axis(chart, &x, &lines);
    let seen = |(px, py): &(f64, f64)| (x.low..=x.high).contains(px) && y.scale.holds(*py);
    let holds_points = lines.iter().any(|line| line.points.iter().any(seen));
    Scene { x, y, lines, holds_points }
}

/// A series that is not faint takes the next number; a faint one that of the next which is not.
fn colours(series: &[Series<'_>]) -> Vec<usize> {
    let mut next = 0;
    let mut colours = Vec::new();
    for one in series {
        colours.push(one.colour.unwrap_or(next));
        next += usize::from(!one.faint);
    }
    colours
}

fn trace<'a>(
    chart: &Chart<'_>,
    series: &'a Series<'_>,
    colour: usize,
    x: &Axis,
    columns: usize,
) -> Trace<'a> {
    let points = reduce(&series.points(x.low, x.high), x, chart.y_scale, columns);
    let seen =
        points.iter().filter(|(px, py)| (x.low..=x.high).contains(px) && chart.y_scale.holds(*py)).copied();
    let best = match series.best {
        Some(Best::Highest) => seen.reduce(|a, b| if b.1 > a.1 { b } else { a }),
        Some(Best::Lowest) => seen.reduce(|a, b| if b.1 < a.1 { b } else { a }),
        None => None,
    };
    let value = match chart.cursor {
        Some(at) => series.nearest(at),
        None => points.iter().rev().find(|(px, py)| *px <= x.high && py.is_finite()).copied(),
    };
    Trace {
        name: &series.name,
        colour,
        stroke: series.stroke,
        faint: series.faint,
        points,
        area: Vec::new(),
        best,
        value,
    }
}

/// Keeps of each column the first, lowest, highest and last point (M4, Jugel et al., VLDB 2014): a picture that
/// is `columns` dots wide stays the same.
fn reduce(points: &[(f64, f64)], x: &Axis, y: Scale, columns: usize) -> Vec<(f64, f64)> {
    let place = x.places();
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut group: Option<Group> = None;
    for point in points {
        if !y.holds(point.1) {
            group.take().into_iter().for_each(|done| done.emit(&mut kept));
            kept.push((point.0, f64::NAN));
            continue;
        }
        // Columns left of the panel are negative: with the offset, truncation rounds down.
        let column = (place(point.0) * columns as f64 + 1e10) as i64;
        match &mut group {
            Some(now) if now.column == column => now.add(*point),
            now => {
                let done =
                    now.replace(Group { column, first: *point, low: *point, high: *point, last: *point });
                done.into_iter().for_each(|done| done.emit(&mut kept));
            }
        }
    }
    group.into_iter().for_each(|done| done.emit(&mut kept));
    kept
}

/// The points of one column.
struct Group {
    column: i64,
    first: (f64, f64),
    low: (f64, f64),
    high: (f64, f64),
    last: (f64, f64),
}

impl Group {
    fn add(&mut self, point: (f64, f64)) {
        if point.1 < self.low.1 {
            self.low = point;
        }
        if point.1 > self.high.1 {
            self.high = point;
        }
        self.last = point;
    }

    fn emit(self, kept: &mut Vec<(f64, f64)>) {
        let middle = if self.low.0 <= self.high.0 { [self.low, self.high] } else { [self.high, self.low] };
        for point in [self.first, middle[0], middle[1], self.last] {
            if kept.last() != Some(&point) {
                kept.push(point);
            }
        }
    }
}

/// Puts the series on top of each other: in each column the mean of its values, read between neighbours
/// where a column has none.
fn stack(chart: &Chart<'_>, x: &Axis, columns: usize, lines: &mut [Trace<'_>]) {
    let mut floor = vec![0.0; columns];
    for (series, line) in chart.series.iter().zip(lines).filter(|(series, _)| !series.over) {
        let heights = sample(&series.means(x.low, x.high), x, columns);
        line.area = heights
            .iter()
            .zip(&mut floor)
            .map(|(height, floor)| {
                let bottom = *floor;
                *floor += if height.is_finite() { height.max(0.0) } else { 0.0 };
                if height.is_finite() { (*floor, bottom) } else { (f64::NAN, f64::NAN) }
            })
            .collect();
    }
}

fn sample(points: &[(f64, f64)], x: &Axis, columns: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0u32); columns];
    let mut known: Vec<(f64, f64)> = Vec::new();
    for (px, py) in points.iter().filter(|point| point.1.is_finite()) {
        let place = x.place(*px) * columns as f64;
        known.push((place, *py));
        if place >= 0.0 && place <= columns as f64 {
            let sum = &mut sums[(place as usize).min(columns - 1)];
            *sum = (sum.0 + py, sum.1 + 1);
        }
    }
    let between = |column: usize| {
        let at = column as f64 + 0.5;
        let next = known.partition_point(|point| point.0 < at);
        let (before, behind) = (known.get(next.checked_sub(1)?)?, known.get(next)?);
        Some(before.1 + (at - before.0) / (behind.0 - before.0) * (behind.1 - before.1))
    };
    let value = |(column, (sum, count)): (usize, &(f64, u32))| match count {
        0 => between(column).unwrap_or(f64::NAN),
        _ => sum / f64::from(*count),
    };
    sums.iter().enumerate().map(value).collect()
}

fn y_axis(chart: &Chart<'_>, x: &Axis, lines: &[Trace<'_>]) -> Axis {
    let scale = chart.y_scale;
    if let YRange::Fixed(low, high) = chart.y_range {
        return Axis::new(scale, Some((low, high)));
    }
    if chart.stacked {
        let tops = lines.iter().flat_map(|line| line.area.iter().map(|area| area.0));
        let over = lines.iter().filter(|line| !line.is_area()).flat_map(|line| &line.points);
        let over = over.filter(|(px, _)| (x.low..=x.high).contains(px)).map(|point| point.1);
        let top = tops.chain(over).filter(|top| scale.holds(*top)).fold(0.0, f64::max);
        let low = match scale {
            Scale::Linear => 0.0,
            Scale::Log => top / 1e4,
        };
        return Axis::new(scale, (top > 0.0).then_some((low, top * 1.05)));
    }
    let within = |points: &[(f64, f64)]| -> Vec<f64> {
        let seen = points.iter().filter(|(px, py)| (x.low..=x.high).contains(px) && scale.holds(*py));
        seen.map(|point| point.1).collect()
    };
    let range = |values: &[f64]| {
        let low = values.iter().copied().reduce(f64::min)?;
        Some((low, values.iter().copied().reduce(f64::max)?))
    };
    let ranges = chart.series.iter().zip(lines).filter_map(|(series, line)| match chart.y_range {
        YRange::Robust => robust(within(&series.means(x.low, x.high)), scale),
        _ => range(&within(&line.points)),
    });
    let all = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    Axis::new(scale, all).padded()
}

/// The 5 % and 95 % quantiles, and half their distance more, but no more than the values.
fn robust(mut values: Vec<f64>, scale: Scale) -> Option<(f64, f64)> {
    let first = values.iter().copied().reduce(f64::min)?;
    let last = values.iter().copied().reduce(f64::max)?;
    let mut at = |share: f64| {
        let index = ((values.len() - 1) as f64 * share).round() as usize;
        scale.forward(*values.select_nth_unstable_by(index, f64::total_cmp).1)
    };
    let (low, high) = (at(0.05), at(0.95));
    let more = (high - low) / 2.0;
    Some((scale.back(low - more).max(first), scale.back(high + more).min(last)))
}
