//! The way of a batch forward.

use std::sync::Arc;

use super::block::BlockTape;
use super::plan::{Kind, Step, Value};
use super::share::each;
use super::{Buffer, Engine, Outcome};
use crate::random::Draws;

/// What a pass has made so far. After a training pass it is what the way back needs.
#[derive(Debug)]
pub(super) struct Tape {
    pub batch: usize,
    /// By number of the value; `None` before it is made, when nobody needs it any more, and inside a head.
    pub values: Vec<Option<Buffer>>,
    /// Means over the pixels, `[batch, channels]`, where a reader needs them.
    pub means: Vec<Option<Buffer>>,
    /// Channels that are not zero, bit rows, where masks say so.
    pub active: Vec<Option<Vec<u64>>>,
    /// By number of the block.
    pub blocks: Vec<Option<BlockTape>>,
    /// What each dropout step multiplied by, by number of its output.
    pub kept: Vec<Option<Vec<f32>>>,
}

/// What a pass is for.
pub(super) enum Mode<'a> {
    Train(&'a Draws),
    Evaluate,
}

/// A pass under way, between steps.
pub(super) struct Under<'a> {
    pub tape: Tape,
    pub parameters: &'a [&'a [f32]],
    pub mode: Mode<'a>,
    pub outcome: Outcome,
    /// Steps that still have to read each value.
    readers: Vec<usize>,
}

impl Engine {
    /// A training pass over `[batch, channels, height, width]` images: batch norm uses the batch's statistics,
    /// dropout draws what it keeps, `[channels, height, width]` in order, from each sample's generator.
    pub fn train(&mut self, images: &[f32], batch: usize, parameters: &[&[f32]], draws: &Draws) -> Outcome {
        self.forget_weights();
        let pass = self.run(images, batch, parameters, Mode::Train(draws));
        self.tape = Some(pass.tape);
        pass.outcome
    }

    /// Outputs and masks with running statistics and without dropout.
    pub fn evaluate(&mut self, images: &[f32], batch: usize, parameters: &[&[f32]]) -> Outcome {
        let mut pass = self.run(images, batch, parameters, Mode::Evaluate);
        self.release(&mut pass.tape);
        pass.outcome
    }

    fn run<'a>(
        &mut self,
        images: &[f32],
        batch: usize,
        parameters: &'a [&'a [f32]],
        mode: Mode<'a>,
    ) -> Under<'a> {
        if let Some(mut tape) = self.tape.take() {
            self.release(&mut tape);
        }
        self.prepare(batch, matches!(mode, Mode::Train(_)), parameters);
        let plan = Arc::clone(&self.plan);
        let mut pass = self.begin(batch, parameters, mode);
        let done = self.head(images, &mut pass);
        if done == 0 {
            self.give_images(images, &mut pass);
        }
        for step in &plan.steps[done..] {
            self.step(step, &mut pass);
        }
        pass.outcome.outputs = pass.tape.value(plan.last()).to_vec();
        pass
    }

    /// A pass before its first step.
    pub(super) fn begin<'a>(&self, batch: usize, parameters: &'a [&'a [f32]], mode: Mode<'a>) -> Under<'a> {
        let plan = &self.plan;
        let count = plan.values.len();
        let blocks = plan.blocks().count();
        let tape = Tape {
            batch,
            values: (0..count).map(|_| None).collect(),
            means: (0..count).map(|_| None).collect(),
            active: vec![None; count],
            blocks: (0..blocks).map(|_| None).collect(),
            kept: vec![None; count],
        };
        let outcome = Outcome {
            masks: vec![Vec::new(); plan.masks],
            statistics: vec![None; blocks],
            ..Outcome::default()
        };
        let readers = plan.values.iter().map(|value| value.readers).collect();
        Under { tape, parameters, mode, outcome, readers }
    }

    /// Makes the first value.
    pub(super) fn give_images(&mut self, images: &[f32], pass: &mut Under<'_>) {
        pass.tape.values[0] = Some(self.with_channels_last(images, pass.tape.batch, self.plan.values[0]));
        self.take_mean(&mut pass.tape, 0);
    }

    pub(super) fn step(&mut self, step: &Step, pass: &mut Under<'_>) {
        match &step.kind {
            Kind::Block(block) => self.block(step, block, pass),
            Kind::Linear { weight } => self.linear(step, *weight, pass),
            Kind::Pool(size) => self.pool(step, *size, pass),
            Kind::Add { shortcut, join, relu } => self.add(step, *shortcut, join.as_ref(), *relu, pass),
            Kind::Average => {
                let mean = pass.tape.mean(step.input);
                let mut out = self.buffers.take(mean.len());
                out.copy_from_slice(mean);
                pass.tape.values[step.output] = Some(out);
            }
            Kind::Flatten => self.flatten(step, pass),
            Kind::Relu => self.relu(step, pass),
            Kind::Dropout { number, probability } => self.dropout(step, *number, *probability, pass),
        }
        if !matches!(step.kind, Kind::Block(_)) {
            self.take_mean(&mut pass.tape, step.output);
        }
        if matches!(pass.mode, Mode::Evaluate) {
            self.drop_read(step, pass);
        }
    }

    /// Evaluation keeps no value longer than it is read.
    fn drop_read(&mut self, step: &Step, pass: &mut Under<'_>) {
        for value in inputs(step) {
            pass.readers[value] -= 1;
            if pass.readers[value] == 0 {
                self.buffers.give(pass.tape.values[value].take().unwrap_or_default());
                self.buffers.give(pass.tape.means[value].take().unwrap_or_default());
            }
        }
    }

    /// The mean over the pixels of a value, if a reader needs it and it is not there yet.
    pub(super) fn take_mean(&mut self, tape: &mut Tape, value: usize) {
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

    /// Takes back all memory of a pass.
    pub(super) fn release(&mut self, tape: &mut Tape) {
        let values = tape.values.iter_mut().chain(&mut tape.means).filter_map(Option::take);
        values.for_each(|buffer| self.buffers.give(buffer));
        for block in tape.blocks.iter_mut().filter_map(Option::take) {
            block.release(&mut self.buffers);
        }
    }
}

impl Tape {
    /// A value that has been made and is still needed.
    pub(super) fn value(&self, value: usize) -> &[f32] {
        made(&self.values[value])
    }

    /// Its means over the pixels, which a reader needs.
    pub(super) fn mean(&self, value: usize) -> &[f32] {
        made(&self.means[value])
    }
}

fn made(buffer: &Option<Buffer>) -> &[f32] {
    match buffer {
        Some(buffer) => buffer,
        None => unreachable!("steps come in the order in which values are made"),
    }
}

/// The values that a step reads.
pub(super) fn inputs(step: &Step) -> impl Iterator<Item = usize> {
    let other = match &step.kind {
        Kind::Block(block) => block.added.map(|(added, _)| added),
        Kind::Add { shortcut, .. } => Some(*shortcut),
        _ => None,
    };
    std::iter::once(step.input).chain(other)
}
