//! Clickable areas of the screen. Views record them, the next mouse message looks them up.

use ratatui::layout::{Position, Rect};

use super::action::Action;

/// What a clickable area stands for. Numbers are defined by the screen that recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Performs an action.
    Action(Action),
    /// A pane that can be focused.
    Pane(usize),
    /// A row of a list in a pane.
    Row(usize, usize),
    /// A column's heading.
    Heading(usize),
    /// A chart's plotting area.
    Chart(usize),
    /// A slider's track.
    Slider(usize),
    /// A cell of a matrix: row and column.
    Cell(usize, usize),
    /// A field of a form.
    Field(usize),
    /// A button of a box or form.
    Button(usize),
}

/// The clickable areas of the current frame; later ones lie on top.
#[derive(Clone, Debug, Default)]
pub struct Hits(Vec<(Rect, Target)>);

impl Hits {
    /// Records an area.
    pub fn add(&mut self, area: Rect, target: Target) {
        self.0.push((area, target));
    }

    /// The topmost area at a column and row, with its target.
    pub fn at(&self, column: u16, row: u16) -> Option<(Rect, Target)> {
        self.0.iter().rev().find(|(area, _)| area.contains(Position { x: column, y: row })).copied()
    }
}
