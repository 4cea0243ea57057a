//! The modules screen: kernel usage of each class, a preview of the module of the chosen classes, and the
//! extracted modules.
//!
//! | file | what it holds |
//! |---|---|
//! | `subject` | the run on the screen; `prospect`: what a module would be, from usage alone |
//! | `classes`, `sets` | the choice of classes, and choices kept under names |
//! | `sizes`, `overlap`, `retention`, `kernels` | the views of the whole network's usage; `moments`: over epochs |
//! | `shelf`, `card`, `trial` | the extracted modules: list, figures and comparison, pictures |
//! | `extraction`, `forms`, `command` | taking modules out; `figure`: charts as files |
//! | `act`, `news`, `view` | what keys do, what events and answers do, how it is drawn |

mod act;
mod card;
mod classes;
mod command;
mod extraction;
mod figure;
mod forms;
mod kernels;
mod moments;
mod news;
mod overlap;
mod paint;
mod prospect;
mod retention;
pub mod sets;
mod shelf;
mod sizes;
mod subject;
#[cfg(test)]
pub(in crate::tui) mod testing;
#[cfg(test)]
mod tests;
mod trial;
mod view;

use crossterm::event::{KeyCode, KeyEvent, MouseEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::Action;
use super::hits::{Hits, Target};
use super::message::{Effect, Job, Reply};
use super::output;
use super::prompt::Prompt;
use super::shared::Shared;
use super::widget::{Answer, Dialog, FormEvent, Input, Selection};
use crate::export::command::{extract, quoted};
use crate::run::Event;
use card::Card;
use extraction::Extraction;
use forms::Sheet;
use kernels::Kernels;
use overlap::Overlap;
use retention::Retention;
use sets::Sets;
use shelf::Shelf;
use subject::Subject;
use trial::Trial;

/// State of the modules screen.
#[derive(Debug, Default)]
pub struct Modules {
    /// Whether the screen has been in sight: before that it follows nothing.
    entered: bool,
    /// The run that it is about.
    run: Option<String>,
    /// What is known of it; nothing before its manifest.
    subject: Option<Subject>,
    /// Why nothing is known of it.
    trouble: Option<String>,
    pane: Pane,
    view: View,
    /// Views that a key has led away from, to come back to; the newest last.
    from: Vec<View>,
    /// The layer under the cursor, in all views.
    layer: usize,
    overlap: Overlap,
    retention: Retention,
    kernels: Kernels,
    shelf: Shelf,
    card: Card,
    trial: Trial,
    extraction: Extraction,
    /// The module that was extracted last, until the list that was read after it has come.
    newest: Option<String>,
    /// What is being put together.
    making: Option<String>,
    sets: Sets,
    /// The filter of the classes while it is being typed.
    filter: Option<Input>,
    popup: Option<Popup>,
    /// The slider that the mouse holds, by its track and number.
    dragged: Option<(Rect, usize)>,
    /// The newest thing to say, below the list of modules.
    notice: Option<Result<String, String>>,
}

/// A pane that can have the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pane {
    #[default]
    Classes,
    View,
    Shelf,
}

/// What the large pane shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum View {
    #[default]
    Sizes,
    Overlap,
    Retention,
    Kernels,
    Card,
    Trial,
}

/// What lies over the screen and takes all keys.
#[derive(Debug)]
enum Popup {
    Sheet(Sheet),
    /// A question whether to delete this module.
    Delete(Dialog, String),
    /// The kept sets, to take one.
    Sets(Selection),
}

/// From this width on two views are side by side.
const WIDE: u16 = 120;

impl Pane {
    const ALL: [Pane; 3] = [Pane::Classes, Pane::View, Pane::Shelf];

    fn after(self, places: usize) -> Pane {
        let at = Pane::ALL.iter().position(|pane| *pane == self).unwrap_or(0);
        Pane::ALL[(at + places) % Pane::ALL.len()]
    }
}

impl View {
    const ALL: [View; 5] = [View::Sizes, View::Overlap, View::Retention, View::Kernels, View::Card];

    /// The next one; where sizes are always in sight it is one of the others.
    fn next(self, wide: bool) -> View {
        let at = View::ALL.iter().position(|view| *view == self).unwrap_or(View::ALL.len() - 1);
        let next = View::ALL[(at + 1) % View::ALL.len()];
        match next {
            View::Sizes if wide => View::Overlap,
            // What is in sight beside the sizes already.
            View::Overlap if wide && self == View::Sizes => View::Retention,
            next => next,
        }
    }

    /// The view beside the sizes.
    fn beside(self) -> View {
        if self == View::Sizes { View::Overlap } else { self }
    }
}

impl Modules {
    /// The screen comes into sight.
    pub fn enter(&mut self, shared: &mut Shared) -> Vec<Effect> {
        self.entered = true;
        let mut effects = vec![job(Job::Sets)];
        effects.extend(self.sync(shared));
        effects
    }

    /// What takes the keys, so that they go to [`Modules::key`] first.
    pub fn prompt(&self) -> Option<Prompt> {
        match &self.popup {
            Some(Popup::Sheet(_)) => Some(Prompt::Form),
            Some(Popup::Delete(..)) => Some(Prompt::Dialog),
            Some(Popup::Sets(_)) => Some(Prompt::Sets),
            None => self.filter.as_ref().map(|_| Prompt::Filter),
        }
    }

    /// A key while the screen takes text.
    pub fn key(&mut self, key: KeyEvent, shared: &mut Shared) -> Vec<Effect> {
        if self.popup.is_some() {
            return self.popup_key(key, shared);
        }
        match (key.code, &mut self.filter) {
            (KeyCode::Enter | KeyCode::Tab | KeyCode::Down, _) => self.filter = None,
            (KeyCode::Esc, _) => {
                self.filter = None;
                self.set_filter("");
            }
            (_, Some(input)) => {
                input.key(key);
                let text = input.text().to_owned();
                self.set_filter(&text);
            }
            (_, None) => {}
        }
        Vec::new()
    }

    /// A pasted text while the screen takes text.
    pub fn paste(&mut self, text: &str, shared: &mut Shared) -> Vec<Effect> {
        if let Some(Popup::Sheet(sheet)) = &mut self.popup {
            let event = sheet.form_mut().paste(text);
            return self.sheet_event(event, shared);
        }
        if let Some(input) = &mut self.filter {
            input.paste(text);
            let text = input.text().to_owned();
            self.set_filter(&text);
        }
        Vec::new()
    }

    /// Why an action can not be done now; `None` if it can.
    pub fn refuses(&self, action: Action, shared: &Shared) -> Option<String> {
        self.objection(action, shared)
    }

    /// Does an action that is not refused.
    pub fn act(&mut self, action: Action, shared: &mut Shared) -> Vec<Effect> {
        self.perform(action, shared)
    }

    /// The mouse did something at a target of this screen, or moved off all of them.
    pub fn mouse(
        &mut self,
        mouse: MouseEvent,
        at: Option<(Rect, Target)>,
        shared: &mut Shared,
    ) -> Vec<Effect> {
        match &mut self.popup {
            Some(Popup::Sheet(sheet)) => {
                let event = sheet.form_mut().mouse(mouse, at);
                self.sheet_event(event, shared)
            }
            Some(Popup::Delete(dialog, _)) => {
                let answer = dialog.mouse(mouse, at);
                self.delete_answer(answer)
            }
            Some(Popup::Sets(_)) => self.click_set(mouse, at),
            None => self.point(mouse, at, shared),
        }
    }

    /// The session said something; `shared.live` has taken it in already.
    pub fn event(&mut self, event: &Event, shared: &mut Shared) -> Vec<Effect> {
        match self.entered {
            true => self.hear(event, shared),
            false => Vec::new(),
        }
    }

    /// A worker answered.
    pub fn reply(&mut self, reply: &Reply, shared: &mut Shared) -> Vec<Effect> {
        match self.entered {
            true => self.learn(reply, shared),
            false => Vec::new(),
        }
    }

    /// The command line that does the same as what is selected.
    pub fn command_line(&self, _shared: &Shared) -> Option<String> {
        let subject = self.subject.as_ref()?;
        match &self.popup {
            Some(Popup::Sheet(Sheet::Export(form, module))) => {
                return Some(output::command_line(form, &format!("{}/{module}", subject.run)));
            }
            Some(Popup::Sheet(Sheet::Compose(form, modules))) => {
                return Some(command::compose(form, modules));
            }
            Some(Popup::Sheet(Sheet::Replace(form, _))) => {
                return Some(command::replace(form, &subject.run, subject.classes.names()));
            }
            Some(Popup::Sheet(Sheet::SaveSet(_) | Sheet::Picture(_) | Sheet::Chart(_))) => return None,
            _ => {}
        }
        if self.pane == Pane::Shelf && self.popup.is_none() {
            let module = self.shelf.manifest(subject)?;
            return Some(format!("cleave evaluate {}/{}", quoted(&subject.run), module.name));
        }
        // Nothing can be extracted from a run without masks.
        if subject.classes.chosen().is_empty() || !subject.has_masks() {
            return None;
        }
        let request = match &self.popup {
            Some(Popup::Sheet(Sheet::Extract(form))) => forms::request(form, subject)?,
            _ => forms::plain_request(subject),
        };
        Some(extract(&subject.run, subject.classes.names(), &request))
    }

    /// The value under the cursor.
    pub fn value(&self, _shared: &Shared) -> Option<String> {
        let subject = self.subject.as_ref()?;
        match (self.pane, self.view) {
            (Pane::Classes, _) => Some(subject.classes.name(subject.classes.current()?).to_owned()),
            (Pane::Shelf, _) => Some(self.shelf.current(subject)?.0.clone()),
            (Pane::View, View::Sizes) => subject.prospect()?.kept.get(self.layer).map(usize::to_string),
            (Pane::View, View::Overlap) => self.overlap.value(subject),
            (Pane::View, View::Retention) => self.retention.value(subject, self.layer),
            (Pane::View, View::Kernels) => self.kernels.value(subject, self.layer),
            (Pane::View, View::Card) => Some(self.shelf.current(subject)?.0.clone()),
            (Pane::View, View::Trial) => self.trial.value(),
        }
    }

    /// Draws the screen.
    pub fn view(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        view::draw(self, shared, area, buffer, hits);
    }

    fn set_filter(&mut self, text: &str) {
        if let Some(subject) = &mut self.subject {
            subject.classes.set_filter(text);
        }
    }

    fn popup_key(&mut self, key: KeyEvent, shared: &mut Shared) -> Vec<Effect> {
        match &mut self.popup {
            Some(Popup::Sheet(sheet)) => {
                let event = sheet.form_mut().key(key);
                self.sheet_event(event, shared)
            }
            Some(Popup::Delete(dialog, _)) => {
                let answer = dialog.key(key);
                self.delete_answer(answer)
            }
            Some(Popup::Sets(_)) => self.sets_key(key),
            None => Vec::new(),
        }
    }

    fn sheet_event(&mut self, event: FormEvent, shared: &mut Shared) -> Vec<Effect> {
        match event {
            FormEvent::Open => {}
            FormEvent::Cancelled => self.popup = None,
            FormEvent::Changed(field) => {
                if let (Some(Popup::Sheet(sheet)), Some(subject)) = (&mut self.popup, &self.subject) {
                    sheet.changed(field, subject);
                }
            }
            FormEvent::Submitted => {
                if let Some(Popup::Sheet(sheet)) = self.popup.take() {
                    return self.submit(sheet, shared);
                }
            }
        }
        Vec::new()
    }

    fn delete_answer(&mut self, answer: Answer) -> Vec<Effect> {
        if answer == Answer::Open {
            return Vec::new();
        }
        let (Some(Popup::Delete(_, module)), Some(run)) = (self.popup.take(), self.run.clone()) else {
            return Vec::new();
        };
        match answer {
            Answer::Chosen(0) => vec![job(Job::RemoveModule { run, module })],
            _ => Vec::new(),
        }
    }
}

/// Work for a worker.
fn job(job: Job) -> Effect {
    Effect::Job(Box::new(job))
}
