//! A convolution with all that is fused with it, forward.

use super::elementwise::{self, Window};
use super::forward::{Mode, Pass};
use super::plan::{Block, Observed, Step, Value};
use super::share::{Items, each};
use super::tape::{BlockTape, Factors, Mask, NormTape, Tape};
use super::{Engine, Statistics};
use crate::backend::kernels::{Active, Epilogue, Isa, warm_cache};
use crate::spec::NORM_EPSILON;

/// Parts of a batch whose sums are taken one by one and then added in order: the same for any number of
/// threads.
const PARTS: usize = 32;

/// Pixels whose mean is near enough to that of the batch for sums about it to lose no digits.
const CENTRE_PIXELS: u64 = 64;

/// Where a block's results go.
struct Results<'a> {
    /// Activations, `[batch, height, width, channels]`.
    out: &'a mut [f32],
    /// Their sums over the pixels, `[batch, channels]`.
    total: &'a mut [f32],
}

/// Mean and biased variance of a batch, channel by channel.
pub(super) struct Moments {
    pub mean: Vec<f32>,
    pub var: Vec<f64>,
}

impl Engine {
    pub(super) fn block(&mut self, step: &Step, block: &Block, pass: &mut Pass<'_>) {
        let value = self.plan.values[step.output];
        let mut out = self.buffers.take(pass.tape.batch * value.len());
        let mut total = self.buffers.take(pass.tape.batch * value.channels);
        let mask = self.mask(step.input, block, pass);
        if let Some(mask) = &mask {
            self.observe_mask(block, &mask.values, pass);
        }
        // Where the gradient at a given 0 is wanted and no ReLU stops it, the channel may not be skipped.
        let skips = block.relu || !pass.masks.gradient || pass.masks.at(block.site).is_none();
        let bits = mask.as_ref().filter(|_| skips).map(|mask| bits(&mask.values, value.channels));
        let results = Results { out: &mut out, total: &mut total };
        match pass.mode {
            Mode::Train(_) => self.trained(step, block, mask, results, pass),
            Mode::Evaluate if mask.is_none() && self.evaluated_at_once(step, block, results.out, pass) => {}
            Mode::Evaluate => self.evaluated(step, block, mask, bits.as_deref(), results, pass),
        }
        let added = block.added.map(|(added, _)| &pass.tape.active[added]);
        pass.tape.active[step.output] = match (bits, added) {
            (bits, None) => bits,
            (Some(bits), Some(Some(added))) => Some(bits.iter().zip(added).map(|(a, b)| a | b).collect()),
            _ => None,
        };
        pass.tape.values[step.output] = Some(out);
        if value.averaged {
            let pixels = value.pixels() as f32;
            total.iter_mut().for_each(|total| *total /= pixels);
            pass.tape.means[step.output] = Some(total);
        } else {
            self.buffers.give(total);
        }
    }

    fn observe_mask(&self, block: &Block, mask: &[f32], pass: &mut Pass<'_>) {
        for (at, observed) in self.plan.observed.iter().enumerate() {
            if *observed == Observed::Mask(block.index) {
                pass.outcome.observed[at] = mask.to_vec();
            }
        }
    }

    /// Activations and their sums over the pixels, sample by sample, and what the backward pass needs: the statistics
    /// of batch norm are those of all samples, so the convolution comes first.
    fn trained(
        &mut self,
        step: &Step,
        block: &Block,
        mask: Option<Mask>,
        results: Results<'_>,
        pass: &mut Pass<'_>,
    ) {
        let channels = self.plan.values[step.output].channels;
        let image = block.height * block.width * channels;
        let mut y = self.buffers.take(pass.tape.batch * image);
        let active = self.active(step.input, &pass.tape);
        let (kernel, workspace) = (self.kernels.of(block.weight), &mut self.workspace);
        kernel.forward(pass.tape.value(step.input), active.as_ref(), None, &mut y, workspace);
        let of_batch = block.norm.is_some() && !self.keeps_statistics(block);
        let seen = of_batch.then(|| self.moments(&y, channels));
        pass.outcome.statistics[block.index] =
            seen.as_ref().map(|seen| statistics(block, seen, y.len() / channels, pass.parameters));
        let norm = norm(block, seen, channels, pass.parameters);
        let factors = self.factors(&norm, mask.as_ref(), channels);
        let finish = Activation::new(self.isa, block, &factors, &pass.tape);
        let rows = self.plan.values[step.output].rows(results);
        each(self.threads, rows.zip(y.chunks_exact(image)), |sample, ((out, total), y)| {
            warm_cache(y);
            finish.sample(sample, y, out, total);
        });
        pass.tape.blocks[block.index] = Some(BlockTape { y, mask, norm, factors });
    }

    /// The same with what batch norm has learnt: each sample is finished as soon as it is convolved, while it is in
    /// the cache.
    fn evaluated(
        &mut self,
        step: &Step,
        block: &Block,
        mask: Option<Mask>,
        bits: Option<&[u64]>,
        results: Results<'_>,
        pass: &mut Pass<'_>,
    ) {
        let channels = self.plan.values[step.output].channels;
        let norm = norm(block, None, channels, pass.parameters);
        let factors = self.factors(&norm, mask.as_ref(), channels);
        let finish = Activation::new(self.isa, block, &factors, &pass.tape);
        let rows = Items::new(self.plan.values[step.output].rows(results));
        let active = self.active(step.input, &pass.tape);
        let wanted = bits.map(|rows| Active::new(rows, channels));
        let (kernel, workspace) = (self.kernels.of(block.weight), &mut self.workspace);
        let x = pass.tape.value(step.input);
        kernel.forward_to(x, active.as_ref(), wanted.as_ref(), workspace, |sample, y| {
            if let Some((out, total)) = rows.take(sample) {
                finish.sample(sample, y, out, total);
            }
        });
        factors.release(&mut self.buffers);
        if let Some(mask) = mask {
            mask.release(&mut self.buffers);
        }
    }

    /// The same at once, where all samples have the same factors and nobody reads means, which take a pass over
    /// whole images. Says whether it could.
    fn evaluated_at_once(&mut self, step: &Step, block: &Block, out: &mut [f32], pass: &Pass<'_>) -> bool {
        let value = self.plan.values[step.output];
        let skips = pass.tape.active[step.input].is_some();
        let kernel = self.kernels.of(block.weight);
        if skips || value.averaged || !kernel.finishes(block.pool, block.added.is_some()) {
            return false;
        }
        let factors = self.factors(&norm(block, None, value.channels, pass.parameters), None, value.channels);
        let epilogue = Epilogue {
            scale: &factors.scale,
            shift: &factors.shift,
            floor: elementwise::floor(block.relu),
            added: block.added.map(|(added, outer)| (pass.tape.value(added), elementwise::floor(outer))),
            pool: block.pool,
        };
        let (kernel, workspace) = (self.kernels.of(block.weight), &mut self.workspace);
        kernel.forward_finished(pass.tape.value(step.input), &epilogue, out, workspace);
        factors.release(&mut self.buffers);
        true
    }

    /// The channels of a value that are not zero, where masks say so.
    fn active<'a>(&self, value: usize, tape: &'a Tape) -> Option<Active<'a>> {
        let rows = tape.active[value].as_deref()?;
        Some(Active::new(rows, self.plan.values[value].channels))
    }

    /// Whether training uses the running statistics of a block's batch norm and leaves them as they are.
    fn keeps_statistics(&self, block: &Block) -> bool {
        let frozen =
            |norm: super::plan::Norm| self.is_frozen(norm.running_mean) || self.is_frozen(norm.running_var);
        block.norm.is_some_and(frozen)
    }

    /// Mean and biased variance of each channel. Sums are taken about the mean of some pixels of the batch, so that a
    /// mean far from 0 costs no digits.
    pub(super) fn moments(&self, y: &[f32], channels: usize) -> Moments {
        let pixels = y.len() / channels;
        let about = &centre(y, channels)[..];
        let part = pixels.div_ceil(PARTS.max(y.len() >> 16)) * channels;
        let mut parts = vec![(vec![0.0; channels], vec![0.0; channels]); y.len().div_ceil(part)];
        each(self.threads, parts.iter_mut().zip(y.chunks(part)), |_, ((sum, square), part)| {
            warm_cache(part);
            elementwise::moments(self.isa, part, about, sum, square);
        });
        let (mut mean, mut var) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
        for (c, about) in about.iter().enumerate() {
            let sum: f64 = parts.iter().map(|(sum, _)| sum[c]).sum();
            let square: f64 = parts.iter().map(|(_, square)| square[c]).sum();
            let distance = sum / pixels as f64;
            mean.push((f64::from(*about) + distance) as f32);
            // `max` would hide a NaN.
            let difference = square / pixels as f64 - distance * distance;
            var.push(if difference < 0.0 { 0.0 } else { difference });
        }
        Moments { mean, var }
    }

    fn factors(&mut self, norm: &NormTape, mask: Option<&Mask>, channels: usize) -> Factors {
        let rows = mask.map_or(1, |mask| mask.values.len() / channels);
        let mut scale = self.buffers.take(rows * channels);
        let mut shift = self.buffers.take(rows * channels);
        let rest: Vec<f32> = (0..channels).map(|c| norm.offset[c] - norm.gain[c] * norm.centre[c]).collect();
        let rows = scale.chunks_exact_mut(channels).zip(shift.chunks_exact_mut(channels));
        for (row, (scale, shift)) in rows.enumerate() {
            scale.copy_from_slice(&norm.gain);
            shift.copy_from_slice(&rest);
            if let Some(mask) = mask {
                let mask = &mask.values[row * channels..][..channels];
                scale.iter_mut().zip(mask).for_each(|(scale, mask)| *scale *= mask);
                shift.iter_mut().zip(mask).for_each(|(shift, mask)| *shift *= mask);
            }
        }
        Factors { scale, shift, channels }
    }
}

/// The mean of pixels that are spread evenly and irregularly over the batch: a single pixel may be far from all others,
/// as those at a padded border are.
fn centre(y: &[f32], channels: usize) -> Vec<f32> {
    let pixels = y.len() / channels;
    // The multiples of the golden ratio are spread evenly over the unit interval, here [0, 2^32).
    let golden = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let mut sum = vec![0f64; channels];
    for n in 1..=CENTRE_PIXELS {
        let pixel = ((golden(n) * pixels as u64) >> 32) as usize;
        let row = &y[pixel * channels..][..channels];
        sum.iter_mut().zip(row).for_each(|(sum, y)| *sum += f64::from(*y));
    }
    sum.into_iter().map(|sum| (sum / CENTRE_PIXELS as f64) as f32).collect()
}

/// Batch norm by what it saw of a batch, or else by what it has learnt; the bias alone without batch norm.
fn norm(block: &Block, seen: Option<Moments>, channels: usize, parameters: &[&[f32]]) -> NormTape {
    let bias = block.bias.map(|bias| parameters[bias]);
    let Some(numbers) = block.norm else {
        let offset = bias.map_or_else(|| vec![0.0; channels], <[f32]>::to_vec);
        let (centre, gain) = (vec![0.0; channels], vec![1.0; channels]);
        return NormTape { centre, gain, offset, inverse: None, of_batch: false };
    };
    let (scale, shift) = (parameters[numbers.scale], parameters[numbers.shift]);
    let (running_mean, running_var) = (parameters[numbers.running_mean], parameters[numbers.running_var]);
    let of_batch = seen.is_some();
    // A bias moves the mean and nothing else.
    let Moments { mean: centre, var } = seen.unwrap_or_else(|| Moments {
        mean: (0..channels).map(|c| running_mean[c] - bias.map_or(0.0, |bias| bias[c])).collect(),
        var: running_var.iter().map(|&var| f64::from(var)).collect(),
    });
    let inverse: Vec<f32> = var.iter().map(|var| (1.0 / (var + NORM_EPSILON).sqrt()) as f32).collect();
    let gain = inverse.iter().zip(scale).map(|(inverse, scale)| inverse * scale).collect();
    NormTape { centre, gain, offset: shift.to_vec(), inverse: Some(inverse), of_batch }
}

/// What batch norm saw in so many pixels.
fn statistics(block: &Block, seen: &Moments, pixels: usize, parameters: &[&[f32]]) -> Statistics {
    let bias = block.bias.map(|bias| parameters[bias]);
    let unbiased = pixels as f64 / (pixels as f64 - 1.0).max(1.0);
    let mean = seen.mean.iter().enumerate();
    Statistics {
        mean: mean.map(|(c, mean)| mean + bias.map_or(0.0, |bias| bias[c])).collect(),
        var: seen.var.iter().map(|var| (var * unbiased) as f32).collect(),
    }
}

/// From a convolution's output to what its block hands on.
struct Activation<'a> {
    isa: Isa,
    block: &'a Block,
    factors: &'a Factors,
    /// What is added, of all samples, and the bound behind the sum.
    added: Option<(&'a [f32], f32)>,
}

impl<'a> Activation<'a> {
    fn new(isa: Isa, block: &'a Block, factors: &'a Factors, tape: &'a Tape) -> Self {
        let added = block.added.map(|(added, outer)| (tape.value(added), elementwise::floor(outer)));
        Activation { isa, block, factors, added }
    }

    /// One sample's activations, and their sums over the pixels.
    fn sample(&self, sample: usize, y: &[f32], out: &mut [f32], total: &mut [f32]) {
        let affine = self.factors.of(sample, self.block.relu);
        match self.added {
            Some((added, outer)) => {
                let added = &added[sample * out.len()..][..out.len()];
                elementwise::activate_added(self.isa, y, affine, added, outer, out, total);
            }
            None if self.block.pool > 1 => {
                elementwise::activate_pooled(self.isa, y, affine, self.block.window(), out, total);
            }
            None => elementwise::activate(self.isa, y, affine, out, total),
        }
    }
}

impl Value {
    /// The activations of each sample and their sums over the pixels.
    fn rows<'a>(
        &self,
        results: Results<'a>,
    ) -> impl Iterator<Item = (&'a mut [f32], &'a mut [f32])> + use<'a> {
        results.out.chunks_exact_mut(self.len()).zip(results.total.chunks_exact_mut(self.channels))
    }
}

impl Block {
    pub(super) fn window(&self) -> Window {
        Window { height: self.height, width: self.width, pool: self.pool }
    }
}

/// Which masks are not zero, as rows of bits. A NaN counts, so that it is not skipped but seen.
fn bits(mask: &[f32], channels: usize) -> Vec<u64> {
    let row = |row: &[f32]| -> Vec<u64> {
        let word = |word: &[f32]| {
            word.iter().enumerate().fold(0, |bits, (at, mask)| bits | u64::from(*mask != 0.0) << at)
        };
        row.chunks(64).map(word).collect()
    };
    mask.chunks_exact(channels).flat_map(row).collect()
}
