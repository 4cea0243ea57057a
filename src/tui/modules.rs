//! The modules screen: kernel usage of each class, a preview of the module of the chosen classes, and the
//! extracted modules.
//!
//! | file | what it holds |
//! |---|---|
//! | `run_model` | the shown run; `preview`: preview of a module, from kernel usage alone |
//! | `classes`, `sets` | the choice of classes, and saved sets of classes |
//! | `sizes`, `overlap`, `retention`, `kernels` | the views of kernel usage; `retention_history`: over epochs |
//! | `module_list`, `card`, `image_view` | extracted modules: list, figures and comparison, image classification |
//! | `extraction`, `forms`, `command` | extracting modules; `figure`: export of charts |
//! | `act`, `news`, `view` | key and mouse actions, events and replies, drawing |

mod act;
mod card;
mod classes;
mod command;
mod extraction;
mod figure;
mod forms;
mod image_view;
mod kernels;
mod module_list;
mod news;
mod overlap;
mod paint;
mod preview;
mod retention;
mod retention_history;
mod run_model;
pub mod sets;
mod sizes;
#[cfg(test)]
pub(in crate::tui) mod testing;
#[cfg(test)]
mod tests;
mod view;

use crossterm::event::{KeyCode, KeyEvent, MouseEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::hits::{Hits, Target};
use super::message::{Effect, Job, Reply};
use super::output;
use super::prompt::Prompt;
use super::shared::Shared;
use super::widget::{Answer, Dialog, FormEvent, Input, Selection};
use crate::export::command::{extract, quoted};
use crate::run::Event;
use card::CardView;
use extraction::Extraction;
use forms::OpenForm;
use image_view::ImageView;
use kernels::Kernels;
use module_list::ModuleList;
use overlap::Overlap;
use retention::Retention;
use run_model::RunModel;
use sets::Sets;

/// State of the modules screen.
#[derive(Debug, Default)]
pub struct Modules {
    /// Whether the screen has been shown; until then it loads nothing.
    entered: bool,
    /// Name of the shown run.
    run: Option<String>,
    /// The shown run; `None` until its manifest is read.
    model: Option<RunModel>,
    /// Why the run cannot be shown.
    trouble: Option<String>,
    pane: Pane,
    view: View,
    /// Earlier views that Back returns to; newest last.
    from: Vec<View>,
    /// The selected layer, in all views.
    layer: usize,
    overlap: Overlap,
    retention: Retention,
    kernels: Kernels,
    list: ModuleList,
    card: CardView,
    image: ImageView,
    extraction: Extraction,
    /// The module extracted last, until the list of modules has been reloaded.
    newest: Option<String>,
    /// Name of the module being composed.
    making: Option<String>,
    sets: Sets,
    /// The class filter input, while open.
    filter: Option<Input>,
    popup: Option<Popup>,
    /// Track and number of the slider being dragged.
    dragged: Option<(Rect, usize)>,
    /// The newest notice, shown below the list of modules.
    notice: Option<Result<String, String>>,
}

/// A pane that can be focused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pane {
    #[default]
    Classes,
    View,
    Modules,
}

/// The content of the large pane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum View {
    #[default]
    Sizes,
    Overlap,
    Retention,
    Kernels,
    Card,
    Image,
}

/// What is open over the screen and receives all keys.
#[derive(Debug)]
enum Popup {
    Form(OpenForm),
    /// The question whether to delete this module.
    Delete(Dialog, String),
    /// The list of saved sets.
    Sets(Selection),
}

/// Width from which two views are shown side by side.
const WIDE: u16 = 120;

impl Pane {
    const ALL: [Pane; 3] = [Pane::Classes, Pane::View, Pane::Modules];

    fn after(self, places: usize) -> Pane {
        let at = Pane::ALL.iter().position(|pane| *pane == self).unwrap_or(0);
        Pane::ALL[(at + places) % Pane::ALL.len()]
    }
}

impl View {
    const ALL: [View; 5] = [View::Sizes, View::Overlap, View::Retention, View::Kernels, View::Card];

    /// The next view; on wide screens, where sizes are always shown, one of the others.
    fn next(self, wide: bool) -> View {
        let at = View::ALL.iter().position(|view| *view == self).unwrap_or(View::ALL.len() - 1);
        let next = View::ALL[(at + 1) % View::ALL.len()];
        match next {
            View::Sizes if wide => View::Overlap,
            // The view already shown beside the sizes.
            View::Overlap if wide && self == View::Sizes => View::Retention,
            next => next,
        }
    }

    /// The view to show beside the sizes.
    fn beside(self) -> View {
        if self == View::Sizes { View::Overlap } else { self }
    }
}

impl Modules {
    /// Called when the screen is shown.
    pub fn enter(&mut self, shared: &mut Shared) -> Vec<Effect> {
        self.entered = true;
        let mut effects = vec![job(Job::Sets)];
        effects.extend(self.sync(shared));
        effects
    }

    /// The open input mode, if any; its keys go to [`Modules::key`].
    pub fn prompt(&self) -> Option<Prompt> {
        match &self.popup {
            Some(Popup::Form(_)) => Some(Prompt::Form),
            Some(Popup::Delete(..)) => Some(Prompt::Dialog),
            Some(Popup::Sets(_)) => Some(Prompt::Sets),
            None => self.filter.as_ref().map(|_| Prompt::Filter),
        }
    }

    /// Handles a key of the open input mode.
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

    /// Handles pasted text.
    pub fn paste(&mut self, text: &str, shared: &mut Shared) -> Vec<Effect> {
        if let Some(Popup::Form(open)) = &mut self.popup {
            let event = open.form_mut().paste(text);
            return self.form_event(event, shared);
        }
        if let Some(input) = &mut self.filter {
            input.paste(text);
            let text = input.text().to_owned();
            self.set_filter(&text);
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
        match &mut self.popup {
            Some(Popup::Form(open)) => {
                let event = open.form_mut().mouse(mouse, at);
                self.form_event(event, shared)
            }
            Some(Popup::Delete(dialog, _)) => {
                let answer = dialog.mouse(mouse, at);
                self.delete_answer(answer)
            }
            Some(Popup::Sets(_)) => self.click_set(mouse, at),
            None => self.point(mouse, at, shared),
        }
    }

    /// Handles an event of the session; `shared.live` is already updated.
    pub fn event(&mut self, event: &Event, shared: &mut Shared) -> Vec<Effect> {
        match self.entered {
            true => self.handle_event(event, shared),
            false => Vec::new(),
        }
    }

    /// Handles a worker's reply.
    pub fn reply(&mut self, reply: &Reply, shared: &mut Shared) -> Vec<Effect> {
        match self.entered {
            true => self.handle_reply(reply, shared),
            false => Vec::new(),
        }
    }

    /// The command line equivalent to the selection.
    pub fn command_line(&self, _shared: &Shared) -> Option<String> {
        let model = self.model.as_ref()?;
        match &self.popup {
            Some(Popup::Form(OpenForm::Export(form, module))) => {
                return Some(output::command_line(form, &format!("{}/{module}", model.run)));
            }
            Some(Popup::Form(OpenForm::Compose(form, modules))) => {
                return Some(command::compose(form, modules));
            }
            Some(Popup::Form(OpenForm::Replace(form, _))) => {
                return Some(command::replace(form, &model.run, model.classes.names()));
            }
            Some(Popup::Form(OpenForm::SaveSet(_) | OpenForm::Image(_) | OpenForm::Chart(_))) => return None,
            _ => {}
        }
        if self.pane == Pane::Modules && self.popup.is_none() {
            let module = self.list.manifest(model)?;
            return Some(format!("cleave evaluate {}/{}", quoted(&model.run), module.name));
        }
        // No module can be extracted from a run without masks.
        if model.classes.chosen().is_empty() || !model.has_masks() {
            return None;
        }
        let request = match &self.popup {
            Some(Popup::Form(OpenForm::Extract(form))) => forms::request(form, model)?,
            _ => forms::plain_request(model),
        };
        Some(extract(&model.run, model.classes.names(), &request))
    }

    /// The value under the cursor.
    pub fn value(&self, _shared: &Shared) -> Option<String> {
        let model = self.model.as_ref()?;
        match (self.pane, self.view) {
            (Pane::Classes, _) => Some(model.classes.name(model.classes.current()?).to_owned()),
            (Pane::Modules, _) => Some(self.list.current(model)?.0.clone()),
            (Pane::View, View::Sizes) => model.preview()?.kept.get(self.layer).map(usize::to_string),
            (Pane::View, View::Overlap) => self.overlap.value(model),
            (Pane::View, View::Retention) => self.retention.value(model, self.layer),
            (Pane::View, View::Kernels) => self.kernels.value(model, self.layer),
            (Pane::View, View::Card) => Some(self.list.current(model)?.0.clone()),
            (Pane::View, View::Image) => self.image.value(),
        }
    }

    /// Draws the screen.
    pub fn view(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        view::draw(self, shared, area, buffer, hits);
    }

    fn set_filter(&mut self, text: &str) {
        if let Some(model) = &mut self.model {
            model.classes.set_filter(text);
        }
    }

    fn popup_key(&mut self, key: KeyEvent, shared: &mut Shared) -> Vec<Effect> {
        match &mut self.popup {
            Some(Popup::Form(open)) => {
                let event = open.form_mut().key(key);
                self.form_event(event, shared)
            }
            Some(Popup::Delete(dialog, _)) => {
                let answer = dialog.key(key);
                self.delete_answer(answer)
            }
            Some(Popup::Sets(_)) => self.sets_key(key),
            None => Vec::new(),
        }
    }

    fn form_event(&mut self, event: FormEvent, shared: &mut Shared) -> Vec<Effect> {
        match event {
            FormEvent::Open => {}
            FormEvent::Cancelled => self.popup = None,
            FormEvent::Changed(field) => {
                if let (Some(Popup::Form(open)), Some(model)) = (&mut self.popup, &self.model) {
                    open.changed(field, model);
                }
            }
            FormEvent::Submitted => {
                if let Some(Popup::Form(open)) = self.popup.take() {
                    return self.submit(open, shared);
                }
            }
        }
        Vec::new()
    }

    /// Asks whether to delete the module under the cursor.
    fn ask_delete(&mut self) {
        let Some((name, module)) = self.model.as_ref().and_then(|model| self.list.current(model)) else {
            return;
        };
        let what = match module {
            Ok(module) => format!("Permanently delete module {name} ({})?", module.classes.join(", ")),
            Err(_) => format!("Permanently delete the damaged module {name}?"),
        };
        self.popup = Some(Popup::Delete(Dialog::confirm("Delete module", &what, "delete"), name.clone()));
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

/// A job for a worker.
fn job(job: Job) -> Effect {
    Effect::Job(Box::new(job))
}
