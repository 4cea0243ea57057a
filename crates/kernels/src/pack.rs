//! Copies of packed weights: of some columns only, and transposed.

use crate::simd::{Job, MAX_LANES, Simd, low_bits};

/// Values of the widest block: four vectors of the widest set.
const MAX_BLOCK: usize = 4 * MAX_LANES;

/// `to[k][..] = from[n / block][list[k]][n % block]` for some columns n: a block of those that matter.
pub(crate) struct PackColumns<'a> {
    /// `[blocks][depth][block]`, block a multiple of `LANES`.
    pub from: *const f32,
    pub depth: usize,
    pub block: usize,
    /// `k` rows of each block, or null for the first `k`.
    pub list: *const u32,
    pub k: usize,
    /// The columns that matter, as bits; the first `skip` of them are left out, and `count` taken, at most 64.
    pub bits: &'a [u64],
    pub skip: usize,
    pub count: usize,
    /// `[k][to_row]`. Values of a row past `count` stay as they are.
    pub to: *mut f32,
    pub to_row: usize,
}

/// `to[n][k] = from[n / block][list[k]][n % block]`: some columns of the transposed matrix.
pub(crate) struct PackTransposed {
    /// `[blocks][depth][block]`, block a multiple of `LANES`, at most [`MAX_BLOCK`].
    pub from: *const f32,
    pub depth: usize,
    pub blocks: usize,
    pub block: usize,
    /// `count` rows of each block, or null for those from `first`.
    pub list: *const u32,
    pub first: usize,
    /// At most `to_block`.
    pub count: usize,
    /// `[blocks * block][to_block]`, a multiple of `LANES` wide.
    pub to: *mut f32,
    pub to_block: usize,
}

impl Job for PackColumns<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self, s: S) {
        let (mut skip, mut taken) = (self.skip, 0);
        for first in (0..self.bits.len() * 64).step_by(S::LANES) {
            let mut mask = (self.bits[first / 64] >> (first % 64)) as u32 & low_bits(S::LANES);
            while mask != 0 && skip > 0 {
                mask &= mask - 1;
                skip -= 1;
            }
            while mask.count_ones() as usize > self.count - taken {
                mask &= !(1 << mask.ilog2());
            }
            if mask == 0 {
                continue;
            }
            let vector = first / self.block * self.depth * self.block + first % self.block;
            for k in 0..self.k {
                // SAFETY: the row exists in every block, and has the `LANES` columns from this vector on; the mask was cut
                // so that no more than `count` columns are taken in all, for which `to` has room.
                unsafe {
                    let at = if self.list.is_null() { k } else { *self.list.add(k) as usize };
                    s.compress_exact(
                        self.from.add(vector + at * self.block),
                        mask,
                        self.to.add(k * self.to_row + taken),
                    );
                }
            }
            taken += mask.count_ones() as usize;
        }
    }
}

impl Job for PackTransposed {
    #[inline(always)]
    unsafe fn run<S: Simd>(self, s: S) {
        let mut rows = [0.0f32; MAX_LANES * MAX_BLOCK];
        for block in 0..self.blocks {
            for k in (0..self.count).step_by(S::LANES) {
                // SAFETY: rows `first + k` on, or those of the list, exist in every block. What is no whole square of
                // `LANES` rows that follow each other goes through `rows`, which holds `LANES` rows of a block; there is
                // room for whole squares in `to`, whose rows are a multiple of `LANES` wide.
                unsafe {
                    let from = self.from.add(block * self.depth * self.block);
                    let whole = k + S::LANES <= self.count;
                    let from = if whole && self.list.is_null() {
                        from.add((self.first + k) * self.block)
                    } else {
                        for row in 0..S::LANES.min(self.count - k) {
                            let at = match self.list.is_null() {
                                true => self.first + k + row,
                                false => *self.list.add(k + row) as usize,
                            };
                            for n in (0..self.block).step_by(S::LANES) {
                                let to = rows.as_mut_ptr().add(row * self.block + n);
                                s.store(to, s.load(from.add(at * self.block + n)));
                            }
                        }
                        rows.as_ptr()
                    };
                    for n in (0..self.block).step_by(S::LANES) {
                        let to = self.to.add((block * self.block + n) * self.to_block + k);
                        s.transpose(from.add(n), self.block, to, self.to_block);
                    }
                }
            }
        }
    }
}
