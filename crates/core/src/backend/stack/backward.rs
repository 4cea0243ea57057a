//! The way back: from the gradients of outputs and masks to those of all parameters.

use std::sync::Arc;

use super::block::{BlockTape, Norm};
use super::forward::Tape;
use super::passes::{self, Incoming, Slope};
use super::plan::{Block, Kind, Plan, Step};
use super::share::each as share;
use super::{Buffer, Engine};
use crate::backend::kernels::{Active, warm_cache as bring};

/// A way back under way.
pub(super) struct Back<'a> {
    pub tape: Tape,
    /// Gradients that have come in so far, by value.
    each: Vec<Option<Buffer>>,
    /// What is added to each pixel's gradient, `[batch, channels]`, by value.
    channel: Vec<Option<Buffer>>,
    masks: &'a [Option<&'a [f32]>],
}

/// Sums over the pixels of each sample and channel, `[batch, channels]`.
struct Sums {
    /// Of the gradient dz behind norm and mask.
    dz: Buffer,
    /// Of dz * (y - centre).
    product: Buffer,
}

impl Engine {
    /// Turns the gradients of the last training pass's outputs and masks into those of the parameters, which
    /// [`Engine::gradients`] then gives. A mask without a gradient takes part in no loss term.
    ///
    /// # Panics
    ///
    /// Without a training pass since the last call.
    pub fn backward(&mut self, outputs: &[f32], masks: &[Option<&[f32]>]) {
        let Some(tape) = self.tape.take() else { panic!("a way back needs a training pass before it") };
        let plan = Arc::clone(&self.plan);
        if self.gradients.is_empty() {
            self.gradients = empty_gradients(&plan);
        }
        let none = || (0..plan.values.len()).map(|_| None).collect();
        let mut back = Back { tape, each: none(), channel: none(), masks };
        let mut gradient = self.buffers.take(outputs.len());
        gradient.copy_from_slice(outputs);
        back.each[plan.last()] = Some(gradient);
        for step in plan.steps.iter().rev() {
            self.step_back(step, &mut back);
            self.buffers.give(back.tape.values[step.output].take().unwrap_or_default());
        }
        self.release(&mut back.tape);
    }

    fn step_back(&mut self, step: &Step, back: &mut Back<'_>) {
        match &step.kind {
            Kind::Block(block) => self.block_back(step, block, back),
            Kind::Linear { weight } => self.linear_back(step, *weight, back),
            Kind::Pool(size) => self.pool_back(step, *size, back),
            Kind::Add { shortcut, join, relu } => self.add_back(step, *shortcut, join.as_ref(), *relu, back),
            Kind::Average => {
                let gradient = self.gradient(step.output, back);
                self.hand_mean(step.input, gradient, back);
            }
            Kind::Flatten => self.flatten_back(step, back),
            Kind::Relu => self.relu_back(step, back),
            Kind::Dropout { .. } => self.dropout_back(step, back),
        }
    }

    fn block_back(&mut self, step: &Step, block: &Block, back: &mut Back<'_>) {
        let Some(mut tape) = back.tape.blocks[block.index].take() else {
            unreachable!("a training pass keeps what each block made");
        };
        let value = self.plan.values[step.output];
        let (each, channel) = match block.added {
            Some((_, outer)) => (Some(self.gradient_behind_relu(step.output, outer, back)), None),
            None => (back.each[step.output].take(), back.channel[step.output].take()),
        };
        let each = each.unwrap_or_else(|| self.buffers.zeros(back.tape.batch * value.len()));
        let channel = channel.unwrap_or_else(|| self.buffers.zeros(back.tape.batch * value.channels));

        let sums = self.sums(step, block, &tape, (&each, &channel), back);
        let slopes = self.norm_back(block, &tape, &sums);
        if let Some(generator) = block.generator {
            let dmask = self.mask_gradient(&tape.norm, &sums, back.masks[generator.mask]);
            let made = tape.mask.as_deref().unwrap_or_default();
            let hidden = tape.hidden.as_deref().unwrap_or_default();
            let dmean = self.mask_back(step.input, generator, (made, hidden), dmask, back);
            self.hand_mean(step.input, dmean, back);
        }
        [sums.dz, sums.product].into_iter().for_each(|buffer| self.buffers.give(buffer));
        self.spread(step, block, &mut tape, &slopes, (&each, &channel), back);
        self.buffers.give(channel);
        match block.added {
            Some((shortcut, _)) => self.hand(shortcut, each, back),
            None => self.buffers.give(each),
        }
        self.conv_back(step, block, &tape.y, back);
        tape.release(&mut self.buffers);
    }

    fn conv_back(&mut self, step: &Step, block: &Block, dy: &[f32], back: &mut Back<'_>) {
        let channels = self.plan.values[step.input].channels;
        let x = back.tape.value(step.input);
        let active = back.tape.active[step.input].as_deref().map(|rows| Active::new(rows, channels));
        let mut dx = (step.input > 0).then(|| self.buffers.take(x.len()));
        let (kernel, scratch) = (self.kernels.of(block.weight), &mut self.scratch);
        let gradient = &mut self.gradients[block.weight];
        kernel.backward(x, dy, active.as_ref(), dx.as_deref_mut(), gradient, scratch);
        if let Some(dx) = dx {
            self.hand(step.input, dx, back);
        }
    }

    fn sums(
        &mut self,
        step: &Step,
        block: &Block,
        tape: &BlockTape,
        (each, channel): (&[f32], &[f32]),
        back: &Back<'_>,
    ) -> Sums {
        let value = self.plan.values[step.output];
        let mut dz = self.buffers.take(back.tape.batch * value.channels);
        let mut product = self.buffers.take(back.tape.batch * value.channels);
        let (isa, window, centre) = (self.isa, block.window(), &tape.norm.centre[..]);
        let image = block.height * block.width * value.channels;
        let pooled = back.tape.value(step.output);
        let rows = dz.chunks_exact_mut(value.channels).zip(product.chunks_exact_mut(value.channels));
        share(self.threads, rows.zip(tape.y.chunks_exact(image)), |sample, ((dz, product), y)| {
            let affine = tape.factors.of(sample, block.relu);
            let range = sample * value.len()..(sample + 1) * value.len();
            let channel = &channel[sample * value.channels..][..value.channels];
            let incoming = Incoming { each: &each[range.clone()], channel };
            bring(y);
            match block.pool {
                1 => passes::gather(isa, y, affine, centre, incoming, dz, product),
                _ => {
                    let pooled = &pooled[range];
                    passes::gather_pooled(isa, y, affine, centre, incoming, pooled, window, dz, product);
                }
            }
        });
        Sums { dz, product }
    }

    /// The gradients of batch norm or bias, and the terms of y's gradient that all samples share: its offset
    /// and its slope over y - centre (Ioffe and Szegedy, 2015, section 3).
    fn norm_back(&mut self, block: &Block, tape: &BlockTape, sums: &Sums) -> (Vec<f32>, Vec<f32>) {
        let channels = tape.factors.channels;
        let pixels = (tape.y.len() / channels) as f64;
        let (mut dz, mut product) = (vec![0f64; channels], vec![0f64; channels]);
        for (sample, row) in sums.dz.chunks_exact(channels).enumerate() {
            let products = &sums.product[sample * channels..][..channels];
            for c in 0..channels {
                let mask = tape.mask.as_ref().map_or(1.0, |mask| f64::from(mask[sample * channels + c]));
                dz[c] += mask * f64::from(row[c]);
                product[c] += mask * f64::from(products[c]);
            }
        }
        let shift: Vec<f32> = dz.iter().map(|&sum| sum as f32).collect();
        let Some((first, inverse)) = block.norm.zip(tape.norm.inverse.as_ref()) else {
            if let Some(bias) = block.bias {
                self.gradients[bias].copy_from_slice(&shift);
            }
            return (vec![0.0; channels], vec![0.0; channels]);
        };
        let gain = &tape.norm.gain;
        let of = |c: usize| (f64::from(gain[c]), f64::from(inverse[c]));
        let offset = (0..channels).map(|c| (-of(c).0 * dz[c] / pixels) as f32).collect();
        let slope = (0..channels).map(|c| {
            let (gain, inverse) = of(c);
            (-gain * inverse * inverse * product[c] / pixels) as f32
        });
        let slope = slope.collect();
        let scale = &mut self.gradients[first];
        (0..channels).for_each(|c| scale[c] = (product[c] * f64::from(inverse[c])) as f32);
        self.gradients[first + 1].copy_from_slice(&shift);
        (offset, slope)
    }

    /// The gradient of a mask: what its activations give it and what the loss terms do.
    fn mask_gradient(&mut self, norm: &Norm, sums: &Sums, from_terms: Option<&[f32]>) -> Buffer {
        let channels = norm.gain.len();
        let mut gradient = self.buffers.take(sums.dz.len());
        for (index, gradient) in gradient.iter_mut().enumerate() {
            let c = index % channels;
            let term = from_terms.map_or(0.0, |terms| terms[index]);
            *gradient = norm.gain[c] * sums.product[index] + norm.offset[c] * sums.dz[index] + term;
        }
        gradient
    }

    /// Turns a convolution's output into its gradient.
    fn spread(
        &self,
        step: &Step,
        block: &Block,
        tape: &mut BlockTape,
        (offset, slope): &(Vec<f32>, Vec<f32>),
        (each, channel): (&[f32], &[f32]),
        back: &Back<'_>,
    ) {
        let value = self.plan.values[step.output];
        let (isa, window) = (self.isa, block.window());
        let image = block.height * block.width * value.channels;
        let pooled = back.tape.value(step.output);
        let BlockTape { y, factors, norm, .. } = tape;
        share(self.threads, y.chunks_exact_mut(image), |sample, y| {
            let affine = factors.of(sample, block.relu);
            let range = sample * value.len()..(sample + 1) * value.len();
            let channel = &channel[sample * value.channels..][..value.channels];
            let incoming = Incoming { each: &each[range.clone()], channel };
            let slope = Slope { gain: affine.scale, offset, slope, centre: &norm.centre };
            bring(y);
            match block.pool {
                1 => passes::spread(isa, y, affine, slope, incoming),
                _ => passes::spread_pooled(isa, y, affine, slope, incoming, &pooled[range], window),
            }
        });
    }

    /// All that reaches a value, pixel by pixel.
    pub(super) fn gradient(&mut self, value: usize, back: &mut Back<'_>) -> Buffer {
        self.gradient_behind_relu(value, false, back)
    }

    /// All that reaches a value and passes the ReLU that made it.
    pub(super) fn gradient_behind_relu(&mut self, value: usize, relu: bool, back: &mut Back<'_>) -> Buffer {
        let shape = self.plan.values[value];
        let each = back.each[value].take();
        let channel = back.channel[value].take();
        let mut each = each.unwrap_or_else(|| self.buffers.zeros(back.tape.batch * shape.len()));
        if channel.is_none() && !relu {
            return each;
        }
        let channel = channel.unwrap_or_else(|| self.buffers.zeros(back.tape.batch * shape.channels));
        let rows = each.chunks_exact_mut(shape.len()).zip(channel.chunks_exact(shape.channels));
        let rows = rows.zip(back.tape.value(value).chunks_exact(shape.len()));
        let (isa, floor) = (self.isa, passes::floor(relu));
        share(self.threads, rows, |_, ((each, channel), out)| {
            passes::pass_positive(isa, each, channel, out, floor);
        });
        self.buffers.give(channel);
        each
    }

    /// Adds to what reaches a value. The images themselves have no gradient.
    pub(super) fn hand(&mut self, value: usize, gradient: Buffer, back: &mut Back<'_>) {
        self.accumulate(value, gradient, &mut back.each);
    }

    /// Adds to what reaches a value from a gradient of its mean over the pixels.
    pub(super) fn hand_mean(&mut self, value: usize, mut gradient: Buffer, back: &mut Back<'_>) {
        let pixels = self.plan.values[value].pixels() as f32;
        gradient.iter_mut().for_each(|gradient| *gradient /= pixels);
        self.accumulate(value, gradient, &mut back.channel);
    }

    fn accumulate(&mut self, value: usize, gradient: Buffer, all: &mut [Option<Buffer>]) {
        let isa = self.isa;
        match &mut all[value] {
            _ if value == 0 => self.buffers.give(gradient),
            Some(sum) => {
                let part = sum.len().div_ceil(64).max(4096);
                let parts = sum.chunks_mut(part).zip(gradient.chunks(part));
                share(self.threads, parts, |_, (sum, more)| passes::add(isa, sum, more));
                self.buffers.give(gradient);
            }
            empty => *empty = Some(gradient),
        }
    }
}

/// An array of zeros a parameter; none for running statistics, which have no gradient.
fn empty_gradients(plan: &Plan) -> Vec<Vec<f32>> {
    let mut gradients: Vec<Vec<f32>> = plan.lengths().iter().map(|&length| vec![0.0; length]).collect();
    for first in plan.blocks().filter_map(|(_, block)| block.norm) {
        gradients[first + 2..first + 4].fill(Vec::new());
    }
    gradients
}
