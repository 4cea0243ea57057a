//! The forward pass of a batch.

use std::sync::Arc;

use super::masks::{PassMasks, Taken};
use super::plan::{Kind, Observed, Step, Value, inputs};
use super::share::each;
use super::tape::Tape;
use super::{Batch, Buffer, Engine, Outcome};
use crate::random::Draws;

/// What a pass is for.
#[derive(Clone, Copy)]
pub(super) enum Mode<'a> {
    Train(&'a Draws),
    Evaluate,
}

/// A pass between two steps.
pub(super) struct Pass<'a> {
    pub tape: Tape,
    pub parameters: &'a [&'a [f32]],
    pub masks: &'a PassMasks,
    pub mode: Mode<'a>,
    pub outcome: Outcome,
    /// Steps that still have to read each value.
    readers: Vec<usize>,
}

impl Engine {
    /// A training pass: batch norm uses the batch's statistics, except where they are frozen; dropout draws what it
    /// keeps, `[channels, height, width]` in order, from each sample's generator. Any number of tapes may be alive.
    ///
    /// # Panics
    ///
    /// If images, parameters or masks are not of the sizes that the plan and the batch ask for.
    pub fn train(&mut self, batch: &Batch<'_>, parameters: &[&[f32]], draws: &Draws) -> (Outcome, Tape) {
        let Pass { outcome, tape, .. } = self.run(batch, parameters, Mode::Train(draws));
        (outcome, tape)
    }

    /// A pass with running statistics and without dropout.
    ///
    /// # Panics
    ///
    /// As [`Engine::train`].
    pub fn evaluate(&mut self, batch: &Batch<'_>, parameters: &[&[f32]]) -> Outcome {
        let Pass { outcome, tape, .. } = self.run(batch, parameters, Mode::Evaluate);
        self.release(tape);
        outcome
    }

    fn run<'a>(&mut self, batch: &Batch<'a>, parameters: &'a [&'a [f32]], mode: Mode<'a>) -> Pass<'a> {
        self.check(batch, parameters);
        self.prepare(batch.samples, matches!(mode, Mode::Train(_)), parameters);
        let plan = Arc::clone(&self.plan);
        let mut pass = self.begin(batch.samples, parameters, batch.masks, mode);
        let done = self.head(batch.images, &mut pass);
        if done == 0 {
            self.give_images(batch.images, &mut pass);
        }
        for step in &plan.steps[done..] {
            self.step(step, &mut pass);
        }
        pass.outcome.outputs = pass.tape.value(plan.last()).to_vec();
        pass
    }

    /// Checks sizes: buffers are used again, so that images too small would mix with those of an earlier pass.
    fn check(&self, batch: &Batch<'_>, parameters: &[&[f32]]) {
        let Value { channels, height, width, .. } = self.plan.values[0];
        let (samples, length) = (batch.samples, batch.images.len());
        assert_eq!(
            length,
            samples * channels * height * width,
            "{samples} images of {channels}x{height}x{width} (channels, height, width) are not {length} values"
        );
        let lengths = parameters.iter().map(|parameter| parameter.len());
        assert!(lengths.eq(self.plan.parameters.iter().copied()), "the parameters are not those of the plan");
        batch.masks.check(&self.plan.sites, samples);
    }

    /// A pass before its first step.
    pub(super) fn begin<'a>(
        &self,
        batch: usize,
        parameters: &'a [&'a [f32]],
        masks: &'a PassMasks,
        mode: Mode<'a>,
    ) -> Pass<'a> {
        let tape = self.empty_tape(batch, Taken::new(masks));
        let outcome = Outcome {
            observed: vec![Vec::new(); self.plan.observed.len()],
            statistics: vec![None; tape.blocks.len()],
            ..Outcome::default()
        };
        let readers = self.plan.values.iter().map(|value| value.readers).collect();
        Pass { tape, parameters, masks, mode, outcome, readers }
    }

    /// Computes the first value.
    pub(super) fn give_images(&mut self, images: &[f32], pass: &mut Pass<'_>) {
        pass.tape.values[0] = Some(self.with_channels_last(images, pass.tape.batch, self.plan.values[0]));
        self.average(&mut pass.tape, 0);
    }

    pub(super) fn step(&mut self, step: &Step, pass: &mut Pass<'_>) {
        match &step.kind {
            Kind::Block(block) => self.block(step, block, pass),
            Kind::Linear(linear) => self.linear(step, *linear, pass),
            Kind::Pool(size) => self.pool(step, *size, pass),
            Kind::Add(add) => self.add(step, add, pass),
            Kind::Average => {
                let mean = pass.tape.mean(step.input);
                let mut out = self.buffers.take(mean.len());
                out.copy_from_slice(mean);
                pass.tape.values[step.output] = Some(out);
            }
            Kind::Flatten => self.flatten(step, pass),
            Kind::Relu => self.relu(step, pass),
            Kind::Dropout(dropout) => self.dropout(step, *dropout, pass),
        }
        self.average(&mut pass.tape, step.output);
        self.observe(step.output, pass);
        if matches!(pass.mode, Mode::Evaluate) {
            self.drop_read(step, pass);
        }
    }

    /// Evaluation keeps no value longer than it is read.
    fn drop_read(&mut self, step: &Step, pass: &mut Pass<'_>) {
        for value in inputs(step) {
            pass.readers[value] -= 1;
            if pass.readers[value] == 0 {
                self.buffers.give(pass.tape.values[value].take().unwrap_or_default());
                self.buffers.give(pass.tape.means[value].take().unwrap_or_default());
            }
        }
    }

    /// The mean over the pixels of a value, if it is needed and not there yet.
    pub(super) fn average(&mut self, tape: &mut Tape, value: usize) {
        let Value { channels, averaged, .. } = self.plan.values[value];
        if !averaged || tape.means[value].is_some() {
            return;
        }
        let pixels = self.plan.values[value].pixels();
        let mut mean = self.buffers.zeros(tape.batch * channels);
        let images = tape.value(value).chunks_exact(pixels * channels);
        each(self.threads, mean.chunks_exact_mut(channels).zip(images), |_, (mean, image)| {
            for row in image.chunks_exact(channels) {
                mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x);
            }
            mean.iter_mut().for_each(|mean| *mean /= pixels as f32);
        });
        tape.means[value] = Some(mean);
    }

    /// The means of |activation| of a value, if they are observed: behind a ReLU they are the means.
    fn observe(&self, value: usize, pass: &mut Pass<'_>) {
        for (at, observed) in self.plan.observed.iter().enumerate() {
            match *observed {
                Observed::Mean { value: of, rectified } if of == value => {
                    pass.outcome.observed[at] = match rectified {
                        true => pass.tape.mean(value).to_vec(),
                        false => self.mean_magnitudes(&pass.tape, value),
                    };
                }
                _ => {}
            }
        }
    }

    fn mean_magnitudes(&self, tape: &Tape, value: usize) -> Vec<f32> {
        let Value { channels, .. } = self.plan.values[value];
        let pixels = self.plan.values[value].pixels();
        let mut means = vec![0.0; tape.batch * channels];
        let images = tape.value(value).chunks_exact(pixels * channels);
        each(self.threads, means.chunks_exact_mut(channels).zip(images), |_, (mean, image)| {
            for row in image.chunks_exact(channels) {
                mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x.abs());
            }
            mean.iter_mut().for_each(|mean| *mean /= pixels as f32);
        });
        means
    }

    /// `[batch, channels, height, width]` to `[batch, height, width, channels]`.
    fn with_channels_last(&mut self, images: &[f32], batch: usize, value: Value) -> Buffer {
        let (channels, pixels) = (value.channels, value.pixels());
        let mut out = self.buffers.take(batch * value.len());
        let images = images.chunks_exact(value.len());
        each(self.threads, out.chunks_exact_mut(value.len()).zip(images), |_, (out, image)| {
            for (pixel, row) in out.chunks_exact_mut(channels).enumerate() {
                row.iter_mut().enumerate().for_each(|(c, x)| *x = image[c * pixels + pixel]);
            }
        });
        out
    }
}
