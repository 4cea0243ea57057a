//! The header (first line): program, screens, the run being trained, the device.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::action::{Action, Screen};
use crate::tui::app::App;
use crate::tui::hits::{Hits, Target};
use crate::tui::theme::Role;
use crate::tui::widget::text;

const TABS: [(Screen, Action); 3] = [
    (Screen::Home, Action::GoHome),
    (Screen::Dashboard, Action::GoDashboard),
    (Screen::Modules, Action::GoModules),
];

/// A spinner, one step per second.
const SPINNER: [&str; 4] = ["◐", "◓", "◑", "◒"];

pub(super) fn view(app: &App, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let look = app.shared.look();
    let mut x = text::put(buffer, area, (1, 0), "cleave", look.style(Role::Title)) + 1;
    for (screen, action) in TABS {
        let start = x;
        let key = app.shared.keymap.shown(app.screen, action).unwrap_or_default();
        x = text::put(buffer, area, (x, 0), &format!(" {key} "), look.style(Role::Key));
        let role = if screen == app.screen { Role::Title } else { Role::Dim };
        x = text::put(buffer, area, (x, 0), &format!("{} ", action.entry().title), look.style(role));
        let tab = Rect { x: area.x + start, width: x - start, ..area };
        if screen == app.screen {
            buffer.set_style(tab, look.style(Role::Selected));
        }
        hits.add(tab, Target::Action(action));
    }
    let room = usize::from(area.width.saturating_sub(x + 1));
    let mut pieces = pieces(app);
    // Drop the less important parts if there is no room.
    let width =
        |pieces: &[(String, Role)]| pieces.iter().map(|(text, _)| text::width(text) + 2).sum::<usize>();
    while width(&pieces) > room && pieces.len() > 1 {
        pieces.pop();
    }
    let taken = u16::try_from(width(&pieces).min(room)).unwrap_or(0);
    let mut x = area.width.saturating_sub(taken);
    for (piece, role) in pieces {
        let piece = text::cut(&piece, usize::from(area.width.saturating_sub(x + 1)), look.charset);
        x = text::put(buffer, area, (x, 0), &piece, look.style(role)) + 2;
    }
}

/// The status texts, most important first.
fn pieces(app: &App) -> Vec<(String, Role)> {
    let look = app.shared.look();
    let spinner = || {
        let turn = usize::try_from(app.shared.now.as_secs() % 4).unwrap_or(0);
        look.charset.pick(SPINNER[turn], ["|", "/", "-", "\\"][turn])
    };
    let mut pieces = Vec::new();
    if let Some(leaving) = app.leaving {
        let seconds = app.shared.now.saturating_sub(leaving.since).as_secs();
        pieces
            .push((format!("{} saving a checkpoint, {seconds} s; ctrl-c quits now", spinner()), Role::Warn));
        return pieces;
    }
    if let Some(what) = &app.launching {
        pieces.push((format!("{} preparing {what}", spinner()), Role::Pending));
    }
    let device = app.shared.device.as_ref().map(|(name, _)| (name.clone(), Role::Dim));
    let Some(live) = &app.shared.live else {
        pieces.extend(device);
        return pieces;
    };
    let (state, role) = match &live.ended {
        Some(crate::run::Event::Failed { .. }) => ("failed".to_owned(), Role::Bad),
        Some(crate::run::Event::Finished { .. }) => ("finished".into(), Role::Good),
        Some(_) => ("stopped".into(), Role::Warn),
        None if live.paused => ("paused".into(), Role::Warn),
        None if live.steps == 0 => (format!("{} starting", spinner()), Role::Pending),
        None => (spinner().to_owned(), Role::Good),
    };
    pieces.push((format!("{state} {}", live.run()), role));
    let epochs = live.manifest.preset.training.epochs;
    let epoch = live.last_epoch.as_ref();
    let accuracy =
        epoch.map(|epoch| format!(" {} {:.1} %", look.charset.dot(), 100.0 * epoch.valid.accuracy));
    let phase = live.phase.as_ref();
    let phase = phase.map_or_else(String::new, |begun| format!("phase {}/{} ", begun.phase, begun.phases));
    let done = format!("{phase}{}/{epochs}", epoch.map_or(0, |epoch| epoch.epoch));
    pieces.push((done + &accuracy.unwrap_or_default(), Role::Text));
    pieces.extend(device);
    pieces
}
