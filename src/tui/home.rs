//! The run list screen: lists runs and starts new runs, resumes, branches and comparisons.

mod launch;
mod list;
mod view;
mod view_new;

use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;

use super::action::{Action, Screen};
use super::hits::Target;
use super::message::{Effect, Job, Launch, Reply, RunRow};
use super::prompt::Prompt;
use super::shared::Shared;
use super::widget::{Answer, Dialog, Field, Form, FormEvent, Input, Selection};
use crate::run::{Event, Status};
use launch::NewRun;
use list::SortOrder;

/// State of the run list screen.
#[derive(Debug, Default)]
pub struct Home {
    order: SortOrder,
    filter: Input,
    selection: Selection,
    /// Name of the selected run, to find it again when the list changes.
    selected: Option<String>,
    /// The rows as shown; recomputed when list, filter or order change.
    arranged: Vec<list::ListRow>,
    open: Option<Open>,
}

/// What is open over the list and receives the keys.
#[derive(Debug)]
enum Open {
    /// The filter input.
    Filter,
    /// The question whether to delete this run.
    Delete(String, Dialog),
    /// The form for the tags of this run.
    Tags(String, Form),
    /// The form for a new run.
    New(Box<NewRun>),
}

impl Home {
    /// Called when the screen is shown.
    pub fn enter(&mut self, _shared: &mut Shared) -> Vec<Effect> {
        vec![job(Job::Runs)]
    }

    /// The open input mode, if any; its keys go to [`Home::key`].
    pub fn prompt(&self) -> Option<Prompt> {
        Some(match self.open.as_ref()? {
            Open::Filter => Prompt::Filter,
            Open::Delete(..) => Prompt::Dialog,
            Open::Tags(..) | Open::New(_) => Prompt::Form,
        })
    }

    /// Handles a key of the open input mode.
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

    /// Handles pasted text.
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

    /// Why an action is unavailable; `None` if it is available.
    pub fn refusal(&self, action: Action, shared: &Shared) -> Option<String> {
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
                if self.arranged.is_empty() =>
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
            // A branch of the run being trained may start at its current step.
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

    /// Performs an available action.
    pub fn act(&mut self, action: Action, shared: &mut Shared) -> Vec<Effect> {
        if self.selection.act(action, self.arranged.len()) {
            self.remember(shared);
            return Vec::new();
        }
        match action {
            Action::Filter => self.open = Some(Open::Filter),
            Action::Back if !self.filter.text().is_empty() => self.filter.set(""),
            Action::SortRuns => {
                self.order = SortOrder { key: self.order.key.next(), reverse: false, ..self.order }
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
                return vec![Effect::Go(Screen::Dashboard)];
            }
            Action::ResumeRun => {
                shared.open = None;
                return vec![
                    Effect::Launch(Box::new(Launch::Resume { run: name })),
                    Effect::Go(Screen::Dashboard),
                ];
            }
            // The form belongs to the dashboard, which knows the run's current settings.
            Action::BranchRun => {
                open_run(shared, &name);
                return vec![Effect::Go(Screen::Dashboard), Effect::Do(Action::BranchHere)];
            }
            Action::MarkRun => match shared.marked.iter().position(|marked| *marked == name) {
                Some(place) => drop(shared.marked.remove(place)),
                None => shared.marked.push(name),
            },
            Action::CompareRuns => {
                if let Some(first) = shared.marked.first().cloned() {
                    open_run(shared, &first);
                    return vec![Effect::Go(Screen::Dashboard)];
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

    /// Handles a mouse event at a target of this screen, or outside all targets.
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
                match again && self.refusal(Action::Accept, shared).is_none() {
                    true => self.act(Action::Accept, shared),
                    false => Vec::new(),
                }
            }
            (MouseEventKind::Down(MouseButton::Left), Some(Target::Heading(column))) => {
                if let Some(key) = view::key_of_column(column) {
                    let reverse = self.order.key == key && !self.order.reverse;
                    self.order = SortOrder { key, reverse, ..self.order };
                    self.find_selected(shared);
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Handles an event of the session; `shared.live` is already updated.
    pub fn event(&mut self, event: &Event, shared: &mut Shared) -> Vec<Effect> {
        match event {
            Event::Started { .. } => vec![job(Job::Runs)],
            // Reloading all runs for every epoch would slow down training if there are many.
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

    /// Handles a worker's reply.
    pub fn reply(&mut self, reply: &Reply, shared: &mut Shared) -> Vec<Effect> {
        match (reply, &mut self.open) {
            (Reply::Runs(_), _) => {
                self.find_selected(shared);
                self.remember(shared);
            }
            (Reply::Presets(presets), Some(Open::New(new))) => return new.presets(presets),
            (Reply::Preset { name, set, summary }, Some(Open::New(new))) => {
                let step = new.summary(name, set, summary);
                return self.launching(step, shared);
            }
            (Reply::Timed(network, found), Some(Open::New(new))) => new.timed(network, found),
            _ => {}
        }
        Vec::new()
    }

    /// The command line equivalent to the selection.
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

    /// The run of the new-run form has started: closes the form.
    pub fn started(&mut self) {
        if matches!(&self.open, Some(Open::New(new)) if new.launched) {
            self.open = None;
        }
    }

    /// A launch failed. Returns whether it came from the new-run form, which stays open for corrections.
    pub fn refused(&mut self) -> bool {
        match &mut self.open {
            Some(Open::New(new)) => std::mem::take(&mut new.launched),
            _ => false,
        }
    }

    /// Handles the result of a key in the new-run form.
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
            // The input is kept until the run has started, because launching may fail.
            launch::Step::Launch(launch) => {
                vec![Effect::Launch(launch), Effect::Go(Screen::Dashboard)]
            }
        }
    }

    /// The selected run.
    fn current<'a>(&self, shared: &'a Shared) -> Option<&'a RunRow> {
        let listed = self.arranged.get(self.selection.at)?;
        rows(shared).get(listed.index)
    }

    /// The name of the selected run.
    pub fn selected<'a>(&self, shared: &'a Shared) -> Option<&'a str> {
        self.current(shared).map(|row| row.entry.id.as_str())
    }

    fn remember(&mut self, shared: &Shared) {
        self.selected = self.current(shared).map(|row| row.entry.id.clone());
    }

    /// Recomputes the rows after a change of list, filter or order, and finds the selected run again.
    fn find_selected(&mut self, shared: &Shared) {
        self.arranged = list::arrange(rows(shared), self.filter.text(), self.order);
        let arranged = &self.arranged;
        let is_selected = |listed: &list::ListRow| {
            rows(shared).get(listed.index).is_some_and(|row| Some(&row.entry.id) == self.selected.as_ref())
        };
        if let Some(at) = arranged.iter().position(is_selected) {
            self.selection.at = at;
        }
        self.selection.keep_in(self.arranged.len());
    }
}

fn rows(shared: &Shared) -> &[RunRow] {
    match &shared.runs {
        Some(Ok(rows)) => rows,
        _ => &[],
    }
}

/// Whether this is the run being trained by this process.
fn is_live(shared: &Shared, row: Option<&RunRow>) -> bool {
    let live = shared.live.as_ref().filter(|live| live.ended.is_none());
    row.is_some_and(|row| live.is_some_and(|live| live.run() == row.entry.id))
}

/// Opens a run; the live run counts as open when no other is.
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
