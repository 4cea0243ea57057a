//! Laws that every network, module and run obeys.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use cleave::backend::{Arithmetic, Cpu, cpu_device};
use cleave::method::mwt::modular_losses;
use cleave::method::{Average, HostBatch, MethodConfig, MethodState, Mwt, Rehearsal, TensorBatch};
use cleave::modular::{Selection, slice};
use cleave::network::Network;
use cleave::random::{Stream, generator};
use cleave::run::{Best, CheckpointInfo, EpochSums, Event};
use cleave::session::{Change, Command, Schedule, Session, Setting};
use cleave::spec::{Array, Conv, Cost, Init, Residual, Role, SiteKind, Spec, Stage, State};
use common::{Home, begin, outcome, play, reopen, train};
use proptest::prelude::*;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

type Inner = <Cpu as AutodiffBackend>::InnerBackend;

fn rng(seed: u64) -> ChaCha8Rng {
    generator(seed, Stream::Weights, 0)
}

/// Makes at most so many steps from the newest checkpoint on, then stops; tells whether the run is finished.
fn train_a_little(home: &Home, name: &str, steps: u64) -> bool {
    let mut session = Session::start(reopen(&home.store(), name)).unwrap();
    session.send(Command::Pause);
    (0..steps).for_each(|_| _ = session.send(Command::StepOnce));
    session.send(Command::Stop);
    matches!(play(session).last(), Some(Event::Finished { .. }))
}

#[test]
fn a_run_that_was_stopped_anywhere_and_continued_equals_one_that_never_stopped() {
    let home = Home::new();
    let whole = outcome(&train(begin(&home.store(), "whole", &[])));
    assert_eq!(whole.files.len(), 3, "weights, velocities and usage");
    for seed in 0..4 {
        let name = format!("stopped-{seed}");
        drop(begin(&home.store(), &name, &[]));
        let mut rng = rng(seed);
        while !train_a_little(&home, &name, rng.random_range(0..9)) {}
        assert_eq!(outcome(&home.run(&name)), whole, "{name}");
    }
}

#[test]
fn a_process_that_was_killed_anywhere_and_resumed_equals_one_that_was_left_alone() {
    let home = Home::new();
    let arguments = |name| ["trial", "--set", "training.epochs=80", "--name", name];
    let begun = Instant::now();
    home.train(&arguments("whole")).exits(0);
    let time = begun.elapsed();
    let mut rng = rng(1);
    let mut running = home.start(&arguments("killed"));
    running.wait_for("run killed in");
    let mut kills = 0;
    loop {
        // The longest wait grows, so that a slow machine gets to the end too.
        let longest = time.mul_f64(0.3 + 0.05 * f64::from(kills));
        std::thread::sleep(longest.mul_f64(rng.random_range(0.1..1.0)) + Duration::from_millis(20));
        if running.child.try_wait().unwrap().is_some() {
            running.end().exits(0);
            break;
        }
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        kills += 1;
        running = home.start(&["--resume", "killed"]);
    }
    println!("killed {kills} times");
    assert!(kills > 0);
    assert_eq!(outcome(&home.run("killed")), outcome(&home.run("whole")), "after {kills} kills");
}

#[test]
fn a_command_at_a_step_equals_a_schedule_with_that_change_at_that_step() {
    let home = Home::new();
    let settings = [
        Setting::Weight { name: "beta".into(), value: 4.0 },
        Setting::LearningRate(Some(0.01)),
        Setting::Weight { name: "alpha".into(), value: 0.0 },
    ];
    let mut session = Session::start(begin(&home.store(), "commanded", &[])).unwrap();
    session.send(Command::Pause);
    (0..7).for_each(|_| _ = session.send(Command::StepOnce));
    let revisions = settings.clone().map(|setting| session.send(Command::Set(setting)));
    session.send(Command::Resume);
    let events = play(session);
    let applied = |revision| {
        let find =
            |event: &&Event| matches!(event, Event::Applied { revision: r, .. } if *r == Some(revision));
        match events.iter().find(find) {
            Some(Event::Applied { step, .. }) => *step,
            _ => panic!("{revision} was not applied: {events:?}"),
        }
    };
    let step = applied(revisions[0]);
    assert!(step >= 7 && revisions.iter().all(|&revision| applied(revision) == step));

    let mut job = begin(&home.store(), "scheduled", &[]);
    job.schedule = Schedule { change: settings.map(|set| Change { step, set }).into() };
    assert_eq!(outcome(&train(job)), outcome(&home.run("commanded")));
    let unchanged = outcome(&train(begin(&home.store(), "unchanged", &[])));
    assert_ne!(unchanged.files, outcome(&home.run("commanded")).files);
}

#[test]
fn a_schedule_is_kept_while_stepping_by_hand() {
    let home = Home::new();
    let change = |step, value| Change { step, set: Setting::Weight { name: "beta".into(), value } };
    let schedule = Schedule { change: (1..12).map(|step| change(step, step as f64 / 4.0)).collect() };
    let mut job = begin(&home.store(), "straight", &[]);
    job.schedule = schedule.clone();
    let straight = outcome(&train(job));

    let mut job = begin(&home.store(), "stepped", &[]);
    job.schedule = schedule;
    let mut session = Session::start(job).unwrap();
    session.send(Command::Pause);
    (0..5).for_each(|_| _ = session.send(Command::StepOnce));
    session.send(Command::Resume);
    play(session);
    assert_eq!(outcome(&home.run("stepped")), straight);
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_others() {
    let home = Home::new();
    let weights = |name: &str, seed: &str| {
        let run = train(begin(&home.store(), name, &[&format!("training.seed={seed}")]));
        outcome(&run).files.remove("weights.safetensors").unwrap()
    };
    let first = weights("first", "7");
    assert_eq!(weights("again", "7"), first);
    assert_ne!(weights("other", "8"), first);
}

fn bits(state: &State) -> Vec<(&String, &Vec<usize>, Vec<u32>)> {
    let arrays = state.0.iter();
    arrays.map(|(name, a)| (name, &a.shape, a.values.iter().map(|v| v.to_bits()).collect())).collect()
}

#[test]
fn a_checkpoint_is_read_as_it_was_written_to_the_last_bit() {
    let home = Home::new();
    let mut job = begin(&home.store(), "a", &[]);
    let odd = [0.1, -0.0, f32::MIN_POSITIVE / 3.0, f32::MAX, 1.0 / 3.0, 16_777_217.0];
    for seed in 1..6 {
        let mut rng = rng(seed);
        let mut checkpoint = job.checkpoint.clone();
        let values = checkpoint.weights.0.values_mut().flat_map(|array| &mut array.values);
        values.zip(odd.iter().cycle()).for_each(|(value, odd)| *value += odd * rng.random::<f32>());
        checkpoint.velocity = checkpoint.weights.clone();
        checkpoint.velocity.0.pop_last();
        checkpoint.method = checkpoint.velocity.clone();
        checkpoint.step = seed;
        checkpoint.info = CheckpointInfo {
            loss_weights: [("alpha".to_owned(), rng.random()), ("beta".to_owned(), 1e-300)].into(),
            learning_rate: Some(rng.random()),
            frozen: vec!["conv0".into(), "conv1.mask_generator".into()],
            phase: Some(seed),
            best: Some(Best { step: 3, accuracy: rng.random() }),
            epoch_sums: EpochSums::Named(
                odd.iter().map(|odd| (odd.to_string(), f64::from(*odd) / 3.0)).collect(),
            ),
            seconds: rng.random(),
        };
        job.writer.save_checkpoint(&checkpoint, None).unwrap();
        let read = job.writer.run.newest_whole().unwrap().checkpoint;
        assert_eq!(read, checkpoint);
        assert_eq!(bits(&read.weights), bits(&checkpoint.weights));
        assert_eq!(bits(&read.velocity), bits(&checkpoint.velocity));
    }
}

fn random_conv(rng: &mut ChaCha8Rng, kernels: usize, stride: usize) -> Conv {
    let size = [1, 3][rng.random_range(0..2)];
    let [bias, batch_norm, relu] = [0.5, 0.7, 0.7].map(|chance| rng.random_bool(chance));
    Conv { kernels, size, stride, bias, batch_norm, masked: false, relu }
}

/// A residual block on so many channels, with a projection or without.
fn random_residual(rng: &mut ChaCha8Rng, channels: usize) -> Residual {
    let projected = rng.random_bool(0.5);
    let stride = if projected { rng.random_range(1..=2) } else { 1 };
    let outputs = if projected { rng.random_range(1..=6) } else { channels };
    let inner = rng.random_range(1..=5);
    let body = vec![random_conv(rng, inner, stride), random_conv(rng, outputs, 1)];
    let shortcut = projected.then(|| random_conv(rng, outputs, stride));
    Residual { body, shortcut, join: None, relu: rng.random_bool(0.5) }
}

/// A small network: convolutions, pools, residual sums; flattened with any number of pixels left, or pooled.
fn random_spec(rng: &mut ChaCha8Rng) -> Spec {
    let mut side = rng.random_range(4..=9usize);
    let input = [rng.random_range(1..=3), side, side + rng.random_range(0..=2)];
    let mut channels = rng.random_range(1..=6);
    let mut stages = vec![Stage::Conv(random_conv(rng, channels, 1))];
    for _ in 0..rng.random_range(1..5) {
        match rng.random_range(0..5) {
            0 if side > 1 => {
                side /= 2;
                stages.push(Stage::MaxPool { size: 2 });
            }
            1 => {
                channels = rng.random_range(1..=6);
                stages.push(Stage::Conv(random_conv(rng, channels, 1)));
            }
            _ => {
                let residual = random_residual(rng, channels);
                channels = residual.body[1].kernels;
                side = side.div_ceil(residual.body[0].stride);
                stages.push(Stage::Residual(residual));
            }
        }
    }
    stages.push(if rng.random_bool(0.6) { Stage::Flatten } else { Stage::GlobalAvgPool });
    if rng.random_bool(0.5) {
        stages.extend([Stage::Linear { outputs: 5 }, Stage::Relu, Stage::Dropout { probability: 0.5 }]);
    }
    stages.push(Stage::Linear { outputs: 3 });
    Spec { input, init: Init::Uniform, stages }.with_masks()
}

/// Weights and statistics without trivial values.
fn random_state(rng: &mut ChaCha8Rng, spec: &Spec) -> State {
    let mut state = State::init(spec, 0).unwrap();
    for slot in spec.slots().unwrap() {
        let low = if slot.role == Role::RunningVar { 0.5 } else { -1.0 };
        let array = state.0.get_mut(&slot.name).unwrap();
        array.values.iter_mut().for_each(|value| *value = rng.random_range(low..1.2));
    }
    state
}

/// Some units of every convolution and hidden linear layer.
fn random_selection(rng: &mut ChaCha8Rng, spec: &Spec) -> Selection {
    let mut selection = Selection::all(spec).unwrap();
    for (kept, site) in selection.sites.iter_mut().zip(spec.sites().unwrap()) {
        if matches!(site.kind, SiteKind::Sum { .. }) {
            continue;
        }
        let always = rng.random_range(0..kept.len());
        for unit in 0..kept.len() {
            kept.set(unit, unit == always || rng.random_bool(0.5));
        }
    }
    selection
}

/// The whole network without mask generators, the outputs of dropped units made zero by their weights.
fn silenced(spec: &Spec, state: &State, selection: &Selection) -> (Spec, State) {
    let mut state = state.clone();
    state.0.retain(|name, _| !name.contains("mask_generator"));
    let suffixes = ["conv.weight", "conv.bias", "bn.weight", "bn.bias", "bn.running_mean", "weight", "bias"];
    for (site, kept) in spec.sites().unwrap().iter().zip(&selection.sites) {
        for suffix in suffixes {
            let Some(array) = state.0.get_mut(&format!("{}.{suffix}", site.name)) else { continue };
            let row = array.values.len() / kept.len();
            for unit in kept.zeroes() {
                array.values[unit * row..(unit + 1) * row].fill(0.0);
            }
        }
    }
    (spec.clone().without_masks(), state)
}

fn logits(spec: &Spec, state: &State, images: &Array) -> Vec<f32> {
    let network = Network::<Inner>::new(spec.clone(), state, &cpu_device()).unwrap();
    Array::from_tensor(network.forward(images.to_tensor(&cpu_device())).logits).values
}

fn random_images(rng: &mut ChaCha8Rng, spec: &Spec) -> Array {
    let [channels, height, width] = spec.input;
    let mut images = Array::filled(&[3, channels, height, width], 0.0);
    images.values.iter_mut().for_each(|value| *value = rng.random_range(-1.0..1.0));
    images
}

proptest! {
    #[test]
    fn a_slice_computes_what_the_whole_network_does_with_the_dropped_units_zeroed(seed: u64) {
        let mut rng = rng(seed);
        let spec = random_spec(&mut rng);
        let state = random_state(&mut rng, &spec);
        let selection = random_selection(&mut rng, &spec);
        let images = random_images(&mut rng, &spec);
        let (module, weights) = slice(&spec, &state, &selection).unwrap();
        let (whole, zeroed) = silenced(&spec, &state, &selection);
        let expected = logits(&whole, &zeroed, &images);
        let largest = expected.iter().fold(1e-3f32, |most, value| most.max(value.abs()));
        for (a, b) in logits(&module, &weights, &images).iter().zip(&expected) {
            prop_assert!((a - b).abs() <= 1e-4 * largest, "{} {} {:?}", a, b, spec);
        }
    }

    #[test]
    fn the_cost_of_a_spec_counts_the_parameters_of_the_network_built_from_it(seed: u64) {
        let spec = random_spec(&mut rng(seed));
        let state = State::init(&spec, seed).unwrap();
        let network = Network::<Inner>::new(spec.clone(), &state, &cpu_device()).unwrap();
        let built = network.state();
        prop_assert_eq!(&built, &state);
        let trained = network.slots().iter().filter(|slot| slot.role.is_trained());
        let counted: usize = trained.map(|slot| built.get(&slot.name).unwrap().values.len()).sum();
        prop_assert_eq!(counted as u64, Cost::of(&spec).unwrap().params());
    }
}

/// Masks `[samples, kernels]` with some zeros, as ReLU leaves them.
fn random_masks(rng: &mut ChaCha8Rng, samples: usize, kernels: usize) -> Vec<Vec<f64>> {
    let value = |rng: &mut ChaCha8Rng| f64::from(rng.random_range(-0.5f32..1.0).max(0.0));
    (0..samples).map(|_| (0..kernels).map(|_| value(rng)).collect()).collect()
}

fn tensor<B: Backend>(rows: &[Vec<f64>], device: &B::Device) -> Tensor<B, 2> {
    let values: Vec<f32> = rows.iter().flatten().map(|&value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, [rows.len(), rows[0].len()]), device)
}

/// Cohesion and coupling loss of each layer.
fn losses(layers: &[Vec<Vec<f64>>], labels: &[u32], average: Average) -> (Vec<f32>, Vec<f32>) {
    let device = cpu_device();
    let masks: Vec<Tensor<Inner, 2>> = layers.iter().map(|rows| tensor(rows, &device)).collect();
    let losses = modular_losses(&masks, labels, average, Arithmetic::Plain, &device);
    (Array::from_tensor(losses.cohesion).values, Array::from_tensor(losses.coupling).values)
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Equations 4 and 5 of the paper as they are written, on one layer: L_ch and L_cp.
fn paper_losses(masks: &[Vec<f64>], labels: &[u32], classes: u32) -> (f64, f64) {
    let of_class = |class: u32| -> Vec<&Vec<f64>> {
        masks.iter().zip(labels).filter(|(_, label)| **label == class).map(|(mask, _)| mask).collect()
    };
    let n = f64::from(classes);
    let (mut alike, mut crossed) = (0.0, 0.0);
    for i in 0..classes {
        let own = of_class(i);
        let mut sum = 0.0;
        for j in 0..own.len() {
            for k in j + 1..own.len() {
                sum += cosine(own[j], own[k]);
            }
        }
        alike += sum / (own.len() * (own.len() - 1) / 2) as f64;
        for h in 0..i {
            let other = of_class(h);
            let mut sum = 0.0;
            for j in &other {
                for k in &own {
                    sum += cosine(j, k);
                }
            }
            crossed += sum / (other.len() * own.len()) as f64;
        }
    }
    (1.0 - alike / n, crossed * 2.0 / (n * n - n))
}

#[test]
fn the_average_over_classes_is_that_of_the_papers_equations_4_and_5() {
    let labels = [0, 1, 2, 0, 2, 1, 1, 3, 0, 3, 1, 2, 2, 2];
    let mut rng = rng(3);
    let layers = [9, 4, 17].map(|kernels| random_masks(&mut rng, labels.len(), kernels));
    let (cohesion, coupling) = losses(&layers, &labels, Average::Classes);
    for (layer, masks) in layers.iter().enumerate() {
        assert!(masks.iter().all(|row| row.iter().any(|&value| value > 0.0)), "a row of zeros has no cosine");
        let expected = paper_losses(masks, &labels, 4);
        assert!((f64::from(cohesion[layer]) - expected.0).abs() < 1e-5, "{cohesion:?} {expected:?}");
        assert!((f64::from(coupling[layer]) - expected.1).abs() < 1e-5, "{coupling:?} {expected:?}");
    }
}

/// The sum of both losses and its gradient at the masks.
fn loss_and_gradient(rows: &[Vec<f64>], labels: &[u32], average: Average) -> (f32, f32, Vec<f32>) {
    let device = cpu_device();
    let masks = tensor::<Cpu>(rows, &device).require_grad();
    let losses = modular_losses(std::slice::from_ref(&masks), labels, average, Arithmetic::Plain, &device);
    let gradients = (losses.cohesion.clone() + losses.coupling.clone()).sum().backward();
    let gradient = Array::from_tensor(masks.grad(&gradients).unwrap()).values;
    let first = |loss: Tensor<Cpu, 1>| Array::from_tensor(loss).values[0];
    (first(losses.cohesion), first(losses.coupling), gradient)
}

#[test]
fn a_batch_without_pairs_of_a_kind_loses_nothing_for_them() {
    let rows = random_masks(&mut rng(4), 5, 6);
    for average in [Average::Pairs, Average::Classes] {
        let (cohesion, coupling, gradient) = loss_and_gradient(&rows, &[2; 5], average);
        assert!(cohesion > 0.0 && gradient.iter().any(|value| *value != 0.0));
        assert_eq!(coupling, 0.0, "one class has no pairs of different classes");
        assert!(gradient.iter().all(|value| value.is_finite()));

        let (cohesion, coupling, gradient) = loss_and_gradient(&rows, &[4, 1, 0, 3, 2], average);
        assert_eq!(cohesion, 0.0, "five classes have no pairs of one class");
        assert!(coupling > 0.0 && gradient.iter().all(|value| value.is_finite()));

        let (cohesion, coupling, gradient) = loss_and_gradient(&rows[..1], &[3], average);
        assert_eq!((cohesion, coupling), (0.0, 0.0), "one sample has no pairs");
        assert!(gradient.iter().all(|value| *value == 0.0));
    }
}

#[test]
fn a_mask_that_is_zero_everywhere_is_similar_to_nothing_and_gives_no_nan() {
    let mut rows = random_masks(&mut rng(5), 4, 6);
    rows[1] = vec![0.0; 6];
    for average in [Average::Pairs, Average::Classes] {
        let (cohesion, coupling, gradient) = loss_and_gradient(&rows, &[0, 0, 1, 1], average);
        assert!(cohesion.is_finite() && coupling.is_finite(), "{cohesion} {coupling}");
        assert!(gradient.iter().all(|value| value.is_finite()), "{gradient:?}");
        let expected = 1.0 - cosine(&rows[2], &rows[3]) / 2.0;
        assert!((f64::from(cohesion) - expected).abs() < 1e-5, "its pair counts with similarity 0");
        let (cohesion, coupling, gradient) =
            loss_and_gradient(&vec![vec![0.0; 6]; 4], &[0, 0, 1, 1], average);
        assert_eq!((cohesion, coupling), (1.0, 0.0));
        assert!(gradient.iter().all(|value| value.is_finite()), "{gradient:?}");
    }
}

type NamedValues = Vec<(&'static str, f32)>;

/// A method's terms, and the gradients of their weighted sum, by Burn's operations.
fn terms_of_tensors(
    method: &MethodConfig,
    observed: &[Vec<f32>],
    labels: &[u32],
) -> (NamedValues, Vec<Option<Vec<f32>>>) {
    let (device, state) = (cpu_device(), MethodState::default());
    let tensor = |values: &Vec<f32>| -> Tensor<Cpu, 2> {
        let data = TensorData::new(values.clone(), [labels.len(), values.len() / labels.len()]);
        Tensor::from_data(data, &device).require_grad()
    };
    let observed: Vec<Tensor<Cpu, 2>> = observed.iter().map(tensor).collect();
    let batch = TensorBatch {
        observed: &observed,
        labels,
        arithmetic: Arithmetic::Plain,
        device: &device,
        state: &state,
    };
    let (terms, weights) = (method.terms(&batch), method.term_weights());
    let weighted = terms.iter().map(|(name, value)| value.clone().mul_scalar(weights.of(name)));
    let gradients = weighted.reduce(|sum, term| sum + term).map(|total| total.backward());
    let values = |values: &Tensor<Cpu, 2>| {
        let gradient = gradients.as_ref().and_then(|gradients| values.grad(gradients));
        gradient.map(|gradient| Array::from_tensor(gradient).values)
    };
    let gradients = observed.iter().map(values).collect();
    let terms = terms.into_iter().map(|(name, value)| (name, Array::from_tensor(value).values[0]));
    (terms.collect(), gradients)
}

/// Every method with its defaults, and other settings that change what it computes.
fn all_methods() -> Vec<MethodConfig> {
    let mut methods = MethodConfig::all();
    methods.push(MethodConfig::Mwt(Mwt {
        alpha: 0.7,
        beta: 1.9,
        average: Average::Classes,
        rehearsal: None,
    }));
    methods.push(MethodConfig::Mwt(Mwt { rehearsal: Some(Rehearsal::default()), ..Mwt::default() }));
    methods
}

#[test]
fn the_terms_of_a_method_on_the_host_and_their_gradients_are_those_of_tensors() {
    let mut rng = rng(6);
    let crowd: Vec<u32> = (0..40).map(|i| [7, 2, 2, 5, 9][i % 5]).collect();
    let batches: [&[u32]; 5] = [&crowd, &[4, 4, 4], &[3, 1, 2], &[1, 1, 2, 2, 8], &[6]];
    for (labels, method) in
        batches.into_iter().flat_map(|labels| all_methods().into_iter().map(move |method| (labels, method)))
    {
        let mut observed: Vec<Vec<f32>> = [5, 33, 16]
            .map(|units| (0..labels.len() * units).map(|_| rng.random_range(-0.5f32..1.0).max(0.0)).collect())
            .into();
        observed[1][..33].fill(0.0);
        let (weights, state) = (method.term_weights(), MethodState::default());
        let ours =
            method.host_terms(&HostBatch { observed: &observed, labels, weights: &weights, state: &state });
        let (terms, gradients) = terms_of_tensors(&method, &observed, labels);
        let names: Vec<&str> = method.term_specs().iter().map(|term| term.name).collect();
        assert_eq!(ours.values.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
        assert_eq!(terms.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
        for ((name, a), (_, b)) in ours.values.iter().zip(&terms) {
            assert!((a - f64::from(*b)).abs() < 1e-5, "{name} of {}: {a} {b}", method.name());
        }
        for (site, theirs) in gradients.iter().enumerate() {
            let ours = ours.gradients.get(site).filter(|ours| !ours.is_empty());
            let (Some(ours), Some(theirs)) = (ours, theirs) else {
                assert_eq!(ours.is_some(), theirs.is_some(), "{}", method.name());
                continue;
            };
            // A row of zeros is divided by next to nothing, so that rounding is to be measured by its row.
            let units = theirs.len() / labels.len();
            for (ours, theirs) in ours.chunks(units).zip(theirs.chunks(units)) {
                let largest = theirs.iter().fold(0.1f32, |largest, x| largest.max(x.abs()));
                for (a, b) in ours.iter().zip(theirs) {
                    let close = (a - b).abs() <= 1e-5 * largest;
                    assert!(close, "{labels:?} {}: {ours:?} {theirs:?}", method.name());
                }
            }
        }
    }
}
