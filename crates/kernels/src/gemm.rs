//! Products of matrices, one block of registers at a time.
//!
//! `B` comes in blocks of as many columns as some vectors hold, each block `[depth][columns]`; the last may have room
//! for more columns than there are.
//! `A` and the results have rows at any distance. A list, if there is one, names the row of B's block that
//! belongs to each column of A: channels that are zero in a group of samples are left out of both.

use super::finish::RawEpilogue;
use super::simd::{Job, Simd};

/// Which values of a row of A belong to which rows of a block of B.
#[derive(Clone, Copy)]
pub(super) enum Terms {
    /// They follow each other in both.
    All,
    /// They belong to these rows of B.
    Listed(*const u32),
    /// They lie in runs of `run` values that begin `pitch` values apart: a row of A is a window of an image.
    Windows { run: usize, pitch: usize },
}

/// `out[row][..] = sum over k of a[row][k] * b[k][..]` for one block of columns, with k as the terms say.
pub(super) struct Rows {
    /// `[rows][k]`, rows `lda` apart.
    pub a: *const f32,
    pub lda: usize,
    pub rows: usize,
    /// `vectors` vectors of a block, rows `ldb` apart.
    pub b: *const f32,
    pub ldb: usize,
    pub vectors: usize,
    pub k: usize,
    pub terms: Terms,
    /// `[rows][columns]`, rows `ldo` apart.
    pub out: *mut f32,
    pub ldo: usize,
    /// Columns of the block that are written: all of them, or fewer at the end of a row.
    pub columns: usize,
    /// What the sums become first, where they are outputs of a convolution.
    pub finish: Option<RawEpilogue>,
}

/// `out[list[k]][..] (+)= sum over rows of a[row][k] * b[row][..]` for one block of columns.
pub(super) struct Outer {
    /// `[rows][k]`, rows `lda` apart.
    pub a: *const f32,
    pub lda: usize,
    pub rows: usize,
    /// `[rows][block]`, rows `ldb` apart.
    pub b: *const f32,
    pub ldb: usize,
    pub vectors: usize,
    pub k: usize,
    /// `k` rows of out, or null for the first `k`.
    pub list: *const u32,
    /// `[depth][block]`, rows `ldo` apart.
    pub out: *mut f32,
    pub ldo: usize,
    /// Whether to add to what `out` holds.
    pub accumulate: bool,
}

/// `out[row][j] = sum over n of a[row][n] * b[list[j]][n]`, b in blocks of columns n.
pub(super) struct Dots {
    /// `[rows][columns]`, rows `lda` apart.
    pub a: *const f32,
    pub lda: usize,
    pub rows: usize,
    /// `[blocks][depth][block]`.
    pub b: *const f32,
    pub depth: usize,
    pub block: usize,
    /// A multiple of `LANES`.
    pub columns: usize,
    /// `k` rows of each block.
    pub list: *const u32,
    pub k: usize,
    /// `[rows][k]`, rows `ldo` apart. Four values are written at once: there is room for `k` rounded up to 4 before the
    /// next row begins.
    pub out: *mut f32,
    pub ldo: usize,
}

/// `to[n][k] = from[n / block][list[k]][n % block]`: some columns of the transposed matrix.
pub(super) struct Transposed {
    /// `[blocks][depth][block]`, block a multiple of `LANES`, of at most four vectors.
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

/// `to[k][..] = from[n / block][list[k]][n % block]` for some columns n: a block of those that matter.
pub(super) struct Picked<'a> {
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

/// How many of the `rest` rows to take at once, at most R: as even as possible at the end, so that no row is
/// left over alone.
#[inline(always)]
fn portion(rest: usize, most: usize) -> usize {
    if rest <= most {
        rest
    } else if rest < 2 * most {
        rest.div_ceil(2)
    } else {
        most
    }
}

/// Calls a function with the number of rows and of vectors as constants.
macro_rules! with_sizes {
    ($vectors:expr, $registers:expr, $rest:expr, $call:ident) => {
        match ($vectors, $registers) {
            (4, _) => match portion($rest, 6) {
                1 => $call!(1, 4),
                2 => $call!(2, 4),
                3 => $call!(3, 4),
                4 => $call!(4, 4),
                5 => $call!(5, 4),
                _ => $call!(6, 4),
            },
            (3, 32) => match portion($rest, 8) {
                8.. => $call!(8, 3),
                6.. => $call!(6, 3),
                4.. => $call!(4, 3),
                2.. => $call!(2, 3),
                _ => $call!(1, 3),
            },
            (2, 32) => match portion($rest, 12) {
                12.. => $call!(12, 2),
                8.. => $call!(8, 2),
                4.. => $call!(4, 2),
                2.. => $call!(2, 2),
                _ => $call!(1, 2),
            },
            (2, _) => match portion($rest, 6) {
                6.. => $call!(6, 2),
                4.. => $call!(4, 2),
                3 => $call!(3, 2),
                2 => $call!(2, 2),
                _ => $call!(1, 2),
            },
            (_, 8) => match portion($rest, 4) {
                4.. => $call!(4, 1),
                2.. => $call!(2, 1),
                _ => $call!(1, 1),
            },
            _ => match portion($rest, 12) {
                12.. => $call!(12, 1),
                8.. => $call!(8, 1),
                4.. => $call!(4, 1),
                2.. => $call!(2, 1),
                _ => $call!(1, 1),
            },
        }
    };
}

/// Vectors that follow each other.
#[inline(always)]
unsafe fn load<S: Simd, const C: usize>(from: *const f32) -> [S::V; C] {
    // SAFETY: the caller's promise: `from` holds C vectors.
    unsafe {
        let mut vectors = [S::splat(0.0); C];
        for (c, vector) in vectors.iter_mut().enumerate() {
            *vector = S::load(from.add(c * S::LANES));
        }
        vectors
    }
}

impl Job for Rows {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut row = 0;
        while row < self.rows {
            macro_rules! tile {
                ($r:literal, $c:literal) => {{
                    // SAFETY: rows `row..row + R` exist; the rest is the caller's promise.
                    unsafe {
                        match self.terms {
                            Terms::All => self.tile::<S, $r, $c, ALL>(row),
                            Terms::Listed(_) => self.tile::<S, $r, $c, LISTED>(row),
                            Terms::Windows { .. } => self.tile::<S, $r, $c, WINDOWS>(row),
                        }
                    }
                    row += $r;
                }};
            }
            with_sizes!(self.vectors, S::REGISTERS, self.rows - row, tile)
        }
    }
}

/// The kinds of [`Terms`], as numbers for which a tile is compiled.
const ALL: u8 = 0;
const LISTED: u8 = 1;
const WINDOWS: u8 = 2;

impl Rows {
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const C: usize, const TERMS: u8>(&self, row: usize) {
        let list = if let Terms::Listed(list) = self.terms { list } else { std::ptr::null() };
        let (run, pitch) = if let Terms::Windows { run, pitch } = self.terms { (run, pitch) } else { (0, 0) };
        // SAFETY: `a` and `out` have rows `row..row + R`, and `b` (or `list`) `k` rows.
        unsafe {
            let a = self.a.add(row * self.lda);
            let mut sums = [[S::splat(0.0); C]; R];
            macro_rules! add {
                ($a:expr, $row:expr) => {
                    let b = load::<S, C>(self.b.add($row * self.ldb));
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let value = S::splat(*$a.add(r * self.lda));
                        for (sum, b) in sums.iter_mut().zip(b) {
                            *sum = S::fma(value, b, *sum);
                        }
                    }
                };
            }
            if TERMS == WINDOWS {
                for (first, row) in (0..self.k).step_by(run).zip(0..) {
                    let a = a.add(row * pitch);
                    for k in 0..run {
                        add!(a.add(k), first + k);
                    }
                }
            } else {
                for k in 0..self.k {
                    add!(a.add(k), if TERMS == LISTED { *list.add(k) as usize } else { k });
                }
            }
            if let Some(finish) = &self.finish {
                for c in 0..C {
                    let first = (c * S::LANES).min(self.columns);
                    let factors = finish.factors::<S>(first, S::LANES.min(self.columns - first));
                    for sums in &mut sums {
                        sums[c] = factors.of(sums[c]);
                    }
                }
            }
            let whole = self.columns >= C * S::LANES;
            for (r, sums) in sums.into_iter().enumerate() {
                for (c, sum) in sums.into_iter().enumerate() {
                    let first = c * S::LANES;
                    let out = self.out.add((row + r) * self.ldo + first);
                    if whole {
                        S::store(out, sum);
                    } else if first < self.columns {
                        S::store_part(out, sum, S::LANES.min(self.columns - first));
                    }
                }
            }
        }
    }
}

impl Job for Outer {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut k = 0;
        while k < self.k {
            macro_rules! tile {
                ($r:literal, $c:literal) => {{
                    // SAFETY: columns `k..k + R` exist; the rest is the caller's promise.
                    unsafe { self.tile::<S, $r, $c>(k) }
                    k += $r;
                }};
            }
            with_sizes!(self.vectors, S::REGISTERS, self.k - k, tile)
        }
    }
}

impl Outer {
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const C: usize>(&self, k: usize) {
        // SAFETY: `a` has columns `k..k + R`, `list` as many values, and `out` the rows it names.
        unsafe {
            let out: [*mut f32; R] = std::array::from_fn(|r| {
                let at = if self.list.is_null() { k + r } else { *self.list.add(k + r) as usize };
                self.out.add(at * self.ldo)
            });
            let mut sums = [[S::splat(0.0); C]; R];
            if self.accumulate {
                for (sums, out) in sums.iter_mut().zip(out) {
                    *sums = load::<S, C>(out);
                }
            }
            for row in 0..self.rows {
                let (a, b) = (self.a.add(row * self.lda + k), self.b.add(row * self.ldb));
                let b = load::<S, C>(b);
                for (r, sums) in sums.iter_mut().enumerate() {
                    let value = S::splat(*a.add(r));
                    for (sum, b) in sums.iter_mut().zip(b) {
                        *sum = S::fma(value, b, *sum);
                    }
                }
            }
            for (sums, out) in sums.into_iter().zip(out) {
                for (c, sum) in sums.into_iter().enumerate() {
                    S::store(out.add(c * S::LANES), sum);
                }
            }
        }
    }
}

impl Job for Dots {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut row = 0;
        while row < self.rows {
            // SAFETY: rows `row..row + R` exist; the rest is the caller's promise.
            unsafe {
                match (self.rows - row, S::REGISTERS) {
                    (4.., 32) => {
                        self.tiles::<S, 4>(row);
                        row += 4;
                    }
                    (2.., _) => {
                        self.tiles::<S, 2>(row);
                        row += 2;
                    }
                    _ => {
                        self.tiles::<S, 1>(row);
                        row += 1;
                    }
                }
            }
        }
    }
}

impl Dots {
    #[inline(always)]
    unsafe fn tiles<S: Simd, const R: usize>(&self, row: usize) {
        for first in (0..self.k).step_by(4) {
            // SAFETY: `a` and `out` have rows `row..row + R`, and `out` room for four columns from `first`,
            // which is below `k`; past the list's end its last row stands in.
            unsafe {
                let at: [usize; 4] = std::array::from_fn(|j| {
                    *self.list.add((first + j).min(self.k - 1)) as usize * self.block
                });
                let mut sums = [[S::splat(0.0); 4]; R];
                // One loop over all blocks: two, one in the other, keep sums in memory.
                let (mut b, mut left) = (self.b, self.block);
                for column in (0..self.columns).step_by(S::LANES) {
                    let mut values = [S::splat(0.0); 4];
                    for (value, at) in values.iter_mut().zip(at) {
                        *value = S::load(b.add(at));
                    }
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let a = S::load(self.a.add((row + r) * self.lda + column));
                        for (sum, b) in sums.iter_mut().zip(values) {
                            *sum = S::fma(a, b, *sum);
                        }
                    }
                    left -= S::LANES;
                    let skipped = if left == 0 { (self.depth - 1) * self.block } else { 0 };
                    left = if left == 0 { self.block } else { left };
                    b = b.wrapping_add(S::LANES + skipped);
                }
                for (r, sums) in sums.into_iter().enumerate() {
                    let out = self.out.add((row + r) * self.ldo + first);
                    out.cast::<[f32; 4]>().write_unaligned(S::sums(sums));
                }
            }
        }
    }
}

impl Job for Picked<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (mut skip, mut taken) = (self.skip, 0);
        for first in (0..self.bits.len() * 64).step_by(S::LANES) {
            let mut mask = (self.bits[first / 64] >> (first % 64)) as u32 & (u32::MAX >> (32 - S::LANES));
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
                // SAFETY: the rows exist in every block, and no more than `count` columns are taken.
                unsafe {
                    let at = if self.list.is_null() { k } else { *self.list.add(k) as usize };
                    S::pick(
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

impl Job for Transposed {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut rows = [0.0f32; 16 * 64];
        for block in 0..self.blocks {
            for k in (0..self.count).step_by(S::LANES) {
                // SAFETY: the rows exist; a part of a tile, and rows from a list, go through `rows`, which
                // holds `LANES` rows of a block. Whole tiles lie inside both matrices.
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
                                S::store(to, S::load(from.add(at * self.block + n)));
                            }
                        }
                        rows.as_ptr()
                    };
                    for n in (0..self.block).step_by(S::LANES) {
                        let to = self.to.add((block * self.block + n) * self.to_block + k);
                        S::transpose(from.add(n), self.block, to, self.to_block);
                    }
                }
            }
        }
    }
}
