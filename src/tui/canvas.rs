//! How charts are drawn in a theme.

use super::theme::{Charset, Look, Role, Theme};
use crate::plot::{Canvas, Charset as Dots, Depth, Palette, Ramp};

/// The characters and styles of charts. Fewer colours than a theme has are the terminal's business.
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
        Theme::Mono => (Depth::Mono, Ramp::Grey),
        Theme::ColourBlind => (Depth::True, Ramp::Cividis),
        Theme::Dark | Theme::Light => (Depth::True, Ramp::Viridis),
    };
    Canvas { charset, depth, ramp, palette }
}
