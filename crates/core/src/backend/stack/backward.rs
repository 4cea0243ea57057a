//! The backward pass: from the gradients of outputs and observed values to those of all parameters that train.

use std::sync::Arc;

use super::elementwise::{self, Incoming, Slope};
use super::plan::{Block, Kind, Observed, Step, inputs};
use super::share::each as share;
use super::tape::{BlockTape, Mask, Tape};
use super::{Buffer, Engine};
use crate::backend::kernels::{Active, warm_cache};

/// What a backward pass gives.
#[derive(Debug, Default)]
pub struct Backward {
    /// One array a parameter; empty for running statistics, for what is frozen and for what took no part in the pass.
    pub gradients: Vec<Vec<f32>>,
    /// `[batch, units]` for each given mask of the pass; empty if [`PassMasks::gradient`](super::PassMasks) was not set.
    pub given: Vec<Vec<f32>>,
}

/// A backward pass between two steps.
pub(super) struct Back<'a> {
    pub tape: Tape,
    pub result: Backward,
    /// Gradients that have come in so far, by value: of each activation, `[batch, height, width, channels]`.
    each: Vec<Option<Buffer>>,
    /// What is added to the gradient of each pixel, `[batch, channels]`, by value.
    channel: Vec<Option<Buffer>>,
    /// Values whose gradient something needs that trains or is asked for.
    pub wanted: Vec<bool>,
    observed: &'a [Option<&'a [f32]>],
}

/// What reaches a block's activations.
struct Reaching {
    each: Buffer,
    channel: Buffer,
}

/// Sums over the pixels of each sample and channel, `[batch, channels]`.
struct Sums {
    /// Of the gradient dz behind norm and mask.
    dz: Buffer,
    /// Of dz * (y - centre).
    product: Buffer,
}

/// Terms of the gradient at a convolution's output that all samples share: `offset + slope * (y - centre)`.
struct Shared {
    offset: Vec<f32>,
    slope: Vec<f32>,
}

impl Engine {
    /// Turns the gradients of a training pass's outputs and observed values into those of the parameters. An observed
    /// site without a gradient takes part in no loss term.
    ///
    /// # Panics
    ///
    /// If the gradients are not of the sizes of what the pass gave.
    pub fn backward(&mut self, tape: Tape, outputs: &[f32], observed: &[Option<&[f32]>]) -> Backward {
        self.check_gradients(&tape, outputs, observed);
        let plan = Arc::clone(&self.plan);
        let none = || (0..plan.values.len()).map(|_| None).collect();
        let result = Backward {
            gradients: vec![Vec::new(); plan.parameters.len()],
            given: vec![Vec::new(); tape.taken.sites.len()],
        };
        let wanted = self.wanted(&tape);
        let mut back = Back { tape, result, each: none(), channel: none(), wanted, observed };
        let mut gradient = self.buffers.take(outputs.len());
        gradient.copy_from_slice(outputs);
        self.hand(plan.last(), gradient, &mut back);
        self.hand_observed(&mut back);
        for step in plan.steps.iter().rev() {
            if back.wanted[step.output] {
                self.step_back(step, &mut back);
            }
            self.buffers.give(back.tape.values[step.output].take().unwrap_or_default());
        }
        let Back { tape, result, .. } = back;
        self.release(tape);
        result
    }

    fn check_gradients(&self, tape: &Tape, outputs: &[f32], observed: &[Option<&[f32]>]) {
        let expected = tape.batch * self.plan.outputs();
        assert_eq!(outputs.len(), expected, "the number of values in the gradient of the outputs");
        assert_eq!(
            observed.len(),
            self.plan.observed.len(),
            "the number of observed sites with or without gradient"
        );
        for (at, gradient) in observed.iter().enumerate() {
            let expected = tape.batch * self.plan.observed_units(at);
            let fits = gradient.is_none_or(|gradient| gradient.len() == expected);
            assert!(fits, "the gradient of observed site {at} does not have {expected} values");
        }
    }

    /// Values from which a gradient is to go on: something trains at or before the step that computes them, or the
    /// gradient of a given mask is asked for there.
    fn wanted(&self, tape: &Tape) -> Vec<bool> {
        let mut wanted = vec![false; self.plan.values.len()];
        for step in &self.plan.steps {
            let needs = match &step.kind {
                Kind::Block(block) => {
                    block.parameters().any(|number| self.trains(number))
                        || tape.taken.gradient && tape.taken.at(block.site).is_some()
                }
                Kind::Linear(linear) => {
                    [linear.weight, linear.bias].into_iter().any(|number| self.trains(number))
                }
                _ => false,
            };
            wanted[step.output] = needs || inputs(step).any(|value| wanted[value]);
        }
        wanted
    }

    /// Gradients that enter at observed activations. (Those at masks enter with the masks' own.)
    fn hand_observed(&mut self, back: &mut Back<'_>) {
        let plan = Arc::clone(&self.plan);
        for (observed, gradient) in plan.observed.iter().zip(back.observed) {
            let (Observed::Mean { value, rectified }, Some(gradient)) = (*observed, *gradient) else {
                continue;
            };
            let mut mean = self.buffers.take(gradient.len());
            mean.copy_from_slice(gradient);
            if rectified {
                // Where an activation is 0, the ReLU that made it so stops the gradient.
                self.hand_mean(value, mean, back);
            } else {
                let signed = self.signed(value, &mean, back);
                self.buffers.give(mean);
                self.hand(value, signed, back);
            }
        }
    }

    /// The gradient of activations from that of the mean of their magnitudes.
    fn signed(&mut self, value: usize, gradient: &[f32], back: &Back<'_>) -> Buffer {
        let shape = self.plan.values[value];
        let mut signed = self.buffers.take(back.tape.batch * shape.len());
        let rows = signed.chunks_exact_mut(shape.len()).zip(gradient.chunks_exact(shape.channels));
        let rows = rows.zip(back.tape.value(value).chunks_exact(shape.len()));
        let pixels = shape.pixels() as f32;
        let sign = |a: f32| {
            if a > 0.0 {
                1.0
            } else if a < 0.0 {
                -1.0
            } else {
                0.0
            }
        };
        share(self.threads, rows, |_, ((signed, gradient), image)| {
            for (index, (d, a)) in signed.iter_mut().zip(image).enumerate() {
                *d = sign(*a) * gradient[index % shape.channels] / pixels;
            }
        });
        signed
    }

    fn step_back(&mut self, step: &Step, back: &mut Back<'_>) {
        match &step.kind {
            Kind::Block(block) => self.block_back(step, block, back),
            Kind::Linear(linear) => self.linear_back(step, *linear, back),
            Kind::Pool(size) => self.pool_back(step, *size, back),
            Kind::Add(add) => self.add_back(step, add, back),
            Kind::Average => {
                let gradient = self.gradient(step.output, back);
                self.hand_mean(step.input, gradient, back);
            }
            Kind::Flatten => self.flatten_back(step, back),
            Kind::Relu => self.relu_back(step, back),
            Kind::Dropout(_) => self.dropout_back(step, back),
        }
    }

    fn block_back(&mut self, step: &Step, block: &Block, back: &mut Back<'_>) {
        let Some(mut tape) = back.tape.blocks[block.index].take() else {
            unreachable!("a training pass keeps what each block computed");
        };
        let value = self.plan.values[step.output];
        let (each, channel) = match block.added {
            Some((_, outer)) => (Some(self.gradient_behind_relu(step.output, outer, back)), None),
            None => (back.each[step.output].take(), back.channel[step.output].take()),
        };
        let each = each.unwrap_or_else(|| self.buffers.zeros(back.tape.batch * value.len()));
        let channel = channel.unwrap_or_else(|| self.buffers.zeros(back.tape.batch * value.channels));
        let reaching = Reaching { each, channel };

        let sums = self.sums(step, block, &tape, &reaching, back);
        let shared = self.norm_back(block, &tape, &sums, back);
        if let Some(mask) = &tape.mask {
            self.mask_back(step, block, &tape, mask, &sums, back);
        }
        [sums.dz, sums.product].into_iter().for_each(|buffer| self.buffers.give(buffer));
        if back.wanted[step.input] || self.trains(block.weight) {
            self.to_gradient(step, block, &mut tape, &shared, &reaching, back);
            self.conv_back(step, block, &tape.y, back);
        }
        self.buffers.give(reaching.channel);
        match block.added {
            Some((shortcut, _)) => self.hand(shortcut, reaching.each, back),
            None => self.buffers.give(reaching.each),
        }
        tape.release(&mut self.buffers);
    }

    fn conv_back(&mut self, step: &Step, block: &Block, dy: &[f32], back: &mut Back<'_>) {
        let channels = self.plan.values[step.input].channels;
        let x = back.tape.value(step.input);
        let active = back.tape.active[step.input].as_deref().map(|rows| Active::new(rows, channels));
        let mut dx = back.wanted[step.input].then(|| self.buffers.take(x.len()));
        let mut dw = self.array(block.weight);
        let (kernel, workspace) = (back.tape.kernels.of(block.weight), &mut self.workspace);
        kernel.backward(x, dy, active.as_ref(), dx.as_deref_mut(), dw.as_deref_mut(), workspace);
        back.result.put(block.weight, dw);
        if let Some(dx) = dx {
            self.hand(step.input, dx, back);
        }
    }

    fn sums(
        &mut self,
        step: &Step,
        block: &Block,
        tape: &BlockTape,
        reaching: &Reaching,
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
            let channel = &reaching.channel[sample * value.channels..][..value.channels];
            let incoming = Incoming { each: &reaching.each[range.clone()], channel };
            warm_cache(y);
            match block.pool {
                1 => elementwise::bn_backward_reduce(isa, y, affine, centre, incoming, dz, product),
                _ => {
                    let pooled = &pooled[range];
                    elementwise::bn_backward_reduce_pooled(
                        isa, y, affine, centre, incoming, pooled, window, dz, product,
                    );
                }
            }
        });
        Sums { dz, product }
    }

    /// The gradients of batch norm and bias, and the terms of y's gradient that all samples share: its offset
    /// and its slope over y - centre (Ioffe and Szegedy, 2015, section 3).
    fn norm_back(&mut self, block: &Block, tape: &BlockTape, sums: &Sums, back: &mut Back<'_>) -> Shared {
        let channels = tape.factors.channels;
        let pixels = (tape.y.len() / channels) as f64;
        let (mut dz, mut product) = (vec![0f64; channels], vec![0f64; channels]);
        for (sample, row) in sums.dz.chunks_exact(channels).enumerate() {
            let products = &sums.product[sample * channels..][..channels];
            for c in 0..channels {
                let mask =
                    tape.mask.as_ref().map_or(1.0, |mask| f64::from(mask.values[sample * channels + c]));
                dz[c] += mask * f64::from(row[c]);
                product[c] += mask * f64::from(products[c]);
            }
        }
        let (gain, centre_moves) = (&tape.norm.gain, tape.norm.of_batch);
        let mut put = |number: usize, value: &dyn Fn(usize) -> f64| {
            let array = self.array(number).map(|mut array| {
                array.iter_mut().enumerate().for_each(|(c, gradient)| *gradient = value(c) as f32);
                array
            });
            back.result.put(number, array);
        };
        if let Some(bias) = block.bias {
            // The mean of the batch takes a bias out again.
            let through = |c: usize| if centre_moves { 0.0 } else { f64::from(gain[c]) * dz[c] };
            put(bias, &through);
        }
        let inverse = tape.norm.inverse.as_deref().unwrap_or_default();
        if let Some(norm) = block.norm {
            put(norm.scale, &|c| product[c] * f64::from(inverse[c]));
            put(norm.shift, &|c| dz[c]);
        }
        if !centre_moves {
            return Shared { offset: vec![0.0; channels], slope: vec![0.0; channels] };
        }
        let of = |c: usize| (f64::from(gain[c]), f64::from(inverse[c]));
        let offset = (0..channels).map(|c| (-of(c).0 * dz[c] / pixels) as f32).collect();
        let slope = (0..channels).map(|c| {
            let (gain, inverse) = of(c);
            (-gain * inverse * inverse * product[c] / pixels) as f32
        });
        Shared { offset, slope: slope.collect() }
    }

    /// The gradient of a mask goes to the generator, or is kept where the mask was given and its gradient is wanted.
    fn mask_back(
        &mut self,
        step: &Step,
        block: &Block,
        tape: &BlockTape,
        mask: &Mask,
        sums: &Sums,
        back: &mut Back<'_>,
    ) {
        let given = back.tape.taken.at(block.site);
        let learns = |generator: &super::plan::Generator| {
            back.wanted[step.input] || generator.parameters().into_iter().any(|number| self.trains(number))
        };
        let generator = block.generator.filter(learns).zip(mask.hidden.as_deref());
        let kept = given.filter(|_| back.tape.taken.gradient);
        if generator.is_none() && kept.is_none() {
            return;
        }
        let mut gradient = self.mask_gradient(block, tape, sums, back);
        if given.is_some() {
            let channels = tape.factors.channels;
            if let Some(number) = kept {
                let mut constant = gradient.to_vec();
                back.clear_rows(&mut constant, channels, false);
                back.result.given[number] = constant;
            }
            back.clear_rows(&mut gradient, channels, true);
        }
        match generator {
            Some((generator, hidden)) => {
                self.generator_back(step.input, generator, &mask.values, hidden, gradient, back);
            }
            None => self.buffers.give(gradient),
        }
    }

    /// The gradient of a mask: what its activations give it and what the loss terms do.
    fn mask_gradient(&mut self, block: &Block, tape: &BlockTape, sums: &Sums, back: &Back<'_>) -> Buffer {
        let norm = &tape.norm;
        let channels = norm.gain.len();
        let mut gradient = self.buffers.take(sums.dz.len());
        for (index, gradient) in gradient.iter_mut().enumerate() {
            let c = index % channels;
            *gradient = norm.gain[c] * sums.product[index] + norm.offset[c] * sums.dz[index];
        }
        for (observed, from_terms) in self.plan.observed.iter().zip(back.observed) {
            if let (true, Some(terms)) = (*observed == Observed::Mask(block.index), from_terms) {
                gradient.iter_mut().zip(*terms).for_each(|(gradient, term)| *gradient += term);
            }
        }
        gradient
    }

    /// Turns a convolution's output into its gradient.
    fn to_gradient(
        &self,
        step: &Step,
        block: &Block,
        tape: &mut BlockTape,
        shared: &Shared,
        reaching: &Reaching,
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
            let channel = &reaching.channel[sample * value.channels..][..value.channels];
            let incoming = Incoming { each: &reaching.each[range.clone()], channel };
            let Shared { offset, slope } = shared;
            let slope = Slope { gain: affine.scale, offset, slope, centre: &norm.centre };
            warm_cache(y);
            match block.pool {
                1 => elementwise::bn_backward_input(isa, y, affine, slope, incoming),
                _ => {
                    elementwise::bn_backward_input_pooled(
                        isa,
                        y,
                        affine,
                        slope,
                        incoming,
                        &pooled[range],
                        window,
                    );
                }
            }
        });
    }

    /// All that reaches a value, pixel by pixel.
    pub(super) fn gradient(&mut self, value: usize, back: &mut Back<'_>) -> Buffer {
        self.gradient_behind_relu(value, false, back)
    }

    /// All that reaches a value and passes the ReLU that computed it.
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
        let (isa, floor) = (self.isa, elementwise::floor(relu));
        share(self.threads, rows, |_, ((each, channel), out)| {
            elementwise::pass_positive(isa, each, channel, out, floor);
        });
        self.buffers.give(channel);
        each
    }

    /// Adds to what reaches a value, if anything needs it.
    pub(super) fn hand(&mut self, value: usize, gradient: Buffer, back: &mut Back<'_>) {
        let Back { each, wanted, .. } = back;
        self.accumulate(gradient, &mut each[value], wanted[value]);
    }

    /// Adds to what reaches a value from a gradient of its mean over the pixels.
    pub(super) fn hand_mean(&mut self, value: usize, mut gradient: Buffer, back: &mut Back<'_>) {
        let pixels = self.plan.values[value].pixels() as f32;
        gradient.iter_mut().for_each(|gradient| *gradient /= pixels);
        let Back { channel, wanted, .. } = back;
        self.accumulate(gradient, &mut channel[value], wanted[value]);
    }

    fn accumulate(&mut self, gradient: Buffer, sum: &mut Option<Buffer>, wanted: bool) {
        let isa = self.isa;
        match sum {
            _ if !wanted => self.buffers.give(gradient),
            Some(sum) => {
                let part = sum.len().div_ceil(64).max(4096);
                let parts = sum.chunks_mut(part).zip(gradient.chunks(part));
                share(self.threads, parts, |_, (sum, more)| elementwise::add(isa, sum, more));
                self.buffers.give(gradient);
            }
            empty => *empty = Some(gradient),
        }
    }
}

impl Back<'_> {
    /// Zeroes the rows of the samples that take given masks (or of those that do not).
    fn clear_rows(&self, rows: &mut [f32], channels: usize, takers: bool) {
        let rows = rows.chunks_exact_mut(channels).enumerate();
        rows.filter(|(sample, _)| self.tape.taken.takes(*sample) == takers)
            .for_each(|(_, row)| row.fill(0.0));
    }
}

impl Backward {
    /// Keeps a parameter's gradient, if there is one.
    pub(super) fn put(&mut self, number: usize, gradient: Option<Vec<f32>>) {
        self.gradients[number] = gradient.unwrap_or_default();
    }
}
