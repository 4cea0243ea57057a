//! The layout at each terminal size.
//!
//! ```text
//! wide (from 110 x 24)                 normal (from 72 x 18)        compact
//! ┌──────────┬──────────┬─────────┐    ┌───────────────────────┐    ┌──────────────┐
//! │ accuracy │ loss     │ panel   │    │ strip                 │    │ two lines    │
//! │          │          │         │    ├───────────┬───────────┤    ├──────────────┤
//! ├──────┬───┴──┬───────┤         │    │ accuracy  │ loss      │    │ one chart    │
//! │ coh. │ coup.│ ret.  │         │    ├───────┬───┴───┬───────┤    │              │
//! └──────┴──────┴───────┴─────────┘    └───────┴───────┴───────┘    └──────────────┘
//! ```

use ratatui::layout::{Constraint, Layout, Rect};

/// Minimum and maximum width of the panel at the right.
const SIDE: [u16; 2] = [46, 58];

/// Position of the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// A panel at the right.
    Side(Rect),
    /// Some rows at the top.
    Strip(Rect),
    /// One or two lines.
    Lines(Rect),
}

/// The parts of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Area of the run's status and its sliders.
    pub status: Status,
    /// Charts by number, each with its area.
    pub charts: Vec<(usize, Rect)>,
}

/// Divides the area among the status and `count` charts. Only `selected` is shown if it is `alone` (maximised) or
/// there is no room for all.
pub fn parts(area: Rect, count: usize, selected: usize, alone: bool) -> Parts {
    let (status, rest) = match (area.width, area.height) {
        (110.., 24..) => {
            let side = Constraint::Length(SIDE[usize::from(area.width >= 160)]);
            let [rest, side] = Layout::horizontal([Constraint::Min(0), side]).spacing(1).areas(area);
            (Status::Side(side), rest)
        }
        (72.., 18..) => {
            let [strip, rest] = Layout::vertical([Constraint::Length(4), Constraint::Min(0)]).areas(area);
            (Status::Strip(strip), rest)
        }
        (_, height) => {
            let rows = if height >= 8 { 2 } else { u16::from(height >= 4) };
            let [lines, rest] = Layout::vertical([Constraint::Length(rows), Constraint::Min(0)]).areas(area);
            (Status::Lines(lines), rest)
        }
    };
    let places = if alone { Vec::new() } else { grid(rest, count) };
    let charts = match places.len() == count {
        true => places.into_iter().enumerate().collect(),
        false => vec![(selected, rest)],
    };
    Parts { status, charts }
}

/// The areas of all charts; empty if there is no room for all.
fn grid(area: Rect, count: usize) -> Vec<Rect> {
    let rows: Vec<usize> = match (count, area.width, area.height) {
        (1, ..) => vec![1],
        (2, 100.., 6..) => vec![2],
        (2, 40.., 14..) => vec![1, 1],
        (3.., 68.., 14..) => vec![count / 2, count - count / 2],
        _ => return Vec::new(),
    };
    let heights = Layout::vertical(rows.iter().map(|_| Constraint::Fill(1))).split(area);
    let places = rows.iter().zip(heights.iter()).flat_map(|(columns, row)| {
        Layout::horizontal((0..*columns).map(|_| Constraint::Fill(1))).spacing(2).split(*row).to_vec()
    });
    places.collect()
}
