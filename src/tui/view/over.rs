//! Everything drawn over the screen: banner, toasts, overlays.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use crate::tui::action::Action;
use crate::tui::app::{App, Banner, Overlay};
use crate::tui::hits::{Hits, Target};
use crate::tui::theme::Role;
use crate::tui::widget::text;

/// Maximum rows of a banner's text, excluding the rows that name the log.
const BANNER: usize = 3;

fn banner_lines(app: &App, banner: &Banner, width: u16) -> Vec<String> {
    let (columns, charset) = (usize::from(width.saturating_sub(4)), app.shared.charset);
    let mut lines = text::wrap(&banner.text, columns, charset);
    if lines.len() > BANNER {
        let rest = lines.split_off(BANNER - 1).join(" ");
        lines.push(text::cut(&rest, columns, charset));
    }
    lines.extend(text::wrap(&banner.log, columns, charset));
    lines
}

/// Height of a banner in rows.
pub(super) fn banner_height(app: &App, banner: &Banner, area: Rect) -> u16 {
    u16::try_from(banner_lines(app, banner, area.width).len()).unwrap_or(1)
}

/// Draws why the last run failed; a click or esc closes it.
pub(super) fn banner(app: &App, banner: &Banner, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let look = app.shared.look();
    for (row, line) in (0..area.height).zip(banner_lines(app, banner, area.width)) {
        let sign = if row == 0 { "x" } else { " " };
        text::put(buffer, area, (0, row), &format!(" {sign} {line}"), look.style(Role::Bad));
    }
    hits.add(area, Target::Action(Action::Back));
}

/// Draws the toasts, at the lower right.
pub(super) fn toasts(app: &App, area: Rect, buffer: &mut Buffer) {
    let look = app.shared.look();
    let room = usize::from(area.width.saturating_sub(4)).min(72);
    let mut bottom = area.bottom();
    for toast in app.notices.toasts().rev() {
        let lines = text::wrap(&format!("{} {}", toast.tone.sign(), toast.text), room, look.charset);
        let height = u16::try_from(lines.len().min(3)).unwrap_or(1);
        if bottom < area.y + height {
            return;
        }
        bottom -= height;
        let width = lines.iter().map(|line| text::width(line)).max().unwrap_or(0) + 2;
        let width = u16::try_from(width).unwrap_or(area.width).min(area.width);
        let place = Rect { x: area.right() - width, y: bottom, width, height };
        Clear.render(place, buffer);
        buffer.set_style(place, look.style(Role::Ground).patch(look.style(Role::Selected)));
        for (row, line) in (0..height).zip(&lines) {
            text::put(buffer, place, (1, row), line, look.style(toast.tone.role()));
        }
    }
}

/// Draws the open overlay.
pub(super) fn overlay(app: &App, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let look = app.shared.look();
    let Some(overlay) = &app.overlay else { return };
    // Areas below the overlay are not clickable.
    *hits = Hits::default();
    match overlay {
        Overlay::Help(help) => help.view(look, app.screen, &app.shared.keymap, area, buffer),
        Overlay::Palette(palette) => {
            let refusal = |action| app.refusal(action);
            palette.view((look, app.screen, &app.shared.keymap), &refusal, area, buffer, hits);
        }
        Overlay::Quit(dialog) | Overlay::Message(dialog) => dialog.view(look, area, buffer, hits),
        Overlay::Form(form) => form.view(look, area, buffer, hits),
    }
}
