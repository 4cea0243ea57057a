//! The charts of a report.

use super::document::Figure;
use crate::export::history::History;
use crate::modular::Split;
use crate::plot::{Chart, HeatMap, Mark, Series, Stroke, Unit, XAxis, YRange};
use crate::run::{EpochRecord, MaskRecord, SplitRecord};
use crate::spec::Cost;

/// A line of a chart.
struct ChartLine {
    name: String,
    /// Lines of the same quantity share a colour.
    colour: usize,
    stroke: Stroke,
    points: Vec<(f64, f64)>,
}

/// With more classes the overlap figure would be larger than the rest of the report.
pub(super) const MOST_CLASSES: usize = 200;

const MARKS: &str = "Dotted vertical lines mark the steps after which a setting was changed.";
const SPLITS: &str = "Solid lines: validation split. Dashed lines: training split.";

/// Losses, accuracies and measures over the steps, with marks at setting changes.
pub(super) fn curves(history: &History) -> Vec<Figure> {
    let accuracy = split_line(history, "accuracy", 0, &|split| Some(split.accuracy));
    let masks =
        |pick: fn(&MaskRecord) -> f64| move |epoch: &EpochRecord| epoch.valid.masks.as_ref().map(pick);
    let measures = [
        line(history, "cohesion", (0, Stroke::Solid), masks(|masks| masks.cohesion)),
        line(history, "coupling", (1, Stroke::Solid), masks(|masks| masks.coupling)),
        line(history, "kernel retention", (2, Stroke::Solid), masks(|masks| masks.krr)),
    ];
    let (number, fixed) = (Unit::Number, YRange::Fixed(0.0, 1.0));
    let charts = [
        ("loss", "Loss: terms and weighted sum", SPLITS, number, YRange::Auto, losses(history)),
        ("accuracy", "Accuracy", SPLITS, Unit::Percent, YRange::Auto, accuracy),
        (
            "measures",
            "Cohesion, coupling and kernel retention",
            "Per-sample values on the validation split.",
            number,
            fixed,
            measures.into(),
        ),
    ];
    // A single point is not drawn as a curve; it is in the table of epochs.
    let charts = charts.into_iter().filter(|(.., lines)| lines.iter().any(|line| line.points.len() > 1));
    let changes = history.changes();
    let draw = |(name, title, caption, unit, range, lines): (_, _, &str, _, _, Vec<ChartLine>)| {
        let marks = changes.iter().map(|(step, change)| Mark::new(*step as f64, *change));
        let chart = Chart::new(title).unit(unit).y_range(range).marks(marks);
        let chart = lines.into_iter().filter(|line| !line.points.is_empty()).fold(chart, add);
        let caption = if changes.is_empty() { caption.to_owned() } else { format!("{caption} {MARKS}") };
        figure(history, name, title, &caption, chart.to_svg())
    };
    charts.map(draw).collect()
}

fn add(chart: Chart<'static>, line: ChartLine) -> Chart<'static> {
    chart.series(Series::new(line.name, line.points).colour(line.colour).stroke(line.stroke))
}

fn line(
    history: &History,
    name: &str,
    (colour, stroke): (usize, Stroke),
    value: impl Fn(&EpochRecord) -> Option<f64>,
) -> ChartLine {
    let point = |epoch: &EpochRecord| Some((epoch.step as f64, value(epoch)?));
    ChartLine {
        name: name.to_owned(),
        colour,
        stroke,
        points: history.epochs.iter().filter_map(point).collect(),
    }
}

/// A line for each of the two splits.
fn split_line(
    history: &History,
    name: &str,
    colour: usize,
    value: &dyn Fn(&SplitRecord) -> Option<f64>,
) -> Vec<ChartLine> {
    let (valid, train) = (format!("{name}, validation"), format!("{name}, training"));
    vec![
        line(history, &valid, (colour, Stroke::Solid), |epoch| value(&epoch.valid)),
        line(history, &train, (colour, Stroke::Dashed), |epoch| value(&epoch.train)),
    ]
}

fn losses(history: &History) -> Vec<ChartLine> {
    let names: Vec<String> =
        history.epochs.last().map_or_else(Vec::new, |e| e.valid.losses.keys().cloned().collect());
    let lines = names.iter().enumerate().map(|(colour, name)| {
        let shown = name.replace('_', "-");
        split_line(history, &shown, colour, &|split: &SplitRecord| split.losses.get(name).copied())
    });
    lines.flatten().collect()
}

/// Kernels kept, by class and layer.
pub(super) fn retention(history: &History, modules: &Split) -> Option<Figure> {
    let layers: Vec<String> = modules.sites.iter().map(|site| site.name.clone()).collect();
    let share = |class: usize| {
        let kept = modules.kept_per_site(class);
        let layers = kept.into_iter().zip(&modules.sites);
        layers.map(|(kept, site)| kept as f64 / site.units.max(1) as f64).collect::<Vec<_>>()
    };
    let values: Vec<f64> = (0..modules.parts.len()).flat_map(share).collect();
    let title = "Kernels kept, by class and layer";
    let map = HeatMap::new(title, history.manifest.classes.clone(), layers, values).unit(Unit::Percent);
    let caption = "Percentage of the layer's kernels that the class's module keeps.";
    (!modules.sites.is_empty()).then(|| figure(history, "retention", title, caption, map.to_svg()))
}

/// Jaccard index of each pair of class modules; `None` for more than [`MOST_CLASSES`] classes.
pub(super) fn overlap(history: &History, modules: &Split) -> Option<Figure> {
    let names = &history.manifest.classes;
    if names.len() > MOST_CLASSES {
        return None;
    }
    let title = "Overlap of the kernels of each pair of classes";
    let map = HeatMap::new(title, names.clone(), names.clone(), modules.coupling_matrix().concat());
    let caption = "Jaccard index of their kernel sets: 0 is disjoint, 1 is equal.";
    (names.len() > 1).then(|| figure(history, "overlap", title, caption, map.to_svg()))
}

/// Modules of all runs: accuracy over the fraction of the whole network's MACs.
pub(super) fn accuracy_against_size(histories: &[History]) -> Option<Figure> {
    let mut kinds: [(&str, Vec<(f64, f64)>); 3] =
        [("whole network", Vec::new()), ("extracted", Vec::new()), ("fine-tuned", Vec::new())];
    for history in histories {
        let whole = Cost::of(&history.manifest.network).ok()?.macs().max(1) as f64;
        for module in &history.modules {
            let share = module.macs as f64 / whole;
            let accuracies = [module.whole_accuracy, module.accuracy_before, module.accuracy_after];
            for ((_, points), accuracy) in kinds.iter_mut().zip(accuracies) {
                points.extend(accuracy.map(|accuracy| (100.0 * share, accuracy)));
            }
        }
    }
    let title = "Test accuracy of modules over their percentage of the whole network's MACs";
    let mut chart = Chart::new(title).x_axis(XAxis::Number).unit(Unit::Percent);
    let mut shown = false;
    for (name, mut points) in kinds {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        shown |= points.len() > 1;
        chart = chart.series(Series::new(name, points).stroke(Stroke::Points));
    }
    let caption = "Three points per module at its size: the whole network on the module's classes, the module as \
    extracted, and the module after fine-tuning.";
    // A single module is not drawn; it is in the table of modules.
    shown.then(|| picture("accuracy-against-size".into(), title, caption, chart.to_svg()))
}

fn figure(history: &History, name: &str, title: &str, caption: &str, svg: String) -> Figure {
    picture(format!("{}-{name}", history.manifest.id), title, caption, svg)
}

fn picture(name: String, title: &str, caption: &str, svg: String) -> Figure {
    let width = svg.split_once("width=\"").and_then(|(_, rest)| rest.split(['"', '.']).next());
    let width = width.and_then(|text| text.parse().ok()).unwrap_or(720);
    Figure { name, title: title.into(), caption: caption.into(), width, svg }
}
