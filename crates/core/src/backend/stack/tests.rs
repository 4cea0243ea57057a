//! The engine against the same networks in float64; its gradients against differences there.

mod heavy;
mod passes;
mod reference;

use std::sync::Arc;

use super::super::kernels::Isa;
use super::elementwise::{self, Affine, Incoming};
use super::{Backward, Batch, Engine, Outcome, PassMasks, Plan, Tape};
use crate::random::{Draws, Stream};
use crate::spec::{Conv, Init, Join, Residual, Spec, Stage};
use reference::{Maps, Reference};

fn masked(kernels: usize) -> Conv {
    Conv { masked: true, ..Conv::new(kernels) }
}

fn conv(conv: Conv) -> Stage {
    Stage::Conv(conv)
}

fn pool(size: usize) -> Stage {
    Stage::MaxPool { size }
}

fn linear(outputs: usize) -> Stage {
    Stage::Linear { outputs }
}

fn dropout(probability: f64) -> Stage {
    Stage::Dropout { probability }
}

fn residual(body: &[Conv]) -> Residual {
    Residual { body: body.to_vec(), shortcut: None, join: None, relu: true }
}

/// Which sites a trial observes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Watch {
    Masks,
    All,
}

/// A network with its inputs and numbers for everything.
struct Trial {
    spec: Spec,
    batch: usize,
    plan: Arc<Plan>,
    observed: Vec<usize>,
    parameters: Vec<Vec<f32>>,
    images: Vec<f32>,
    masks: PassMasks,
    frozen: Vec<bool>,
}

/// What float64 gives.
struct Exact {
    evaluated: Run,
    trained: Run,
    /// Of the loss, for a step in each of [`Trial::directions`].
    differences: Vec<f64>,
}

struct Run {
    outputs: Vec<f64>,
    observed: Vec<Vec<f64>>,
    statistics: Vec<Option<(Vec<f64>, Vec<f64>)>>,
}

/// Gradients of a loss at what a pass gives.
struct Upstream {
    outputs: Vec<f32>,
    observed: Vec<Vec<f32>>,
}

impl Upstream {
    fn observed(&self) -> Vec<Option<&[f32]>> {
        self.observed.iter().map(|gradient| Some(gradient.as_slice())).collect()
    }
}

impl Trial {
    fn new(input: [usize; 3], batch: usize, stages: Vec<Stage>) -> Trial {
        Trial::watching(Watch::Masks, input, batch, stages)
    }

    fn watching(watch: Watch, input: [usize; 3], batch: usize, stages: Vec<Stage>) -> Trial {
        let spec = Spec { input, init: Init::default(), stages };
        let observed = match watch {
            Watch::Masks => spec.masked_sites().unwrap(),
            Watch::All => (0..spec.sites().unwrap().len()).collect(),
        };
        let plan = Arc::new(Plan::new(&spec, &observed).unwrap());
        let mut noise = Noise(1);
        let fan = |length: usize| match length {
            0..=64 => 0.7,
            65..=2048 => 0.3,
            _ => 0.1,
        };
        let parameters = plan.parameters.iter().map(|&length| noise.floats(length, fan(length)));
        let mut parameters: Vec<Vec<f32>> = parameters.collect();
        for norm in plan.blocks().filter_map(|(_, block)| block.norm) {
            // Scales away from 0, and variances above it.
            parameters[norm.scale].iter_mut().for_each(|x| *x += 1.0);
            parameters[norm.running_var].iter_mut().for_each(|x| *x = 0.5 + x.abs());
        }
        let images = noise.floats(batch * input.iter().product::<usize>(), 1.0);
        let frozen = vec![false; parameters.len()];
        Trial { spec, batch, plan, observed, parameters, images, masks: PassMasks::default(), frozen }
    }

    fn engine_with(&self, isa: Isa, threads: usize) -> Engine {
        let mut engine = Engine::new(Arc::clone(&self.plan), isa, threads);
        engine.freeze(self.frozen.clone());
        engine
    }

    fn engine(&self, threads: usize) -> Engine {
        self.engine_with(Isa::best(), threads)
    }

    fn slices(&self) -> Vec<&[f32]> {
        self.parameters.iter().map(Vec::as_slice).collect()
    }

    fn inputs(&self) -> Batch<'_> {
        Batch { images: &self.images, samples: self.batch, masks: &self.masks }
    }

    fn train(&self, engine: &mut Engine) -> (Outcome, Tape) {
        engine.train(&self.inputs(), &self.slices(), &draws())
    }

    fn evaluate(&self, engine: &mut Engine) -> Outcome {
        engine.evaluate(&self.inputs(), &self.slices())
    }

    /// The network in float64 with these parameters and given masks.
    fn reference(&self, parameters: &[Vec<f64>], given: &[Vec<f64>], trains: bool) -> Run {
        let mut reference = Reference {
            parameters,
            next: 0,
            trains,
            frozen: &self.frozen,
            draws: &draws(),
            dropouts: 0,
            masks: &self.masks,
            given,
            sites: Vec::new(),
            statistics: Vec::new(),
        };
        let x = self.images.iter().map(|&x| x.into()).collect();
        let outputs =
            reference.run(&self.spec.stages, Maps { batch: self.batch, shape: self.spec.input, x }).x;
        let observed = self.observed.iter().map(|&site| reference.sites[site].clone()).collect();
        Run { outputs, observed, statistics: reference.statistics }
    }

    /// Parameters and given masks in float64.
    fn exact_numbers(&self) -> [Vec<Vec<f64>>; 2] {
        let wide = |array: &Vec<f32>| array.iter().map(|&x| x.into()).collect();
        let given = self.masks.given.iter().map(|given| wide(&given.values)).collect();
        [self.parameters.iter().map(wide).collect(), given]
    }

    fn upstream(&self) -> Upstream {
        let mut noise = Noise(3);
        let outputs = noise.floats(self.batch * self.plan.outputs(), 1.0);
        let units = (0..self.observed.len()).map(|at| self.plan.observed_units(at));
        Upstream { outputs, observed: units.map(|units| noise.floats(self.batch * units, 1.0)).collect() }
    }

    /// A direction for each parameter and given mask.
    fn directions(&self) -> [Vec<Vec<f32>>; 2] {
        let mut noise = Noise(4);
        let parameters = self.parameters.iter().map(|array| noise.floats(array.len(), 1.0)).collect();
        let mut given = Vec::new();
        for mask in &self.masks.given {
            // Differences mean nothing at a mask of 0: the ReLU behind it, or behind the sum it enters, has a kink there.
            let direction = noise.floats(mask.values.len(), 1.0).into_iter().zip(&mask.values);
            given.push(direction.map(|(d, value)| if *value == 0.0 { 0.0 } else { d }).collect());
        }
        [parameters, given]
    }

    fn exact(&self) -> Exact {
        let [parameters, given] = self.exact_numbers();
        let upstream = self.upstream();
        let loss = |parameters: &[Vec<f64>], given: &[Vec<f64>]| -> f64 {
            let run = self.reference(parameters, given, true);
            let product = |a: &[f64], b: &[f32]| a.iter().zip(b).map(|(a, &b)| a * f64::from(b)).sum::<f64>();
            let terms = run.observed.iter().zip(&upstream.observed).map(|(a, b)| product(a, b));
            product(&run.outputs, &upstream.outputs) + terms.sum::<f64>()
        };
        let step = 1e-6;
        let mut differences = Vec::new();
        for (kind, directions) in self.directions().iter().enumerate() {
            for (number, direction) in directions.iter().enumerate() {
                let moved = |distance: f64| {
                    let mut numbers = [parameters.clone(), given.clone()];
                    let array = numbers[kind][number].iter_mut().zip(direction);
                    array.for_each(|(x, &d)| *x += distance * f64::from(d));
                    loss(&numbers[0], &numbers[1])
                };
                differences.push((moved(step) - moved(-step)) / (2.0 * step));
            }
        }
        Exact {
            evaluated: self.reference(&parameters, &given, false),
            trained: self.reference(&parameters, &given, true),
            differences,
        }
    }

    /// Forward passes, statistics, and every gradient along a random direction, on each instruction set.
    fn check(&self) {
        self.check_to(1e-4);
    }

    fn check_to(&self, bound: f64) {
        let exact = self.exact();
        for isa in Isa::available() {
            let mut engine = self.engine_with(isa, 2);
            close("evaluated", &self.evaluate(&mut engine), &exact.evaluated, bound);
            let (trained, tape) = self.train(&mut engine);
            close("trained", &trained, &exact.trained, bound);
            let upstream = self.upstream();
            let backward = engine.backward(tape, &upstream.outputs, &upstream.observed());
            self.check_gradients(&backward, &exact.differences, 2.0 * bound);
        }
    }

    fn check_gradients(&self, backward: &Backward, differences: &[f64], bound: f64) {
        let [parameters, given] = self.directions();
        let gradients = backward.gradients.iter().zip(&parameters).chain(backward.given.iter().zip(&given));
        let largest = backward.gradients.iter().map(|gradient| norm(gradient)).fold(0.0, f64::max);
        for (number, ((gradient, direction), difference)) in gradients.zip(differences).enumerate() {
            let is_parameter = number < parameters.len();
            if is_parameter && (self.frozen[number] || !self.plan.trained[number]) {
                assert!(gradient.is_empty(), "parameter {number} does not train");
                continue;
            }
            if !is_parameter && !self.masks.gradient {
                assert!(gradient.is_empty(), "nobody asked for the gradient of a given mask");
                continue;
            }
            let along: f64 = gradient.iter().zip(direction).map(|(a, b)| f64::from(a * b)).sum();
            let allowed = bound * (norm(gradient) * norm(direction)) + bound / 20.0 * largest;
            assert!(
                (along - difference).abs() <= allowed,
                "number {number} of {:?}: {along} and {difference}, {allowed} allowed",
                self.spec
            );
        }
    }
}

fn draws() -> Draws {
    Draws::new(9, Stream::Dropout, 0)
}

/// Numbers that look random.
struct Noise(u64);

impl Noise {
    fn draw(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.0 ^ self.0 >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 40) as f32 / (1u64 << 24) as f32
    }

    fn floats(&mut self, length: usize, bound: f32) -> Vec<f32> {
        (0..length).map(|_| (2.0 * self.draw() - 1.0) * bound).collect()
    }
}

fn norm(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

/// Compares what a pass gave with float64.
fn close(what: &str, found: &Outcome, exact: &Run, bound: f64) {
    near(&format!("{what} outputs"), &found.outputs, &exact.outputs, bound);
    assert_eq!(found.observed.len(), exact.observed.len());
    for (at, (found, exact)) in found.observed.iter().zip(&exact.observed).enumerate() {
        near(&format!("{what} site {at}"), found, exact, bound);
    }
    assert_eq!(found.statistics.len(), exact.statistics.len());
    for (found, exact) in found.statistics.iter().zip(&exact.statistics) {
        assert_eq!(exact.is_some(), found.is_some());
        if let (Some((mean, var)), Some(found)) = (exact, found) {
            near("mean", &found.mean, mean, bound);
            near("variance", &found.var, var, bound);
        }
    }
}

fn near(what: &str, found: &[f32], exact: &[f64], bound: f64) {
    assert_eq!(found.len(), exact.len(), "{what}");
    let largest = exact.iter().fold(1e-3f64, |largest, x| largest.max(x.abs()));
    for (at, (&found, exact)) in found.iter().zip(exact).enumerate() {
        let off = (f64::from(found) - exact).abs() / largest;
        assert!(off < bound, "{what} at {at}: {found} where {exact} was right");
    }
}

/// Checks a network that observes its masks, with all that is then fused, and one that observes all sites.
fn check(input: [usize; 3], batch: usize, stages: &[Stage]) {
    for watch in [Watch::Masks, Watch::All] {
        Trial::watching(watch, input, batch, stages.to_vec()).check();
    }
}

#[test]
fn a_masked_network_with_pools_matches_float64() {
    let stages = [
        conv(Conv::new(5)),
        conv(masked(7)),
        pool(2),
        conv(masked(6)),
        pool(2),
        Stage::Flatten,
        linear(9),
        Stage::Relu,
        dropout(0.3),
        linear(4),
    ];
    check([3, 9, 8], 5, &stages);
}

fn projected_residuals() -> Vec<Stage> {
    let end = |kernels| Conv { relu: false, bias: false, ..masked(kernels) };
    let body = vec![Conv { stride: 2, bias: false, ..masked(6) }, end(6)];
    let shortcut = Some(Conv { size: 1, stride: 2, ..end(6) });
    vec![
        conv(Conv::new(4)),
        Stage::Residual(residual(&[masked(4), end(4)])),
        Stage::Residual(Residual { body, shortcut, join: None, relu: true }),
        Stage::Residual(residual(&[masked(6), end(6)])),
        Stage::GlobalAvgPool,
        linear(3),
    ]
}

#[test]
fn residual_sums_with_projections_match_float64() {
    check([2, 6, 6], 4, &projected_residuals());
    let mut stages = projected_residuals();
    stages.iter_mut().flat_map(Stage::convs_mut).for_each(|conv| conv.masked = false);
    check([2, 6, 6], 4, &stages);
}

#[test]
fn sums_with_relu_inside_and_pools_behind_match_float64() {
    let sum = Residual { relu: false, ..residual(&[masked(5), masked(4)]) };
    let stages = [
        conv(Conv::new(4)),
        Stage::Residual(sum),
        pool(3),
        dropout(0.4),
        conv(masked(3)),
        Stage::Relu,
        Stage::Flatten,
        dropout(0.2),
        linear(3),
    ];
    check([1, 7, 8], 3, &stages);
}

#[test]
fn sums_of_paths_that_kept_different_channels_match_float64() {
    let body = vec![Conv::new(3), Conv { relu: false, ..masked(3) }];
    let join = Some(Join { channels: 6, body: vec![0, 2, 4], shortcut: vec![1, 2, 3, 5] });
    let stages = [
        conv(masked(4)),
        Stage::Residual(Residual { body, shortcut: None, join, relu: true }),
        conv(masked(5)),
        Stage::GlobalAvgPool,
        linear(3),
    ];
    check([2, 5, 4], 3, &stages);
}

#[test]
fn networks_without_batch_norm_or_masks_match_float64() {
    let bare = |kernels| Conv { batch_norm: false, ..Conv::new(kernels) };
    let stages = [
        conv(bare(4)),
        conv(Conv { bias: false, ..bare(6) }),
        pool(2),
        conv(Conv { masked: true, relu: false, ..bare(5) }),
        pool(2),
        conv(Conv { size: 1, relu: false, ..bare(3) }),
        Stage::Relu,
        Stage::Flatten,
        linear(2),
    ];
    check([3, 6, 7], 4, &stages);
}

#[test]
fn a_network_of_linear_layers_alone_matches_float64() {
    check([1, 2, 3], 4, &[Stage::Flatten, linear(5), Stage::Relu, linear(2)]);
}

#[test]
fn what_the_engine_does_not_run_has_no_plan() {
    let plan = |stages: Vec<Stage>, observed: &[usize]| {
        Plan::new(&Spec { input: [1, 4, 4], init: Init::default(), stages }, observed).is_some()
    };
    assert!(plan(vec![Stage::Flatten, linear(2)], &[]));
    assert!(!plan(vec![Stage::Flatten, linear(2)], &[0]), "there is no such site");
    let branches = vec![vec![Stage::Flatten, linear(2)]];
    assert!(!plan(vec![Stage::Parallel { branches }], &[]), "networks side by side");
    assert!(!plan(vec![linear(2)], &[]), "stages that do not fit");
}

#[test]
fn the_same_numbers_give_the_same_bits() {
    let stages = vec![conv(Conv::new(8)), conv(masked(16)), pool(2), Stage::GlobalAvgPool, linear(3)];
    let trial = Trial::new([3, 8, 8], 9, stages);
    let run = |threads| {
        let mut engine = trial.engine(threads);
        let (outcome, tape) = trial.train(&mut engine);
        let backward = engine.backward(tape, &vec![1.0; outcome.outputs.len()], &[None]);
        (outcome.outputs, backward.gradients)
    };
    let (outputs, gradients) = run(2);
    assert_eq!((&outputs, &gradients), (&run(2).0, &run(2).1));
    let norm = trial.plan.blocks().next().and_then(|(_, block)| block.norm).unwrap();
    let statistics = [norm.running_mean, norm.running_var];
    assert!(statistics.iter().all(|&number| gradients[number].is_empty()), "no gradient of statistics");
}

#[test]
fn what_a_batch_gives_does_not_depend_on_the_batches_before() {
    // Light and heavy layers; few samples of the heavy one are planned otherwise than many.
    for kernels in [8, 256] {
        let stages = vec![conv(Conv::new(kernels)), conv(masked(kernels)), Stage::Flatten, linear(3)];
        let trials = [3, 14].map(|batch| Trial::new([3, 4, 4], batch, stages.clone()));
        let step = |trial: &Trial, engine: &mut Engine| {
            engine.forget_weights();
            let (outcome, tape) = trial.train(engine);
            let gradients = engine.backward(tape, &vec![0.5; outcome.outputs.len()], &[None]).gradients;
            let result = (outcome.outputs, gradients.clone());
            engine.recycle(gradients);
            result
        };
        let alone = trials.each_ref().map(|trial| step(trial, &mut trial.engine(2)));
        for order in [[0, 1, 0], [1, 0, 1]] {
            let mut engine = trials[0].engine(2);
            for at in order {
                assert!(
                    step(&trials[at], &mut engine) == alone[at],
                    "batch {} of {order:?}",
                    trials[at].batch
                );
            }
        }
    }
}

#[test]
fn weights_that_are_not_finite_show_in_the_outputs() {
    let stages = vec![conv(Conv::new(3)), conv(masked(4)), pool(2), Stage::Flatten, linear(2)];
    let mut trial = Trial::new([1, 4, 4], 2, stages);
    trial.parameters[0][0] = f32::NAN;
    let outputs = trial.train(&mut trial.engine(1)).0.outputs;
    assert!(outputs.iter().all(|x| x.is_nan()), "{outputs:?}");
    let outputs = trial.evaluate(&mut trial.engine(1)).outputs;
    assert!(outputs.iter().all(|x| x.is_nan()), "{outputs:?}");
}

#[test]
fn a_maximum_over_a_window_with_nan_is_nan_wherever_it_is() {
    for place in [0, 1, 4, 5] {
        let mut trial = Trial::new([1, 4, 4], 1, vec![pool(2), Stage::Flatten, linear(2)]);
        trial.images[place] = f32::NAN;
        let trained = trial.train(&mut trial.engine(1)).0.outputs;
        let evaluated = trial.evaluate(&mut trial.engine(1)).outputs;
        assert!(trained.iter().chain(&evaluated).all(|x| x.is_nan()), "{place}: {trained:?} {evaluated:?}");
    }
}

#[test]
fn a_pixel_far_from_all_others_costs_the_statistics_no_digits() {
    let mut noise = Noise(2);
    let (channels, pixels) = (3, 16384);
    let mut y: Vec<f32> = (0..channels * pixels).map(|_| 4096.0 + noise.draw()).collect();
    y[..channels].fill(0.0);
    let engine = Trial::new([1, 2, 2], 1, vec![Stage::Flatten, linear(1)]).engine(2);
    let moments = engine.moments(&y, channels);
    for c in 0..channels {
        let values = || y.iter().skip(c).step_by(channels).map(|&x| f64::from(x));
        let mean = values().sum::<f64>() / pixels as f64;
        let var = values().map(|x| (x - mean).powi(2)).sum::<f64>() / pixels as f64;
        assert!((moments.var[c] / var - 1.0).abs() < 1e-5, "{} {var}", moments.var[c]);
        assert!((f64::from(moments.mean[c]) / mean - 1.0).abs() < 1e-6);
    }
}

#[test]
fn gradients_of_many_pixels_are_summed_without_loss() {
    let pixels = 1 << 20;
    let (y, each) = (vec![2.0; pixels], vec![0.1; pixels]);
    let affine = Affine { scale: &[1.0], shift: &[0.0], floor: elementwise::floor(true) };
    let incoming = Incoming { each: &each, channel: &[0.0] };
    for isa in Isa::available() {
        let (mut dz, mut product) = ([0.0], [0.0]);
        elementwise::bn_backward_reduce(isa, &y, affine, &[1.0], incoming, &mut dz, &mut product);
        let exact = f64::from(0.1f32) * pixels as f64;
        for sum in [dz[0], product[0]] {
            assert!((f64::from(sum) / exact - 1.0).abs() < 1e-5, "{sum} {exact}");
        }
    }
}

/// A network whose first steps are over large images, and how many.
fn large_images() -> (Vec<Stage>, usize) {
    let join = Some(Join { channels: 7, body: vec![0, 2, 4], shortcut: vec![1, 2, 3, 5, 6] });
    let end = |kernels| Conv { relu: false, ..Conv::new(kernels) };
    let stages = vec![
        conv(Conv::new(5)),
        Stage::Residual(residual(&[Conv::new(4), end(5)])),
        Stage::Residual(Residual { body: vec![Conv::new(4), end(3)], shortcut: None, join, relu: true }),
        pool(2),
        conv(Conv::new(6)),
        Stage::GlobalAvgPool,
        linear(3),
    ];
    (stages, 7)
}

#[test]
fn large_images_taken_one_by_one_match_float64() {
    let (stages, head) = large_images();
    let trial = Trial::new([2, 24, 24], 8, stages.clone());
    assert_eq!(trial.plan.head, head);
    let [parameters, given] = trial.exact_numbers();
    let exact = trial.reference(&parameters, &given, false);
    for isa in Isa::available() {
        let found = trial.evaluate(&mut trial.engine_with(isa, 2));
        near("evaluated outputs", &found.outputs, &exact.outputs, 1e-4);
    }
    let watching = Trial::watching(Watch::All, [2, 24, 24], 8, stages);
    assert_eq!(watching.plan.head, 0, "observed values are not lost inside a head");
}

#[test]
fn images_taken_one_by_one_have_the_bits_that_they_have_together() {
    let (stages, _) = large_images();
    let trial = Trial::new([2, 24, 24], 16, stages);
    let mut engine = trial.engine(4);
    // 13 are too few for four threads to take each alone.
    let images = &trial.images[..13 * 2 * 24 * 24];
    let fewer = Batch { images, samples: 13, masks: &trial.masks };
    let together = engine.evaluate(&fewer, &trial.slices()).outputs;
    let alone = trial.evaluate(&mut engine).outputs;
    assert_eq!(alone[..together.len()], together);
}

#[test]
fn masked_layers_and_a_lone_convolution_are_taken_with_their_batch() {
    let head = |stages: &[Stage]| {
        let spec = Spec { input: [2, 24, 24], init: Init::default(), stages: stages.to_vec() };
        Plan::new(&spec, &[]).unwrap().head
    };
    let five = || conv(Conv::new(5));
    assert_eq!(head(&[five(), conv(masked(5)), Stage::GlobalAvgPool]), 0);
    assert_eq!(head(&[five(), pool(2), Stage::GlobalAvgPool]), 0);
    assert_eq!(head(&[five(), five(), Stage::GlobalAvgPool]), 2);
}
