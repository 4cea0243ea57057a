//! Memory that the kernels write intermediate results to.

use super::weights::Shared;

/// Values of a cache line.
const LINE: usize = 16;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Floats from the start of a cache line on: a vector that lies across two costs twice as much.
#[derive(Debug, Default)]
pub struct Lines(Vec<Line>);

impl Lines {
    /// Room for at least `len` values, all zero.
    pub fn zeros(len: usize) -> Self {
        Lines(vec![Line([0.0; LINE]); len.div_ceil(LINE)])
    }

    /// All values.
    pub fn values(&self) -> &[f32] {
        // SAFETY: a `Line` is 16 f32 without padding, aligned more strictly than f32.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * LINE) }
    }

    /// All values.
    pub fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LINE) }
    }

    /// At least `len` values, initialised but otherwise arbitrary.
    pub(super) fn floats(&mut self, len: usize) -> &mut [f32] {
        if self.0.len() * LINE < len {
            // What was there is not needed: freed first, so that both are never held at once.
            self.0 = Vec::new();
            *self = Lines::zeros(len);
        }
        self.values_mut()
    }

    /// The same as a pointer for several threads.
    pub(super) fn shared(&mut self, len: usize) -> Shared {
        Shared(self.floats(len).as_mut_ptr())
    }

    /// Where it begins. What lies there must not be written to.
    pub(super) fn place(&self) -> Shared {
        Shared(self.values().as_ptr().cast_mut())
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
    pub(super) input: Lines,
    pub(super) output: Lines,
    pub(super) input_gradient: Lines,
    pub(super) weight_gradient: Lines,
    /// Outputs of a chunk that are handed on at once.
    pub(super) chunk: Lines,
    /// What each worker needs for itself, one after the other.
    pub(super) own: Lines,
    /// Zeros; never written.
    pub(super) zeros: Lines,
    /// Samples in groups.
    pub(super) groups: super::groups::Groups,
    /// Whether one thread is to do all the work.
    pub(super) of_one_thread: bool,
}

impl Scratch {
    /// Nothing yet.
    pub fn new() -> Self {
        Scratch::default()
    }

    /// Nothing yet, for passes on the calling thread alone.
    pub fn of_one_thread() -> Self {
        Scratch { of_one_thread: true, ..Scratch::default() }
    }
}
