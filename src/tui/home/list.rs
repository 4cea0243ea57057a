//! The list of runs as it is shown: filtered, sorted, branches below what they come from.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::super::message::RunRow;
use crate::run::MaskRecord;

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Key {
    /// When the run was made.
    #[default]
    Age,
    /// Its name.
    Name,
    /// What became of it.
    Status,
    /// Its method.
    Method,
    /// Its preset.
    Preset,
    /// Its data.
    Data,
    /// Best validation accuracy.
    Accuracy,
    /// Cohesion on the validation split.
    Cohesion,
    /// Coupling.
    Coupling,
    /// Kernel retention rate.
    Krr,
}

impl Key {
    /// Every key, in the order of the columns.
    pub const ALL: [Key; 10] = [
        Key::Name,
        Key::Status,
        Key::Method,
        Key::Preset,
        Key::Data,
        Key::Accuracy,
        Key::Cohesion,
        Key::Coupling,
        Key::Krr,
        Key::Age,
    ];

    /// The key after this one.
    pub fn next(self) -> Key {
        let place = Key::ALL.iter().position(|key| *key == self).unwrap_or(0);
        Key::ALL[(place + 1) % Key::ALL.len()]
    }
}

/// How the list is ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub key: Key,
    /// Whether the other way round: names and words run upwards first, figures and dates downwards.
    pub reverse: bool,
    /// Whether branches stand below the runs that they come from.
    pub tree: bool,
}

/// A run's place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its index among all runs.
    pub index: usize,
    /// How many runs it hangs from in the tree.
    pub depth: usize,
}

/// The runs that match `filter`, in order. Every word of the filter must occur in the run's name, status,
/// method, preset, data or tags, in any case.
pub fn places(rows: &[RunRow], filter: &str, order: Order) -> Vec<Place> {
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    let mut shown: Vec<usize> = (0..rows.len()).filter(|&index| matches(&rows[index], &words)).collect();
    shown.sort_by(|&a, &b| compare(&rows[a], &rows[b], order));
    if order.tree {
        tree(rows, &shown)
    } else {
        shown.into_iter().map(|index| Place { index, depth: 0 }).collect()
    }
}

/// Best validation accuracy of a run.
pub fn accuracy(row: &RunRow) -> Option<f64> {
    row.entry.last.as_ref().map(|last| last.best_valid_accuracy)
}

/// Measures of the masks on the validation split after the last epoch.
pub fn masks(row: &RunRow) -> Option<&MaskRecord> {
    row.entry.last.as_ref()?.valid.masks.as_ref()
}

/// Method, preset and data of a run.
pub fn words(row: &RunRow) -> [&str; 3] {
    match &row.entry.manifest {
        Some(manifest) => {
            let preset = &manifest.preset;
            [preset.method.name(), &preset.name, preset.data.source.name()]
        }
        None => ["", "", ""],
    }
}

fn matches(row: &RunRow, wanted: &[String]) -> bool {
    let status = row.entry.status.to_string();
    let own = [row.entry.id.as_str(), &status].into_iter().chain(words(row));
    let text = own.chain(row.tags.iter().map(String::as_str)).collect::<Vec<_>>().join("\n").to_lowercase();
    wanted.iter().all(|word| text.contains(word))
}

fn compare(a: &RunRow, b: &RunRow, order: Order) -> Ordering {
    let number = |of: fn(&RunRow) -> Option<f64>| match (of(a), of(b)) {
        (Some(a), Some(b)) if order.reverse => a.total_cmp(&b),
        (Some(a), Some(b)) => b.total_cmp(&a),
        // What was not measured comes last either way.
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    let text = |a: &str, b: &str| if order.reverse { b.cmp(a) } else { a.cmp(b) };
    let word = |index: usize| text(words(a)[index], words(b)[index]);
    let created = |row: &RunRow| row.entry.manifest.as_ref().map_or(String::new(), |m| m.created.clone());
    let by_key = match order.key {
        Key::Age => text(&created(b), &created(a)),
        Key::Name => text(&a.entry.id, &b.entry.id),
        Key::Status => text(&a.entry.status.to_string(), &b.entry.status.to_string()),
        Key::Method => word(0),
        Key::Preset => word(1),
        Key::Data => word(2),
        Key::Accuracy => number(accuracy),
        Key::Cohesion => number(|row| masks(row).map(|masks| masks.cohesion)),
        Key::Coupling => number(|row| masks(row).map(|masks| masks.coupling)),
        Key::Krr => number(|row| masks(row).map(|masks| masks.krr)),
    };
    by_key.then_with(|| created(b).cmp(&created(a))).then_with(|| a.entry.id.cmp(&b.entry.id))
}

/// Children after their parents. A run whose parent is not shown stands at the root.
fn tree(rows: &[RunRow], shown: &[usize]) -> Vec<Place> {
    let by_name: HashMap<&str, usize> =
        shown.iter().map(|&index| (rows[index].entry.id.as_str(), index)).collect();
    let parent = |index: usize| {
        let parent = rows[index].entry.manifest.as_ref()?.parent.as_ref()?;
        by_name.get(parent.run.as_str()).copied().filter(|&other| other != index)
    };
    let mut children: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    for &index in shown {
        children.entry(parent(index)).or_default().push(index);
    }
    let (mut places, mut seen) = (Vec::new(), HashSet::new());
    let mut open: Vec<Place> = Vec::new();
    let push = |open: &mut Vec<Place>, from: Option<usize>, depth| {
        let below = children.get(&from).into_iter().flatten().rev();
        open.extend(below.map(|&index| Place { index, depth }));
    };
    push(&mut open, None, 0);
    while let Some(place) = open.pop() {
        if seen.insert(place.index) {
            places.push(place);
            push(&mut open, Some(place.index), place.depth + 1);
        }
    }
    // Renamed directories can make runs each other's parents; they are shown all the same.
    places.extend(shown.iter().filter(|index| !seen.contains(index)).map(|&index| Place { index, depth: 0 }));
    places
}

/// A time span in its largest unit.
pub(super) fn age(span: std::time::Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}
