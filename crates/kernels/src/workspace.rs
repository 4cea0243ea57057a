//! Memory that the kernels write intermediate results to.

use crate::ptr::SendPtr;

/// Values of a cache line.
const LINE: usize = 16;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Floats that start at a cache line: a vector that lies across two lines costs twice as much.
#[derive(Debug, Default)]
pub struct AlignedBuffer(Vec<Line>);

impl AlignedBuffer {
    /// Room for at least `len` values, all zero.
    pub fn zeros(len: usize) -> Self {
        AlignedBuffer(vec![Line([0.0; LINE]); len.div_ceil(LINE)])
    }

    /// All values.
    #[inline]
    pub fn values(&self) -> &[f32] {
        // SAFETY: a `Line` is 16 f32 without padding, aligned more strictly than f32.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * LINE) }
    }

    /// All values.
    #[inline]
    pub fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: a `Line` is 16 f32 without padding, aligned more strictly than f32.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LINE) }
    }

    /// At least `len` values, initialised but otherwise arbitrary.
    pub(crate) fn at_least(&mut self, len: usize) -> &mut [f32] {
        if self.0.len() * LINE < len {
            // The old values are not needed: they are freed first, so that both are never held at once.
            self.0 = Vec::new();
            *self = AlignedBuffer::zeros(len);
        }
        self.values_mut()
    }

    /// As [`AlignedBuffer::at_least`], as a pointer for several threads.
    pub(crate) fn shared(&mut self, len: usize) -> SendPtr {
        SendPtr(self.at_least(len).as_mut_ptr())
    }

    /// Whether nothing was ever asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Intermediate results, shared by all convolutions of a network. It grows to what the largest needs and is
/// reused after that.
#[derive(Debug, Default)]
pub struct Workspace {
    /// The transformed input.
    pub(crate) input: AlignedBuffer,
    /// The transformed output, or the transformed gradient of the output.
    pub(crate) output: AlignedBuffer,
    /// The transformed gradient of the input.
    pub(crate) input_gradient: AlignedBuffer,
    /// The transformed gradient of the weights, once for each team of threads.
    pub(crate) weight_gradient: AlignedBuffer,
    /// Outputs of a chunk that go to a callback.
    pub(crate) streamed: AlignedBuffer,
    /// What each worker needs for itself, one worker after the other.
    pub(crate) workers: AlignedBuffer,
    /// Zeros; never written.
    pub(crate) zeros: AlignedBuffer,
    /// Samples in groups.
    pub(crate) groups: crate::groups::Groups,
    /// Whether one thread is to do all the work.
    pub(crate) single_threaded: bool,
}

impl Workspace {
    /// An empty one.
    pub fn new() -> Self {
        Workspace::default()
    }

    /// An empty one, for passes on the calling thread alone.
    pub fn of_one_thread() -> Self {
        Workspace { single_threaded: true, ..Workspace::default() }
    }
}
