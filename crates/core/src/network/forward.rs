//! The forward pass of a batch in Burn's operations.

use std::slice::Iter;

use burn::tensor::activation::{relu, tanh};
use burn::tensor::backend::Backend;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Bool, Int, Tensor, TensorData};

use super::pass::Output;
use super::product::{conv2d, linear, matmul};
use super::weights::{BatchNorm, ConvWeights, LinearWeights, MaskGenerator};
use crate::backend::stack::{GivenMask, PassMasks};
use crate::backend::{Arithmetic, Compute, Precision};
use crate::random::Draws;
use crate::spec::{Conv, Join, NORM_EPSILON, Residual, Stage};

/// Mean and unbiased variance of a batch, each `[channels]`, for one batch norm.
pub(super) struct BatchStatistics<B: Backend> {
    pub mean: Tensor<B, 1>,
    pub var: Tensor<B, 1>,
}

/// What a forward pass is for.
#[derive(Clone, Copy)]
pub(super) enum Mode<'a> {
    /// Batch norm uses the batch's own statistics, except where they are frozen; dropout draws from these generators.
    Train(&'a Draws),
    /// Batch norm uses its running statistics; no dropout.
    Evaluate,
}

/// What a forward pass follows besides its images.
pub(super) struct Settings<'a, B: Backend> {
    pub mode: Mode<'a>,
    pub arithmetic: Arithmetic,
    /// Sites to observe, in this order.
    pub observing: &'a [usize],
    /// By parameter id; empty: nothing is frozen.
    pub frozen: &'a [bool],
    pub given: &'a Given<B>,
    /// Masks to use in place of the generators' own, if any.
    pub imposed: &'a [Tensor<B, 2>],
}

/// The masks that are given to a pass, on the device.
pub(super) struct Given<B: Backend> {
    sites: Vec<usize>,
    /// `[batch, units]` each.
    pub leaves: Vec<Tensor<B, 2>>,
    /// Samples that take them, `[batch, 1]`; `None`: all.
    takers: Option<Tensor<B, 2, Bool>>,
}

impl<B: Backend> Given<B> {
    pub(super) fn new(masks: &PassMasks, samples: usize, device: &B::Device) -> Self {
        let leaf = |given: &GivenMask| -> Tensor<B, 2> {
            let shape = [samples, given.values.len() / samples.max(1)];
            let leaf = Tensor::from_data(TensorData::new(given.values.clone(), shape), device);
            if masks.gradient { leaf.require_grad() } else { leaf }
        };
        let some = !masks.given.is_empty() && !masks.all_take();
        let takers =
            some.then(|| Tensor::from_data(TensorData::new(masks.samples.clone(), [samples, 1]), device));
        Given {
            sites: masks.given.iter().map(|given| given.site).collect(),
            leaves: masks.given.iter().map(leaf).collect(),
            takers,
        }
    }

    fn at(&self, site: usize) -> Option<&Tensor<B, 2>> {
        self.sites.iter().position(|given| *given == site).map(|at| &self.leaves[at])
    }
}

/// A forward pass between two stages.
pub(super) struct Pass<'a, B: Backend> {
    convs: Iter<'a, ConvWeights<B>>,
    linears: Iter<'a, LinearWeights<B>>,
    settings: Settings<'a, B>,
    imposed: Iter<'a, Tensor<B, 2>>,
    /// By place in the order of the observed sites.
    observed: Vec<Option<Tensor<B, 2>>>,
    statistics: Vec<Option<BatchStatistics<B>>>,
    /// Sites so far.
    sites: usize,
    /// Dropout stages so far.
    dropouts: usize,
    /// Whether the stage before was a linear layer: a ReLU makes it a site.
    behind_linear: bool,
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
        settings: Settings<'a, B>,
    ) -> Self {
        Pass {
            convs: convs.iter(),
            linears: linears.iter(),
            imposed: settings.imposed.iter(),
            observed: vec![None; settings.observing.len()],
            settings,
            statistics: Vec::with_capacity(convs.len()),
            sites: 0,
            dropouts: 0,
            behind_linear: false,
        }
    }

    /// Runs the stages; gives the output and, while training, what each convolution's batch norm saw.
    pub(super) fn run(
        mut self,
        stages: &[Stage],
        images: Tensor<B, 4>,
    ) -> (Output<B>, Vec<Option<BatchStatistics<B>>>) {
        let last = stages.iter().fold(Signal::Map(images), |signal, stage| self.stage(stage, signal));
        let observed = self.observed.into_iter().map(|observed| match observed {
            Some(observed) => observed,
            None => unreachable!("a network observes sites that its spec has"),
        });
        let (observed, arithmetic) = (observed.collect(), self.settings.arithmetic);
        (Output { logits: last.flat(), observed, arithmetic }, self.statistics)
    }

    /// Notes what is observed at the next site, if it is to be, and goes on to the one behind it.
    fn observe(&mut self, value: impl Fn() -> Tensor<B, 2>) {
        for (at, _) in self.settings.observing.iter().enumerate().filter(|(_, site)| **site == self.sites) {
            self.observed[at] = Some(value());
        }
        self.sites += 1;
    }

    fn stage(&mut self, stage: &Stage, signal: Signal<B>) -> Signal<B> {
        let behind_linear = std::mem::take(&mut self.behind_linear);
        match (stage, signal) {
            (Stage::Conv(conv), Signal::Map(x)) => Signal::Map(self.conv(conv, x)),
            (Stage::Residual(residual), Signal::Map(x)) => Signal::Map(self.residual(residual, x)),
            (Stage::MaxPool { size }, Signal::Map(x)) => {
                Signal::Map(max_pool2d(x, [*size; 2], [*size; 2], [0; 2], [1; 2], false))
            }
            (Stage::GlobalAvgPool, Signal::Map(x)) => Signal::Flat(global_average(x)),
            (Stage::Flatten, Signal::Map(x)) => Signal::Flat(x.flatten(1, 3)),
            (Stage::Relu, Signal::Map(x)) => Signal::Map(relu(x)),
            (Stage::Relu, Signal::Flat(x)) => {
                let x = relu(x);
                if behind_linear {
                    self.observe(|| x.clone().abs());
                }
                Signal::Flat(x)
            }
            (Stage::Dropout { probability }, Signal::Map(x)) => {
                let dims = x.dims();
                let flat = self.dropout(*probability, x.flatten(1, 3));
                Signal::Map(flat.reshape(dims))
            }
            (Stage::Dropout { probability }, Signal::Flat(x)) => Signal::Flat(self.dropout(*probability, x)),
            (Stage::Linear { .. }, Signal::Flat(x)) => {
                self.behind_linear = true;
                Signal::Flat(self.linear(x))
            }
            (Stage::Parallel { branches }, signal) => {
                let run = |branch: &Vec<Stage>| {
                    self.behind_linear = false;
                    branch.iter().fold(signal.clone(), |signal, stage| self.stage(stage, signal)).flat()
                };
                let outputs = branches.iter().map(run).collect();
                self.behind_linear = false;
                Signal::Flat(Tensor::cat(outputs, 1))
            }
            (stage, signal) => unreachable!("a checked spec gave {} to {}", signal.kind(), stage.kind()),
        }
    }

    /// BN(conv(x)) * mask, then ReLU (paper section 3.2.1): the mask sits behind batch norm and before ReLU.
    fn conv(&mut self, conv: &Conv, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let weights = next(&mut self.convs);
        let mask = self.mask(weights.generator.as_ref(), &x);
        let bias = weights.bias.as_ref().map(|bias| bias.val());
        let options = ConvOptions::new([conv.stride; 2], [conv.padding(); 2], [1; 2], 1);
        let y = conv2d(x, weights.weight.val(), bias, options, self.settings.arithmetic);
        let (y, statistics) = match (&weights.norm, self.settings.mode) {
            (Some(norm), Mode::Train(_)) if !norm.is_frozen(self.settings.frozen) => {
                let (y, statistics) = norm.normalise_batch(y, mask.clone());
                (y, Some(statistics))
            }
            (Some(norm), _) => (norm.normalise(y, mask.clone()), None),
            (None, _) => match mask.clone() {
                Some(mask) => (y * mask.unsqueeze_dims(&[2, 3]), None),
                None => (y, None),
            },
        };
        self.statistics.push(statistics);
        let y = if conv.relu { relu(y) } else { y };
        match mask.filter(|_| weights.generator.is_some()) {
            Some(mask) => self.observe(|| mask.clone()),
            None => self.observe(|| global_average(y.clone().abs())),
        }
        y
    }

    /// The mask of the convolution at the next site: the generator's or a given one, sample by sample.
    fn mask(&mut self, generator: Option<&MaskGenerator<B>>, x: &Tensor<B, 4>) -> Option<Tensor<B, 2>> {
        let imposed = generator.and_then(|_| self.imposed.next());
        let Settings { given, arithmetic, .. } = self.settings;
        let own = |generator: &MaskGenerator<B>| {
            let mask = generator.mask_by(x.clone(), arithmetic);
            match imposed {
                // The imposed mask with the generator's gradient.
                Some(imposed) => mask.clone() - mask.detach() + imposed.clone(),
                None => mask,
            }
        };
        match (given.at(self.sites), &given.takers) {
            (None, _) => generator.map(own),
            (Some(mask), None) => Some(mask.clone()),
            (Some(mask), Some(takers)) => {
                let own = generator.map_or_else(|| mask.ones_like(), own);
                Some(own.mask_where(takers.clone().expand(mask.dims()), mask.clone()))
            }
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
        let sum = if residual.relu { relu(sum) } else { sum };
        self.observe(|| global_average(sum.clone().abs()));
        sum
    }

    fn linear(&mut self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let weights = next(&mut self.linears);
        linear(x, weights.weight.val().transpose(), weights.bias.val(), self.settings.arithmetic)
    }

    /// The mask is drawn on the host, so that a seed drops the same activations on every device.
    fn dropout(&mut self, probability: f64, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let number = self.dropouts;
        self.dropouts += 1;
        let Mode::Train(draws) = self.settings.mode else { return x };
        if probability == 0.0 {
            return x;
        }
        let scale = (1.0 / (1.0 - probability)) as f32;
        let dims = x.dims();
        let mut keep = Vec::with_capacity(dims[0] * dims[1]);
        for sample in 0..dims[0] {
            let kept = draws.keeps(number, sample, probability).take(dims[1]);
            keep.extend(kept.map(|keeps| if keeps { scale } else { 0.0 }));
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
    /// Whether training uses its running statistics and leaves them as they are, by marks of parameters.
    fn is_frozen(&self, frozen: &[bool]) -> bool {
        let ids = [self.running_mean.id, self.running_var.id];
        ids.iter().any(|id| frozen.get(id.val() as usize).is_some_and(|frozen| *frozen))
    }

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
