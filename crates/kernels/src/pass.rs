//! What the jobs of a pass share, and its products: one for each point, of all samples of a chunk.
//!
//! ```text
//!   output           Y[p] = X[p] W[p]          batched_gemm
//!   input gradient   dX[p] = dY[p] W[p]t       input_gradient
//!   weight gradient  dW[p] += X[p]t dY[p]      weight_gradient
//! ```
//!
//! X, Y and W are the transformed input, output and weights; with im2col there is one point, and X holds patches. Groups
//! of samples that use some channels only have products with the rows of W that they use.

use std::ops::Range;

use crate::Isa;
use crate::epilogue::RawEpilogue;
use crate::filter_transform;
use crate::gemm::{GemmNN, GemmNT, GemmTN, Reduction};
use crate::groups::Groups;
use crate::pack::{PackColumns, PackTransposed};
use crate::plan::Plan;
use crate::pool::Part;
use crate::ptr::SendPtr;
use crate::simd::warm_cache_at;

/// Matrices in the domain of the products, one a point: rows (tiles or pixels of all samples) by values.
#[derive(Clone, Copy)]
pub(crate) struct Planes {
    pub at: SendPtr,
    /// Values from row to row.
    pub row: usize,
    /// Values from point to point.
    pub plane: usize,
}

/// Images, `[samples][pixels][channels]`: of a batch, or of a chunk in the order of the groups.
#[derive(Clone, Copy)]
pub(crate) struct Images {
    pub at: SendPtr,
    /// Values from sample to sample.
    pub sample: usize,
    /// The first position of the chunk whose images they are.
    pub of_chunk: Option<usize>,
}

/// Which image of a convolution.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Input,
    Output,
}

/// Samples that are worked on together: positions in the order of the groups.
#[derive(Clone, Copy)]
pub(crate) struct Chunk {
    pub first: usize,
    pub samples: usize,
}

/// How a worker's part of the workspace is divided: a copy of a sample's image; a place for values that nobody reads; a
/// block of packed weights.
pub(crate) struct WorkerLayout {
    /// The whole.
    pub len: usize,
    /// The image.
    pub copy: usize,
    spare: usize,
}

impl WorkerLayout {
    pub(crate) fn of(plan: &Plan) -> Self {
        let s = &plan.shape;
        let image = (s.height * s.width * s.cin.next_multiple_of(16))
            .max(s.out_height() * s.out_width() * s.cout.next_multiple_of(16));
        let spare = s.cin.max(s.cout).next_multiple_of(16);
        let packed = plan.depth * plan.n.width;
        let block = (plan.n.len() * plan.k.width).max(filter_transform::worker_len(plan)).max(packed);
        let copy = image + 32;
        WorkerLayout { len: (copy + spare + block).next_multiple_of(16) + 16, copy, spare }
    }
}

/// A chunk's images as windows, read in place (implicit im2col): where that of an output pixel begins.
#[derive(Clone, Copy)]
pub(crate) struct Windows {
    pub at: SendPtr,
    /// Values from image to image, from a row of output pixels to the next, and between neighbours in a row.
    pub sample: usize,
    pub row: usize,
    pub column: usize,
    /// Values of a window that follow each other, and from one such run to the next.
    pub run: usize,
    pub pitch: usize,
}

/// Everything that the jobs of a pass share.
pub(crate) struct Pass<'a> {
    pub plan: &'a Plan,
    /// Threads that share a chunk.
    pub threads: usize,
    /// Groups of samples with lists of channels, or none if all channels are used.
    pub groups: Option<&'a Groups>,
    pub input: Planes,
    /// The transformed output, or backward its gradient.
    pub output: Planes,
    /// In place of the transformed input, where each output pixel's inputs are read from the image.
    pub windows: Option<Windows>,
    /// What outputs become before they are written.
    pub epilogue: Option<RawEpilogue>,
    /// The workers' parts of the workspace, one after the other.
    pub workers: SendPtr,
    pub worker_layout: WorkerLayout,
    /// As many zeros as an image has channels.
    pub zeros: SendPtr,
}

/// How many jobs a product is cut into: points, blocks of columns, and parts of the rows.
pub(crate) struct GemmJobs {
    pub points: usize,
    pub blocks: usize,
    pub parts: usize,
}

impl GemmJobs {
    pub(crate) fn len(&self) -> usize {
        self.points * self.blocks * self.parts
    }

    /// The `index`-th: point by point, then block by block.
    pub(crate) fn nth(&self, index: usize) -> GemmJob {
        let (rest, of) = (index / self.parts, self.parts);
        GemmJob { point: rest / self.blocks, block: rest % self.blocks, part: Part { index: index % of, of } }
    }
}

/// One job of a product.
#[derive(Clone, Copy)]
pub(crate) struct GemmJob {
    point: usize,
    block: usize,
    part: Part,
}

/// The sum to which a chunk's weight gradient is added.
#[derive(Clone, Copy)]
pub(crate) struct WeightGradient {
    /// Like packed weights.
    pub at: SendPtr,
    /// Nothing is in it yet: the chunk's gradient overwrites it.
    pub fresh: bool,
}

/// Rows of a group from which on it pays to transpose the weights of its channels: for fewer, products along the output
/// channels need no other layout.
const ROWS_TO_TRANSPOSE: usize = 16;

/// Values of weights that stay in a core's own cache while groups take turns (256 KB).
const RESIDENT: usize = 64 << 10;

/// Rows of a job at least, where a product is cut to give every thread some; for the input's gradient more, as each job
/// transposes the weights.
const ROWS_A_JOB: usize = 48;
const ROWS_A_TRANSPOSE: usize = 96;

/// The rows of a group in a chunk.
struct GroupRows {
    group: usize,
    /// The first row in the chunk, and how many.
    first: usize,
    rows: usize,
}

impl Pass<'_> {
    pub(crate) fn isa(&self) -> Isa {
        self.plan.isa
    }

    /// The image at a position.
    ///
    /// # Safety
    ///
    /// The position is one of the batch, and one of the chunk where the images are a chunk's.
    pub(crate) unsafe fn image(&self, images: Images, position: usize) -> *mut f32 {
        let index = images.of_chunk.map_or_else(|| self.sample(position), |first| position - first);
        // SAFETY: there is an image for each of those positions.
        unsafe { images.at.at(index * images.sample) }
    }

    /// The sample at a position.
    pub(crate) fn sample(&self, position: usize) -> usize {
        self.groups.map_or(position, |groups| groups.order[position] as usize)
    }

    /// The groups of a chunk that have some of these rows, with those rows.
    fn groups_of<'g>(
        &self,
        groups: &'g Groups,
        chunk: Chunk,
        rows: Range<usize>,
    ) -> impl Iterator<Item = GroupRows> + use<'g> {
        let tiles = self.plan.tiles();
        let begin = move |group: usize| (groups.groups[group].first - chunk.first) * tiles;
        let first = (chunk.first + rows.start / tiles) / groups.size;
        let after = chunk.first + rows.end.div_ceil(tiles);
        (first..after.div_ceil(groups.size)).map(move |group| {
            let first = begin(group).max(rows.start);
            let end = rows.end.min(begin(group) + groups.groups[group].samples * tiles);
            GroupRows { group, first, rows: end - first }
        })
    }

    /// Into how many parts to cut each of `jobs`, so that every thread has some; at most `most`.
    fn parts(&self, jobs: usize, most: usize) -> usize {
        if self.threads == 1 { 1 } else { (self.threads * 6).div_ceil(jobs).clamp(1, most.max(1)) }
    }

    /// A worker's buffer for a block of weights.
    ///
    /// # Safety
    ///
    /// There is such a worker.
    unsafe fn block(&self, worker: usize) -> *mut f32 {
        let layout = &self.worker_layout;
        // SAFETY: inside the worker's part of the workspace.
        unsafe { self.workers.at(worker * layout.len + layout.copy + layout.spare) }
    }

    /// The jobs of [`Pass::batched_gemm`].
    pub(crate) fn gemm_jobs(&self, chunk: Chunk) -> GemmJobs {
        let (points, blocks) = (self.plan.points, self.plan.n.count);
        let rows = chunk.samples * self.plan.tiles();
        GemmJobs { points, blocks, parts: self.parts(points * blocks, rows.div_ceil(ROWS_A_JOB)) }
    }

    /// The transformed output: one block of output channels of one point, for a part of the chunk's rows. For a group
    /// that uses some output channels only, a block of those.
    ///
    /// # Safety
    ///
    /// `weights` are packed as the plan says. The pass's pointers hold the chunk as their fields say; no other job with
    /// the same point, block and part runs, and none with the same worker.
    pub(crate) unsafe fn batched_gemm(&self, worker: usize, weights: SendPtr, chunk: Chunk, job: GemmJob) {
        let (plan, n) = (self.plan, &self.plan.n);
        let GemmJob { point, block, part } = job;
        let ldo = self.output.row;
        // Rows of the image itself end with its last channel; others have room for whole vectors.
        let columns = match ldo == plan.shape.cout {
            true => n.width.min(plan.shape.cout - block * n.width),
            false => n.vectors_of(block) * plan.isa.lanes(),
        };
        // SAFETY: the job's block of the packed weights is inside them, its rows and columns are in the planes, and no
        // other job writes them. Weights of a group's channels are packed to the worker's own buffer.
        unsafe {
            let weights = weights.at(point * plan.weight_plane());
            let whole = weights.add(block * plan.depth * n.width).cast_const();
            let out = |row: usize| self.output.at.at(point * self.output.plane + row * ldo + block * n.width);
            // With one point the sums are the outputs themselves.
            let epilogue = self.epilogue.filter(|_| plan.points == 1);
            let epilogue = epilogue.map(|epilogue| epilogue.channels_from(block * n.width));
            // The whole block of weights, for some rows of the output. A is set in each case.
            let of_block = |first: usize, rows: usize| GemmNN {
                a: self.input.at.at(point * self.input.plane + first * self.input.row),
                lda: self.input.row,
                rows,
                b: whole,
                ldb: n.width,
                vectors: n.vectors_of(block),
                k: plan.depth,
                reduction: Reduction::All,
                out: out(first),
                ldo,
                columns,
                epilogue,
            };
            if let Some(windows) = &self.windows {
                let pixels = plan.grid[1];
                let reduction = Reduction::Windows { run: windows.run, pitch: windows.pitch };
                for row in part.range(chunk.samples * plan.grid[0]) {
                    let (sample, y) = (row / plan.grid[0], row % plan.grid[0]);
                    let a = windows.at.at(sample * windows.sample + y * windows.row).cast_const();
                    let lda = windows.column;
                    plan.isa.run(GemmNN { a, lda, reduction, ..of_block(row * pixels, pixels) });
                }
                return;
            }
            let rows = part.range(chunk.samples * plan.tiles());
            let Some(groups) = self.groups else {
                return plan.isa.run(of_block(rows.start, rows.len()));
            };
            warm_cache_at(whole, plan.depth * n.width);
            for GroupRows { group, first, rows } in self.groups_of(groups, chunk, rows) {
                let list = groups.rows(group);
                let k = list.map_or(plan.depth, <[u32]>::len);
                let Some((bits, all)) = groups.outputs(group) else {
                    let reduction = list.map_or(Reduction::All, |list| Reduction::Listed(list.as_ptr()));
                    plan.isa.run(GemmNN { k, reduction, ..of_block(first, rows) });
                    continue;
                };
                let list = list.map_or(std::ptr::null(), <[u32]>::as_ptr);
                let skip = block * n.width;
                if skip >= all {
                    continue;
                }
                let count = n.width.min(all - skip);
                let vectors = plan.vectors_for(count);
                let (to, to_row) = (self.block(worker), vectors * plan.isa.lanes());
                let (from, depth, block) = (weights.cast_const(), plan.depth, n.width);
                plan.isa.run(PackColumns { from, depth, block, list, k, bits, skip, count, to, to_row });
                plan.isa.run(GemmNN { b: to, ldb: to_row, vectors, k, ..of_block(first, rows) });
            }
        }
    }

    /// The jobs of [`Pass::input_gradient`].
    pub(crate) fn input_gradient_jobs(&self, chunk: Chunk) -> GemmJobs {
        let points = self.plan.points;
        let blocks = if self.groups.is_some() { 1 } else { self.plan.k.count };
        let rows = chunk.samples * self.plan.tiles();
        GemmJobs { points, blocks, parts: self.parts(points * blocks, rows.div_ceil(ROWS_A_TRANSPOSE)) }
    }

    /// The transformed gradient of the input at one point: one block of its values, or with groups all of them, for a
    /// part of the chunk's rows. `self.output` holds the gradient of the output.
    ///
    /// # Safety
    ///
    /// As for [`Pass::batched_gemm`]; `gradient` has room for the chunk.
    pub(crate) unsafe fn input_gradient(
        &self,
        worker: usize,
        weights: SendPtr,
        gradient: Planes,
        chunk: Chunk,
        job: GemmJob,
    ) {
        let (plan, k) = (self.plan, &self.plan.k);
        let GemmJob { point, block, part } = job;
        let rows = part.range(chunk.samples * plan.tiles());
        // SAFETY: the packed weights hold what the plan says; the job's rows are in both planes, and no other job writes
        // this part of the gradient. Transposed weights go to the worker's own buffer.
        unsafe {
            let at = DomainRows {
                weights: weights.at(point * plan.weight_plane()),
                dy: SendPtr(self.output.at.at(point * self.output.plane)),
                dx: SendPtr(gradient.at.at(point * gradient.plane)),
                dx_row: gradient.row,
            };
            let Some(groups) = self.groups else {
                let (first, count) = (block * k.width, k.width.min(plan.depth - block * k.width));
                let values = Listed { list: std::ptr::null(), first, count };
                return self.transposed_gemm(worker, &at, values, rows.start, rows.len());
            };
            if groups.size * plan.tiles() < ROWS_TO_TRANSPOSE {
                return self.input_gradient_of_few_rows(&at, groups, chunk, rows);
            }
            for GroupRows { group, first, rows } in self.groups_of(groups, chunk, rows) {
                let list = groups.rows(group).unwrap_or_default();
                for start in (0..list.len()).step_by(k.width) {
                    let count = k.width.min(list.len() - start);
                    let values = Listed { list: list.as_ptr(), first: start, count };
                    self.transposed_gemm(worker, &at, values, first, rows);
                }
            }
        }
    }

    /// `dX = dY Wt` for some values of some rows.
    ///
    /// # Safety
    ///
    /// As for [`Pass::input_gradient`]; the values and rows exist.
    unsafe fn transposed_gemm(
        &self,
        worker: usize,
        at: &DomainRows,
        values: Listed,
        first: usize,
        rows: usize,
    ) {
        let plan = self.plan;
        let Listed { list, first: value, count } = values;
        let vectors = count.div_ceil(plan.isa.lanes()).min(plan.k.vectors);
        let width = vectors * plan.isa.lanes();
        // SAFETY: `count` is at most a block's width, so the worker's buffer has room for the transposed weights; the
        // rest is this function's contract.
        unsafe {
            let packed = self.block(worker);
            plan.isa.run(PackTransposed {
                from: at.weights,
                depth: plan.depth,
                blocks: plan.n.count,
                block: plan.n.width,
                list: if list.is_null() { list } else { list.add(value) },
                first: value,
                count,
                to: packed,
                to_block: width,
            });
            plan.isa.run(GemmNN {
                a: at.dy.at(first * self.output.row),
                lda: self.output.row,
                rows,
                b: packed,
                ldb: width,
                vectors,
                k: plan.shape.cout,
                reduction: Reduction::All,
                out: at.dx.at(first * at.dx_row + value),
                ldo: at.dx_row,
                columns: width,
                epilogue: None,
            });
        }
    }

    /// The gradient of groups that have too few rows for transposing their weights: dot products along the output
    /// channels. Some rows of the weights for all groups, then the next, so that they come from memory once.
    ///
    /// # Safety
    ///
    /// As for [`Pass::input_gradient`].
    unsafe fn input_gradient_of_few_rows(
        &self,
        at: &DomainRows,
        groups: &Groups,
        chunk: Chunk,
        rows: Range<usize>,
    ) {
        let (plan, n) = (self.plan, &self.plan.n);
        let columns = plan.shape.cout.next_multiple_of(plan.isa.lanes());
        // GemmNT writes four values at once: with a multiple of four none is written past a row's end.
        let span = (RESIDENT / n.len()).max(1).next_multiple_of(4);
        // SAFETY: rows `first..first + span` of each block of weights that exist are read; a list's rows are below the
        // depth, and its values have places in the gradient's rows.
        unsafe {
            for first in (0..plan.depth).step_by(span) {
                for block in 0..n.count {
                    let rows = span.min(plan.depth - first);
                    warm_cache_at(at.weights.add((block * plan.depth + first) * n.width), rows * n.width);
                }
                for GroupRows { group, first: row, rows } in self.groups_of(groups, chunk, rows.clone()) {
                    let list = groups.rows(group).unwrap_or_default();
                    let (list, skipped) = within(list, first..first + span);
                    plan.isa.run(GemmNT {
                        a: at.dy.at(row * self.output.row),
                        lda: self.output.row,
                        rows,
                        b: at.weights,
                        depth: plan.depth,
                        block: n.width,
                        columns,
                        list: list.as_ptr(),
                        k: list.len(),
                        out: at.dx.at(row * at.dx_row + skipped),
                        ldo: at.dx_row,
                    });
                }
            }
        }
    }

    /// The jobs of [`Pass::weight_gradient`].
    pub(crate) fn weight_gradient_jobs(&self) -> GemmJobs {
        let (points, blocks) = (self.plan.points, self.plan.n.count);
        let parts = self.parts(points * blocks, self.plan.depth.div_ceil(ROWS_A_JOB));
        GemmJobs { points, blocks, parts }
    }

    /// The gradient of one block of the packed weights at one point, a part of its rows. `self.output` holds the gradient
    /// of the output.
    ///
    /// # Safety
    ///
    /// As for [`Pass::batched_gemm`]; `gradient` has room for packed weights.
    pub(crate) unsafe fn weight_gradient(&self, gradient: WeightGradient, chunk: Chunk, job: GemmJob) {
        let (plan, n) = (self.plan, &self.plan.n);
        let GemmJob { point, block, part } = job;
        let all = 0..chunk.samples * plan.tiles();
        let depth = part.range(plan.depth);
        // SAFETY: the chunk's rows are in the planes of input and output; the job's rows of its block of the gradient
        // are inside it, and no other job writes them.
        unsafe {
            let out = gradient.at.at(point * plan.weight_plane() + block * plan.depth * n.width);
            // X[first..][value..]t dY[first..], added to the rows of the result that the list names.
            let product = |first: usize, rows: usize, value: usize| GemmTN {
                a: self.input.at.at(point * self.input.plane + first * self.input.row + value),
                lda: self.input.row,
                rows,
                b: self.output.at.at(point * self.output.plane + first * self.output.row + block * n.width),
                ldb: self.output.row,
                vectors: n.vectors_of(block),
                k: depth.len(),
                list: std::ptr::null(),
                out,
                ldo: n.width,
                accumulate: true,
            };
            let Some(groups) = self.groups else {
                let (out, accumulate) = (out.add(depth.start * n.width), !gradient.fresh);
                return plan.isa.run(GemmTN { out, accumulate, ..product(0, all.len(), depth.start) });
            };
            if gradient.fresh {
                // Here and not before all jobs: what groups add to is then in this core's cache.
                out.add(depth.start * n.width).write_bytes(0, depth.len() * n.width);
            }
            for GroupRows { group, first, rows } in self.groups_of(groups, chunk, all) {
                // Groups share rows of the result: a job owns rows, not places in a list.
                let list = groups.rows(group).unwrap_or_default();
                let (list, skipped) = within(list, depth.clone());
                plan.isa.run(GemmTN { list: list.as_ptr(), k: list.len(), ..product(first, rows, skipped) });
            }
        }
    }
}

/// One point of the planes that the gradient of the input is computed from and written to.
struct DomainRows {
    weights: *const f32,
    dy: SendPtr,
    dx: SendPtr,
    dx_row: usize,
}

/// Values of a row: `count` from `first` on, of a list or, if it is null, of all.
#[derive(Clone, Copy)]
struct Listed {
    list: *const u32,
    first: usize,
    count: usize,
}

/// The part of an ascending list that lies in a range, and how many are before it.
fn within(list: &[u32], range: Range<usize>) -> (&[u32], usize) {
    let before = |limit: usize| list.partition_point(|&row| (row as usize) < limit);
    (&list[before(range.start)..before(range.end)], before(range.start))
}
