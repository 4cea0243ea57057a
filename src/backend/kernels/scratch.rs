//! Memory that the kernels write intermediate results to.

use super::weights::Shared;

/// Values of a cache line.
const LINE: usize = 16;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Floats at the start of a cache line.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<Line>);

impl Buffer {
    /// At least `len` values, initialised but otherwise arbitrary.
    pub(super) fn floats(&mut self, len: usize) -> &mut [f32] {
        let lines = len.div_ceil(LINE);
        if self.0.len() < lines {
            // What was there is not needed: freed first, so that both are never held at once.
            self.0 = Vec::new();
            self.0 = vec![Line([0.0; LINE]); lines];
        }
        // SAFETY: a `Line` is 16 f32 without padding, aligned more strictly than f32.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LINE) }
    }
}

impl Buffer {
    /// The same as a pointer for several threads.
    pub(super) fn shared(&mut self, len: usize) -> Shared {
        Shared(self.floats(len).as_mut_ptr())
    }

    /// Whether anything was ever asked for.
    pub(super) fn is_used(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Intermediate results, shared by all convolutions of a network. It grows to what the largest needs and is
/// reused after that.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The transformed input, the transformed output or its gradient, the input's transformed gradient, and
    /// the transformed weights' gradient.
    pub(super) input: Buffer,
    pub(super) output: Buffer,
    pub(super) input_gradient: Buffer,
    pub(super) weight_gradient: Buffer,
    /// Outputs of a chunk that are handed on at once.
    pub(super) chunk: Buffer,
    /// What each worker needs for itself, one after the other.
    pub(super) own: Buffer,
    /// Zeros; never written.
    pub(super) zeros: Buffer,
    /// Samples in groups.
    pub(super) groups: super::groups::Groups,
}

impl Scratch {
    /// Nothing yet.
    pub fn new() -> Self {
        Scratch::default()
    }
}
