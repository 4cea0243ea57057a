//! A chart in a terminal.
//!
//! ```text
//! accuracy  ── train 91.2%  ╌╌ validation 88.0%     title and legend: as many rows as they need, if there is room
//! 100% ┤          ┊beta 1.5→3                       numbers │ panel
//!  50% ┤  ⣀⡠⠔⠒⠒⠊⠉⠉┊
//!   0% ┼──────┬───────┬──────                       axis
//!      0     500    1,000                           numbers
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

use super::super::canvas::{Canvas, Charset, letter};
use super::super::raster::{Figure, Ink, Stroke, cell_of, dots, paint};
use super::super::scale::Axis;
use super::super::text::{fit, pad, width};
use super::super::ticks::{Tick, readout, ticks};
use super::header;
use super::scene::{Scene, Trace, scene};
use super::style::series_style;
use super::{Chart, Scale, rows_of_labels};

/// Where the lines of a drawn chart are, to turn the mouse's position into an x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Panel {
    /// The rectangle of the lines, without title, legend and axes.
    pub area: Rect,
    x: Axis,
}

impl Panel {
    /// The x in the middle of a column; none outside the panel.
    #[must_use]
    pub fn pick(&self, column: u16, row: u16) -> Option<f64> {
        let within = self.area.contains(Position::new(column, row));
        let share = match self.area.width {
            1 => 0.5,
            width => f64::from(column.saturating_sub(self.area.x)) / f64::from(width - 1),
        };
        within.then(|| self.x.value(share))
    }
}

/// How the area is divided.
struct Layout {
    header: Rect,
    panel: Rect,
    y_ticks: Vec<Tick>,
    /// Whether there is an axis line left of the panel and below it.
    left: bool,
    below: bool,
    numbers: bool,
}

pub(super) fn panel(chart: &Chart<'_>, area: Rect, canvas: &Canvas) -> Panel {
    let scene = scene(chart, columns(area, canvas));
    Panel { area: layout(chart, &scene, area, canvas).panel, x: scene.x }
}

/// Columns of dots in an area, at least one.
fn columns(area: Rect, canvas: &Canvas) -> usize {
    (usize::from(area.width) * dots(canvas.charset).0).max(1)
}

pub(super) fn render(chart: &Chart<'_>, area: Rect, buffer: &mut Buffer, canvas: &Canvas) -> Panel {
    let area = area.intersection(buffer.area);
    let scene = scene(chart, columns(area, canvas));
    let layout = layout(chart, &scene, area, canvas);
    let panel = Panel { area: layout.panel, x: scene.x };
    if area.is_empty() {
        return panel;
    }
    header::render(chart, &scene, layout.header, buffer, canvas);
    axes(chart, &scene, &layout, buffer, canvas);
    if layout.panel.is_empty() {
        return panel;
    }
    let mut view = Drawing { scene: &scene, panel: layout.panel, buffer, canvas };
    view.series(true);
    view.marks(chart, Part::Lines);
    view.series(false);
    view.marks(chart, Part::Labels);
    match scene.holds_points {
        true => view.best(chart),
        false => view.message(if chart.y_scale == Scale::Log { "no positive values" } else { "no values" }),
    }
    view.cursor(chart, layout.numbers.then(|| panel.area.bottom() + u16::from(layout.below)));
    panel
}

fn layout(chart: &Chart<'_>, scene: &Scene<'_>, area: Rect, canvas: &Canvas) -> Layout {
    let numbers = area.height >= 4 && area.width >= 12;
    let below = numbers && area.height >= 8;
    let most = if area.height >= 4 { usize::from((area.height / 4).max(1)) } else { 0 };
    let rows = header::rows(chart, scene, area.width, most, canvas);
    let header = Rect { height: rows.min(most) as u16, ..area };
    let taken = header.height + u16::from(numbers) + u16::from(below);
    let height = area.height.saturating_sub(taken);
    let y_ticks = match area.width >= 20 && height >= 2 {
        true => ticks(&scene.y, chart.unit, usize::from(height / 3).clamp(2, 12)),
        false => Vec::new(),
    };
    let widest = y_ticks.iter().map(|tick| width(&tick.label)).max().unwrap_or(0) as u16;
    let left = !y_ticks.is_empty();
    let gutter = if left { (widest + 1).min(area.width / 3) } else { 0 };
    let panel = Rect { x: area.x + gutter, y: area.y + header.height, width: area.width - gutter, height };
    Layout { header, panel, y_ticks, left, below, numbers }
}

/// Axis lines, ticks and numbers, around the panel.
fn axes(chart: &Chart<'_>, scene: &Scene<'_>, layout: &Layout, buffer: &mut Buffer, canvas: &Canvas) {
    let (panel, palette, ascii) = (layout.panel, &canvas.palette, canvas.ascii());
    let signs = if ascii { ["|", "+", "-", "+", "+"] } else { ["│", "┤", "─", "┬", "└"] };
    let below = panel.bottom();
    if layout.left {
        for y in panel.top()..below {
            buffer.set_string(panel.x - 1, y, signs[0], palette.axis);
        }
        for tick in &layout.y_ticks {
            let Some(row) = row_of(scene, panel, canvas.charset, tick.value) else { continue };
            let room = usize::from(panel.x - layout.header.x).saturating_sub(1);
            buffer.set_string(layout.header.x, row, pad(&tick.label, room, true, ascii), palette.text);
            buffer.set_string(panel.x - 1, row, signs[1], palette.axis);
        }
    }
    if layout.below {
        let line = signs[2].repeat(usize::from(panel.width));
        buffer.set_string(panel.x, below, line, palette.axis);
        if layout.left {
            buffer.set_string(panel.x - 1, below, signs[4], palette.axis);
        }
    }
    if !layout.numbers {
        return;
    }
    let row = below + u16::from(layout.below);
    let mut free = layout.header.x;
    for tick in ticks(&scene.x, chart.x_unit(), usize::from(panel.width / 8).max(2)) {
        let Some(column) = column_of(scene, panel, canvas.charset, tick.value) else { continue };
        let length = width(&tick.label) as u16;
        let start = column.saturating_sub(length / 2).max(layout.header.x);
        let start = start.min(panel.right().saturating_sub(length));
        if layout.below {
            buffer.set_string(column, below, signs[3], palette.axis);
        }
        if start >= free && start + length <= panel.right() {
            buffer.set_string(start, row, &tick.label, palette.text);
            free = start + length + 1;
        }
    }
}

fn column_of(scene: &Scene<'_>, panel: Rect, charset: Charset, x: f64) -> Option<u16> {
    Some(panel.x + cell_of(scene.x.place(x), panel.width, dots(charset).0)?)
}

fn row_of(scene: &Scene<'_>, panel: Rect, charset: Charset, y: f64) -> Option<u16> {
    Some(panel.y + cell_of(1.0 - scene.y.place(y), panel.height, dots(charset).1)?)
}

#[derive(PartialEq, Clone, Copy)]
enum Part {
    Lines,
    Labels,
}

/// The panel while it is drawn.
struct Drawing<'a, 'b> {
    scene: &'a Scene<'a>,
    panel: Rect,
    buffer: &'b mut Buffer,
    canvas: &'a Canvas,
}

impl Drawing<'_, '_> {
    fn column(&self, x: f64) -> Option<u16> {
        column_of(self.scene, self.panel, self.canvas.charset, x)
    }

    fn row(&self, y: f64) -> Option<u16> {
        row_of(self.scene, self.panel, self.canvas.charset, y)
    }

    /// Writes over what was drawn: bold or faint strokes leave no trace in the text.
    fn put(&mut self, x: u16, y: u16, text: &str, style: Style) {
        for column in x..x.saturating_add(width(text) as u16) {
            self.buffer.cell_mut((column, y)).into_iter().for_each(|cell| cell.modifier = Modifier::empty());
        }
        self.buffer.set_string(x, y, text, style);
    }

    fn message(&mut self, text: &str) {
        let text = fit(text, usize::from(self.panel.width), self.canvas.ascii());
        let x = self.panel.x + (self.panel.width - width(&text) as u16) / 2;
        self.put(x, self.panel.y + self.panel.height / 2, &text, self.canvas.palette.axis);
    }

    fn series(&mut self, faint: bool) {
        let many = self.scene.lines.iter().filter(|line| !line.faint).count() > 1;
        let lines = || self.scene.lines.iter().filter(|line| line.faint == faint);
        let inks: Vec<Ink> = lines().map(|line| self.ink(line, many)).collect();
        paint(self.panel, self.buffer, self.canvas.charset, &inks);
        if many && !faint && self.canvas.letters() && self.canvas.charset != Charset::Ascii {
            lines().for_each(|line| self.letters(line));
        }
    }

    fn ink(&self, line: &Trace<'_>, many: bool) -> Ink {
        let style = series_style(self.canvas, line);
        let sign = match (line.faint, many) {
            (true, _) => '.',
            (false, true) => letter(line.colour),
            (false, false) => '*',
        };
        let figure = if line.is_area() {
            let height = |(top, bottom): &(f64, f64)| {
                let place = |y| 1.0 - self.scene.y.place(y);
                (place(*top), if *bottom > self.scene.y.low { place(*bottom) } else { 1.0 })
            };
            let density = if self.canvas.letters() { [4, 2, 1, 3, 0][line.colour % 5] } else { 4 };
            // Areas are sampled over the whole width of the chart; the panel is a little narrower.
            let columns = usize::from(self.panel.width) * dots(self.canvas.charset).0;
            let places: Vec<(f64, f64)> = line.area.iter().map(height).collect();
            let at = |column: usize| places[column * places.len() / columns];
            Figure::Area(density, (0..columns).map(at).collect())
        } else {
            // Without colours a faint line would hide the others if it were as thick as they are.
            let thin = line.faint && self.canvas.letters();
            let stroke = if thin { Stroke::Dotted } else { line.stroke };
            Figure::Line(stroke, self.places(&line.points).collect())
        };
        Ink { style, sign, figure }
    }

    fn places(&self, points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
        let (x, y) = (self.scene.x.places(), self.scene.y.places());
        points.iter().map(move |(px, py)| (x(*px), 1.0 - y(*py)))
    }

    /// The letter of a series, here and there on its line.
    fn letters(&mut self, line: &Trace<'_>) {
        const APART: usize = 24;
        let style = series_style(self.canvas, line);
        let start = 4 + line.colour * 5 % APART;
        let mut next = start;
        let middles = line.area.iter().enumerate().map(|(index, area)| {
            let share = (index as f64 + 0.5) / line.area.len() as f64;
            (self.scene.x.value(share), (area.0 + area.1) / 2.0)
        });
        let points: Vec<(f64, f64)> = if line.is_area() { middles.collect() } else { line.points.clone() };
        for (x, y) in points {
            let Some(column) = self.column(x) else { continue };
            let offset = usize::from(column - self.panel.x);
            let (true, Some(row)) = (offset >= next, self.row(y)) else { continue };
            self.put(column, row, &letter(line.colour).to_string(), style);
            next = start + (offset - start) / APART * APART + APART;
        }
    }

    /// A line at each change point, then its label: right of the line, in the first row where it overlaps no other.
    fn marks(&mut self, chart: &Chart<'_>, part: Part) {
        let (style, ascii) = (self.canvas.palette.mark, self.canvas.ascii());
        let mut marks: Vec<_> = chart.marks.iter().filter_map(|m| Some((self.column(m.x)?, m))).collect();
        marks.sort_by_key(|(column, _)| *column);
        if part == Part::Lines {
            let panel = self.panel;
            for (column, row) in marks.iter().flat_map(|(c, _)| panel.rows().map(|row| (*c, row.y))) {
                self.put(column, row, if ascii { ":" } else { "┊" }, style);
            }
            return;
        }
        let fitted = |label: &str| fit(label, usize::from(self.panel.width.saturating_sub(1)), ascii);
        let labels: Vec<String> = marks.iter().map(|(_, mark)| fitted(&mark.label)).collect();
        let spans: Vec<(f64, f64)> = marks
            .iter()
            .zip(&labels)
            .map(|((column, _), label)| {
                let length = width(label) as u16;
                let right = column + 1 + length <= self.panel.right();
                let start = if right { column + 1 } else { column.saturating_sub(length).max(self.panel.x) };
                (f64::from(start), f64::from(start + length + 1))
            })
            .collect();
        let rows = rows_of_labels(&spans, usize::from(self.panel.height / 2));
        for ((label, span), row) in labels.iter().zip(&spans).zip(rows) {
            let Some(row) = row else { continue };
            self.put(span.0 as u16, self.panel.y + row as u16, label, style);
        }
    }

    /// A sign at each best value, with the value where there is room.
    fn best(&mut self, chart: &Chart<'_>) {
        let ascii = self.canvas.ascii();
        for line in &self.scene.lines {
            let Some((x, y)) = line.best else { continue };
            let (Some(column), Some(row)) = (self.column(x), self.row(y)) else { continue };
            let style = series_style(self.canvas, line).patch(self.canvas.palette.best);
            self.put(column, row, if ascii { "#" } else { "◆" }, style);
            let label = readout(y, chart.unit);
            let length = width(&label) as u16;
            let right = column + 2 + length <= self.panel.right();
            let start = if right { Some(column + 1) } else { column.checked_sub(length) };
            // Labels of change points are not written over.
            let free = |start: &u16| {
                let mut cells = (*start..start + length).filter_map(|x| self.buffer.cell((x, row)));
                *start >= self.panel.x && cells.all(|cell| !cell.symbol().contains(char::is_alphanumeric))
            };
            if let Some(start) = start.filter(free) {
                self.put(start, row, &label, style);
            }
        }
    }

    /// A line, a dot on each series, and the cursor's x in the row of the numbers if there is one.
    fn cursor(&mut self, chart: &Chart<'_>, numbers: Option<u16>) {
        let Some(x) = chart.cursor else { return };
        let Some(column) = self.column(x) else { return };
        let (style, ascii) = (self.canvas.palette.cursor, self.canvas.ascii());
        for row in self.panel.rows() {
            self.put(column, row.y, if ascii { "|" } else { "│" }, style);
        }
        let lines = self.scene.lines.iter().filter(|line| !line.faint && !line.is_area());
        for line in lines {
            let Some(row) = line.value.and_then(|point| self.row(point.1)) else { continue };
            let sign = if self.canvas.letters() { letter(line.colour).to_string() } else { "●".into() };
            self.put(column, row, &sign, series_style(self.canvas, line).patch(style_of(style)));
        }
        if let Some(row) = numbers {
            let label = readout(x, chart.x_unit());
            let length = (width(&label) as u16).min(self.panel.width);
            let start = column.saturating_sub(length / 2).max(self.panel.x);
            let start = start.min(self.panel.right() - length);
            self.put(start, row, &label, style.patch(self.canvas.palette.selected));
        }
    }
}

/// The modifiers of a style without its colours.
fn style_of(style: Style) -> Style {
    Style { fg: None, bg: None, ..style }
}
