//! The retention view: fraction of each layer's kernels that fire for each class, over the epochs.

use ratatui::layout::Rect;

use super::paint::{Paint, heads};
use super::retention_history::EpochRetention;
use super::run_model::RunModel;
use crate::plot::{HeatMap, Unit};
use crate::tui::action::Action;
use crate::tui::theme::{Charset, Role};
use crate::tui::widget::{Range, Scale, Slider};

/// State of the view; the selected layer is shared with other views.
#[derive(Clone, Debug, Default)]
pub(super) struct Retention {
    /// Class under the cursor.
    pub class: usize,
    /// Whether training images are shown instead of validation images.
    pub train: bool,
}

impl Retention {
    /// The rates shown, `[layer][class]`; those of the other split if an epoch lacks the selected one.
    fn rates<'a>(&self, epoch: &'a EpochRetention) -> (&'a [Vec<f64>], &'static str) {
        match self.train && !epoch.train.is_empty() || epoch.valid.is_empty() {
            true => (&epoch.train, "training images"),
            false => (&epoch.valid, "validation images"),
        }
    }

    /// The rate under the cursor, as text.
    pub fn value(&self, model: &RunModel, layer: usize) -> Option<String> {
        let (_, epoch) = model.retention.shown()?;
        Some(format!("{:.4}", self.rates(epoch).0.get(layer)?.get(self.class)?))
    }

    /// The range of the slider over the epochs.
    pub fn range(model: &RunModel) -> Range {
        Range { low: 0.0, high: model.retention.len().saturating_sub(1) as f64, scale: Scale::Linear }
    }

    /// The heat map of the shown epoch.
    pub fn map<'a>(&self, model: &'a RunModel, layer: usize, charset: Charset) -> Option<HeatMap<'a>> {
        let (_, epoch) = model.retention.shown()?;
        let layers: Vec<String> = model.sites.iter().map(|layer| layer.name.clone()).collect();
        let classes = model.classes.names();
        let at_class = |row: &[f64], class: usize| row.get(class).copied().unwrap_or(f64::NAN);
        let rates = self.rates(epoch).0.iter();
        let values: Vec<f64> =
            rates.flat_map(|row| (0..classes.len()).map(|class| at_class(row, class))).collect();
        let map = HeatMap::new("", layers, heads(classes, charset), values);
        Some(map.unit(Unit::Percent).selected(Some((layer, self.class))))
    }

    /// Draws the heat map of the shown epoch, with the epoch slider below.
    pub fn view(&self, model: &RunModel, layer: usize, paint: &mut Paint<'_>, area: Rect) {
        let Some((at, epoch)) = model.retention.shown() else {
            let why = match model.has_masks() {
                true => {
                    "Retention is measured at the end of every epoch; no epoch is complete yet.".to_owned()
                }
                false => model.why_not(paint.keys).unwrap_or_default(),
            };
            paint.note(area, &why, Role::Warn);
            return;
        };
        let foot = if area.height >= 8 { 3 } else { u16::from(area.height >= 4) };
        let body = Rect { height: area.height - foot, ..area };
        if let Some(map) = self.map(model, layer, paint.look.charset) {
            let cells = map.render(body, paint.buffer, &paint.canvas);
            paint.cells(cells);
        }
        let below = Rect { y: body.bottom(), height: foot, ..area };
        // The slider shows the epoch's number; its position is the index in the list.
        let low = epoch.epoch as f64 - at as f64;
        let range = Range { low, high: low + Self::range(model).high, scale: Scale::Linear };
        let slider =
            Slider { label: "epoch", value: epoch.epoch as f64, pending: None, range, selected: false };
        slider.view_short(
            paint.look,
            Rect { height: below.height.min(1), ..below },
            paint.buffer,
            paint.hits,
            1,
        );
        let images = self.rates(epoch).1;
        let newest = if model.retention.follows() { " (newest)" } else { "" };
        let line = format!("step {}{newest}, {images}", epoch.step);
        paint.line(below, 1, &[(&line, Role::Text)]);
        let [back, forward, other, enter] =
            [Action::ScrubBack, Action::ScrubForward, Action::SortMatrix, Action::Accept]
                .map(|of| paint.key(of));
        let always = format!("{back} {forward} epochs; {other}: images");
        paint.hint(below, 2, &always, &format!("{enter}: kernels"));
    }
}
