//! What a pass has computed so far. After a training pass it is what the backward pass needs.

use std::sync::Arc;

use super::buffers::{Buffer, Buffers};
use super::elementwise::{self, Affine};
use super::masks::Taken;
use super::{Engine, Kernels};

/// What a training pass leaves for its backward pass, which consumes it.
#[derive(Debug)]
pub struct Tape {
    pub(super) batch: usize,
    /// By number of the value; `None` before it is computed, when nothing needs it any more, and inside a head.
    pub(super) values: Vec<Option<Buffer>>,
    /// Means over the pixels, `[batch, channels]`, where they are needed.
    pub(super) means: Vec<Option<Buffer>>,
    /// Channels that are not zero, bit rows, where masks say so.
    pub(super) active: Vec<Option<Vec<u64>>>,
    /// By number of the block.
    pub(super) blocks: Vec<Option<BlockTape>>,
    /// What each dropout step multiplied by, by number of its output.
    pub(super) kept: Vec<Option<Vec<f32>>>,
    /// The kernels with the weights of the pass.
    pub(super) kernels: Arc<Kernels>,
    pub(super) taken: Taken,
}

/// What the backward pass needs of a block.
#[derive(Debug)]
pub(super) struct BlockTape {
    /// The convolution's output.
    pub y: Buffer,
    pub mask: Option<Mask>,
    pub norm: NormTape,
    pub factors: Factors,
}

/// The mask of a block, `[batch, channels]`.
#[derive(Debug)]
pub(super) struct Mask {
    pub values: Buffer,
    /// The generator's hidden layer, where it was run.
    pub hidden: Option<Buffer>,
}

/// `(y - centre) * gain + offset`: batch norm, or the bias alone.
#[derive(Debug)]
pub(super) struct NormTape {
    pub centre: Vec<f32>,
    pub gain: Vec<f32>,
    pub offset: Vec<f32>,
    /// 1 / deviation; absent without batch norm.
    pub inverse: Option<Vec<f32>>,
    /// Whether mean and deviation are those of the batch, so that they depend on y.
    pub of_batch: bool,
}

/// Norm and mask as one factor and one term, `[batch, channels]` or, without a mask, `[1, channels]`.
#[derive(Debug)]
pub(super) struct Factors {
    pub scale: Buffer,
    pub shift: Buffer,
    pub channels: usize,
}

impl Engine {
    /// A tape on which nothing stands yet.
    pub(super) fn empty_tape(&self, batch: usize, taken: Taken) -> Tape {
        let (count, blocks) = (self.plan.values.len(), self.plan.blocks().count());
        Tape {
            batch,
            values: (0..count).map(|_| None).collect(),
            means: (0..count).map(|_| None).collect(),
            active: vec![None; count],
            blocks: (0..blocks).map(|_| None).collect(),
            kept: vec![None; count],
            kernels: Arc::clone(&self.kernels),
            taken,
        }
    }

    /// Takes back all memory of a pass.
    pub(super) fn release(&mut self, tape: Tape) {
        let values = tape.values.into_iter().chain(tape.means).flatten();
        values.for_each(|buffer| self.buffers.give(buffer));
        tape.blocks.into_iter().flatten().for_each(|block| block.release(&mut self.buffers));
    }
}

impl Tape {
    /// A value that has been computed and is still needed.
    pub(super) fn value(&self, value: usize) -> &[f32] {
        computed(&self.values[value])
    }

    /// Its means over the pixels, where they are needed.
    pub(super) fn mean(&self, value: usize) -> &[f32] {
        computed(&self.means[value])
    }
}

fn computed(buffer: &Option<Buffer>) -> &[f32] {
    match buffer {
        Some(buffer) => buffer,
        None => unreachable!("steps come in the order in which values are computed"),
    }
}

impl Factors {
    /// Those of a sample.
    pub(super) fn of(&self, sample: usize, relu: bool) -> Affine<'_> {
        let row = if self.scale.len() == self.channels { 0 } else { sample };
        let row = row * self.channels..(row + 1) * self.channels;
        Affine { scale: &self.scale[row.clone()], shift: &self.shift[row], floor: elementwise::floor(relu) }
    }

    pub(super) fn release(self, buffers: &mut Buffers) {
        [self.scale, self.shift].into_iter().for_each(|buffer| buffers.give(buffer));
    }
}

impl Mask {
    pub(super) fn release(self, buffers: &mut Buffers) {
        std::iter::once(self.values).chain(self.hidden).for_each(|buffer| buffers.give(buffer));
    }
}

impl BlockTape {
    pub(super) fn release(self, buffers: &mut Buffers) {
        buffers.give(self.y);
        self.factors.release(buffers);
        if let Some(mask) = self.mask {
            mask.release(buffers);
        }
    }
}
