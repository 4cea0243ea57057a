//! What a user of the room may rely on.

mod anything;
mod charts;
mod histories;
mod pictures;
mod ticks;
mod vector;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Best, Canvas, Chart, History, Mark, Series, Stroke, Unit, YRange};

/// A buffer that was drawn into.
fn drawn(width: u16, height: u16, draw: impl FnOnce(Rect, &mut Buffer)) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    draw(area, &mut buffer);
    buffer
}

/// The characters of a buffer, a line each row, without spaces at their ends.
fn text(buffer: &Buffer) -> String {
    let row = |row: Rect| row.columns().map(|at| buffer[at.as_position()].symbol()).collect::<String>();
    buffer.area.rows().map(|area| row(area).trim_end().to_owned() + "\n").collect()
}

fn rendered(chart: &Chart<'_>, width: u16, height: u16, canvas: &Canvas) -> String {
    text(&drawn(width, height, |area, buffer| {
        chart.render(area, buffer, canvas);
    }))
}

/// Accuracy in training and validation over 1,000 steps.
fn curves() -> (History, History) {
    let train = (0..=100).map(f64::from).map(|i| (i * 10.0, 1.0 - (-i / 20.0).exp()));
    let validation = (0..=10).map(f64::from).map(|i| (i * 100.0, 0.9 - 0.9 * (-i / 3.0).exp()));
    (History::of(train), History::of(validation))
}

fn accuracy<'a>(train: &'a History, validation: &'a History) -> Chart<'a> {
    Chart::new("accuracy")
        .unit(Unit::Percent)
        .y_range(YRange::Fixed(0.0, 1.0))
        .series(Series::new("train", train))
        .series(Series::new("validation", validation).stroke(Stroke::Dashed).best(Best::Highest))
        .mark(Mark::new(400.0, "beta 1.5→3"))
        .mark(Mark::new(450.0, "lr"))
        .cursor(Some(200.0))
}
