//! `*_modularize`: which kernels each class uses, the modules that follow from it, and the modules of some
//! classes cut out.

use burn::tensor::Tensor;
use cleave::backend::{Compute, Training};
use cleave::modular::{Split, Usage};
use cleave::network::Network;
use cleave::spec::{Cost, Spec};
use fixedbitset::FixedBitSet;

use crate::compare::Report;
use crate::fixture::{Fixture, network_input, values};
use crate::module::Target;
use crate::reference::Reference;
use crate::threshold::{THRESHOLDS, class_modules};

/// Images in one forward pass.
const BATCH: usize = 100;

pub fn check<B: Training>(fixture: &Fixture, device: &B::Device, report: &mut Report) {
    let reference = Reference::of(fixture);
    whole_cost(fixture, &reference.spec, report);
    if fixture.holds("probe_x") {
        probes::<B>(fixture, device, report);
    }
    let usage = match fixture.holds("sample_masks") {
        true => {
            let network = reference.network::<B>(fixture, "state/", device).valid();
            usage(fixture, &reference, &network, device, report)
        }
        false => counted(fixture, &reference),
    };
    counts(fixture, &usage, report);
    for (key, threshold) in THRESHOLDS {
        let modules = usage.modules(threshold).unwrap();
        class_modules(fixture, key, &modules, report);
        measures(fixture, key, &modules, &usage, report);
    }
    let modules = usage.modules(THRESHOLDS[0].1).unwrap();
    let targets = Target::all(fixture, &reference, &modules);
    assert!(!targets.is_empty(), "the fixture has no module of some classes");
    for target in targets {
        target.check::<B>(device, report);
    }
}

/// A set of kernels as the reference writes it, 0 or 1 for each.
pub fn bits(set: &FixedBitSet) -> Vec<i64> {
    (0..set.len()).map(|kernel| i64::from(set.contains(kernel))).collect()
}

fn whole_cost(fixture: &Fixture, spec: &Spec, report: &mut Report) {
    let cost = Cost::of(spec).unwrap();
    let counts = [
        ("model_params", cost.params()),
        ("model_generator_params", cost.generator_params),
        ("model_macs", cost.macs()),
        ("model_generator_macs", cost.generator_macs),
    ];
    for (key, count) in counts {
        report.exact(key, &[count as i64], fixture.integers(key));
    }
}

/// The images on which modules are tried, as input.
fn probes<B: Training>(fixture: &Fixture, device: &B::Device, report: &mut Report) {
    let x = network_input::<B>(fixture, fixture.indices("probe_idx").into_iter(), device);
    report.exact("probe_x", &values(x), fixture.values("probe_x"));
}

/// What the network makes of all images; the kernels that it uses for them.
fn usage<B: Compute>(
    fixture: &Fixture,
    reference: &Reference,
    network: &Network<B>,
    device: &B::Device,
    report: &mut Report,
) -> Usage {
    let labels = fixture.indices("labels");
    let (mut logits, mut masks) = (Vec::new(), Vec::new());
    for start in (0..labels.len()).step_by(BATCH) {
        let end = labels.len().min(start + BATCH);
        let output = network.forward(network_input(fixture, start..end, device));
        logits.extend(values(output.logits));
        masks.extend(values(Tensor::cat(output.observed, 1)));
    }
    report.close_to_largest("model_logits", &logits, fixture.values("model_logits"), 1e-5);
    let theirs = fixture.values("sample_masks");
    report.masks("sample_masks", &masks, theirs);
    let masks = if report.rounds() { theirs } else { &masks };

    let layers = reference.masked_sites();
    let mut usage = Usage::new(layers, fixture.integers("class_sizes").len());
    for (&label, row) in labels.iter().zip(masks.chunks_exact(usage.total_units())) {
        usage.add(label, row).unwrap();
    }
    usage
}

/// The usage that the reference counted, where its samples are not in the file.
fn counted(fixture: &Fixture, reference: &Reference) -> Usage {
    let numbers = |name: &str| fixture.integers(name).iter().map(|&n| n as u32).collect::<Vec<_>>();
    let sites = reference.masked_sites();
    let kernels: usize = sites.iter().map(|site| site.units).sum();
    let counts = numbers("active_counts").chunks_exact(kernels).map(<[u32]>::to_vec).collect();
    Usage::from_counts(sites, numbers("class_sizes"), counts).unwrap()
}

fn counts(fixture: &Fixture, usage: &Usage, report: &mut Report) {
    let sizes: Vec<i64> = usage.sites().iter().map(|site| site.units as i64).collect();
    report.exact("layer_sizes", &sizes, fixture.integers("layer_sizes"));
    let sizes: Vec<i64> = usage.class_sizes().iter().map(|&size| size.into()).collect();
    report.exact("class_sizes", &sizes, fixture.integers("class_sizes"));
    let all = || (0..usage.classes()).flat_map(|class| (0..usage.total_units()).map(move |k| (class, k)));
    let counts: Vec<i64> = all().map(|(class, kernel)| usage.count(class, kernel).into()).collect();
    report.exact("active_counts", &counts, fixture.integers("active_counts"));
    if !fixture.holds("frequency") {
        return;
    }
    let frequencies: Vec<f32> = all().map(|(class, kernel)| usage.frequency(class, kernel)).collect();
    report.exact("frequency", &frequencies, fixture.values("frequency"));
}

/// Retention, cohesion and coupling of the modules.
fn measures(fixture: &Fixture, key: &str, modules: &Split, usage: &Usage, report: &mut Report) {
    let mut close = |name: &str, ours: &[f64]| {
        let ours: Vec<f32> = ours.iter().map(|&value| value as f32).collect();
        let name = format!("{key}/{name}");
        report.close(&name, &ours, fixture.values(&name), 1e-5);
    };
    let rates: Vec<f64> = (0..modules.parts.len()).map(|class| modules.krr(class)).collect();
    close("class_kernel_rate", &rates);
    close("krr", &[modules.mean_krr()]);
    close("coupling", &[modules.coupling()]);
    if fixture.holds(&format!("{key}/cohesion")) {
        close("class_cohesion", &modules.class_cohesion(usage).unwrap());
        close("cohesion", &[modules.cohesion(usage).unwrap()]);
    }
}
