//! The list of runs, and what begins there: new runs, resumed runs, branches, comparisons.

mod launch;
mod list;
mod view;
mod view_new;

use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;

use super::action::{Action, Place};
use super::hits::Target;
use super::message::{Effect, Job, Launch, Reply, RunRow};
use super::prompt::Prompt;
use super::shared::Shared;
use super::widget::{Answer, Dialog, Field, Form, FormEvent, Input, Selection};
use crate::run::{Event, Status};
use launch::NewRun;
use list::Order;

/// State of the list of runs.
#[derive(Debug, Default)]
pub struct Home {
    order: Order,
    filter: Input,
    selection: Selection,
    /// The run that keeps the selection while the list changes.
    selected: Option<String>,
    /// The runs as they are shown: worked out when the list, the filter or the order changes.
    places: Vec<list::Place>,
    open: Option<Open>,
}

/// What lies over the list and takes the keys.
#[derive(Debug)]
enum Open {
    /// The filter is being typed.
    Filter,
    /// Whether to delete this run.
    Delete(String, Dialog),
    /// The tags of this run.
    Tags(String, Form),
    /// A new run.
    New(Box<NewRun>),
}

impl Home {
    /// The screen comes into sight.
    pub fn enter(&mut self, _shared: &mut Shared) -> Vec<Effect> {
        vec![job(Job::Runs)]
    }

    /// What takes the keys, so that they go to [`Home::key`] first.
    pub fn prompt(&self) -> Option<Prompt> {
        Some(match self.open.as_ref()? {
            Open::Filter => Prompt::Filter,
            Open::Delete(..) => Prompt::Dialog,
            Open::Tags(..) | Open::New(_) => Prompt::Form,
        })
    }

    /// A key while the screen takes text.
    pub fn key(&mut self, key: KeyEvent, shared: &mut Shared) -> Vec<Effect> {
        match &mut self.open {
            Some(Open::Filter) => {
                match key.code {
                    KeyCode::Enter | KeyCode::Down => self.open = None,
                    KeyCode::Esc => {
                        self.filter.set("");
                        self.open = None;
                    }
                    _ => {
                        self.filter.key(key);
                    }
                }
                self.find_selected(shared);
                Vec::new()
            }
            Some(Open::Delete(_, dialog)) => {
                let answer = dialog.key(key);
                self.deletion(answer)
            }
            Some(Open::Tags(_, form)) => {
                let event = form.key(key);
                self.tagging(event)
            }
            Some(Open::New(new)) => {
                let event = new.key(key);
                self.launching(event, shared)
            }
            None => Vec::new(),
        }
    }

    /// A pasted text while the screen takes text.
    pub fn paste(&mut self, text: &str, shared: &mut Shared) -> Vec<Effect> {
        match &mut self.open {
            Some(Open::Filter) => {
                self.filter.paste(text);
                self.find_selected(shared);
                Vec::new()
            }
            Some(Open::Tags(_, form)) => {
                let event = form.paste(text);
                self.tagging(event)
            }
            Some(Open::New(new)) => {
                let event = new.paste(text);
                self.launching(event, shared)
            }
            Some(Open::Delete(..)) | None => Vec::new(),
        }
    }

    /// Why an action cannot be done now; `None` if it can.
    pub fn refuses(&self, action: Action, shared: &Shared) -> Option<String> {
        let run = self.current(shared);
        let status = run.map(|row| row.entry.status);
        let busy = || {
            let live = shared.live.as_ref().filter(|live| live.ended.is_none())?;
            Some(format!("{} is training: stop it first", live.run()))
        };
        match action {
            Action::NewRun => busy(),
            Action::NextPane | Action::PreviousPane => Some("this screen has only one pane".into()),
            Action::ExportChart => Some(format!(
                "there is no chart here: {} opens the charts of a run",
                shared.key(Action::Accept)
            )),
            Action::Up
            | Action::Down
            | Action::PageUp
            | Action::PageDown
            | Action::Top
            | Action::Bottom
            | Action::SortRuns
            | Action::ReverseRuns
            | Action::TreeRuns
                if self.places.is_empty() =>
            {
                Some("the list is empty".into())
            }
            Action::Left | Action::Right => Some("the list does not scroll sideways".into()),
            Action::Back if self.filter.text().is_empty() => Some("there is nothing to close".into()),
            Action::CompareRuns if shared.marked.is_empty() => {
                Some(format!("mark the runs to compare first ({})", shared.key(Action::MarkRun)))
            }
            Action::Accept
            | Action::ResumeRun
            | Action::BranchRun
            | Action::MarkRun
            | Action::TagRun
            | Action::DeleteRun
            | Action::CopyValue
                if run.is_none() =>
            {
                Some(format!("no run is selected: start one with {}", shared.key(Action::NewRun)))
            }
            Action::Accept | Action::BranchRun if status == Some(Status::Damaged) => {
                Some("the run's directory is damaged".into())
            }
            // A branch of the run in training may begin where that is now.
            Action::BranchRun if is_live(shared, run) => None,
            Action::BranchRun => busy(),
            Action::ResumeRun => match status {
                Some(Status::Finished) => Some("the run has finished; branch from it instead".into()),
                Some(Status::Running) => Some("the run is training".into()),
                Some(Status::Damaged) => Some("the run's directory is damaged".into()),
                _ => busy(),
            },
            Action::DeleteRun if status == Some(Status::Running) => {
                Some("the run is training: stop it first".into())
            }
            _ => None,
        }
    }

    /// Does an action that is not refused.
    pub fn act(&mut self, action: Action, shared: &mut Shared) -> Vec<Effect> {
        if self.selection.act(action, self.places.len()) {
            self.remember(shared);
            return Vec::new();
        }
        match action {
            Action::Filter => self.open = Some(Open::Filter),
            Action::Back if !self.filter.text().is_empty() => self.filter.set(""),
            Action::SortRuns => {
                self.order = Order { key: self.order.key.next(), reverse: false, ..self.order }
            }
            Action::ReverseRuns => self.order.reverse = !self.order.reverse,
            Action::TreeRuns => self.order.tree = !self.order.tree,
            Action::RefreshRuns => return vec![job(Job::Runs)],
            Action::NewRun => {
                let (new, effects) = NewRun::new();
                self.open = Some(Open::New(Box::new(new)));
                return effects;
            }
            _ => return self.act_on_run(action, shared),
        }
        self.find_selected(shared);
        Vec::new()
    }

    fn act_on_run(&mut self, action: Action, shared: &mut Shared) -> Vec<Effect> {
        let Some(row) = self.current(shared) else { return Vec::new() };
        let name = row.entry.id.clone();
        match action {
            Action::Accept => {
                open_run(shared, &name);
                return vec![Effect::Go(Place::Dashboard)];
            }
            Action::ResumeRun => {
                shared.open = None;
                return vec![
                    Effect::Launch(Box::new(Launch::Resume { run: name })),
                    Effect::Go(Place::Dashboard),
                ];
            }
            // The form is the dashboard's, which knows the settings that the run came to.
            Action::BranchRun => {
                open_run(shared, &name);
                return vec![Effect::Go(Place::Dashboard), Effect::Do(Action::BranchHere)];
            }
            Action::MarkRun => match shared.marked.iter().position(|marked| *marked == name) {
                Some(place) => drop(shared.marked.remove(place)),
                None => shared.marked.push(name),
            },
            Action::CompareRuns => {
                if let Some(first) = shared.marked.first().cloned() {
                    open_run(shared, &first);
                    return vec![Effect::Go(Place::Dashboard)];
                }
            }
            Action::TagRun => {
                let tags =
                    Field::text("tags", "tags", &row.tags.join(" ")).help("words, separated by spaces");
                self.open =
                    Some(Open::Tags(name.clone(), Form::new(&format!("Tags of {name}"), "save", vec![tags])));
            }
            Action::DeleteRun => {
                let text = format!(
                    "Delete the run {name} with its logs, checkpoints and modules? This cannot be undone."
                );
                self.open = Some(Open::Delete(name, Dialog::confirm("Delete", &text, "delete")));
            }
            Action::CopyValue => return vec![Effect::Copy(name)],
            _ => {}
        }
        Vec::new()
    }

    /// The mouse did something at a target of this screen, or moved off all of them.
    pub fn mouse(
        &mut self,
        mouse: MouseEvent,
        at: Option<(Rect, Target)>,
        shared: &mut Shared,
    ) -> Vec<Effect> {
        match &mut self.open {
            Some(Open::Delete(_, dialog)) => {
                let answer = dialog.mouse(mouse, at);
                return self.deletion(answer);
            }
            Some(Open::Tags(_, form)) => {
                let event = form.mouse(mouse, at);
                return self.tagging(event);
            }
            Some(Open::New(new)) => {
                let event = new.mouse(mouse, at);
                return self.launching(event, shared);
            }
            Some(Open::Filter) | None => {}
        }
        match (mouse.kind, at.map(|(_, target)| target)) {
            (MouseEventKind::ScrollDown, _) => self.act(Action::Down, shared),
            (MouseEventKind::ScrollUp, _) => self.act(Action::Up, shared),
            (MouseEventKind::Down(MouseButton::Left), Some(Target::Row(0, row))) => {
                let again = self.selection.at == row;
                self.selection.at = row;
                self.remember(shared);
                match again && self.refuses(Action::Accept, shared).is_none() {
                    true => self.act(Action::Accept, shared),
                    false => Vec::new(),
                }
            }
            (MouseEventKind::Down(MouseButton::Left), Some(Target::Heading(column))) => {
                if let Some(key) = view::key_of_column(column) {
                    let reverse = self.order.key == key && !self.order.reverse;
                    self.order = Order { key, reverse, ..self.order };
                    self.find_selected(shared);
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// The session said something; `shared.live` has taken it in already.
    pub fn event(&mut self, event: &Event, shared: &mut Shared) -> Vec<Effect> {
        match event {
            Event::Started { .. } => vec![job(Job::Runs)],
            // Reading all runs for every epoch would slow training down where there are many.
            Event::Epoch(record) => {
                if let (Some(live), Some(Ok(rows))) = (&shared.live, &mut shared.runs)
                    && let Some(row) = rows.iter_mut().find(|row| row.entry.id == live.run())
                {
                    row.entry.last = Some((**record).clone());
                    self.find_selected(shared);
                }
                Vec::new()
            }
            event if event.is_end() => vec![job(Job::Runs)],
            _ => Vec::new(),
        }
    }

    /// A worker answered.
    pub fn reply(&mut self, reply: &Reply, shared: &mut Shared) -> Vec<Effect> {
        match (reply, &mut self.open) {
            (Reply::Runs(_), _) => {
                self.find_selected(shared);
                self.remember(shared);
            }
            (Reply::Presets(presets), Some(Open::New(new))) => return new.presets(presets),
            (Reply::Preset { name, set, card }, Some(Open::New(new))) => {
                let step = new.card(name, set, card);
                return self.launching(step, shared);
            }
            (Reply::Timed(trial, found), Some(Open::New(new))) => new.timed(trial, found),
            _ => {}
        }
        Vec::new()
    }

    /// The command line that does the same as what is selected.
    pub fn command_line(&self, shared: &Shared) -> Option<String> {
        match &self.open {
            Some(Open::New(new)) => Some(new.command_line()),
            _ => Some(format!("cleave runs show {}", self.current(shared)?.entry.id)),
        }
    }

    fn deletion(&mut self, answer: Answer) -> Vec<Effect> {
        if answer == Answer::Open {
            return Vec::new();
        }
        match (self.open.take(), answer) {
            (Some(Open::Delete(run, _)), Answer::Chosen(0)) => vec![job(Job::RemoveRun(run)), job(Job::Runs)],
            _ => Vec::new(),
        }
    }

    fn tagging(&mut self, event: FormEvent) -> Vec<Effect> {
        if matches!(event, FormEvent::Open | FormEvent::Changed(_)) {
            return Vec::new();
        }
        match (self.open.take(), event) {
            (Some(Open::Tags(run, form)), FormEvent::Submitted) => {
                let tags = form.value("tags").split_whitespace().map(str::to_owned).collect();
                vec![job(Job::Tag { run, tags }), job(Job::Runs)]
            }
            _ => Vec::new(),
        }
    }

    /// The run of the form for a new one has begun: the form has done its work.
    pub fn started(&mut self) {
        if matches!(&self.open, Some(Open::New(new)) if new.launched) {
            self.open = None;
        }
    }

    /// A launch failed; gives whether it was that of the form for a new run, which can be put right.
    pub fn refused(&mut self) -> bool {
        match &mut self.open {
            Some(Open::New(new)) => std::mem::take(&mut new.launched),
            _ => false,
        }
    }

    /// What came of a key in the form for a new run.
    fn launching(&mut self, step: launch::Step, shared: &Shared) -> Vec<Effect> {
        if let Some(Open::New(new)) = &mut self.open {
            new.check_name(rows(shared));
        }
        match step {
            launch::Step::Stay(effects) => effects,
            launch::Step::Close => {
                self.open = None;
                Vec::new()
            }
            // What was typed stays until the run has begun: data may be missing, or a name taken.
            launch::Step::Launch(launch) => {
                vec![Effect::Launch(launch), Effect::Go(Place::Dashboard)]
            }
        }
    }

    /// The selected run.
    fn current<'a>(&self, shared: &'a Shared) -> Option<&'a RunRow> {
        let place = self.places.get(self.selection.at)?;
        rows(shared).get(place.index)
    }

    /// The name of the selected run.
    pub fn selected<'a>(&self, shared: &'a Shared) -> Option<&'a str> {
        self.current(shared).map(|row| row.entry.id.as_str())
    }

    fn remember(&mut self, shared: &Shared) {
        self.selected = self.current(shared).map(|row| row.entry.id.clone());
    }

    /// Works out what is shown of a list, filter or order that changed, and finds the selected run again.
    fn find_selected(&mut self, shared: &Shared) {
        self.places = list::places(rows(shared), self.filter.text(), self.order);
        let places = &self.places;
        let is_selected = |place: &list::Place| {
            rows(shared).get(place.index).is_some_and(|row| Some(&row.entry.id) == self.selected.as_ref())
        };
        if let Some(at) = places.iter().position(is_selected) {
            self.selection.at = at;
        }
        self.selection.keep_in(self.places.len());
    }
}

fn rows(shared: &Shared) -> &[RunRow] {
    match &shared.runs {
        Some(Ok(rows)) => rows,
        _ => &[],
    }
}

/// Whether this is the run in training here.
fn is_live(shared: &Shared, row: Option<&RunRow>) -> bool {
    let live = shared.live.as_ref().filter(|live| live.ended.is_none());
    row.is_some_and(|row| live.is_some_and(|live| live.run() == row.entry.id))
}

/// Opens a run; the one in training is open when no other is.
fn open_run(shared: &mut Shared, name: &str) {
    let live = shared.live.as_ref().is_some_and(|live| live.run() == name);
    shared.open = (!live).then(|| name.to_owned());
}

fn job(job: Job) -> Effect {
    Effect::Job(Box::new(job))
}

#[cfg(test)]
#[path = "home/tests.rs"]
mod tests;
