//! The figures of a report.

use super::document::Figure;
use crate::export::history::History;
use crate::modular::ClassModules;
use crate::network::Cost;
use crate::plot::{Chart, HeatMap, Mark, Series, Stroke, Unit, XAxis, YRange};
use crate::train::{EpochRecord, SplitRecord};

/// A line of a chart: its name, whether it is of the training split, and its values.
type Line = (String, bool, Vec<(f64, f64)>);

/// Losses, accuracies and measures over the steps, with a mark at each change.
pub(super) fn curves(history: &History) -> Vec<Figure> {
    let accuracy = [split_line(history, "accuracy", &|split| Some(split.accuracy))].concat();
    let masks = |pick: fn(&crate::train::MaskRecord) -> f64| {
        move |epoch: &EpochRecord| epoch.valid.masks.as_ref().map(pick)
    };
    let measures = [
        line(history, "cohesion", false, masks(|masks| masks.cohesion)),
        line(history, "coupling", false, masks(|masks| masks.coupling)),
        line(history, "kernel retention", false, masks(|masks| masks.krr)),
    ];
    let charts = [
        ("loss", "Weighted sum of the losses, and its terms", Unit::Number, YRange::Auto, losses(history)),
        ("accuracy", "Accuracy", Unit::Percent, YRange::Auto, accuracy),
        (
            "measures",
            "Cohesion, coupling and kernel retention of single samples, validation",
            Unit::Number,
            YRange::Fixed(0.0, 1.0),
            measures.into(),
        ),
    ];
    let charts =
        charts.into_iter().filter(|(.., lines)| lines.iter().any(|(_, _, points)| !points.is_empty()));
    charts
        .map(|(name, title, unit, range, lines)| {
            let marks = history.changes().into_iter().map(|(step, change)| Mark::new(step as f64, change));
            let chart = Chart::new(title).unit(unit).y_range(range).marks(marks);
            let chart = lines.into_iter().filter(|(_, _, points)| !points.is_empty()).fold(chart, add);
            figure(history, name, title, chart.to_svg())
        })
        .collect()
}

fn add(chart: Chart<'static>, (name, train, points): Line) -> Chart<'static> {
    let stroke = if train { Stroke::Dashed } else { Stroke::Solid };
    chart.series(Series::new(name, points).stroke(stroke))
}

fn line(history: &History, name: &str, train: bool, value: impl Fn(&EpochRecord) -> Option<f64>) -> Line {
    let point = |epoch: &EpochRecord| Some((epoch.step as f64, value(epoch)?));
    (name.to_owned(), train, history.epochs.iter().filter_map(point).collect())
}

/// The same of both splits.
fn split_line(history: &History, name: &str, value: &dyn Fn(&SplitRecord) -> Option<f64>) -> Vec<Line> {
    vec![
        line(history, &format!("{name}, validation"), false, |epoch| value(&epoch.valid)),
        line(history, &format!("{name}, training"), true, |epoch| value(&epoch.train)),
    ]
}

fn losses(history: &History) -> Vec<Line> {
    let names: Vec<String> =
        history.epochs.last().map_or_else(Vec::new, |e| e.valid.losses.keys().cloned().collect());
    let lines = names.iter().map(|name| {
        let shown = name.replace('_', "-");
        split_line(history, &shown, &|split: &SplitRecord| split.losses.get(name).copied())
    });
    lines.collect::<Vec<_>>().concat()
}

/// Kernels kept, class by layer.
pub(super) fn retention(history: &History, modules: &ClassModules) -> Option<Figure> {
    let layers: Vec<String> = modules.layers.iter().map(|layer| layer.name.clone()).collect();
    let share = |class: usize| {
        let kept = modules.kept_per_layer(class);
        let layers = kept.into_iter().zip(&modules.layers);
        layers.map(|(kept, layer)| kept as f64 / layer.kernels.max(1) as f64).collect::<Vec<_>>()
    };
    let values: Vec<f64> = (0..modules.masks.len()).flat_map(share).collect();
    let title = "Kernels kept, by class and layer";
    let map = HeatMap::new(title, history.manifest.classes.clone(), layers, values).unit(Unit::Percent);
    (!modules.layers.is_empty()).then(|| figure(history, "retention", title, map.to_svg()))
}

/// Jaccard index of every two modules.
pub(super) fn overlap(history: &History, modules: &ClassModules) -> Option<Figure> {
    let names = &history.manifest.classes;
    let title = "Overlap of the kernels of every two classes (Jaccard index)";
    let map = HeatMap::new(title, names.clone(), names.clone(), modules.coupling_matrix().concat());
    (names.len() > 1).then(|| figure(history, "overlap", title, map.to_svg()))
}

/// Modules of all runs: accuracy over the part of the whole network's work.
pub(super) fn accuracy_against_size(histories: &[History]) -> Option<Figure> {
    let mut lines: [(&str, Vec<(f64, f64)>); 3] =
        [("whole network", Vec::new()), ("as cut", Vec::new()), ("fine-tuned", Vec::new())];
    for history in histories {
        let whole = Cost::of(&history.manifest.network).ok()?.macs().max(1) as f64;
        for module in &history.modules {
            let share = 100.0 * module.macs as f64 / whole;
            let accuracies = [module.whole_accuracy, module.accuracy_before, module.accuracy_after];
            for ((_, points), accuracy) in lines.iter_mut().zip(accuracies) {
                points.extend(accuracy.map(|accuracy| (share, accuracy)));
            }
        }
    }
    let title = "Test accuracy of modules over their part of the whole network's MACs, in %";
    let mut chart = Chart::new(title).x_axis(XAxis::Number).unit(Unit::Percent);
    let mut shown = false;
    for (name, mut points) in lines {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        shown |= points.len() > 1;
        chart = chart.series(Series::new(name, points));
    }
    // A single point is no curve; the table of modules has it.
    shown.then(|| Figure { name: "accuracy-against-size".into(), caption: title.into(), svg: chart.to_svg() })
}

fn figure(history: &History, name: &str, caption: &str, svg: String) -> Figure {
    Figure { name: format!("{}-{name}", history.manifest.id), caption: caption.into(), svg }
}
