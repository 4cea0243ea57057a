//! A run's records as tables, for spreadsheets and notebooks. `docs/exports.md` documents each column.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::error::Error;
use super::history::History;
use crate::modular::{Fallback, Split, Usage, ranges};
use crate::plot::csv_field;
use crate::run::{EpochRecord, SplitRecord};

/// A table, written as one file.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its name, which is the file name without extension.
    pub name: &'static str,
    /// Names of its columns.
    pub columns: Vec<String>,
    /// Its rows, with one cell per column; null for a missing value. In CSV, lists and objects are JSON text.
    pub rows: Vec<Vec<Value>>,
}

/// All tables of a run; those of kernels only if usage was counted.
///
/// # Errors
///
/// When a class has no samples.
pub fn tables(history: &History) -> Result<Vec<Table>, Error> {
    let mut all = vec![metrics(history), classes(history), layers(history), steps(history)];
    all.extend([events(history)?, modules(history)]);
    if let (Some(usage), Some(modules)) = (&history.usage, history.class_modules()?) {
        let names = &history.manifest.classes;
        all.extend([
            usage_table(usage, names),
            kernels(&modules, names),
            retention(&modules, names),
            overlap(&modules, names),
        ]);
    }
    Ok(all)
}

impl Table {
    fn new(name: &'static str, columns: &[&str]) -> Table {
        Table { name, columns: columns.iter().map(|column| (*column).to_owned()).collect(), rows: Vec::new() }
    }

    /// Comma-separated values (RFC 4180) with a header line; missing values are empty cells.
    pub fn csv(&self) -> String {
        let header = self.columns.iter().map(|column| Value::from(column.as_str())).collect::<Vec<_>>();
        let lines = std::iter::once(&header).chain(&self.rows);
        lines.map(|row| row.iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n").collect()
    }

    /// A JSON array with one object per row.
    pub fn json(&self) -> String {
        let object = |row: &Vec<Value>| -> Value {
            self.columns.iter().cloned().zip(row.iter().cloned()).collect::<Map<_, _>>().into()
        };
        let lines = self.rows.iter().map(|row| format!("  {}", object(row)));
        format!("[\n{}\n]\n", lines.collect::<Vec<_>>().join(",\n"))
    }
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    csv_field(&text)
}

fn metrics(history: &History) -> Table {
    let split = |pick: fn(&EpochRecord) -> &SplitRecord| -> BTreeSet<String> {
        history.epochs.iter().flat_map(|epoch| pick(epoch).losses.keys().cloned()).collect()
    };
    let weights: BTreeSet<&String> =
        history.epochs.iter().flat_map(|epoch| epoch.loss_weights.keys()).collect();
    let mut table = Table::new("metrics", &["epoch", "step", "learning_rate"]);
    let phases = history.epochs.iter().any(|epoch| epoch.phase.is_some());
    table.columns.extend(phases.then(|| "phase".to_owned()));
    table.columns.extend(weights.iter().map(|name| format!("weight_{name}")));
    let splits = [("train", split(|epoch| &epoch.train)), ("valid", split(|epoch| &epoch.valid))];
    for (name, losses) in &splits {
        table.columns.extend(losses.iter().map(|loss| format!("{name}_loss_{loss}")));
        table.columns.extend(["accuracy", "cohesion", "coupling", "krr"].map(|m| format!("{name}_{m}")));
    }
    table.columns.extend(["best_valid_accuracy", "seconds", "images_per_second"].map(str::to_owned));
    for epoch in &history.epochs {
        let mut row = vec![json!(epoch.epoch), json!(epoch.step), json!(epoch.learning_rate)];
        row.extend(phases.then(|| json!(epoch.phase)));
        row.extend(weights.iter().map(|name| json!(epoch.loss_weights.get(*name))));
        for (split, (_, losses)) in [&epoch.train, &epoch.valid].into_iter().zip(&splits) {
            row.extend(losses.iter().map(|loss| json!(split.losses.get(loss))));
            let masks = split.masks.as_ref();
            row.push(json!(split.accuracy));
            row.extend(
                [masks.map(|m| m.cohesion), masks.map(|m| m.coupling), masks.map(|m| m.krr)]
                    .map(|m| json!(m)),
            );
        }
        row.extend(
            [epoch.best_valid_accuracy, epoch.seconds, epoch.images_per_second].map(|value| json!(value)),
        );
        table.rows.push(row);
    }
    table
}

fn classes(history: &History) -> Table {
    let mut table =
        Table::new("classes", &["epoch", "class", "valid_accuracy", "valid_krr", "valid_cohesion"]);
    for epoch in &history.epochs {
        let masks = epoch.valid.masks.as_ref();
        for (class, name) in history.manifest.classes.iter().enumerate() {
            table.rows.push(vec![
                json!(epoch.epoch),
                json!(name),
                json!(epoch.valid.class_accuracy.get(class)),
                json!(masks.and_then(|masks| masks.class_krr.get(class))),
                json!(masks.and_then(|masks| masks.class_cohesion.get(class))),
            ]);
        }
    }
    table
}

fn layers(history: &History) -> Table {
    let mut table = Table::new("layers", &["epoch", "layer", "valid_krr"]);
    let names = history.manifest.tracked_sites().unwrap_or_default();
    for epoch in &history.epochs {
        let rates = epoch.valid.masks.iter().flat_map(|masks| &masks.layer_krr);
        let rows = names.iter().zip(rates);
        table.rows.extend(rows.map(|(layer, krr)| vec![json!(epoch.epoch), json!(layer.name), json!(krr)]));
    }
    table
}

fn steps(history: &History) -> Table {
    let names: BTreeSet<&String> = history.steps.iter().flat_map(|step| step.train.keys()).collect();
    let mut table = Table::new("steps", &["step", "seconds", "learning_rate", "images_per_second"]);
    table.columns.extend(names.iter().map(|name| format!("train_{name}")));
    for step in &history.steps {
        let mut row = vec![json!(step.step)];
        row.extend([step.seconds, step.learning_rate, step.images_per_second].map(|value| json!(value)));
        row.extend(names.iter().map(|name| json!(step.train.get(*name))));
        table.rows.push(row);
    }
    table
}

fn events(history: &History) -> Result<Table, Error> {
    let mut table = Table::new("events", &["step", "kind", "details"]);
    for event in &history.events {
        let mut value = serde_json::to_value(event)?;
        let mut take = |key| value.as_object_mut().and_then(|object| object.remove(key)).unwrap_or_default();
        let (step, kind) = (take("step"), take("kind"));
        table.rows.push(vec![step, kind, value]);
    }
    Ok(table)
}

fn modules(history: &History) -> Table {
    let mut table = Table::new(
        "modules",
        &[
            "module",
            "classes",
            "step",
            "threshold",
            "kernels",
            "krr",
            "krr_all",
            "params",
            "macs",
            "head",
            "fold_masks",
            "fine_tune_epochs",
            "whole_accuracy",
            "accuracy_before",
            "accuracy_after",
            "controls_before",
            "controls_after",
        ],
    );
    for module in &history.modules {
        let before: Vec<f64> = module.controls.iter().map(|control| control.accuracy_before).collect();
        let after: Vec<Option<f64>> = module.controls.iter().map(|control| control.accuracy_after).collect();
        table.rows.push(vec![
            json!(module.name),
            json!(module.classes),
            json!(module.step),
            json!(module.threshold),
            json!(module.kernels),
            json!(module.krr),
            json!(module.krr_all),
            json!(module.params),
            json!(module.macs),
            json!(module.head),
            json!(module.fold_masks),
            json!(module.fine_tune_epochs),
            json!(module.whole_accuracy),
            json!(module.accuracy_before),
            json!(module.accuracy_after),
            json!(before),
            json!(after),
        ]);
    }
    table
}

fn usage_table(usage: &Usage, names: &[String]) -> Table {
    let mut table = Table::new("usage", &["layer", "kernel", "class", "samples", "fired", "frequency"]);
    for (site, range) in usage.sites().iter().zip(ranges(usage.sites())) {
        for kernel in range.clone() {
            for (class, name) in names.iter().enumerate() {
                table.rows.push(vec![
                    json!(site.name),
                    json!(kernel - range.start),
                    json!(name),
                    json!(usage.class_sizes()[class]),
                    json!(usage.count(class, kernel)),
                    json!(usage.frequency(class, kernel)),
                ]);
            }
        }
    }
    table
}

fn kernels(modules: &Split, names: &[String]) -> Table {
    let mut table = Table::new("kernels", &["class", "layer", "kernel"]);
    for (name, part) in names.iter().zip(&modules.parts) {
        for (site, range) in modules.sites.iter().zip(ranges(&modules.sites)) {
            let kept = range.clone().filter(|&unit| part.units.contains(unit));
            table.rows.extend(kept.map(|k| vec![json!(name), json!(site.name), json!(k - range.start)]));
        }
    }
    table
}

fn retention(modules: &Split, names: &[String]) -> Table {
    let mut table =
        Table::new("retention", &["class", "layer", "kernels", "kept", "retention", "threshold", "fallback"]);
    for (class, name) in names.iter().enumerate() {
        let kept = modules.kept_per_site(class);
        for (index, site) in modules.sites.iter().enumerate() {
            let fallback = match modules.parts[class].fallback[index] {
                Fallback::None => "none".into(),
                Fallback::Lowered(times) => format!("lowered {times} times"),
                Fallback::Dead => "dead".into(),
            };
            table.rows.push(vec![
                json!(name),
                json!(site.name),
                json!(site.units),
                json!(kept[index]),
                json!(kept[index] as f64 / site.units.max(1) as f64),
                json!(modules.provenance.threshold),
                json!(fallback),
            ]);
        }
    }
    table
}

fn overlap(modules: &Split, names: &[String]) -> Table {
    let mut table = Table::new("overlap", &["class", "other", "jaccard"]);
    for (name, row) in names.iter().zip(modules.coupling_matrix()) {
        let cells = names.iter().zip(row);
        table.rows.extend(cells.map(|(other, value)| vec![json!(name), json!(other), json!(value)]));
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::history::fixture;
    use super::*;

    #[test]
    fn every_table_has_as_many_cells_a_row_as_columns_and_json_that_is_read_back() {
        let tables = tables(&fixture::history()).unwrap();
        assert_eq!(tables.len(), 10);
        for table in &tables {
            assert!(!table.rows.is_empty(), "{}", table.name);
            assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{}", table.name);
            let rows: Vec<Map<String, Value>> = serde_json::from_str(&table.json()).unwrap();
            assert_eq!(rows.len(), table.rows.len());
            assert!(rows.iter().all(|row| row.len() == table.columns.len()));
        }
    }

    #[test]
    fn every_column_is_documented() {
        let docs = include_str!("../../docs/exports.md");
        for table in tables(&fixture::history()).unwrap() {
            assert!(docs.contains(&format!("### `{}`", table.name)), "{}", table.name);
            for column in &table.columns {
                let general =
                    ["weight_", "train_loss_", "valid_loss_"].iter().find(|p| column.starts_with(*p));
                let general = general.copied().or((table.name == "steps").then_some("train_"));
                let general = general.filter(|prefix| column.starts_with(prefix));
                let said = general.map_or(format!("`{column}`"), |prefix| format!("`{prefix}NAME`"));
                assert!(docs.contains(&said), "{}: {said}", table.name);
            }
        }
    }

    /// Parses a line of CSV according to RFC 4180.
    fn parse(line: &str) -> Vec<String> {
        let (mut cells, mut quoted) = (vec![String::new()], false);
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            let Some(last) = cells.last_mut() else { break };
            match (c, quoted) {
                ('"', true) if chars.peek() == Some(&'"') => {
                    chars.next();
                    last.push('"');
                }
                ('"', _) => quoted = !quoted,
                (',', false) => cells.push(String::new()),
                (c, _) => last.push(c),
            }
        }
        cells
    }

    proptest! {
        #[test]
        fn any_text_survives_csv(cells in prop::collection::vec("[a-z,\"\r\n é]{0,8}", 2..5)) {
            let line = cells.iter().map(|text| cell(&json!(text))).collect::<Vec<_>>().join(",");
            prop_assert_eq!(parse(&line), cells);
        }
    }
}
