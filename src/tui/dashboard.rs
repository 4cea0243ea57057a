//! The training dashboard: live charts, and the controls of the session.
//!
//! ```text
//! ● training  digits-2    alpha 0.5 ━━●───   strip (a panel at the right where there is room)
//! accuracy ── train ╌╌ valid │ loss ■ cross-entropy ■ alpha*cohesion
//! cohesion      │ coupling      │ retention
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `axes` | axes, window and cursor, which all charts share |
//! | `charts` | what each chart holds |
//! | `steer` | changes of settings on their way to the trainer |
//! | `state` | what the run is doing, and why it cannot be told something |
//! | `acts` | what keys do |
//! | `pointer` | what the mouse does |
//! | `popup` | questions and forms |
//! | `runs` | the shown run and those laid over it: live, loaded, asked for |
//! | `command` | the command line that does the same |
//! | `view`, `layout`, `panel` | the picture |

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
use crate::run::Event;
use crate::session::{Command, Setting};
use axes::Axes;
use charts::Scope;
use pointer::Drag;
use popup::{Popup, Wish};
use runs::Runs;
use state::State;
use steer::{Control, Steering};

/// State of the dashboard screen.
#[derive(Debug, Default)]
pub struct Dashboard {
    runs: Runs,
    axes: Axes,
    steering: Steering,
    /// The pane that has the keys: a chart, or behind the last one the sliders.
    pane: usize,
    slider: usize,
    expanded: bool,
    popup: Option<Popup>,
    /// What to train when the session has ended.
    next: Option<Launch>,
    drag: Option<Drag>,
    /// Whether the mouse put the cursor where it is.
    hovers: bool,
    /// The run that was shown last.
    seen: Option<String>,
    /// A run that is to be branched as soon as it is read.
    branches: Option<String>,
}

impl Dashboard {
    /// The screen comes into sight.
    pub fn enter(&mut self, shared: &mut Shared) -> Vec<Effect> {
        let current = shared.current().map(str::to_owned);
        if self.seen != current {
            // A window and a cursor are places in the run that was shown.
            (self.axes.view, self.axes.cursor) = (View::All, None);
            (self.seen, self.branches) = (current, None);
        }
        self.runs.look(self.axes.smoothing(), shared)
    }

    /// What takes the keys, so that they go to [`Dashboard::key`] first.
    pub fn prompt(&self) -> Option<Prompt> {
        Some(match self.popup.as_ref()? {
            Popup::Stop(_) => Prompt::Dialog,
            Popup::Value(..) | Popup::Export(..) | Popup::Branch(_) => Prompt::Form,
        })
    }

    /// A key while the screen takes text.
    pub fn key(&mut self, key: KeyEvent, shared: &mut Shared) -> Vec<Effect> {
        let Some(popup) = &mut self.popup else { return Vec::new() };
        let answer = popup.key(key);
        self.answered(answer, shared)
    }

    /// A pasted text while the screen takes text.
    pub fn paste(&mut self, text: &str, _shared: &mut Shared) -> Vec<Effect> {
        if let Some(popup) = &mut self.popup {
            popup.paste(text);
        }
        Vec::new()
    }

    fn answered(&mut self, (closes, wish): (bool, Option<Wish>), shared: &mut Shared) -> Vec<Effect> {
        if closes {
            self.popup = None;
        }
        wish.map(|wish| self.grant(wish, shared)).unwrap_or_default()
    }

    /// Why an action can not be done now; `None` if it can.
    pub fn refuses(&self, action: Action, shared: &Shared) -> Option<String> {
        acts::refuses(self, action, shared)
    }

    /// Does an action that is not refused.
    pub fn act(&mut self, action: Action, shared: &mut Shared) -> Vec<Effect> {
        // The palette and the mouse may offer what was possible a moment ago.
        match self.refuses(action, shared) {
            Some(why) => vec![Effect::Toast(why)],
            None => acts::act(self, action, shared),
        }
    }

    /// The mouse did something at a target of this screen, or moved off all of them.
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

    /// The session said something; `shared.live` has taken it in already.
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
        let changed = matches!(event, Event::Applied { change, .. } if change.parse::<Setting>().is_ok());
        if changed && shared.session().is_some() {
            effects.extend(self.keep_schedule(shared));
        }
        if event.is_end() {
            if let Some(Popup::Stop(_) | Popup::Value(..)) = self.popup {
                self.popup = None;
            }
            effects.extend(self.next.take().map(|launch| Effect::Launch(Box::new(launch))));
        }
        effects
    }

    /// A worker answered.
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
                    && self.refuses(Action::BranchHere, shared).is_none()
                {
                    effects.extend(acts::branch(self, shared));
                }
                effects
            }
            _ => Vec::new(),
        }
    }

    /// The command line that does the same as what is selected.
    pub fn command_line(&self, shared: &Shared) -> Option<String> {
        let line = self.line(shared)?;
        let changed = self.shown(shared).filter(|curves| !curves.changes.is_empty());
        let schedule = changed.map(|curves| acts::file_of(&curves.run, "schedule.toml", shared));
        let schedule = schedule.map(|file| option("schedule", &file.display().to_string()));
        Some(line.text + &schedule.unwrap_or_default())
    }

    fn line(&self, shared: &Shared) -> Option<command::Line> {
        let (manifest, curves) = (self.runs.manifest(shared)?, self.shown(shared)?);
        let rows = shared.runs.iter().flat_map(|runs| runs.iter().flatten());
        let of_parent = |row: &&RunRow| manifest.parent.as_ref().is_some_and(|of| of.run == row.entry.id);
        let parent = rows.clone().find(of_parent).and_then(|row| row.entry.manifest.as_ref());
        let file = acts::file_of(&curves.run, "preset.toml", shared);
        command::line(manifest, curves, parent.map(|parent| &parent.preset), file)
    }

    /// Has the files written that [`Dashboard::command_line`] names.
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

    /// The last event of a run that was opened, once its logs are read; or why they could not be.
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

    /// The chart that has the keys, or had them before the sliders.
    fn chart(&self, shared: &Shared) -> Measure {
        let measures = self.measures(shared);
        measures[self.pane.min(measures.len() - 1)]
    }

    fn steers(&self, shared: &Shared) -> bool {
        self.pane >= self.measures(shared).len()
    }

    /// The sliders of the shown run: those of its session, or its settings as they were last.
    fn controls(&self, shared: &Shared) -> Vec<Control> {
        match (shared.live.as_ref().filter(|live| shared.current() == Some(live.run())), self.shown(shared)) {
            (Some(live), _) => self.steering.controls(live),
            (None, Some(curves)) => steer::settings(curves),
            (None, None) => Vec::new(),
        }
    }
}

/// What an event of the session is worth telling.
fn say(event: &Event) -> Option<String> {
    match event {
        Event::Applied { step, revision: Some(_), change } if *change == "checkpoint" => {
            Some(format!("checkpoint of step {} saved", words::grouped(*step)))
        }
        Event::Applied { change, revision: Some(_), .. } if change.starts_with("branched") => {
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
    /// Does what a box asked for.
    fn grant(&mut self, wish: Wish, shared: &mut Shared) -> Vec<Effect> {
        match wish {
            Wish::Stop => acts::send(Command::Stop, shared),
            Wish::Set(set) => acts::change(self, set, shared),
            Wish::BranchAside(name) => acts::send(Command::Branch(name), shared),
            Wish::Branch(launch) if shared.is_training() => {
                self.next = Some(*launch);
                acts::send(Command::Stop, shared)
            }
            Wish::Branch(launch) => vec![Effect::Launch(launch)],
            Wish::Export(measure, to) => acts::export(self, measure, to, shared),
        }
    }

    /// Whether the shown run is being trained and does not wait.
    pub fn trains(&self, shared: &Shared) -> bool {
        matches!(self.state(shared), State::Training | State::Starting)
    }

    /// Whether what the run is doing, `State`, lets commands through.
    fn state(&self, shared: &Shared) -> State {
        State::of(self, shared)
    }
}
