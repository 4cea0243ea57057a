//! Drawing of the dashboard.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::layout::{Status, parts};
use super::state::State;
use super::{Dashboard, panel};
use crate::tui::action::Action;
use crate::tui::canvas::canvas;
use crate::tui::hits::{Hits, Target};
use crate::tui::shared::Shared;
use crate::tui::theme::Role;
use crate::tui::widget::text;

/// Draws the screen.
pub fn view(dashboard: &Dashboard, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let area = area.intersection(buffer.area);
    if area.is_empty() {
        return;
    }
    match dashboard.shown(shared) {
        Some(_) => run(dashboard, shared, area, buffer, hits),
        None => nothing(dashboard, shared, area, buffer),
    }
    if let Some(popup) = &dashboard.popup {
        // Areas below the dialog are not clickable.
        hits.add(area, Target::Pane(usize::MAX));
        popup.view(shared.look(), area, buffer, hits);
    }
}

fn run(dashboard: &Dashboard, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let measures = dashboard.measures(shared);
    let selected = dashboard.pane.min(measures.len() - 1);
    let parts = parts(area, measures.len(), selected, dashboard.expanded);
    match parts.status {
        Status::Side(place) => panel::side(dashboard, shared, place, buffer, hits),
        Status::Strip(place) => panel::strip(dashboard, shared, place, buffer, hits),
        Status::Lines(place) => panel::lines(dashboard, shared, place, buffer, hits),
    }
    let narrow = parts.charts.first().is_some_and(|(_, place)| place.width < 64);
    let Some(scope) = dashboard.scope(shared).map(|scope| scope.narrow(narrow)) else { return };
    let (look, canvas) = (shared.look(), canvas(shared.look()));
    let single = parts.charts.len() < measures.len();
    for (index, place) in parts.charts {
        let Some(measure) = measures.get(index) else { continue };
        let focused = index == dashboard.pane;
        let mark = match (focused, single) {
            (_, true) => format!("{}/{} ", index + 1, measures.len()),
            (true, false) => look.charset.pick("▸ ", "> ").to_owned(),
            (false, false) => String::new(),
        };
        let drawn = scope.chart(*measure, &mark).render(place, buffer, &canvas);
        if focused && place.height >= 4 {
            let width = text::width(&mark) + text::width(measure.title());
            let title = Rect { width: place.width.min(width as u16), height: 1, ..place };
            buffer.set_style(title, look.style(Role::Focus));
        }
        hits.add(place, Target::Pane(index));
        hits.add(drawn.area, Target::Chart(index));
    }
}

/// Draws what to do when there is no run to show.
fn nothing(dashboard: &Dashboard, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let state = &dashboard.state(shared);
    let look = shared.look();
    let run = shared.current().unwrap_or_default();
    let said = match state {
        State::Nothing => "No run is open.".to_owned(),
        State::Loading if dashboard.branches.is_some() => {
            format!("Reading {run}; the branch form opens next")
        }
        State::Loading => format!("Reading {run}"),
        State::Unreadable(why) => format!("{run} cannot be read: {why}"),
        State::Elsewhere(_) => state.silent(shared).unwrap_or_default(),
        _ => format!("Preparing {run}: reading data and building the network"),
    };
    let width = usize::from(area.width.saturating_sub(4)).clamp(1, 66);
    let lines = text::wrap(&said, width, look.charset);
    let keys: &[(Action, &str)] = match state {
        State::Nothing => &[
            (Action::GoHome, "shows the run list; there"),
            (Action::NewRun, "starts a new run from a preset,"),
            (Action::Accept, "opens a run to view, resume or branch it,"),
            (Action::CompareRuns, "overlays the marked runs."),
        ],
        _ => &[],
    };
    let height = lines.len() + if keys.is_empty() { 0 } else { keys.len() + 1 };
    let left = area.width.saturating_sub(width as u16) / 2;
    let mut row = area.height.saturating_sub(height as u16) / 2;
    for line in &lines {
        text::put(buffer, area, (left, row), line, look.style(Role::Title));
        row = row.saturating_add(1);
    }
    row = row.saturating_add(1);
    for (action, help) in keys {
        let x = text::put(
            buffer,
            area,
            (left, row),
            &format!("{:<7}", shared.key(*action)),
            look.style(Role::Key),
        );
        text::put(buffer, area, (x, row), &text::cut(help, width, look.charset), look.style(Role::Text));
        row = row.saturating_add(1);
    }
}
