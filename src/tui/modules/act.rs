//! Key and mouse actions of the modules screen.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;

use super::forms::{self, OpenForm};
use super::module_list::{self, Marked};
use super::retention::Retention;
use super::run_model::no_module;
use super::sizes;
use super::{Modules, Pane, Popup, View, WIDE, job};
use crate::tui::action::{Action, Screen};
use crate::tui::hits::Target;
use crate::tui::message::{Effect, Job, ModuleName};
use crate::tui::shared::Shared;
use crate::tui::widget::{Input, Selection};

/// Threshold step of the raise and lower keys.
const NOTCH: f64 = 0.05;
/// Threshold step of the arrow keys.
const FINE: f64 = 0.01;
/// Pane number of the list of saved sets.
pub(super) const SETS: usize = 9;

impl Modules {
    /// Why an action is unavailable; `None` if it is available.
    pub fn refusal(&self, action: Action, shared: &Shared) -> Option<String> {
        use Action::{
            AllClasses, CompareModules, ComposeModules, DeleteModule, ExportModule, ExtractModule,
            InvertClasses, ReplaceClass, SaveSet, ScrubBack, ScrubForward, ThresholdDown, ThresholdUp,
            ToggleClass, TryImage, VerifyModule,
        };
        let Some(model) = &self.model else {
            let needs_run = action.entry().screen == Screen::Modules || action.is_of_screens();
            return needs_run.then(|| {
                self.trouble.clone().unwrap_or_else(|| {
                    format!("no run is open: press {} to open or start one", shared.key(Action::GoHome))
                })
            });
        };
        let key = |action| shared.key(action);
        let none_chosen = || {
            let none = model.classes.chosen().is_empty();
            none.then(|| {
                format!("choose classes first: {} chooses the one under the cursor", key(ToggleClass))
            })
        };
        let no_masks = || (!model.has_masks()).then(|| model.why_not(&shared.keymap).unwrap_or_default());
        match action {
            ToggleClass | AllClasses | InvertClasses if model.classes.shown().is_empty() => {
                Some("no class matches the filter".into())
            }
            ThresholdUp | ThresholdDown if model.has_class_masks() => {
                Some("class masks were fixed in training: no threshold applies".into())
            }
            ThresholdUp if model.threshold() >= 1.0 => Some("the threshold is at its maximum, 1".into()),
            ThresholdDown if model.threshold() <= 0.01 => {
                Some("the threshold is at its minimum, 0.01".into())
            }
            SaveSet => none_chosen(),
            Action::LoadSet if self.sets.is_empty() => {
                Some(format!("there is no saved set: choose classes and press {}", key(SaveSet)))
            }
            ExtractModule => no_masks().or_else(none_chosen),
            ComposeModules | ReplaceClass if self.making.is_some() => {
                Some("wait until the other module is finished".into())
            }
            ComposeModules if self.list.marked.len() < 2 => Some(format!(
                "mark two or more modules first ({}); modules of other runs can be marked too",
                key(CompareModules)
            )),
            ReplaceClass if self.donors().is_empty() => Some(format!(
                "there is no replacement module: extract one, or mark one of another run ({})",
                key(CompareModules)
            )),
            // A damaged module can still be verified and deleted.
            VerifyModule | DeleteModule if self.list.current(model).is_some() => None,
            TryImage | CompareModules | ExportModule | DeleteModule | VerifyModule => {
                match self.list.current(model) {
                    None => Some(no_module(&shared.keymap)),
                    Some((_, Err(why))) => Some(why.clone()),
                    Some(_) => None,
                }
            }
            ScrubBack | ScrubForward => match self.seen(shared) {
                View::Retention if model.retention.len() == 0 => Some("no epoch is complete yet".into()),
                View::Retention | View::Kernels | View::Sizes => None,
                _ => Some(format!(
                    "this view has neither epochs (retention view) nor layers (kernel view); press {} to switch views",
                    key(Action::NextView)
                )),
            },
            Action::SortMatrix
                if !matches!(self.seen(shared), View::Overlap | View::Retention | View::Kernels) =>
            {
                Some(format!("this view cannot be sorted; press {} to switch views", key(Action::NextView)))
            }
            Action::ExportChart if self.chart_name().is_none() => {
                Some(format!("this view has no chart; press {} to switch views", key(Action::NextView)))
            }
            Action::Back if !self.can_go_back() => Some("there is nothing to close".into()),
            Action::Accept if (self.pane, self.view) == (Pane::View, View::Image) => {
                Some(format!("there is nothing to open here: {} chooses another image", key(TryImage)))
            }
            Action::CopyValue if self.value(shared).is_none() => {
                Some("there is no value under the cursor".into())
            }
            _ => None,
        }
    }

    /// Performs an available action.
    pub fn act(&mut self, action: Action, shared: &mut Shared) -> Vec<Effect> {
        if self.refusal(action, shared).is_some() {
            return Vec::new();
        }
        let wide = shared.size.0 >= WIDE;
        match action {
            Action::NextPane => self.pane = self.pane.after(1),
            Action::PreviousPane => self.pane = self.pane.after(Pane::ALL.len() - 1),
            Action::NextView => {
                self.view = self.view.next(wide);
                self.from.clear();
                return self.examine();
            }
            Action::Filter => {
                self.pane = Pane::Classes;
                let text = self.model.as_ref().map_or("", |model| model.classes.filter()).to_owned();
                self.filter = Some(Input::new(&text));
            }
            Action::Back => self.back(),
            Action::Accept => return self.accept(),
            Action::SaveSet
            | Action::LoadSet
            | Action::ExtractModule
            | Action::ExportModule
            | Action::ComposeModules
            | Action::ReplaceClass => {
                self.open(action);
            }
            Action::VerifyModule => return self.verify(),
            Action::DeleteModule => self.ask_delete(),
            Action::CompareModules => self.mark(),
            Action::TryImage => return self.try_image(),
            Action::ExportChart => {
                let form = self.chart_name().map(|name| forms::chart(&name));
                self.popup = form.map(|form| Popup::Form(OpenForm::Chart(form)));
            }
            Action::CopyValue => return self.value(shared).map(Effect::Copy).into_iter().collect(),
            Action::ToggleClass | Action::AllClasses | Action::InvertClasses => self.choose(action),
            Action::ThresholdUp => self.move_threshold(NOTCH),
            Action::ThresholdDown => self.move_threshold(-NOTCH),
            Action::SortMatrix => self.reorder(shared),
            Action::ScrubBack => self.scrub(-1, shared),
            Action::ScrubForward => self.scrub(1, shared),
            _ => return self.walk(action),
        }
        Vec::new()
    }

    fn back(&mut self) {
        if self.overlap.detail && self.view == View::Overlap {
            self.overlap.detail = false;
        } else if let Some(view) = self.from.pop() {
            self.view = view;
        } else if matches!(self.view, View::Card | View::Image) {
            self.view = View::Sizes;
        } else {
            self.set_filter("");
        }
    }

    fn can_go_back(&self) -> bool {
        let filtered = self.model.as_ref().is_some_and(|model| !model.classes.filter().is_empty());
        let drilled = self.overlap.detail && self.view == View::Overlap;
        filtered || drilled || !self.from.is_empty() || matches!(self.view, View::Card | View::Image)
    }

    /// Shows another view; [`Action::Back`] returns to the current one.
    pub(super) fn go_to(&mut self, view: View) {
        // Returning to an earlier view drops the views after it.
        match self.from.iter().position(|before| *before == view) {
            Some(at) => self.from.truncate(at),
            None if self.view != view => self.from.push(self.view),
            None => {}
        }
        self.view = view;
    }

    fn choose(&mut self, action: Action) {
        let Some(model) = &mut self.model else { return };
        match action {
            Action::AllClasses => model.classes.toggle_all(),
            Action::InvertClasses => model.classes.invert(),
            _ => model.classes.toggle(),
        }
        model.refresh();
    }

    fn move_threshold(&mut self, by: f64) {
        if let Some(model) = &mut self.model {
            model.set_threshold(model.threshold() + by);
        }
    }

    /// The view that keys without a cursor apply to: on wide screens the one beside the sizes.
    pub(super) fn seen(&self, shared: &Shared) -> View {
        if shared.size.0 >= WIDE { self.view.beside() } else { self.view }
    }

    fn reorder(&mut self, shared: &Shared) {
        match self.seen(shared) {
            View::Overlap => self.overlap.sort(),
            View::Retention => self.retention.train = !self.retention.train,
            View::Kernels => self.kernels.kept = !self.kernels.kept,
            View::Sizes | View::Card | View::Image => {}
        }
    }

    fn scrub(&mut self, by: isize, shared: &Shared) {
        let seen = self.seen(shared);
        let Some(model) = &mut self.model else { return };
        match seen {
            View::Retention => model.retention.scrub(by),
            _ => {
                let last = model.sites.len().saturating_sub(1);
                self.layer = self.layer.saturating_add_signed(by).min(last);
            }
        }
    }

    /// Enter: chooses, opens details, or opens a form.
    fn accept(&mut self) -> Vec<Effect> {
        match (self.pane, self.view) {
            (Pane::Classes, _) => self.choose(Action::ToggleClass),
            (Pane::View, View::Sizes) => self.go_to(View::Kernels),
            (Pane::View, View::Overlap) => {
                self.overlap.detail = !self.overlap.detail;
                self.overlap.scroll = 0;
            }
            (Pane::View, View::Retention) => {
                self.kernels.class = self.retention.class;
                self.go_to(View::Kernels);
            }
            (Pane::View, View::Kernels) => self.kernels.kept = !self.kernels.kept,
            (_, View::Card) => {
                self.card.confusion = !self.card.confusion;
                return self.examine();
            }
            (Pane::Modules, _) => {
                self.go_to(View::Card);
                self.card.scroll = 0;
                return self.examine();
            }
            (Pane::View, View::Image) => {}
        }
        Vec::new()
    }

    /// Moves the cursor of the focused pane.
    fn walk(&mut self, action: Action) -> Vec<Effect> {
        let Some(model) = &mut self.model else { return Vec::new() };
        const PAGE: isize = 10;
        const END: isize = isize::MAX / 2;
        let (down, right) = match action {
            Action::Up => (-1, 0),
            Action::Down => (1, 0),
            Action::PageUp => (-PAGE, 0),
            Action::PageDown => (PAGE, 0),
            Action::Top => (-END, 0),
            Action::Bottom => (END, 0),
            Action::Left => (0, -1),
            Action::Right => (0, 1),
            _ => return Vec::new(),
        };
        let last = model.sites.len().saturating_sub(1);
        let (pane, view) = (self.pane, self.view);
        let compares = view == View::Card && self.list.marked.len() >= 2;
        match (pane, view) {
            (Pane::Classes | Pane::Modules, _) if right != 0 && view != View::Image && !compares => {
                self.move_threshold(FINE * right as f64);
            }
            (Pane::Classes, _) if right == 0 => model.classes.step(down),
            (Pane::Modules, _) if right == 0 => {
                self.list.selection.act(action, model.modules.len());
                self.card.scroll = 0;
                if self.view == View::Card {
                    return self.examine();
                }
            }
            (_, View::Sizes) => {
                self.layer = self.layer.saturating_add_signed(down).min(last);
                if right != 0 {
                    self.move_threshold(FINE * right as f64);
                }
            }
            (_, View::Overlap) => self.overlap.go(model, down, right),
            (_, View::Retention) => {
                self.layer = self.layer.saturating_add_signed(down).min(last);
                let classes = model.classes.names().len().saturating_sub(1);
                self.retention.class = self.retention.class.saturating_add_signed(right).min(classes);
            }
            (_, View::Kernels) => self.kernels.go(model, self.layer, down, right),
            (_, View::Card) => {
                let by = if right == 0 { down } else { right };
                self.card.scroll = self.card.scroll.saturating_add_signed(by).min(40);
            }
            (_, View::Image) => return self.turn(if right == 0 { down } else { right }),
        }
        Vec::new()
    }

    fn turn(&mut self, by: isize) -> Vec<Effect> {
        let by = by.clamp(-10, 10);
        match (self.image.turn(by), self.run.clone()) {
            (true, Some(run)) => self.image.ask(&run).map(job).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn mark(&mut self) {
        let Some(model) = &self.model else { return };
        self.list.mark(model);
        self.card.scroll = 0;
        if self.list.marked.len() >= 2 {
            self.go_to(View::Card);
        }
    }

    /// Requests confusion matrix and latency of the shown module, once.
    pub(super) fn examine(&mut self) -> Vec<Effect> {
        let (View::Card, Some(model)) = (self.view, &self.model) else { return Vec::new() };
        let Some(module) = self.list.manifest(model).map(|module| module.name.clone()) else {
            return Vec::new();
        };
        if self.list.examined.contains_key(&module) {
            return Vec::new();
        }
        // Only the newest request is answered, so earlier ones may be repeated.
        self.list.examined.retain(|_, found| found.is_some());
        self.list.examined.insert(module.clone(), None);
        vec![job(Job::Examine { run: model.run.clone(), module })]
    }

    fn try_image(&mut self) -> Vec<Effect> {
        let Some(model) = &self.model else { return Vec::new() };
        let Some(module) = self.list.manifest(model).map(|module| module.name.clone()) else {
            return Vec::new();
        };
        let run = model.run.clone();
        let same = self.view == View::Image && self.image.module.as_ref() == Some(&module);
        if same {
            let path = self.image.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            self.popup = Some(Popup::Form(OpenForm::Image(forms::image(&path))));
            return Vec::new();
        }
        self.go_to(View::Image);
        self.pane = Pane::View;
        self.image.module = Some(module);
        self.image.found = None;
        self.image.ask(&run).map(job).into_iter().collect()
    }

    fn open(&mut self, action: Action) {
        let Some(model) = &self.model else { return };
        self.popup = match action {
            Action::ExtractModule => Some(Popup::Form(OpenForm::Extract(forms::extract(model)))),
            Action::SaveSet => {
                let form = forms::save_set(&model.classes.chosen_names(), &self.sets);
                Some(Popup::Form(OpenForm::SaveSet(form)))
            }
            Action::LoadSet => Some(Popup::Sets(Selection::default())),
            Action::ComposeModules => {
                let epochs = model.settings.fine_tune_epochs.max(1);
                let form = forms::compose(&self.list.marked, epochs);
                let modules = self.list.marked.iter().map(Marked::named).collect();
                Some(Popup::Form(OpenForm::Compose(form, modules)))
            }
            Action::ReplaceClass => {
                let donors = self.donors();
                let class = model.classes.current().unwrap_or(0);
                let here = self.list.current(model).map(|(name, _)| (model.run.clone(), name.clone()));
                let donor = donors.iter().position(|donor| Some(donor) == here.as_ref()).unwrap_or(0);
                let form = forms::replace(model, &donors, (class, donor));
                Some(Popup::Form(OpenForm::Replace(form, donors)))
            }
            _ => self.list.manifest(model).map(|module| {
                let form = forms::export(&model.run, &module.name);
                Popup::Form(OpenForm::Export(form, module.name.clone()))
            }),
        };
    }

    /// The modules that can replace a class: marked ones of other runs, and all of this run.
    fn donors(&self) -> Vec<ModuleName> {
        let Some(model) = &self.model else { return Vec::new() };
        let marked = self.list.marked.iter().filter(|marked| marked.module.run != model.run);
        let own = model.modules.iter().filter(|(_, module)| module.is_ok());
        let own = own.map(|(name, _)| (model.run.clone(), name.clone()));
        marked.map(Marked::named).chain(own).collect()
    }

    fn verify(&self) -> Vec<Effect> {
        let module = self.model.as_ref().and_then(|model| self.list.current(model));
        match (module, &self.run) {
            (Some((module, _)), Some(run)) => {
                vec![job(Job::Verify { run: run.clone(), module: module.clone() })]
            }
            _ => Vec::new(),
        }
    }

    /// Carries out a valid form.
    pub(super) fn submit(&mut self, open: OpenForm, shared: &mut Shared) -> Vec<Effect> {
        let Some(model) = &self.model else { return Vec::new() };
        match open {
            OpenForm::Extract(form) => {
                let request = forms::request(&form, model);
                let ready = request.and_then(|request| self.extraction.request(request));
                self.go_to(View::Card);
                self.card.scroll = 0;
                ready.map(|request| self.start(request, shared)).unwrap_or_default()
            }
            OpenForm::Export(form, module) => vec![job(forms::export_job(&form, &model.run, &module))],
            OpenForm::Compose(form, modules) => {
                self.making = Some(form.value("name"));
                vec![job(forms::compose_job(&form, modules))]
            }
            OpenForm::Replace(form, donors) => {
                let wanted = forms::replace_job(&form, model, &donors);
                self.making = wanted.is_some().then(|| form.value("name"));
                wanted.map(job).into_iter().collect()
            }
            OpenForm::SaveSet(form) => {
                vec![job(Job::KeepSet { name: form.value("name"), classes: model.classes.chosen_names() })]
            }
            OpenForm::Chart(form) => {
                let saved = self.save_chart(PathBuf::from(form.value("path")));
                saved.map(job).into_iter().collect()
            }
            OpenForm::Image(form) => {
                let path = form.value("path");
                self.image.path = (!path.is_empty()).then(|| path.into());
                let run = model.run.clone();
                self.image.ask(&run).map(job).into_iter().collect()
            }
        }
    }

    pub(super) fn sets_key(&mut self, key: KeyEvent) -> Vec<Effect> {
        let Some(Popup::Sets(selection)) = &mut self.popup else { return Vec::new() };
        let moved = match key.code {
            KeyCode::Up | KeyCode::Char('k') => Some(Action::Up),
            KeyCode::Down | KeyCode::Char('j') => Some(Action::Down),
            KeyCode::PageUp => Some(Action::PageUp),
            KeyCode::PageDown => Some(Action::PageDown),
            KeyCode::Home => Some(Action::Top),
            KeyCode::End => Some(Action::Bottom),
            _ => None,
        };
        if let Some(action) = moved {
            selection.act(action, self.sets.len());
        }
        let name = self.sets.keys().nth(selection.at).cloned();
        match (key.code, name) {
            (KeyCode::Enter | KeyCode::Char(' '), Some(name)) => self.take_set(&name),
            (KeyCode::Char('d') | KeyCode::Delete, Some(name)) => {
                return vec![job(Job::KeepSet { name, classes: Vec::new() })];
            }
            (KeyCode::Esc | KeyCode::Char('q') | KeyCode::Enter, _) => self.popup = None,
            _ => {}
        }
        Vec::new()
    }

    fn take_set(&mut self, name: &str) {
        self.popup = None;
        let (Some(model), Some(classes)) = (&mut self.model, self.sets.get(name)) else { return };
        let unknown = model.classes.choose(classes);
        model.refresh();
        self.notice = Some(match unknown.is_empty() {
            true => Ok(format!("{name}: {} classes", classes.len())),
            false => Err(format!("this run has no class {}", unknown.join(", "))),
        });
    }

    pub(super) fn click_set(&mut self, mouse: MouseEvent, at: Option<(Rect, Target)>) -> Vec<Effect> {
        if mouse.kind == MouseEventKind::Down(MouseButton::Left) {
            match at {
                Some((_, Target::Row(SETS, row))) => {
                    let name = self.sets.keys().nth(row).cloned();
                    name.into_iter().for_each(|name| self.take_set(&name));
                }
                _ => self.popup = None,
            }
        }
        Vec::new()
    }

    /// Handles a mouse event while nothing is open over the screen.
    pub(super) fn point(
        &mut self,
        mouse: MouseEvent,
        at: Option<(Rect, Target)>,
        shared: &mut Shared,
    ) -> Vec<Effect> {
        let drag = MouseEventKind::Drag(MouseButton::Left);
        if let (true, Some((track, index))) = (mouse.kind == drag, self.dragged) {
            // A dragged slider keeps following when the mouse leaves its row.
            self.slide(index, track, mouse.column);
            return Vec::new();
        }
        self.dragged = None;
        let Some((area, target)) = at else { return Vec::new() };
        match mouse.kind {
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
                let action = if mouse.kind == MouseEventKind::ScrollUp { Action::Up } else { Action::Down };
                self.focus(target);
                self.walk(action)
            }
            MouseEventKind::Down(MouseButton::Left) | MouseEventKind::Drag(MouseButton::Left) => {
                let pressed = matches!(mouse.kind, MouseEventKind::Down(_));
                self.click(mouse, area, target, pressed, shared)
            }
            _ => Vec::new(),
        }
    }

    /// Moves a slider (threshold or epoch) to the mouse position.
    fn slide(&mut self, index: usize, track: Rect, column: u16) {
        let Some(model) = &mut self.model else { return };
        match index {
            0 => model.set_threshold(sizes::THRESHOLD.at(track, column)),
            _ => model.retention.show(Retention::range(model).at(track, column).round() as usize),
        }
    }

    fn focus(&mut self, target: Target) {
        match target {
            Target::Pane(pane) | Target::Row(pane, _) => {
                self.pane = Pane::ALL.get(pane).copied().unwrap_or(self.pane);
            }
            Target::Cell(..) => self.pane = Pane::View,
            _ => {}
        }
    }

    fn click(
        &mut self,
        mouse: MouseEvent,
        area: Rect,
        target: Target,
        pressed: bool,
        shared: &mut Shared,
    ) -> Vec<Effect> {
        if pressed {
            self.focus(target);
        }
        let Some(model) = &mut self.model else { return Vec::new() };
        match target {
            Target::Slider(index) => {
                self.dragged = Some((area, index));
                self.slide(index, area, mouse.column);
            }
            Target::Cell(row, column) => {
                self.view = self.view.beside();
                match self.view {
                    View::Retention => (self.layer, self.retention.class) = (row, column),
                    View::Kernels => (self.kernels.class, self.kernels.kernel) = (row, column),
                    View::Overlap => self.overlap.pick(model, row, column),
                    View::Sizes | View::Card | View::Image => {}
                }
            }
            Target::Row(0, row) if pressed => {
                model.classes.go(row);
                model.classes.toggle();
                model.refresh();
            }
            Target::Row(sizes::ROWS, row) if pressed => self.layer = row,
            Target::Row(module_list::ROWS, row) if pressed => {
                self.list.selection.at = row;
                self.list.selection.keep_in(model.modules.len());
                self.go_to(View::Card);
                return self.examine();
            }
            Target::Action(action) if pressed => return self.act(action, shared),
            _ => {}
        }
        Vec::new()
    }
}
