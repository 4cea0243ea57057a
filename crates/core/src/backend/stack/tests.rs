//! The engine against the same networks in float64; its gradients against differences there.

mod reference;

use std::sync::Arc;

use super::super::kernels::Isa;
use super::{Conv, Engine, Outcome, Piece, Plan};
use crate::random::{Draws, Stream};
use reference::{Maps, Reference};

/// A plain convolution with batch norm and ReLU.
fn conv(kernels: usize) -> Conv {
    Conv { kernels, size: 3, stride: 1, bias: true, norm: true, generator: None, relu: true }
}

fn masked(kernels: usize) -> Conv {
    Conv { generator: Some(4), ..conv(kernels) }
}

fn residual(body: &[Conv]) -> Piece {
    Piece::Residual { body: body.to_vec(), shortcut: None, join: None, relu: true }
}

/// A network with its inputs and numbers for everything.
struct Trial {
    input: [usize; 3],
    batch: usize,
    pieces: Vec<Piece>,
    plan: Arc<Plan>,
    parameters: Vec<Vec<f32>>,
    images: Vec<f32>,
}

impl Trial {
    fn new(input: [usize; 3], batch: usize, pieces: Vec<Piece>) -> Trial {
        let plan = Arc::new(Plan::new(input, &pieces).unwrap());
        let mut noise = Noise(1);
        let fan = |length: usize| if length > 64 { 0.3 } else { 0.7 };
        let parameters = plan.parameters.iter().map(|&length| noise.floats(length, fan(length)));
        let mut parameters: Vec<Vec<f32>> = parameters.collect();
        for (_, block) in plan.blocks() {
            // Scales away from 0, and variances above it.
            if let Some(norm) = block.norm {
                parameters[norm].iter_mut().for_each(|x| *x += 1.0);
                parameters[norm + 3].iter_mut().for_each(|x| *x = 0.5 + x.abs());
            }
        }
        let images = noise.floats(batch * input.iter().product::<usize>(), 1.0);
        Trial { input, batch, pieces, plan, parameters, images }
    }

    fn engine(&self, threads: usize) -> Engine {
        Engine::new(Arc::clone(&self.plan), Isa::best(), threads)
    }

    /// Checks with every instruction set that this processor has.
    fn check(&self) {
        for isa in Isa::available() {
            self.check_with(&mut Engine::new(Arc::clone(&self.plan), isa, 2));
        }
    }

    fn slices(&self) -> Vec<&[f32]> {
        self.parameters.iter().map(Vec::as_slice).collect()
    }

    fn train(&self, engine: &mut Engine) -> Outcome {
        engine.train(&self.images, self.batch, &self.slices(), &draws())
    }

    fn reference(&self, parameters: &[Vec<f64>], trains: bool) -> (Vec<f64>, Vec<Vec<f64>>, Moments) {
        let mut reference = Reference {
            parameters,
            next: 0,
            trains,
            draws: &draws(),
            dropouts: 0,
            masks: Vec::new(),
            statistics: Vec::new(),
        };
        let images =
            Maps { batch: self.batch, shape: self.input, x: self.images.iter().map(|&x| x.into()).collect() };
        let out = reference.run(&self.pieces, images).x;
        (out, reference.masks, reference.statistics)
    }

    fn exact(&self) -> Vec<Vec<f64>> {
        self.parameters.iter().map(|array| array.iter().map(|&x| x.into()).collect()).collect()
    }

    /// Forward passes, statistics, and every gradient along a random direction.
    fn check_with(&self, engine: &mut Engine) {
        let evaluated = engine.evaluate(&self.images, self.batch, &self.slices());
        let (outputs, masks, _) = self.reference(&self.exact(), false);
        close("evaluated outputs", &evaluated.outputs, &outputs);
        masks.iter().zip(&evaluated.masks).for_each(|(mask, found)| close("evaluated masks", found, mask));

        let trained = self.train(engine);
        let (outputs, masks, statistics) = self.reference(&self.exact(), true);
        close("outputs", &trained.outputs, &outputs);
        assert_eq!(trained.masks.len(), masks.len());
        masks.iter().zip(&trained.masks).for_each(|(mask, found)| close("masks", found, mask));
        for (exact, found) in statistics.iter().zip(&trained.statistics) {
            assert_eq!(exact.is_some(), found.is_some());
            if let (Some((mean, var)), Some(found)) = (exact, found) {
                close("mean", &found.mean, mean);
                close("variance", &found.var, var);
            }
        }
        self.check_gradients(engine, &trained);
    }

    fn check_gradients(&self, engine: &mut Engine, trained: &Outcome) {
        let mut noise = Noise(3);
        let outputs = noise.floats(trained.outputs.len(), 1.0);
        let masks: Vec<Vec<f32>> = trained.masks.iter().map(|mask| noise.floats(mask.len(), 1.0)).collect();
        let slices: Vec<Option<&[f32]>> = masks.iter().map(|mask| Some(mask.as_slice())).collect();
        engine.backward(&outputs, &slices);
        let loss = |parameters: &[Vec<f64>]| -> f64 {
            let (out, made, _) = self.reference(parameters, true);
            let product = |a: &[f64], b: &[f32]| a.iter().zip(b).map(|(a, &b)| a * f64::from(b)).sum::<f64>();
            product(&out, &outputs) + made.iter().zip(&masks).map(|(a, b)| product(a, b)).sum::<f64>()
        };
        let sizes: Vec<f64> = engine.gradients().iter().map(|gradient| norm(gradient)).collect();
        let largest = sizes.iter().copied().fold(0.0, f64::max);
        for (number, gradient) in engine.gradients().iter().enumerate() {
            let direction = noise.floats(gradient.len(), 1.0);
            let along: f64 = gradient.iter().zip(&direction).map(|(a, b)| f64::from(a * b)).sum();
            let moved = |distance: f64| {
                let mut parameters = self.exact();
                let array = parameters[number].iter_mut().zip(&direction);
                array.for_each(|(x, &d)| *x += distance * f64::from(d));
                loss(&parameters)
            };
            let step = 1e-6;
            let difference = (moved(step) - moved(-step)) / (2.0 * step);
            let allowed = 2e-4 * (sizes[number] * norm(&direction)) + 1e-5 * largest;
            assert!(
                (along - difference).abs() <= allowed,
                "parameter {number} of {:?}: {along} and {difference}, {allowed} allowed",
                self.pieces
            );
        }
    }
}

type Moments = Vec<Option<(Vec<f64>, Vec<f64>)>>;

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

fn close(what: &str, found: &[f32], exact: &[f64]) {
    assert_eq!(found.len(), exact.len(), "{what}");
    let largest = exact.iter().fold(1e-3f64, |largest, x| largest.max(x.abs()));
    for (at, (&found, exact)) in found.iter().zip(exact).enumerate() {
        let off = (f64::from(found) - exact).abs() / largest;
        assert!(off < 1e-4, "{what} at {at}: {found} where {exact} was right");
    }
}

#[test]
fn a_masked_network_with_pools_matches_float64() {
    let pieces = vec![
        Piece::Conv(conv(5)),
        Piece::Conv(masked(7)),
        Piece::MaxPool(2),
        Piece::Conv(masked(6)),
        Piece::MaxPool(2),
        Piece::Flatten,
        Piece::Linear(9),
        Piece::Relu,
        Piece::Dropout(0.3),
        Piece::Linear(4),
    ];
    Trial::new([3, 9, 8], 5, pieces).check();
}

#[test]
fn residual_sums_with_projections_match_float64() {
    let end = |kernels| Conv { relu: false, bias: false, ..masked(kernels) };
    let body = vec![Conv { stride: 2, bias: false, ..masked(6) }, end(6)];
    let shortcut = Some(Conv { size: 1, stride: 2, ..end(6) });
    let pieces = vec![
        Piece::Conv(conv(4)),
        residual(&[masked(4), end(4)]),
        Piece::Residual { body, shortcut, join: None, relu: true },
        residual(&[masked(6), end(6)]),
        Piece::Average,
        Piece::Linear(3),
    ];
    Trial::new([2, 6, 6], 4, pieces).check();
}

#[test]
fn sums_with_relu_inside_and_pools_behind_match_float64() {
    let plain =
        |body: &[Conv]| Piece::Residual { body: body.to_vec(), shortcut: None, join: None, relu: false };
    let pieces = vec![
        Piece::Conv(conv(4)),
        plain(&[masked(5), masked(4)]),
        Piece::MaxPool(3),
        Piece::Dropout(0.4),
        Piece::Conv(masked(3)),
        Piece::Relu,
        Piece::Flatten,
        Piece::Dropout(0.2),
        Piece::Linear(3),
    ];
    Trial::new([1, 7, 8], 3, pieces).check();
}

#[test]
fn sums_of_paths_that_kept_different_channels_match_float64() {
    let body = vec![conv(3), Conv { relu: false, ..masked(3) }];
    let join = Some((vec![0, 2, 4], vec![1, 2, 3, 5], 6));
    let pieces = vec![
        Piece::Conv(masked(4)),
        Piece::Residual { body, shortcut: None, join, relu: true },
        Piece::Conv(masked(5)),
        Piece::Average,
        Piece::Linear(3),
    ];
    Trial::new([2, 5, 4], 3, pieces).check();
}

#[test]
fn networks_without_batch_norm_or_masks_match_float64() {
    let bare = |kernels| Conv { norm: false, ..conv(kernels) };
    let pieces = vec![
        Piece::Conv(bare(4)),
        Piece::Conv(Conv { bias: false, ..bare(6) }),
        Piece::MaxPool(2),
        Piece::Conv(Conv { generator: Some(3), relu: false, ..bare(5) }),
        Piece::MaxPool(2),
        Piece::Conv(Conv { size: 1, relu: false, ..bare(3) }),
        Piece::Relu,
        Piece::Flatten,
        Piece::Linear(2),
    ];
    Trial::new([3, 6, 7], 4, pieces).check();
}

#[test]
fn a_network_of_linear_layers_alone_matches_float64() {
    Trial::new([1, 2, 3], 4, vec![Piece::Flatten, Piece::Linear(5), Piece::Relu, Piece::Linear(2)]).check();
}

#[test]
fn the_same_numbers_give_the_same_bits() {
    let pieces = vec![
        Piece::Conv(conv(8)),
        Piece::Conv(masked(16)),
        Piece::MaxPool(2),
        Piece::Average,
        Piece::Linear(3),
    ];
    let trial = Trial::new([3, 8, 8], 9, pieces);
    let run = |threads| {
        let mut engine = trial.engine(threads);
        let outcome = trial.train(&mut engine);
        engine.backward(&vec![1.0; outcome.outputs.len()], &[None]);
        (outcome.outputs, engine.gradients().to_vec())
    };
    let (outputs, gradients) = run(2);
    assert_eq!((&outputs, &gradients), (&run(2).0, &run(2).1));
    let (_, block) = trial.plan.blocks().next().unwrap();
    let statistics = block.norm.unwrap() + 2;
    assert!(gradients[statistics..statistics + 2].iter().all(Vec::is_empty), "no gradient of statistics");
}

#[test]
fn what_a_batch_gives_does_not_depend_on_the_batches_before() {
    // Light and heavy layers; few samples of the heavy one are planned otherwise than many.
    for kernels in [8, 256] {
        let pieces =
            vec![Piece::Conv(conv(kernels)), Piece::Conv(masked(kernels)), Piece::Flatten, Piece::Linear(3)];
        let trials = [3, 14].map(|batch| Trial::new([3, 4, 4], batch, pieces.clone()));
        let step = |trial: &Trial, engine: &mut Engine| {
            let outputs = trial.train(engine).outputs;
            engine.backward(&vec![0.5; outputs.len()], &[None]);
            (outputs, engine.gradients().to_vec())
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
fn imposed_masks_take_the_place_of_the_generators() {
    let pieces = vec![Piece::Conv(conv(3)), Piece::Conv(masked(4)), Piece::Average, Piece::Linear(2)];
    let trial = Trial::new([1, 4, 4], 2, pieces);
    let mut engine = trial.engine(1);
    engine.impose(vec![vec![0.5, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0, 1.0]]);
    assert_eq!(trial.train(&mut engine).masks[0], [0.5, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn weights_that_are_not_finite_show_in_the_outputs() {
    let pieces = vec![
        Piece::Conv(conv(3)),
        Piece::Conv(masked(4)),
        Piece::MaxPool(2),
        Piece::Flatten,
        Piece::Linear(2),
    ];
    let mut trial = Trial::new([1, 4, 4], 2, pieces);
    trial.parameters[0][0] = f32::NAN;
    let outputs = trial.train(&mut trial.engine(1)).outputs;
    assert!(outputs.iter().all(|x| x.is_nan()), "{outputs:?}");
    let outputs = trial.engine(1).evaluate(&trial.images, trial.batch, &trial.slices()).outputs;
    assert!(outputs.iter().all(|x| x.is_nan()), "{outputs:?}");
}

/// A network whose first steps are over large images, and how many.
fn large_images() -> (Vec<Piece>, usize) {
    let join = Some((vec![0, 2, 4], vec![1, 2, 3, 5, 6], 7));
    let end = |kernels| Conv { relu: false, ..conv(kernels) };
    let pieces = vec![
        Piece::Conv(conv(5)),
        residual(&[conv(4), end(5)]),
        Piece::Residual { body: vec![conv(4), end(3)], shortcut: None, join, relu: true },
        Piece::MaxPool(2),
        Piece::Conv(conv(6)),
        Piece::Average,
        Piece::Linear(3),
    ];
    (pieces, 7)
}

#[test]
fn large_images_taken_one_by_one_match_float64() {
    let (pieces, head) = large_images();
    let trial = Trial::new([2, 24, 24], 8, pieces);
    assert_eq!(trial.plan.head, head);
    for isa in Isa::available() {
        let mut engine = Engine::new(Arc::clone(&trial.plan), isa, 2);
        let evaluated = engine.evaluate(&trial.images, trial.batch, &trial.slices());
        close("evaluated outputs", &evaluated.outputs, &trial.reference(&trial.exact(), false).0);
    }
}

#[test]
fn images_taken_one_by_one_have_the_bits_that_they_have_together() {
    let (pieces, _) = large_images();
    let trial = Trial::new([2, 24, 24], 16, pieces);
    let mut engine = trial.engine(4);
    // 13 are too few for four threads to take each alone.
    let fewer = &trial.images[..13 * 2 * 24 * 24];
    let together = engine.evaluate(fewer, 13, &trial.slices()).outputs;
    let alone = engine.evaluate(&trial.images, 16, &trial.slices()).outputs;
    assert_eq!(alone[..together.len()], together);
}

#[test]
fn masked_layers_and_a_lone_convolution_are_taken_with_their_batch() {
    let of = |pieces: &[Piece]| Plan::new([2, 24, 24], pieces).unwrap().head;
    assert_eq!(of(&[Piece::Conv(conv(5)), Piece::Conv(masked(5)), Piece::Average]), 0);
    assert_eq!(of(&[Piece::Conv(conv(5)), Piece::MaxPool(2), Piece::Average]), 0);
    assert_eq!(of(&[Piece::Conv(conv(5)), Piece::Conv(conv(5)), Piece::Average]), 2);
}
