//! The terminal's colour depth, and the conversion of colours to it.

use ratatui::buffer::Buffer;
use ratatui::style::Color;

/// The colours that a terminal supports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    #[default]
    True,
    /// The 256 of xterm.
    Indexed,
    /// The 16 of the ANSI terminal.
    Ansi,
    /// No colours: NO_COLOR is set, or the terminal has none.
    None,
}

/// The 16 colours as xterm shows them.
const ANSI: [(Color, [u8; 3]); 16] = [
    (Color::Black, [0, 0, 0]),
    (Color::Red, [205, 0, 0]),
    (Color::Green, [0, 205, 0]),
    (Color::Yellow, [205, 205, 0]),
    (Color::Blue, [0, 0, 238]),
    (Color::Magenta, [205, 0, 205]),
    (Color::Cyan, [0, 205, 205]),
    (Color::Gray, [229, 229, 229]),
    (Color::DarkGray, [127, 127, 127]),
    (Color::LightRed, [255, 0, 0]),
    (Color::LightGreen, [0, 255, 0]),
    (Color::LightYellow, [255, 255, 0]),
    (Color::LightBlue, [92, 92, 255]),
    (Color::LightMagenta, [255, 0, 255]),
    (Color::LightCyan, [0, 255, 255]),
    (Color::White, [255, 255, 255]),
];

/// Steps of a channel in xterm's cube of 6 x 6 x 6 colours.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

impl Depth {
    /// Every depth.
    #[cfg(test)]
    pub const ALL: [Depth; 4] = [Depth::True, Depth::Indexed, Depth::Ansi, Depth::None];

    /// Detects the depth from NO_COLOR, COLORTERM and TERM.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Depth {
        if variable("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            return Depth::None;
        }
        let (colour, term) =
            (variable("COLORTERM").unwrap_or_default(), variable("TERM").unwrap_or_default());
        let ends = |tail: &str| term.ends_with(tail);
        if term.starts_with("vt1") || term.starts_with("vt2") {
            return Depth::None;
        }
        if ["truecolor", "24bit"].contains(&colour.as_str()) || ends("-direct") || ends("-truecolor") {
            return Depth::True;
        }
        if ends("-256color") || !colour.is_empty() {
            return Depth::Indexed;
        }
        // True-colour terminals that set nothing but TERM.
        match ["alacritty", "foot", "wezterm", "xterm-kitty", "xterm-ghostty"]
            .iter()
            .any(|t| term.starts_with(t))
        {
            true => Depth::True,
            false => Depth::Ansi,
        }
    }

    /// Replaces each colour of a frame by the nearest supported one.
    pub fn degrade(self, buffer: &mut Buffer) {
        if self == Depth::True {
            return;
        }
        for cell in &mut buffer.content {
            cell.fg = self.nearest(cell.fg);
            cell.bg = self.nearest(cell.bg);
        }
    }

    /// The nearest supported colour.
    pub fn nearest(self, color: Color) -> Color {
        match (self, color) {
            (Depth::Indexed, Color::Rgb(r, g, b)) => Color::Indexed(indexed([r, g, b])),
            (Depth::Ansi, Color::Rgb(r, g, b)) => ansi([r, g, b]),
            (Depth::None, _) => Color::Reset,
            (Depth::Ansi, Color::Indexed(n)) => ansi(of_index(n)),
            (_, color) => color,
        }
    }
}

fn ansi(rgb: [u8; 3]) -> Color {
    let nearest = ANSI.iter().min_by_key(|(_, other)| distance(rgb, *other));
    nearest.map_or(Color::Reset, |(color, _)| *color)
}

/// The nearest of the cube (16..232) and the greys (232..256). The first 16 are not used, because terminals define
/// them differently.
fn indexed(rgb: [u8; 3]) -> u8 {
    let step = |channel: u8| (0..6).min_by_key(|&n| CUBE[usize::from(n)].abs_diff(channel)).unwrap_or(0);
    let cube = 16 + 36 * step(rgb[0]) + 6 * step(rgb[1]) + step(rgb[2]);
    let mean = rgb.iter().map(|&channel| u32::from(channel)).sum::<u32>() / 3;
    // At most 23, so it fits.
    let grey = 232 + (mean.saturating_sub(3) / 10).min(23) as u8;
    if distance(rgb, of_index(grey)) < distance(rgb, of_index(cube)) { grey } else { cube }
}

fn of_index(n: u8) -> [u8; 3] {
    match n {
        0..16 => ANSI[usize::from(n)].1,
        16..232 => [36, 6, 1].map(|unit| CUBE[usize::from((n - 16) / unit % 6)]),
        232.. => [8 + 10 * (n - 232); 3],
    }
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.iter().zip(b).map(|(&x, y)| u32::from(x.abs_diff(y)).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(colour: &str, term: &str) -> Depth {
        let values = [("TERM", term), ("COLORTERM", colour)];
        Depth::detect(|name| {
            values.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_says_how_many_colours_there_are() {
        assert_eq!(detect("truecolor", "xterm"), Depth::True);
        assert_eq!(detect("", "xterm-256color"), Depth::Indexed);
        assert_eq!(detect("", "foot"), Depth::True);
        assert_eq!(detect("", "xterm"), Depth::Ansi);
        assert_eq!(detect("", "vt220"), Depth::None);
        assert_eq!(Depth::detect(|_| None), Depth::Ansi);
        assert_eq!(Depth::detect(|_| Some("truecolor".into())), Depth::None);
    }

    #[test]
    fn a_colour_of_the_smaller_set_is_its_own_nearest() {
        for n in 16..=255 {
            let [r, g, b] = of_index(n);
            let Color::Indexed(found) = Depth::Indexed.nearest(Color::Rgb(r, g, b)) else { unreachable!() };
            assert_eq!(of_index(found), [r, g, b]);
        }
        for (color, [r, g, b]) in ANSI {
            assert_eq!(Depth::Ansi.nearest(Color::Rgb(r, g, b)), color);
        }
    }

    #[test]
    fn named_colours_and_the_terminals_own_stay() {
        assert_eq!(Depth::Ansi.nearest(Color::Reset), Color::Reset);
        assert_eq!(Depth::Indexed.nearest(Color::Cyan), Color::Cyan);
    }
}
