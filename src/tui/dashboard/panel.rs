//! The status panel: state and figures of the run, and its sliders.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};

use super::Dashboard;
use super::state::State;
use super::words::{bytes, grouped, percent, span};
use crate::plot::View;
use crate::tui::curves::{Curves, LEARNING_RATE, short};
use crate::tui::hits::{Hits, Target};
use crate::tui::shared::Shared;
use crate::tui::theme::{Charset, Look, Role};
use crate::tui::widget::{Slider, frame, text};

/// Width of the labels in the panel at the right.
const NAMES: usize = 11;

/// A line of styled parts.
type StyledLine = Vec<(String, Role)>;

/// The status of a run, for drawing.
struct RunStatus<'a> {
    dashboard: &'a Dashboard,
    shared: &'a Shared,
    curves: &'a Curves,
    state: State,
    look: Look,
}

/// Draws the panel at the right.
pub fn side(dashboard: &Dashboard, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let Some(status) = RunStatus::new(dashboard, shared) else { return };
    let steers = dashboard.steers(shared);
    let area = frame(status.look, area, buffer, &status.curves.run, steers);
    let width = usize::from(area.width);
    let mut lines = vec![vec![status.sign()]];
    lines.extend(status.message(width, 4));
    lines.push(status.bar(width));
    lines.extend(status.facts());
    let row = put(status.look, area, buffer, &lines) + 1;
    let controls = dashboard.controls(shared).len() as u16;
    let [_, sliders, rest] =
        Layout::vertical([Constraint::Length(row), Constraint::Length(controls), Constraint::Min(0)])
            .areas(area);
    status.sliders(sliders, buffer, hits);
    let mut lines = vec![vec![], vec![(status.looking(), Role::Dim)], vec![]];
    if !status.curves.changes.is_empty() {
        lines.push(vec![("changes, newest first".into(), Role::Title)]);
    }
    let arrow = status.look.charset.arrow();
    // A run can have many more changes than there are rows.
    let room = usize::from(rest.height);
    lines.extend(status.curves.changes.iter().rev().take(room).map(|applied| {
        let step = format!("{:>9}  ", grouped(applied.change.step));
        vec![(step, Role::Dim), (applied.label(arrow), Role::Mark)]
    }));
    put(status.look, rest, buffer, &lines);
}

/// Draws a few rows at the top.
pub fn strip(dashboard: &Dashboard, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let Some(status) = RunStatus::new(dashboard, shared) else { return };
    let columns = [Constraint::Percentage(46), Constraint::Min(0)];
    let [left, right] = Layout::horizontal(columns).spacing(2).areas(area);
    let width = usize::from(left.width);
    let mut lines = vec![status.head()];
    let message = status.message(width, 3);
    if message.is_empty() {
        lines.push(status.progress(width));
        lines.push(status.machine());
    }
    lines.extend(message);
    lines.push(status.kept());
    put(status.look, left, buffer, &lines);
    status.sliders(right, buffer, hits);
    let used = dashboard.controls(shared).len().min(usize::from(right.height)) as u16;
    let [_, below] = Layout::vertical([Constraint::Length(used), Constraint::Min(0)]).areas(right);
    put(status.look, below, buffer, &[vec![(format!(" {}", status.looking()), Role::Dim)]]);
}

/// Draws one or two lines.
pub fn lines(dashboard: &Dashboard, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let Some(status) = RunStatus::new(dashboard, shared) else { return };
    let mut head = status.head();
    head.push((format!("  {}", status.short_progress()), Role::Text));
    put(status.look, area, buffer, &[head]);
    if area.height < 2 {
        return;
    }
    let message = status.message(usize::from(area.width), 1);
    if let Some(line) = message.first() {
        put(status.look, Rect { y: area.y + 1, height: 1, ..area }, buffer, std::slice::from_ref(line));
        return;
    }
    let mut x = 0;
    for (index, control) in dashboard.controls(shared).iter().enumerate() {
        let (selected, look) = (index == dashboard.slider, status.look);
        let name = if control.name == LEARNING_RATE { "lr" } else { control.name.as_str() };
        let mark = if selected { look.charset.pick("▸", ">") } else { " " };
        let role = if selected { Role::Focus } else { Role::Text };
        let start = x;
        x = text::put(
            buffer,
            area,
            (x, 1),
            &format!("{mark}{name} {}", short(control.value)),
            look.style(role),
        );
        if let Some(pending) = control.pending {
            let pending = format!("{}{}", look.charset.arrow(), short(pending));
            x = text::put(buffer, area, (x, 1), &pending, look.style(Role::Pending));
        }
        let place = Rect { x: area.x + start, y: area.y + 1, width: x - start, height: 1 };
        hits.add(place.intersection(area), Target::Row(0, index));
        x += 1;
    }
}

/// Writes lines from the top; returns their number.
fn put(look: Look, area: Rect, buffer: &mut Buffer, lines: &[StyledLine]) -> u16 {
    let mut row = 0;
    for line in lines {
        let mut x = 0;
        for (piece, role) in line {
            let room = usize::from(area.width.saturating_sub(x));
            x = text::put(buffer, area, (x, row), &text::cut(piece, room, look.charset), look.style(*role));
        }
        row += 1;
    }
    row
}

impl<'a> RunStatus<'a> {
    fn new(dashboard: &'a Dashboard, shared: &'a Shared) -> Option<Self> {
        let curves = dashboard.shown(shared)?;
        Some(RunStatus { dashboard, shared, curves, state: dashboard.state(shared), look: shared.look() })
    }

    /// State and name.
    fn head(&self) -> StyledLine {
        vec![self.sign(), (format!("  {}", self.curves.run), Role::Title)]
    }

    fn sign(&self) -> (String, Role) {
        let (unicode, ascii, role) = match &self.state {
            State::Training => ("●", "*", Role::Good),
            State::Paused => ("‖", "=", Role::Warn),
            State::Finished => ("✓", "+", Role::Good),
            State::Failed(_) | State::Unreadable(_) => ("✗", "!", Role::Bad),
            State::Stopped | State::Interrupted | State::Stopping => ("■", "#", Role::Warn),
            _ => ("○", "o", Role::Dim),
        };
        (format!("{} {}", self.look.charset.pick(unicode, ascii), self.state.word()), role)
    }

    /// An error message, or what can be done now.
    fn message(&self, width: usize, most: usize) -> Vec<StyledLine> {
        let said = match &self.state {
            State::Failed(message) => Some((message.clone(), Role::Bad)),
            State::Stopped | State::Interrupted => {
                self.state.silent(self.shared).map(|text| (text, Role::Warn))
            }
            State::Elsewhere(_) => self.state.silent(self.shared).map(|text| (text, Role::Warn)),
            _ => None,
        };
        let Some((said, role)) = said else { return Vec::new() };
        let mut lines = text::wrap(&said, width, self.look.charset);
        if lines.len() > most {
            let rest = lines.split_off(most - 1).join(" ");
            lines.push(text::cut(&rest, width, self.look.charset));
        }
        lines.into_iter().map(|line| vec![(line, role)]).collect()
    }

    fn share(&self) -> Option<f64> {
        (self.curves.steps > 0).then(|| self.curves.step as f64 / self.curves.steps as f64)
    }

    /// A progress bar of the full width.
    fn bar(&self, width: usize) -> StyledLine {
        let Some(share) = self.share() else { return vec![] };
        let text = format!(" {:>3.0}%", (share * 100.0).floor());
        bar(share, width.saturating_sub(text.len()), self.look.charset)
            .into_iter()
            .chain([(text, Role::Text)])
            .collect()
    }

    fn left(&self) -> Option<f64> {
        let steps = self.curves.steps.checked_sub(self.curves.step)?;
        let running = matches!(self.state, State::Training | State::Paused);
        self.curves.seconds_per_step().filter(|_| running).map(|seconds| seconds * steps as f64)
    }

    fn epochs(&self) -> Option<(u64, u64)> {
        let per = self.curves.steps_per_epoch;
        Some((self.curves.step.checked_div(per)?, self.curves.steps.checked_div(per)?))
    }

    /// Progress bar, epoch and remaining time in one line.
    fn progress(&self, width: usize) -> StyledLine {
        let Some(share) = self.share() else { return vec![] };
        let epoch = self.epochs().map_or_else(String::new, |(at, of)| format!(" epoch {at}/{of}"));
        let left = self.left().map_or_else(String::new, |left| format!(" {} left", span(left)));
        let phase = self.curves.phases.last();
        let phase =
            phase.map_or_else(String::new, |begun| format!(" phase {}/{}", begun.phase, begun.phases));
        let text = format!(" {:.0}%{phase}{epoch}{left}", (share * 100.0).floor());
        let room = width.saturating_sub(text.len()).max(4);
        bar(share, room, self.look.charset).into_iter().chain([(text, Role::Text)]).collect()
    }

    fn short_progress(&self) -> String {
        let share = self.share().map_or_else(String::new, |share| format!("{:.0}%", (share * 100.0).floor()));
        self.left().map_or(share.clone(), |left| format!("{share} {} left", span(left)))
    }

    /// Speed, device and load in one line.
    fn machine(&self) -> StyledLine {
        let speed = self.curves.last_steps.as_ref().map(|record| {
            let speed = grouped(record.images_per_second.max(0.0).round() as u64);
            format!("{speed} img/s")
        });
        let own = self.shared.session().is_some();
        let load = own.then(|| match (self.shared.load.gpu, self.on_gpu()) {
            (Some(gpu), _) => format!("busy {:.0}%", gpu.busy * 100.0),
            (None, true) => "busy ?".to_owned(),
            (None, false) => format!("load {:.0}%", self.shared.load.cpu * 100.0),
        });
        let memory = self.shared.load.gpu.map_or(self.shared.load.memory, |gpu| gpu.memory);
        let memory = own.then(|| bytes(memory));
        let pieces = [speed, Some(self.curves.device.clone()), load, memory];
        vec![(join(pieces.into_iter().flatten(), self.look.charset), Role::Text)]
    }

    /// Whether it trains on a GPU.
    fn on_gpu(&self) -> bool {
        self.curves.device != "cpu" && !self.curves.device.is_empty()
    }

    /// Checkpoint and best epoch in one line.
    fn kept(&self) -> StyledLine {
        let best = self.curves.best.map(|(epoch, _, best)| format!("best {} ep {epoch}", percent(best)));
        let saved = self.curves.checkpoints.last().map(|step| format!("saved {}", grouped(*step)));
        vec![(join(best.into_iter().chain(saved), self.look.charset), Role::Text)]
    }

    /// Labelled values, one per line.
    fn facts(&self) -> Vec<StyledLine> {
        let curves = self.curves;
        let mut facts: Vec<(&str, String)> = Vec::new();
        if let Some(begun) = curves.phases.last() {
            facts.push(("phase", begun.title()));
        }
        if let Some((at, of)) = self.epochs() {
            facts.push(("epoch", format!("{} of {}", grouped(at), grouped(of))));
        }
        facts.push(("step", format!("{} of {}", grouped(curves.step), grouped(curves.steps))));
        let spent = curves.seconds.last().map_or(0.0, |(_, seconds)| seconds);
        let left = self.left().map_or_else(String::new, |left| format!(", {} left", span(left)));
        facts.push(("time", format!("{}{left}", span(spent))));
        if let Some(record) = &curves.last_steps {
            let speed = grouped(record.images_per_second.max(0.0).round() as u64);
            facts.push(("speed", format!("{speed} images/s")));
            let how = if curves.learning_rate.is_some() { "by hand" } else { "as scheduled" };
            facts.push(("rate", format!("{} {how}", short(curves.rate()))));
        }
        let frozen = curves.frozen.parts();
        if !frozen.is_empty() {
            facts.push(("frozen", frozen.join(" ")));
        }
        facts.push(("device", curves.device.clone()));
        if self.shared.session().is_some() {
            let load = &self.shared.load;
            match load.gpu {
                Some(gpu) => {
                    let (used, total) = (bytes(gpu.memory), bytes(gpu.total));
                    facts.push(("gpu", format!("{:.0}% busy, {used} of {total}", gpu.busy * 100.0)));
                }
                None if self.on_gpu() => facts.push(("gpu", "load unknown, see the log".into())),
                None => {}
            }
            facts.push(("cpu load", format!("{:.0}%, {}", load.cpu * 100.0, bytes(load.memory))));
        }
        if let Some(step) = curves.checkpoints.last() {
            facts.push(("saved", format!("step {}", grouped(*step))));
        }
        if let Some((epoch, _, accuracy)) = curves.best {
            facts.push(("best", format!("{} valid, epoch {epoch}", percent(accuracy))));
        }
        if let Some(parent) = &curves.parent {
            facts.push(("branch of", format!("{} at {}", parent.run, grouped(parent.step))));
        }
        let line =
            |(name, value): (&str, String)| vec![(format!("{name:<NAMES$}"), Role::Dim), (value, Role::Text)];
        facts.into_iter().map(line).collect()
    }

    /// The display settings of the charts that differ from the default.
    fn looking(&self) -> String {
        let axes = &self.dashboard.axes;
        let by = format!("by {}", axes.unit());
        let smoothing = match axes.smoothing() > 0.0 {
            true => format!("smoothed {}", axes.smoothing()),
            false => "not smoothed".into(),
        };
        let view = match axes.view {
            View::All => None,
            View::Follow(_) => Some("following".to_owned()),
            View::Window(..) => Some("zoomed".to_owned()),
        };
        let robust = axes.robust.then(|| "robust".to_owned());
        join([by, smoothing].into_iter().chain(view).chain(robust), self.look.charset)
    }

    /// Draws the sliders, one per line, scrolled so that the selected one is visible.
    fn sliders(&self, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let controls = self.dashboard.controls(self.shared);
        let selected = self.dashboard.slider.min(controls.len().saturating_sub(1));
        let first = (selected + 1).saturating_sub(usize::from(area.height));
        for (row, (index, control)) in (0..area.height).zip(controls.iter().enumerate().skip(first)) {
            let line = Rect { y: area.y + row, height: 1, ..area };
            hits.add(line, Target::Row(0, index));
            let slider = Slider {
                label: &control.name,
                value: control.value,
                pending: control.pending,
                range: control.range,
                selected: index == selected,
            };
            slider.view(self.look, line, buffer, hits, index);
        }
    }
}

fn bar(share: f64, width: usize, charset: Charset) -> StyledLine {
    // At most `width`.
    let done = ((share.clamp(0.0, 1.0) * width as f64) as usize).min(width);
    vec![
        (charset.pick("━", "=").repeat(done), Role::Good),
        (charset.pick("─", "-").repeat(width - done), Role::Border),
    ]
}

fn join(pieces: impl IntoIterator<Item = String>, charset: Charset) -> String {
    let pieces: Vec<String> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
    pieces.join(&format!(" {} ", charset.dot()))
}
