//! Colour themes and character sets.

mod depth;
mod palette;

use ratatui::style::{Modifier, Style};
use ratatui::symbols::border;
use serde::{Deserialize, Serialize};

pub use depth::Depth;

/// The role of a screen element; a theme assigns it a style.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Ordinary text.
    Text,
    /// Secondary text.
    Dim,
    /// Titles of panes.
    Title,
    /// Borders.
    Border,
    /// Border of the focused pane.
    Focus,
    /// The selected row or cell.
    Selected,
    /// Key names.
    Key,
    /// Success.
    Good,
    /// Warning.
    Warn,
    /// Error.
    Bad,
    /// Requested but not yet in effect.
    Pending,
    /// Marks of setting changes in charts.
    Mark,
    /// Cursor of charts and text inputs.
    Cursor,
    /// The n-th of eight chart series.
    Series(u8),
    /// Background of the program.
    Ground,
}

/// A set of styles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    /// Light text on a dark background.
    #[default]
    Dark,
    /// Dark text on a light background.
    Light,
    /// Okabe and Ito's colours, distinguishable with any colour vision.
    ColourBlind,
    /// Text modifiers only, for NO_COLOR and terminals without colours.
    Mono,
}

/// The character set for drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Charset {
    /// Braille dots for curves.
    #[default]
    Braille,
    /// Half blocks.
    Half,
    /// ASCII only.
    Ascii,
}

/// What every panel needs for drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Colours and modifiers.
    pub theme: Theme,
    /// Characters.
    pub charset: Charset,
    /// Colours that the terminal has.
    pub depth: Depth,
}

impl Look {
    /// The style of a role.
    pub fn style(self, role: Role) -> Style {
        match (self.depth, role) {
            // With 16 colours no second background keeps every text readable.
            (Depth::Ansi, Role::Selected) => mono(role),
            _ => self.theme.style(role),
        }
    }
}

impl Theme {
    /// Every theme, in selection order.
    pub const ALL: [Theme; 4] = [Theme::Dark, Theme::Light, Theme::ColourBlind, Theme::Mono];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Theme::Dark => "dark",
            Theme::Light => "light",
            Theme::ColourBlind => "colour-blind",
            Theme::Mono => "mono",
        }
    }

    /// The theme after this one.
    pub fn next(self) -> Theme {
        Theme::ALL[(Theme::ALL.iter().position(|theme| *theme == self).unwrap_or(0) + 1) % Theme::ALL.len()]
    }

    /// The style of a role. Colour themes set a foreground and, for [`Role::Ground`] and [`Role::Selected`], a
    /// background; [`Theme::Mono`] sets modifiers and never a colour.
    pub fn style(self, role: Role) -> Style {
        match self.palette() {
            Some(palette) => palette.style(role),
            None => mono(role),
        }
    }

    fn palette(self) -> Option<&'static palette::Palette> {
        match self {
            Theme::Dark => Some(&palette::DARK),
            Theme::Light => Some(&palette::LIGHT),
            Theme::ColourBlind => Some(&palette::COLOUR_BLIND),
            Theme::Mono => None,
        }
    }
}

fn mono(role: Role) -> Style {
    let modifier = match role {
        Role::Selected | Role::Cursor => Modifier::REVERSED,
        Role::Title | Role::Focus | Role::Key | Role::Warn | Role::Bad | Role::Mark => Modifier::BOLD,
        Role::Dim | Role::Border => Modifier::DIM,
        Role::Pending => Modifier::UNDERLINED,
        Role::Series(n) if n % 3 == 1 => Modifier::BOLD,
        Role::Series(n) if n % 3 == 2 => Modifier::DIM,
        Role::Text | Role::Good | Role::Series(_) | Role::Ground => Modifier::empty(),
    };
    Style::new().add_modifier(modifier)
}

impl Charset {
    /// Every set, from the finest to the most portable.
    pub const ALL: [Charset; 3] = [Charset::Braille, Charset::Half, Charset::Ascii];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Charset::Braille => "braille",
            Charset::Half => "half",
            Charset::Ascii => "ascii",
        }
    }

    /// The set after this one.
    pub fn next(self) -> Charset {
        match self {
            Charset::Braille => Charset::Half,
            Charset::Half => Charset::Ascii,
            Charset::Ascii => Charset::Braille,
        }
    }

    /// The character set that the terminal supports according to the environment: ASCII if the locale is not UTF-8, and
    /// on the Linux console, whose font has few characters.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Charset {
        // The first variable that is set decides, as in setlocale(3).
        let mut set = ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(|name| variable(name));
        let locale = set.find(|value| !value.is_empty()).unwrap_or_default().to_ascii_lowercase();
        let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
        match is_utf8 && variable("TERM").as_deref() != Some("linux") {
            true => Charset::Braille,
            false => Charset::Ascii,
        }
    }

    /// Whether non-ASCII characters may be drawn.
    pub fn is_unicode(self) -> bool {
        self != Charset::Ascii
    }

    /// The mark for truncated text.
    pub fn ellipsis(self) -> &'static str {
        self.pick("…", "...")
    }

    /// An arrow from an old to a new value.
    pub fn arrow(self) -> &'static str {
        self.pick("→", "->")
    }

    /// The mark for a column's sort order.
    pub fn order(self, descending: bool) -> &'static str {
        match descending {
            true => self.pick("▼", "v"),
            false => self.pick("▲", "^"),
        }
    }

    /// A checkbox.
    pub fn tick(self, on: bool) -> &'static str {
        match on {
            true => self.pick("[✓]", "[x]"),
            false => "[ ]",
        }
    }

    /// A separator between parts of a line.
    pub fn dot(self) -> &'static str {
        self.pick("·", "-")
    }

    /// `unicode` if non-ASCII characters may be drawn, else `ascii`.
    pub fn pick<T>(self, unicode: T, ascii: T) -> T {
        if self.is_unicode() { unicode } else { ascii }
    }

    /// The border characters of a pane.
    pub fn border(self) -> border::Set<'static> {
        const ASCII: border::Set<'static> = border::Set {
            top_left: "+",
            top_right: "+",
            bottom_left: "+",
            bottom_right: "+",
            vertical_left: "|",
            vertical_right: "|",
            horizontal_top: "-",
            horizontal_bottom: "-",
        };
        self.pick(border::ROUNDED, ASCII)
    }
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Color;

    use super::*;

    const ROLES: [Role; 16] = [
        Role::Text,
        Role::Dim,
        Role::Title,
        Role::Border,
        Role::Focus,
        Role::Selected,
        Role::Key,
        Role::Good,
        Role::Warn,
        Role::Bad,
        Role::Pending,
        Role::Mark,
        Role::Cursor,
        Role::Series(0),
        Role::Series(200),
        Role::Ground,
    ];

    fn environment<'a>(values: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_theme_without_colours_has_none() {
        for role in ROLES {
            let style = Theme::Mono.style(role);
            assert!(style.fg.is_none_or(|c| c == Color::Reset) && style.bg.is_none_or(|c| c == Color::Reset));
        }
        assert!(Theme::Mono.style(Role::Selected).add_modifier.contains(Modifier::REVERSED));
    }

    /// The visible colours of text and background, and the modifiers.
    fn seen(look: Look, roles: &[Role]) -> (Color, Color, Modifier) {
        let area = Rect::new(0, 0, 1, 1);
        let mut buffer = Buffer::empty(area);
        roles.iter().for_each(|role| buffer.set_style(area, look.style(*role)));
        look.depth.degrade(&mut buffer);
        let cell = &buffer[(0, 0)];
        match cell.modifier.contains(Modifier::REVERSED) {
            true => (cell.bg, cell.fg, cell.modifier),
            false => (cell.fg, cell.bg, cell.modifier),
        }
    }

    #[test]
    fn what_is_selected_can_be_told_and_read_in_every_theme_on_every_terminal() {
        for (theme, depth) in Theme::ALL.into_iter().flat_map(|theme| Depth::ALL.map(|depth| (theme, depth)))
        {
            let theme = if depth == Depth::None { Theme::Mono } else { theme };
            let look = Look { theme, depth, ..Look::default() };
            let plain = seen(look, &[Role::Ground]);
            for role in [Role::Text, Role::Dim] {
                let aside = seen(look, &[Role::Ground, role]);
                let selected = seen(look, &[Role::Ground, role, Role::Selected]);
                assert_ne!(
                    (plain.1, plain.2),
                    (selected.1, selected.2),
                    "{theme:?} {depth:?} {role:?}: to be told"
                );
                for (fg, bg, _) in [aside, selected] {
                    let readable = fg != bg || fg == Color::Reset;
                    assert!(readable, "{theme:?} {depth:?} {role:?}: {fg:?} on {bg:?}");
                }
            }
        }
    }

    #[test]
    fn going_from_theme_to_theme_comes_round() {
        let mut theme = Theme::Dark;
        for _ in Theme::ALL {
            theme = theme.next();
        }
        assert_eq!(theme, Theme::Dark);
    }

    #[test]
    fn characters_beyond_ascii_need_a_locale_that_has_them() {
        let detect = |values: &[(&str, &str)]| Charset::detect(environment(values));
        assert_eq!(detect(&[("LANG", "en_GB.UTF-8"), ("TERM", "xterm")]), Charset::Braille);
        assert_eq!(detect(&[("LANG", "C.utf8")]), Charset::Braille);
        assert_eq!(detect(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "C")]), Charset::Ascii);
        assert_eq!(detect(&[("LANG", "en_GB.UTF-8"), ("TERM", "linux")]), Charset::Ascii);
        assert_eq!(detect(&[]), Charset::Ascii);
    }
}
