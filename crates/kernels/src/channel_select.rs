//! Copies of one sample's image with some of its channels, and images without some.

use crate::simd::{Job, MAX_LANES, Simd, low_bits};

/// Which way pixels are copied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the image to the compact copy.
    Compact,
    /// From the compact copy to the image; channels that are left out become zero.
    Expand,
}

/// Copies pixels between an image and a compact copy, which holds some channels only.
///
/// ```text
///   image, channels 0..6, bits 101100:   a0 -- a2 a3 -- --   b0 -- b2 b3 -- --
///   copy, width 4:                       a0 a2 a3 ..   b0 b2 b3 ..
/// ```
pub(crate) struct SelectChannels<'a> {
    pub direction: Direction,
    /// `[pixels][channels]`
    pub image: *mut f32,
    pub channels: usize,
    pub pixels: usize,
    /// The channels of the copy, as bits; all if there are none.
    pub bits: Option<&'a [u64]>,
    /// `[pixels][width]`, and room for one vector behind it. Values of a pixel past its channels are arbitrary.
    pub copy: *mut f32,
    pub width: usize,
}

impl Job for SelectChannels<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self, s: S) {
        let end = self.pixels * self.channels;
        for pixel in 0..self.pixels {
            // SAFETY: image and copy hold this pixel. A whole vector of the image may reach into the next pixel, whose
            // values then follow, but not past the last one: that goes through `edge`. Pixels are done in order, so
            // what a vector writes into the next pixel is overwritten. The copy has room for a vector behind its end.
            unsafe {
                let image = self.image.add(pixel * self.channels);
                let mut copy = self.copy.add(pixel * self.width);
                for first in (0..self.channels).step_by(S::LANES) {
                    let count = S::LANES.min(self.channels - first);
                    let all = low_bits(count);
                    let mask = self.bits.map_or(all, |bits| (bits[first / 64] >> (first % 64)) as u32 & all);
                    let image = image.add(first);
                    let whole = pixel * self.channels + first + S::LANES <= end;
                    match self.direction {
                        Direction::Compact if whole => s.compress(image, mask, copy),
                        Direction::Compact => {
                            let mut edge = [0.0f32; MAX_LANES];
                            edge.as_mut_ptr().copy_from_nonoverlapping(image, count);
                            s.compress(edge.as_ptr(), mask, copy);
                        }
                        Direction::Expand if whole => s.store(image, s.expand(copy, mask)),
                        Direction::Expand => s.store_part(image, s.expand(copy, mask), count),
                    }
                    copy = copy.add(mask.count_ones() as usize);
                }
            }
        }
    }
}

/// Sets the channels of an image's pixels to zero that are not in a set.
pub(crate) struct ClearOthers<'a> {
    /// `[pixels][channels]`
    pub image: *mut f32,
    pub channels: usize,
    pub pixels: usize,
    /// The set, as bits.
    pub bits: &'a [u64],
}

impl Job for ClearOthers<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self, _: S) {
        for first in (0..self.channels).step_by(S::LANES) {
            let count = S::LANES.min(self.channels - first);
            let bits = (self.bits[first / 64] >> (first % 64)) as u32;
            if bits.trailing_ones() as usize >= count {
                continue;
            }
            for pixel in 0..self.pixels {
                // SAFETY: the pixel has `count` channels from `first` on.
                unsafe {
                    let image = self.image.add(pixel * self.channels + first);
                    for lane in (0..count).filter(|lane| bits >> lane & 1 == 0) {
                        *image.add(lane) = 0.0;
                    }
                }
            }
        }
    }
}
