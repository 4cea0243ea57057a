//! Where on the screen the mouse can do something. Views write it, the next mouse message reads it.

use ratatui::layout::{Position, Rect};

use super::action::Action;

/// What lies under the mouse. Numbers mean what the screen that wrote them says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Does what its key does.
    Action(Action),
    /// A pane that can have the keys.
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

/// The areas of the frame on the screen; the last one written lies on top.
#[derive(Clone, Debug, Default)]
pub struct Hits(Vec<(Rect, Target)>);

impl Hits {
    /// Says what an area is.
    pub fn add(&mut self, area: Rect, target: Target) {
        self.0.push((area, target));
    }

    /// What is at a column and row, with its area.
    pub fn at(&self, column: u16, row: u16) -> Option<(Rect, Target)> {
        self.0.iter().rev().find(|(area, _)| area.contains(Position { x: column, y: row })).copied()
    }
}
