//! Lines and areas as dots, drawn with ratatui's canvas.
//!
//! The canvas has colours, not styles. So each stroke is painted with an indexed colour that stands for its number, in
//! a buffer of its own, and the cells are then copied with the style of the stroke.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::widgets::Widget;
use ratatui::widgets::canvas::{Canvas as Dots, Context, Painter, Shape};

use super::canvas::Charset;

/// How a line is broken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stroke {
    /// Unbroken.
    #[default]
    Solid,
    /// Long pieces.
    Dashed,
    /// Single dots.
    Dotted,
    /// No line: a dot at each point.
    Points,
}

/// Something painted, with places in the panel: (0, 0) at the upper left, (1, 1) at the lower right.
pub(super) struct Ink {
    pub style: Style,
    /// In place of dots where the characters are ASCII.
    pub sign: char,
    pub figure: Figure,
}

pub(super) enum Figure {
    /// A line through points, broken where one is not a number.
    Line(Stroke, Vec<(f64, f64)>),
    /// For each dot column, from where to where it is filled; with `u8` dots out of four, so that areas without
    /// colour can be told apart.
    Area(u8, Vec<(f64, f64)>),
}

/// Dots in a cell, across and down.
pub(super) fn dots(charset: Charset) -> (usize, usize) {
    match charset {
        Charset::Braille => (2, 4),
        Charset::Half => (1, 2),
        Charset::Ascii => (1, 1),
    }
}

/// The cell, of `cells`, that a place from 0 to 1 falls into; none outside.
pub(super) fn cell_of(place: f64, cells: u16, dots: usize) -> Option<u16> {
    let last = (usize::from(cells) * dots).checked_sub(1)?;
    let dot = (place * last as f64).round();
    (0.0..=last as f64).contains(&dot).then(|| (dot as usize / dots) as u16)
}

/// Paints over the panel; the later over the earlier.
pub(super) fn paint(panel: Rect, buffer: &mut Buffer, charset: Charset, inks: &[Ink]) {
    let marker = match charset {
        Charset::Braille => Marker::Braille,
        Charset::Half => Marker::HalfBlock,
        Charset::Ascii => Marker::Dot,
    };
    let (across, down) = dots(charset);
    let size = (i64::from(panel.width) * across as i64, i64::from(panel.height) * down as i64);
    let mut scratch = Buffer::empty(panel);
    Dots::default()
        .marker(marker)
        .paint(|context: &mut Context<'_>| {
            for (number, ink) in inks.iter().enumerate() {
                context.draw(&Tagged { ink, tag: Color::Indexed(number as u8), size });
            }
        })
        .render(panel, &mut scratch);
    for position in panel.positions() {
        let (Some(from), Some(to)) = (scratch.cell(position), buffer.cell_mut(position)) else { continue };
        let Some(ink) = ink_of(from.fg, inks) else { continue };
        match (charset, ink_of(from.bg, inks)) {
            (Charset::Ascii, _) => to.set_char(ink.sign),
            (_, Some(below)) if from.symbol() == "▀" => match below.style.fg {
                Some(colour) => to.set_symbol("▀").set_bg(colour),
                None => to.set_symbol("█"),
            },
            _ => to.set_symbol(from.symbol()),
        };
        // A solid line over a faint one is not faint.
        to.modifier = Modifier::empty();
        to.set_style(ink.style);
    }
}

fn ink_of(tag: Color, inks: &[Ink]) -> Option<&Ink> {
    match tag {
        Color::Indexed(number) => inks.get(usize::from(number)),
        _ => None,
    }
}

/// An ink with the colour that stands for it, and the size of the panel in dots.
struct Tagged<'a> {
    ink: &'a Ink,
    tag: Color,
    size: (i64, i64),
}

impl Shape for Tagged<'_> {
    fn draw(&self, painter: &mut Painter<'_, '_>) {
        match &self.ink.figure {
            Figure::Line(stroke, points) => self.line(painter, *stroke, points),
            Figure::Area(density, columns) => self.area(painter, *density, columns),
        }
    }
}

impl Tagged<'_> {
    fn dot(&self, painter: &mut Painter<'_, '_>, x: i64, y: i64) {
        if (0..self.size.0).contains(&x) && (0..self.size.1).contains(&y) {
            painter.paint(x as usize, y as usize, self.tag);
        }
    }

    fn line(&self, painter: &mut Painter<'_, '_>, stroke: Stroke, points: &[(f64, f64)]) {
        let (right, bottom) = ((self.size.0 - 1) as f64, (self.size.1 - 1) as f64);
        let mut pen = Pen { ink: self, stroke, travelled: 0 };
        let mut before = None;
        for (x, y) in points {
            if x.is_nan() || y.is_nan() {
                before = None;
                continue;
            }
            let to = (x * right, y * bottom);
            // A point without neighbours is a dot.
            pen.segment(painter, before.unwrap_or(to), to, (right, bottom));
            before = (stroke != Stroke::Points).then_some(to);
        }
    }

    fn area(&self, painter: &mut Painter<'_, '_>, density: u8, columns: &[(f64, f64)]) {
        let height = self.size.1 as f64;
        for (x, (top, bottom)) in (0..).zip(columns) {
            if !(top.is_finite() && bottom.is_finite()) {
                continue;
            }
            let from = (top.clamp(0.0, 1.0) * height).round() as i64;
            let to = (bottom.clamp(0.0, 1.0) * height).round() as i64;
            for y in from..to {
                let filled = match density {
                    4.. => true,
                    3 => x % 2 == 0 || y % 2 == 0,
                    2 => (x + y) % 2 == 0,
                    1 => x % 2 == 0 && y % 2 == 0,
                    0 => x % 4 == 0 && y % 4 == 0,
                };
                if filled || y == from {
                    self.dot(painter, x, y);
                }
            }
        }
    }
}

/// Draws along a line and counts the dots so far, for dashes.
struct Pen<'a> {
    ink: &'a Tagged<'a>,
    stroke: Stroke,
    travelled: u64,
}

impl Pen<'_> {
    fn step(&mut self, painter: &mut Painter<'_, '_>, x: i64, y: i64) {
        let on = match self.stroke {
            Stroke::Solid | Stroke::Points => true,
            Stroke::Dashed => self.travelled % 8 < 5,
            Stroke::Dotted => self.travelled.is_multiple_of(4),
        };
        self.travelled += 1;
        if on {
            self.ink.dot(painter, x, y);
        }
    }

    fn segment(&mut self, painter: &mut Painter<'_, '_>, from: Point, to: Point, far: Point) {
        let Some((from, to)) = clip(from, to, far) else { return };
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let steps = dx.abs().max(dy.abs()).ceil().max(1.0);
        for step in 0..=steps as u64 {
            let share = step as f64 / steps;
            // Within the panel numbers are not below zero, so half more and cut off is rounding.
            self.step(painter, (from.0 + dx * share + 0.5) as i64, (from.1 + dy * share + 0.5) as i64);
        }
    }
}

type Point = (f64, f64);

/// The part of a segment within 0 to `far`, after Liang and Barsky.
fn clip(from: Point, to: Point, far: Point) -> Option<(Point, Point)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut enter, mut leave) = (0.0f64, 1.0f64);
    for (delta, room) in [(-dx, from.0), (dx, far.0 - from.0), (-dy, from.1), (dy, far.1 - from.1)] {
        if delta == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if delta < 0.0 {
            enter = enter.max(room / delta);
        } else {
            leave = leave.min(room / delta);
        }
    }
    let at = |share: f64| (from.0 + dx * share, from.1 + dy * share);
    (enter <= leave).then(|| (at(enter), at(leave)))
}
