//! im2col: an image as a matrix with a row for every output pixel, and its adjoint.
//!
//! ```text
//!   image [height][width][channels]        patches, one row an output pixel
//!                                          +---------------------------------+-------+
//!      . a b .   3x3 window of an output   | tap 0,0 | tap 0,1 | ... | tap 2,2| spare |
//!      . c d .   pixel                     +---------------------------------+-------+
//!      . . . .                               each tap: `channels` values; zeros outside the image
//! ```
//!
//! Taps that lie outside the image for every output pixel have no place in the rows.

use std::ops::Range;

use crate::plan::Plan;
use crate::simd::{Job, Simd};

/// Some rows of output pixels of one sample: its image, and their patches.
#[derive(Clone, Copy)]
pub(crate) struct Patches<'a> {
    pub plan: &'a Plan,
    /// `[height][width][pixel]`, of which `channels` are used. Only the pixels under the output rows' taps need exist.
    pub image: *mut f32,
    pub pixel: usize,
    pub channels: usize,
    /// Output rows.
    pub rows: &'a Range<usize>,
    /// The first output pixel's patch, `[taps][channels]`; patches are `row` values apart.
    pub patches: *mut f32,
    pub row: usize,
}

/// Adds patches to the pixels that they were taken from: the adjoint of im2col. Pixels and patches are added in whole
/// vectors: `pixel` is a multiple of `LANES`, there are `LANES` values behind the last patch's end, and values of a
/// pixel past `channels` become arbitrary.
pub(crate) struct Col2im<'a>(pub Patches<'a>);

/// Runs shorter than this are copied by vectors of four in place of a call of `memcpy`.
const SHORT_RUN: usize = 32;

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
    pub(crate) unsafe fn im2col(self) {
        let s = &self.plan.shape;
        // Taps of a row follow each other in the patch and, inside the image, there too.
        let columns = self.plan.taps.iter().filter(|tap| tap[0] == self.plan.taps[0][0]).count();
        let run = columns * self.channels;
        // A short run is copied four values at a time, which reads and writes up to three values past its end: they
        // must lie in the image, and in the same row of the patches, where the next run overwrites them.
        let copied = run.next_multiple_of(4);
        let image_len = s.height * s.width * self.pixel;
        let mut patch = self.patches;
        for out_y in self.rows.clone() {
            for out_x in 0..self.plan.grid[1] {
                for (index, taps) in self.plan.taps.chunks_exact(columns).enumerate() {
                    let x = (out_x * s.stride + taps[0][1]).wrapping_sub(s.padding);
                    let inside = x < s.width && x + columns <= s.width && self.pixel == self.channels;
                    let short = run < SHORT_RUN && index * run + copied <= self.row;
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
                            _ => self.copy_taps([out_y, out_x], taps, to),
                        }
                    }
                }
                // SAFETY: there is a row for every output pixel, so this is at most the end of the last.
                patch = unsafe { patch.add(self.row) };
            }
        }
    }

    /// Copies the pixels under some taps one by one.
    ///
    /// # Safety
    ///
    /// `to` has room for the taps' channels.
    unsafe fn copy_taps(&self, output: [usize; 2], taps: &[[usize; 2]], to: *mut f32) {
        for (index, tap) in taps.iter().enumerate() {
            // SAFETY: a pixel inside the image holds `channels` values, and `to` has room for as many a tap.
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

impl Job for Col2im<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self, s: S) {
        let patches = self.0;
        let mut patch = patches.patches;
        for out_y in patches.rows.clone() {
            for out_x in 0..patches.plan.grid[1] {
                for (index, tap) in patches.plan.taps.iter().enumerate() {
                    let Some(at) = patches.pixel_at([out_y, out_x], tap) else { continue };
                    for c in (0..patches.channels).step_by(S::LANES) {
                        // SAFETY: the pixel is inside the image and has whole vectors; a vector that goes past a patch's
                        // last channel reads the next tap's, the next patch's, or what lies behind the last.
                        unsafe {
                            let to = patches.image.add(at + c);
                            let from = patch.add(index * patches.channels + c);
                            s.store(to, s.add(s.load(to), s.load(from)));
                        }
                    }
                }
                // SAFETY: there is a row for every output pixel, so this is at most the end of the last.
                patch = unsafe { patch.add(patches.row) };
            }
        }
    }
}
