//! Differences between our numbers and the reference's.

use std::fmt::Debug;

/// What was compared in one case.
pub struct Report {
    case: String,
    /// The fraction of the largest value by which every number may differ.
    relative: f64,
    checks: usize,
    /// Largest difference as a multiple of what it may be, with the difference and what differs.
    worst: (f64, f64, String),
    pub failures: Vec<String>,
}

impl Report {
    pub fn new(case: &str, relative: f64) -> Self {
        Report {
            case: case.into(),
            relative,
            checks: 0,
            worst: (0.0, 0.0, "nothing".into()),
            failures: Vec::new(),
        }
    }

    /// Whether the device may round more than f32 does. Masks near 0 are then on either side of it, so that what is
    /// counted and cut by them is compared from the reference's masks on.
    pub fn rounds(&self) -> bool {
        self.relative > 0.0
    }

    /// Every value within `tolerance` of the reference's, or within a few roundings of the largest.
    pub fn close(&mut self, what: &str, ours: &[f32], reference: &[f32], tolerance: f64) {
        self.checks += 1;
        if ours.len() != reference.len() {
            let lengths = format!("{} values instead of {}", ours.len(), reference.len());
            return self.failures.push(format!("{}: {what}: {lengths}", self.case));
        }
        let tolerance = tolerance.max(self.relative.max(8.0 * f64::from(f32::EPSILON)) * largest(reference));
        let difference = largest_difference(ours, reference);
        let ratio = difference / tolerance;
        if ratio > self.worst.0 {
            self.worst = (ratio, difference, what.into());
        }
        if ratio.is_nan() || ratio > 1.0 {
            let text = format!("{}: {what}: differs by {difference:e}, at most {tolerance:e}", self.case);
            self.failures.push(text);
        }
    }

    /// As `close`, relative to the largest value of the reference.
    pub fn close_to_largest(&mut self, what: &str, ours: &[f32], reference: &[f32], tolerance: f64) {
        self.close(what, ours, reference, tolerance * largest(reference).max(1.0));
    }

    /// Soft mask values, and exactly which of them are above 0.
    pub fn masks(&mut self, what: &str, ours: &[f32], reference: &[f32]) {
        self.close(what, ours, reference, 1e-4);
        // A value within the rounding that is allowed may be on either side of 0.
        let decided: Vec<usize> = (0..reference.len().min(ours.len()))
            .filter(|&i| self.relative == 0.0 || f64::from(ours[i].max(reference[i])) > self.relative)
            .collect();
        let active = |values: &[f32]| decided.iter().map(|&i| values[i] > 0.0).collect::<Vec<_>>();
        self.exact(&format!("{what} > 0"), &active(ours), &active(reference));
    }

    pub fn exact<T: PartialEq + Debug>(&mut self, what: &str, ours: &[T], reference: &[T]) {
        self.checks += 1;
        if ours != reference {
            let at = ours.iter().zip(reference).position(|(a, b)| a != b);
            let text = match at {
                Some(at) => format!("entry {at} is {:?} instead of {:?}", ours[at], reference[at]),
                None => format!("{} entries instead of {}", ours.len(), reference.len()),
            };
            self.failures.push(format!("{}: {what}: {text}", self.case));
        }
    }

    /// Gradients by name: each within 1e-4 of the file's largest gradient, and within 1e-3 of its own largest
    /// value where that exceeds 1e-4.
    pub fn gradients<'a>(&mut self, pairs: impl IntoIterator<Item = (String, Vec<f32>, &'a [f32])>) {
        let pairs: Vec<_> = pairs.into_iter().collect();
        let file = pairs.iter().map(|(_, _, reference)| largest(reference)).fold(0.0, f64::max);
        for (name, ours, reference) in &pairs {
            self.close(name, ours, reference, 1e-4 * file);
            let own = largest(reference);
            if own > 1e-4 {
                self.close(&format!("{name} (relative)"), ours, reference, 1e-3 * own);
            }
        }
    }

    pub fn line(&self) -> String {
        let (ratio, difference, what) = &self.worst;
        let verdict = if self.failures.is_empty() { "ok" } else { "FAILED" };
        format!(
            "parity {}: {verdict}, {} checks, largest difference {difference:.1e} ({:.1} % of its bound) in {what}",
            self.case,
            self.checks,
            100.0 * ratio
        )
    }
}

fn largest(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(v.abs())).fold(0.0, f64::max)
}

fn largest_difference(ours: &[f32], reference: &[f32]) -> f64 {
    let differences = ours.iter().zip(reference).map(|(a, b)| f64::from((a - b).abs()));
    differences.fold(0.0, |worst, d| if d.is_nan() { d } else { worst.max(d) })
}
