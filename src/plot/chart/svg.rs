//! A chart as SVG.

use std::fmt::Write;

use super::super::svg::{Anchor, Ground, Svg, series_class, short};
use super::super::text::width;
use super::super::ticks::{readout, ticks};
use super::header::wrap;
use super::scene::{Scene, Trace, scene};
use super::{Chart, Stroke, rows_of_labels};

const WIDTH: f64 = 720.0;
/// Height of the panel with the lines.
const PANEL: f64 = 260.0;
/// Columns to which points are reduced; a small file matters more than the last pixel.
const COLUMNS: usize = 480;
const ROW: f64 = 18.0;
/// Mean width of a character.
const CHARACTER: f64 = 6.6;
const RIGHT: f64 = 16.0;

/// Where the panel is.
struct Place {
    left: f64,
    top: f64,
    width: f64,
}

impl Place {
    fn x(&self, place: f64) -> f64 {
        self.left + place * self.width
    }

    fn y(&self, place: f64) -> f64 {
        self.top + (1.0 - place) * PANEL
    }
}

pub(super) fn svg(chart: &Chart<'_>, ground: Ground) -> String {
    let scene = scene(chart, COLUMNS);
    let y_ticks = ticks(&scene.y, chart.unit, 8);
    let widest = y_ticks.iter().map(|tick| width(&tick.label)).max().unwrap_or(0) as f64;
    let (entries, rows) = legend(chart, &scene);
    let left = 22.0 + widest * CHARACTER;
    let place = Place { left, top: 34.0 + ROW * rows, width: WIDTH - left - RIGHT };
    let height = place.top + PANEL + 42.0;
    let mut svg = Svg::new(WIDTH, height, &chart.title);
    svg.text("heading", (RIGHT, 20.0), Anchor::Start, 0.0, &chart.title);
    for (x, y, line, text) in entries {
        sample(&mut svg, line, (x, y));
        svg.text("", (x + 26.0, y), Anchor::Start, 0.0, &text);
    }
    for tick in y_ticks {
        let y = place.y(scene.y.place(tick.value));
        svg.line("grid", (left, y), (WIDTH - RIGHT, y));
        svg.text("quiet", (left - 6.0, y + 4.0), Anchor::End, 0.0, &tick.label);
    }
    let bottom = place.top + PANEL;
    for tick in ticks(&scene.x, chart.x_unit(), 8) {
        let x = place.x(scene.x.place(tick.value));
        svg.line("axis", (x, bottom), (x, bottom + 4.0));
        svg.text("quiet", (x, bottom + 18.0), Anchor::Middle, 0.0, &tick.label);
    }
    let middle = left + place.width / 2.0;
    svg.text("quiet", (middle, bottom + 35.0), Anchor::Middle, 0.0, chart.x_name());
    svg.confine((left, place.top), (place.width, PANEL));
    for line in
        scene.lines.iter().filter(|line| line.faint).chain(scene.lines.iter().filter(|line| !line.faint))
    {
        trace(&mut svg, &scene, line, &place);
    }
    svg.release();
    svg.path(
        "axis",
        &format!("M{} {}V{}H{}", short(left), short(place.top), short(bottom), short(WIDTH - RIGHT)),
        "",
    );
    marks(&mut svg, chart, &scene, &place);
    best(&mut svg, chart, &scene, &place);
    svg.finish(ground)
}

/// A text of the legend with its place and line, and the number of rows of all.
type Entry<'a> = (f64, f64, &'a Trace<'a>, String);

fn legend<'a>(chart: &Chart<'_>, scene: &'a Scene<'_>) -> (Vec<Entry<'a>>, f64) {
    let shown: Vec<_> = scene.lines.iter().filter(|line| chart.legend && !line.faint).collect();
    let texts: Vec<String> = shown
        .iter()
        .map(|line| {
            // The last of points that no line joins says nothing.
            let value = line.value.filter(|_| line.stroke != Stroke::Points);
            let value = value.map(|point| format!(" {}", readout(point.1, chart.unit)));
            format!("{}{}", line.name, value.unwrap_or_default())
        })
        .collect();
    let widths = texts.iter().map(|text| 26 + (width(text) as f64 * CHARACTER) as usize);
    let places = wrap(widths, (WIDTH - 2.0 * RIGHT) as usize, 18);
    let rows = places.last().map_or(0.0, |place| place.0 as f64 + 1.0);
    let at = |(row, column): &(usize, usize)| (RIGHT + *column as f64, 40.0 + ROW * *row as f64);
    let entries = shown.into_iter().zip(texts).zip(&places).map(|((line, text), place)| {
        let (x, y) = at(place);
        (x, y, line, text)
    });
    (entries.collect(), rows)
}

/// The classes of a line.
fn classes(line: &Trace<'_>) -> String {
    let stroke = match line.stroke {
        Stroke::Solid => "",
        Stroke::Dashed => " dashed",
        Stroke::Dotted => " dotted",
        Stroke::Points => " points",
    };
    format!("line {}{stroke}{}", series_class(line.colour), if line.faint { " faint" } else { "" })
}

fn sample(svg: &mut Svg, line: &Trace<'_>, (x, y): (f64, f64)) {
    if line.is_area() {
        svg.rectangle(&format!("area fill {}", series_class(line.colour)), (x + 4.0, y - 9.0), (14.0, 10.0));
    } else {
        // A line without length is a dot.
        let (from, to) = if line.stroke == Stroke::Points { (13.0, 13.0) } else { (0.0, 20.0) };
        svg.line(&classes(line), (x + from, y - 4.0), (x + to, y - 4.0));
    }
}

fn trace(svg: &mut Svg, scene: &Scene<'_>, line: &Trace<'_>, place: &Place) {
    let mut data = String::new();
    if line.is_area() {
        let count = line.area.len() as f64;
        let floor = |y: f64| if y > scene.y.low { scene.y.place(y) } else { 0.0 };
        for (index, (top, bottom)) in line.area.iter().enumerate().filter(|(_, area)| area.0.is_finite()) {
            let [x, next] = [index as f64, index as f64 + 1.0].map(|at| short(place.x(at / count)));
            let [top, bottom] = [*top, *bottom].map(|y| short(place.y(floor(y))));
            let _ = write!(data, "M{x} {bottom}V{top}H{next}V{bottom}z");
        }
        svg.path(&format!("area fill {}", series_class(line.colour)), &data, "");
        return;
    }
    let mut pen = 'M';
    let mut run = 0;
    for (x, y) in &line.points {
        let (px, py) = (scene.x.place(*x), scene.y.place(*y));
        if px.is_nan() || py.is_nan() {
            end_run(&mut data, run);
            (pen, run) = ('M', 0);
            continue;
        }
        // Outlying places are held near the panel, which clips them.
        let [px, py] = [place.x(px.clamp(-1e3, 1e3)), place.y(py.clamp(-1e3, 1e3))].map(short);
        let _ = write!(data, "{pen}{px} {py}");
        (pen, run) = ('L', run + 1);
        if line.stroke == Stroke::Points {
            end_run(&mut data, run);
            (pen, run) = ('M', 0);
        }
    }
    end_run(&mut data, run);
    svg.path(&classes(line), &data, "");
}

/// A single point is drawn as the round end of a line without length.
fn end_run(data: &mut String, points: usize) {
    if points == 1 {
        data.push_str("h0");
    }
}

fn marks(svg: &mut Svg, chart: &Chart<'_>, scene: &Scene<'_>, place: &Place) {
    let mut marks: Vec<_> = chart.marks.iter().map(|mark| (scene.x.place(mark.x), mark)).collect();
    marks.retain(|(at, _)| (0.0..=1.0).contains(at));
    marks.sort_by(|a, b| a.0.total_cmp(&b.0));
    let length = |label: &str| width(label) as f64 * CHARACTER;
    let spans: Vec<(f64, f64)> = marks
        .iter()
        .map(|(at, mark)| {
            let (x, length) = (place.x(*at), length(&mark.label));
            if x + 5.0 + length <= WIDTH { (x + 5.0, x + 15.0 + length) } else { (x - 5.0 - length, x + 5.0) }
        })
        .collect();
    let rows = rows_of_labels(&spans, (PANEL / 30.0) as usize);
    for (((at, mark), span), row) in marks.iter().zip(&spans).zip(rows) {
        svg.line("mark", (place.x(*at), place.top), (place.x(*at), place.top + PANEL));
        if let Some(row) = row {
            let y = place.top + 12.0 + 14.0 * row as f64;
            svg.text("mark-label", (span.0, y), Anchor::Start, 0.0, &mark.label);
        }
    }
}

fn best(svg: &mut Svg, chart: &Chart<'_>, scene: &Scene<'_>, place: &Place) {
    for line in &scene.lines {
        let Some((x, y)) = line.best else { continue };
        let (px, py) = (scene.x.place(x), scene.y.place(y));
        if !((0.0..=1.0).contains(&px) && (0.0..=1.0).contains(&py)) {
            continue;
        }
        let class = series_class(line.colour);
        let (x, top) = (place.x(px), place.y(py));
        svg.disc(&format!("fill {class}"), (x, top), 3.5);
        let anchor = if px < 0.9 { Anchor::Start } else { Anchor::End };
        let x = if px < 0.9 { x + 6.0 } else { x - 6.0 };
        svg.text(&class, (x, top + 14.0), anchor, 0.0, &readout(y, chart.unit));
    }
}
