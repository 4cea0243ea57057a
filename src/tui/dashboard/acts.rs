//! Key actions of the dashboard, and when they are unavailable.

use std::path::PathBuf;

use super::Dashboard;
use super::popup::{BranchForm, Popup};
use super::state::State;
use crate::plot::{Extent, View};
use crate::run::Status;
use crate::session::{Change, Command, Schedule, Setting};
use crate::tui::action::Action;
use crate::tui::curves::Measure;
use crate::tui::message::{Effect, Job, Launch};
use crate::tui::shared::Shared;

/// Fraction of the window that a page key moves it.
const PAGE: f64 = 0.5;

/// Why an action is unavailable; `None` if it is available.
pub fn refusal(dashboard: &Dashboard, action: Action, shared: &Shared) -> Option<String> {
    use Action::*;
    let state = dashboard.state(shared);
    let no_charts = || match dashboard.shown(shared) {
        Some(_) => None,
        None => Some(state.silent(shared).unwrap_or_else(|| "there is no data yet".into())),
    };
    match action {
        PauseResume if state.can_resume() && shared.is_training() => Some(busy(shared)),
        PauseResume if state.can_resume() => None,
        StepOnce if state == State::Training => {
            Some(format!("single steps need a paused run: pause it with {}", shared.key(PauseResume)))
        }
        PauseResume | StepOnce | Checkpoint | StopTraining | EvaluateNow | SliderUp | SliderDown
        | EditSlider | FreezeLayer => state.silent(shared),
        UndoChange => state.silent(shared).or_else(|| match dashboard.steering.can_undo() {
            true => None,
            false => Some("nothing was changed in this session".into()),
        }),
        SaveSchedule if dashboard.runs.is_catching_up(shared) => {
            Some("the run's earlier history is still being read".into())
        }
        SaveSchedule => match dashboard.shown(shared).is_some_and(|curves| !curves.changes.is_empty()) {
            true => None,
            false => no_charts().or_else(|| Some("no setting was changed in this run".into())),
        },
        NextSlider | PreviousSlider
            if dashboard.shown(shared).is_some() && dashboard.controls(shared).len() < 2 =>
        {
            Some("there is no other slider".into())
        }
        PageUp | PageDown | ZoomOut
            if dashboard.shown(shared).is_some() && dashboard.axes.view == View::All =>
        {
            Some(format!("everything is shown: {} zooms in", shared.key(ZoomIn)))
        }
        Back if !dashboard.can_go_back() => Some("there is nothing to close".into()),
        BranchHere if shared.is_training() && shared.session().is_none() => Some(busy(shared)),
        // The form opens as soon as the run is read.
        BranchHere if state == State::Loading => None,
        BranchHere => match (dashboard.shown(shared), dashboard.runs.manifest(shared)) {
            (Some(_), Some(_)) => None,
            _ => no_charts(),
        },
        AlignRuns | ClearOverlays if dashboard.runs.others(shared).is_empty() => Some(format!(
            "no run is overlaid: mark runs with {} in the run list, then press {}",
            shared.key(MarkRun),
            shared.key(CompareRuns)
        )),
        CopyValue if dashboard.axes.cursor.is_none() => {
            no_charts().or_else(|| Some("place the cursor on a chart first (arrow keys or mouse)".into()))
        }
        Filter => Some("this screen has no filter; the run list has one".into()),
        SmoothMore | SmoothLess | NextXAxis | LogX | LogY | RobustRange | ZoomIn | ZoomOut | Follow
        | ExpandChart | ExportChart | CopyValue | CopyCommand | NextSlider | PreviousSlider => no_charts(),
        // Back also closes the log and overlays, without charts too.
        action if action.is_of_screens() && action != Back => no_charts(),
        _ => None,
    }
}

fn busy(shared: &Shared) -> String {
    let run = shared.live.as_ref().map_or("another run", |live| live.run());
    format!("{run} is training; only one run trains at a time")
}

/// Performs an action.
pub fn act(dashboard: &mut Dashboard, action: Action, shared: &mut Shared) -> Vec<Effect> {
    use Action::*;
    match action {
        PauseResume => return pause_or_resume(dashboard, shared),
        StepOnce => return send(Command::StepOnce, shared),
        Checkpoint => return send(Command::Checkpoint, shared),
        EvaluateNow => return send(Command::Evaluate, shared),
        StopTraining => dashboard.popup = Some(Popup::stop()),
        SliderUp => return slide(dashboard, 1, shared),
        SliderDown => return slide(dashboard, -1, shared),
        NextSlider => turn_slider(dashboard, 1, shared),
        PreviousSlider => turn_slider(dashboard, -1, shared),
        EditSlider => edit_slider(dashboard, shared),
        FreezeLayer => dashboard.popup = shared.live.as_ref().map(Popup::freeze),
        UndoChange => {
            let now = shared.now;
            return shared.live.as_mut().map(|live| dashboard.steering.undo(now, live)).unwrap_or_default();
        }
        SaveSchedule => return save_schedule(dashboard, shared),
        BranchHere => return branch(dashboard, shared),
        ExportChart => {
            if let Some(run) = shared.current() {
                dashboard.popup = Some(Popup::export(run, dashboard.chart(shared)));
            }
        }
        CopyValue => return copy_value(dashboard, shared),
        ClearOverlays => dashboard.runs.clear(shared),
        SmoothMore | SmoothLess => {
            dashboard.axes.smooth(action == SmoothMore);
            dashboard.runs.smooth(dashboard.axes.smoothing());
            let weight = dashboard.axes.smoothing();
            return vec![Effect::Toast(match weight > 0.0 {
                true => format!("smoothing {weight}"),
                false => "smoothing off".into(),
            })];
        }
        _ => look(dashboard, action, shared),
    }
    Vec::new()
}

/// Performs an action that changes only the display of charts.
fn look(dashboard: &mut Dashboard, action: Action, shared: &Shared) {
    use Action::*;
    let measure = dashboard.chart(shared);
    let extent = dashboard.scope(shared).map(|scope| scope.extent());
    let panes = dashboard.measures(shared).len() + 1;
    let steers = dashboard.steers(shared);
    dashboard.hovers = false;
    match action {
        NextPane => dashboard.pane = (dashboard.pane.min(panes - 1) + 1) % panes,
        PreviousPane => dashboard.pane = (dashboard.pane.min(panes - 1) + panes - 1) % panes,
        Up | Down if steers => turn_slider(dashboard, if action == Down { 1 } else { -1 }, shared),
        Up | Down => {
            let charts = panes - 1;
            let by = if action == Down { 1 } else { charts - 1 };
            dashboard.pane = (dashboard.pane + by) % charts;
        }
        NextXAxis => dashboard.axes.next_x(),
        AlignRuns => dashboard.axes.next_align(),
        LogX => dashboard.axes.toggle_log_x(),
        LogY => dashboard.axes.toggle_log_y(measure),
        RobustRange => dashboard.axes.robust ^= true,
        ExpandChart | Accept => dashboard.expanded ^= true,
        Back => back(dashboard),
        _ => {
            if let Some(extent) = extent {
                move_window(dashboard, action, extent);
            }
        }
    }
}

fn move_window(dashboard: &mut Dashboard, action: Action, extent: Extent) {
    let axes = &mut dashboard.axes;
    match action {
        Action::Left => axes.move_cursor(-1.0, extent),
        Action::Right => axes.move_cursor(1.0, extent),
        Action::Top => axes.cursor_to_end(false, extent),
        Action::Bottom => axes.cursor_to_end(true, extent),
        Action::PageUp => axes.view = axes.view.pan(-PAGE, extent),
        Action::PageDown => axes.view = axes.view.pan(PAGE, extent),
        Action::ZoomIn => axes.zoom(0.5, None, extent),
        Action::ZoomOut => axes.zoom(2.0, None, extent),
        Action::Follow => axes.toggle_follow(extent),
        _ => {}
    }
}

impl Dashboard {
    /// Whether Back has an effect.
    fn can_go_back(&self) -> bool {
        self.expanded || self.axes.cursor.is_some() || self.axes.view != View::All
    }
}

/// Goes back one level: the maximised chart, then the cursor, then the window.
fn back(dashboard: &mut Dashboard) {
    if std::mem::take(&mut dashboard.expanded) || dashboard.axes.cursor.take().is_some() {
        return;
    }
    dashboard.axes.view = View::All;
}

/// Sends a command to the session.
pub fn send(command: Command, shared: &mut Shared) -> Vec<Effect> {
    let Some(live) = shared.live.as_mut().filter(|live| live.ended.is_none()) else { return Vec::new() };
    live.send(command.clone());
    vec![Effect::Send(command)]
}

/// Changes a setting of the session.
pub fn change(dashboard: &mut Dashboard, set: Setting, shared: &mut Shared) -> Vec<Effect> {
    let now = shared.now;
    match shared.live.as_mut().filter(|live| live.ended.is_none()) {
        Some(live) => dashboard.steering.change(set, now, live),
        None => Vec::new(),
    }
}

fn pause_or_resume(dashboard: &Dashboard, shared: &mut Shared) -> Vec<Effect> {
    match dashboard.state(shared) {
        State::Paused => send(Command::Resume, shared),
        State::Training => send(Command::Pause, shared),
        _ => {
            let run = shared.current().map(str::to_owned);
            run.map(|run| Effect::Launch(Box::new(Launch::Resume { run }))).into_iter().collect()
        }
    }
}

/// Moves the selected slider by notches.
pub fn slide(dashboard: &mut Dashboard, notches: i32, shared: &mut Shared) -> Vec<Effect> {
    let controls = dashboard.controls(shared);
    let Some(control) = controls.get(dashboard.slider.min(controls.len().saturating_sub(1))) else {
        return Vec::new();
    };
    change(dashboard, control.moved(notches), shared)
}

fn turn_slider(dashboard: &mut Dashboard, by: isize, shared: &Shared) {
    let count = dashboard.controls(shared).len().max(1);
    let at = dashboard.slider.min(count - 1);
    dashboard.slider = at.wrapping_add_signed(by + count as isize) % count;
}

fn edit_slider(dashboard: &mut Dashboard, shared: &Shared) {
    let mut controls = dashboard.controls(shared);
    let at = dashboard.slider.min(controls.len().saturating_sub(1));
    if at < controls.len() {
        dashboard.popup = Some(Popup::value(controls.swap_remove(at)));
    }
}

/// Writes the run's setting changes next to its logs, and shows the command to replay them.
fn save_schedule(dashboard: &Dashboard, shared: &Shared) -> Vec<Effect> {
    let said = Effect::Toast(format!("replay: {}", dashboard.command_line(shared).unwrap_or_default()));
    keep_schedule(dashboard, shared, false).into_iter().chain([said]).collect()
}

/// Writes the run's setting changes next to its logs, if there are any.
///
/// Not while its history is being read, because the file includes the changes of earlier sessions.
pub fn keep_schedule(dashboard: &Dashboard, shared: &Shared, quiet: bool) -> Option<Effect> {
    if dashboard.runs.is_catching_up(shared) {
        return None;
    }
    let curves = dashboard.shown(shared).filter(|curves| !curves.changes.is_empty())?;
    let change: Vec<Change> = curves.changes.iter().map(|applied| applied.change.clone()).collect();
    let to = file_of(&curves.run, "schedule.toml", shared);
    Some(Effect::Job(Box::new(Job::SaveSchedule { to, schedule: Schedule { change }, quiet })))
}

/// Path of a file of a run: in its directory if known.
pub fn file_of(run: &str, name: &str, shared: &Shared) -> PathBuf {
    let rows = shared.runs.iter().flat_map(|runs| runs.iter().flatten());
    match rows.map(|row| &row.entry).find(|entry| entry.id == run && entry.status != Status::Damaged) {
        Some(entry) => entry.path.join(name),
        None => PathBuf::from(format!("{run}-{name}")),
    }
}

/// Opens the branch form, and requests the current checkpoints.
pub fn branch(dashboard: &mut Dashboard, shared: &Shared) -> Vec<Effect> {
    let (Some(curves), Some(manifest)) = (dashboard.shown(shared), dashboard.runs.manifest(shared)) else {
        dashboard.branches = shared.current().map(str::to_owned);
        return Vec::new();
    };
    let controls = dashboard.controls(shared);
    let settings: Vec<(&str, f64)> =
        controls.iter().map(|control| (control.name.as_str(), control.value)).collect();
    let now = shared.session().is_some().then_some(curves.step);
    let form = BranchForm::new(manifest.clone(), &settings, curves, now);
    let run = curves.run.clone();
    dashboard.popup = Some(Popup::Branch(Box::new(form)));
    vec![Effect::Job(Box::new(Job::Checkpoints(run)))]
}

/// Copies the selected chart's values at the cursor.
fn copy_value(dashboard: &Dashboard, shared: &Shared) -> Vec<Effect> {
    let (Some(scope), Some(x)) = (dashboard.scope(shared), dashboard.axes.cursor) else { return Vec::new() };
    let measure = dashboard.chart(shared);
    let chart = scope.chart(measure, "");
    let mut values: Vec<String> = Vec::new();
    for (name, value) in chart.values_at(x) {
        if let Some(value) = value {
            let text = format!("{name} {value:.6}");
            // A raw series and its smoothed one share a name; the smoothed one comes last and is kept.
            values.retain(|other| !other.starts_with(&format!("{name} ")));
            values.push(text);
        }
    }
    let at = dashboard.axes.words(x);
    vec![Effect::Copy(format!("{} at {at}: {}", measure.title(), values.join(", ")))]
}

/// Exports a chart in the format of the file's extension.
pub fn export(dashboard: &Dashboard, measure: Measure, to: PathBuf, shared: &Shared) -> Vec<Effect> {
    let Some(scope) = dashboard.scope(shared) else { return Vec::new() };
    let chart = scope.chart(measure, "");
    let ending = to.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let file = |to, text: String| Job::SaveFile { to, bytes: text.into_bytes() };
    let job = match ending.as_str() {
        "svg" => file(to, chart.to_svg()),
        "png" => Job::SavePng { to, picture: chart.print() },
        "csv" => file(to, chart.to_csv()),
        _ => {
            let why = format!("{}: use the extension .svg, .png or .csv", to.display());
            return vec![Effect::Toast(why)];
        }
    };
    vec![Effect::Job(Box::new(job))]
}
