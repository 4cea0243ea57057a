//! Drawing of the run list screen.
//!
//! ```text
//! ┌ runs ─ 12 of 40 ─ filter: digits ─┐┌ digits-2 ────────┐
//! │   name      status  ...       age ││ settings and     │
//! │ ▸ digits-1  finished          2 h ││ results of the   │
//! │ ● digits-2  running           4 m ││ selected run     │
//! └───────────────────────────────────┘└──────────────────┘   the second pane from 110 columns on
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;

use super::super::action::Action;
use super::super::hits::Hits;
use super::super::message::RunRow;
use super::super::shared::Shared;
use super::super::theme::{Look, Role};
use super::super::widget::{Column, Table, frame, text};
use super::list::{self, SortKey, age};
use super::{Home, Open, rows};
use crate::export::figure::share_or_dash;
use crate::plot::grouped;
use crate::run::Status;
use crate::spec::Cost;

/// Width of the labels.
const LABEL: u16 = 12;

/// Width from which the details are shown beside the list.
const WIDE: u16 = 110;

/// Height of the details below the list.
const BELOW: u16 = 12;

const COLUMNS: [Column; 12] = [
    Column::new("", 1),
    Column::new("name", 16).grows(),
    Column::new("status", 11),
    Column::new("method", 6).drop(5),
    Column::new("preset", 14).drop(4),
    Column::new("data", 8).drop(6),
    Column::new("best valid", 10).right(),
    Column::new("cohesion", 8).right().drop(2),
    Column::new("coupling", 8).right().drop(1),
    Column::new("KRR", 6).right(),
    Column::new("age", 7).right().drop(3),
    Column::new("tags", 10).drop(7),
];

/// The sort key of a column.
pub(super) fn key_of_column(column: usize) -> Option<SortKey> {
    SortKey::ALL.get(column.checked_sub(1)?).copied()
}

impl Home {
    /// Draws the screen.
    pub fn view(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let rows = u16::try_from(self.arranged.len()).unwrap_or(u16::MAX);
        let [list, side] = match area.width {
            WIDE.. => Layout::horizontal([Constraint::Fill(1), Constraint::Length(44)]).areas(area),
            // Show the details below the list if the list leaves enough rows empty.
            _ if rows > 0 && rows.saturating_add(3 + BELOW) <= area.height => {
                Layout::vertical([Constraint::Length(rows + 3), Constraint::Fill(1)]).areas(area)
            }
            _ => [area, Rect::ZERO],
        };
        self.list(shared, list, buffer, hits);
        if !side.is_empty() {
            self.side(shared, side, buffer);
        }
        self.over(shared, area, buffer, hits);
    }

    fn list(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let look = shared.look();
        let rows = rows(shared);
        let arranged = &self.arranged;
        let filtering = matches!(self.open, Some(Open::Filter));
        let filter = self.filter.text();
        let mut title = match filter.is_empty() && !filtering {
            true => format!("Runs: {}", rows.len()),
            false => format!("Runs: {} of {}", arranged.len(), rows.len()),
        };
        if !filter.is_empty() && !filtering {
            title += &format!(", filter: {filter}");
        }
        let mut inner = frame(look, area, buffer, &title, true);
        if filtering && inner.height > 1 {
            let [line, rest] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(inner);
            let x = text::put(buffer, line, (0, 0), "filter: ", look.style(Role::Key));
            let field = Rect { x: line.x + x, width: line.width.saturating_sub(x), ..line };
            self.filter.view(look, field, buffer, true);
            inner = rest;
        }
        if arranged.is_empty() {
            return empty(shared, filter, inner, buffer);
        }
        let sort = SortKey::ALL.iter().position(|key| *key == self.order.key).map(|column| {
            let figures = !matches!(
                self.order.key,
                SortKey::Name | SortKey::Status | SortKey::Method | SortKey::Preset | SortKey::Data
            );
            (column + 1, figures != self.order.reverse)
        });
        let row = |index: usize| match arranged
            .get(index)
            .and_then(|listed| Some((listed, rows.get(listed.index)?)))
        {
            Some((listed, row)) => cells(shared, look, row, listed.depth),
            None => Vec::new(),
        };
        let table =
            Table { columns: &COLUMNS, sort, len: arranged.len(), row: &row, pane: 0, focused: !filtering };
        table.view(look, inner, buffer, hits, &self.selection);
    }

    fn side(&self, shared: &Shared, area: Rect, buffer: &mut Buffer) {
        let look = shared.look();
        let row = self.current(shared);
        let inner = frame(look, area, buffer, row.map_or("Run", |row| &row.entry.id), false);
        let Some(row) = row else { return };
        // Two columns if the area is wide but low.
        let columns = if inner.width >= 72 { 2 } else { 1 };
        let width = inner.width / columns;
        let (mut x, mut y) = (0, 0);
        for (label, value) in facts(row) {
            let room = usize::from(width.saturating_sub(LABEL + 1));
            let lines = text::wrap(&value, room, look.charset);
            for (line, label) in lines.iter().take(6).zip(std::iter::once(label).chain(std::iter::repeat("")))
            {
                if y >= inner.height && x + width < inner.width {
                    (x, y) = (x + width, 0);
                }
                text::put(buffer, inner, (x, y), label, look.style(Role::Dim));
                text::put(buffer, inner, (x + LABEL, y), line, look.style(Role::Text));
                y += 1;
            }
        }
    }

    fn over(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let look = shared.look();
        match &self.open {
            Some(Open::Delete(_, dialog)) => dialog.view(look, area, buffer, hits),
            Some(Open::Tags(_, form)) => form.view(look, area, buffer, hits),
            Some(Open::New(new)) => super::view_new::view(new, look, area, buffer, hits),
            Some(Open::Filter) | None => {}
        }
    }
}

/// Draws the message of an empty list.
fn empty(shared: &Shared, filter: &str, area: Rect, buffer: &mut Buffer) {
    let look = shared.look();
    let (role, message) = match &shared.runs {
        None => (Role::Dim, "Reading runs...".to_owned()),
        Some(Err(why)) => (Role::Bad, format!("The runs cannot be listed: {why}")),
        Some(Ok(rows)) if !rows.is_empty() => {
            (Role::Text, format!("No run matches \"{filter}\". Press esc to clear the filter."))
        }
        Some(Ok(_)) => (
            Role::Text,
            format!(
                "No runs yet. Press {} to start one: preset `digits` trains the embedded example in a few minutes \
                on a CPU. Press {} for help.",
                shared.key(Action::NewRun),
                shared.key(Action::Help)
            ),
        ),
    };
    for (line, y) in text::wrap(&message, usize::from(area.width), look.charset).iter().zip(0..) {
        text::put(buffer, area, (0, y), line, look.style(role));
    }
}

fn cells(shared: &Shared, look: Look, row: &RunRow, depth: usize) -> Vec<(String, Style)> {
    let plain = Style::new();
    let dim = look.style(Role::Dim);
    let marked = shared.marked.iter().position(|name| *name == row.entry.id);
    let mark = match marked {
        Some(place) => (look.charset.pick("●", "*").to_owned(), look.style(Role::Series((place % 8) as u8))),
        None => (String::new(), plain),
    };
    let branch =
        if depth == 0 { String::new() } else { "  ".repeat(depth - 1) + look.charset.pick("└ ", "+ ") };
    let masks = list::masks(row);
    let rate = |value: Option<f64>| (value.map_or("-".into(), |value| format!("{value:.3}")), plain);
    let [method, preset, data] = list::words(row).map(|word| (word.to_owned(), plain));
    vec![
        mark,
        (branch + &row.entry.id, plain),
        (row.entry.status.to_string(), look.style(role(row.entry.status))),
        method,
        preset,
        data,
        (share_or_dash(list::accuracy(row)), plain),
        rate(masks.map(|masks| masks.cohesion)),
        rate(masks.map(|masks| masks.coupling)),
        (share_or_dash(masks.map(|masks| masks.krr)), plain),
        (row.entry.age().map_or("-".into(), age), dim),
        (row.tags.join(" "), dim),
    ]
}

fn role(status: Status) -> Role {
    match status {
        Status::Running => Role::Pending,
        Status::Finished => Role::Good,
        Status::Stopped | Status::Interrupted => Role::Warn,
        Status::Failed | Status::Damaged => Role::Bad,
    }
}

/// The details of a run, labelled.
fn facts(row: &RunRow) -> Vec<(&'static str, String)> {
    let entry = &row.entry;
    let mut facts = vec![("status", entry.status.to_string())];
    facts.extend(entry.reason.clone().map(|reason| ("", reason)));
    if let Some(manifest) = &entry.manifest {
        let preset = &manifest.preset;
        facts.push(("preset", preset.name.clone()));
        facts.push(("", preset.description.clone()));
        facts.push(("method", preset.method.name().to_owned()));
        for (name, value) in preset.method.weights() {
            facts.push(("", format!("{name} {value}")));
        }
        facts.push(("data", format!("{}, {} classes", preset.data.source.name(), manifest.classes.len())));
        let done = entry.last.as_ref().map_or(0, |last| last.epoch);
        facts.push(("epochs", format!("{done} of {}", preset.training.epochs)));
        facts.push(("batch", preset.training.batch.to_string()));
        facts.push(("rate", preset.training.learning_rate.to_string()));
        facts.push(("seed", manifest.seed.to_string()));
        facts.push(("device", manifest.device.clone()));
        if let Some(parent) = &manifest.parent {
            facts.push(("branch of", format!("{} at step {}", parent.run, parent.step)));
        }
        if let Ok(cost) = Cost::of(&manifest.network) {
            facts.push(("network", format!("{} parameters", grouped(cost.params()))));
            facts.push(("", format!("{} MACs per image", grouped(cost.macs()))));
            facts.push(("", format!("{} kernels, {} masked", cost.kernels, cost.masked_kernels)));
        }
        // 2026-11-26T06:48:42.825956Z, shown to the minute.
        let minute = manifest.created.get(..16).unwrap_or(&manifest.created).replace('T', " ");
        let ago = entry.age().map_or(String::new(), |span| format!(", {} ago", age(span)));
        facts.push(("started", format!("{minute} UTC{ago}")));
    }
    if !row.tags.is_empty() {
        facts.push(("tags", row.tags.join(" ")));
    }
    facts.push(("files", entry.path.display().to_string()));
    facts
}
