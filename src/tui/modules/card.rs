//! The card of an extracted module, or the comparison of several.

use ratatui::layout::Rect;

use super::module_list::{Marked, ModuleList};
use super::paint::{Paint, count, heads, percent, percent_or_dash, seconds};
use super::run_model::{RunModel, no_module};
use crate::modular::Provenance;
use crate::plot::{HeatMap, Unit};
use crate::run::{Control, ModuleManifest, Origin};
use crate::spec::Cost;
use crate::tui::action::Action;
use crate::tui::message::Examination;
use crate::tui::theme::Role;
use crate::tui::widget::text;

/// State of the view.
#[derive(Clone, Debug, Default)]
pub(super) struct CardView {
    /// Whether the confusion matrix is maximised.
    pub confusion: bool,
    /// First visible line, or first visible module of a comparison.
    pub scroll: usize,
}

/// A line of the card: label, value, and for an accuracy the fraction for a bar.
struct CardLine {
    label: String,
    value: String,
    share: Option<f64>,
}

impl CardLine {
    fn new(label: &str, value: String) -> Self {
        CardLine { label: label.into(), value, share: None }
    }

    fn accuracy(label: &str, share: Option<f64>, more: &str) -> Self {
        CardLine { label: label.into(), value: format!("{:>8}{more}", percent_or_dash(share)), share }
    }
}

/// Width of the labels.
const LABEL: usize = 22;

/// Width of the labels in an area: the longest label and a gap, also on small screens.
fn gutter(area: Rect) -> usize {
    LABEL.min(usize::from(area.width) * 5 / 9)
}

impl CardView {
    /// Draws the comparison of the marked modules if there are two or more, else the module under the cursor.
    pub fn view(&self, model: &RunModel, list: &ModuleList, paint: &mut Paint<'_>, area: Rect) {
        if list.marked.len() >= 2 {
            return self.compare(model, &list.marked, paint, area);
        }
        match list.current(model) {
            None => {
                paint.note(area, &no_module(paint.keys), Role::Dim);
            }
            Some((name, Err(why))) => {
                paint.line(area, 0, &[(name, Role::Title)]);
                let below =
                    Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area };
                paint.note(
                    below,
                    &format!(
                        "{why}; delete it with {}, or extract it again",
                        paint.key(Action::DeleteModule)
                    ),
                    Role::Bad,
                );
            }
            Some((name, Ok(module))) => {
                let found = list.examined.get(name);
                self.one(model, module, found, paint, area);
            }
        }
    }

    fn one(
        &self,
        model: &RunModel,
        module: &ModuleManifest,
        found: Option<&Option<Result<Examination, String>>>,
        paint: &mut Paint<'_>,
        area: Rect,
    ) {
        let mut lines = figures(module, &model.whole);
        lines.extend(latency(found));
        let examined = found.and_then(Option::as_ref).and_then(|found| found.as_ref().ok());
        let wide = area.width >= 90;
        let tall = usize::from(area.height) >= lines.len() + 8;
        let (text, matrix) = match (wide, tall) {
            _ if self.confusion => (None, Some(area)),
            (true, _) => {
                let half = Rect { width: area.width / 2, ..area };
                (Some(half), Some(Rect { x: half.right() + 1, width: area.width - half.width - 1, ..area }))
            }
            (false, true) => {
                let rows = lines.len() as u16 + 1;
                let top = Rect { height: rows, ..area };
                (Some(top), Some(Rect { y: top.bottom(), height: area.height - rows, ..area }))
            }
            (false, false) => (Some(area), None),
        };
        if let Some(text) = text {
            self.lines(&lines, paint, text, matrix.is_none());
        }
        if let Some(area) = matrix {
            confusion(module, examined, paint, area);
        }
    }

    fn lines(&self, lines: &[CardLine], paint: &mut Paint<'_>, area: Rect, more: bool) {
        let height = area.height.saturating_sub(u16::from(more));
        let first = self.scroll.min(lines.len().saturating_sub(usize::from(height)));
        for (row, line) in (0..height).zip(&lines[first..]) {
            let label = text::fit(&line.label, gutter(area), false, paint.look.charset);
            let used = paint.line(area, row, &[(&label, Role::Dim), (&line.value, Role::Text)]);
            let room = area.width.saturating_sub(used + 2).min(30);
            if let (Some(share), true) = (line.share, room >= 6) {
                let bar = paint.bar(share, room);
                let place = Rect { x: area.x + used + 2, width: room, ..area };
                paint.line(place, row, &[(&bar, Role::Series(0))]);
            }
        }
        if more {
            paint.hint(
                area,
                area.height.saturating_sub(1),
                "",
                &format!("{}: confusion matrix; up/down: scroll", paint.key(Action::Accept)),
            );
        }
    }

    /// Draws one column per module.
    fn compare(&self, model: &RunModel, modules: &[Marked], paint: &mut Paint<'_>, area: Rect) {
        let gutter = gutter(area);
        let room = usize::from(area.width) - gutter;
        let width = (room / modules.len()).clamp(11, 40).min(room.max(1));
        let shown = (room / width).max(1);
        let first = self.scroll.min(modules.len().saturating_sub(shown));
        let charset = paint.look.charset;
        let several = modules.iter().any(|marked| marked.module.run != model.run);
        let column = |Marked { module, whole }: &Marked| {
            let mut lines = core(module, whole);
            if several {
                lines.insert(1, CardLine::new("run", module.run.clone()));
            }
            lines
        };
        let columns: Vec<Vec<CardLine>> = modules[first..].iter().take(shown).map(column).collect();
        let Some(labels) = columns.first() else { return };
        for (row, line) in (0..area.height).zip(0..labels.len()) {
            let label = text::fit(&labels[line].label, gutter, false, charset);
            let cell = |column: &Vec<CardLine>| {
                let value = column.get(line).map_or("", |line| line.value.trim());
                // Text after a comma or in brackets is dropped before truncating.
                let listed = labels[line].label == "classes";
                let short = value.split([',', '(']).next().filter(|_| !listed && text::width(value) >= width);
                text::fit(short.unwrap_or(value), width.saturating_sub(1), false, charset) + " "
            };
            let cells: String = columns.iter().map(cell).collect();
            let role = if row == 0 { Role::Title } else { Role::Text };
            paint.line(area, row, &[(&label, Role::Dim), (&cells, role)]);
        }
        let hidden = modules.len() - shown.min(modules.len());
        if hidden > 0 && area.height > 0 {
            let hint = format!("{hidden} more: left/right");
            paint.line(area, area.height - 1, &[(&hint, Role::Dim)]);
        }
    }
}

/// The lines of a module; for a composed one also its parts and the accuracy per class.
fn figures(module: &ModuleManifest, whole: &Cost) -> Vec<CardLine> {
    let mut lines = core(module, whole);
    let Some(card) = module.card.as_ref().filter(|card| card.origin != Origin::Extracted) else {
        return lines;
    };
    let parts = card.parents.iter().map(|parent| match &parent.module {
        Some(module) => format!("{}/{module}", parent.run),
        None => parent.run.clone(),
    });
    lines.insert(2, CardLine::new("composed of", parts.collect::<Vec<_>>().join(", ")));
    lines.extend(card.class_accuracy.iter().map(|row| {
        let before = format!(", before {}", percent(row.before));
        CardLine::accuracy(&format!("  class {}", row.class), Some(row.after), &before)
    }));
    lines
}

/// The lines that every module has; their number is constant.
fn core(module: &ModuleManifest, whole: &Cost) -> Vec<CardLine> {
    let of =
        |part: u64, all: u64| format!(", {} of {}", percent(part as f64 / all.max(1) as f64), count(all));
    let epochs = module.fine_tune_epochs;
    let origin = module.card.as_ref().map_or(Origin::Extracted, |card| card.origin);
    let side_by_side = module.is_side_by_side();
    let head = if module.head { "new head" } else { "the network's logits" };
    let folded = if module.fold_masks { ", masks folded" } else { "" };
    let head =
        if side_by_side { "calibrated logits of its parts".to_owned() } else { format!("{head}{folded}") };
    let task = if module.one_vs_rest { "the class against all others" } else { "among these classes" };
    let taken = match origin {
        Origin::Extracted => "extracted",
        Origin::Composed => "composed",
        Origin::Replaced => "replaced",
    };
    let (before, after) = match side_by_side {
        true => ("  before calibration", "  calibrated"),
        false => ("  module, extracted", "  module, fine-tuned"),
    };
    let mut lines = vec![
        CardLine::new("module", module.name.clone()),
        CardLine::new("classes", format!("{}: {}", module.class_indices.len(), module.classes.join(", "))),
        CardLine::new(taken, format!("at step {}{}", module.step, way(module))),
        CardLine::new("head", head),
        CardLine::new("fine-tuned", if epochs == 0 { "no".into() } else { format!("for {epochs} epochs") }),
        CardLine::new("kernels kept", module.kernels.to_string()),
        CardLine::new("KRR, masked kernels", percent(module.krr)),
        CardLine::new("KRR, all kernels", percent(module.krr_all)),
        CardLine::new(
            "parameters",
            format!("{}{}", count(module.params), of(module.params, whole.trunk_params)),
        ),
        CardLine::new("MACs per image", format!("{}{}", count(module.macs), of(module.macs, whole.macs()))),
        CardLine::new("test accuracy", task.to_owned()),
        CardLine::accuracy("  whole network", module.whole_accuracy, ""),
        CardLine::accuracy(before, module.accuracy_before, ""),
        CardLine::accuracy(after, module.accuracy_after, ""),
    ];
    let controls = &module.controls;
    if controls.is_empty() {
        let none = if side_by_side { "not available" } else { "not measured" };
        lines.push(CardLine::new("  random kernels", none.into()));
        lines.push(CardLine::new("  random, fine-tuned", none.into()));
        return lines;
    }
    lines.push(of_controls("  random kernels", controls, |control| Some(control.accuracy_before)));
    lines.push(of_controls("  random, fine-tuned", controls, |control| control.accuracy_after));
    lines
}

/// Mean and range over the random-kernel controls.
fn of_controls(label: &str, controls: &[Control], of: impl Fn(&Control) -> Option<f64>) -> CardLine {
    let found: Vec<f64> = controls.iter().filter_map(of).collect();
    if found.is_empty() {
        return CardLine::accuracy(label, None, "");
    }
    let mean = found.iter().sum::<f64>() / found.len() as f64;
    let low = found.iter().copied().fold(f64::INFINITY, f64::min);
    let high = found.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let more = match found.len() {
        1 => " (1 draw)".to_owned(),
        n => format!(" ({:.1} to {:.1}, {n} draws)", 100.0 * low, 100.0 * high),
    };
    CardLine::accuracy(label, Some(mean), &more)
}

fn latency(found: Option<&Option<Result<Examination, String>>>) -> Vec<CardLine> {
    let found = match found {
        None => return vec![CardLine::new("latency", "press enter to measure".into())],
        Some(None) => return vec![CardLine::new("latency", "measuring...".into())],
        Some(Some(Err(why))) => return vec![CardLine::new("latency", why.clone())],
        Some(Some(Ok(found))) => found,
    };
    let (module, whole) = (found.seconds_per_image, found.whole_seconds_per_image);
    let times = if module > 0.0 { whole / module } else { 0.0 };
    vec![
        CardLine::new("latency per image", seconds(module)),
        CardLine::new("  whole network", format!("{}: {times:.1} x the module's", seconds(whole))),
    ]
}

/// Draws the confusion matrix: rows are true classes, columns predicted ones; values are fractions of a row.
fn confusion(module: &ModuleManifest, found: Option<&Examination>, paint: &mut Paint<'_>, area: Rect) {
    let Some(found) = found else {
        paint.note(area, "Press enter to compute the confusion matrix and the latency.", Role::Dim);
        return;
    };
    paint.line(area, 0, &[("confusion matrix (rows: true class, columns: predicted)", Role::Title)]);
    let body = Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area };
    let names = &module.classes;
    let share = |row: &Vec<u32>| {
        let all: u32 = row.iter().sum();
        row.iter().map(move |&n| f64::from(n) / f64::from(all.max(1))).collect::<Vec<f64>>()
    };
    let values: Vec<f64> = found.confusion.iter().flat_map(share).collect();
    let columns = found.confusion.first().map_or(0, Vec::len);
    let rows: Vec<String> = names.iter().take(found.confusion.len()).cloned().collect();
    let columns = heads(names.iter().take(columns), paint.look.charset);
    HeatMap::new("", rows, columns, values).unit(Unit::Percent).render(body, paint.buffer, &paint.canvas);
}

/// How the units of a module were chosen, behind a comma.
fn way(module: &ModuleManifest) -> String {
    match module.provenance() {
        Some(Provenance { by, threshold: Some(threshold), .. }) if by == Provenance::USAGE => {
            format!(", threshold {threshold}")
        }
        Some(provenance) => format!(", by {provenance}"),
        None => String::new(),
    }
}
