//! Filtering, sorting and tree layout of the run list.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::super::message::RunRow;
use crate::run::MaskRecord;

/// The sort column of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortKey {
    /// Creation time.
    #[default]
    Age,
    /// Its name.
    Name,
    /// Its status.
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

impl SortKey {
    /// Every key, in column order.
    pub const ALL: [SortKey; 10] = [
        SortKey::Name,
        SortKey::Status,
        SortKey::Method,
        SortKey::Preset,
        SortKey::Data,
        SortKey::Accuracy,
        SortKey::Cohesion,
        SortKey::Coupling,
        SortKey::Krr,
        SortKey::Age,
    ];

    /// The next key.
    pub fn next(self) -> SortKey {
        let at = SortKey::ALL.iter().position(|key| *key == self).unwrap_or(0);
        SortKey::ALL[(at + 1) % SortKey::ALL.len()]
    }
}

/// The order of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SortOrder {
    /// The sort key.
    pub key: SortKey,
    /// Whether reversed. By default text sorts ascending, numbers and dates descending.
    pub reverse: bool,
    /// Whether branches are shown below their parent runs.
    pub tree: bool,
}

/// A row of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListRow {
    /// Its index among all runs.
    pub index: usize,
    /// Its depth in the tree.
    pub depth: usize,
}

/// The rows that match `filter`, in order. Every word of the filter must occur in the run's name, status, method,
/// preset, data or tags, ignoring case.
pub fn arrange(rows: &[RunRow], filter: &str, order: SortOrder) -> Vec<ListRow> {
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    let mut shown: Vec<usize> = (0..rows.len()).filter(|&index| matches(&rows[index], &words)).collect();
    shown.sort_by(|&a, &b| compare(&rows[a], &rows[b], order));
    if order.tree {
        tree(rows, &shown)
    } else {
        shown.into_iter().map(|index| ListRow { index, depth: 0 }).collect()
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

fn compare(a: &RunRow, b: &RunRow, order: SortOrder) -> Ordering {
    let number = |of: fn(&RunRow) -> Option<f64>| match (of(a), of(b)) {
        (Some(a), Some(b)) if order.reverse => a.total_cmp(&b),
        (Some(a), Some(b)) => b.total_cmp(&a),
        // Missing values come last in both directions.
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    let text = |a: &str, b: &str| if order.reverse { b.cmp(a) } else { a.cmp(b) };
    let word = |index: usize| text(words(a)[index], words(b)[index]);
    let created = |row: &RunRow| row.entry.manifest.as_ref().map_or(String::new(), |m| m.created.clone());
    let by_key = match order.key {
        SortKey::Age => text(&created(b), &created(a)),
        SortKey::Name => text(&a.entry.id, &b.entry.id),
        SortKey::Status => text(&a.entry.status.to_string(), &b.entry.status.to_string()),
        SortKey::Method => word(0),
        SortKey::Preset => word(1),
        SortKey::Data => word(2),
        SortKey::Accuracy => number(accuracy),
        SortKey::Cohesion => number(|row| masks(row).map(|masks| masks.cohesion)),
        SortKey::Coupling => number(|row| masks(row).map(|masks| masks.coupling)),
        SortKey::Krr => number(|row| masks(row).map(|masks| masks.krr)),
    };
    by_key.then_with(|| created(b).cmp(&created(a))).then_with(|| a.entry.id.cmp(&b.entry.id))
}

/// Orders children after their parents. A run whose parent is not shown is a root.
fn tree(rows: &[RunRow], shown: &[usize]) -> Vec<ListRow> {
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
    let (mut arranged, mut seen) = (Vec::new(), HashSet::new());
    let mut open: Vec<ListRow> = Vec::new();
    let push = |open: &mut Vec<ListRow>, from: Option<usize>, depth| {
        let below = children.get(&from).into_iter().flatten().rev();
        open.extend(below.map(|&index| ListRow { index, depth }));
    };
    push(&mut open, None, 0);
    while let Some(listed) = open.pop() {
        if seen.insert(listed.index) {
            arranged.push(listed);
            push(&mut open, Some(listed.index), listed.depth + 1);
        }
    }
    // Renamed directories can create cycles of parents; such runs are shown as well.
    arranged
        .extend(shown.iter().filter(|index| !seen.contains(index)).map(|&index| ListRow { index, depth: 0 }));
    arranged
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
