//! The sections of a run's modules: the module of each class, and the extracted modules.

use super::charts;
use super::document::{Block, Document, Table};
use crate::export::error::Error;
use crate::export::figure::{count, percent, percent_or_dash};
use crate::export::history::History;
use crate::modular::{Split, module_cost};
use crate::run::{Ancestor, ClassAccuracy, Control, ModuleManifest, Origin};

pub(super) fn sections(history: &History, page: &mut Document) -> Result<(), Error> {
    if let Some(modules) = history.class_modules()? {
        page.heading(3, "Class modules");
        let way = match modules.provenance.threshold {
            Some(threshold) => {
                format!("the kernels that fire for at least {} of its training samples", percent(threshold))
            }
            None => "the kernels of its class mask, which training fixed".to_owned(),
        };
        page.text(format!(
            "The module of a class keeps {way}. Coupling is {:.3}: the mean Jaccard index over pairs of class modules. KRR \
            is the fraction of masked kernels kept.",
            modules.coupling()
        ));
        page.blocks.push(Block::Table(classes(history, &modules)?));
        page.blocks.extend(charts::retention(history, &modules).map(Block::Figure));
        page.blocks.extend(charts::overlap(history, &modules).map(Block::Figure));
        if history.manifest.classes.len() > charts::MOST_CLASSES {
            page.text(format!(
                "There are too many classes for an overlap figure; `cleave export {} --format csv` writes the values.",
                history.manifest.id
            ));
        }
    }
    if !history.modules.is_empty() {
        page.heading(3, "Extracted modules");
        page.blocks.push(Block::Table(taken_out(&history.modules)));
        page.text(
            "Accuracies are on the test images of the module's classes. Random controls have as many kernels per layer, \
            drawn at random, and the same fine-tuning; minimum, median and maximum are shown.",
        );
        history.modules.iter().for_each(|module| put_together(module, page));
    }
    Ok(())
}

/// A composed module: its parts, and the accuracy per class.
fn put_together(module: &ModuleManifest, page: &mut Document) {
    let Some(card) = module.card.as_ref().filter(|card| !card.class_accuracy.is_empty()) else { return };
    let parent = |parent: &Ancestor| match &parent.module {
        Some(module) => format!("{}/{module}", parent.run),
        None => format!("the network of {}", parent.run),
    };
    let parents: Vec<String> = card.parents.iter().map(parent).collect();
    let title = match card.origin {
        Origin::Replaced => "accuracy per class before and after the replacement",
        _ => "accuracy per class before and after calibration",
    };
    page.heading(4, format!("{}: {title}", module.name));
    page.text(format!("Composed of {}. {}", parents.join(" and "), card.protocol));
    let mut table = Table::new(&["class", "before", "after", "change (percentage points)"]);
    let mut row = |class: String, before: f64, after: f64| {
        table.row([class, percent(before), percent(after), points(after - before)]);
    };
    for (label, class) in card.class_accuracy.iter().enumerate() {
        let mark = if card.replaced == Some(label) { " (replaced)" } else { "" };
        row(format!("{}{mark}", class.class), class.before, class.after);
    }
    let others = || card.class_accuracy.iter().enumerate().filter(|(label, _)| card.replaced != Some(*label));
    if card.replaced.is_some() && others().count() > 0 {
        let mean = |pick: fn(&ClassAccuracy) -> f64| {
            others().map(|(_, class)| pick(class)).sum::<f64>() / others().count() as f64
        };
        row("mean of the others".into(), mean(|class| class.before), mean(|class| class.after));
    }
    page.blocks.push(Block::Table(table));
}

/// A difference of fractions in percentage points, with its sign.
fn points(difference: f64) -> String {
    format!("{:+.2}", 100.0 * difference)
}

fn classes(history: &History, modules: &Split) -> Result<Table, Error> {
    let spec = &history.manifest.network;
    let whole = crate::spec::Cost::of(spec)?;
    let mut table = Table::new(&["class", "kernels", "KRR", "parameters", "MACs", "of MACs"]);
    for (class, name) in history.manifest.classes.iter().enumerate() {
        let cost = module_cost(spec, &modules.selection(spec, &[class])?)?;
        table.row([
            name.clone(),
            modules.kept_per_site(class).iter().sum::<usize>().to_string(),
            percent(modules.krr(class)),
            count(cost.params()),
            count(cost.macs()),
            percent(cost.macs() as f64 / whole.macs().max(1) as f64),
        ]);
    }
    Ok(table)
}

fn taken_out(modules: &[ModuleManifest]) -> Table {
    let mut table = Table::new(&[
        "module",
        "classes",
        "KRR",
        "parameters",
        "MACs",
        "whole network",
        "extracted",
        "fine-tuned",
        "random, extracted",
        "random, fine-tuned",
    ]);
    for module in modules {
        let controls =
            |pick: fn(&Control) -> Option<f64>| spread(module.controls.iter().filter_map(pick).collect());
        table.row([
            module.name.clone(),
            module.classes.join(", "),
            percent(module.krr),
            count(module.params),
            count(module.macs),
            percent_or_dash(module.whole_accuracy),
            percent_or_dash(module.accuracy_before),
            percent_or_dash(module.accuracy_after),
            controls(|control| Some(control.accuracy_before)),
            controls(|control| control.accuracy_after),
        ]);
    }
    table
}

/// Minimum, median and maximum, or a dash.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    match values.as_slice() {
        [] => "-".into(),
        [one] => percent(*one),
        [low, .., high] => {
            let (a, b) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
            format!("{:.1} / {:.1} / {:.1} %", 100.0 * low, 50.0 * (a + b), 100.0 * high)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_lowest_median_and_highest() {
        assert_eq!(spread(vec![0.5, 0.1, 0.2, 0.3]), "10.0 / 25.0 / 50.0 %");
        assert_eq!((spread(vec![]), spread(vec![0.5])), ("-".into(), "50.00 %".into()));
    }
}
