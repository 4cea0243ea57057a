//! The content of each chart: series, marks and axes of the shown run and the overlaid runs.

use std::borrow::Cow;

use super::axes::{Align, Axes};
use crate::plot::{Best, Chart, Extent, History, Mark, Scale, Series, Stroke, Unit, View, XAxis, YRange};
use crate::tui::curves::{Curves, Measure};

/// Changes of one slider within this fraction of the window share a mark.
const CLOSE: f64 = 1.0 / 20.0;

/// The first colour of overlaid runs; earlier ones belong to the shown run.
const FIRST_OTHER: usize = 3;

/// The shown run, the overlaid runs, and the x positions of their steps.
pub struct Scope<'a> {
    main: &'a Curves,
    others: Vec<&'a Curves>,
    axes: &'a Axes,
    arrow: &'static str,
    shifts: Vec<f64>,
    clocks: Vec<Option<Cow<'a, History>>>,
    extent: Extent,
    narrow: bool,
}

impl<'a> Scope<'a> {
    /// Charts of `main` overlaid with `others`; `arrow` separates the values of a change.
    pub fn new(main: &'a Curves, others: Vec<&'a Curves>, axes: &'a Axes, arrow: &'static str) -> Self {
        let runs: Vec<&Curves> = std::iter::once(main).chain(others.iter().copied()).collect();
        let shifts: Vec<f64> = runs.iter().map(|run| shift(run, &runs, axes)).collect();
        let clocks = runs.iter().zip(&shifts).map(|(run, shift)| run.clock(axes.x, *shift)).collect();
        let nothing = Extent { from: 0.0, to: 1.0, scale: axes.x_scale };
        let mut scope = Scope { main, others, axes, arrow, shifts, clocks, extent: nothing, narrow: false };
        scope.extent = scope.measure_extent();
        scope
    }

    /// The extent of the x axis, common to all charts.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Uses short names, for narrow charts.
    pub fn narrow(self, narrow: bool) -> Self {
        Scope { narrow, ..self }
    }

    fn measure_extent(&self) -> Extent {
        let mut chart = Chart::new("").x_axis(self.axes.x).x_scale(self.axes.x_scale);
        for (index, run) in self.runs().enumerate() {
            let line = run.line(Measure::Accuracy);
            chart = chart.series(self.placed(Series::new("", line.steps.raw()), index));
            chart = chart.series(self.placed(Series::new("", &line.valid), index));
        }
        chart.extent()
    }

    /// The chart of a measure; `mark` is prefixed to its title.
    pub fn chart(&self, measure: Measure, mark: &str) -> Chart<'_> {
        let (from, to) = self.axes.view.window(self.extent);
        let chart = Chart::new(format!("{mark}{}", self.title(measure)))
            .x_axis(self.axes.x)
            .x_scale(self.axes.x_scale)
            .y_scale(self.axes.y_scale(measure))
            .y_range(if self.axes.robust { YRange::Robust } else { YRange::Auto })
            .unit(unit(measure))
            .view(View::Window(from, to))
            .cursor(self.axes.cursor)
            .marks(self.marks(to - from));
        match measure {
            Measure::Loss if self.stacks() => self.stack(chart),
            _ => self.lines(chart, measure),
        }
    }

    /// Whether the loss terms are drawn stacked; not on a logarithmic axis.
    fn stacks(&self) -> bool {
        let linear = self.axes.y_scale(Measure::Loss) == Scale::Linear;
        self.main.parts.len() > 1 && linear
    }

    fn title(&self, measure: Measure) -> String {
        let log = if self.axes.y_scale(measure) == Scale::Log { " (log)" } else { "" };
        format!("{}{log}", measure.title())
    }

    fn stack(&'a self, chart: Chart<'a>) -> Chart<'a> {
        let smooth = self.axes.smoothing() > 0.0;
        let layers = self.main.parts.iter().map(|part| {
            let data = if smooth { part.steps.smooth() } else { part.steps.raw() };
            let name = if self.narrow { part.short_name() } else { part.name.clone() };
            self.placed(Series::new(name, data), 0)
        });
        let chart = layers.fold(chart.stacked(), Chart::series);
        // For overlaid runs, the sum of the terms.
        let totals = self.others.iter().enumerate().map(|(index, run)| {
            let steps = &run.line(Measure::Loss).steps;
            let data = if smooth { steps.smooth() } else { steps.raw() };
            let series = Series::new(run.run.as_str(), data).colour(FIRST_OTHER + index).over();
            self.placed(series, index + 1)
        });
        totals.fold(chart, Chart::series)
    }

    fn lines(&'a self, mut chart: Chart<'a>, measure: Measure) -> Chart<'a> {
        let line = self.main.line(measure);
        let is_mask = !matches!(measure, Measure::Accuracy | Measure::Loss);
        let (colour, stroke) = if is_mask { (2, Stroke::Dotted) } else { (0, Stroke::Solid) };
        if is_mask {
            chart = chart.series(self.placed(Series::new("train", &line.train).colour(0), 0));
        }
        let best = best(measure);
        let valid = Series::new("valid", &line.valid).colour(1).stroke(Stroke::Dashed).best(best);
        let smooth = self.axes.smoothing() > 0.0;
        let batches = self.main.batch_name(measure);
        let steps = |name, data| Series::new(name, data).colour(colour).stroke(stroke);
        if let Some(name) = batches.filter(|_| smooth) {
            let raw = steps(name, line.steps.raw()).stroke(Stroke::Solid).faint();
            chart = chart.series(self.placed(raw, 0));
        }
        let data = if smooth { line.steps.smooth() } else { line.steps.raw() };
        let measured = batches.map(|name| steps(name, data));
        let both = if is_mask { [Some(valid), measured] } else { [measured, Some(valid)] };
        chart = both.into_iter().flatten().fold(chart, |chart, series| chart.series(self.placed(series, 0)));
        for (index, run) in self.others.iter().enumerate() {
            let series = Series::new(run.run.as_str(), &run.line(measure).valid);
            let series = series.colour(FIRST_OTHER + index).stroke(Stroke::Dashed).best(best);
            chart = chart.series(self.placed(series, index + 1));
        }
        chart
    }

    fn runs(&self) -> impl Iterator<Item = &'a Curves> + '_ {
        std::iter::once(self.main).chain(self.others.iter().copied())
    }

    fn placed<'s>(&'s self, series: Series<'s>, run: usize) -> Series<'s> {
        match &self.clocks[run] {
            Some(clock) => series.along(clock),
            None => series,
        }
    }

    /// Marks of the shown run's changes and of fork points.
    fn marks(&self, span: f64) -> Vec<Mark> {
        let place = |step| self.main.place(step, self.axes.x, self.shifts[0]);
        let mut marks: Vec<(f64, String)> = Vec::new();
        let changes = &self.main.changes;
        let mut begun = 0;
        for (index, applied) in changes.iter().enumerate() {
            let x = place(applied.change.step);
            let follows = changes.get(index + 1).is_some_and(|next| {
                next.slider() == applied.slider() && place(next.change.step) - x < span * CLOSE
            });
            if !follows {
                let label = changes[begun].label_to(applied, self.arrow);
                begun = index + 1;
                marks.push((x, label));
            }
        }
        // The first phase begins where the run does.
        let begun = self.main.phases.iter().filter(|begun| begun.step > self.main.first_step());
        marks.extend(begun.map(|begun| (place(begun.step), begun.short())));
        let parent =
            self.main.parent.as_ref().filter(|parent| self.others.iter().any(|o| o.run == parent.run));
        marks.extend(parent.map(|parent| (place(parent.step), "fork".to_owned())));
        for other in &self.others {
            let fork = other.parent.as_ref().filter(|parent| parent.run == self.main.run);
            marks.extend(fork.map(|parent| (place(parent.step), format!("fork {}", other.run))));
        }
        marks.into_iter().map(|(x, label)| Mark::new(x, label)).collect()
    }
}

fn unit(measure: Measure) -> Unit {
    match measure {
        Measure::Accuracy | Measure::Retention => Unit::Percent,
        Measure::Loss | Measure::Cohesion | Measure::Coupling => Unit::Number,
    }
}

fn best(measure: Measure) -> Best {
    match measure {
        Measure::Accuracy | Measure::Cohesion => Best::Highest,
        Measure::Loss | Measure::Coupling | Measure::Retention => Best::Lowest,
    }
}

/// How far a run's steps are shifted left.
fn shift(run: &Curves, runs: &[&Curves], axes: &Axes) -> f64 {
    match (axes.align, axes.x) {
        (Align::Start, XAxis::Time) => 0.0,
        (Align::Start, axis) => run.place(run.first_step(), axis, 0.0),
        (Align::Fork, XAxis::Time) => -seconds_before(run, runs, runs.len()),
        (Align::Fork, _) => 0.0,
    }
}

/// Training seconds of a branch's ancestors before its start, as far as they are among the runs.
fn seconds_before(run: &Curves, runs: &[&Curves], depth: usize) -> f64 {
    let Some(parent) = run.parent.as_ref().filter(|_| depth > 0) else { return 0.0 };
    let Some(found) = runs.iter().find(|other| other.run == parent.run) else { return 0.0 };
    found.seconds_at(parent.step) + seconds_before(found, runs, depth - 1)
}
