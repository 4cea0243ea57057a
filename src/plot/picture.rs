//! Images in half blocks.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::canvas::{Canvas, Depth};
use super::ramp::{luminance, sign};

/// An image of 8-bit RGB values, drawn as large as an area allows with square pixels: a column of the screen is
/// taken as half as wide as a row is high.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<(u8, u8, u8)>,
}

impl Picture {
    /// An image of `channels` (1: grey, 3: RGB) x `height` x `width` values, channel after channel, as data sets
    /// hold them. None when the number of values is another, or there is none.
    #[must_use]
    pub fn planar(channels: usize, height: usize, width: usize, values: &[u8]) -> Option<Self> {
        let plane = height.checked_mul(width).filter(|plane| *plane > 0)?;
        if ![1, 3].contains(&channels) || values.len() != plane.checked_mul(channels)? {
            return None;
        }
        let value = |channel: usize, pixel: usize| values[(channel % channels) * plane + pixel];
        let pixels = (0..plane).map(|pixel| (value(0, pixel), value(1, pixel), value(2, pixel))).collect();
        Some(Picture { width, height, pixels })
    }

    /// Columns and rows that the image takes in an area.
    #[must_use]
    pub fn size(&self, area: Rect) -> (u16, u16) {
        let (width, height) = (self.width as f64, self.height as f64);
        let scale = (f64::from(area.width) / width).min(2.0 * f64::from(area.height) / height);
        let columns = ((width * scale).round() as u16).clamp(1, area.width.max(1));
        let rows = ((height * scale / 2.0).ceil() as u16).clamp(1, area.height.max(1));
        (columns, rows)
    }

    /// Draws into the upper left of the area.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, canvas: &Canvas) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let (columns, rows) = self.size(area);
        for row in 0..rows {
            for column in 0..columns {
                let half = |lower: u16| self.average((column, columns), (2 * row + lower, 2 * rows));
                let (above, below) = (half(0), half(1));
                let colour = |(r, g, b)| Color::Rgb(r, g, b);
                let (symbol, style) = match canvas.depth != Depth::Mono && !canvas.ascii() {
                    true => ('▀', Style::new().fg(colour(above)).bg(colour(below))),
                    false => {
                        (sign(canvas.charset, (luminance(above) + luminance(below)) / 2.0), Style::new())
                    }
                };
                if let Some(cell) = buffer.cell_mut((area.x + column, area.y + row)) {
                    cell.set_char(symbol).set_style(style);
                }
            }
        }
    }

    /// The mean colour of the pixels that fall into a part of the image; of at least one.
    fn average(&self, (x, columns): (u16, u16), (y, rows): (u16, u16)) -> (u8, u8, u8) {
        let part = |index: u16, of: u16, length: usize| {
            let start = usize::from(index) * length / usize::from(of);
            let end = (usize::from(index) + 1) * length / usize::from(of);
            start.min(length - 1)..end.max(start + 1).min(length)
        };
        let (mut sum, mut count) = ([0u64; 3], 0);
        for row in part(y, rows, self.height) {
            for column in part(x, columns, self.width) {
                let (r, g, b) = self.pixels[row * self.width + column];
                sum = [sum[0] + u64::from(r), sum[1] + u64::from(g), sum[2] + u64::from(b)];
                count += 1;
            }
        }
        let [r, g, b] = sum.map(|sum| (sum / count.max(1)) as u8);
        (r, g, b)
    }
}
