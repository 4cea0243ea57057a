//! Copies of one sample's image: with some channels only, with whole vectors of channels, or as rows of
//! patches.

use super::Isa;
use super::plan::Plan;
use super::simd::{Job, Simd, fetch};

/// Which way pixels are copied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the image to the compact copy.
    In,
    /// From the compact copy to the image; channels that are left out become zero.
    Out,
}

/// Copies pixels between an image and a copy that holds some channels only, without gaps between them.
pub(super) struct Stage<'a> {
    pub way: Way,
    /// `[pixels][channels]`
    pub image: *mut f32,
    pub channels: usize,
    pub pixels: usize,
    /// The channels of the copy, as bits; all if there are none.
    pub bits: Option<&'a [u64]>,
    /// `[pixels][width]`, and one vector of room behind it. Values of a pixel past its channels are zero or
    /// another pixel's.
    pub copy: *mut f32,
    pub width: usize,
}

impl Job for Stage<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let zero = [0.0f32; 16];
        let end = self.pixels * self.channels;
        for pixel in 0..self.pixels {
            // SAFETY: image and copy hold this pixel. A vector may reach into the next pixel, which comes after
            // it, but not past the last one: that goes through a buffer. The copy has room for a vector behind
            // its end.
            unsafe {
                let image = self.image.add(pixel * self.channels);
                let mut copy = self.copy.add(pixel * self.width);
                for first in (0..self.channels).step_by(S::LANES) {
                    let count = S::LANES.min(self.channels - first);
                    let all = u32::MAX >> (32 - count);
                    let mask = self.bits.map_or(all, |bits| (bits[first / 64] >> (first % 64)) as u32 & all);
                    let mut edge = zero;
                    let image = image.add(first);
                    let whole = pixel * self.channels + first + S::LANES <= end;
                    match self.way {
                        Way::In if whole => S::compress(image, mask, copy),
                        Way::In => {
                            edge.as_mut_ptr().copy_from_nonoverlapping(image, count);
                            let mut packed = zero;
                            S::compress(edge.as_ptr(), mask, packed.as_mut_ptr());
                            S::store(copy, S::load(packed.as_ptr()));
                        }
                        Way::Out if whole => S::expand(copy, mask, image),
                        Way::Out => {
                            S::expand(copy, mask, edge.as_mut_ptr());
                            image.copy_from_nonoverlapping(edge.as_ptr(), count);
                        }
                    }
                    copy = copy.add(mask.count_ones() as usize);
                }
            }
        }
    }
}

/// One side of a sum of rows.
#[derive(Clone, Copy, Debug)]
pub struct Addend<'a> {
    /// `[pixels][width]`
    pub values: &'a [f32],
    /// Channels of a pixel.
    pub width: usize,
    /// The channels of the sum that it has, as bits; all of them if there are none.
    pub places: Option<&'a [u64]>,
}

/// The sums of two images' pixels, channel by channel, not below `floor` (NaN stays NaN), and their totals over the
/// pixels. Where an addend lacks a channel it counts as 0.
///
/// # Panics
///
/// If the sizes do not fit or the processor lacks `isa`.
pub fn sum(isa: Isa, addends: [Addend; 2], floor: f32, out: &mut [f32], total: &mut [f32]) {
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
    assert!(isa.is_available(), "this processor has no {isa:?}");
    // SAFETY: the processor has the instructions, and the sizes fit.
    unsafe {
        addends.iter().for_each(|addend| fetch(addend.values.as_ptr(), addend.values.len()));
        isa.run(Sum { addends, floor, out, total });
    }
}

struct Sum<'a> {
    addends: [Addend<'a>; 2],
    floor: f32,
    out: &'a mut [f32],
    total: &'a mut [f32],
}

impl Job for Sum<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Sum { addends, floor, out, total } = self;
        let channels = total.len();
        for first in (0..channels).step_by(S::LANES) {
            let count = S::LANES.min(channels - first);
            let sides = addends.map(|addend| addend.vector(first, count));
            // SAFETY: each addend holds every pixel, a value for every bit; each row of `out` is written to its end and
            // no further.
            unsafe {
                let (mut sums, bound) = (S::splat(0.0), S::splat(floor));
                for (pixel, row) in out.chunks_exact_mut(channels).enumerate() {
                    let [a, b] = sides.map(|(from, width, bits)| S::expanded(from.add(pixel * width), bits));
                    let sum = S::larger(bound, S::add(a, b));
                    sums = S::add(sums, sum);
                    let to = row.as_mut_ptr().add(first);
                    if count == S::LANES { S::store(to, sum) } else { S::store_part(to, sum, count) }
                }
                S::store_part(total.as_mut_ptr().add(first), sums, count);
            }
        }
    }
}

impl Addend<'_> {
    /// Of `count` channels of the sum from `first` on: where the first pixel has its values, the distance to the next
    /// pixel, and the channels that it has, as bits.
    fn vector(&self, first: usize, count: usize) -> (*const f32, usize, u32) {
        let all = u32::MAX >> (32 - count);
        let Some(places) = self.places else { return (self.values[first..].as_ptr(), self.width, all) };
        let (word, bit) = (first / 64, first % 64);
        let before: u32 = places[..word].iter().map(|word| word.count_ones()).sum();
        let before = before + (places[word] & ((1 << bit) - 1)).count_ones();
        (self.values[before as usize..].as_ptr(), self.width, (places[word] >> bit) as u32 & all)
    }
}

/// Sets the channels of an image's pixels to zero that are not among some.
pub(super) struct Keep<'a> {
    /// `[pixels][channels]`
    pub image: *mut f32,
    pub channels: usize,
    pub pixels: usize,
    pub bits: &'a [u64],
}

impl Job for Keep<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for first in (0..self.channels).step_by(S::LANES) {
            let count = S::LANES.min(self.channels - first);
            let bits = (self.bits[first / 64] >> (first % 64)) as u32;
            if bits.trailing_ones() as usize >= count {
                continue;
            }
            let factors: [f32; 16] = std::array::from_fn(|lane| (bits >> lane & 1) as f32);
            for pixel in 0..self.pixels {
                // SAFETY: the pixel has `count` channels from `first`.
                unsafe {
                    let image = self.image.add(pixel * self.channels + first);
                    for (lane, factor) in factors.iter().enumerate().take(count) {
                        if *factor == 0.0 {
                            *image.add(lane) = 0.0;
                        }
                    }
                }
            }
        }
    }
}

/// Rows of patches: for every output pixel of some rows, the input pixels that its kernel covers.
pub(super) struct Patches<'a> {
    pub plan: &'a Plan,
    /// `[height][width][pixel]`, of which `channels` are used.
    pub image: *mut f32,
    pub pixel: usize,
    pub channels: usize,
    /// Output rows.
    pub rows: (usize, usize),
    /// The first output pixel's patch, `[taps][channels]`; patches are `row` values apart.
    pub patches: *mut f32,
    pub row: usize,
}

impl Patches<'_> {
    /// Where the pixel under a tap of an output's kernel begins, if it is inside the image.
    #[inline(always)]
    fn pixel_at(&self, [out_y, out_x]: [usize; 2], [tap_y, tap_x]: &[usize; 2]) -> Option<usize> {
        let s = &self.plan.shape;
        let y = (out_y * s.stride + tap_y).wrapping_sub(s.padding);
        let x = (out_x * s.stride + tap_x).wrapping_sub(s.padding);
        (y < s.height && x < s.width).then(|| (y * s.width + x) * self.pixel)
    }

    /// Copies the image's pixels to the patches; zeros outside.
    ///
    /// # Safety
    ///
    /// The pointers hold what their fields say.
    pub(super) unsafe fn gather(self) {
        let s = &self.plan.shape;
        // Taps of a row follow each other in the patch and, inside the image, there too.
        let columns = self.plan.taps.iter().filter(|tap| tap[0] == self.plan.taps[0][0]).count();
        let run = columns * self.channels;
        // A short run is copied four values at a time, which reads and writes up to three values past its end: they
        // must lie in the image, and in the same row of the patches, where the next run overwrites them.
        let copied = run.next_multiple_of(4);
        let image_len = s.height * s.width * self.pixel;
        let mut patch = self.patches;
        for out_y in self.rows.0..self.rows.1 {
            for out_x in 0..self.plan.grid[1] {
                for (index, taps) in self.plan.taps.chunks_exact(columns).enumerate() {
                    let x = (out_x * s.stride + taps[0][1]).wrapping_sub(s.padding);
                    let inside = x < s.width && x + columns <= s.width && self.pixel == self.channels;
                    let short = run < 32 && index * run + copied <= self.row;
                    // SAFETY: `patches` has a row of `row` values for every output pixel, and a row has room for all
                    // runs. Inside the image the taps' pixels follow each other without gaps, so `run` values can be
                    // read at the first; `copied` only where the image does not end before, and written only where
                    // the row does not.
                    unsafe {
                        let to = patch.add(index * run);
                        match self.pixel_at([out_y, out_x], &taps[0]) {
                            Some(at) if inside && short && at + copied <= image_len => {
                                let from = self.image.add(at).cast::<[f32; 4]>();
                                let to = to.cast::<[f32; 4]>();
                                for i in 0..copied / 4 {
                                    to.add(i).write_unaligned(from.add(i).read_unaligned());
                                }
                            }
                            Some(at) if inside => to.copy_from_nonoverlapping(self.image.add(at), run),
                            _ => self.gather_taps([out_y, out_x], taps, to),
                        }
                    }
                }
                // SAFETY: a row for every output pixel; behind the last one begins nothing, but it ends in the buffer.
                patch = unsafe { patch.add(self.row) };
            }
        }
    }

    /// Copies the pixels under some taps one by one.
    unsafe fn gather_taps(&self, output: [usize; 2], taps: &[[usize; 2]], to: *mut f32) {
        for (index, tap) in taps.iter().enumerate() {
            // SAFETY: the caller's promise; a pixel inside holds `channels` values.
            unsafe {
                let to = to.add(index * self.channels);
                match self.pixel_at(output, tap) {
                    Some(at) => to.copy_from_nonoverlapping(self.image.add(at), self.channels),
                    None => to.write_bytes(0, self.channels),
                }
            }
        }
    }
}

impl Job for Patches<'_> {
    /// Adds the patches to the image's pixels, in whole vectors: `pixel` is a multiple of `LANES`, and values
    /// past `channels` are arbitrary.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut patch = self.patches;
        for out_y in self.rows.0..self.rows.1 {
            for out_x in 0..self.plan.grid[1] {
                for (index, tap) in self.plan.taps.iter().enumerate() {
                    let Some(at) = self.pixel_at([out_y, out_x], tap) else { continue };
                    for c in (0..self.channels).step_by(S::LANES) {
                        // SAFETY: the pixel is inside; a vector more than `channels` follows in both.
                        unsafe {
                            let (to, from) = (self.image.add(at + c), patch.add(index * self.channels + c));
                            S::store(to, S::add(S::load(to), S::load(from)));
                        }
                    }
                }
                // SAFETY: a row for every output pixel.
                patch = unsafe { patch.add(self.row) };
            }
        }
    }
}
