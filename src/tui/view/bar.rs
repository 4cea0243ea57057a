//! The key bar (last line): the keys of the screen, from the action table.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::action::{Action, Entry, Screen, TABLE};
use crate::tui::app::App;
use crate::tui::hits::{Hits, Target};
use crate::tui::prompt::Prompt;
use crate::tui::theme::Role;
use crate::tui::widget::text;

/// The actions that the bar always ends with.
const LAST: [Action; 3] = [Action::Palette, Action::Help, Action::Quit];

/// The actions that come first, because they are needed most.
const FIRST: [Action; 2] = [Action::Accept, Action::NextPane];

/// The actions whose keys are in the header.
const ELSEWHERE: [Action; 3] = [Action::GoHome, Action::GoDashboard, Action::GoModules];

pub(super) fn view(app: &App, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    if let Some(prompt) = app.prompt() {
        return prompt_keys(app, prompt, area, buffer);
    }
    let last: Vec<&Entry> = LAST.iter().map(|action| action.entry()).collect();
    let width = |entries: &[&Entry]| entries.iter().map(|entry| piece_width(app, entry)).sum::<u16>();
    let end = area.width.saturating_sub(width(&last));
    let shown = |entry: &&Entry| {
        let never = LAST.contains(&entry.action) || ELSEWHERE.contains(&entry.action);
        // Omit actions that the screen does not support.
        let useless = entry.screen == Screen::Everywhere && app.refusal(entry.action).is_some();
        entry.bar && !never && !useless
    };
    let own = TABLE.iter().filter(|entry| entry.screen == app.screen);
    let common =
        TABLE.iter().filter(|entry| entry.screen == Screen::Everywhere && !FIRST.contains(&entry.action));
    let mut x = 0;
    for entry in FIRST.iter().map(|action| action.entry()).chain(own).chain(common).filter(shown) {
        if x + piece_width(app, entry) <= end {
            x = piece(app, entry, area, x, buffer, hits);
        }
    }
    let mut x = end;
    for entry in last {
        x = piece(app, entry, area, x, buffer, hits);
    }
}

/// The keys of the current input mode.
fn prompt_keys(app: &App, prompt: Prompt, area: Rect, buffer: &mut Buffer) {
    let look = app.shared.look();
    let copies =
        (prompt == Prompt::Form && app.command_line().is_some()).then_some(("alt-y", "copy command"));
    let mut x = 0;
    for (key, title) in prompt.keys().iter().copied().chain(copies) {
        x = text::put(buffer, area, (x, 0), &format!(" {key}"), look.style(Role::Key));
        x = text::put(buffer, area, (x, 0), &format!(" {title} "), look.style(Role::Text));
    }
}

fn piece_width(app: &App, entry: &Entry) -> u16 {
    match app.shared.keymap.shown(app.screen, entry.action) {
        Some(key) => {
            let title = app.title_of(entry.action);
            u16::try_from(text::width(&key) + text::width(title) + 3).unwrap_or(u16::MAX)
        }
        None => 0,
    }
}

fn piece(app: &App, entry: &Entry, area: Rect, x: u16, buffer: &mut Buffer, hits: &mut Hits) -> u16 {
    let Some(key) = app.shared.keymap.shown(app.screen, entry.action) else { return x };
    let look = app.shared.look();
    let refused = app.refusal(entry.action).is_some();
    let (key_role, title_role) = if refused { (Role::Dim, Role::Dim) } else { (Role::Key, Role::Text) };
    let behind = text::put(buffer, area, (x, 0), &format!(" {key}"), look.style(key_role));
    let behind = text::put(
        buffer,
        area,
        (behind, 0),
        &format!(" {} ", app.title_of(entry.action)),
        look.style(title_role),
    );
    hits.add(Rect { x: area.x + x, width: behind.saturating_sub(x), ..area }, Target::Action(entry.action));
    behind
}
