//! The image view: a module's prediction for an image.

use std::path::{Path, PathBuf};

use ratatui::layout::Rect;

use super::paint::{Paint, percent};
use crate::plot::Picture;
use crate::tui::action::Action;
use crate::tui::message::{Job, Prediction};
use crate::tui::theme::Role;
use crate::tui::widget::text;

/// State of the view.
#[derive(Clone, Debug, Default)]
pub(super) struct ImageView {
    /// The module.
    pub module: Option<String>,
    /// The image file; `None` for the run's test images.
    pub path: Option<PathBuf>,
    /// Index of the test image.
    pub index: usize,
    /// The newest prediction; `None` before the first.
    pub found: Option<Result<Box<Prediction>, String>>,
    /// Whether a prediction is running.
    pub waiting: bool,
}

impl ImageView {
    /// The job for the current module and image.
    #[must_use]
    pub fn ask(&mut self, run: &str) -> Option<Job> {
        let module = self.module.clone()?;
        self.waiting = true;
        Some(Job::Predict { run: run.into(), module, image: self.path.clone(), index: self.index })
    }

    /// Adopts a prediction if it belongs to the current module and image.
    pub fn answer(&mut self, asked: (&str, Option<&Path>, usize), found: &Result<Box<Prediction>, String>) {
        if Some(asked) == self.module.as_deref().map(|module| (module, self.path.as_deref(), self.index)) {
            self.found = Some(found.clone());
            self.waiting = false;
        }
    }

    /// Moves by a number of test images; returns false for an image file or if there is no earlier image.
    pub fn turn(&mut self, by: isize) -> bool {
        let next = self.index.checked_add_signed(by).filter(|_| self.path.is_none() && self.module.is_some());
        let Some(next) = next else { return false };
        self.index = next;
        true
    }

    /// The most probable class, as text.
    pub fn value(&self) -> Option<String> {
        let Some(Ok(found)) = &self.found else { return None };
        let best = found.probabilities.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(format!("{} {:.4}", best.0, best.1))
    }

    /// Draws the image and, beside or below it, the probabilities.
    pub fn view(&self, paint: &mut Paint<'_>, area: Rect) {
        let module = self.module.as_deref().unwrap_or_default();
        let another = paint.key(Action::TryImage);
        let hint = match self.path {
            Some(_) => format!("{another}: another image"),
            None => format!("left/right: other test images; {another}: a file"),
        };
        let body = Rect { height: area.height.saturating_sub(1), ..area };
        paint.hint(area, area.height.saturating_sub(1), "", &hint);
        let found = match &self.found {
            None => {
                paint.note(body, &format!("{module} classifies the image..."), Role::Pending);
                return;
            }
            Some(Err(why)) => {
                paint.note(body, why, Role::Bad);
                return;
            }
            Some(Ok(found)) => found,
        };
        let truth = match &found.truth {
            Some(truth) => format!(", true class {truth}"),
            None => String::new(),
        };
        let waiting = if self.waiting { " ..." } else { "" };
        let title = format!("{}{truth}{waiting}", found.name);
        paint.line(body, 0, &[(module, Role::Title), (": ", Role::Text), (&title, Role::Text)]);
        let body = Rect { y: body.y + body.height.min(1), height: body.height.saturating_sub(1), ..body };
        let [channels, height, width] = found.shape;
        let picture = Picture::planar(channels, height, width, &found.pixels);
        let room = Rect { width: body.width / 2, ..body };
        let used = match &picture {
            Some(picture) if room.height > 0 && room.width > 0 => {
                picture.render(room, paint.buffer, &paint.canvas);
                picture.size(room).0
            }
            _ => 0,
        };
        let right = body.x + used + 2;
        let beside = Rect { x: right, width: body.right().saturating_sub(right), ..body };
        probabilities(found, paint, beside);
    }
}

/// Draws the most probable classes that fit, with the true one marked.
fn probabilities(found: &Prediction, paint: &mut Paint<'_>, area: Rect) {
    let mut order: Vec<&(String, f64)> = found.probabilities.iter().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let widest = order.iter().map(|(name, _)| text::width(name)).max().unwrap_or(0);
    let name = widest.min(usize::from(area.width) / 3);
    let columns = usize::from(area.width).saturating_sub(name + 12).min(40) as u16;
    for (row, (class, share)) in (0..area.height).zip(order) {
        let is_true = found.truth.as_ref() == Some(class);
        let mark = match (is_true, row) {
            (true, _) => paint.look.charset.pick("✓ ", "* "),
            (false, 0) if found.truth.is_some() => paint.look.charset.pick("✗ ", "x "),
            _ => "  ",
        };
        let role = match (is_true, row) {
            (true, 0) => Role::Good,
            (false, 0) if found.truth.is_some() => Role::Bad,
            _ => Role::Text,
        };
        let label = text::fit(class, name, false, paint.look.charset);
        let value = format!(" {:>7} ", percent(*share));
        let bar = paint.bar(*share, columns);
        paint.line(area, row, &[(mark, role), (&label, role), (&value, Role::Text), (&bar, Role::Series(0))]);
    }
}
