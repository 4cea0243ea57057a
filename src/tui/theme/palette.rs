//! The palettes of the colour themes.

use ratatui::style::{Color, Modifier, Style};

use super::Role;

/// Colours by role.
pub(super) struct Palette {
    ground: Color,
    text: Color,
    dim: Color,
    border: Color,
    focus: Color,
    selected: Color,
    key: Color,
    good: Color,
    warn: Color,
    bad: Color,
    mark: Color,
    series: [Color; 8],
}

pub(super) const DARK: Palette = Palette {
    ground: rgb(0x15171c),
    text: rgb(0xd8dce3),
    dim: rgb(0x8a93a3),
    border: rgb(0x4a5261),
    focus: rgb(0x6cb6ff),
    selected: rgb(0x2d4263),
    key: rgb(0x6cb6ff),
    good: rgb(0x6bcb77),
    warn: rgb(0xe6c35c),
    bad: rgb(0xff6b6b),
    mark: rgb(0xf0a45d),
    series: [
        rgb(0x6cb6ff),
        rgb(0xf0a45d),
        rgb(0x6bcb77),
        rgb(0xe56b9f),
        rgb(0xb58bf0),
        rgb(0xe6d35c),
        rgb(0x4fd1c5),
        rgb(0xc0c7d4),
    ],
};

pub(super) const LIGHT: Palette = Palette {
    ground: rgb(0xfbfaf7),
    text: rgb(0x1f2328),
    dim: rgb(0x656d76),
    border: rgb(0xb4bac2),
    focus: rgb(0x0b62c4),
    selected: rgb(0xc9dffa),
    key: rgb(0x0b62c4),
    good: rgb(0x1a7f37),
    warn: rgb(0x8a5a00),
    bad: rgb(0xc0262d),
    mark: rgb(0xb35900),
    series: [
        rgb(0x0b62c4),
        rgb(0xb35900),
        rgb(0x1a7f37),
        rgb(0xbf3989),
        rgb(0x6f42c1),
        rgb(0x7d6608),
        rgb(0x0e7c86),
        rgb(0x57606a),
    ],
};

/// The colours of Okabe and Ito, "Color Universal Design" (2008), on a dark background.
pub(super) const COLOUR_BLIND: Palette = Palette {
    ground: rgb(0x111111),
    text: rgb(0xe8e8e8),
    dim: rgb(0x9a9a9a),
    border: rgb(0x5a5a5a),
    focus: rgb(0x56b4e9),
    selected: rgb(0x1f3f57),
    key: rgb(0x56b4e9),
    good: rgb(0x56b4e9),
    warn: rgb(0xf0e442),
    bad: rgb(0xd55e00),
    mark: rgb(0xe69f00),
    series: [
        rgb(0x56b4e9),
        rgb(0xe69f00),
        rgb(0x009e73),
        rgb(0xf0e442),
        rgb(0x0072b2),
        rgb(0xd55e00),
        rgb(0xcc79a7),
        rgb(0xe8e8e8),
    ],
};

impl Palette {
    pub(super) fn style(&self, role: Role) -> Style {
        let fg = |color| Style::new().fg(color);
        match role {
            Role::Text => fg(self.text),
            Role::Dim => fg(self.dim),
            Role::Title => fg(self.text).add_modifier(Modifier::BOLD),
            Role::Border => fg(self.border),
            Role::Focus => fg(self.focus),
            Role::Selected => Style::new().bg(self.selected),
            Role::Key => fg(self.key).add_modifier(Modifier::BOLD),
            Role::Good => fg(self.good),
            Role::Warn => fg(self.warn),
            Role::Bad => fg(self.bad).add_modifier(Modifier::BOLD),
            Role::Pending => fg(self.warn).add_modifier(Modifier::UNDERLINED),
            Role::Mark => fg(self.mark),
            Role::Cursor => Style::new().add_modifier(Modifier::REVERSED),
            Role::Series(n) => fg(self.series[usize::from(n) % self.series.len()]),
            Role::Ground => fg(self.text).bg(self.ground),
        }
    }
}

const fn rgb(hex: u32) -> Color {
    Color::from_u32(hex)
}
