//! How one convolution is computed: its scheme and the layout of its intermediate results.

use super::{ConvShape, Isa};

/// Which products a convolution becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Tiles of 4x4 outputs at 36 points.
    Four,
    /// Images of 2x2 pixels at 9 points.
    Two,
    /// One product: a row of inputs for every output pixel.
    Rows,
}

/// Columns of a matrix in blocks. The last has room for as many as the others, but only the vectors that hold
/// columns are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Vectors of a block.
    pub vectors: usize,
    /// Values of a block.
    pub width: usize,
    /// Blocks.
    pub count: usize,
    /// Vectors that hold columns, of all blocks.
    pub used: usize,
}

impl Blocks {
    /// The blocks whose products take least time.
    pub(super) fn of(columns: usize, isa: Isa) -> Self {
        let used = columns.div_ceil(isa.lanes());
        let widest = isa.widths()[0];
        // Roughly, of one block: the narrower it is, the more loads each of its vectors' products needs.
        let cost = |vectors: usize| match vectors {
            0 => 0,
            _ if vectors == widest => 10 * vectors,
            1 => 13,
            _ => 11 * vectors,
        };
        let of_all = |vectors: &usize| used / *vectors * cost(*vectors) + cost(used % *vectors);
        let vectors = isa.widths().iter().copied().filter(|&vectors| vectors <= used).min_by_key(of_all);
        let vectors = vectors.unwrap_or(1);
        Blocks { vectors, width: vectors * isa.lanes(), count: used.div_ceil(vectors), used }
    }

    /// Values that there is room for in all blocks.
    pub(super) fn len(&self) -> usize {
        self.width * self.count
    }

    /// Vectors of a block that hold columns.
    pub(super) fn vectors_of(&self, block: usize) -> usize {
        self.vectors.min(self.used - block * self.vectors)
    }
}

/// The plan of a convolution.
///
/// With P points, T tiles a sample and depth K, the input becomes `[P][samples * T][K]`, the weights
/// `[P][blocks of cout][K][block]` and the output `[P][samples * T][cout]`; each point is one product.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub shape: ConvShape,
    pub isa: Isa,
    pub threads: usize,
    pub scheme: Scheme,
    pub points: usize,
    /// Rows and columns of tiles; with [`Scheme::Rows`], of output pixels.
    pub grid: [usize; 2],
    /// Positions of the kernel that meet the input anywhere, row by row; one with the other schemes.
    pub taps: Vec<[usize; 2]>,
    /// Values of a row of the transformed input.
    pub depth: usize,
    /// Output channels.
    pub n: Blocks,
    /// The transformed input's values, as columns of the product that gives its gradient.
    pub k: Blocks,
    /// Distance of rows of the transformed input and of the transformed output.
    pub rows: [usize; 2],
    /// The transformed input is the input itself.
    pub direct: bool,
}

/// Values between planes beyond what they hold, so that the same place in many planes does not fall into the
/// same cache set.
pub(super) const GAP: usize = 80;

/// Multiply-adds a nanosecond of one thread, and values a nanosecond from memory: what a plan for few
/// samples weighs. Only their ratio matters, and only roughly.
const MACS: f64 = 45.0;
const VALUES: f64 = 5.0;

/// Rounds up to vectors of the widest set, and away from distances that fall into few cache sets.
pub(super) fn spaced(len: usize) -> usize {
    let rounded = len.next_multiple_of(16);
    if rounded.is_multiple_of(128) { rounded + 16 } else { rounded }
}

impl Plan {
    pub(super) fn new(shape: ConvShape, isa: Isa, threads: usize) -> Self {
        let threads = threads.max(1);
        Plan::with_scheme(shape, isa, threads, scheme(&shape, threads))
    }

    pub(super) fn with_scheme(shape: ConvShape, isa: Isa, threads: usize, scheme: Scheme) -> Self {
        let (points, side) = match scheme {
            Scheme::Four => (36, 4),
            Scheme::Two => (9, 2),
            Scheme::Rows => (1, 1),
        };
        let taps = match scheme {
            Scheme::Rows => useful_taps(&shape),
            _ => vec![[0, 0]],
        };
        let depth = taps.len() * shape.cin;
        let (n, k) = (Blocks::of(shape.cout, isa), Blocks::of(depth, isa));
        let grid = [shape.out_height().div_ceil(side), shape.out_width().div_ceil(side)];
        let same = [shape.out_height(), shape.out_width()] == [shape.height, shape.width];
        let direct = scheme == Scheme::Rows && taps.len() == 1 && shape.stride == 1 && same;
        let rows = [&k, &n].map(|blocks| spaced(blocks.used * isa.lanes()));
        Plan { shape, isa, threads, scheme, points, grid, taps, depth, n, k, rows, direct }
    }

    /// Whether every output pixel's inputs can be read from its window of the image.
    pub(super) fn windows(&self) -> bool {
        let whole = self.taps.len() == self.shape.kernel * self.shape.kernel;
        self.scheme == Scheme::Rows && !self.direct && whole
    }

    /// Values of an image with zeros around it.
    pub(super) fn padded(&self) -> usize {
        let s = &self.shape;
        (s.height + 2 * s.padding) * (s.width + 2 * s.padding) * s.cin
    }

    /// Tiles of a sample.
    pub(super) fn tiles(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// Values of one point's transformed weights.
    pub(super) fn weight_plane(&self) -> usize {
        self.depth * self.n.len() + GAP
    }

    /// Whether each thread takes chunks of its own, so that what it makes stays near it: where there is work for all,
    /// and a few samples have rows enough or it costs little that each reads all weights. On the way back each also
    /// has a sum of the weights' gradient.
    pub(super) fn alone(&self, batch: usize, backward: bool) -> bool {
        let weights = self.points * self.weight_plane();
        let worthwhile = match (self.tiles() >= 16, backward) {
            (true, false) => true,
            (true, true) => weights <= 1 << 20,
            (false, false) => weights <= 1 << 21,
            (false, true) => false,
        };
        worthwhile && batch >= 8 * self.threads
    }

    /// Samples that are worked on together: enough rows to use each block of weights well, but not much more
    /// than the caches hold, a core's own if threads work `alone`; where all weights are more than that, as much as
    /// they are, since every chunk reads them again.
    pub(super) fn chunk(&self, batch: usize, matrices: usize, alone: bool) -> usize {
        let shared = (3 << 20).max(self.points * self.weight_plane());
        let (cached, rows, all) = match alone {
            true => (400 << 10, 64, batch.div_ceil(self.threads)),
            false => (shared, 128, batch),
        };
        let tiles = self.tiles();
        let sample = self.points * tiles * self.rows[0].max(self.rows[1]) * matrices;
        let most = (cached / sample).max(usize::div_ceil(rows, tiles)).clamp(1, all.max(1));
        batch.max(1).div_ceil(batch.max(1).div_ceil(most))
    }

    /// The part of the channels below which leaving the others out saves time. Small images have few rows to a
    /// group, and then most of all the sum of the weights' gradient, which is read and written once a group.
    pub(super) fn worthwhile(&self, backward: bool) -> f64 {
        match (backward, self.tiles()) {
            (false, _) => 0.8,
            (true, 0..=8) => 0.6,
            _ => 0.75,
        }
    }

    /// Samples of a group that shares a list of channels: where many have nearly the same, so that a group has rows
    /// enough to use each of its weights well, and where they have not, so that it has more than one row.
    pub(super) fn groups(&self) -> [usize; 2] {
        [(48, 12), (8, 4)].map(|(rows, most)| (rows / self.tiles().max(1)).clamp(1, most))
    }

    /// Samples of a group that shares lists of channels on both sides: more, as the weights are copied for it.
    pub(super) fn group_of_both(&self) -> usize {
        (64 / self.tiles().max(1)).clamp(1, 8)
    }

    /// What a group with these numbers of input and output channels and of rows costs a row, against all channels.
    pub(super) fn cost_of_both(&self, inputs: usize, outputs: usize, rows: usize) -> f64 {
        let lanes = self.isa.lanes();
        let (whole, rest) = (outputs / self.n.width, outputs % self.n.width);
        let rest = if rest == 0 { 0 } else { self.vectors_for(rest) };
        let products = ((whole * self.n.vectors + rest) * lanes) as f64;
        // A vector that is picked costs as much as some products with it; one by one where no instruction does it.
        let picking = match self.isa {
            Isa::Avx512 => 8.0 * (self.n.used * lanes) as f64,
            _ => 24.0 * outputs as f64,
        };
        let share = inputs as f64 / self.shape.cin as f64;
        share * (products + picking / rows.max(1) as f64) / (self.n.used * lanes) as f64
    }

    /// Vectors of a block, for so many values of it.
    pub(super) fn vectors_for(&self, values: usize) -> usize {
        values.div_ceil(self.isa.lanes()).min(self.n.vectors)
    }
}

/// The scheme for a shape: the one that takes least time for its products and for reading its weights.
fn scheme(s: &ConvShape, threads: usize) -> Scheme {
    if [s.kernel, s.stride, s.padding] != [3, 1, 1] || s.cin < 8 {
        return Scheme::Rows;
    }
    let cost = |products: usize, tiles: usize, weights: usize| {
        let weights = (weights * s.cin * s.cout) as f64;
        let macs = (s.batch * tiles * products * s.cin * s.cout) as f64;
        macs / (threads as f64 * MACS) + weights / VALUES
    };
    let rows = cost(9, s.height * s.width, 9);
    match (s.height, s.width) {
        (2, 2) => Scheme::Two,
        (4.., 4..) if cost(36, s.height.div_ceil(4) * s.width.div_ceil(4), 36) < rows => Scheme::Four,
        _ => Scheme::Rows,
    }
}

/// The positions of the kernel that meet the input for at least one output.
fn useful_taps(s: &ConvShape) -> Vec<[usize; 2]> {
    let meets = |tap: usize, outputs: usize, inputs: usize| {
        (0..outputs).any(|o| (s.padding..s.padding + inputs).contains(&(o * s.stride + tap)))
    };
    let rows = (0..s.kernel).filter(|&y| meets(y, s.out_height(), s.height));
    rows.flat_map(|y| (0..s.kernel).map(move |x| [y, x]))
        .filter(|&[_, x]| meets(x, s.out_width(), s.width))
        .collect()
}
