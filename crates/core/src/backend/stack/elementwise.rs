//! Elementwise passes over activations between convolutions, each over one sample's rows of channels.
//!
//! Plain loops that the compiler turns into vectors; [`versions`] compiles each for every instruction set.
//! Sums run over pixels in order and never across channels, so every version gives the same bits.
#![expect(
    clippy::needless_range_loop,
    reason = "loops over the same lanes of several arrays become vectors as they stand"
)]

use super::super::kernels::{InstructionSet, Isa};

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
            match isa.set() {
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "`isa` proves that the processor has AVX-512")]
                InstructionSet::Avx512 => unsafe { avx512($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "`isa` proves that the processor has AVX2")]
                InstructionSet::Avx2 => unsafe { avx2($($arg),*) },
                _ => plain($($arg),*),
            }
        }
    )* };
}

/// Calls `f::<L>(first, ...)` for all channels: sixteen at a time, then those that are left in as few parts as
/// powers of two allow.
macro_rules! by_lanes {
    ($channels:expr, $f:ident, $y:expr, $($arg:expr),* $(,)?) => {{
        let (channels, mut first) = ($channels, 0);
        while first < channels {
            match channels - first {
                16.. => { $f::<16>(first, $y, $($arg),*); first += 16 }
                8.. => { $f::<8>(first, $y, $($arg),*); first += 8 }
                4.. => { $f::<4>(first, $y, $($arg),*); first += 4 }
                2.. => { $f::<2>(first, $y, $($arg),*); first += 2 }
                _ => { $f::<1>(first, $y, $($arg),*); first += 1 }
            }
        }
    }};
}

/// As [`by_lanes`], for an `f` that may do some channels twice: the last sixteen end with the last channel.
macro_rules! overlapping {
    ($channels:expr, $f:ident, $y:expr, $($arg:expr),* $(,)?) => {{
        let channels = $channels;
        if channels < 16 {
            by_lanes!(channels, $f, $y, $($arg),*);
        } else {
            for first in (0..channels).step_by(16) {
                $f::<16>(first.min(channels - 16), $y, $($arg),*);
            }
        }
    }};
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

/// tanh to 4e-7, by a quotient of polynomials: those of Eigen's `ptanh`. NaN stays NaN.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    const ODD: [f32; 7] = [
        -2.760_768_5e-16,
        2.000_188e-13,
        -8.604_672e-11,
        5.122_297e-8,
        1.485_722_4e-5,
        6.372_619_3e-4,
        4.893_524_6e-3,
    ];
    const EVEN: [f32; 4] = [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3];
    // Beyond this tanh is 1 in f32.
    let x = x.clamp(-7.905_311, 7.905_311);
    let (square, mut odd, mut even) = (x * x, 0.0, 0.0);
    for coefficient in ODD {
        odd = odd * square + coefficient;
    }
    for coefficient in EVEN {
        even = even * square + coefficient;
    }
    x * odd / even
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

    /// The first pixel of each window.
    fn corners(self) -> impl Iterator<Item = usize> {
        let row = move |row| (0..self.columns()).map(move |column| (row * self.width + column) * self.pool);
        (0..self.rows()).flat_map(row)
    }

    /// The pixels of the window that begins at this one, row by row.
    #[inline(always)]
    fn pixels(self, corner: usize) -> impl Iterator<Item = usize> {
        (0..self.pool).flat_map(move |row| (0..self.pool).map(move |x| corner + row * self.width + x))
    }
}

versions! {
    /// The sums of y - shift and of its square, channel by channel.
    fn moments(y: &[f32], shift: &[f32], sum: &mut [f64], square: &mut [f64]) {
        overlapping!(shift.len(), moments_of, y, shift, sum, square);
    }

    /// Activations of one sample, and their sums over the pixels.
    fn activate(y: &[f32], affine: Affine<'_>, out: &mut [f32], total: &mut [f32]) {
        overlapping!(total.len(), activate_of, y, affine, out, total);
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
        overlapping!(total.len(), activate_added_of, y, affine, added, outer, out, total);
    }

    /// As [`activate`], with the maximum over each window.
    fn activate_pooled(
        y: &[f32],
        affine: Affine<'_>,
        window: Window,
        out: &mut [f32],
        total: &mut [f32],
    ) {
        overlapping!(total.len(), activate_pooled_of, y, affine, window, out, total);
    }

    /// Sums over the pixels of dz and of dz * (y - centre), where dz is what reaches `y * scale + shift`.
    fn bn_backward_reduce(
        y: &[f32],
        affine: Affine<'_>,
        centre: &[f32],
        incoming: Incoming<'_>,
        dz_sum: &mut [f32],
        product_sum: &mut [f32],
    ) {
        overlapping!(centre.len(), bn_backward_reduce_of, y, affine, centre, incoming, dz_sum, product_sum);
    }

    /// As [`bn_backward_reduce`] behind a pool, whose output was `pooled`: only the first maximum of a window passes.
    fn bn_backward_reduce_pooled(
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
        overlapping!(
            channels,
            bn_backward_reduce_pooled_of,
            y,
            affine,
            centre,
            incoming,
            pooled,
            window,
            (&mut *dz_sum, &mut *product_sum)
        );
    }

    /// Replaces one sample's convolution output by the gradient there.
    fn bn_backward_input(y: &mut [f32], affine: Affine<'_>, slope: Slope<'_>, incoming: Incoming<'_>) {
        by_lanes!(slope.centre.len(), bn_backward_input_of, y, affine, slope, incoming);
    }

    /// As [`bn_backward_input`] behind a pool.
    fn bn_backward_input_pooled(
        y: &mut [f32],
        affine: Affine<'_>,
        slope: Slope<'_>,
        incoming: Incoming<'_>,
        pooled: &[f32],
        window: Window,
    ) {
        let channels = slope.centre.len();
        if !window.is_whole() {
            let inside = |pixel: usize| {
                pixel / window.width < window.rows() * window.pool
                    && pixel % window.width < window.columns() * window.pool
            };
            for (_, row) in y.chunks_exact_mut(channels).enumerate().filter(|(pixel, _)| !inside(*pixel)) {
                for c in 0..channels {
                    row[c] = slope.offset[c] + slope.slope[c] * (row[c] - slope.centre[c]);
                }
            }
        }
        by_lanes!(channels, bn_backward_input_pooled_of, y, affine, slope, incoming, pooled, window);
    }

    /// `relu(tanh(z + bias))` of one row, in place.
    fn masks(z: &mut [f32], bias: &[f32]) {
        for (z, bias) in z.iter_mut().zip(bias) {
            *z = above(tanh(*z + bias), 0.0);
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

/// Some neighbouring channels of a row. Sums over pixels of so many stay in registers.
#[inline(always)]
fn of<const L: usize>(row: &[f32], first: usize) -> [f32; L] {
    match row[first..].first_chunk() {
        Some(lanes) => *lanes,
        None => unreachable!("the channels from `first` on are at least L"),
    }
}

/// Sums of neighbouring channels: of the rows of a block in f32, of the blocks in f64.
struct BlockSums<const L: usize> {
    block: [f32; L],
    closed: [f64; L],
}

impl<const L: usize> Default for BlockSums<L> {
    #[inline(always)]
    fn default() -> Self {
        BlockSums { block: [0.0; L], closed: [0.0; L] }
    }
}

impl<const L: usize> BlockSums<L> {
    /// Begins the next block.
    #[inline(always)]
    fn close(&mut self) {
        for c in 0..L {
            self.closed[c] += f64::from(self.block[c]);
        }
        self.block = [0.0; L];
    }

    #[inline(always)]
    fn total(mut self) -> [f32; L] {
        self.close();
        self.closed.map(|sum| sum as f32)
    }
}

#[inline(always)]
fn moments_of<const L: usize>(first: usize, y: &[f32], shift: &[f32], sum: &mut [f64], square: &mut [f64]) {
    let (channels, shift) = (shift.len(), of::<L>(shift, first));
    let (mut sums, mut squares) = ([0f64; L], [0f64; L]);
    for block in y.chunks(SUMMED_ROWS * channels) {
        let (mut block_sums, mut block_squares) = ([0f32; L], [0f32; L]);
        for row in block.chunks_exact(channels) {
            let y = of::<L>(row, first);
            for c in 0..L {
                let centred = y[c] - shift[c];
                block_sums[c] += centred;
                block_squares[c] += centred * centred;
            }
        }
        for c in 0..L {
            sums[c] += f64::from(block_sums[c]);
            squares[c] += f64::from(block_squares[c]);
        }
    }
    sum[first..first + L].copy_from_slice(&sums);
    square[first..first + L].copy_from_slice(&squares);
}

#[inline(always)]
fn activate_of<const L: usize>(
    first: usize,
    y: &[f32],
    affine: Affine<'_>,
    out: &mut [f32],
    total: &mut [f32],
) {
    let channels = total.len();
    let (scale, shift) = (of::<L>(affine.scale, first), of::<L>(affine.shift, first));
    let mut sums = [0f32; L];
    for (row, out) in y.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
        let mut a = of::<L>(row, first);
        for c in 0..L {
            a[c] = above(a[c] * scale[c] + shift[c], affine.floor);
            sums[c] += a[c];
        }
        out[first..first + L].copy_from_slice(&a);
    }
    total[first..first + L].copy_from_slice(&sums);
}

#[inline(always)]
fn activate_added_of<const L: usize>(
    first: usize,
    y: &[f32],
    affine: Affine<'_>,
    added: &[f32],
    outer: f32,
    out: &mut [f32],
    total: &mut [f32],
) {
    let channels = total.len();
    let (scale, shift) = (of::<L>(affine.scale, first), of::<L>(affine.shift, first));
    let mut sums = [0f32; L];
    let rows = y.chunks_exact(channels).zip(added.chunks_exact(channels));
    for ((row, added), out) in rows.zip(out.chunks_exact_mut(channels)) {
        let (mut a, added) = (of::<L>(row, first), of::<L>(added, first));
        for c in 0..L {
            a[c] = above(above(a[c] * scale[c] + shift[c], affine.floor) + added[c], outer);
            sums[c] += a[c];
        }
        out[first..first + L].copy_from_slice(&a);
    }
    total[first..first + L].copy_from_slice(&sums);
}

#[inline(always)]
fn activate_pooled_of<const L: usize>(
    first: usize,
    y: &[f32],
    affine: Affine<'_>,
    window: Window,
    out: &mut [f32],
    total: &mut [f32],
) {
    let channels = total.len();
    let (scale, shift) = (of::<L>(affine.scale, first), of::<L>(affine.shift, first));
    let mut sums = [0f32; L];
    for (corner, out) in window.corners().zip(out.chunks_exact_mut(channels)) {
        let y_first = of::<L>(&y[corner * channels..], first);
        let mut best = [0f32; L];
        for c in 0..L {
            best[c] = above(y_first[c] * scale[c] + shift[c], affine.floor);
        }
        for pixel in window.pixels(corner) {
            let y = of::<L>(&y[pixel * channels..], first);
            for c in 0..L {
                let a = above(y[c] * scale[c] + shift[c], affine.floor);
                best[c] = if a > best[c] || a.is_nan() { a } else { best[c] };
            }
        }
        for c in 0..L {
            sums[c] += best[c];
        }
        out[first..first + L].copy_from_slice(&best);
    }
    total[first..first + L].copy_from_slice(&sums);
}

#[inline(always)]
fn bn_backward_reduce_of<const L: usize>(
    first: usize,
    y: &[f32],
    affine: Affine<'_>,
    centre: &[f32],
    incoming: Incoming<'_>,
    dz_sum: &mut [f32],
    product_sum: &mut [f32],
) {
    let channels = centre.len();
    let (scale, shift) = (of::<L>(affine.scale, first), of::<L>(affine.shift, first));
    let (centre, channel) = (of::<L>(centre, first), of::<L>(incoming.channel, first));
    let (mut dz_sums, mut product_sums) = (BlockSums::<L>::default(), BlockSums::<L>::default());
    let block = SUMMED_ROWS * channels;
    for (y, each) in y.chunks(block).zip(incoming.each.chunks(block)) {
        for (row, each) in y.chunks_exact(channels).zip(each.chunks_exact(channels)) {
            let (y, each) = (of::<L>(row, first), of::<L>(each, first));
            for c in 0..L {
                let passes = y[c] * scale[c] + shift[c] > affine.floor;
                let dz = if passes { each[c] + channel[c] } else { 0.0 };
                dz_sums.block[c] += dz;
                product_sums.block[c] += dz * (y[c] - centre[c]);
            }
        }
        dz_sums.close();
        product_sums.close();
    }
    dz_sum[first..first + L].copy_from_slice(&dz_sums.total());
    product_sum[first..first + L].copy_from_slice(&product_sums.total());
}

#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "each is a row of numbers that the inner loop reads")]
fn bn_backward_reduce_pooled_of<const L: usize>(
    first: usize,
    y: &[f32],
    affine: Affine<'_>,
    centre: &[f32],
    incoming: Incoming<'_>,
    pooled: &[f32],
    window: Window,
    (dz_sum, product_sum): (&mut [f32], &mut [f32]),
) {
    let channels = centre.len();
    let (scale, shift) = (of::<L>(affine.scale, first), of::<L>(affine.shift, first));
    let (centre, channel) = (of::<L>(centre, first), of::<L>(incoming.channel, first));
    let (mut dz_sums, mut product_sums) = (BlockSums::<L>::default(), BlockSums::<L>::default());
    let rows = incoming.each.chunks_exact(channels).zip(pooled.chunks_exact(channels));
    for (index, (corner, (each, pooled))) in window.corners().zip(rows).enumerate() {
        if index % SUMMED_ROWS == 0 {
            dz_sums.close();
            product_sums.close();
        }
        let (each, pooled) = (of::<L>(each, first), of::<L>(pooled, first));
        let mut left = each;
        for c in 0..L {
            left[c] += channel[c];
        }
        for pixel in window.pixels(corner) {
            let y = of::<L>(&y[pixel * channels..], first);
            for c in 0..L {
                let z = y[c] * scale[c] + shift[c];
                let hit = above(z, affine.floor) == pooled[c];
                let dz = if hit & (z > affine.floor) { left[c] } else { 0.0 };
                left[c] = if hit { 0.0 } else { left[c] };
                dz_sums.block[c] += dz;
                product_sums.block[c] += dz * (y[c] - centre[c]);
            }
        }
    }
    dz_sum[first..first + L].copy_from_slice(&dz_sums.total());
    product_sum[first..first + L].copy_from_slice(&product_sums.total());
}

#[inline(always)]
fn bn_backward_input_of<const L: usize>(
    first: usize,
    y: &mut [f32],
    affine: Affine<'_>,
    slope: Slope<'_>,
    incoming: Incoming<'_>,
) {
    let channels = slope.centre.len();
    let (scale, shift) = (of::<L>(affine.scale, first), of::<L>(affine.shift, first));
    let (gain, offset) = (of::<L>(slope.gain, first), of::<L>(slope.offset, first));
    let (tilt, centre) = (of::<L>(slope.slope, first), of::<L>(slope.centre, first));
    let channel = of::<L>(incoming.channel, first);
    for (row, each) in y.chunks_exact_mut(channels).zip(incoming.each.chunks_exact(channels)) {
        let (y, each) = (of::<L>(row, first), of::<L>(each, first));
        let mut gradient = [0f32; L];
        for c in 0..L {
            let passes = y[c] * scale[c] + shift[c] > affine.floor;
            let dz = if passes { each[c] + channel[c] } else { 0.0 };
            gradient[c] = gain[c] * dz + (offset[c] + tilt[c] * (y[c] - centre[c]));
        }
        row[first..first + L].copy_from_slice(&gradient);
    }
}

#[inline(always)]
fn bn_backward_input_pooled_of<const L: usize>(
    first: usize,
    y: &mut [f32],
    affine: Affine<'_>,
    slope: Slope<'_>,
    incoming: Incoming<'_>,
    pooled: &[f32],
    window: Window,
) {
    let channels = slope.centre.len();
    let (scale, shift) = (of::<L>(affine.scale, first), of::<L>(affine.shift, first));
    let (gain, offset) = (of::<L>(slope.gain, first), of::<L>(slope.offset, first));
    let (tilt, centre) = (of::<L>(slope.slope, first), of::<L>(slope.centre, first));
    let channel = of::<L>(incoming.channel, first);
    let rows = incoming.each.chunks_exact(channels).zip(pooled.chunks_exact(channels));
    for (corner, (each, pooled)) in window.corners().zip(rows) {
        let (each, pooled) = (of::<L>(each, first), of::<L>(pooled, first));
        let mut left = each;
        for c in 0..L {
            left[c] += channel[c];
        }
        for pixel in window.pixels(corner) {
            let row = &mut y[pixel * channels + first..][..L];
            let y = of::<L>(row, 0);
            let mut gradient = [0f32; L];
            for c in 0..L {
                let z = y[c] * scale[c] + shift[c];
                let hit = above(z, affine.floor) == pooled[c];
                let dz = if hit & (z > affine.floor) { left[c] } else { 0.0 };
                left[c] = if hit { 0.0 } else { left[c] };
                gradient[c] = gain[c] * dz + (offset[c] + tilt[c] * (y[c] - centre[c]));
            }
            row.copy_from_slice(&gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_relu_of_tanh_to_a_few_roundings() {
        for isa in Isa::available() {
            let z: Vec<f32> = (-4000..4000).map(|i| (i as f32 / 400.0).powi(3) / 30.0).collect();
            let mut masks = z.clone();
            super::masks(isa, &mut masks, &vec![0.25; z.len()]);
            for (z, mask) in z.iter().zip(masks) {
                let exact = f64::from(z + 0.25).tanh().max(0.0);
                assert!((f64::from(mask) - exact).abs() <= 4e-7 * exact, "{isa:?} {z}: {mask} {exact}");
            }
            let mut odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
            super::masks(isa, &mut odd, &[0.0; 3]);
            assert!(odd[0].is_nan() && odd[1..] == [1.0, 0.0]);
        }
    }
}
