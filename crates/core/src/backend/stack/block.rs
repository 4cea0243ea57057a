//! A convolution with all that is joined to it, forward.

use super::forward::{Mode, Tape, Under};
use super::passes::{self, Affine, Window};
use super::plan::{Block, Step, Value};
use super::share::{Items, each};
use super::{Buffer, Buffers, Engine, Statistics};
use crate::backend::kernels::{Active, Epilogue, Isa, warm_cache as bring};

/// Added to variances before their root is taken.
const EPSILON: f64 = 1e-5;

/// Parts of a batch whose sums are taken one by one and then added in order: the same for any number of
/// threads.
const PARTS: usize = 32;

/// What the way back needs of a block.
#[derive(Debug)]
pub(super) struct BlockTape {
    /// The convolution's output.
    pub y: Buffer,
    pub mask: Option<Buffer>,
    /// The generator's hidden layer.
    pub hidden: Option<Buffer>,
    pub norm: Norm,
    pub factors: Factors,
}

/// `(y - centre) * gain + offset`: batch norm, or the bias alone.
#[derive(Debug)]
pub(super) struct Norm {
    pub centre: Vec<f32>,
    pub gain: Vec<f32>,
    pub offset: Vec<f32>,
    /// 1 / deviation; absent without batch norm.
    pub inverse: Option<Vec<f32>>,
}

/// Norm and mask as one factor and one term, `[batch, channels]` or, without a mask, `[1, channels]`.
#[derive(Debug)]
pub(super) struct Factors {
    pub scale: Buffer,
    pub shift: Buffer,
    pub channels: usize,
}

impl Engine {
    pub(super) fn block(&mut self, step: &Step, block: &Block, pass: &mut Under<'_>) {
        let value = self.plan.values[step.output];
        let mut out = self.buffers.take(pass.tape.batch * value.len());
        let mut total = self.buffers.take(pass.tape.batch * value.channels);
        let generated = self.mask(step.input, block, pass);
        let mask = generated.as_ref().map(|(mask, _)| mask);
        if let (Some(generator), Some(mask)) = (block.generator, mask) {
            pass.outcome.masks[generator.mask] = mask.to_vec();
        }
        let bits = mask.map(|mask| bits(mask, value.channels));
        match pass.mode {
            Mode::Train(_) => self.trained(step, block, generated, (&mut out, &mut total), pass),
            Mode::Evaluate if self.evaluated_at_once(step, block, &mut out, pass) => {}
            Mode::Evaluate => {
                self.evaluated(step, block, (generated, bits.as_deref()), (&mut out, &mut total), pass);
            }
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

    /// Activations and their sums over the pixels, sample by sample, and what the way back needs: the statistics of
    /// batch norm are those of all samples, so the convolution comes first.
    fn trained(
        &mut self,
        step: &Step,
        block: &Block,
        generated: Option<(Buffer, Buffer)>,
        results: (&mut [f32], &mut [f32]),
        pass: &mut Under<'_>,
    ) {
        let channels = self.plan.values[step.output].channels;
        let image = block.height * block.width * channels;
        let mut y = self.buffers.take(pass.tape.batch * image);
        let active = self.active(step.input, &pass.tape);
        let (kernel, scratch) = (self.kernels.of(block.weight), &mut self.scratch);
        kernel.forward(pass.tape.value(step.input), active.as_ref(), None, &mut y, scratch);
        let seen = block.norm.map(|_| self.moments(&y, channels));
        pass.outcome.statistics[block.index] =
            seen.as_ref().map(|seen| statistics(block, seen, y.len() / channels, pass.parameters));
        let norm = norm(block, seen, channels, pass.parameters);
        let (mask, hidden) = generated.unzip();
        let factors = self.factors(&norm, mask.as_deref(), channels);
        let finish = Finish::new(self.isa, block, &factors, &pass.tape);
        let rows = self.plan.values[step.output].rows(results);
        each(self.threads, rows.zip(y.chunks_exact(image)), |sample, ((out, total), y)| {
            bring(y);
            finish.sample(sample, y, out, total);
        });
        pass.tape.blocks[block.index] = Some(BlockTape { y, mask, hidden, norm, factors });
    }

    /// The same with what batch norm has learnt: each sample is finished as soon as it is convolved, while it is near.
    fn evaluated(
        &mut self,
        step: &Step,
        block: &Block,
        (generated, bits): (Option<(Buffer, Buffer)>, Option<&[u64]>),
        results: (&mut [f32], &mut [f32]),
        pass: &mut Under<'_>,
    ) {
        let channels = self.plan.values[step.output].channels;
        let (mask, hidden) = generated.unzip();
        let factors = self.factors(&norm(block, None, channels, pass.parameters), mask.as_deref(), channels);
        let finish = Finish::new(self.isa, block, &factors, &pass.tape);
        let rows = Items::new(self.plan.values[step.output].rows(results));
        let active = self.active(step.input, &pass.tape);
        let wanted = bits.map(|rows| Active::new(rows, channels));
        let (kernel, scratch) = (self.kernels.of(block.weight), &mut self.scratch);
        let x = pass.tape.value(step.input);
        kernel.forward_to(x, active.as_ref(), wanted.as_ref(), scratch, |sample, y| {
            if let Some((out, total)) = rows.take(sample) {
                finish.sample(sample, y, out, total);
            }
        });
        let Factors { scale, shift, .. } = factors;
        let used = [Some(scale), Some(shift), mask, hidden];
        used.into_iter().flatten().for_each(|buffer| self.buffers.give(buffer));
    }

    /// The same at once, where all samples have the same factors and nobody reads means, which take a pass over
    /// whole images. Says whether it could.
    fn evaluated_at_once(&mut self, step: &Step, block: &Block, out: &mut [f32], pass: &Under<'_>) -> bool {
        let value = self.plan.values[step.output];
        let masked = block.generator.is_some() || pass.tape.active[step.input].is_some();
        let kernel = self.kernels.of(block.weight);
        if masked || value.averaged || !kernel.finishes(block.pool, block.added.is_some()) {
            return false;
        }
        let factors = self.factors(&norm(block, None, value.channels, pass.parameters), None, value.channels);
        let epilogue = Epilogue {
            scale: &factors.scale,
            shift: &factors.shift,
            floor: passes::floor(block.relu),
            added: block.added.map(|(added, outer)| (pass.tape.value(added), passes::floor(outer))),
            pool: block.pool,
        };
        let (kernel, scratch) = (self.kernels.of(block.weight), &mut self.scratch);
        kernel.forward_finished(pass.tape.value(step.input), &epilogue, out, scratch);
        let Factors { scale, shift, .. } = factors;
        [scale, shift].into_iter().for_each(|buffer| self.buffers.give(buffer));
        true
    }

    /// The channels of a value that are not zero, where masks say so.
    fn active<'a>(&self, value: usize, tape: &'a Tape) -> Option<Active<'a>> {
        let rows = tape.active[value].as_deref()?;
        Some(Active::new(rows, self.plan.values[value].channels))
    }

    /// Mean and biased variance of each channel. Sums are taken about a pixel of the first sample, so that a
    /// mean far from 0 costs no digits.
    fn moments(&self, y: &[f32], channels: usize) -> (Vec<f32>, Vec<f64>) {
        let pixels = y.len() / channels;
        let about = &y[..channels];
        let part = pixels.div_ceil(PARTS.max(y.len() >> 16)) * channels;
        let mut parts = vec![(vec![0.0; channels], vec![0.0; channels]); y.len().div_ceil(part)];
        each(self.threads, parts.iter_mut().zip(y.chunks(part)), |_, ((sum, square), part)| {
            bring(part);
            passes::moments(self.isa, part, about, sum, square);
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
        (mean, var)
    }

    fn factors(&mut self, norm: &Norm, mask: Option<&[f32]>, channels: usize) -> Factors {
        let rows = mask.map_or(1, |mask| mask.len() / channels);
        let mut scale = self.buffers.take(rows * channels);
        let mut shift = self.buffers.take(rows * channels);
        let rest: Vec<f32> = (0..channels).map(|c| norm.offset[c] - norm.gain[c] * norm.centre[c]).collect();
        let rows = scale.chunks_exact_mut(channels).zip(shift.chunks_exact_mut(channels));
        for (row, (scale, shift)) in rows.enumerate() {
            scale.copy_from_slice(&norm.gain);
            shift.copy_from_slice(&rest);
            if let Some(mask) = mask {
                let mask = &mask[row * channels..][..channels];
                scale.iter_mut().zip(mask).for_each(|(scale, mask)| *scale *= mask);
                shift.iter_mut().zip(mask).for_each(|(shift, mask)| *shift *= mask);
            }
        }
        Factors { scale, shift, channels }
    }
}

/// Batch norm by what it saw of a batch, mean and biased variance, or else by what it has learnt; the bias alone
/// without batch norm.
fn norm(block: &Block, seen: Option<(Vec<f32>, Vec<f64>)>, channels: usize, parameters: &[&[f32]]) -> Norm {
    let bias = block.bias.map(|bias| parameters[bias]);
    let Some(first) = block.norm else {
        let offset = bias.map_or_else(|| vec![0.0; channels], <[f32]>::to_vec);
        return Norm { centre: vec![0.0; channels], gain: vec![1.0; channels], offset, inverse: None };
    };
    let [scale, shift, running_mean, running_var] = std::array::from_fn(|offset| parameters[first + offset]);
    // A bias moves the mean and nothing else.
    let (centre, var) = seen.unwrap_or_else(|| {
        let mean = (0..channels).map(|c| running_mean[c] - bias.map_or(0.0, |bias| bias[c]));
        (mean.collect(), running_var.iter().map(|&var| f64::from(var)).collect())
    });
    let inverse: Vec<f32> = var.iter().map(|var| (1.0 / (var + EPSILON).sqrt()) as f32).collect();
    let gain = inverse.iter().zip(scale).map(|(inverse, scale)| inverse * scale).collect();
    Norm { centre, gain, offset: shift.to_vec(), inverse: Some(inverse) }
}

/// What batch norm saw in so many pixels.
fn statistics(
    block: &Block,
    (mean, var): &(Vec<f32>, Vec<f64>),
    pixels: usize,
    parameters: &[&[f32]],
) -> Statistics {
    let bias = block.bias.map(|bias| parameters[bias]);
    let unbiased = pixels as f64 / (pixels as f64 - 1.0).max(1.0);
    Statistics {
        mean: mean.iter().enumerate().map(|(c, mean)| mean + bias.map_or(0.0, |bias| bias[c])).collect(),
        var: var.iter().map(|var| (var * unbiased) as f32).collect(),
    }
}

/// From a convolution's output to what its block hands on.
struct Finish<'a> {
    isa: Isa,
    block: &'a Block,
    factors: &'a Factors,
    /// What is added, of all samples, and the bound behind the sum.
    added: Option<(&'a [f32], f32)>,
}

impl<'a> Finish<'a> {
    fn new(isa: Isa, block: &'a Block, factors: &'a Factors, tape: &'a Tape) -> Self {
        let added = block.added.map(|(added, outer)| (tape.value(added), passes::floor(outer)));
        Finish { isa, block, factors, added }
    }

    /// One sample's activations, and their sums over the pixels.
    fn sample(&self, sample: usize, y: &[f32], out: &mut [f32], total: &mut [f32]) {
        let affine = self.factors.of(sample, self.block.relu);
        match self.added {
            Some((added, outer)) => {
                let added = &added[sample * out.len()..][..out.len()];
                passes::activate_added(self.isa, y, affine, added, outer, out, total);
            }
            None if self.block.pool > 1 => {
                passes::activate_pooled(self.isa, y, affine, self.block.window(), out, total);
            }
            None => passes::activate(self.isa, y, affine, out, total),
        }
    }
}

impl Value {
    /// The activations of each sample and their sums over the pixels.
    fn rows<'a>(
        &self,
        (out, total): (&'a mut [f32], &'a mut [f32]),
    ) -> impl Iterator<Item = (&'a mut [f32], &'a mut [f32])> + use<'a> {
        out.chunks_exact_mut(self.len()).zip(total.chunks_exact_mut(self.channels))
    }
}

impl Block {
    pub(super) fn window(&self) -> Window {
        Window { height: self.height, width: self.width, pool: self.pool }
    }
}

impl Factors {
    /// Those of a sample.
    pub(super) fn of(&self, sample: usize, relu: bool) -> Affine<'_> {
        let row = if self.scale.len() == self.channels { 0 } else { sample };
        let row = row * self.channels..(row + 1) * self.channels;
        Affine { scale: &self.scale[row.clone()], shift: &self.shift[row], floor: passes::floor(relu) }
    }
}

impl BlockTape {
    pub(super) fn release(self, buffers: &mut Buffers) {
        let BlockTape { y, mask, hidden, factors: Factors { scale, shift, .. }, .. } = self;
        [Some(y), Some(scale), Some(shift), mask, hidden]
            .into_iter()
            .flatten()
            .for_each(|buffer| buffers.give(buffer));
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
