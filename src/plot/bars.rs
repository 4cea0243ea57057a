//! Named shares of wholes, as horizontal bars.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::csv;
use super::png::{PngError, Print};
use super::svg::{Anchor, Ground, Svg};
use super::text::{fit, pad, width};

/// Bars one below the other, such as the kernels that a module keeps of each layer.
#[derive(Debug, Clone)]
pub struct Bars {
    title: String,
    bars: Vec<Bar>,
    selected: Option<usize>,
}

/// A share of a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    name: String,
    part: f64,
    whole: f64,
}

impl Bar {
    /// `part` of `whole`. The bar is full when they are equal; what is not finite or below zero counts as zero.
    #[must_use]
    pub fn new(name: impl Into<String>, part: f64, whole: f64) -> Self {
        let sound = |value: f64| if value.is_finite() { value.max(0.0) } else { 0.0 };
        Bar { name: name.into(), part: sound(part), whole: sound(whole) }
    }

    /// The part of the whole, 0 to 1; 0 of nothing is 0.
    fn share(&self) -> f64 {
        if self.whole > 0.0 { (self.part / self.whole).min(1.0) } else { 0.0 }
    }

    /// Both numbers and the share, as "12/64 19%".
    fn value(&self) -> String {
        format!("{}/{} {:>3.0}%", number(self.part), number(self.whole), self.share() * 100.0)
    }
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

impl Bars {
    /// Bars in this order.
    #[must_use]
    pub fn new(title: impl Into<String>, bars: impl IntoIterator<Item = Bar>) -> Self {
        Bars { title: title.into(), bars: bars.into_iter().collect(), selected: None }
    }

    /// Marks a bar and keeps it in sight where not all have room.
    #[must_use]
    pub fn selected(mut self, bar: Option<usize>) -> Self {
        self.selected = bar;
        self
    }

    /// Draws into the area: a row for the title if there is one, then a row for each bar.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, canvas: &Canvas) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let titled = !self.title.is_empty() && area.height >= 2;
        if titled {
            let title = fit(&self.title, usize::from(area.width), canvas.ascii());
            buffer.set_string(area.x, area.y, title, canvas.palette.title);
        }
        let rows = usize::from(area.height - u16::from(titled));
        let most = self.bars.len().saturating_sub(rows);
        let first = self.selected.map_or(0, |selected| selected.saturating_sub(rows / 2)).min(most);
        let columns = usize::from(area.width);
        let names = widest(&self.bars, |bar| width(&bar.name)).min(columns / 3);
        let values = widest(&self.bars, |bar| width(&bar.value()));
        let values = if names + values + 6 <= columns { values } else { 0 };
        let shown = self.bars.iter().enumerate().skip(first).take(rows);
        for (y, (index, bar)) in (area.y + u16::from(titled)..).zip(shown) {
            let style =
                if self.selected == Some(index) { canvas.palette.selected } else { canvas.palette.text };
            buffer.set_string(area.x, y, pad(&bar.name, names, false, canvas.ascii()), style);
            let start = area.x + names as u16 + u16::from(names > 0);
            let room =
                columns.saturating_sub(names + values + usize::from(names > 0) + usize::from(values > 0));
            let (filled, rest) = line(bar.share(), room, canvas.ascii());
            let (x, _) = buffer.set_stringn(start, y, filled, room, canvas.palette.of(0));
            let (x, _) = buffer.set_stringn(x, y, rest, room, canvas.palette.axis);
            if values > 0 {
                buffer.set_string(x + 1, y, pad(&bar.value(), values, true, true), canvas.palette.text);
            }
        }
    }

    /// The bars as a standalone SVG document, like [`super::Chart::to_svg`].
    #[must_use]
    pub fn to_svg(&self) -> String {
        self.svg(Ground::Reader)
    }

    /// The bars as a PNG image on white, `scale` pixels for a unit of the SVG.
    ///
    /// # Errors
    ///
    /// When the computer has no font, or the image would be too large.
    pub fn to_png(&self, scale: f32) -> Result<Vec<u8>, PngError> {
        self.print().png(scale)
    }

    /// The bars as a picture to be drawn as a PNG image later.
    #[must_use]
    pub fn print(&self) -> Print {
        Print::of(self.svg(Ground::White))
    }

    /// The bars as CSV with the columns `name`, `part`, `whole` and `share`.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let row = |bar: &Bar| {
            [bar.name.clone(), csv::number(bar.part), csv::number(bar.whole), csv::number(bar.share())]
        };
        csv::table(["name", "part", "whole", "share"].map(str::to_owned), self.bars.iter().map(row))
    }

    fn svg(&self, ground: Ground) -> String {
        const ROW: f64 = 22.0;
        const CHARACTER: f64 = 6.6;
        const WIDTH: f64 = 640.0;
        let columns = widest(&self.bars, |bar| width(&bar.name)).min(32);
        let names = columns as f64 * CHARACTER;
        let values = widest(&self.bars, |bar| width(&bar.value())) as f64 * CHARACTER;
        let (left, top) = (24.0 + names, 34.0);
        let track = (WIDTH - left - values - 32.0).max(40.0);
        let mut svg = Svg::new(WIDTH, top + ROW * self.bars.len() as f64 + 10.0, &self.title);
        svg.text("heading", (16.0, 20.0), Anchor::Start, 0.0, &self.title);
        for (index, bar) in self.bars.iter().enumerate() {
            let y = top + ROW * index as f64;
            let name = fit(&bar.name, columns, false);
            svg.text("", (left - 8.0, y + 14.0), Anchor::End, 0.0, &name);
            svg.rectangle("track", (left, y + 3.0), (track, ROW - 8.0));
            svg.rectangle("fill s0", (left, y + 3.0), (track * bar.share(), ROW - 8.0));
            svg.text("quiet", (WIDTH - 16.0, y + 14.0), Anchor::End, 0.0, &bar.value());
        }
        svg.finish(ground)
    }
}

fn widest(bars: &[Bar], columns: fn(&Bar) -> usize) -> usize {
    bars.iter().map(columns).max().unwrap_or(0)
}

/// A bar and the rest of its track. Blocks are drawn to an eighth of a column.
fn line(share: f64, columns: usize, ascii: bool) -> (String, String) {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if ascii {
        let full = (share * columns as f64).round() as usize;
        return ("#".repeat(full), ".".repeat(columns - full));
    }
    let eighths = (share * columns as f64 * 8.0).round() as usize;
    // A share above zero is always visible.
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 }.min(columns * 8);
    let filled = "█".repeat(eighths / 8) + EIGHTHS[eighths % 8];
    let rest = columns - eighths.div_ceil(8);
    (filled, "·".repeat(rest))
}
