//! The sum of two images that have different channels.

use crate::Isa;
use crate::simd::{Job, Simd, low_bits, warm_cache};

/// One side of a sum of images.
#[derive(Clone, Copy, Debug)]
pub struct Addend<'a> {
    /// `[pixels][width]`
    pub values: &'a [f32],
    /// Channels of a pixel.
    pub width: usize,
    /// The channels of the sum that it has, as bits; all of them if there are none.
    pub places: Option<&'a [u64]>,
}

/// The sums of two images' pixels, channel by channel, not below `floor` (NaN stays NaN), `[pixels][channels]`, and their
/// totals over the pixels, `[channels]`. Where an addend lacks a channel it counts as 0.
///
/// # Panics
///
/// If the sizes do not fit.
pub fn residual_sum(isa: Isa, addends: [Addend; 2], floor: f32, out: &mut [f32], total: &mut [f32]) {
    let (channels, pixels) = (total.len(), out.len() / total.len());
    assert_eq!(out.len(), pixels * channels, "the sums are no whole number of pixels");
    for Addend { values, width, places } in addends {
        let set = |places: &[u64]| places.iter().map(|word| word.count_ones() as usize).sum();
        assert!(places.is_none_or(|places| places.len() == channels.div_ceil(64)), "the places of an addend");
        assert_eq!(
            (width, values.len()),
            (places.map_or(channels, set), pixels * width),
            "an addend's values"
        );
    }
    addends.iter().for_each(|addend| warm_cache(addend.values));
    // SAFETY: the sizes of the slices fit each other, as just asserted.
    unsafe { isa.run(Sum { addends, floor, out, total }) }
}

struct Sum<'a> {
    addends: [Addend<'a>; 2],
    floor: f32,
    out: &'a mut [f32],
    total: &'a mut [f32],
}

impl Job for Sum<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self, s: S) {
        let Sum { addends, floor, out, total } = self;
        let channels = total.len();
        for first in (0..channels).step_by(S::LANES) {
            let count = S::LANES.min(channels - first);
            let sides = addends.map(|addend| addend.vector(first, count));
            // SAFETY: each addend has a value for every bit in every pixel; a row of `out` has `count` channels from
            // `first` on, and so has `total`.
            unsafe {
                let (mut sums, bound) = (s.splat(0.0), s.splat(floor));
                for (pixel, row) in out.chunks_exact_mut(channels).enumerate() {
                    let [a, b] = sides.map(|(from, width, bits)| s.expand(from.add(pixel * width), bits));
                    let sum = s.above(bound, s.add(a, b));
                    sums = s.add(sums, sum);
                    let to = row.as_mut_ptr().add(first);
                    if count == S::LANES { s.store(to, sum) } else { s.store_part(to, sum, count) }
                }
                s.store_part(total.as_mut_ptr().add(first), sums, count);
            }
        }
    }
}

impl Addend<'_> {
    /// For `count` channels of the sum from `first` on: where the first pixel has its values, the distance to the next
    /// pixel, and the channels that it has, as bits.
    fn vector(&self, first: usize, count: usize) -> (*const f32, usize, u32) {
        let all = low_bits(count);
        let Some(places) = self.places else { return (self.values[first..].as_ptr(), self.width, all) };
        let (word, bit) = (first / 64, first % 64);
        let before: u32 = places[..word].iter().map(|word| word.count_ones()).sum();
        let before = before + (places[word] & ((1 << bit) - 1)).count_ones();
        (self.values[before as usize..].as_ptr(), self.width, (places[word] >> bit) as u32 & all)
    }
}
