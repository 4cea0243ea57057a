//! A slider: a value in a range, moved by keys and mouse.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::text;
use crate::tui::hits::{Hits, Target};
use crate::tui::theme::{Look, Role};

/// How positions on the track map to values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Linear.
    Linear,
    /// Logarithmic; for a range that begins at 0, exponential so that the middle of the track is about a thirtieth of the
    /// maximum.
    Log,
}

/// Minimum, maximum and scale of a slider.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Minimum.
    pub low: f64,
    /// Maximum.
    pub high: f64,
    /// The scale between them.
    pub scale: Scale,
}

/// Growth factor over the track of a logarithmic slider that begins at 0.
const GROWTH: f64 = 1000.0;

/// Notches from one end of a slider to the other.
const NOTCHES: f64 = 40.0;

impl Range {
    /// The position of a value, 0..1.
    pub fn fraction(self, value: f64) -> f64 {
        let Range { low, high, .. } = self;
        let fraction = match self.scale {
            Scale::Linear => (value - low) / (high - low),
            Scale::Log if low > 0.0 => (value.max(low) / low).ln() / (high / low).ln(),
            Scale::Log => ((value.max(0.0) / high) * (GROWTH - 1.0)).ln_1p() / GROWTH.ln(),
        };
        if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The value at a position in 0..1, to three significant digits.
    pub fn value(self, fraction: f64) -> f64 {
        let Range { low, high, .. } = self;
        let fraction = fraction.clamp(0.0, 1.0);
        let value = match self.scale {
            Scale::Linear => low + fraction * (high - low),
            Scale::Log if low > 0.0 => low * (high / low).powf(fraction),
            Scale::Log => high * (GROWTH.powf(fraction) - 1.0) / (GROWTH - 1.0),
        };
        round(value).clamp(low, high)
    }

    /// The value this many notches (of 40) further; it always differs, except at the ends.
    pub fn step(self, value: f64, notches: i32) -> f64 {
        self.value(((self.fraction(value) * NOTCHES).round() + f64::from(notches)) / NOTCHES)
    }

    /// The value under a column of the track area of a [`Target::Slider`].
    pub fn at(self, track: Rect, column: u16) -> f64 {
        let last = f64::from(track.width.saturating_sub(1).max(1));
        self.value(f64::from(column.saturating_sub(track.x)) / last)
    }
}

/// To three significant digits.
fn round(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// A slider in one line: label, value, pending value, track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slider<'a> {
    /// Its label.
    pub label: &'a str,
    /// The current value.
    pub value: f64,
    /// A requested value that is not in effect yet.
    pub pending: Option<f64>,
    /// Its range.
    pub range: Range,
    /// Whether it is selected, so that keys move it.
    pub selected: bool,
}

impl Slider<'_> {
    /// Draws the slider; its track becomes the [`Target::Slider`] of this index.
    pub fn view(&self, look: Look, area: Rect, buffer: &mut Buffer, hits: &mut Hits, index: usize) {
        self.draw(look, area, buffer, hits, index, 10);
    }

    /// As [`Slider::view`], without room for a pending value.
    pub fn view_short(&self, look: Look, area: Rect, buffer: &mut Buffer, hits: &mut Hits, index: usize) {
        self.draw(look, area, buffer, hits, index, 0);
    }

    fn draw(&self, look: Look, area: Rect, buffer: &mut Buffer, hits: &mut Hits, index: usize, room: u16) {
        let area = Rect { height: area.height.min(1), ..area }.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        if self.selected {
            buffer.set_style(area, look.style(Role::Selected));
        }
        let mark = if self.selected { look.charset.pick("▸", ">") } else { " " };
        let label = format!("{mark}{:<13} ", self.label);
        let x = text::put(buffer, area, (0, 0), &label, look.style(Role::Text));
        let x =
            text::put(buffer, area, (x, 0), &format!("{:<8}", number(self.value)), look.style(Role::Title));
        let pending = self.pending.map(|value| format!("{} {}", look.charset.arrow(), number(value)));
        let pending = format!("{:<10}", pending.unwrap_or_default());
        let x = text::put(buffer, area, (x, 0), pending.trim_end(), look.style(Role::Pending)).max(x + room);
        let start = x.saturating_add(1);
        if start.saturating_add(4) < area.width {
            let track = Rect { x: area.x + start, width: area.width - start, ..area };
            self.track(look, track, buffer);
            hits.add(track, Target::Slider(index));
        }
    }

    fn track(&self, look: Look, track: Rect, buffer: &mut Buffer) {
        let last = f64::from(track.width - 1);
        // In 0..width, so it fits in u16.
        let place = |value: f64| track.x + (self.range.fraction(value) * last).round() as u16;
        let knob = place(self.value);
        for x in track.left()..track.right() {
            let (symbol, role) = match x < knob {
                true => (look.charset.pick("━", "="), Role::Focus),
                false => (look.charset.pick("─", "-"), Role::Border),
            };
            buffer.set_string(x, track.y, symbol, look.style(role));
        }
        if let Some(pending) = self.pending {
            buffer.set_string(
                place(pending),
                track.y,
                look.charset.pick("○", "o"),
                look.style(Role::Pending),
            );
        }
        buffer.set_string(knob, track.y, look.charset.pick("●", "#"), look.style(Role::Focus));
    }
}

/// A value as displayed by sliders.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e5).contains(&size) => format!("{}", round(value)),
        _ => format!("{value:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RANGES: [Range; 3] = [
        Range { low: 0.0, high: 4.0, scale: Scale::Linear },
        Range { low: 1e-5, high: 1.0, scale: Scale::Log },
        Range { low: 0.0, high: 10.0, scale: Scale::Log },
    ];

    #[test]
    fn the_ends_of_a_slider_are_the_ends_of_its_range() {
        for range in RANGES {
            assert_eq!((range.value(0.0), range.value(1.0)), (range.low, range.high));
            assert_eq!((range.fraction(range.low), range.fraction(range.high)), (0.0, 1.0));
        }
    }

    proptest! {
        #[test]
        fn place_and_value_go_together(fraction in 0.0f64..=1.0) {
            for range in RANGES {
                prop_assert!((range.fraction(range.value(fraction)) - fraction).abs() < 0.01);
            }
        }

        #[test]
        fn a_step_up_is_up_and_a_step_down_is_down(fraction in 0.05f64..=0.95) {
            for range in RANGES {
                let value = range.value(fraction);
                prop_assert!(range.step(value, 1) > value || range.step(value, 2) > value);
                prop_assert!(range.step(value, -1) < value || range.step(value, -2) < value);
            }
        }
    }

    #[test]
    fn a_slider_draws_at_any_width() {
        let slider = Slider {
            label: "learning rate",
            value: 0.05,
            pending: Some(0.1),
            range: RANGES[1],
            selected: true,
        };
        for width in 0..60 {
            let area = Rect::new(0, 0, width, 1);
            let mut hits = Hits::default();
            slider.view(Look::default(), area, &mut Buffer::empty(area), &mut hits, 2);
        }
    }
}
