//! The size of the previewed module: figures and bars per layer.

use ratatui::layout::Rect;

use super::paint::{Paint, count, first_row, percent};
use super::preview::Preview;
use super::run_model::RunModel;
use crate::plot::{Bar, Bars};
use crate::tui::hits::Target;
use crate::tui::theme::Role;
use crate::tui::widget::{Range, Scale, Slider};

/// Pane number for mouse targets.
pub(super) const ROWS: usize = 1;

/// The slider's range. A threshold of 0 is not valid: the smallest value set is above 0.
pub(super) const THRESHOLD: Range = Range { low: 0.0, high: 1.0, scale: Scale::Linear };

/// Height of [`figures`] in rows.
pub(super) const FIGURES: u16 = 5;

/// Draws the threshold slider and, below it, what the module keeps and costs.
pub(super) fn figures(model: &RunModel, paint: &mut Paint<'_>, area: Rect) {
    if model.has_class_masks() {
        paint.line(area, 0, &[(" class masks fixed in training; no threshold", Role::Dim)]);
    } else {
        let value = model.threshold();
        let slider = Slider { label: "threshold", value, pending: None, range: THRESHOLD, selected: false };
        slider.view_short(paint.look, area, paint.buffer, paint.hits, 0);
    }
    let below = Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area };
    let Some(preview) = model.preview() else {
        let why = model.why_not(paint.keys).unwrap_or_default();
        let inset = below.width.min(1);
        paint.note(Rect { x: below.x + inset, width: below.width - inset, ..below }, &why, Role::Warn);
        return;
    };
    for (row, (label, value, rest)) in (0..).zip(rows(preview)) {
        let label = format!(" {label:<11}");
        paint.line(below, row, &[(&label, Role::Dim), (&value, Role::Title), (&rest, Role::Text)]);
    }
}

/// Label, figure, and the total it is a part of.
fn rows(preview: &Preview) -> [(&'static str, String, String); 4] {
    let (cost, whole) = (&preview.cost, &preview.whole);
    let (tracked, kept, all) = (preview.tracked, preview.kernels_all, preview.all);
    let part = |ratio: f64, whole: u64| format!(", {} of {}", percent(ratio), count(whole));
    [
        ("kernels", preview.kernels.to_string(), format!(" of {tracked} masked; {kept} of all {all}")),
        ("KRR", percent(preview.krr()), format!(" of masked; {} of all", percent(preview.krr_all()))),
        ("parameters", count(cost.params()), part(preview.params_ratio(), whole.trunk_params)),
        ("MACs", count(cost.macs()), part(preview.macs_ratio(), whole.macs())),
    ]
}

/// Draws the kernels kept per layer as bars; `layer` is the selected one.
pub(super) fn bars(model: &RunModel, layer: usize, paint: &mut Paint<'_>, area: Rect) {
    // The reason for a missing module is shown above.
    let Some(preview) = model.preview() else { return };
    let legend = u16::from(preview.lowered.contains(&true) && area.height > 3);
    let body = Rect { height: area.height - legend, ..area };
    if let Some(bars) = chart(model) {
        bars.selected(Some(layer)).render(body, paint.buffer, &paint.canvas);
    }
    let first = first_row(layer, model.sites.len(), body.height);
    for (row, index) in (0..body.height).zip(first..model.sites.len()) {
        paint.hits.add(Rect { y: body.y + row, height: 1, ..body }, Target::Row(ROWS, index));
    }
    if legend > 0 {
        let text = "* threshold lowered: a class has no kernel above it";
        paint.line(Rect { y: body.bottom(), height: 1, ..area }, 0, &[(text, Role::Dim)]);
    }
}

/// The chart of kernels kept per layer.
pub(super) fn chart(model: &RunModel) -> Option<Bars> {
    let preview = model.preview()?;
    let rows = model.sites.iter().zip(&preview.kept).zip(&preview.lowered);
    let bars = rows.map(|((site, &kept), &lowered)| {
        let name = if lowered { format!("{}*", site.name) } else { site.name.clone() };
        Bar::new(name, kept as f64, site.units as f64)
    });
    Some(Bars::new("", bars))
}
