//! The list of the run's extracted modules.

use std::collections::BTreeMap;

use ratatui::layout::Rect;

use super::paint::{Paint, percent, percent_or_dash};
use super::run_model::{ListedModule, RunModel};
use crate::run::ModuleManifest;
use crate::spec::Cost;
use crate::tui::action::Action;
use crate::tui::hits::Target;
use crate::tui::message::{Examination, ModuleName};
use crate::tui::theme::Role;
use crate::tui::widget::{Selection, text};

/// Pane number for mouse targets.
pub(super) const ROWS: usize = 2;

/// State of the list.
#[derive(Clone, Debug, Default)]
pub(super) struct ModuleList {
    pub selection: Selection,
    /// Modules marked for comparing or composing, also of other runs, in marking order.
    pub marked: Vec<Marked>,
    /// Examination results by module; `None` while one is running.
    pub examined: BTreeMap<String, Option<Result<Examination, String>>>,
}

/// A marked module.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Marked {
    /// Its manifest.
    pub module: ModuleManifest,
    /// Cost of the network that it was extracted from.
    pub whole: Cost,
}

impl Marked {
    /// Its run and name.
    pub fn named(&self) -> ModuleName {
        (self.module.run.clone(), self.module.name.clone())
    }

    fn is(&self, run: &str, name: &str) -> bool {
        self.module.run == run && self.module.name == name
    }
}

impl ModuleList {
    /// The module under the cursor.
    pub fn current<'a>(&self, model: &'a RunModel) -> Option<&'a ListedModule> {
        model.modules.get(self.selection.at)
    }

    /// The module under the cursor, if readable.
    pub fn manifest<'a>(&self, model: &'a RunModel) -> Option<&'a ModuleManifest> {
        self.current(model)?.1.as_ref().ok()
    }

    /// Moves the cursor to a module.
    pub fn select(&mut self, model: &RunModel, name: &str) {
        if let Some(at) = model.modules.iter().position(|(other, _)| other == name) {
            self.selection.at = at;
        }
    }

    /// Toggles the mark of the module under the cursor.
    pub fn mark(&mut self, model: &RunModel) {
        let Some((name, module)) = self.current(model) else { return };
        match self.marked.iter().position(|marked| marked.is(&model.run, name)) {
            Some(at) => {
                self.marked.remove(at);
            }
            None => {
                let marked =
                    module.as_ref().ok().cloned().map(|module| Marked { module, whole: model.whole });
                self.marked.extend(marked);
            }
        }
    }

    /// Updates marks, cursor and results after the list was reloaded.
    pub fn keep_in(&mut self, model: &RunModel) {
        let find = |name: &String| model.modules.iter().find(|(other, _)| other == name);
        self.marked.retain_mut(|marked| {
            if marked.module.run != model.run {
                return true;
            }
            let found = find(&marked.module.name).and_then(|(_, module)| module.as_ref().ok());
            found.inspect(|module| marked.module.clone_from(module)).is_some()
        });
        self.examined.retain(|name, _| find(name).is_some());
        self.selection.keep_in(model.modules.len());
    }

    /// Draws the list: mark, name, accuracy, retention.
    pub fn view(&self, model: &RunModel, paint: &mut Paint<'_>, area: Rect, focused: bool) {
        if model.modules.is_empty() {
            let extract = paint.key(Action::ExtractModule);
            paint.note(area, &format!("No modules yet: choose classes and press {extract}."), Role::Dim);
            return;
        }
        let first = self.selection.first(model.modules.len(), usize::from(area.height));
        for (row, index) in (0..area.height).zip(first..model.modules.len()) {
            let (name, module) = &model.modules[index];
            let marked = self.marked.iter().any(|marked| marked.is(&model.run, name));
            let mark = if marked { "+" } else { " " };
            let (figures, role) = match module {
                Ok(module) => {
                    let accuracy = module.accuracy_after.or(module.accuracy_before);
                    let kernels = if area.width >= 34 { percent(module.krr) } else { String::new() };
                    (format!("{:>8} {kernels:>8}", percent_or_dash(accuracy)), Role::Text)
                }
                Err(_) => ("damaged".to_owned(), Role::Bad),
            };
            let figures = figures.trim_end().to_owned();
            let room = usize::from(area.width).saturating_sub(text::width(&figures) + 3);
            let name = text::fit(name, room, false, paint.look.charset);
            let parts = [(mark, Role::Key), (&name, Role::Text), (" ", Role::Text), (&figures, role)];
            paint.line(area, row, &parts);
            if index == self.selection.at {
                paint.select(area, row, focused);
            }
            paint.hits.add(Rect { y: area.y + row, height: 1, ..area }, Target::Row(ROWS, index));
        }
    }
}
