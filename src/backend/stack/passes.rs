//! The passes over activations between convolutions, each over one sample's rows of channels.
//!
//! Plain loops that the compiler turns into vectors; [`versions`] compiles each for every instruction set.
//! Sums run over pixels in order and never across channels, so every version gives the same bits.

use super::super::kernels::Isa;

/// Compiles a function for each instruction set, and again as the one that picks.
macro_rules! versions {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block)*) => { $(
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "each is a row of numbers that the inner loop reads")]
        pub(super) fn $name(isa: Isa, $($arg: $type),*) {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, reason = "as above")]
            fn plain($($arg: $type),*) $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f")]
            #[allow(clippy::too_many_arguments, reason = "as above")]
            fn avx512($($arg: $type),*) { plain($($arg),*) }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            #[allow(clippy::too_many_arguments, reason = "as above")]
            fn avx2($($arg: $type),*) { plain($($arg),*) }
            match isa {
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "`Isa::available` found AVX-512 on this processor")]
                Isa::Avx512 => unsafe { avx512($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "`Isa::available` found AVX2 on this processor")]
                Isa::Avx2 => unsafe { avx2($($arg),*) },
                _ => plain($($arg),*),
            }
        }
    )* };
}

/// Rows that are summed in f32 before they are added to sums in f64.
const SUMMED_ROWS: usize = 256;

/// The lower bound of an activation: 0 with ReLU.
pub(super) fn floor(relu: bool) -> f32 {
    if relu { 0.0 } else { f32::NEG_INFINITY }
}

/// NaN stays NaN, so that a run that diverges shows it.
#[inline(always)]
fn above(z: f32, floor: f32) -> f32 {
    if z < floor { floor } else { z }
}

/// How one sample's convolution output becomes activations: `above(y * scale + shift, floor)`.
#[derive(Clone, Copy)]
pub(super) struct Affine<'a> {
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    pub floor: f32,
}

/// Sides of one sample's image and of the pooling windows over it.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub height: usize,
    pub width: usize,
    pub pool: usize,
}

/// The gradient at a convolution's output: `gain * dz + offset + slope * (y - centre)`.
#[derive(Clone, Copy)]
pub(super) struct Slope<'a> {
    pub gain: &'a [f32],
    pub offset: &'a [f32],
    pub slope: &'a [f32],
    pub centre: &'a [f32],
}

/// What reaches one sample's activations from behind: a gradient an element and one a channel.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub each: &'a [f32],
    pub channel: &'a [f32],
}

impl Window {
    fn rows(self) -> usize {
        self.height / self.pool
    }

    fn columns(self) -> usize {
        self.width / self.pool
    }

    /// Whether every pixel lies in a window.
    fn is_whole(self) -> bool {
        self.height.is_multiple_of(self.pool) && self.width.is_multiple_of(self.pool)
    }

    /// The first pixel of each window in each of its rows, window by window.
    fn pixels(self, window: usize) -> impl Iterator<Item = usize> {
        let (row, column) = (window / self.columns(), window % self.columns());
        let first = (row * self.width + column) * self.pool;
        (0..self.pool * self.pool).map(move |i| first + i / self.pool * self.width + i % self.pool)
    }
}

versions! {
    /// Adds the sums of y - shift and of its square to `sum` and `square`, channel by channel.
    fn moments(y: &[f32], shift: &[f32], sum: &mut [f64], square: &mut [f64]) {
        let channels = shift.len();
        let (mut sums, mut squares) = (vec![0f32; channels], vec![0f32; channels]);
        for block in y.chunks(SUMMED_ROWS * channels) {
            let (sums, squares) = (&mut sums[..channels], &mut squares[..channels]);
            for row in block.chunks_exact(channels) {
                for c in 0..channels {
                    let centred = row[c] - shift[c];
                    sums[c] += centred;
                    squares[c] += centred * centred;
                }
            }
            for c in 0..channels {
                sum[c] += f64::from(sums[c]);
                square[c] += f64::from(squares[c]);
            }
            sums.fill(0.0);
            squares.fill(0.0);
        }
    }

    /// Activations of one sample; adds their sums over the pixels to `total`.
    fn activate(y: &[f32], affine: Affine<'_>, out: &mut [f32], total: &mut [f32]) {
        let channels = total.len();
        let (scale, shift) = (&affine.scale[..channels], &affine.shift[..channels]);
        for (row, out) in y.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
            for c in 0..channels {
                let a = above(row[c] * scale[c] + shift[c], affine.floor);
                out[c] = a;
                total[c] += a;
            }
        }
    }

    /// As [`activate`], with something added and another bound behind the sum.
    fn activate_added(
        y: &[f32],
        affine: Affine<'_>,
        added: &[f32],
        outer: f32,
        out: &mut [f32],
        total: &mut [f32],
    ) {
        let channels = total.len();
        let (scale, shift) = (&affine.scale[..channels], &affine.shift[..channels]);
        let rows = y.chunks_exact(channels).zip(added.chunks_exact(channels));
        for ((row, added), out) in rows.zip(out.chunks_exact_mut(channels)) {
            for c in 0..channels {
                let a = above(above(row[c] * scale[c] + shift[c], affine.floor) + added[c], outer);
                out[c] = a;
                total[c] += a;
            }
        }
    }

    /// As [`activate`], with the maximum over each window.
    fn activate_pooled(
        y: &[f32],
        affine: Affine<'_>,
        window: Window,
        out: &mut [f32],
        total: &mut [f32],
    ) {
        let channels = total.len();
        let (scale, shift) = (&affine.scale[..channels], &affine.shift[..channels]);
        for (index, out) in out.chunks_exact_mut(channels).enumerate() {
            for (position, pixel) in window.pixels(index).enumerate() {
                let row = &y[pixel * channels..][..channels];
                for c in 0..channels {
                    let a = above(row[c] * scale[c] + shift[c], affine.floor);
                    out[c] = if position == 0 || a > out[c] { a } else { out[c] };
                }
            }
            for c in 0..channels {
                total[c] += out[c];
            }
        }
    }

    /// Sums over the pixels of dz and of dz * (y - centre), where dz is what reaches `y * scale + shift`.
    fn gather(
        y: &[f32],
        affine: Affine<'_>,
        centre: &[f32],
        incoming: Incoming<'_>,
        dz_sum: &mut [f32],
        product_sum: &mut [f32],
    ) {
        let channels = centre.len();
        let (scale, shift) = (&affine.scale[..channels], &affine.shift[..channels]);
        let channel = &incoming.channel[..channels];
        let (dz_sum, product_sum) = (&mut dz_sum[..channels], &mut product_sum[..channels]);
        for (row, each) in y.chunks_exact(channels).zip(incoming.each.chunks_exact(channels)) {
            for c in 0..channels {
                let passes = row[c] * scale[c] + shift[c] > affine.floor;
                let dz = if passes { each[c] + channel[c] } else { 0.0 };
                dz_sum[c] += dz;
                product_sum[c] += dz * (row[c] - centre[c]);
            }
        }
    }

    /// As [`gather`] behind a pool, whose output was `pooled`: only the first maximum of a window passes.
    fn gather_pooled(
        y: &[f32],
        affine: Affine<'_>,
        centre: &[f32],
        incoming: Incoming<'_>,
        pooled: &[f32],
        window: Window,
        dz_sum: &mut [f32],
        product_sum: &mut [f32],
    ) {
        let channels = centre.len();
        let (scale, shift) = (&affine.scale[..channels], &affine.shift[..channels]);
        let channel = &incoming.channel[..channels];
        let mut left = vec![0f32; channels];
        let left = &mut left[..channels];
        let rows = incoming.each.chunks_exact(channels).zip(pooled.chunks_exact(channels));
        for (index, (each, pooled)) in rows.enumerate() {
            for c in 0..channels {
                left[c] = each[c] + channel[c];
            }
            for pixel in window.pixels(index) {
                let row = &y[pixel * channels..][..channels];
                for c in 0..channels {
                    let z = row[c] * scale[c] + shift[c];
                    let hit = above(z, affine.floor) == pooled[c];
                    let dz = if hit && z > affine.floor { left[c] } else { 0.0 };
                    left[c] = if hit { 0.0 } else { left[c] };
                    dz_sum[c] += dz;
                    product_sum[c] += dz * (row[c] - centre[c]);
                }
            }
        }
    }

    /// Replaces one sample's convolution output by the gradient there.
    fn spread(y: &mut [f32], affine: Affine<'_>, slope: Slope<'_>, incoming: Incoming<'_>) {
        let channels = slope.centre.len();
        let (scale, shift) = (&affine.scale[..channels], &affine.shift[..channels]);
        let (gain, offset) = (&slope.gain[..channels], &slope.offset[..channels]);
        let (tilt, centre) = (&slope.slope[..channels], &slope.centre[..channels]);
        let channel = &incoming.channel[..channels];
        for (row, each) in y.chunks_exact_mut(channels).zip(incoming.each.chunks_exact(channels)) {
            for c in 0..channels {
                let passes = row[c] * scale[c] + shift[c] > affine.floor;
                let dz = if passes { each[c] + channel[c] } else { 0.0 };
                row[c] = gain[c] * dz + (offset[c] + tilt[c] * (row[c] - centre[c]));
            }
        }
    }

    /// As [`spread`] behind a pool.
    fn spread_pooled(
        y: &mut [f32],
        affine: Affine<'_>,
        slope: Slope<'_>,
        incoming: Incoming<'_>,
        pooled: &[f32],
        window: Window,
    ) {
        let channels = slope.centre.len();
        let (scale, shift) = (&affine.scale[..channels], &affine.shift[..channels]);
        let (gain, offset) = (&slope.gain[..channels], &slope.offset[..channels]);
        let (tilt, centre) = (&slope.slope[..channels], &slope.centre[..channels]);
        let channel = &incoming.channel[..channels];
        if !window.is_whole() {
            let inside = |pixel: usize| {
                pixel / window.width < window.rows() * window.pool
                    && pixel % window.width < window.columns() * window.pool
            };
            for (_, row) in y.chunks_exact_mut(channels).enumerate().filter(|(pixel, _)| !inside(*pixel)) {
                for c in 0..channels {
                    row[c] = offset[c] + tilt[c] * (row[c] - centre[c]);
                }
            }
        }
        let mut left = vec![0f32; channels];
        let left = &mut left[..channels];
        let rows = incoming.each.chunks_exact(channels).zip(pooled.chunks_exact(channels));
        for (index, (each, pooled)) in rows.enumerate() {
            for c in 0..channels {
                left[c] = each[c] + channel[c];
            }
            for pixel in window.pixels(index) {
                let row = &mut y[pixel * channels..][..channels];
                for c in 0..channels {
                    let z = row[c] * scale[c] + shift[c];
                    let hit = above(z, affine.floor) == pooled[c];
                    let dz = if hit && z > affine.floor { left[c] } else { 0.0 };
                    left[c] = if hit { 0.0 } else { left[c] };
                    row[c] = gain[c] * dz + (offset[c] + tilt[c] * (row[c] - centre[c]));
                }
            }
        }
    }

    /// What passes a ReLU whose output was `out`, in place, after adding what reaches each channel.
    fn pass_positive(gradient: &mut [f32], channel: &[f32], out: &[f32], floor: f32) {
        let channels = channel.len();
        for (row, out) in gradient.chunks_exact_mut(channels).zip(out.chunks_exact(channels)) {
            for c in 0..channels {
                row[c] = if out[c] > floor { row[c] + channel[c] } else { 0.0 };
            }
        }
    }

    /// `sum += more`.
    fn add(sum: &mut [f32], more: &[f32]) {
        for (sum, more) in sum.iter_mut().zip(more) {
            *sum += more;
        }
    }
}
