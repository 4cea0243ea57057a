//! The complete frame: header, screen, log, key bar and overlays.
//!
//! ```text
//! ┌ cleave  1 runs  2 training  3 modules ······ digits-1  epoch 3/30  91.2 %  cpu ┐
//! │ why the last run failed, until dismissed                                       │
//! │ the screen                                                                     │
//! │                                                          + checkpoint saved    │
//! │ log                                                                            │
//! └ p pause  . one step  w checkpoint ··························· ? help  q quit ──┘
//! ```

mod bar;
mod header;
mod over;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::{Clear, Widget};

use super::action::{Action, Screen};
use super::app::App;
use super::hits::{Hits, Target};
use super::theme::Role;
use super::widget::{frame, text};

/// Terminal size below which only a message is drawn.
pub const LEAST: (u16, u16) = (60, 16);

/// Terminal size from which there is room for the log and the header's details.
pub const COMFORTABLE: (u16, u16) = (80, 24);

/// Draws everything; returns the clickable areas.
pub fn view(app: &App, frame: &mut Frame) -> Hits {
    let area = frame.area();
    draw(app, area, frame.buffer_mut())
}

/// Draws everything into a buffer.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) -> Hits {
    let area = area.intersection(buffer.area);
    let mut hits = Hits::default();
    buffer.set_style(area, app.shared.look().style(Role::Ground));
    if area.width < LEAST.0 || area.height < LEAST.1 {
        too_small(app, area, buffer);
        return hits;
    }
    let comfortable = area.height >= COMFORTABLE.1;
    let banner = app.banner.as_ref().map_or(0, |banner| over::banner_height(app, banner, area));
    let rows = if app.log_open { (area.height / 4).max(6) } else { 0 };
    let log = if comfortable { rows } else { 0 };
    let [header, banner, screen, log, bar] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(banner),
        Constraint::Min(0),
        Constraint::Length(log),
        Constraint::Length(1),
    ])
    .areas(area);
    header::view(app, header, buffer, &mut hits);
    if let Some(text) = &app.banner {
        over::banner(app, text, banner, buffer, &mut hits);
    }
    match app.screen {
        Screen::Dashboard => app.dashboard.view(&app.shared, screen, buffer, &mut hits),
        Screen::Modules => app.modules.view(&app.shared, screen, buffer, &mut hits),
        Screen::Home | Screen::Everywhere => app.home.view(&app.shared, screen, buffer, &mut hits),
    }
    if !log.is_empty() {
        view_log(app, log, buffer);
    } else if rows > 0 {
        // On a low terminal the log covers the screen, and a click closes it.
        let height = rows.min(screen.height);
        let over = Rect { y: screen.bottom() - height, height, ..screen };
        Clear.render(over, buffer);
        buffer.set_style(over, app.shared.look().style(Role::Ground));
        view_log(app, over, buffer);
        hits.add(over, Target::Action(Action::ToggleLog));
    }
    bar::view(app, bar, buffer, &mut hits);
    over::toasts(app, screen, buffer);
    over::overlay(app, area, buffer, &mut hits);
    hits
}

fn too_small(app: &App, area: Rect, buffer: &mut Buffer) {
    let training = if app.shared.is_training() { "Training continues." } else { "" };
    let message = format!(
        "The terminal is too small: {}x{} needed, {}x{} here. {training}",
        LEAST.0, LEAST.1, area.width, area.height
    );
    let look = app.shared.look();
    let lines = text::wrap(&message, usize::from(area.width), look.charset);
    for (row, line) in (0..area.height).zip(&lines) {
        text::put(buffer, area, (0, row), line, look.style(Role::Text));
    }
}

/// The newest lines of the log.
fn view_log(app: &App, area: Rect, buffer: &mut Buffer) {
    let look = app.shared.look();
    let inner = frame(look, area, buffer, "log", false);
    let columns = usize::from(inner.width);
    for (row, notice) in (0..inner.height).rev().zip(app.notices.log().rev()) {
        let seconds = notice.at.as_secs();
        let time = format!("{:>3}:{:02}:{:02} ", seconds / 3600, seconds / 60 % 60, seconds % 60);
        let x = text::put(buffer, inner, (0, row), &time, look.style(Role::Dim));
        let line = format!("{} {}", notice.tone.sign(), notice.text);
        let line = text::cut(&line, columns.saturating_sub(usize::from(x)), look.charset);
        text::put(buffer, inner, (x, row), &line, look.style(notice.tone.role()));
    }
}
