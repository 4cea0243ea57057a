//! The sections of a run: set-up, course of training, results.

use super::charts;
use super::document::{Block, Document, Table};
use crate::backend::Machine;
use crate::data::Augmentation;
use crate::export::error::Error;
use crate::export::figure::{count, percent, percent_or_dash, ratio_or_dash};
use crate::export::history::History;
use crate::preset::{Objective, Preset};
use crate::run::{Comparison, Event, Manifest};
use crate::spec::Cost;

/// The comparison table, one row per run.
pub(super) fn comparison(histories: &[History]) -> Table {
    let mut table = Table::new(&[
        "run",
        "preset",
        "method",
        "data",
        "epochs",
        "test accuracy",
        "cohesion",
        "coupling",
        "KRR",
    ]);
    for history in histories {
        let preset = &history.manifest.preset;
        let summary = history.summary();
        table.row([
            history.manifest.id.clone(),
            preset.name.clone(),
            preset.method.name().to_owned(),
            preset.data.source.name().to_owned(),
            history.epochs.last().map_or(0, |epoch| epoch.epoch).to_string(),
            percent_or_dash(summary.map(|summary| summary.test_accuracy)),
            ratio_or_dash(summary.and_then(|summary| summary.cohesion)),
            ratio_or_dash(summary.and_then(|summary| summary.coupling)),
            percent_or_dash(summary.and_then(|summary| summary.krr)),
        ]);
    }
    table
}

pub(super) fn run(history: &History, page: &mut Document) -> Result<(), Error> {
    let preset = &history.manifest.preset;
    if !preset.description.is_empty() {
        page.text(&preset.description);
    }
    page.text(ending(history));
    page.heading(3, "Set-up");
    page.blocks.push(Block::Table(facts(history)?));
    for problem in &history.problems {
        page.text(format!("Left out of this report: {problem}"));
    }
    if !history.epochs.is_empty() {
        page.heading(3, "Course of training");
        page.blocks.extend(charts::curves(history).into_iter().map(Block::Figure));
        epochs(history, page);
    }
    phases(history, page);
    changes(history, page);
    results(history, page);
    Ok(())
}

fn ending(history: &History) -> String {
    match history.events.iter().rev().find(|event| event.is_end()) {
        Some(Event::Finished { step, summary }) => {
            format!("Finished after step {step}: test accuracy {}.", percent(summary.test_accuracy))
        }
        Some(Event::Failed { step, message, .. }) => format!("Failed after step {step}: {message}"),
        Some(Event::Stopped { step }) => format!("Stopped after step {step}; it has not finished."),
        _ => "The run has not finished; results so far follow.".into(),
    }
}

fn facts(history: &History) -> Result<Table, Error> {
    let manifest = &history.manifest;
    let preset = &manifest.preset;
    let cost = Cost::of(&manifest.network)?;
    let [channels, height, width] = manifest.input;
    let weights = preset.method.weights();
    let weights =
        weights.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ");
    let network = match preset.network.architecture {
        Some(_) => {
            let named = serde_json::to_value(preset.network.architecture)?;
            format!("{} at width {}", named.as_str().unwrap_or_default(), preset.network.width)
        }
        None => format!("custom, {} stages", manifest.network.stages.len()),
    };
    let training = &preset.training;
    let facts = [
        ("preset", preset.name.clone()),
        (
            "data",
            format!(
                "{}, {} classes of {channels}x{height}x{width} images",
                preset.data.source,
                manifest.classes.len()
            ),
        ),
        ("network", network),
        (
            "size",
            format!(
                "{} parameters{}, {} MACs, {} kernels",
                count(cost.params()),
                match cost.generator_params {
                    0 => String::new(),
                    params => format!(" (including {} in mask generators)", count(params)),
                },
                count(cost.macs()),
                cost.kernels
            ),
        ),
        (
            "method",
            format!("{}{}{weights}", preset.method.name(), if weights.is_empty() { "" } else { ": " }),
        ),
        (
            "training",
            format!(
                "{}, batch size {}, SGD with Nesterov momentum {}, learning rate {} with a cosine schedule over {}",
                counted(training.epochs, "epoch"),
                training.batch,
                training.momentum,
                training.learning_rate,
                counted(training.cosine_period(), "epoch")
            ),
        ),
        ("augmentation", augmentation(preset)),
        ("validation", format!("{} of the training images", percent(preset.data.valid_fraction))),
        ("seed", manifest.seed.to_string()),
        ("environment", environment(history)),
        ("started", begun(&manifest.created)),
    ];
    let branched = manifest.parent.as_ref();
    let branched =
        branched.map(|parent| ("branched from", format!("{} after step {}", parent.run, parent.step)));
    let imported = history.imported().map(|from| ("weights", format!("imported from {}", from.file)));
    Ok(Table::facts(facts.into_iter().chain(branched).chain(imported)))
}

/// A number with a noun, in the plural if needed.
fn counted(n: usize, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// The augmentation of training images.
fn augmentation(preset: &Preset) -> String {
    let Augmentation { crop_padding, flip } = preset.data.augmentation();
    let crops = match crop_padding {
        0 => "no crops".to_owned(),
        pixels => format!("random crops after padding by {}", counted(pixels, "pixel")),
    };
    format!("{crops}, {}", if flip { "random flips" } else { "no flips" })
}

/// A timestamp to the second.
fn begun(created: &str) -> String {
    let (date, time) = created.split_once('T').unwrap_or((created, ""));
    format!("{date} {} UTC", time.split(['.', 'Z']).next().unwrap_or_default())
}

/// Program, device and machine; several if the run was resumed on another machine.
fn environment(history: &History) -> String {
    let Manifest { program, device, .. } = &history.manifest;
    let machine = |(program, machine): (&str, &Machine)| {
        let Machine { processor, threads, memory, system, gpu } = machine;
        let gpu = gpu.as_ref().map_or_else(String::new, |gpu| format!("{gpu}, "));
        let memory = *memory as f64 / (1u64 << 30) as f64;
        format!(
            "cleave {program}, device {device}: {gpu}{processor}, {threads} threads, {memory:.1} GiB of memory, {system}"
        )
    };
    match history.machines().into_iter().map(machine).collect::<Vec<_>>() {
        machines if machines.is_empty() => format!("cleave {program}, device {device}"),
        machines => machines.join("; then "),
    }
}

/// The table of epochs: first, last and at most eight evenly spaced between.
fn epochs(history: &History, page: &mut Document) {
    let mut table = Table::new(&[
        "epoch",
        "loss",
        "train accuracy",
        "valid accuracy",
        "cohesion",
        "coupling",
        "KRR",
        "seconds",
    ]);
    let last = history.epochs.len() - 1;
    let mut shown: Vec<usize> = (0..10).map(|i| i * last / 9).collect();
    shown.dedup();
    for epoch in shown.into_iter().map(|index| &history.epochs[index]) {
        let masks = epoch.valid.masks.as_ref();
        table.row([
            epoch.epoch.to_string(),
            epoch.train.losses.get("total").map_or("-".into(), |loss| format!("{loss:.4}")),
            percent(epoch.train.accuracy),
            percent(epoch.valid.accuracy),
            ratio_or_dash(masks.map(|masks| masks.cohesion)),
            ratio_or_dash(masks.map(|masks| masks.coupling)),
            percent_or_dash(masks.map(|masks| masks.krr)),
            format!("{:.1}", epoch.seconds),
        ]);
    }
    page.blocks.push(Block::Table(table));
    page.text(
        "Loss and train accuracy are means over the epoch's steps; the rest is measured on the validation split after \
        the epoch. Cohesion, coupling and KRR are per-sample values here; the values of modules are below.",
    );
}

fn phases(history: &History, page: &mut Document) {
    let phases = history.phases();
    if phases.is_empty() {
        return;
    }
    page.heading(3, "Phases");
    let mut table = Table::new(&["phase", "after step", "epochs", "objective", "learning rate", "frozen"]);
    for begun in phases {
        let planned = usize::try_from(begun.phase).ok().and_then(|number| number.checked_sub(1));
        let planned = planned.and_then(|index| history.manifest.preset.phase.get(index));
        let weights: String = begun.weights.iter().map(|(name, value)| format!(", {name} {value}")).collect();
        let objective = match begun.objective {
            Objective::CrossEntropy => "cross-entropy".to_owned(),
            Objective::Method => format!("{}{weights}", history.manifest.preset.method.name()),
        };
        let frozen = if begun.frozen.is_empty() { "nothing".to_owned() } else { begun.frozen.join(" ") };
        table.row([
            begun.title(),
            begun.step.to_string(),
            planned.map_or("-".into(), |phase| phase.epochs.to_string()),
            objective,
            begun.learning_rate.map_or("the training's cosine".into(), |rate| rate.to_string()),
            frozen,
        ]);
    }
    page.blocks.push(Block::Table(table));
}

fn changes(history: &History, page: &mut Document) {
    let changes = history.changes();
    if changes.is_empty() {
        return;
    }
    page.heading(3, "Setting changes");
    let mut table = Table::new(&["after step", "change"]);
    changes.iter().for_each(|(step, change)| table.row([step.to_string(), change.to_string()]));
    page.blocks.push(Block::Table(table));
}

fn results(history: &History, page: &mut Document) {
    let summary = history.summary();
    let comparison = Comparison::new(&history.manifest.preset, summary);
    if summary.is_none() && comparison.is_none() {
        return;
    }
    page.heading(3, "Results");
    if let Some(summary) = summary {
        let time = format!("{:.0} s, {:.0} images/s", summary.seconds, summary.images_per_second);
        let facts = [
            ("test accuracy", Some(percent(summary.test_accuracy))),
            ("validation accuracy", Some(percent(summary.valid_accuracy))),
            ("cohesion of the modules", summary.cohesion.map(|value| format!("{value:.3}"))),
            ("coupling of the modules", summary.coupling.map(|value| format!("{value:.3}"))),
            ("kernel retention rate", summary.krr.map(percent)),
            ("time", Some(time)),
        ];
        let facts = facts.into_iter().filter_map(|(name, value)| Some((name, value?)));
        page.blocks.push(Block::Table(Table::facts(facts)));
    }
    if let Some(comparison) = comparison {
        let mut table = Table::new(&[&format!("MwT paper, {}", comparison.source), "paper", "here"]);
        for row in &comparison.rows {
            let show = |value: Option<f64>| match row.measure {
                "cohesion" | "coupling" => ratio_or_dash(value),
                _ => percent_or_dash(value),
            };
            let measure = row.measure.replace('_', " ").replace("krr", "KRR");
            table.row([measure, show(Some(row.paper)), show(row.ours)]);
        }
        page.blocks.push(Block::Table(table));
        page.text(format!("Differences: {}.", comparison.note));
    }
}
