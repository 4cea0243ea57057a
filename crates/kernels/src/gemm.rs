//! General matrix multiplication, one block of registers at a time.
//!
//! | | | A is | used for |
//! |---|---|---|---|
//! | [`GemmNN`] | `C = A B` | rows of pixels | the output, from packed weights; the input's gradient, from transposed ones |
//! | [`GemmTN`] | `C += At B` | rows of pixels | the gradient of the weights |
//! | [`GemmNT`] | `C = A Bt` | rows of pixels | the input's gradient of few rows, without transposing the weights |
//!
//! B is packed: its columns come in blocks of some vectors, each block `[depth][block]`. The last may have room for more
//! columns than there are. A and C have rows at any distance.
//!
//! ```text
//!   k -->      block 0    block 1
//!   +------+   +-----+   +-----+        one register tile: R rows x C vectors of sums,
//!   |  A   | x k  B  |   k     |        for each k: C loads of B, R values of A broadcast, R * C fused multiply-adds
//!   +------+   +-----+   +-----+
//! ```
//!
//! A list, if there is one, names the row of B's block that belongs to each column of A: channels that are zero in a group
//! of samples are left out of both.

use crate::epilogue::RawEpilogue;
use crate::simd::{Job, Simd};

/// Which values of a row of A are multiplied by which rows of a block of B.
#[derive(Clone, Copy)]
pub(crate) enum Reduction {
    /// They follow each other in both.
    All,
    /// The values of A follow each other and belong to these rows of B.
    Listed(*const u32),
    /// Runs of `run` values that begin `pitch` values apart in A, and all rows of B: a row of A is a window of an image,
    /// read in place (implicit im2col).
    Windows { run: usize, pitch: usize },
}

/// `out[row][..] = sum over k of a[row][k] * b[k][..]` for one block of columns, with k as the reduction says.
pub(crate) struct GemmNN {
    /// `[rows][k]`, rows `lda` apart.
    pub a: *const f32,
    pub lda: usize,
    pub rows: usize,
    /// `vectors` vectors of a block, rows `ldb` apart.
    pub b: *const f32,
    pub ldb: usize,
    pub vectors: usize,
    pub k: usize,
    pub reduction: Reduction,
    /// `[rows][columns]`, rows `ldo` apart.
    pub out: *mut f32,
    pub ldo: usize,
    /// Columns of the block that are written: all of them, or fewer at the end of a row.
    pub columns: usize,
    /// What the sums become before they are stored, where they are outputs of a convolution.
    pub epilogue: Option<RawEpilogue>,
}

/// `out[list[k]][..] (+)= sum over rows of a[row][k] * b[row][..]` for one block of columns.
pub(crate) struct GemmTN {
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
pub(crate) struct GemmNT {
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

/// How many of the `rest` rows to take at once: `most`, and towards the end as evenly as possible, so that no row is
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

/// Calls a function with the number of rows and of vectors as constants. A tile of R rows and C vectors keeps R * C sums,
/// C vectors of B and one broadcast value in registers: most rows that fit 32, 16 or 8 of them.
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
///
/// # Safety
///
/// `from` is valid for reading C vectors.
#[inline(always)]
unsafe fn load<S: Simd, const C: usize>(s: S, from: *const f32) -> [S::V; C] {
    // SAFETY: `from` is valid for C vectors, by this function's contract.
    unsafe {
        let mut vectors = [s.splat(0.0); C];
        for (c, vector) in vectors.iter_mut().enumerate() {
            *vector = s.load(from.add(c * S::LANES));
        }
        vectors
    }
}

impl Job for GemmNN {
    #[inline(always)]
    unsafe fn run<S: Simd>(self, s: S) {
        let mut row = 0;
        while row < self.rows {
            macro_rules! tile {
                ($r:literal, $c:literal) => {{
                    // SAFETY: `with_sizes` gives no more rows than are left; the fields are as they say, by this
                    // function's contract.
                    unsafe {
                        match self.reduction {
                            Reduction::All => self.tile::<S, $r, $c, ALL>(s, row),
                            Reduction::Listed(_) => self.tile::<S, $r, $c, LISTED>(s, row),
                            Reduction::Windows { .. } => self.tile::<S, $r, $c, WINDOWS>(s, row),
                        }
                    }
                    row += $r;
                }};
            }
            with_sizes!(self.vectors, S::REGISTERS, self.rows - row, tile)
        }
    }
}

/// The kinds of [`Reduction`], as numbers for which a tile is compiled.
const ALL: u8 = 0;
const LISTED: u8 = 1;
const WINDOWS: u8 = 2;

impl GemmNN {
    /// # Safety
    ///
    /// There are rows `row..row + R` and C vectors in a block; REDUCTION is the kind of `reduction`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const C: usize, const REDUCTION: u8>(&self, s: S, row: usize) {
        let list = if let Reduction::Listed(list) = self.reduction { list } else { std::ptr::null() };
        let (run, pitch) =
            if let Reduction::Windows { run, pitch } = self.reduction { (run, pitch) } else { (0, 0) };
        // SAFETY: A and the result have rows `row..row + R`. Each value of A and row of B is one that the reduction
        // names. Results are written up to column `columns`, in whole vectors only where those are all in front of it.
        unsafe {
            let a = self.a.add(row * self.lda);
            let mut sums = [[s.splat(0.0); C]; R];
            macro_rules! add {
                ($a:expr, $row:expr) => {
                    let b = load::<S, C>(s, self.b.add($row * self.ldb));
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let value = s.splat(*$a.add(r * self.lda));
                        for (sum, b) in sums.iter_mut().zip(b) {
                            *sum = s.fma(value, b, *sum);
                        }
                    }
                };
            }
            if REDUCTION == WINDOWS {
                for (first, row) in (0..self.k).step_by(run).zip(0..) {
                    let a = a.add(row * pitch);
                    for k in 0..run {
                        add!(a.add(k), first + k);
                    }
                }
            } else {
                for k in 0..self.k {
                    add!(a.add(k), if REDUCTION == LISTED { *list.add(k) as usize } else { k });
                }
            }
            if let Some(epilogue) = &self.epilogue {
                for c in 0..C {
                    let first = (c * S::LANES).min(self.columns);
                    let factors = epilogue.factors(s, first, S::LANES.min(self.columns - first));
                    for sums in &mut sums {
                        sums[c] = factors.apply(s, sums[c]);
                    }
                }
            }
            let whole = self.columns >= C * S::LANES;
            for (r, sums) in sums.into_iter().enumerate() {
                for (c, sum) in sums.into_iter().enumerate() {
                    let first = c * S::LANES;
                    let out = self.out.add((row + r) * self.ldo + first);
                    if whole {
                        s.store(out, sum);
                    } else if first < self.columns {
                        s.store_part(out, sum, S::LANES.min(self.columns - first));
                    }
                }
            }
        }
    }
}

impl Job for GemmTN {
    #[inline(always)]
    unsafe fn run<S: Simd>(self, s: S) {
        let mut k = 0;
        while k < self.k {
            macro_rules! tile {
                ($r:literal, $c:literal) => {{
                    // SAFETY: `with_sizes` gives no more columns than are left; the fields are as they say, by this
                    // function's contract.
                    unsafe { self.tile::<S, $r, $c>(s, k) }
                    k += $r;
                }};
            }
            with_sizes!(self.vectors, S::REGISTERS, self.k - k, tile)
        }
    }
}

impl GemmTN {
    /// # Safety
    ///
    /// There are columns `k..k + R` and C vectors in a block.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const C: usize>(&self, s: S, k: usize) {
        // SAFETY: A has columns `k..k + R`, the list as many values, and the result the rows it names; rows of B and of
        // the result hold C vectors.
        unsafe {
            let out: [*mut f32; R] = std::array::from_fn(|r| {
                let at = if self.list.is_null() { k + r } else { *self.list.add(k + r) as usize };
                self.out.add(at * self.ldo)
            });
            let mut sums = [[s.splat(0.0); C]; R];
            if self.accumulate {
                for (sums, out) in sums.iter_mut().zip(out) {
                    *sums = load::<S, C>(s, out);
                }
            }
            for row in 0..self.rows {
                let (a, b) = (self.a.add(row * self.lda + k), self.b.add(row * self.ldb));
                let b = load::<S, C>(s, b);
                for (r, sums) in sums.iter_mut().enumerate() {
                    let value = s.splat(*a.add(r));
                    for (sum, b) in sums.iter_mut().zip(b) {
                        *sum = s.fma(value, b, *sum);
                    }
                }
            }
            for (sums, out) in sums.into_iter().zip(out) {
                for (c, sum) in sums.into_iter().enumerate() {
                    s.store(out.add(c * S::LANES), sum);
                }
            }
        }
    }
}

impl Job for GemmNT {
    #[inline(always)]
    unsafe fn run<S: Simd>(self, s: S) {
        let mut row = 0;
        while row < self.rows {
            // SAFETY: so many rows are left; the fields are as they say, by this function's contract.
            unsafe {
                match (self.rows - row, S::REGISTERS) {
                    (4.., 32) => {
                        self.tiles::<S, 4>(s, row);
                        row += 4;
                    }
                    (2.., _) => {
                        self.tiles::<S, 2>(s, row);
                        row += 2;
                    }
                    _ => {
                        self.tiles::<S, 1>(s, row);
                        row += 1;
                    }
                }
            }
        }
    }
}

impl GemmNT {
    /// # Safety
    ///
    /// There are rows `row..row + R`.
    #[inline(always)]
    unsafe fn tiles<S: Simd, const R: usize>(&self, s: S, row: usize) {
        for first in (0..self.k).step_by(4) {
            // SAFETY: A and the result have rows `row..row + R`, and the result room for four columns from `first`,
            // which is below `k`; past the list's end its last row stands in. `b` passes through the blocks, at the end
            // of one to the next, and is read in front of `columns` only.
            unsafe {
                let at: [usize; 4] = std::array::from_fn(|j| {
                    *self.list.add((first + j).min(self.k - 1)) as usize * self.block
                });
                let mut sums = [[s.splat(0.0); 4]; R];
                // One loop over all blocks: with two nested loops the compiler keeps the sums in memory.
                let (mut b, mut left) = (self.b, self.block);
                for column in (0..self.columns).step_by(S::LANES) {
                    let mut values = [s.splat(0.0); 4];
                    for (value, at) in values.iter_mut().zip(at) {
                        *value = s.load(b.add(at));
                    }
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let a = s.load(self.a.add((row + r) * self.lda + column));
                        for (sum, b) in sums.iter_mut().zip(values) {
                            *sum = s.fma(a, b, *sum);
                        }
                    }
                    left -= S::LANES;
                    let skipped = if left == 0 { (self.depth - 1) * self.block } else { 0 };
                    left = if left == 0 { self.block } else { left };
                    b = b.wrapping_add(S::LANES + skipped);
                }
                for (r, sums) in sums.into_iter().enumerate() {
                    let out = self.out.add((row + r) * self.ldo + first);
                    out.cast::<[f32; 4]>().write_unaligned(s.sums(sums));
                }
            }
        }
    }
}
