//! The way of a batch of images through a network.

use std::slice::Iter;

use burn::tensor::activation::{relu, tanh};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Int, Tensor, TensorData};
use rand::RngExt;

use super::product::{conv2d, linear, matmul};
use super::weights::{BatchNorm, ConvWeights, LinearWeights, MaskGenerator};
use crate::backend::{Arithmetic, Compute, Precision};
use crate::random::Draws;
use crate::spec::{Conv, Join, NORM_EPSILON, Residual, Stage};

/// What a batch gives.
#[derive(Clone, Debug)]
pub struct Output<B: Backend> {
    /// `[batch, classes]`.
    pub logits: Tensor<B, 2>,
    /// One `[batch, kernels]` tensor for each masked convolution, in mask order; values in `[0, 1)`.
    pub masks: Vec<Tensor<B, 2>>,
    /// How products were computed, and those of the losses are to be.
    pub arithmetic: Arithmetic,
}

impl<B: AutodiffBackend> Output<B> {
    /// The same numbers without gradient tracking.
    pub fn valid(&self) -> Output<B::InnerBackend> {
        let masks = self.masks.iter().map(|mask| mask.clone().inner());
        Output { logits: self.logits.clone().inner(), masks: masks.collect(), arithmetic: self.arithmetic }
    }
}

/// Mean and unbiased variance of a batch, each `[channels]`, for one batch norm.
pub(super) struct BatchStatistics<B: Backend> {
    pub mean: Tensor<B, 1>,
    pub var: Tensor<B, 1>,
}

/// What a forward pass is for.
#[derive(Clone, Copy)]
pub(super) enum Mode<'a> {
    /// Batch norm uses the batch's own statistics; dropout draws from these generators.
    Train(&'a Draws),
    /// Batch norm uses its running statistics; no dropout.
    Evaluate,
}

/// A forward pass under way.
pub(super) struct Pass<'a, B: Backend> {
    convs: Iter<'a, ConvWeights<B>>,
    linears: Iter<'a, LinearWeights<B>>,
    /// Masks to use in place of the generators' own, if any.
    imposed: Iter<'a, Tensor<B, 2>>,
    mode: Mode<'a>,
    arithmetic: Arithmetic,
    masks: Vec<Tensor<B, 2>>,
    statistics: Vec<Option<BatchStatistics<B>>>,
    /// Dropout stages so far.
    dropouts: usize,
}

/// Activations between stages.
#[derive(Clone)]
enum Signal<B: Backend> {
    /// `[batch, channels, height, width]`.
    Map(Tensor<B, 4>),
    /// `[batch, features]`.
    Flat(Tensor<B, 2>),
}

impl<'a, B: Compute> Pass<'a, B> {
    pub(super) fn new(
        convs: &'a [ConvWeights<B>],
        linears: &'a [LinearWeights<B>],
        imposed: &'a [Tensor<B, 2>],
        mode: Mode<'a>,
        arithmetic: Arithmetic,
    ) -> Self {
        Pass {
            convs: convs.iter(),
            linears: linears.iter(),
            imposed: imposed.iter(),
            mode,
            arithmetic,
            masks: Vec::new(),
            statistics: Vec::with_capacity(convs.len()),
            dropouts: 0,
        }
    }

    /// Runs the stages; gives the output and, while training, what each convolution's batch norm saw.
    pub(super) fn run(
        mut self,
        stages: &[Stage],
        images: Tensor<B, 4>,
    ) -> (Output<B>, Vec<Option<BatchStatistics<B>>>) {
        let last = stages.iter().fold(Signal::Map(images), |signal, stage| self.stage(stage, signal));
        let output = Output { logits: last.flat(), masks: self.masks, arithmetic: self.arithmetic };
        (output, self.statistics)
    }

    fn stage(&mut self, stage: &Stage, signal: Signal<B>) -> Signal<B> {
        match (stage, signal) {
            (Stage::Conv(conv), Signal::Map(x)) => Signal::Map(self.conv(conv, x)),
            (Stage::Residual(residual), Signal::Map(x)) => Signal::Map(self.residual(residual, x)),
            (Stage::MaxPool { size }, Signal::Map(x)) => {
                Signal::Map(max_pool2d(x, [*size; 2], [*size; 2], [0; 2], [1; 2], false))
            }
            (Stage::GlobalAvgPool, Signal::Map(x)) => Signal::Flat(global_average(x)),
            (Stage::Flatten, Signal::Map(x)) => Signal::Flat(x.flatten(1, 3)),
            (Stage::Relu, Signal::Map(x)) => Signal::Map(relu(x)),
            (Stage::Relu, Signal::Flat(x)) => Signal::Flat(relu(x)),
            (Stage::Dropout { probability }, Signal::Map(x)) => {
                let dims = x.dims();
                let flat = self.dropout(*probability, x.flatten(1, 3));
                Signal::Map(flat.reshape(dims))
            }
            (Stage::Dropout { probability }, Signal::Flat(x)) => Signal::Flat(self.dropout(*probability, x)),
            (Stage::Linear { .. }, Signal::Flat(x)) => Signal::Flat(self.linear(x)),
            (Stage::Parallel { branches }, signal) => {
                let run = |branch: &Vec<Stage>| {
                    branch.iter().fold(signal.clone(), |signal, stage| self.stage(stage, signal)).flat()
                };
                Signal::Flat(Tensor::cat(branches.iter().map(run).collect(), 1))
            }
            (stage, signal) => unreachable!("a checked spec gave {} to {}", signal.kind(), stage.kind()),
        }
    }

    /// BN(conv(x)) * mask, then ReLU (paper section 3.2.1): the mask sits behind batch norm and before ReLU.
    fn conv(&mut self, conv: &Conv, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let weights = next(&mut self.convs);
        let mask = weights.generator.as_ref().map(|generator| self.mask(generator, x.clone()));
        let bias = weights.bias.as_ref().map(|bias| bias.val());
        let options = ConvOptions::new([conv.stride; 2], [conv.padding(); 2], [1; 2], 1);
        let y = conv2d(x, weights.weight.val(), bias, options, self.arithmetic);
        let (y, statistics) = match (&weights.norm, &self.mode) {
            (Some(norm), Mode::Train(_)) => {
                let (y, statistics) = norm.normalise_batch(y, mask.clone());
                (y, Some(statistics))
            }
            (Some(norm), Mode::Evaluate) => (norm.normalise(y, mask.clone()), None),
            (None, _) => match mask.clone() {
                Some(mask) => (y * mask.unsqueeze_dims(&[2, 3]), None),
                None => (y, None),
            },
        };
        self.statistics.push(statistics);
        self.masks.extend(mask);
        if conv.relu { relu(y) } else { y }
    }

    /// The generator's mask, or the imposed one with the generator's gradient.
    fn mask(&mut self, generator: &MaskGenerator<B>, x: Tensor<B, 4>) -> Tensor<B, 2> {
        let mask = generator.mask_by(x, self.arithmetic);
        match self.imposed.next() {
            Some(imposed) => mask.clone() - mask.detach() + imposed.clone(),
            None => mask,
        }
    }

    fn residual(&mut self, residual: &Residual, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let body = residual.body.iter().fold(x.clone(), |y, conv| self.conv(conv, y));
        let short = match &residual.shortcut {
            Some(conv) => self.conv(conv, x),
            None => x,
        };
        let sum = match &residual.join {
            Some(Join { channels, body: map, shortcut }) => {
                scatter_channels(body, map, *channels) + scatter_channels(short, shortcut, *channels)
            }
            None => body + short,
        };
        if residual.relu { relu(sum) } else { sum }
    }

    fn linear(&mut self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let weights = next(&mut self.linears);
        linear(x, weights.weight.val().transpose(), weights.bias.val(), self.arithmetic)
    }

    /// The mask is drawn on the host, so that a seed drops the same activations on every device.
    fn dropout(&mut self, probability: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let number = self.dropouts;
        self.dropouts += 1;
        let Mode::Train(draws) = self.mode else { return x };
        if probability == 0.0 {
            return x;
        }
        let scale = (1.0 / (1.0 - probability)) as f32;
        let dims = x.dims();
        let mut keep = Vec::with_capacity(dims[0] * dims[1]);
        for sample in 0..dims[0] {
            let mut rng = draws.dropout(number, sample);
            keep.extend((0..dims[1]).map(
                |_| {
                    if rng.random::<f32>() < probability as f32 { 0.0 } else { scale }
                },
            ));
        }
        let keep = Tensor::from_data(TensorData::new(keep, dims), &x.device());
        x * keep
    }
}

impl<B: Backend> Signal<B> {
    fn flat(self) -> Tensor<B, 2> {
        match self {
            Signal::Flat(x) => x,
            Signal::Map(x) => x.flatten(1, 3),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Signal::Map(_) => "a feature map",
            Signal::Flat(_) => "flat features",
        }
    }
}

impl<B: Compute> MaskGenerator<B> {
    /// relu(tanh(z)): `[batch, channels, height, width]` to `[batch, kernels]`.
    pub fn mask(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        let arithmetic = f32_products::<B>(&x.device());
        self.mask_by(x, arithmetic)
    }

    fn mask_by(&self, x: Tensor<B, 4>, arithmetic: Arithmetic) -> Tensor<B, 2> {
        relu(tanh(self.logits_by(x, arithmetic)))
    }

    /// z = W2 relu(W1 g) + b2 with g the mean of each input channel over height and width.
    pub fn logits(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        let arithmetic = f32_products::<B>(&x.device());
        self.logits_by(x, arithmetic)
    }

    fn logits_by(&self, x: Tensor<B, 4>, arithmetic: Arithmetic) -> Tensor<B, 2> {
        let pooled = global_average(x);
        let hidden = relu(matmul(pooled, self.hidden.val().transpose(), arithmetic));
        matmul(hidden, self.output.val().transpose(), arithmetic) + self.bias.val().unsqueeze()
    }
}

fn f32_products<B: Compute>(device: &B::Device) -> Arithmetic {
    B::arithmetic(Precision::F32, device).unwrap_or_default()
}

impl<B: Backend> BatchNorm<B> {
    /// Normalises `[batch, channels, height, width]` with the batch's own statistics and applies the mask.
    fn normalise_batch(
        &self,
        x: Tensor<B, 4>,
        mask: Option<Tensor<B, 2>>,
    ) -> (Tensor<B, 4>, BatchStatistics<B>) {
        let [batch, channels, height, width] = x.dims();
        let count = batch * height * width;
        let mean = channel_mean(x.clone());
        let centred = x - mean.clone();
        let var = channel_mean(centred.clone().square());
        let unbiased = count as f64 / (count as f64 - 1.0).max(1.0);
        let statistics = BatchStatistics {
            mean: mean.detach().reshape([channels]),
            var: var.clone().detach().reshape([channels]).mul_scalar(unbiased),
        };
        let scale = self.scale.val().reshape([1, channels, 1, 1]) / var.add_scalar(NORM_EPSILON).sqrt();
        let shift = self.shift.val().reshape([1, channels, 1, 1]);
        (affine(centred, scale, shift, mask), statistics)
    }

    /// Normalises with the running statistics and applies the mask.
    fn normalise(&self, x: Tensor<B, 4>, mask: Option<Tensor<B, 2>>) -> Tensor<B, 4> {
        let channels = x.dims()[1];
        let scale = self.scale.val() / self.running_var.val().add_scalar(NORM_EPSILON).sqrt();
        let shift = self.shift.val() - self.running_mean.val() * scale.clone();
        let as_map = |v: Tensor<B, 1>| v.reshape([1, channels, 1, 1]);
        affine(x, as_map(scale), as_map(shift), mask)
    }
}

/// (x * scale + shift) * mask with the mask multiplied into the small factors first.
fn affine<B: Backend>(
    x: Tensor<B, 4>,
    scale: Tensor<B, 4>,
    shift: Tensor<B, 4>,
    mask: Option<Tensor<B, 2>>,
) -> Tensor<B, 4> {
    match mask {
        None => x * scale + shift,
        Some(mask) => {
            let mask: Tensor<B, 4> = mask.unsqueeze_dims(&[2, 3]);
            x * (scale * mask.clone()) + shift * mask
        }
    }
}

/// Mean over batch, height and width: `[1, channels, 1, 1]`.
fn channel_mean<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height * width]).mean_dim(2).mean_dim(0).reshape([1, channels, 1, 1])
}

/// Mean over height and width: `[batch, channels]`.
fn global_average<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 2> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height * width]).mean_dim(2).reshape([batch, channels])
}

/// Channel `i` of `x` becomes channel `map[i]` of the result, whose other channels are zero. Gathers from `x`
/// with a zero channel appended, because gathering is what every backend differentiates quickly.
fn scatter_channels<B: Backend>(x: Tensor<B, 4>, map: &[usize], channels: usize) -> Tensor<B, 4> {
    if map.len() == channels {
        return x;
    }
    let [batch, present, height, width] = x.dims();
    let device = x.device();
    let mut source = vec![present as i64; channels];
    for (index, &target) in map.iter().enumerate() {
        source[target] = index as i64;
    }
    let source = Tensor::<B, 1, Int>::from_data(TensorData::new(source, [channels]), &device);
    let zero = Tensor::zeros([batch, 1, height, width], &device);
    Tensor::cat(vec![x, zero], 1).select(1, source)
}

fn next<'a, T>(weights: &mut Iter<'a, T>) -> &'a T {
    match weights.next() {
        Some(next) => next,
        None => unreachable!("a network holds weights for every layer of its spec"),
    }
}
