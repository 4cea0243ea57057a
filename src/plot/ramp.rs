//! Colours and characters for values from 0 to 1.

use ratatui::style::{Color, Style};

use super::canvas::{Canvas, Charset, Depth, Ramp};

/// Nine equally spaced colours of each map; between them colours are mixed. Viridis is by S. van der Walt and
/// N. Smith, cividis by J. Nunez, C. Anderton and R. Renslow.
const VIRIDIS: [u32; 9] =
    [0x440154, 0x472d7b, 0x3b528b, 0x2c728e, 0x21918c, 0x28ae80, 0x5ec962, 0xaddc30, 0xfde725];
const CIVIDIS: [u32; 9] =
    [0x00224e, 0x1a386f, 0x434e6c, 0x61646f, 0x7d7c78, 0x9b9476, 0xbcae6c, 0xdfc856, 0xfee838];
const GREY: [u32; 9] =
    [0x000000, 0x202020, 0x404040, 0x606060, 0x808080, 0x9f9f9f, 0xbfbfbf, 0xdfdfdf, 0xffffff];

/// The sixteen colours have no smooth ramp; these four steps and black grow lighter.
const SIXTEEN: [Color; 5] = [Color::Black, Color::Blue, Color::Cyan, Color::Green, Color::Yellow];

const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
const SIGNS: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];

/// The 24-bit colour of a value; values outside of 0 to 1 take the colour at that end.
pub(super) fn rgb(ramp: Ramp, value: f64) -> (u8, u8, u8) {
    let stops = match ramp {
        Ramp::Viridis => &VIRIDIS,
        Ramp::Cividis => &CIVIDIS,
        Ramp::Grey => &GREY,
    };
    let place = value.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
    let below = (place.floor() as usize).min(stops.len() - 2);
    let share = place - below as f64;
    let mix = |shift: u32| {
        let part = |stop: u32| f64::from(stop >> shift & 0xff);
        (part(stops[below]) + share * (part(stops[below + 1]) - part(stops[below]))).round() as u8
    };
    (mix(16), mix(8), mix(0))
}

/// The colour of a value in the terminal; none where it shows no colours.
pub(super) fn colour(canvas: &Canvas, value: f64) -> Option<Color> {
    match canvas.depth {
        Depth::Sixteen => {
            let step = (value.clamp(0.0, 1.0) * (SIXTEEN.len() - 1) as f64).round();
            Some(SIXTEEN[step as usize])
        }
        Depth::True => {
            let (r, g, b) = rgb(canvas.ramp, value);
            Some(Color::Rgb(r, g, b))
        }
        Depth::Mono => None,
    }
}

/// A cell of a heat map: filled with colour where there is one, else with a character as dark as the value.
pub(super) fn fill(canvas: &Canvas, value: f64) -> (char, Style) {
    match colour(canvas, value) {
        Some(ground) if !canvas.ascii() => (' ', Style::new().bg(ground).fg(contrast(canvas, value))),
        Some(ground) => (sign(canvas.charset, value), Style::new().bg(ground).fg(contrast(canvas, value))),
        None => (sign(canvas.charset, value), Style::new()),
    }
}

/// Black or white, whichever is read more easily on the colour of a value.
pub(super) fn contrast(canvas: &Canvas, value: f64) -> Color {
    let dark = match canvas.depth {
        Depth::Sixteen => value < 0.375,
        _ => luminance(rgb(canvas.ramp, value)) < 0.45,
    };
    if dark { Color::White } else { Color::Black }
}

/// A character whose ink grows with the value.
pub(super) fn sign(charset: Charset, value: f64) -> char {
    let signs: &[char] = if charset == Charset::Ascii { &SIGNS } else { &SHADES };
    signs[(value.clamp(0.0, 1.0) * (signs.len() - 1) as f64).round() as usize]
}

/// Perceived lightness from 0 to 1, by the weights of ITU-R BT.601.
pub(super) fn luminance((r, g, b): (u8, u8, u8)) -> f64 {
    (0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b)) / 255.0
}
