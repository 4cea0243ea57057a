//! `*_threshold_edges_and_lr`: the threshold on firing frequencies where it is hit exactly or never, and the
//! learning rate over epochs.

use cleave::learn::cosine;
use cleave::modular::{Fallback, Part, Split, Usage, ranges};

use crate::compare::Report;
use crate::fixture::Fixture;
use crate::modularize::bits;
use crate::reference::tracked;

/// The thresholds that the reference was run with, and the prefix of their numbers.
pub const THRESHOLDS: [(&str, f64); 2] = [("tau90", 0.9), ("tau50", 0.5)];

/// The last value that a threshold of 0.9 takes before it would fall to 0.
const LAST: f32 = 0.05;

pub fn check(fixture: &Fixture, report: &mut Report) {
    for (key, threshold) in THRESHOLDS {
        let usage = usage(fixture, "layer_sizes", &format!("{key}/sample_bins"));
        class_modules(fixture, key, &usage.modules(threshold).unwrap(), report);
    }
    dead_layers(fixture, report);
    learning_rates(fixture, report);
}

/// The modules of all classes at one threshold, and how often it was lowered for them.
pub fn class_modules(fixture: &Fixture, key: &str, modules: &Split, report: &mut Report) {
    let masks = format!("{key}/module_masks");
    report.exact(&masks, &all_bits(modules), fixture.integers(&masks));
    let steps: Vec<i64> = modules.parts.iter().flat_map(|part| &part.fallback).map(steps).collect();
    let fallback = format!("{key}/fallback_steps");
    report.exact(&fallback, &steps, fixture.integers(&fallback));
}

fn all_bits(modules: &Split) -> Vec<i64> {
    modules.parts.iter().flat_map(|part| bits(&part.units)).collect()
}

fn steps(fallback: &Fallback) -> i64 {
    match fallback {
        Fallback::None => 0,
        Fallback::Lowered(steps) => i64::from(*steps),
        Fallback::Dead => -1,
    }
}

/// Usage from which kernels fired for each sample.
fn usage(fixture: &Fixture, sizes: &str, bins: &str) -> Usage {
    let labels = fixture.indices("labels");
    let classes = labels.iter().max().unwrap() + 1;
    let mut usage = Usage::new(tracked(&fixture.indices(sizes)), classes);
    for (&label, bins) in labels.iter().zip(fixture.integers(bins).chunks_exact(usage.total_units())) {
        let masks: Vec<f32> = bins.iter().map(|&bin| 0.5 * bin as f32).collect();
        usage.add(label, &masks).unwrap();
    }
    usage
}

/// From 0.9 the reference stops with an error where no kernel fires for 1 in 20 samples; there, and nowhere
/// else, our layer is dead. From 0.5 it accepts any kernel that fires at all.
fn dead_layers(fixture: &Fixture, report: &mut Report) {
    let usage = usage(fixture, "error/layer_sizes", "error/sample_bins");
    let dead: Vec<Vec<bool>> = (0..usage.classes())
        .map(|class| {
            let best = |range: std::ops::Range<usize>| {
                range.map(|kernel| usage.frequency(class, kernel)).fold(0.0, f32::max)
            };
            ranges(usage.sites()).map(|range| best(range) < LAST).collect()
        })
        .collect();
    assert!(dead.iter().flatten().any(|dead| *dead), "the fixture has no layer that ends in an error");
    let modules = usage.modules(0.9).unwrap();
    let is_dead = |part: &Part| part.fallback.iter().map(|f| *f == Fallback::Dead).collect();
    let ours: Vec<Vec<bool>> = modules.parts.iter().map(is_dead).collect();
    report.exact("error at 0.9", &ours, &dead);
    let key = "error/module_masks_tau50";
    report.exact(key, &all_bits(&usage.modules(0.5).unwrap()), fixture.integers(key));
}

/// The rates of every period in the file; the first of each is the base.
fn learning_rates(fixture: &Fixture, report: &mut Report) {
    let periods = fixture.names_below("cosine_lr_T");
    assert!(!periods.is_empty(), "the fixture has no learning rates");
    for period in periods {
        let key = format!("cosine_lr_T{period}");
        let theirs = fixture.values(&key);
        let (base, period) = (f64::from(theirs[0]), period.parse().unwrap());
        let ours: Vec<f32> = (0..theirs.len() as u64).map(|e| cosine(base, e, period) as f32).collect();
        report.close(&key, &ours, theirs, 1e-7);
    }
}
