//! What is said of a run's modules: of every class, and of those that were taken out.

use super::charts;
use super::document::{Block, Document, Table};
use super::{count, percent, percent_or_dash};
use crate::export::error::Error;
use crate::export::history::History;
use crate::modular::{ClassModules, module_cost};
use crate::run::{Control, ModuleManifest};

pub(super) fn sections(history: &History, page: &mut Document) -> Result<(), Error> {
    if let Some(modules) = history.class_modules()? {
        page.heading(3, "The module of every class");
        page.text(format!(
            "A class keeps the kernels that fire for at least {} of its training samples. Coupling is {:.3}: the mean \
             Jaccard index of the kernel sets of two classes. KRR is the part of the masked kernels that is kept.",
            percent(modules.threshold),
            modules.coupling()
        ));
        page.blocks.push(Block::Table(classes(history, &modules)?));
        page.blocks.extend(charts::retention(history, &modules).map(Block::Figure));
        page.blocks.extend(charts::overlap(history, &modules).map(Block::Figure));
    }
    if !history.modules.is_empty() {
        page.heading(3, "Modules taken out");
        page.blocks.push(Block::Table(taken_out(&history.modules)));
        page.text(
            "Accuracies are on the test images of the module's classes. Random kernels: networks with as many kernels \
             a layer, drawn at random and fine-tuned alike; lowest, median and highest.",
        );
    }
    Ok(())
}

fn classes(history: &History, modules: &ClassModules) -> Result<Table, Error> {
    let spec = &history.manifest.network;
    let whole = crate::network::Cost::of(spec)?;
    let mut table = Table::new(&["class", "kernels", "KRR", "parameters", "MACs", "of MACs"]);
    for (class, name) in history.manifest.classes.iter().enumerate() {
        let cost = module_cost(spec, &modules.selection(spec, &[class])?)?;
        table.row([
            name.clone(),
            modules.kept_per_layer(class).iter().sum::<usize>().to_string(),
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
        "as cut",
        "fine-tuned",
        "random, as cut",
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

/// Lowest, median and highest, or a dash.
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
