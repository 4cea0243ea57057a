//! How one convolution is computed: its scheme and the layout of its intermediate results.

use crate::{ConvShape, InstructionSet, Isa};

/// Which products a convolution becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Winograd's F(4x4, 3x3): tiles of 4x4 outputs, 36 products.
    F4x4,
    /// Maps of 2x2 pixels, 9 products.
    F2x2,
    /// One product, with a row of inputs for every output pixel.
    Im2col,
}

/// Columns of a matrix in blocks. The last has room for as many as the others, but only the vectors that hold
/// columns are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
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
    /// The block width whose products take least time, roughly: the narrower a block is, the more values of A each of its
    /// multiply-adds needs.
    pub(crate) fn of(columns: usize, isa: Isa) -> Self {
        let used = columns.div_ceil(isa.lanes());
        let widest = isa.widths()[0];
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

    /// Values of a row of all blocks, with the room in the last.
    pub(crate) fn len(&self) -> usize {
        self.width * self.count
    }

    /// Vectors of a block that hold columns.
    pub(crate) fn vectors_of(&self, block: usize) -> usize {
        self.vectors.min(self.used - block * self.vectors)
    }
}

/// The plan of a convolution.
///
/// With P points, T tiles a sample and depth K, the input becomes `[P][samples * T][K]`, the weights
/// `[P][blocks of cout][K][block]` and the output `[P][samples * T][cout]`; each point is one product.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub shape: ConvShape,
    pub isa: Isa,
    pub threads: usize,
    pub scheme: Scheme,
    /// Products.
    pub points: usize,
    /// Rows and columns of tiles; with [`Scheme::Im2col`], of output pixels.
    pub grid: [usize; 2],
    /// Positions of the kernel that meet the input anywhere, row by row; one with the other schemes.
    pub taps: Vec<[usize; 2]>,
    /// Values of a row of the transformed input.
    pub depth: usize,
    /// The output channels as columns of the product that gives the output.
    pub n: Blocks,
    /// The transformed input's values, as columns of the product that gives its gradient.
    pub k: Blocks,
    /// Values from row to row of the transformed input and output.
    pub row: usize,
    /// The input has the form of the transformed input already.
    pub direct: bool,
}

/// Values between planes beyond what they hold, so that the same place in many planes does not fall into the
/// same cache set.
pub(crate) const GAP: usize = 80;

/// Multiply-adds a nanosecond of one thread, and values a nanosecond from memory. Rough: the machine of
/// docs/benchmarks.md reaches 138 and 8 at most. Only their ratio matters, and only for small batches, where reading the
/// weights costs as much as using them.
const MACS_PER_NS: f64 = 45.0;
const VALUES_PER_NS: f64 = 5.0;

/// Threads work on chunks of their own from so many samples a thread on.
const SAMPLES_A_THREAD: usize = 8;

/// Values of packed weights that each thread may read for itself on small maps (8 MB), and of whose gradient each may
/// hold a sum (4 MB). Measured (docs/benchmarks.md): a layer of 48 to 97 channels at 8x8, well below, takes 0.70 ms with
/// chunks of its own a thread and 0.90 ms with shared ones; 512 channels at 4x4, above, 11.0 ms when weights are read
/// once a chunk and 9.7 ms when they are read once a pass.
const WEIGHTS_TO_READ: usize = 1 << 21;
const GRADIENT_TO_HOLD: usize = 1 << 20;

/// Values of a chunk's intermediate results: 1.6 MB where each thread has a chunk, of which a phase touches a part, and
/// 12 MB where they share one. The machine of docs/benchmarks.md has caches of 1 MiB a core and 32 MiB for all.
const OWN_CHUNK: usize = 400 << 10;
const SHARED_CHUNK: usize = 3 << 20;

/// Rounds up to vectors of the widest set, and away from distances that fall into few cache sets.
fn spaced(len: usize) -> usize {
    let rounded = len.next_multiple_of(16);
    if rounded.is_multiple_of(128) { rounded + 16 } else { rounded }
}

impl Plan {
    pub(crate) fn new(shape: ConvShape, isa: Isa, threads: usize) -> Self {
        let threads = threads.max(1);
        Plan::with_scheme(shape, isa, threads, fastest_scheme(&shape, threads))
    }

    pub(crate) fn with_scheme(shape: ConvShape, isa: Isa, threads: usize, scheme: Scheme) -> Self {
        let (points, side) = match scheme {
            Scheme::F4x4 => (36, 4),
            Scheme::F2x2 => (9, 2),
            Scheme::Im2col => (1, 1),
        };
        let taps = match scheme {
            Scheme::Im2col => useful_taps(&shape),
            _ => vec![[0, 0]],
        };
        let depth = taps.len() * shape.cin;
        let (n, k) = (Blocks::of(shape.cout, isa), Blocks::of(depth, isa));
        let grid = [shape.out_height().div_ceil(side), shape.out_width().div_ceil(side)];
        let same = [shape.out_height(), shape.out_width()] == [shape.height, shape.width];
        let direct = scheme == Scheme::Im2col && taps.len() == 1 && shape.stride == 1 && same;
        let row = spaced(k.used.max(n.used) * isa.lanes());
        Plan { shape, isa, threads, scheme, points, grid, taps, depth, n, k, row, direct }
    }

    /// Whether every output pixel's inputs can be read from its window of the padded image, without copying them to a row
    /// first: rows of all taps, each a run of values in the image.
    pub(crate) fn reads_windows(&self) -> bool {
        let whole = self.taps.len() == self.shape.kernel * self.shape.kernel;
        self.scheme == Scheme::Im2col && !self.direct && whole
    }

    /// Values of an image with its padding.
    pub(crate) fn padded_len(&self) -> usize {
        let s = &self.shape;
        (s.height + 2 * s.padding) * (s.width + 2 * s.padding) * s.cin
    }

    /// Tiles of a sample.
    pub(crate) fn tiles(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// Values of one point's packed weights.
    pub(crate) fn weight_plane(&self) -> usize {
        self.depth * self.n.len() + GAP
    }

    /// Whether to give each thread its own chunks (better cache locality). Needs enough samples per thread, and either
    /// large maps or weights small enough to be read by every thread. Backward each also holds a gradient of the weights.
    pub(crate) fn chunk_per_thread(&self, batch: usize, backward: bool) -> bool {
        let weights = self.points * self.weight_plane();
        let worthwhile = match (self.tiles() >= 16, backward) {
            (true, false) => true,
            (true, true) => weights <= GRADIENT_TO_HOLD,
            (false, false) => weights <= WEIGHTS_TO_READ,
            (false, true) => false,
        };
        worthwhile && batch >= SAMPLES_A_THREAD * self.threads
    }

    /// Samples that are worked on together: enough rows to use each block of weights well, but not much more than the
    /// caches hold, a core's own with `per_thread`. Where the weights alone exceed the cache, as much as they are, since
    /// every chunk reads them again.
    pub(crate) fn chunk(&self, batch: usize, matrices: usize, per_thread: bool) -> usize {
        let shared = SHARED_CHUNK.max(self.points * self.weight_plane());
        let (cached, rows, all) = match per_thread {
            true => (OWN_CHUNK, 64, batch.div_ceil(self.threads)),
            false => (shared, 128, batch),
        };
        let tiles = self.tiles();
        let sample = self.points * tiles * self.row * matrices;
        let most = (cached / sample).max(usize::div_ceil(rows, tiles)).clamp(1, all.max(1));
        batch.max(1).div_ceil(batch.max(1).div_ceil(most))
    }

    /// The share of the channels below which leaving the others out saves time: forming groups and products of few rows
    /// cost something. Small maps have few rows a group; backward they then spend most of the time on the weights'
    /// gradient, which is read and written once a group.
    pub(crate) fn skip_below(&self, backward: bool) -> f64 {
        match (backward, self.tiles()) {
            (false, _) => 0.8,
            (true, 0..=8) => 0.6,
            _ => 0.75,
        }
    }

    /// Samples of a group that shares a list of input channels. The first: 48 rows, enough to use each weight well, for
    /// samples with nearly the same channels. The second, for others: 8 rows, so that a group has few channels. With both
    /// a layer of 512 channels at 4x4 takes 2.5 ms forward in place of 3.8 at density 0.3 (docs/benchmarks.md).
    pub(crate) fn group_sizes(&self) -> [usize; 2] {
        [(48, 12), (8, 4)].map(|(rows, most)| (rows / self.tiles().max(1)).clamp(1, most))
    }

    /// Samples of a group that shares lists of input and output channels: 64 rows, as the weights are copied for it.
    pub(crate) fn group_size_of_both(&self) -> usize {
        (64 / self.tiles().max(1)).clamp(1, 8)
    }

    /// The time of a row in a group with these numbers of input and output channels and of rows, over that with all
    /// channels. Copying a vector of weights costs as much as 8 products with it (docs/benchmarks.md: outputs that masks
    /// make zero); where no instruction compresses vectors, values are copied one by one.
    pub(crate) fn relative_cost(&self, inputs: usize, outputs: usize, rows: usize) -> f64 {
        let lanes = self.isa.lanes();
        let (whole, rest) = (outputs / self.n.width, outputs % self.n.width);
        let rest = if rest == 0 { 0 } else { self.vectors_for(rest) };
        let products = ((whole * self.n.vectors + rest) * lanes) as f64;
        let packing = match self.isa.set() {
            InstructionSet::Avx512 => 8.0 * (self.n.used * lanes) as f64,
            _ => 24.0 * outputs as f64,
        };
        let share = inputs as f64 / self.shape.cin as f64;
        share * (products + packing / rows.max(1) as f64) / (self.n.used * lanes) as f64
    }

    /// Vectors of a block, for so many values of it.
    pub(crate) fn vectors_for(&self, values: usize) -> usize {
        values.div_ceil(self.isa.lanes()).min(self.n.vectors)
    }
}

/// The scheme for a shape: the one that takes least time for its products and for reading its weights.
fn fastest_scheme(s: &ConvShape, threads: usize) -> Scheme {
    if [s.kernel, s.stride, s.padding] != [3, 1, 1] || s.cin < 8 {
        return Scheme::Im2col;
    }
    let cost = |products: usize, tiles: usize| {
        let weights = (products * s.cin * s.cout) as f64;
        let macs = (s.batch * tiles * products * s.cin * s.cout) as f64;
        macs / (threads as f64 * MACS_PER_NS) + weights / VALUES_PER_NS
    };
    let im2col = cost(9, s.height * s.width);
    let winograd = cost(36, s.height.div_ceil(4) * s.width.div_ceil(4));
    match (s.height, s.width) {
        (2, 2) => Scheme::F2x2,
        (4.., 4..) if winograd < im2col => Scheme::F4x4,
        _ => Scheme::Im2col,
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
