//! The training dashboard: live charts and the controls of the session.
//!
//! ```text
//! ● training  digits-2    alpha 0.5 ━━●───   status (at the right if there is room)
//! accuracy ── train ╌╌ valid │ loss ■ cross-entropy ■ alpha*cohesion
//! cohesion      │ coupling      │ retention
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `axes` | axes, window and cursor shared by all charts |
//! | `charts` | the content of each chart |
//! | `steer` | setting changes sent to the trainer, and undo |
//! | `state` | the state of the run, and why commands are unavailable |
//! | `acts` | key actions |
//! | `pointer` | mouse handling |
//! | `popup` | dialogs and forms |
//! | `runs` | the shown run and the overlaid runs: live, loaded, requested |
//! | `command` | the equivalent command line |
//! | `view`, `layout`, `panel` | drawing |

mod acts;
mod axes;
mod charts;
mod command;
mod layout;
mod panel;
mod pointer;
mod popup;
mod runs;
mod state;
mod steer;
#[cfg(test)]
mod tests;
mod view;
mod words;

use crossterm::event::{KeyEvent, MouseEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::Action;
use super::curves::{Curves, Measure};
use super::hits::{Hits, Target};
use super::message::{Effect, Job, Launch, Reply, RunRow};
use super::prompt::Prompt;
use super::shared::Shared;
use crate::export::command::option;
use crate::plot::View;
use crate::run::{Applied, Event};
use crate::session::Command;
use axes::Axes;
use charts::Scope;
use pointer::Drag;
use popup::{Popup, PopupRequest};
use runs::Runs;
use state::State;
use steer::{Control, Steering};

/// State of the dashboard.
#[derive(Debug, Default)]
pub struct Dashboard {
    runs: Runs,
    axes: Axes,
    steering: Steering,
    /// The focused pane: a chart, or after the last chart the sliders.
    pane: usize,
    slider: usize,
    expanded: bool,
    popup: Option<Popup>,
    /// What to launch when the session has ended.
    next: Option<Launch>,
    drag: Option<Drag>,
    /// Whether the cursor was placed by the mouse.
    hovers: bool,
    /// The last shown run.
    seen: Option<String>,
    /// A run whose branch form opens as soon as it is read.
    branches: Option<String>,
}

impl Dashboard {
    /// Called when the screen is shown.
    pub fn enter(&mut self, shared: &mut Shared) -> Vec<Effect> {
        let current = shared.current().map(str::to_owned);
        if self.seen != current {
            // Window and cursor belong to the run shown before.
            (self.axes.view, self.axes.cursor) = (View::All, None);
            (self.seen, self.branches) = (current, None);
        }
        self.runs.look(self.axes.smoothing(), shared)
    }

    /// The open input mode, if any; its keys go to [`Dashboard::key`].
    pub fn prompt(&self) -> Option<Prompt> {
        Some(match self.popup.as_ref()? {
            Popup::Stop(_) => Prompt::Dialog,
            Popup::Value(..) | Popup::Freeze(_) | Popup::Export(..) | Popup::Branch(_) => Prompt::Form,
        })
    }

    /// Handles a key of the open input mode.
    pub fn key(&mut self, key: KeyEvent, shared: &mut Shared) -> Vec<Effect> {
        let Some(popup) = &mut self.popup else { return Vec::new() };
        let answer = popup.key(key);
        self.answered(answer, shared)
    }

    /// Handles pasted text.
    pub fn paste(&mut self, text: &str, _shared: &mut Shared) -> Vec<Effect> {
        if let Some(popup) = &mut self.popup {
            popup.paste(text);
        }
        Vec::new()
    }

    fn answered(
        &mut self,
        (closes, request): (bool, Option<PopupRequest>),
        shared: &mut Shared,
    ) -> Vec<Effect> {
        if closes {
            self.popup = None;
        }
        request.map(|request| self.carry_out(request, shared)).unwrap_or_default()
    }

    /// Why an action is unavailable; `None` if it is available.
    pub fn refusal(&self, action: Action, shared: &Shared) -> Option<String> {
        acts::refusal(self, action, shared)
    }

    /// Performs an available action.
    pub fn act(&mut self, action: Action, shared: &mut Shared) -> Vec<Effect> {
        // The palette and the mouse may trigger an action that has just become unavailable.
        match self.refusal(action, shared) {
            Some(why) => vec![Effect::Toast(why)],
            None => acts::act(self, action, shared),
        }
    }

    /// Handles a mouse event at a target of this screen, or outside all targets.
    pub fn mouse(
        &mut self,
        mouse: MouseEvent,
        at: Option<(Rect, Target)>,
        shared: &mut Shared,
    ) -> Vec<Effect> {
        match &mut self.popup {
            Some(popup) => {
                let answer = popup.mouse(mouse, at);
                self.answered(answer, shared)
            }
            None => pointer::mouse(self, mouse, at, shared),
        }
    }

    /// Handles an event of the session; `shared.live` is already updated.
    pub fn event(&mut self, event: &Event, shared: &mut Shared) -> Vec<Effect> {
        let mut effects = self.runs.event(event, self.axes.smoothing(), shared);
        if matches!(event, Event::Started { .. }) {
            (self.axes.view, self.axes.cursor) = (View::All, None);
        }
        let now = shared.now;
        if let Some(live) = &mut shared.live {
            let (sent, said) = self.steering.event(event, now, live);
            effects.extend(sent);
            effects.extend(said.or_else(|| say(event)).map(Effect::Toast));
        }
        let changed = matches!(event, Event::Applied { change, .. } if change.setting().is_some());
        if changed && shared.session().is_some() {
            effects.extend(self.keep_schedule(shared));
        }
        if event.is_end() {
            if let Some(Popup::Stop(_) | Popup::Value(..) | Popup::Freeze(_)) = self.popup {
                self.popup = None;
            }
            effects.extend(self.next.take().map(|launch| Effect::Launch(Box::new(launch))));
        }
        effects
    }

    /// Handles a worker's reply.
    pub fn reply(&mut self, reply: &Reply, shared: &mut Shared) -> Vec<Effect> {
        match reply {
            Reply::Checkpoints(run, found) => {
                if let (Some(Popup::Branch(form)), Ok(steps)) = (&mut self.popup, found)
                    && form.run() == run
                {
                    form.offer(steps);
                }
                Vec::new()
            }
            Reply::History { run, until, found } => {
                let caught_up = self.runs.is_catching_up(shared);
                let mut effects = self.runs.loaded((run, *until), found, self.axes.smoothing(), shared);
                if caught_up && !self.runs.is_catching_up(shared) {
                    effects.extend(self.keep_schedule(shared));
                }
                if self
                    .branches
                    .take_if(|wanted| wanted == run && self.runs.shown(shared).is_some())
                    .is_some()
                    && self.refusal(Action::BranchHere, shared).is_none()
                {
                    effects.extend(acts::branch(self, shared));
                }
                effects
            }
            _ => Vec::new(),
        }
    }

    /// The command line equivalent to the shown run.
    pub fn command_line(&self, shared: &Shared) -> Option<String> {
        let line = self.line(shared)?;
        let changed = self.shown(shared).filter(|curves| !curves.changes.is_empty());
        let schedule = changed.map(|curves| acts::file_of(&curves.run, "schedule.toml", shared));
        let schedule = schedule.map(|file| option("schedule", &file.display().to_string()));
        Some(line.text + &schedule.unwrap_or_default())
    }

    fn line(&self, shared: &Shared) -> Option<command::Reproduction> {
        let (manifest, curves) = (self.runs.manifest(shared)?, self.shown(shared)?);
        let rows = shared.runs.iter().flat_map(|runs| runs.iter().flatten());
        let of_parent = |row: &&RunRow| manifest.parent.as_ref().is_some_and(|of| of.run == row.entry.id);
        let parent = rows.clone().find(of_parent).and_then(|row| row.entry.manifest.as_ref());
        let file = acts::file_of(&curves.run, "preset.toml", shared);
        command::line(manifest, curves, parent.map(|parent| &parent.preset), file)
    }

    /// The jobs that write the files named by [`Dashboard::command_line`].
    pub fn keep(&self, shared: &Shared) -> Vec<Effect> {
        let preset = self.line(shared).and_then(|line| line.preset);
        let preset = preset.map(|(to, text)| Job::SaveFile { to, bytes: text.into_bytes() });
        let preset = preset.map(|job| Effect::Job(Box::new(job)));
        preset.into_iter().chain(self.keep_schedule(shared)).collect()
    }

    fn keep_schedule(&self, shared: &Shared) -> Option<Effect> {
        acts::keep_schedule(self, shared, true)
    }

    /// Draws the screen.
    pub fn view(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        view::view(self, shared, area, buffer, hits);
    }

    /// The series of the shown run.
    fn shown(&self, shared: &Shared) -> Option<&Curves> {
        self.runs.shown(shared)
    }

    /// The last event of an opened run once its logs are read, or the error.
    fn opened(&self, run: &str) -> Option<Result<Option<&Event>, &str>> {
        self.runs.opened(run)
    }

    fn scope<'a>(&'a self, shared: &'a Shared) -> Option<Scope<'a>> {
        let main = self.shown(shared)?;
        Some(Scope::new(main, self.runs.others(shared), &self.axes, shared.charset.arrow()))
    }

    /// The charts of the shown run.
    fn measures(&self, shared: &Shared) -> &'static [Measure] {
        self.shown(shared).map_or(&Measure::ALL, Curves::measures)
    }

    /// The focused chart, or the last focused one while the sliders are focused.
    fn chart(&self, shared: &Shared) -> Measure {
        let measures = self.measures(shared);
        measures[self.pane.min(measures.len() - 1)]
    }

    fn steers(&self, shared: &Shared) -> bool {
        self.pane >= self.measures(shared).len()
    }

    /// The sliders of the shown run: its session's, or its last settings.
    fn controls(&self, shared: &Shared) -> Vec<Control> {
        match (shared.live.as_ref().filter(|live| shared.current() == Some(live.run())), self.shown(shared)) {
            (Some(live), _) => self.steering.controls(live),
            (None, Some(curves)) => steer::settings(curves),
            (None, None) => Vec::new(),
        }
    }
}

/// The toast for an event of the session, if any.
fn say(event: &Event) -> Option<String> {
    match event {
        Event::Applied { step, revision: Some(_), change: Applied::Checkpoint } => {
            Some(format!("checkpoint of step {} saved", words::grouped(*step)))
        }
        Event::Applied { change: change @ Applied::Branched(_), revision: Some(_), .. } => {
            Some(format!("{change}; resume it after this run"))
        }
        Event::Refused { why, .. } => Some(why.clone()),
        Event::Evaluated { step, accuracy, .. } => {
            let (accuracy, step) = (words::percent(*accuracy), words::grouped(*step));
            Some(format!("validation accuracy {accuracy} at step {step}"))
        }
        _ => None,
    }
}

impl Dashboard {
    /// Carries out the request of a dialog or form.
    fn carry_out(&mut self, request: PopupRequest, shared: &mut Shared) -> Vec<Effect> {
        match request {
            PopupRequest::Stop => acts::send(Command::Stop, shared),
            PopupRequest::Set(set) => acts::change(self, set, shared),
            PopupRequest::BranchAside(name) => acts::send(Command::Branch(name), shared),
            PopupRequest::Branch(launch) if shared.is_training() => {
                self.next = Some(*launch);
                acts::send(Command::Stop, shared)
            }
            PopupRequest::Branch(launch) => vec![Effect::Launch(launch)],
            PopupRequest::Export(measure, to) => acts::export(self, measure, to, shared),
        }
    }

    /// Whether the shown run is training and not paused.
    pub fn trains(&self, shared: &Shared) -> bool {
        matches!(self.state(shared), State::Training | State::Starting)
    }

    /// The state of the shown run.
    fn state(&self, shared: &Shared) -> State {
        State::of(self, shared)
    }
}
