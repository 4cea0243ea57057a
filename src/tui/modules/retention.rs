//! Which share of each layer's kernels fires for each class, over the epochs.

use ratatui::layout::Rect;

use super::moments::Moment;
use super::paint::{Paint, heads};
use super::subject::Subject;
use crate::plot::{HeatMap, Unit};
use crate::tui::action::Action;
use crate::tui::theme::{Charset, Role};
use crate::tui::widget::{Range, Scale, Slider};

/// State of the view; the layer under the cursor is shared with other views.
#[derive(Clone, Debug, Default)]
pub(super) struct Retention {
    /// Class under the cursor.
    pub class: usize,
    /// Whether training images are shown in place of validation images.
    pub train: bool,
}

impl Retention {
    /// The rates shown, `[layer][class]`: those of the other images where an epoch lacks the wanted ones.
    fn rates<'a>(&self, moment: &'a Moment) -> (&'a [Vec<f64>], &'static str) {
        match self.train && !moment.train.is_empty() || moment.valid.is_empty() {
            true => (&moment.train, "training images"),
            false => (&moment.valid, "validation images"),
        }
    }

    /// The rate under the cursor, as text.
    pub fn value(&self, subject: &Subject, layer: usize) -> Option<String> {
        let (_, moment) = subject.moments.shown()?;
        Some(format!("{:.4}", self.rates(moment).0.get(layer)?.get(self.class)?))
    }

    /// The range of the slider over the epochs.
    pub fn range(subject: &Subject) -> Range {
        Range { low: 0.0, high: subject.moments.len().saturating_sub(1) as f64, scale: Scale::Linear }
    }

    /// The map of the epoch shown.
    pub fn map<'a>(&self, subject: &'a Subject, layer: usize, charset: Charset) -> Option<HeatMap<'a>> {
        let (_, moment) = subject.moments.shown()?;
        let layers: Vec<String> = subject.sites.iter().map(|layer| layer.name.clone()).collect();
        let classes = subject.classes.names();
        let at_class = |row: &[f64], class: usize| row.get(class).copied().unwrap_or(f64::NAN);
        let rates = self.rates(moment).0.iter();
        let values: Vec<f64> =
            rates.flat_map(|row| (0..classes.len()).map(|class| at_class(row, class))).collect();
        let map = HeatMap::new("", layers, heads(classes, charset), values);
        Some(map.unit(Unit::Percent).selected(Some((layer, self.class))))
    }

    /// Draws the map of the epoch shown, with the slider over the epochs below.
    pub fn view(&self, subject: &Subject, layer: usize, paint: &mut Paint<'_>, area: Rect) {
        let Some((at, moment)) = subject.moments.shown() else {
            let why = match subject.has_masks() {
                true => {
                    "Retention is measured at the end of every epoch; no epoch is complete yet.".to_owned()
                }
                false => subject.why_not(paint.keys).unwrap_or_default(),
            };
            paint.note(area, &why, Role::Warn);
            return;
        };
        let foot = if area.height >= 8 { 3 } else { u16::from(area.height >= 4) };
        let body = Rect { height: area.height - foot, ..area };
        if let Some(map) = self.map(subject, layer, paint.look.charset) {
            let cells = map.render(body, paint.buffer, &paint.canvas);
            paint.cells(cells);
        }
        let below = Rect { y: body.bottom(), height: foot, ..area };
        // The slider shows the epoch's number and stands at its place in the list.
        let low = moment.epoch as f64 - at as f64;
        let range = Range { low, high: low + Self::range(subject).high, scale: Scale::Linear };
        let slider =
            Slider { label: "epoch", value: moment.epoch as f64, pending: None, range, selected: false };
        slider.view_short(
            paint.look,
            Rect { height: below.height.min(1), ..below },
            paint.buffer,
            paint.hits,
            1,
        );
        let images = self.rates(moment).1;
        let newest = if subject.moments.follows() { " (newest)" } else { "" };
        let line = format!("step {}{newest}, {images}", moment.step);
        paint.line(below, 1, &[(&line, Role::Text)]);
        let [back, forward, other, enter] =
            [Action::ScrubBack, Action::ScrubForward, Action::SortMatrix, Action::Accept]
                .map(|of| paint.key(of));
        let always = format!("{back} {forward} epochs; {other}: images");
        paint.hint(below, 2, &always, &format!("{enter}: kernels"));
    }
}
