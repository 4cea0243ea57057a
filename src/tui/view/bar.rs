//! The last line: the keys of the screen, from the table of actions.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::action::{Action, Entry, Place, TABLE};
use crate::tui::app::App;
use crate::tui::hits::{Hits, Target};
use crate::tui::theme::Role;
use crate::tui::widget::text;

/// What the bar always ends with.
const LAST: [Action; 3] = [Action::Palette, Action::Help, Action::Quit];

/// The screens have their keys in the header.
const ELSEWHERE: [Action; 3] = [Action::GoHome, Action::GoDashboard, Action::GoModules];

pub(super) fn view(app: &App, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let last: Vec<&Entry> = LAST.iter().map(|action| action.entry()).collect();
    let width = |entries: &[&Entry]| entries.iter().map(|entry| piece_width(app, entry)).sum::<u16>();
    let end = area.width.saturating_sub(width(&last));
    let shown =
        |entry: &&Entry| entry.bar && !LAST.contains(&entry.action) && !ELSEWHERE.contains(&entry.action);
    let own = TABLE.iter().filter(|entry| entry.place == app.place);
    let common = TABLE.iter().filter(|entry| entry.place == Place::Everywhere);
    let mut x = 0;
    for entry in own.chain(common).filter(shown) {
        if x + piece_width(app, entry) <= end {
            x = piece(app, entry, area, x, buffer, hits);
        }
    }
    let mut x = end;
    for entry in last {
        x = piece(app, entry, area, x, buffer, hits);
    }
}

fn piece_width(app: &App, entry: &Entry) -> u16 {
    match app.keymap.shown(app.place, entry.action) {
        Some(key) => u16::try_from(text::width(&key) + text::width(entry.title) + 3).unwrap_or(u16::MAX),
        None => 0,
    }
}

fn piece(app: &App, entry: &Entry, area: Rect, x: u16, buffer: &mut Buffer, hits: &mut Hits) -> u16 {
    let Some(key) = app.keymap.shown(app.place, entry.action) else { return x };
    let look = app.shared.look();
    let refused = app.refuses(entry.action).is_some();
    let (key_role, title_role) = if refused { (Role::Dim, Role::Dim) } else { (Role::Key, Role::Text) };
    let behind = text::put(buffer, area, (x, 0), &format!(" {key}"), look.style(key_role));
    let behind = text::put(buffer, area, (behind, 0), &format!(" {} ", entry.title), look.style(title_role));
    hits.add(Rect { x: area.x + x, width: behind.saturating_sub(x), ..area }, Target::Action(entry.action));
    behind
}
