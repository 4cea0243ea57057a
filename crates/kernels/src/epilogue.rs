//! What follows a convolution, applied while its outputs are still in registers.

use crate::ptr::SendPtr;
use crate::simd::Simd;

/// What becomes of a convolution's output y, channel by channel: `max-pool(above(outer, above(floor, y * scale +
/// shift) + added))`, where `above(bound, z)` is z, but not below the bound, and keeps NaN. Batch norm, ReLU, a residual
/// sum and its ReLU, and a max-pool have this form. NaN passes through the pool too, as in PyTorch.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// `[out_channels]`
    pub scale: &'a [f32],
    /// `[out_channels]`
    pub shift: &'a [f32],
    /// 0 with ReLU, else minus infinity.
    pub floor: f32,
    /// What is added, `[batch, out_height, out_width, out_channels]`, and the lower bound of the sum.
    pub added: Option<(&'a [f32], f32)>,
    /// Side of the max-pool's windows; 1 for no pool.
    pub pool: usize,
}

/// An [`Epilogue`] as pointers: of the channels from some channel on, and of the batch or one sample.
#[derive(Clone, Copy)]
pub(crate) struct RawEpilogue {
    pub scale: SendPtr,
    pub shift: SendPtr,
    pub floor: f32,
    pub added: Option<RawAddend>,
    /// 1 or 2.
    pub pool: usize,
}

/// What an epilogue adds.
#[derive(Clone, Copy)]
pub(crate) struct RawAddend {
    /// `[samples][pixels][channels]`
    pub values: SendPtr,
    /// The lower bound of the sum.
    pub outer: f32,
}

/// Scale, shift and floor of one vector of channels.
#[derive(Clone, Copy)]
pub(crate) struct EpilogueVector<S: Simd> {
    scale: S::V,
    shift: S::V,
    floor: S::V,
}

impl RawEpilogue {
    /// That of the channels from `first` on.
    ///
    /// # Safety
    ///
    /// `first` is at most the number of channels.
    pub(crate) unsafe fn channels_from(self, first: usize) -> Self {
        // SAFETY: scale and shift have a value for each channel, and `first` is not behind the last one's end.
        let (scale, shift) = unsafe { (SendPtr(self.scale.at(first)), SendPtr(self.shift.at(first))) };
        RawEpilogue { scale, shift, ..self }
    }

    /// The factors of `count` channels, at most `LANES`, from `first` on.
    ///
    /// # Safety
    ///
    /// There are so many channels.
    #[inline(always)]
    pub(crate) unsafe fn factors<S: Simd>(&self, s: S, first: usize, count: usize) -> EpilogueVector<S> {
        // SAFETY: scale and shift have a value for each of the channels.
        unsafe {
            let (scale, shift) = (self.scale.at(first), self.shift.at(first));
            let (scale, shift) = match count == S::LANES {
                true => (s.load(scale), s.load(shift)),
                false => (s.load_part(scale, count), s.load_part(shift, count)),
            };
            EpilogueVector { scale, shift, floor: s.splat(self.floor) }
        }
    }
}

impl<S: Simd> EpilogueVector<S> {
    /// `above(floor, y * scale + shift)`, in two roundings, so that it gives the bits of separate passes.
    #[inline(always)]
    pub(crate) fn apply(self, s: S, y: S::V) -> S::V {
        s.above(self.floor, s.add(s.mul(y, self.scale), self.shift))
    }
}
