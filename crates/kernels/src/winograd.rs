//! Winograd's minimal filtering: 3x3 convolutions with fewer multiplications.
//!
//! The output is cut into tiles of m x m pixels. Each is computed from a window of the input that overlaps its
//! neighbours', by n x n products, one for each point of a domain in which convolution is multiplication:
//!
//! ```text
//!   window d  --input transform  Bt d B-->  n x n points --+
//!                                                          x --output transform  At (..) A-->  m x m outputs
//!   filter g  --filter transform G g Gt-->  n x n points --+
//! ```
//!
//! (S. Winograd, "Arithmetic complexity of computations", 1980; A. Lavin and S. Gray, arXiv:1509.09308, whose names
//! these are.) Over all tiles, samples and channels the products at one point are a matrix product, so a layer is
//! n x n matrix products: [`Pass::batched_gemm`](crate::pass::Pass::batched_gemm).
//!
//! Gradients need the adjoint (transposed) maps of the same matrices, so that one set of transformed weights serves the
//! output and the gradient of the input, and one transformed gradient of the output serves the gradients of input and
//! weights.

use std::ops::Range;

use crate::epilogue::RawEpilogue;
use crate::simd::{Job, Simd};

/// Six vectors, of which a map may use fewer.
type Six<S> = [<S as Simd>::V; 6];

/// The one-dimensional maps of an algorithm, applied to rows and then to columns.
pub(crate) trait Algorithm {
    /// Input pixels of a tile's window, a side.
    const WINDOW: usize;
    /// Points, a side.
    const POINTS: usize;
    /// Output pixels of a tile, a side.
    const TILE: usize;
    /// Pixels by which the window begins before the tile.
    const PADDING: usize;

    /// Bt: from the window to the points.
    fn input<S: Simd>(s: S, d: Six<S>) -> Six<S>;
    /// B: from points to the window.
    fn input_adjoint<S: Simd>(s: S, t: Six<S>) -> Six<S>;
    /// At: from the points to the tile.
    fn output<S: Simd>(s: S, m: Six<S>) -> Six<S>;
    /// A: from the tile to the points.
    fn output_adjoint<S: Simd>(s: S, y: Six<S>) -> Six<S>;
    /// G: from three weights to the points.
    fn filter<S: Simd>(s: S, w: Six<S>) -> Six<S>;
    /// Gt: from the points to three weights.
    fn filter_adjoint<S: Simd>(s: S, u: Six<S>) -> Six<S>;
}

/// F(4x4, 3x3): 36 products for 16 outputs, 4 times fewer than 9 for each. Points 0, 1, -1, 2, -2 and infinity.
pub(crate) struct F4x4;

/// All four outputs of a map of 2x2 pixels, by 9 products in place of 16: Karatsuba's scheme for the 2x2 Toeplitz matrix
/// that a padded filter of three taps is on two pixels. All factors are 1 or -1, so it rounds like a plain sum.
pub(crate) struct F2x2;

impl Algorithm for F4x4 {
    const WINDOW: usize = 6;
    const POINTS: usize = 6;
    const TILE: usize = 4;
    const PADDING: usize = 1;

    #[inline(always)]
    fn input<S: Simd>(s: S, d: Six<S>) -> Six<S> {
        let (four, minus_four, minus_five) = (s.splat(4.0), s.splat(-4.0), s.splat(-5.0));
        let even = s.fma(minus_four, d[2], d[4]);
        let odd = s.fma(minus_four, d[1], d[3]);
        let far_even = s.sub(d[4], d[2]);
        let far_odd = s.sub(d[3], d[1]);
        [
            s.fma(minus_five, d[2], s.fma(four, d[0], d[4])),
            s.add(even, odd),
            s.sub(even, odd),
            s.fma(s.splat(2.0), far_odd, far_even),
            s.fma(s.splat(-2.0), far_odd, far_even),
            s.fma(minus_five, d[3], s.fma(four, d[1], d[5])),
        ]
    }

    #[inline(always)]
    fn input_adjoint<S: Simd>(s: S, t: Six<S>) -> Six<S> {
        let (four, five) = (s.splat(4.0), s.splat(-5.0));
        let (near, near_odd) = (s.add(t[1], t[2]), s.sub(t[1], t[2]));
        let (far, far_odd) = (s.add(t[3], t[4]), s.sub(t[3], t[4]));
        let far_odd = s.add(far_odd, far_odd);
        [
            s.mul(four, t[0]),
            s.sub(s.mul(four, s.sub(t[5], near_odd)), far_odd),
            s.sub(s.fma(five, t[0], s.mul(s.splat(-4.0), near)), far),
            s.fma(five, t[5], s.add(near_odd, far_odd)),
            s.add(t[0], s.add(near, far)),
            t[5],
        ]
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, m: Six<S>) -> Six<S> {
        let (near, near_odd) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        let (far, far_odd) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
        [
            s.add(m[0], s.add(near, far)),
            s.fma(s.splat(2.0), far_odd, near_odd),
            s.fma(s.splat(4.0), far, near),
            s.fma(s.splat(8.0), far_odd, s.add(near_odd, m[5])),
            m[0],
            m[0],
        ]
    }

    #[inline(always)]
    fn output_adjoint<S: Simd>(s: S, y: Six<S>) -> Six<S> {
        let (even, odd) = (s.add(y[0], y[2]), s.add(y[1], y[3]));
        let far_even = s.fma(s.splat(4.0), y[2], y[0]);
        let far_odd = s.fma(s.splat(8.0), y[3], s.add(y[1], y[1]));
        [y[0], s.add(even, odd), s.sub(even, odd), s.add(far_even, far_odd), s.sub(far_even, far_odd), y[3]]
    }

    #[inline(always)]
    fn filter<S: Simd>(s: S, w: Six<S>) -> Six<S> {
        let (sixth, small) = (s.splat(-1.0 / 6.0), s.splat(1.0 / 24.0));
        let even = s.add(w[0], w[2]);
        let far_even = s.fma(s.splat(4.0), w[2], w[0]);
        let far_odd = s.add(w[1], w[1]);
        [
            s.mul(s.splat(0.25), w[0]),
            s.mul(sixth, s.add(even, w[1])),
            s.mul(sixth, s.sub(even, w[1])),
            s.mul(small, s.add(far_even, far_odd)),
            s.mul(small, s.sub(far_even, far_odd)),
            w[2],
        ]
    }

    #[inline(always)]
    fn filter_adjoint<S: Simd>(s: S, u: Six<S>) -> Six<S> {
        let sixth = s.splat(1.0 / 6.0);
        let (near, near_odd) = (s.add(u[1], u[2]), s.sub(u[1], u[2]));
        let (far, far_odd) = (s.add(u[3], u[4]), s.sub(u[3], u[4]));
        let first = s.fma(s.splat(0.25), far, s.sub(s.mul(s.splat(1.5), u[0]), near));
        let middle = s.sub(s.mul(s.splat(0.5), far_odd), near_odd);
        [s.mul(sixth, first), s.mul(sixth, middle), s.fma(sixth, s.sub(far, near), u[5]), u[0], u[0], u[0]]
    }
}

impl Algorithm for F2x2 {
    const WINDOW: usize = 2;
    const POINTS: usize = 3;
    const TILE: usize = 2;
    const PADDING: usize = 0;

    #[inline(always)]
    fn input<S: Simd>(s: S, d: Six<S>) -> Six<S> {
        [s.add(d[0], d[1]), d[1], d[0], d[0], d[0], d[0]]
    }

    #[inline(always)]
    fn input_adjoint<S: Simd>(s: S, t: Six<S>) -> Six<S> {
        [s.add(t[0], t[2]), s.add(t[0], t[1]), t[0], t[0], t[0], t[0]]
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, m: Six<S>) -> Six<S> {
        [s.add(m[0], m[1]), s.add(m[0], m[2]), m[0], m[0], m[0], m[0]]
    }

    #[inline(always)]
    fn output_adjoint<S: Simd>(s: S, y: Six<S>) -> Six<S> {
        [s.add(y[0], y[1]), y[0], y[1], y[0], y[0], y[0]]
    }

    #[inline(always)]
    fn filter<S: Simd>(s: S, w: Six<S>) -> Six<S> {
        [w[1], s.sub(w[2], w[1]), s.sub(w[0], w[1]), w[0], w[0], w[0]]
    }

    #[inline(always)]
    fn filter_adjoint<S: Simd>(s: S, u: Six<S>) -> Six<S> {
        [u[2], s.sub(s.sub(u[0], u[1]), u[2]), u[1], u[0], u[0], u[0]]
    }
}

/// Applies a one-dimensional map to the columns, then to the rows, of a square of `from` x `from` vectors, which gives
/// `to` x `to`.
///
/// A macro, as a closure that uses vector instructions is not compiled with those of its caller.
macro_rules! map_2d {
    ($s:ident, $from:expr, $to:expr, $map:path, |$i:ident, $j:ident| $get:expr, |$value:ident| $put:expr) => {{
        let zero = $s.splat(0.0);
        let mut half = [[zero; 6]; 6];
        for $j in 0..$from {
            let mut values = [zero; 6];
            for $i in 0..$from {
                values[$i] = $get;
            }
            let values = $map($s, values);
            for row in 0..$to {
                half[row][$j] = values[row];
            }
        }
        for $i in 0..$to {
            let values = $map($s, half[$i]);
            for $j in 0..$to {
                let $value = values[$j];
                $put;
            }
        }
    }};
}
pub(crate) use map_2d;

/// Some rows of tiles of one sample: its image, and the same tiles in the Winograd domain.
///
/// ```text
///   image, [height][width][channels]          domain, [points][tiles][channels]
///   +----+----+--                             point 0: tile 0 | tile 1 | ...      tiles `row` values apart,
///   |tile|tile|         <-- transform -->     point 1: tile 0 | tile 1 | ...      points `plane`
///   +----+----+--                             ...
/// ```
#[derive(Clone, Copy)]
pub(crate) struct Strip<'a> {
    /// The algorithm is [`F4x4`], else [`F2x2`].
    pub four: bool,
    /// The image is the convolution's output, else its input.
    pub of_output: bool,
    pub height: usize,
    pub width: usize,
    /// The first pixel of row `first_row`; pixels follow each other `pixel` values apart.
    pub image: *mut f32,
    pub first_row: usize,
    pub pixel: usize,
    /// Rows of tiles, and tiles in a row.
    pub tiles: &'a Range<usize>,
    pub columns: usize,
    /// Channels of a pixel. The domain and `spare` have room for whole vectors of them.
    pub channels: usize,
    /// The first tile at point 0; tiles are `row` values apart, points `plane`.
    pub domain: *mut f32,
    pub row: usize,
    pub plane: usize,
    /// Stands for pixels outside the image: zeros to read, anything to write.
    pub spare: *mut f32,
    /// What outputs become before they are written; the image is then what they become.
    pub epilogue: Option<RawEpilogue>,
}

/// From the image to the domain: the input transform of an input, the adjoint output transform of a gradient.
pub(crate) struct ToDomain<'a>(pub Strip<'a>);

/// From the domain to the image: the output transform of an output, the adjoint input transform of a gradient, which is
/// added to the image, as windows overlap.
pub(crate) struct FromDomain<'a>(pub Strip<'a>);

/// Where the pixels of a tile or window are; `spare` for those outside the image.
type Pixels = [[*mut f32; 6]; 6];

impl Job for ToDomain<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self, s: S) {
        // SAFETY: the strip's pointers are as its fields say, by this function's contract.
        unsafe {
            match (self.0.four, self.0.of_output) {
                (true, false) => self.0.read_image::<S, F4x4, false>(s),
                (true, true) => self.0.read_image::<S, F4x4, true>(s),
                (false, false) => self.0.read_image::<S, F2x2, false>(s),
                (false, true) => self.0.read_image::<S, F2x2, true>(s),
            }
        }
    }
}

impl Job for FromDomain<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self, s: S) {
        // SAFETY: the strip's pointers are as its fields say, by this function's contract.
        unsafe {
            match (self.0.four, self.0.of_output) {
                (true, false) => self.0.write_image::<S, F4x4, false, 1>(s),
                (true, true) => self.0.write_outputs::<S, F4x4>(s),
                (false, false) => self.0.write_image::<S, F2x2, false, 1>(s),
                (false, true) => self.0.write_outputs::<S, F2x2>(s),
            }
        }
    }
}

/// The places of a vector of channels in one tile.
#[derive(Clone, Copy)]
struct TileVector<'a> {
    /// Of the image.
    pixels: &'a Pixels,
    /// Of what the epilogue adds, with the lower bound of the sum.
    added: Option<&'a (Pixels, f32)>,
    /// The tile at point 0.
    domain: *mut f32,
    /// The first channel, and how many if it is the last, incomplete vector.
    channel: usize,
    rest: usize,
}

impl Strip<'_> {
    /// Rows and columns of the image that one tile covers; behind a pool the image has one for every POOL outputs.
    #[inline(always)]
    fn size<A: Algorithm, const POOL: usize>(&self) -> usize {
        if self.of_output { A::TILE / POOL } else { A::WINDOW }
    }

    /// Where the pixels of a tile are, in the strip's image or one like it.
    ///
    /// # Safety
    ///
    /// `image` is the first pixel of row `first_row` of an image that holds all rows that the strip's tiles cover, and
    /// `tile` is a row among `tiles` and a column below `columns`.
    #[inline(always)]
    unsafe fn pixels<A: Algorithm, const POOL: usize>(&self, image: *mut f32, tile: [usize; 2]) -> Pixels {
        let before = if self.of_output { 0 } else { A::PADDING };
        let size = self.size::<A, POOL>();
        let [top, left] = tile.map(|tile| tile * (A::TILE / POOL));
        // Those of a tile's rows or columns that lie in the image.
        let seen = |first: usize, all: usize| {
            before.saturating_sub(first)..(all + before).saturating_sub(first).min(size)
        };
        let mut pixels = [[self.spare; 6]; 6];
        for i in seen(top, self.height) {
            for j in seen(left, self.width) {
                let (y, x) = (top + i - before, left + j - before);
                // SAFETY: y and x are inside the image, and row y is one that the tile covers.
                pixels[i][j] = unsafe { image.add(((y - self.first_row) * self.width + x) * self.pixel) };
            }
        }
        pixels
    }

    /// # Safety
    ///
    /// The strip's pointers are as its fields say, and OUTPUT is `of_output`.
    #[inline(always)]
    unsafe fn read_image<S: Simd, A: Algorithm, const OUTPUT: bool>(&self, s: S) {
        let (mut domain, rest) = (self.domain, self.channels % S::LANES);
        for tile_row in self.tiles.clone() {
            for tile_column in 0..self.columns {
                // SAFETY: the tile is one of the strip's; its pixels have `channels` values, and its place in the domain
                // room for whole vectors of them.
                unsafe {
                    let pixels = &self.pixels::<A, 1>(self.image, [tile_row, tile_column]);
                    let at = |channel| TileVector { pixels, added: None, domain, channel, rest };
                    for c in (0..self.channels - rest).step_by(S::LANES) {
                        self.read_vector::<S, A, OUTPUT, false>(s, at(c));
                    }
                    if rest > 0 {
                        self.read_vector::<S, A, OUTPUT, true>(s, at(self.channels - rest));
                    }
                    domain = domain.add(self.row);
                }
            }
        }
    }

    /// A vector of channels of one tile, from its pixels to its points.
    ///
    /// # Safety
    ///
    /// The pixels hold `LANES` values from the channel on, or `rest` with PART; each point has room for `LANES`.
    #[inline(always)]
    unsafe fn read_vector<S: Simd, A: Algorithm, const OUTPUT: bool, const PART: bool>(
        &self,
        s: S,
        at: TileVector,
    ) {
        let (pixels, c) = (at.pixels, at.channel);
        // SAFETY: as many values can be read and written, by this function's contract.
        unsafe {
            let to = at.domain.add(c);
            macro_rules! pixel {
                ($i:ident, $j:ident) => {
                    if PART {
                        s.load_part(pixels[$i][$j].add(c), at.rest)
                    } else {
                        s.load(pixels[$i][$j].add(c))
                    }
                };
            }
            if OUTPUT {
                map_2d!(s, A::TILE, A::POINTS, A::output_adjoint, |i, j| pixel!(i, j), |v| s
                    .store(to.add((i * A::POINTS + j) * self.plane), v));
            } else {
                map_2d!(s, A::WINDOW, A::POINTS, A::input, |i, j| pixel!(i, j), |v| s
                    .store(to.add((i * A::POINTS + j) * self.plane), v));
            }
        }
    }

    /// Outputs, with the size of the pool behind them as a constant.
    ///
    /// # Safety
    ///
    /// The strip's pointers are as its fields say, and `of_output` is set.
    #[inline(always)]
    unsafe fn write_outputs<S: Simd, A: Algorithm>(&self, s: S) {
        // SAFETY: as this function's contract, which is that of `write_image`.
        unsafe {
            match self.epilogue.map_or(1, |epilogue| epilogue.pool) {
                2 => self.write_image::<S, A, true, 2>(s),
                _ => self.write_image::<S, A, true, 1>(s),
            }
        }
    }

    /// # Safety
    ///
    /// The strip's pointers are as its fields say, OUTPUT is `of_output`, and POOL the epilogue's pool.
    #[inline(always)]
    unsafe fn write_image<S: Simd, A: Algorithm, const OUTPUT: bool, const POOL: usize>(&self, s: S) {
        let (mut domain, rest) = (self.domain, self.channels % S::LANES);
        let added = self.epilogue.and_then(|epilogue| epilogue.added);
        for tile in self.tiles.clone().flat_map(|row| (0..self.columns).map(move |c| [row, c])) {
            // SAFETY: the tile is one of the strip's; what is added is an image like the strip's; pixels have `channels`
            // values, and the tile's place in the domain room for whole vectors of them.
            unsafe {
                let pixels = &self.pixels::<A, POOL>(self.image, tile);
                let added = added.map(|a| (self.pixels::<A, POOL>(a.values.at(0), tile), a.outer));
                let at = |channel| TileVector { pixels, added: added.as_ref(), domain, channel, rest };
                for c in (0..self.channels - rest).step_by(S::LANES) {
                    self.write_vector::<S, A, OUTPUT, POOL, false>(s, at(c));
                }
                if rest > 0 {
                    self.write_vector::<S, A, OUTPUT, POOL, true>(s, at(self.channels - rest));
                }
                domain = domain.add(self.row);
            }
        }
    }

    /// The reverse of [`Strip::read_vector`].
    ///
    /// # Safety
    ///
    /// As for [`Strip::read_vector`], for reading and writing both; the epilogue has these channels.
    #[inline(always)]
    unsafe fn write_vector<S: Simd, A: Algorithm, const OUTPUT: bool, const POOL: usize, const PART: bool>(
        &self,
        s: S,
        at: TileVector,
    ) {
        let (pixels, c, rest) = (at.pixels, at.channel, at.rest);
        // SAFETY: as many values can be read and written, by this function's contract.
        unsafe {
            let from = at.domain.add(c);
            macro_rules! put {
                ($to:expr, $v:expr) => {
                    if PART { s.store_part($to, $v, rest) } else { s.store($to, $v) }
                };
            }
            if OUTPUT {
                let mut y = [[s.splat(0.0); 4]; 4];
                map_2d!(
                    s,
                    A::POINTS,
                    A::TILE,
                    A::output,
                    |i, j| s.load(from.add((i * A::POINTS + j) * self.plane)),
                    |v| y[i][j] = v
                );
                if let Some(epilogue) = &self.epilogue {
                    let factors = epilogue.factors(s, c, if PART { rest } else { S::LANES });
                    for y in y.iter_mut().take(A::TILE) {
                        for y in y.iter_mut().take(A::TILE) {
                            *y = factors.apply(s, *y);
                        }
                    }
                }
                if let Some((added, outer)) = at.added {
                    for (y, added) in y.iter_mut().zip(added).take(A::TILE) {
                        for (y, added) in y.iter_mut().zip(added).take(A::TILE) {
                            let from = added.add(c);
                            let added = if PART { s.load_part(from, rest) } else { s.load(from) };
                            *y = s.above(s.splat(*outer), s.add(*y, added));
                        }
                    }
                }
                if POOL == 2 {
                    for i in 0..A::TILE / 2 {
                        for j in 0..A::TILE / 2 {
                            let first = s.max(y[2 * i][2 * j + 1], y[2 * i][2 * j]);
                            let third = s.max(y[2 * i + 1][2 * j], first);
                            y[i][j] = s.max(y[2 * i + 1][2 * j + 1], third);
                        }
                    }
                }
                for i in 0..A::TILE / POOL {
                    for j in 0..A::TILE / POOL {
                        put!(pixels[i][j].add(c), y[i][j]);
                    }
                }
            } else {
                map_2d!(
                    s,
                    A::POINTS,
                    A::WINDOW,
                    A::input_adjoint,
                    |i, j| s.load(from.add((i * A::POINTS + j) * self.plane)),
                    |v| {
                        let to = pixels[i][j].add(c);
                        if A::WINDOW <= A::TILE {
                            put!(to, v);
                        } else if PART {
                            s.store_part(to, s.add(s.load_part(to, rest), v), rest);
                        } else {
                            s.store(to, s.add(s.load(to), v));
                        }
                    }
                );
            }
        }
    }
}
