//! What a method's plans come to: on arrays and on tensors, on one device and on several.

use super::*;
use crate::backend::{Cpu, cpu_device};
use crate::learn::{Learner, Sgd, shares};
use crate::method::probe::{Probe, SEEN, STEPS, number};
use crate::method::{GivenMask, PassMasks, Progress, Terms};
use crate::network::Network;
use crate::random::Stream;
use crate::spec::{Architecture, Spec, Stage, State};

/// With mask generators and dropout; nothing in it compares samples.
fn spec() -> Spec {
    let mut spec = Architecture::Tiny.spec([1, 16, 16], 4, 0.25, true);
    spec.stages.insert(spec.stages.len() - 1, Stage::Dropout { probability: 0.3 });
    for stage in &mut spec.stages {
        if let Stage::Conv(conv) = stage {
            (conv.batch_norm, conv.bias) = (false, true);
        }
    }
    spec
}

fn replica(spec: &Spec, by_operations: bool) -> Replica<Cpu> {
    let network = Network::<Cpu>::new(spec.clone(), &State::init(spec, 5).unwrap(), &cpu_device()).unwrap();
    let network = if by_operations { network.by_operations() } else { network };
    Replica { network, optimiser: Sgd::new(0.9), device: cpu_device() }
}

fn share(from: usize, count: usize) -> Share<Cpu> {
    let pixels = (from * 256..(from + count) * 256).map(|i| (i * i % 251) as f32 / 125.0 - 1.0).collect();
    let images = Array { shape: vec![count, 1, 16, 16], values: pixels };
    let labels = (from..from + count).map(|sample| (sample * 7 % 4) as u32).collect();
    Share { images: images.to_tensor(&cpu_device()), labels }
}

/// What four steps of a method come to: weights, its state, and the sums of the last two steps.
fn trained(
    spec: &Spec,
    devices: usize,
    by_operations: bool,
) -> (State, MethodState, Vec<(&'static str, f64)>) {
    let Replica { network, optimiser, device } = replica(spec, by_operations);
    let mut learner = Learner::new(network, optimiser, device);
    (1..devices).for_each(|_| learner.add(replica(spec, by_operations)));
    let method = MethodConfig::Probe(Probe { load: 0.7, ..Probe::default() });
    let (mut state, mut sums) = (MethodState::default(), Vec::new());
    for step in 0..4 {
        let batch = shares(11, devices).map(|(from, count)| share(from, count)).collect();
        let progress = Progress { step, ..Progress::default() };
        let draws = Draws::new(3, Stream::Dropout, step);
        let step = learner.step_of(progress, batch, (&method, &mut state), 0.1, &draws);
        sums.extend(step.read());
    }
    let last_two = sums.split_off(sums.len() / 2);
    (learner.network().state(), state, last_two)
}

fn assert_alike(
    a: (State, MethodState, Vec<(&str, f64)>),
    b: (State, MethodState, Vec<(&str, f64)>),
    tolerance: f32,
) {
    for ((name, a), b) in a.0.0.iter().zip(b.0.0.values()) {
        let apart = a.values.iter().zip(&b.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart <= tolerance, "{name}: {apart}");
    }
    assert_eq!(a.1, b.1);
    for ((name, a), (same, b)) in a.2.iter().zip(&b.2) {
        assert_eq!(name, same);
        assert!((a - b).abs() <= f64::from(tolerance) * 50.0, "{name}: {a} {b}");
    }
}

#[test]
fn a_step_of_several_passes_on_arrays_is_the_one_on_tensors() {
    let spec = spec();
    let (ours, theirs) = (trained(&spec, 1, false), trained(&spec, 1, true));
    // Six of eleven samples have an even position.
    assert_eq!((number(&ours.1, STEPS), number(&ours.1, SEEN)), (4.0, 24.0));
    let value = |name: &str| ours.2.iter().find(|(of, _)| *of == name).unwrap().1;
    assert!(value("mean_mask") > 0.0 && value("cross_entropy") > 0.0);
    let total = value("cross_entropy") + 0.7 * value("mean_mask");
    assert!((value("total") - total).abs() < 1e-9, "{:?}", ours.2);
    assert_alike(ours, theirs, 1e-5);
    // Batch norm compares the samples of a pass.
    let normed = Architecture::Tiny.spec([1, 16, 16], 4, 0.25, true);
    assert_alike(trained(&normed, 1, false), trained(&normed, 1, true), 2e-4);
}

#[test]
fn two_devices_make_the_steps_of_several_passes_that_one_makes() {
    let spec = spec();
    for by_operations in [false, true] {
        assert_alike(trained(&spec, 1, by_operations), trained(&spec, 2, by_operations), 4e-6);
    }
}

/// Gradients and means of passes by these plans over eleven samples.
fn passed(
    spec: &Spec,
    plans: Vec<PassPlan>,
    by_operations: bool,
) -> (Vec<Vec<f32>>, Vec<(&'static str, f64)>) {
    let (method, state) =
        (MethodConfig::Probe(Probe { load: 0.7, ..Probe::default() }), MethodState::default());
    let work = Work::new(&method, &state, plans, 11);
    let mut replica = replica(spec, by_operations);
    let passed = replica.pass(share(0, 11), 0, &work, &Draws::new(3, Stream::Dropout, 0));
    (replica.network.on_host(passed.gradients.unwrap()), passed.sums.read())
}

#[test]
fn passes_over_the_parts_of_a_batch_add_up_to_one_over_all() {
    let mut spec = spec();
    spec.stages.retain(|stage| !matches!(stage, Stage::Dropout { .. }));
    for by_operations in [false, true] {
        let whole = passed(&spec, vec![PassPlan::default()], by_operations);
        let part = |samples: &[usize]| PassPlan { samples: Some(samples.to_vec()), ..PassPlan::default() };
        let parts = passed(&spec, vec![part(&[0, 4, 5]), part(&[1, 2, 3, 6, 7, 8, 9, 10])], by_operations);
        for (a, b) in whole.0.iter().flatten().zip(parts.0.iter().flatten()) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        for ((name, a), (_, b)) in whole.1.iter().zip(&parts.1) {
            assert!((a - b).abs() < 1e-4, "{name}: {a} {b}");
        }
    }
}

#[test]
fn samples_under_given_masks_train_no_generator_and_take_no_part_in_terms() {
    let spec = spec();
    let sites = spec.sites().unwrap();
    let masks = |takes: fn(usize) -> bool| PassMasks {
        given: spec
            .masked_sites()
            .unwrap()
            .into_iter()
            .map(|site| GivenMask { site, values: vec![1.0; 11 * sites[site].units] })
            .collect(),
        samples: (0..11).map(takes).collect(),
        ..PassMasks::default()
    };
    let generators: Vec<bool> =
        spec.slots().unwrap().iter().map(|slot| slot.name.contains("mask_generator")).collect();
    for by_operations in [false, true] {
        let plan = |takes| PassPlan { masks: masks(takes), ..PassPlan::default() };
        let of_generators = |gradients: &[Vec<f32>]| -> f32 {
            let theirs = gradients.iter().zip(&generators).filter(|(_, is)| **is);
            theirs.flat_map(|(gradient, _)| gradient).map(|value| value.abs()).sum()
        };
        let (all, sums) = passed(&spec, vec![plan(|_| true)], by_operations);
        assert_eq!(of_generators(&all), 0.0);
        assert!(all.iter().flatten().any(|value| *value != 0.0));
        let named = |name: &str| sums.iter().find(|(of, _)| *of == name).unwrap().1;
        assert_eq!(named("mean_mask"), 0.0);
        assert_eq!(named("kernel_rate"), 11.0, "all units of all samples, which are the only ones");
        let (some, sums) = passed(&spec, vec![plan(|sample| sample > 2)], by_operations);
        assert!(of_generators(&some) > 0.0);
        let named = |name: &str| sums.iter().find(|(of, _)| *of == name).unwrap().1;
        let own = PassPlan { samples: Some(vec![0, 1, 2]), ..PassPlan::default() };
        let alone = passed(&spec, vec![own], by_operations).1;
        for (name, value) in
            alone.iter().filter(|(name, _)| ["mean_mask", "kernel_rate", "correct"].contains(name))
        {
            assert!((named(name) - value).abs() < 1e-4, "{name}: {} {value}", named(name));
        }
    }
}

#[test]
fn classes_that_are_left_out_get_no_probability_and_send_no_gradient() {
    let spec = spec();
    // Each sample's own class only: nothing is left to be learnt.
    let labels = share(0, 11).labels;
    let own = labels.iter().flat_map(|label| (0..4).map(move |class| class == *label)).collect();
    let plan = PassPlan { classes: Some(own), terms: Terms::Only(Vec::new()), ..PassPlan::default() };
    for by_operations in [false, true] {
        let (gradients, sums) = passed(&spec, vec![plan.clone()], by_operations);
        assert!(gradients.iter().flatten().all(|value| *value == 0.0));
        let named: std::collections::BTreeMap<_, _> = sums.into_iter().collect();
        assert_eq!((named["cross_entropy"], named["mean_mask"], named["correct"]), (0.0, 0.0, 11.0));
    }
}
