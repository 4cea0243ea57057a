//! Drawing of the modules screen.
//!
//! ```text
//! classes 2/10 ┬ module of 3, 8        classes 2/10 ┬ module of 3, 8 ┬ overlap
//!  [x] 3       │ threshold ───●─        [x] 3       │ threshold ──●─ │
//!  [ ] 4       │ kernels ...            [ ] 4       │ kernels ...    │   the view
//! ─────────────┼ the view ────────      ────────────┼ sizes ──────── │
//! modules 1    │                        modules 1   │                │
//! ```
//!
//! The second layout is for wide terminals. On low terminals the lists of classes and of modules take turns; on
//! narrow ones a single pane is shown.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::act::SETS;
use super::paint::{Paint, first_row, percent};
use super::run_model::{Counts, RunModel};
use super::{Modules, Pane, Popup, View, WIDE, sizes};
use crate::tui::action::Action;
use crate::tui::hits::{Hits, Target};
use crate::tui::shared::Shared;
use crate::tui::theme::Role;
use crate::tui::widget::{Selection, popup, text};

/// Width below which a single pane is shown.
const NARROW: u16 = 48;
/// Height below which the lists take turns and the figures have no border.
const LOW: u16 = 18;

pub(super) fn draw(screen: &Modules, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let area = area.intersection(buffer.area);
    if area.is_empty() {
        return;
    }
    let mut paint = Paint::new(shared, buffer, hits);
    match &screen.model {
        Some(model) => panes(screen, model, shared, &mut paint, area),
        None => nothing(screen, &mut paint, area),
    }
    match &screen.popup {
        Some(Popup::Form(open)) => open.form().view(paint.look, area, paint.buffer, paint.hits),
        Some(Popup::Delete(dialog, _)) => dialog.view(paint.look, area, paint.buffer, paint.hits),
        Some(Popup::Sets(selection)) => sets(screen, selection, &mut paint, area),
        None => {}
    }
}

fn nothing(screen: &Modules, paint: &mut Paint<'_>, area: Rect) {
    let inner = paint.frame(area, "modules", true);
    let (text, role) = match (&screen.trouble, &screen.run) {
        (Some(why), _) => (why.clone(), Role::Bad),
        (None, Some(run)) => (format!("Reading {run}..."), Role::Pending),
        (None, None) => {
            let [home, open, new] =
                [Action::GoHome, Action::Accept, Action::NewRun].map(|action| paint.key(action));
            let text = format!(
                "No run is open. Press {home} for the run list: {open} opens one, {new} starts a new one."
            );
            (text, Role::Text)
        }
    };
    paint.note(inner, &text, role);
}

fn panes(screen: &Modules, model: &RunModel, shared: &Shared, paint: &mut Paint<'_>, area: Rect) {
    if area.width < NARROW {
        match screen.pane {
            Pane::View => right(screen, model, shared, paint, area),
            _ => left(screen, model, shared, paint, area),
        }
        return;
    }
    let names = model.classes.names().iter().map(|name| text::width(name)).max().unwrap_or(0) as u16;
    let most = if shared.size.0 >= WIDE { area.width / 4 } else { area.width / 3 };
    let width = (names + 16).clamp(22, 40).min(most);
    left(screen, model, shared, paint, Rect { width, ..area });
    right(screen, model, shared, paint, Rect { x: area.x + width, width: area.width - width, ..area });
}

/// Classes above, modules below.
fn left(screen: &Modules, model: &RunModel, shared: &Shared, paint: &mut Paint<'_>, area: Rect) {
    if area.height < LOW {
        match screen.pane {
            Pane::Modules => module_list(screen, model, shared, paint, area),
            _ => classes(screen, model, paint, area),
        }
        return;
    }
    let wanted = model.modules.len().max(1) + 2 + usize::from(!status(screen, shared).is_empty()) * 2;
    let low = u16::try_from(wanted).unwrap_or(u16::MAX).clamp(4, area.height / 2);
    classes(screen, model, paint, Rect { height: area.height - low, ..area });
    module_list(screen, model, shared, paint, Rect { y: area.bottom() - low, height: low, ..area });
}

fn classes(screen: &Modules, model: &RunModel, paint: &mut Paint<'_>, area: Rect) {
    let focused = screen.pane == Pane::Classes;
    let classes = &model.classes;
    let title = format!("classes {} of {}", classes.chosen().len(), classes.names().len());
    paint.hits.add(area, Target::Pane(0));
    let mut inner = paint.frame(area, &title, focused);
    if screen.filter.is_some() || !classes.filter().is_empty() {
        let used = paint.line(inner, 0, &[("/", Role::Key)]);
        let line =
            Rect { x: inner.x + used, width: inner.width - used, height: inner.height.min(1), ..inner };
        match &screen.filter {
            Some(input) => input.view(paint.look, line, paint.buffer, true),
            None => {
                paint.line(line, 0, &[(classes.filter(), Role::Text)]);
            }
        }
        inner = Rect { y: inner.y + inner.height.min(1), height: inner.height.saturating_sub(1), ..inner };
    }
    if classes.shown().is_empty() {
        paint.note(inner, "No class matches; esc clears the filter.", Role::Dim);
    }
    let first = first_row(classes.cursor(), classes.shown().len(), inner.height);
    for (row, at) in (0..inner.height).zip(first..classes.shown().len()) {
        let class = classes.shown()[at];
        let tick = paint.look.charset.tick(classes.is_chosen(class));
        // Retention of the class's own module.
        let krr = match model.class_modules() {
            Some(class_modules) if inner.width >= 18 => {
                format!(" {:>7}", percent(class_modules.modules.krr(class)))
            }
            _ => String::new(),
        };
        let room = usize::from(inner.width).saturating_sub(4 + text::width(&krr));
        let name = text::fit(classes.name(class), room, false, paint.look.charset);
        let role = if classes.is_chosen(class) { Role::Good } else { Role::Dim };
        paint.line(inner, row, &[(tick, role), (" ", Role::Text), (&name, Role::Text), (&krr, Role::Dim)]);
        if at == classes.cursor() {
            paint.select(inner, row, focused);
        }
        paint.hits.add(Rect { y: inner.y + row, height: 1, ..inner }, Target::Row(0, at));
    }
}

fn module_list(screen: &Modules, model: &RunModel, shared: &Shared, paint: &mut Paint<'_>, area: Rect) {
    let title = match (model.modules.len(), screen.list.marked.len()) {
        (0, _) => "modules".to_owned(),
        (n, 0) => format!("modules {n}"),
        (n, marked) => format!("modules {n}, {marked} marked"),
    };
    paint.hits.add(area, Target::Pane(2));
    let inner = paint.frame(area, &title, screen.pane == Pane::Modules);
    let lines = status(screen, shared);
    let low = if lines.is_empty() { 0 } else { inner.height.saturating_sub(1).min(2) };
    let list = Rect { height: inner.height - low, ..inner };
    if !model.modules.is_empty() || screen.extraction.running().is_none() {
        screen.list.view(model, paint, list, screen.pane == Pane::Modules);
    }
    let mut below = Rect { y: list.bottom(), height: low, ..inner };
    for (line, role) in lines {
        let used = paint.note(below, &line, role);
        below = Rect { y: below.y + used, height: below.height - used, ..below };
    }
}

/// The state of extractions, and the newest notice.
fn status(screen: &Modules, shared: &Shared) -> Vec<(String, Role)> {
    let extraction = &screen.extraction;
    let mut lines = Vec::new();
    if let Some(running) = extraction.running() {
        let next = extraction.next().map(|next| format!(", then {}", next.name)).unwrap_or_default();
        let seconds = shared.now.saturating_sub(running.since).as_secs();
        lines.push((format!("extracting {}, {seconds} s{next}...", running.request.name), Role::Pending));
    }
    if let Some(what) = &screen.making {
        lines.push((format!("creating {what}..."), Role::Pending));
    }
    if let Some(why) = &extraction.failure {
        lines.push((format!("extraction failed: {why}"), Role::Bad));
    }
    match &screen.notice {
        Some(Ok(notice)) if lines.is_empty() => lines.push((notice.clone(), Role::Good)),
        Some(Err(notice)) => lines.push((notice.clone(), Role::Bad)),
        _ => {}
    }
    lines
}

/// Figures above the view; on wide terminals figures and bars to its left.
fn right(screen: &Modules, model: &RunModel, shared: &Shared, paint: &mut Paint<'_>, area: Rect) {
    if shared.size.0 >= WIDE && area.width >= 80 {
        let half = Rect { width: area.width / 2, ..area };
        let below = head(model, shared, paint, half);
        view(screen, model, shared, View::Sizes, paint, below);
        let other = Rect { x: half.right(), width: area.width - half.width, ..area };
        view(screen, model, shared, screen.view.beside(), paint, other);
        return;
    }
    let below = match screen.view {
        View::Card | View::Image => area,
        _ => head(model, shared, paint, area),
    };
    view(screen, model, shared, screen.view, paint, below);
}

/// Draws the slider and the figures; returns the remaining area.
fn head(model: &RunModel, shared: &Shared, paint: &mut Paint<'_>, area: Rect) -> Rect {
    let rows = match area.height < LOW {
        true => {
            sizes::figures(model, paint, Rect { height: sizes::FIGURES.min(area.height), ..area });
            sizes::FIGURES
        }
        false => {
            let rows = sizes::FIGURES + 2;
            let inner = paint.frame(Rect { height: rows, ..area }, &title(model, shared), false);
            sizes::figures(model, paint, inner);
            rows
        }
    };
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// The title: the chosen classes, and the step of the weights.
fn title(model: &RunModel, shared: &Shared) -> String {
    let chosen = model.classes.chosen_names();
    let of = match chosen.len() {
        0 => "no class chosen".to_owned(),
        1..=4 => chosen.join(", "),
        n => format!("{n} classes"),
    };
    let from = match model.counts() {
        Counts::Known(source) if source.sampled => format!(" at step {} (on a sample)", source.step),
        Counts::Known(source) => format!(" at step {}", source.step),
        _ => String::new(),
    };
    let training = if shared.session().is_some() { ", training" } else { "" };
    format!("module{from}{training}: {of}")
}

fn view(screen: &Modules, model: &RunModel, shared: &Shared, view: View, paint: &mut Paint<'_>, area: Rect) {
    let layer = model.sites.get(screen.layer).map_or("", |layer| layer.name.as_str());
    let title = match view {
        View::Sizes => "kernels kept per layer".to_owned(),
        View::Overlap if screen.overlap.detail => "kernels shared by two classes".to_owned(),
        View::Overlap => format!("overlap of classes, {}", screen.overlap.order.name()),
        View::Retention => "retention by layer and class".to_owned(),
        View::Kernels if screen.kernels.kept => format!("kernels kept in {layer}"),
        View::Kernels => format!("firing frequency of kernels in {layer}"),
        View::Card if screen.list.marked.len() >= 2 => "comparison".to_owned(),
        View::Card => "extracted module".to_owned(),
        View::Image => "classify an image".to_owned(),
    };
    let focused = screen.pane == Pane::View && screen.view == view;
    paint.focused = focused;
    paint.hits.add(area, Target::Pane(1));
    let inner = match area.height {
        0..4 => area,
        _ => paint.frame(area, &title, focused),
    };
    match view {
        View::Sizes => sizes::bars(model, screen.layer, paint, inner),
        View::Overlap => screen.overlap.view(model, paint, inner),
        View::Retention => screen.retention.view(model, screen.layer, paint, inner),
        View::Kernels => screen.kernels.view(model, screen.layer, paint, inner),
        View::Card => card(screen, model, shared, paint, inner),
        View::Image => screen.image.view(paint, inner),
    }
}

/// Draws the module card, below the state of extractions.
fn card(screen: &Modules, model: &RunModel, shared: &Shared, paint: &mut Paint<'_>, area: Rect) {
    let mut below = area;
    let low = area.height < LOW;
    for (line, role) in status(screen, shared).into_iter().filter(|(_, role)| low || *role != Role::Good) {
        let used = paint.note(Rect { height: below.height.min(2), ..below }, &line, role);
        below = Rect { y: below.y + used, height: below.height - used, ..below };
    }
    // While the first extraction runs, do not say that there are no modules.
    if !model.modules.is_empty() || screen.extraction.running().is_none() {
        screen.card.view(model, &screen.list, paint, below);
    }
}

fn sets(screen: &Modules, selection: &Selection, paint: &mut Paint<'_>, area: Rect) {
    let rows = u16::try_from(screen.sets.len()).unwrap_or(u16::MAX).saturating_add(4);
    let inner = popup(paint.look, area, paint.buffer, "Saved sets of classes", (64, rows));
    let list = Rect { height: inner.height.saturating_sub(1), ..inner };
    let first = selection.first(screen.sets.len(), usize::from(list.height));
    let shown = screen.sets.iter().enumerate().skip(first);
    for (row, (index, (name, classes))) in (0..list.height).zip(shown) {
        let name = text::fit(name, 20, false, paint.look.charset);
        let line = format!(" {}: {}", classes.len(), classes.join(", "));
        paint.line(list, row, &[(&name, Role::Text), (&line, Role::Dim)]);
        if index == selection.at {
            paint.select(list, row, true);
        }
        paint.hits.add(Rect { y: list.y + row, height: 1, ..list }, Target::Row(SETS, index));
    }
    let hint = "enter loads, d deletes, esc closes";
    paint.line(Rect { y: list.bottom(), height: inner.height.min(1), ..inner }, 0, &[(hint, Role::Dim)]);
}
