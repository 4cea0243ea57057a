//! Transforms between an image and the points at which small convolutions become products.
//!
//! A 3x3 convolution of a tile is `y = Oᵀ[(K w Kᵀ) ∘ (I d Iᵀ)]O` with a window d of the input and matrices that
//! depend on the tile's size only (S. Winograd, "Arithmetic complexity of computations", 1980; A. Lavin and
//! S. Gray, arXiv:1509.09308). The gradients need the transposed maps of the same matrices, so that one set
//! of transformed weights serves the output and the gradient of the input, and one transformed gradient of
//! the output serves the gradients of input and weights.

use super::finish::RawEpilogue;
use super::simd::{Job, Simd};

/// Six vectors, of which a map may use fewer.
type Six<S> = [<S as Simd>::V; 6];

/// The one-dimensional maps of a scheme.
pub(super) trait Tile {
    /// Values of the input that a tile sees.
    const WINDOW: usize;
    /// Products.
    const POINTS: usize;
    /// Values of the output that a tile gives.
    const OUT: usize;
    /// How far the window begins before the outputs.
    const BEFORE: usize;

    /// From window to points.
    unsafe fn input<S: Simd>(d: Six<S>) -> Six<S>;
    /// From points to window: the transpose of `input`.
    unsafe fn input_transposed<S: Simd>(t: Six<S>) -> Six<S>;
    /// From points to outputs.
    unsafe fn output<S: Simd>(m: Six<S>) -> Six<S>;
    /// From outputs to points: the transpose of `output`.
    unsafe fn output_transposed<S: Simd>(y: Six<S>) -> Six<S>;
    /// From three weights to points.
    unsafe fn weights<S: Simd>(w: Six<S>) -> Six<S>;
    /// From points to three weights: the transpose of `weights`.
    unsafe fn weights_transposed<S: Simd>(u: Six<S>) -> Six<S>;
}

/// Four outputs from six inputs by six products: the points 0, 1, -1, 2, -2 and infinity.
pub(super) struct Four;

/// Both outputs of an image of two pixels by three products: Karatsuba's scheme for the 2x2 Toeplitz matrix
/// that a padded kernel of three is there. Exact up to the rounding of sums, as all its factors are 1 or -1.
pub(super) struct Two;

impl Tile for Four {
    const WINDOW: usize = 6;
    const POINTS: usize = 6;
    const OUT: usize = 4;
    const BEFORE: usize = 1;

    #[inline(always)]
    unsafe fn input<S: Simd>(d: Six<S>) -> Six<S> {
        // SAFETY: the processor has S's instructions, as everywhere in this file.
        unsafe {
            let (four, minus_four, minus_five) = (S::splat(4.0), S::splat(-4.0), S::splat(-5.0));
            let even = S::fma(minus_four, d[2], d[4]);
            let odd = S::fma(minus_four, d[1], d[3]);
            let far_even = S::sub(d[4], d[2]);
            let far_odd = S::sub(d[3], d[1]);
            [
                S::fma(minus_five, d[2], S::fma(four, d[0], d[4])),
                S::add(even, odd),
                S::sub(even, odd),
                S::fma(S::splat(2.0), far_odd, far_even),
                S::fma(S::splat(-2.0), far_odd, far_even),
                S::fma(minus_five, d[3], S::fma(four, d[1], d[5])),
            ]
        }
    }

    #[inline(always)]
    unsafe fn input_transposed<S: Simd>(t: Six<S>) -> Six<S> {
        // SAFETY: see `input`.
        unsafe {
            let (four, five) = (S::splat(4.0), S::splat(-5.0));
            let (near, near_odd) = (S::add(t[1], t[2]), S::sub(t[1], t[2]));
            let (far, far_odd) = (S::add(t[3], t[4]), S::sub(t[3], t[4]));
            let far_odd = S::add(far_odd, far_odd);
            [
                S::mul(four, t[0]),
                S::sub(S::mul(four, S::sub(t[5], near_odd)), far_odd),
                S::sub(S::fma(five, t[0], S::mul(S::splat(-4.0), near)), far),
                S::fma(five, t[5], S::add(near_odd, far_odd)),
                S::add(t[0], S::add(near, far)),
                t[5],
            ]
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: Six<S>) -> Six<S> {
        // SAFETY: see `input`.
        unsafe {
            let (near, near_odd) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
            let (far, far_odd) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
            [
                S::add(m[0], S::add(near, far)),
                S::fma(S::splat(2.0), far_odd, near_odd),
                S::fma(S::splat(4.0), far, near),
                S::fma(S::splat(8.0), far_odd, S::add(near_odd, m[5])),
                m[0],
                m[0],
            ]
        }
    }

    #[inline(always)]
    unsafe fn output_transposed<S: Simd>(y: Six<S>) -> Six<S> {
        // SAFETY: see `input`.
        unsafe {
            let (even, odd) = (S::add(y[0], y[2]), S::add(y[1], y[3]));
            let far_even = S::fma(S::splat(4.0), y[2], y[0]);
            let far_odd = S::fma(S::splat(8.0), y[3], S::add(y[1], y[1]));
            [
                y[0],
                S::add(even, odd),
                S::sub(even, odd),
                S::add(far_even, far_odd),
                S::sub(far_even, far_odd),
                y[3],
            ]
        }
    }

    #[inline(always)]
    unsafe fn weights<S: Simd>(w: Six<S>) -> Six<S> {
        // SAFETY: see `input`.
        unsafe {
            let (sixth, small) = (S::splat(-1.0 / 6.0), S::splat(1.0 / 24.0));
            let even = S::add(w[0], w[2]);
            let far_even = S::fma(S::splat(4.0), w[2], w[0]);
            let far_odd = S::add(w[1], w[1]);
            [
                S::mul(S::splat(0.25), w[0]),
                S::mul(sixth, S::add(even, w[1])),
                S::mul(sixth, S::sub(even, w[1])),
                S::mul(small, S::add(far_even, far_odd)),
                S::mul(small, S::sub(far_even, far_odd)),
                w[2],
            ]
        }
    }

    #[inline(always)]
    unsafe fn weights_transposed<S: Simd>(u: Six<S>) -> Six<S> {
        // SAFETY: see `input`.
        unsafe {
            let sixth = S::splat(1.0 / 6.0);
            let (near, near_odd) = (S::add(u[1], u[2]), S::sub(u[1], u[2]));
            let (far, far_odd) = (S::add(u[3], u[4]), S::sub(u[3], u[4]));
            let first = S::fma(S::splat(0.25), far, S::sub(S::mul(S::splat(1.5), u[0]), near));
            let middle = S::sub(S::mul(S::splat(0.5), far_odd), near_odd);
            [
                S::mul(sixth, first),
                S::mul(sixth, middle),
                S::fma(sixth, S::sub(far, near), u[5]),
                u[0],
                u[0],
                u[0],
            ]
        }
    }
}

impl Tile for Two {
    const WINDOW: usize = 2;
    const POINTS: usize = 3;
    const OUT: usize = 2;
    const BEFORE: usize = 0;

    #[inline(always)]
    unsafe fn input<S: Simd>(d: Six<S>) -> Six<S> {
        // SAFETY: see `Four::input`.
        unsafe { [S::add(d[0], d[1]), d[1], d[0], d[0], d[0], d[0]] }
    }

    #[inline(always)]
    unsafe fn input_transposed<S: Simd>(t: Six<S>) -> Six<S> {
        // SAFETY: see `Four::input`.
        unsafe { [S::add(t[0], t[2]), S::add(t[0], t[1]), t[0], t[0], t[0], t[0]] }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: Six<S>) -> Six<S> {
        // SAFETY: see `Four::input`.
        unsafe { [S::add(m[0], m[1]), S::add(m[0], m[2]), m[0], m[0], m[0], m[0]] }
    }

    #[inline(always)]
    unsafe fn output_transposed<S: Simd>(y: Six<S>) -> Six<S> {
        // SAFETY: see `Four::input`.
        unsafe { [S::add(y[0], y[1]), y[0], y[1], y[0], y[0], y[0]] }
    }

    #[inline(always)]
    unsafe fn weights<S: Simd>(w: Six<S>) -> Six<S> {
        // SAFETY: see `Four::input`.
        unsafe { [w[1], S::sub(w[2], w[1]), S::sub(w[0], w[1]), w[0], w[0], w[0]] }
    }

    #[inline(always)]
    unsafe fn weights_transposed<S: Simd>(u: Six<S>) -> Six<S> {
        // SAFETY: see `Four::input`.
        unsafe { [u[2], S::sub(S::sub(u[0], u[1]), u[2]), u[1], u[0], u[0], u[0]] }
    }
}

/// Applies a one-dimensional map to the columns, then to the rows, of a square of vectors, `from` a side, which
/// gives one with `to` a side.
///
/// A macro, as a closure that uses vector instructions is not compiled with those of its caller.
macro_rules! twice {
    ($simd:ident, $from:expr, $to:expr, $map:path, |$i:ident, $j:ident| $get:expr, |$value:ident| $put:expr) => {{
        let zero = $simd::splat(0.0);
        let mut half = [[zero; 6]; 6];
        for $j in 0..$from {
            let mut values = [zero; 6];
            for $i in 0..$from {
                values[$i] = $get;
            }
            let values = $map(values);
            for row in 0..$to {
                half[row][$j] = values[row];
            }
        }
        for $i in 0..$to {
            let values = $map(half[$i]);
            for $j in 0..$to {
                let $value = values[$j];
                $put;
            }
        }
    }};
}
pub(super) use twice;

/// Some rows of tiles of one sample's image, and the same tiles in the planes of points.
#[derive(Clone, Copy)]
pub(super) struct Strip {
    /// The scheme is [`Four`], else [`Two`].
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
    pub tiles: (usize, usize),
    pub columns: usize,
    /// Channels of a pixel. Planes and `spare` have room for whole vectors of them.
    pub channels: usize,
    /// The first tile at point 0; tiles are `row` values apart, points `plane`.
    pub points: *mut f32,
    pub row: usize,
    pub plane: usize,
    /// Stands in for pixels outside the image: zeros to read, anything to write.
    pub spare: *mut f32,
    /// What outputs become before they are written; the image is then what they become.
    pub finish: Option<RawEpilogue>,
}

/// From image to points.
pub(super) struct Read(pub Strip);

/// From points to image; what belongs to the input is added, as windows overlap.
pub(super) struct Write(pub Strip);

impl Job for Read {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the strip's promises.
        unsafe {
            match (self.0.four, self.0.of_output) {
                (true, false) => self.0.read::<S, Four, false>(),
                (true, true) => self.0.read::<S, Four, true>(),
                (false, false) => self.0.read::<S, Two, false>(),
                (false, true) => self.0.read::<S, Two, true>(),
            }
        }
    }
}

impl Job for Write {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the strip's promises.
        unsafe {
            match (self.0.four, self.0.of_output) {
                (true, false) => self.0.write::<S, Four, false, 1>(),
                (true, true) => self.0.write_outputs::<S, Four>(),
                (false, false) => self.0.write::<S, Two, false, 1>(),
                (false, true) => self.0.write_outputs::<S, Two>(),
            }
        }
    }
}

impl Strip {
    /// Rows and columns of the image that one tile covers; behind a pool the image has one for every POOL outputs.
    #[inline(always)]
    fn size<T: Tile, const POOL: usize>(&self) -> usize {
        if self.of_output { T::OUT / POOL } else { T::WINDOW }
    }

    /// Where the pixels of a tile are, in the strip's image or one like it.
    #[inline(always)]
    unsafe fn pixels<T: Tile, const POOL: usize>(
        &self,
        image: *mut f32,
        tile: [usize; 2],
    ) -> [[*mut f32; 6]; 6] {
        let before = if self.of_output { 0 } else { T::BEFORE };
        let size = self.size::<T, POOL>();
        let [top, left] = tile.map(|tile| tile * (T::OUT / POOL));
        // Those of a tile's rows or columns that lie in the image.
        let seen = |first: usize, all: usize| {
            before.saturating_sub(first)..(all + before).saturating_sub(first).min(size)
        };
        let mut pixels = [[self.spare; 6]; 6];
        for i in seen(top, self.height) {
            for j in seen(left, self.width) {
                let (y, x) = (top + i - before, left + j - before);
                // SAFETY: the image has this pixel; it holds all rows that the strip's tiles cover.
                pixels[i][j] = unsafe { image.add(((y - self.first_row) * self.width + x) * self.pixel) };
            }
        }
        pixels
    }

    #[inline(always)]
    unsafe fn read<S: Simd, T: Tile, const OUTPUT: bool>(&self) {
        let (mut points, rest) = (self.points, self.channels % S::LANES);
        for tile_row in self.tiles.0..self.tiles.1 {
            for tile_column in 0..self.columns {
                // SAFETY: pixels have `channels` values, points room for whole vectors of them.
                unsafe {
                    let pixels = self.pixels::<T, 1>(self.image, [tile_row, tile_column]);
                    for c in (0..self.channels - rest).step_by(S::LANES) {
                        self.read_vector::<S, T, OUTPUT, false>(&pixels, points, c, rest);
                    }
                    if rest > 0 {
                        self.read_vector::<S, T, OUTPUT, true>(&pixels, points, self.channels - rest, rest);
                    }
                    points = points.add(self.row);
                }
            }
        }
    }

    /// A vector of channels of one tile: from its pixels to its points. With PART it is the last, of `rest`
    /// channels.
    #[inline(always)]
    unsafe fn read_vector<S: Simd, T: Tile, const OUTPUT: bool, const PART: bool>(
        &self,
        pixels: &[[*mut f32; 6]; 6],
        points: *mut f32,
        c: usize,
        rest: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let to = points.add(c);
            macro_rules! pixel {
                ($i:ident, $j:ident) => {
                    if PART {
                        S::load_part(pixels[$i][$j].add(c), rest)
                    } else {
                        S::load(pixels[$i][$j].add(c))
                    }
                };
            }
            if OUTPUT {
                twice!(S, T::OUT, T::POINTS, T::output_transposed::<S>, |i, j| pixel!(i, j), |v| S::store(
                    to.add((i * T::POINTS + j) * self.plane),
                    v
                ));
            } else {
                twice!(S, T::WINDOW, T::POINTS, T::input::<S>, |i, j| pixel!(i, j), |v| S::store(
                    to.add((i * T::POINTS + j) * self.plane),
                    v
                ));
            }
        }
    }

    /// Outputs, with the size of the pool behind them as a constant.
    #[inline(always)]
    unsafe fn write_outputs<S: Simd, T: Tile>(&self) {
        // SAFETY: the strip's promises.
        unsafe {
            match self.finish.map_or(1, |finish| finish.pool) {
                2 => self.write::<S, T, true, 2>(),
                _ => self.write::<S, T, true, 1>(),
            }
        }
    }

    #[inline(always)]
    unsafe fn write<S: Simd, T: Tile, const OUTPUT: bool, const POOL: usize>(&self) {
        let (mut points, rest) = (self.points, self.channels % S::LANES);
        let added = self.finish.and_then(|finish| finish.added);
        for tile in (self.tiles.0..self.tiles.1).flat_map(|row| (0..self.columns).map(move |c| [row, c])) {
            // SAFETY: as for `read`.
            unsafe {
                let pixels = self.pixels::<T, POOL>(self.image, tile);
                let added = added.map(|(image, outer)| (self.pixels::<T, POOL>(image.at(0), tile), outer));
                let places = Places { pixels: &pixels, added: added.as_ref() };
                for c in (0..self.channels - rest).step_by(S::LANES) {
                    self.write_vector::<S, T, OUTPUT, POOL, false>(places, points, c, rest);
                }
                if rest > 0 {
                    self.write_vector::<S, T, OUTPUT, POOL, true>(places, points, self.channels - rest, rest);
                }
                points = points.add(self.row);
            }
        }
    }

    /// The reverse of [`Strip::read_vector`].
    #[inline(always)]
    unsafe fn write_vector<S: Simd, T: Tile, const OUTPUT: bool, const POOL: usize, const PART: bool>(
        &self,
        places: Places,
        points: *mut f32,
        c: usize,
        rest: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let from = points.add(c);
            let pixels = places.pixels;
            macro_rules! put {
                ($to:expr, $v:expr) => {
                    if PART { S::store_part($to, $v, rest) } else { S::store($to, $v) }
                };
            }
            if OUTPUT {
                let mut y = [[S::splat(0.0); 4]; 4];
                twice!(
                    S,
                    T::POINTS,
                    T::OUT,
                    T::output::<S>,
                    |i, j| S::load(from.add((i * T::POINTS + j) * self.plane)),
                    |v| y[i][j] = v
                );
                if let Some(finish) = &self.finish {
                    let factors = finish.factors::<S>(c, if PART { rest } else { S::LANES });
                    for y in y.iter_mut().take(T::OUT) {
                        for y in y.iter_mut().take(T::OUT) {
                            *y = factors.of(*y);
                        }
                    }
                }
                if let Some((added, outer)) = places.added {
                    for (y, added) in y.iter_mut().zip(added).take(T::OUT) {
                        for (y, added) in y.iter_mut().zip(added).take(T::OUT) {
                            let from = added.add(c);
                            let added = if PART { S::load_part(from, rest) } else { S::load(from) };
                            *y = S::larger(S::splat(*outer), S::add(*y, added));
                        }
                    }
                }
                if POOL == 2 {
                    for i in 0..T::OUT / 2 {
                        for j in 0..T::OUT / 2 {
                            let first = S::larger(y[2 * i][2 * j + 1], y[2 * i][2 * j]);
                            let third = S::larger(y[2 * i + 1][2 * j], first);
                            y[i][j] = S::larger(y[2 * i + 1][2 * j + 1], third);
                        }
                    }
                }
                for i in 0..T::OUT / POOL {
                    for j in 0..T::OUT / POOL {
                        put!(pixels[i][j].add(c), y[i][j]);
                    }
                }
            } else {
                twice!(
                    S,
                    T::POINTS,
                    T::WINDOW,
                    T::input_transposed::<S>,
                    |i, j| S::load(from.add((i * T::POINTS + j) * self.plane)),
                    |v| {
                        let to = pixels[i][j].add(c);
                        if T::WINDOW <= T::OUT {
                            put!(to, v);
                        } else if PART {
                            S::store_part(to, S::add(S::load_part(to, rest), v), rest);
                        } else {
                            S::store(to, S::add(S::load(to), v));
                        }
                    }
                );
            }
        }
    }
}

/// Where the pixels of a tile are, and what is added to them, with the bound behind the sum.
#[derive(Clone, Copy)]
struct Places<'a> {
    pixels: &'a [[*mut f32; 6]; 6],
    added: Option<&'a ([[*mut f32; 6]; 6], f32)>,
}
