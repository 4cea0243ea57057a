//! What follows a convolution, done while its outputs are still in registers.

use super::simd::Simd;
use super::weights::Shared;

/// What becomes of a convolution's output y, channel by channel: `pool(above(above(y * scale + shift, floor) + added,
/// outer))`, where `above(z, floor)` is not below the floor and NaN stays NaN.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// `[out_channels]`
    pub scale: &'a [f32],
    /// `[out_channels]`
    pub shift: &'a [f32],
    /// 0 with ReLU, else minus infinity.
    pub floor: f32,
    /// `[batch, out_height, out_width, out_channels]` and the bound behind the sum.
    pub added: Option<(&'a [f32], f32)>,
    /// Side of the windows whose maximum is kept; 1 for none.
    pub pool: usize,
}

/// The same as kernels take it: of the channels from some channel on, and of the batch or one sample.
#[derive(Clone, Copy)]
pub(super) struct RawEpilogue {
    pub scale: Shared,
    pub shift: Shared,
    pub floor: f32,
    /// The image and the bound behind the sum.
    pub added: Option<(Shared, f32)>,
    /// 1 or 2.
    pub pool: usize,
}

/// Its factors for one vector of channels.
#[derive(Clone, Copy)]
pub(super) struct EpilogueVector<S: Simd> {
    scale: S::V,
    shift: S::V,
    floor: S::V,
}

impl RawEpilogue {
    /// That of the channels from `first` on.
    ///
    /// # Safety
    ///
    /// There are channels from `first` on.
    pub(super) unsafe fn from(self, first: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            RawEpilogue { scale: Shared(self.scale.at(first)), shift: Shared(self.shift.at(first)), ..self }
        }
    }

    /// The factors of `count` channels, at most `LANES`, from `first` on.
    ///
    /// # Safety
    ///
    /// The channels exist, and the processor has S's instructions.
    #[inline(always)]
    pub(super) unsafe fn factors<S: Simd>(&self, first: usize, count: usize) -> EpilogueVector<S> {
        // SAFETY: the caller's promise.
        unsafe {
            let (scale, shift) = (self.scale.at(first), self.shift.at(first));
            let (scale, shift) = match count == S::LANES {
                true => (S::load(scale), S::load(shift)),
                false => (S::load_part(scale, count), S::load_part(shift, count)),
            };
            EpilogueVector { scale, shift, floor: S::splat(self.floor) }
        }
    }
}

impl<S: Simd> EpilogueVector<S> {
    /// `above(y * scale + shift, floor)`, in two roundings as everywhere.
    ///
    /// # Safety
    ///
    /// The processor has S's instructions.
    #[inline(always)]
    pub(super) unsafe fn of(self, y: S::V) -> S::V {
        // SAFETY: the caller's promise.
        unsafe { S::larger(self.floor, S::add(S::mul(y, self.scale), self.shift)) }
    }
}
