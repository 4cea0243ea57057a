//! Drawing of the new-run form, with a summary of its values beside or below it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::{Clear, Widget};

use super::super::hits::Hits;
use super::super::message::PresetSummary;
use super::super::theme::{Look, Role};
use super::super::widget::{frame, text};
use super::launch::NewRun;
use super::list::age;
use crate::export::figure::count;
use crate::plot::grouped;
use crate::spec::Cost;

/// Width from which the summary is beside the form.
const WIDE: u16 = 118;

pub(super) fn view(new: &NewRun, look: Look, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    Clear.render(area, buffer);
    let [left, right] = match area.width >= WIDE {
        true => Layout::horizontal([Constraint::Length(66), Constraint::Fill(1)]).areas(area),
        false => {
            let form = new.form.as_ref().map_or(4, |form| form.fields.len() as u16 + 5);
            Layout::vertical([Constraint::Length(form), Constraint::Fill(1)]).areas(area)
        }
    };
    // On a small screen the preset's text replaces the form.
    let right = if new.show_toml && area.width < WIDE { area } else { right };
    if right != area {
        match (&new.form, &new.problem) {
            (Some(form), _) => form.view(look, left, buffer, hits),
            (None, problem) => {
                let message = problem.as_deref().unwrap_or("Reading presets...");
                let inner = frame(look, left, buffer, "New run", true);
                text::put(buffer, inner, (0, 0), message, look.style(Role::Text));
            }
        }
    }
    match new.show_toml {
        true => toml(new, look, right, buffer),
        false => figures(new, look, right, buffer),
    }
}

fn figures(new: &NewRun, look: Look, area: Rect, buffer: &mut Buffer) {
    let inner = frame(look, area, buffer, "Summary (ctrl-t shows TOML)", false);
    let lines: Vec<(Role, String)> = match &new.summary {
        None => vec![(Role::Dim, "Checking...".into())],
        Some(Err(why)) => why.lines().map(|line| (Role::Bad, line.to_owned())).collect(),
        Some(Ok(summary)) => {
            let mut lines = vec![(Role::Text, new.description().to_owned())];
            lines.extend(sizes(new, summary).into_iter().map(|line| (Role::Text, line)));
            lines.push((Role::Dim, new.command_line()));
            lines
        }
    };
    let width = usize::from(inner.width);
    let wrapped = lines.iter().flat_map(|(role, line)| {
        text::wrap(line, width, look.charset).into_iter().map(move |line| (*role, line))
    });
    for ((role, line), y) in wrapped.zip(0..inner.height) {
        text::put(buffer, inner, (0, y), &line, look.style(role));
    }
}

fn sizes(new: &NewRun, summary: &PresetSummary) -> Vec<String> {
    let training = &summary.preset.training;
    let mut lines = Vec::new();
    if let (Some(spec), Some(images)) = (&summary.spec, summary.images) {
        let [channels, height, width] = spec.input;
        let images = grouped(images as u64);
        lines.push(format!("Data: {images} images per epoch, {height} x {width}, {channels} channel(s)."));
    }
    match summary.spec.as_ref().and_then(|spec| Cost::of(spec).ok()) {
        Some(cost) => {
            lines.push(format!(
                "Network: {} parameters, {} kernels ({} masked), {} MACs per image.",
                count(cost.params()),
                grouped(cost.kernels),
                grouped(cost.masked_kernels),
                count(cost.macs())
            ));
        }
        None => {
            lines.push("Network: its size depends on the images, which are read when training starts.".into())
        }
    }
    let span = |seconds: f64| match seconds {
        seconds if seconds < 1.0 => "under 1 s".to_owned(),
        seconds => format!("about {}", age(std::time::Duration::from_secs_f64(seconds.min(1e12)))),
    };
    lines.push(match new.seconds_per_epoch() {
        Some(Ok((seconds, how))) => format!(
            "Time: {} per epoch, {} for {} epochs, {how}.",
            span(seconds),
            span(seconds * training.epochs as f64),
            training.epochs
        ),
        Some(Err(why)) => format!("Time: {why}."),
        None => "Time: timing a few steps...".into(),
    });
    lines
}

fn toml(new: &NewRun, look: Look, area: Rect, buffer: &mut Buffer) {
    let inner = frame(look, area, buffer, "Preset (ctrl-t: summary, page up/down: scroll)", false);
    let text = match &new.summary {
        Some(Ok(summary)) => summary.toml.as_str(),
        Some(Err(why)) => why,
        None => "",
    };
    let most = text.lines().count().saturating_sub(usize::from(inner.height));
    let above = usize::from(new.scroll).min(most);
    for (line, y) in text.lines().skip(above).zip(0..inner.height) {
        text::put(buffer, inner, (0, y), line, look.style(Role::Text));
    }
}
