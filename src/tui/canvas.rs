//! The chart style of a theme.

use super::theme::{Charset, Depth, Look, Role, Theme};
use crate::plot::{Canvas, Charset as Dots, Depth as Colours, Palette, Ramp};

/// The characters and styles of charts. Colours are reduced to the terminal's depth when a frame is drawn.
pub fn canvas(look: Look) -> Canvas {
    let charset = match look.charset {
        Charset::Braille => Dots::Braille,
        Charset::Half => Dots::Half,
        Charset::Ascii => Dots::Ascii,
    };
    let style = |role| look.style(role);
    let palette = Palette {
        series: (0..8).map(|series| style(Role::Series(series))).collect(),
        title: style(Role::Title),
        text: style(Role::Text),
        axis: style(Role::Border),
        mark: style(Role::Mark),
        cursor: style(Role::Cursor),
        best: style(Role::Good),
        selected: style(Role::Selected),
        faint: style(Role::Border),
    };
    let (depth, ramp) = match look.theme {
        Theme::Mono => (Colours::Mono, Ramp::Grey),
        Theme::ColourBlind => (Colours::True, Ramp::Cividis),
        Theme::Dark | Theme::Light => (Colours::True, Ramp::Viridis),
    };
    let depth = match (depth, look.depth) {
        (Colours::True, Depth::Ansi) => Colours::Sixteen,
        (depth, _) => depth,
    };
    Canvas { charset, depth, ramp, palette }
}
