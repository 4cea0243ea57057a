//! Memory that is reused from step to step: fresh pages cost as much as a pass over them.

use std::ops::{Deref, DerefMut};

use crate::backend::kernels::AlignedBuffer;

/// Buffers that nobody uses at the moment.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    free: Vec<AlignedBuffer>,
}

/// The first `len` floats of a buffer. Holds whatever its last user left.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    all: AlignedBuffer,
    len: usize,
}

impl Buffers {
    /// The smallest buffer that is large enough, or a new one.
    pub(super) fn take(&mut self, len: usize) -> Buffer {
        let fitting = self.free.iter().enumerate().filter(|(_, buffer)| buffer.values().len() >= len);
        let smallest = fitting.min_by_key(|(_, buffer)| buffer.values().len()).map(|(at, _)| at);
        let all = smallest.map_or_else(|| AlignedBuffer::zeros(len), |at| self.free.swap_remove(at));
        Buffer { all, len }
    }

    /// As [`Buffers::take`], all zeros.
    pub(super) fn zeros(&mut self, len: usize) -> Buffer {
        let mut buffer = self.take(len);
        buffer.fill(0.0);
        buffer
    }

    /// Takes a buffer back.
    pub(super) fn give(&mut self, buffer: Buffer) {
        if !buffer.all.values().is_empty() {
            self.free.push(buffer.all);
        }
    }

    /// Lets go of all memory.
    pub(super) fn clear(&mut self) {
        self.free.clear();
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.all.values()[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.all.values_mut()[..self.len]
    }
}
