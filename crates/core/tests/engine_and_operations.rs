//! The CPU's engine and Burn's operations train any network alike: with masks of generators and given ones, several
//! passes in a step, observed activations, and layers that are frozen.

#![allow(clippy::unwrap_used)]

use burn::tensor::Tensor;
use cleave_core::backend::{Cpu, cpu_device};
use cleave_core::learn::{Sgd, cross_entropy};
use cleave_core::network::{GivenMask, Network, PassMasks};
use cleave_core::random::{Draws, Stream, generator};
use cleave_core::spec::{Array, Conv, Init, Join, Residual, Role, Shape, SiteKind, Spec, Stage, State};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

const CLASSES: u32 = 3;

fn random_conv(rng: &mut ChaCha8Rng, kernels: usize, stride: usize) -> Conv {
    let size = [1, 3, 3][rng.random_range(0..3)];
    let [bias, batch_norm, relu] = [0.5, 0.7, 0.7].map(|chance| rng.random_bool(chance));
    Conv { kernels, size, stride, bias, batch_norm, masked: false, relu }
}

/// So many of the numbers below a bound, ascending.
fn random_map(rng: &mut ChaCha8Rng, count: usize, bound: usize) -> Vec<usize> {
    let mut left = count;
    let mut take = |at: usize| {
        let taken = left > 0 && rng.random_range(0..bound - at) < left;
        left -= usize::from(taken);
        taken
    };
    (0..bound).filter(|at| take(*at)).collect()
}

/// A residual block on so many channels: with a projection, with paths that kept different channels, or with neither.
fn random_residual(rng: &mut ChaCha8Rng, channels: usize, widest: usize) -> Residual {
    let (projected, joined) = (rng.random_bool(0.4), rng.random_bool(0.4));
    let stride = if projected { rng.random_range(1..=2) } else { 1 };
    let own = projected || joined;
    let outputs = if own { rng.random_range(1..=widest) } else { channels };
    let inner = rng.random_range(1..=widest);
    let body = vec![random_conv(rng, inner, stride), random_conv(rng, outputs, 1)];
    let short = if joined { rng.random_range(1..=widest) } else { outputs };
    let shortcut = projected.then(|| random_conv(rng, short, stride));
    let short = if projected { short } else { channels };
    let join = joined.then(|| {
        let channels = outputs.max(short) + rng.random_range(0..=2);
        let [body, shortcut] = [outputs, short].map(|count| random_map(rng, count, channels));
        Join { channels, body, shortcut }
    });
    Residual { body, shortcut, join, relu: rng.random_bool(0.5) }
}

/// Convolutions, pools of 2 and 3, residual sums and dropout on maps that may be rectangles of either kind; then hidden
/// linear layers.
fn random_spec(rng: &mut ChaCha8Rng) -> Spec {
    let widest = [6, 6, 40][rng.random_range(0..3)];
    let sides = [rng.random_range(3..=10), rng.random_range(3..=10)];
    let input = [rng.random_range(1..=3), sides[0], sides[1]];
    let mut spec = Spec { input, init: Init::Uniform, stages: Vec::new() };
    let kernels = rng.random_range(1..=widest);
    let mut map = [kernels, sides[0], sides[1]];
    spec.stages.push(Stage::Conv(random_conv(rng, kernels, 1)));
    for _ in 0..rng.random_range(1..5) {
        let stage = match rng.random_range(0..7) {
            0 | 1 => {
                let size = rng.random_range(2..=3);
                if map[1].min(map[2]) < size {
                    continue;
                }
                Stage::MaxPool { size }
            }
            2 => {
                let kernels = rng.random_range(1..=widest);
                Stage::Conv(random_conv(rng, kernels, 1))
            }
            3 => Stage::Dropout { probability: 0.3 },
            _ => Stage::Residual(random_residual(rng, map[0], widest)),
        };
        match stage.output(Shape::Map(map)) {
            Some(Shape::Map(next)) => map = next,
            other => panic!("{stage:?} makes {other:?} of {map:?}"),
        }
        spec.stages.push(stage);
    }
    spec.stages.push(if rng.random_bool(0.6) { Stage::Flatten } else { Stage::GlobalAvgPool });
    if rng.random_bool(0.6) {
        let hidden = [Stage::Linear { outputs: 7 }, Stage::Relu, Stage::Dropout { probability: 0.5 }];
        spec.stages.extend(hidden);
    }
    spec.stages.push(Stage::Linear { outputs: CLASSES as usize });
    if rng.random_bool(0.7) { spec.with_masks() } else { spec }
}

/// Weights and statistics without trivial values, of sizes that keep activations near 1.
fn random_state(rng: &mut ChaCha8Rng, spec: &Spec) -> State {
    let mut state = State::init(spec, 0).unwrap();
    for slot in spec.slots().unwrap() {
        let inputs: usize = slot.shape[1..].iter().product();
        let (low, high) = match slot.role {
            Role::RunningVar => (0.5, 1.2),
            Role::Scale => (0.3, 1.2),
            Role::GeneratorBias => (-0.5, 1.2),
            _ => (-1.0, 1.2),
        };
        let scale = (3.0 / inputs as f32).sqrt().min(1.0);
        let array = state.0.get_mut(&slot.name).unwrap();
        array.values.iter_mut().for_each(|value| *value = rng.random_range(low..high) * scale);
    }
    state
}

/// What a step does.
struct Step {
    spec: Spec,
    state: State,
    observing: Vec<usize>,
    frozen: Vec<String>,
    passes: Vec<Pass>,
}

struct Pass {
    images: Array,
    labels: Vec<u32>,
    masks: PassMasks,
}

/// Given masks of zeros and ones at some of the convolutions, for all or some samples.
fn random_masks(rng: &mut ChaCha8Rng, spec: &Spec, batch: usize) -> PassMasks {
    let mut masks = PassMasks { gradient: rng.random_bool(0.7), ..PassMasks::default() };
    if rng.random_bool(0.5) {
        masks.samples = (0..batch).map(|_| rng.random_bool(0.6)).collect();
    }
    for (site, found) in spec.sites().unwrap().into_iter().enumerate() {
        if matches!(found.kind, SiteKind::Conv { .. }) && rng.random_bool(0.5) {
            let count = batch * found.units;
            let values = (0..count).map(|_| f32::from(u8::from(rng.random_bool(0.7)))).collect();
            masks.given.push(GivenMask { site, values });
        }
    }
    masks
}

fn random_pass(rng: &mut ChaCha8Rng, spec: &Spec, given: bool) -> Pass {
    let batch = [1, 6, 13][rng.random_range(0..3)];
    let mut images = Array::filled(&[&[batch][..], &spec.input].concat(), 0.0);
    images.values.iter_mut().for_each(|value| *value = rng.random_range(-1.0..1.0));
    let labels = (0..batch).map(|_| rng.random_range(0..CLASSES)).collect();
    let masks = if given { random_masks(rng, spec, batch) } else { PassMasks::default() };
    Pass { images, labels, masks }
}

impl Step {
    /// A step of one pass that observes the masks.
    fn plain(rng: &mut ChaCha8Rng) -> Step {
        let spec = random_spec(rng);
        let state = random_state(rng, &spec);
        let (observing, passes) = (spec.masked_sites().unwrap(), vec![random_pass(rng, &spec, false)]);
        Step { spec, state, observing, frozen: Vec::new(), passes }
    }

    /// The named results of the step: of its passes, its gradients, and of the network after the update.
    fn results(&self, network: Network<Cpu>) -> Vec<(String, Array)> {
        let device = cpu_device();
        let mut network = network.observing(&self.observing);
        network.freeze(&self.frozen).unwrap();
        let mut all = Vec::new();
        let mut passes = Vec::new();
        let mut loss: Option<Tensor<Cpu, 1>> = None;
        for (number, Pass { images, labels, masks }) in self.passes.iter().enumerate() {
            let draws = Draws::new(1, Stream::Dropout, 0).of_pass(number as u16);
            let pass = network.forward_train(images.to_tensor(&device), masks, &draws);
            // What comes between the passes of a step changes nothing.
            let between = network.forward_with(images.to_tensor(&device), masks);
            all.push(("logits between".to_owned(), Array::from_tensor(between.logits)));
            let output = pass.output();
            let mut of_pass = cross_entropy(output.logits.clone(), labels);
            for observed in &output.observed {
                of_pass = of_pass + observed.clone().square().mean();
                all.push(("observed".to_owned(), Array::from_tensor(observed.clone())));
            }
            all.push(("logits".to_owned(), Array::from_tensor(output.logits.clone())));
            loss = Some(loss.map_or(of_pass.clone(), |loss| loss + of_pass));
            passes.push(pass);
        }
        let backward = network.backward(passes, loss.unwrap().backward());
        let given = backward.given.into_iter().map(|values| Array { shape: vec![values.len()], values });
        all.extend(given.map(|array| ("gradient of a given mask".to_owned(), array)));
        let named = network.named_gradients(&backward.gradients).0;
        all.extend(named.into_iter().map(|(name, array)| (format!("gradient of {name}"), array)));
        Sgd::new(0.9).step(0.01, &mut network, backward.gradients);
        self.check_frozen(&network);
        all.extend(network.state().0);
        all
    }

    fn check_frozen(&self, network: &Network<Cpu>) {
        for (name, after) in &network.state().0 {
            let under = |prefix: &String| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
            if self.frozen.iter().any(under) {
                assert_eq!(after, &self.state.0[name], "{name} is frozen");
            }
        }
    }

    /// Where the two ways differ, if they do.
    fn difference(&self) -> Option<String> {
        let network = || Network::<Cpu>::new(self.spec.clone(), &self.state, &cpu_device()).unwrap();
        assert!(network().is_on_host());
        let (engine, operations) = (self.results(network()), self.results(network().by_operations()));
        let names =
            |all: &[(String, Array)]| -> Vec<String> { all.iter().map(|(name, _)| name.clone()).collect() };
        assert_eq!(names(&engine), names(&operations), "{:?}", self.spec);
        for ((name, a), (_, b)) in engine.iter().zip(&operations) {
            assert_eq!(a.shape, b.shape, "{name}");
            // Batch norm takes the bias of a convolution out: its gradient is what rounding leaves of large terms.
            let least = if name.ends_with("conv.bias") { 1.0 } else { 1e-1f32 };
            let largest = b.values.iter().fold(least, |most, value| most.max(value.abs()));
            let bound = 2e-3 * largest;
            let near = |(a, b): (&f32, &f32)| (a - b).abs() <= bound;
            if let Some(at) = a.values.iter().zip(&b.values).position(|pair| !near(pair)) {
                return Some(format!(
                    "{name} at {at}: {} and {}, {bound} allowed",
                    a.values[at], b.values[at]
                ));
            }
        }
        None
    }
}

/// Fixed seeds: once in a while rounding moves a decision of ReLU or pooling, and then both are right.
fn check(seeds: std::ops::Range<u64>, change: impl Fn(&mut ChaCha8Rng, &mut Step)) {
    let differs = |seed: u64| {
        let mut rng = generator(seed, Stream::Weights, 0);
        let mut step = Step::plain(&mut rng);
        change(&mut rng, &mut step);
        step.difference().map(|difference| (seed, difference))
    };
    let differences: Vec<_> = seeds.filter_map(differs).collect();
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn networks_of_every_kind_train_alike() {
    check(0..60, |_, _| {});
}

#[test]
fn observed_activations_and_their_gradients_are_alike() {
    check(100..140, |_, step| step.observing = (0..step.spec.sites().unwrap().len()).rev().collect());
}

#[test]
fn given_masks_and_their_gradients_are_alike() {
    check(200..240, |rng, step| step.passes = vec![random_pass(rng, &step.spec, true)]);
}

#[test]
fn several_passes_before_one_backward_pass_are_alike() {
    check(300..330, |rng, step| {
        let given = [false, true, rng.random_bool(0.5)];
        step.passes = given.map(|given| random_pass(rng, &step.spec, given)).into();
    });
}

#[test]
fn frozen_layers_are_alike_and_keep_their_bits() {
    check(400..450, |rng, step| {
        let layers = step.spec.layers().unwrap();
        for layer in &layers {
            let part = ["", ".conv", ".bn", ".mask_generator"][rng.random_range(0..4)];
            let name = format!("{}{part}", layer.name);
            let there = step.state.0.keys().any(|slot| slot.starts_with(&format!("{name}.")));
            if there && rng.random_bool(0.5) {
                step.frozen.push(name);
            }
        }
        let given = rng.random_bool(0.3);
        step.passes = vec![random_pass(rng, &step.spec, given)];
        step.observing = (0..step.spec.sites().unwrap().len()).collect();
    });
}
