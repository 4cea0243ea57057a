//! Characters and styles of the caller's theme.

use ratatui::style::{Color, Modifier, Style};

/// Which characters draw lines and pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Charset {
    /// Braille patterns: 2 x 4 dots a cell.
    #[default]
    Braille,
    /// Half blocks: 1 x 2 dots a cell, for fonts without Braille.
    Half,
    /// Plain letters and signs.
    Ascii,
}

/// How many colours the terminal shows. Of those between these the nearest can stand for 24-bit colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// 24-bit colours.
    #[default]
    True,
    /// The 16 colours of the terminal's own palette, of which the nearest would not grow lighter with the value.
    Sixteen,
    /// None: characters and modifiers only.
    Mono,
}

/// The colours for values from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ramp {
    /// Viridis: dark violet, blue, green, yellow.
    #[default]
    Viridis,
    /// Cividis: dark blue to yellow, made for colour-blind readers.
    Cividis,
    /// Black to white.
    Grey,
}

/// The style of each role. Colours are optional: without them series are marked with letters.
#[derive(Debug, Clone, PartialEq)]
pub struct Palette {
    /// Series by number, beginning anew after the last. Never empty.
    pub series: Vec<Style>,
    /// Titles.
    pub title: Style,
    /// Labels and numbers.
    pub text: Style,
    /// Axes and grid lines.
    pub axis: Style,
    /// Change points: line and label.
    pub mark: Style,
    /// The cursor's line and its number.
    pub cursor: Style,
    /// Best values.
    pub best: Style,
    /// The selected cell or row.
    pub selected: Style,
    /// What is added to the style of a faint series.
    pub faint: Style,
}

/// How to draw in the caller's terminal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Canvas {
    /// Characters.
    pub charset: Charset,
    /// Number of colours.
    pub depth: Depth,
    /// Colours of values.
    pub ramp: Ramp,
    /// Styles.
    pub palette: Palette,
}

/// Okabe and Ito's colours, which colour-blind people can distinguish, without the black; the blue is lightened for
/// dark backgrounds.
const SERIES: [(u8, u8, u8); 7] = [
    (0x56, 0xb4, 0xe9),
    (0xe6, 0x9f, 0x00),
    (0x00, 0x9e, 0x73),
    (0xcc, 0x79, 0xa7),
    (0xf0, 0xe4, 0x42),
    (0xd5, 0x5e, 0x00),
    (0x4a, 0x90, 0xd9),
];

impl Default for Palette {
    fn default() -> Self {
        let dim = Style::new().fg(Color::DarkGray);
        Palette {
            series: SERIES.map(|(r, g, b)| Style::new().fg(Color::Rgb(r, g, b))).to_vec(),
            title: Style::new().add_modifier(Modifier::BOLD),
            text: Style::new().fg(Color::Gray),
            axis: dim,
            mark: Style::new().fg(Color::Rgb(0xf0, 0xe4, 0x42)),
            cursor: Style::new().fg(Color::White),
            best: Style::new().add_modifier(Modifier::BOLD),
            selected: Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD),
            faint: Style::new().add_modifier(Modifier::DIM),
        }
    }
}

impl Palette {
    /// Modifiers only, for terminals and readers without colours.
    #[must_use]
    pub fn mono() -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let dim = plain.add_modifier(Modifier::DIM);
        Palette {
            series: vec![plain],
            title: bold,
            text: plain,
            axis: dim,
            mark: plain,
            cursor: bold,
            best: bold,
            selected: plain.add_modifier(Modifier::REVERSED),
            faint: dim,
        }
    }

    /// The style of a series.
    #[must_use]
    pub fn of(&self, series: usize) -> Style {
        self.series.get(series % self.series.len().max(1)).copied().unwrap_or_default()
    }
}

impl Canvas {
    /// Without colours, in these characters.
    #[must_use]
    pub fn mono(charset: Charset) -> Self {
        Canvas { charset, depth: Depth::Mono, ramp: Ramp::Grey, palette: Palette::mono() }
    }

    /// Whether text is limited to ASCII.
    pub(super) fn ascii(&self) -> bool {
        self.charset == Charset::Ascii
    }

    /// Whether series are marked with letters, because colours do not distinguish them.
    pub(super) fn letters(&self) -> bool {
        self.depth == Depth::Mono || self.ascii()
    }
}

/// The letter of a series where colours do not distinguish series.
pub(super) fn letter(series: usize) -> char {
    char::from(b'a' + (series % 26) as u8)
}
