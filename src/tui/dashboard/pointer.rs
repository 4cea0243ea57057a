//! Mouse handling on the dashboard.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;

use super::{Dashboard, acts};
use crate::plot::View;
use crate::tui::action::Action;
use crate::tui::hits::Target;
use crate::tui::message::Effect;
use crate::tui::shared::Shared;

/// What a pressed mouse button drags.
#[derive(Clone, Copy, Debug)]
pub enum Drag {
    /// The knob of a slider on its track.
    Knob(usize, Rect),
    /// The window of the charts: position and panel of the button press, and the window then.
    Window(u16, Rect, View),
}

/// Handles a mouse event.
pub fn mouse(
    dashboard: &mut Dashboard,
    mouse: MouseEvent,
    at: Option<(Rect, Target)>,
    shared: &mut Shared,
) -> Vec<Effect> {
    match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) => return press(dashboard, mouse.column, at, shared),
        MouseEventKind::Drag(MouseButton::Left) => return drag(dashboard, mouse.column, shared),
        MouseEventKind::Up(_) => dashboard.drag = None,
        MouseEventKind::Moved => hover(dashboard, mouse.column, at, shared),
        MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
            let up = mouse.kind == MouseEventKind::ScrollUp;
            return scroll(dashboard, mouse.column, up, at, shared);
        }
        _ => {}
    }
    Vec::new()
}

/// Relative position of a column on a panel, 0..1.
fn share(column: u16, panel: Rect) -> f64 {
    let last = f64::from(panel.width.saturating_sub(1).max(1));
    (f64::from(column.saturating_sub(panel.x)) / last).min(1.0)
}

fn press(
    dashboard: &mut Dashboard,
    column: u16,
    at: Option<(Rect, Target)>,
    shared: &mut Shared,
) -> Vec<Effect> {
    match at {
        Some((panel, Target::Chart(index))) => {
            dashboard.pane = index;
            dashboard.drag = Some(Drag::Window(column, panel, dashboard.axes.view));
            Vec::new()
        }
        // A click on the title of the selected chart maximises or restores it.
        Some((_, Target::Pane(index))) => {
            dashboard.expanded ^= dashboard.pane == index && index < dashboard.measures(shared).len();
            dashboard.pane = index;
            Vec::new()
        }
        Some((track, Target::Slider(index))) => {
            (dashboard.slider, dashboard.pane) = (index, dashboard.measures(shared).len());
            dashboard.drag = Some(Drag::Knob(index, track));
            drag(dashboard, column, shared)
        }
        Some((_, Target::Row(_, index))) => {
            (dashboard.slider, dashboard.pane) = (index, dashboard.measures(shared).len());
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn drag(dashboard: &mut Dashboard, column: u16, shared: &mut Shared) -> Vec<Effect> {
    match dashboard.drag {
        Some(Drag::Knob(index, track)) => match dashboard.refusal(Action::SliderUp, shared) {
            Some(why) => {
                dashboard.drag = None;
                vec![Effect::Toast(why)]
            }
            None => {
                let controls = dashboard.controls(shared);
                let Some(control) = controls.get(index) else { return Vec::new() };
                acts::change(dashboard, control.setting(control.range.at(track, column)), shared)
            }
        },
        Some(Drag::Window(from, panel, view)) => {
            let Some(extent) = dashboard.scope(shared).map(|scope| scope.extent()) else { return Vec::new() };
            let share = (f64::from(from) - f64::from(column)) / f64::from(panel.width.max(1));
            dashboard.axes.view = view.pan(share, extent);
            Vec::new()
        }
        None => Vec::new(),
    }
}

fn hover(dashboard: &mut Dashboard, column: u16, at: Option<(Rect, Target)>, shared: &Shared) {
    match at {
        Some((panel, Target::Chart(_))) => {
            let Some(extent) = dashboard.scope(shared).map(|scope| scope.extent()) else { return };
            dashboard.axes.point(share(column, panel), extent);
            dashboard.hovers = true;
        }
        _ if std::mem::take(&mut dashboard.hovers) => dashboard.axes.cursor = None,
        _ => {}
    }
}

fn scroll(
    dashboard: &mut Dashboard,
    column: u16,
    up: bool,
    at: Option<(Rect, Target)>,
    shared: &mut Shared,
) -> Vec<Effect> {
    match at {
        Some((panel, Target::Chart(_))) => {
            let Some(extent) = dashboard.scope(shared).map(|scope| scope.extent()) else { return Vec::new() };
            let place = dashboard.axes.at(share(column, panel), extent);
            dashboard.axes.zoom(if up { 0.8 } else { 1.25 }, Some(place), extent);
            Vec::new()
        }
        Some((_, Target::Slider(index) | Target::Row(_, index))) => {
            dashboard.slider = index;
            let action = if up { Action::SliderUp } else { Action::SliderDown };
            dashboard.act(action, shared)
        }
        _ => Vec::new(),
    }
}
