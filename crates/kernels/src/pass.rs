//! What the jobs of a convolution's passes share, and the products at the points.

use super::Isa;
use super::finish::RawEpilogue;
use super::gemm::{Dots, Outer, Picked, Rows, Terms, Transposed};
use super::groups::Groups;
use super::plan::Plan;
use super::simd::fetch;
use super::weights::{self, Shared};
use super::work::part;

/// Planes of points, each `[rows][values]`.
#[derive(Clone, Copy)]
pub(super) struct Planes {
    pub at: Shared,
    pub row: usize,
    pub plane: usize,
}

/// Images, `[samples][pixels][channels]`: of a batch, or of a chunk in the order of the groups.
#[derive(Clone, Copy)]
pub(super) struct Images {
    pub at: Shared,
    pub sample: usize,
    /// The first position of the chunk whose images they are.
    pub of_chunk: Option<usize>,
}

/// Which image of a convolution.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Input,
    Output,
}

/// Samples that are worked on together: positions in the order of the groups.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    pub first: usize,
    pub samples: usize,
}

/// What a worker needs for itself: a copy of a sample's image, a block of transposed weights, and a place for
/// values that nobody wants.
pub(super) struct Own {
    /// The whole.
    pub len: usize,
    pub copy: usize,
    spare: usize,
}

impl Own {
    pub(super) fn of(plan: &Plan) -> Self {
        let s = &plan.shape;
        let image = (s.height * s.width * s.cin.next_multiple_of(16))
            .max(s.out_height() * s.out_width() * s.cout.next_multiple_of(16));
        let spare = s.cin.max(s.cout).next_multiple_of(16);
        let picked = plan.depth * plan.n.width;
        let block = (plan.n.len() * plan.k.width).max(weights::own_len(plan)).max(picked);
        let copy = image + 32;
        Own { len: (copy + spare + block).next_multiple_of(16) + 16, copy, spare }
    }
}

/// A chunk's images as windows: where that of an output pixel begins.
#[derive(Clone, Copy)]
pub(super) struct Windows {
    pub at: Shared,
    /// Distances of images, of rows of output pixels and of neighbours in a row.
    pub sample: usize,
    pub row: usize,
    pub column: usize,
    /// Values of a window that follow each other, and the distance of such runs.
    pub run: usize,
    pub pitch: usize,
}

/// Everything that the jobs of a pass share.
pub(super) struct Pass<'a> {
    pub plan: &'a Plan,
    /// Threads that share a chunk.
    pub threads: usize,
    /// Groups of samples with lists of channels, or none if all channels are used.
    pub groups: Option<&'a Groups>,
    pub input: Planes,
    pub output: Planes,
    /// In place of the transformed input, where each output pixel's inputs are read from the image.
    pub windows: Option<Windows>,
    /// What outputs become before they are written.
    pub finish: Option<RawEpilogue>,
    pub own: Shared,
    pub own_layout: Own,
    /// As many zeros as an image has channels.
    pub zeros: Shared,
}

/// Rows of a group from which on it pays to transpose the weights of its channels: for fewer, products along
/// the output channels need no other layout.
const ROWS_TO_TRANSPOSE: usize = 16;

/// Weights that stay in a core's own cache while groups take turns.
const RESIDENT: usize = 64 << 10;

impl Pass<'_> {
    pub(super) fn isa(&self) -> Isa {
        self.plan.isa
    }

    /// The image at a position.
    pub(super) unsafe fn image(&self, images: Images, position: usize) -> *mut f32 {
        let index = images.of_chunk.map_or_else(|| self.sample(position), |first| position - first);
        // SAFETY: there is an image for every position.
        unsafe { images.at.at(index * images.sample) }
    }

    /// The sample at a position.
    pub(super) fn sample(&self, position: usize) -> usize {
        self.groups.map_or(position, |groups| groups.order[position] as usize)
    }

    /// The groups of a chunk that have some of its rows `start..end`, with the first of those and their number.
    fn groups_of<'g>(
        &self,
        groups: &'g Groups,
        chunk: Chunk,
        (start, end): (usize, usize),
    ) -> impl Iterator<Item = (usize, usize, usize)> + use<'g> {
        let tiles = self.plan.tiles();
        let begin = move |group: usize| (groups.groups[group].first - chunk.first) * tiles;
        let first = (chunk.first + start / tiles) / groups.size;
        let after = chunk.first + end.div_ceil(tiles);
        (first..after.div_ceil(groups.size)).map(move |group| {
            let from = begin(group).max(start);
            let to = end.min(begin(group) + groups.groups[group].samples * tiles);
            (group, from, to - from)
        })
    }

    /// How many jobs [`Pass::multiply`] makes of a chunk.
    pub(super) fn multiply_jobs(&self, chunk: Chunk) -> [usize; 3] {
        let rows = chunk.samples * self.plan.tiles();
        let parts = self.parts(self.plan.points * self.plan.n.count, rows.div_ceil(48));
        [self.plan.points, self.plan.n.count, parts]
    }

    /// Into how many parts to cut each of `jobs`, so that every thread has some; at most `most`.
    fn parts(&self, jobs: usize, most: usize) -> usize {
        if self.threads == 1 { 1 } else { (self.threads * 6).div_ceil(jobs).clamp(1, most.max(1)) }
    }

    /// One block of output channels of one point, for a part of the chunk's rows; of a group that uses some output
    /// channels only, a block of those.
    ///
    /// # Safety
    ///
    /// As for [`Pass::to_points`]; `weights` are the plan's blocks.
    pub(super) unsafe fn multiply(
        &self,
        worker: usize,
        weights: Shared,
        chunk: Chunk,
        [point, block, part_of]: [[usize; 2]; 3],
    ) {
        let (plan, n) = (self.plan, &self.plan.n);
        let (point, block) = (point[0], block[0]);
        let (start, end) = part(chunk.samples * plan.tiles(), part_of[1], part_of[0]);
        // SAFETY: the caller's promise; picked weights go to the worker's own place.
        unsafe {
            let weights = weights.at(point * plan.weight_plane());
            let whole = weights.add(block * plan.depth * n.width);
            let ldo = self.output.row;
            // Rows of the image itself end with its last channel; others have room for whole vectors.
            let columns = match ldo == plan.shape.cout {
                true => n.width.min(plan.shape.cout - block * n.width),
                false => n.vectors_of(block) * plan.isa.lanes(),
            };
            let out = |row: usize| self.output.at.at(point * self.output.plane + row * ldo + block * n.width);
            // With one point the sums are the outputs themselves.
            let finish = self.finish.filter(|_| plan.points == 1).map(|finish| finish.from(block * n.width));
            if let Some(windows) = &self.windows {
                let (columns_of, rows_of) = (plan.grid[1], chunk.samples * plan.grid[0]);
                let (start, end) = part(rows_of, part_of[1], part_of[0]);
                let (b, ldb, vectors, k) = (whole, n.width, n.vectors_of(block), plan.depth);
                let terms = Terms::Windows { run: windows.run, pitch: windows.pitch };
                for row in start..end {
                    let (sample, y) = (row / plan.grid[0], row % plan.grid[0]);
                    let a = windows.at.at(sample * windows.sample + y * windows.row);
                    let (lda, rows, out) = (windows.column, columns_of, out(row * columns_of));
                    plan.isa.run(Rows { a, lda, rows, b, ldb, vectors, k, terms, out, ldo, columns, finish });
                }
                return;
            }
            let run = |(first, rows): (usize, usize), (b, ldb, vectors), terms, k| {
                let a = self.input.at.at(point * self.input.plane + first * self.input.row);
                let (lda, out) = (self.input.row, out(first));
                plan.isa.run(Rows { a, lda, rows, b, ldb, vectors, k, terms, out, ldo, columns, finish });
            };
            let whole = (whole.cast_const(), n.width, n.vectors_of(block));
            let Some(groups) = self.groups else {
                return run((start, end - start), whole, Terms::All, plan.depth);
            };
            fetch(whole.0, plan.depth * n.width);
            for (group, first, rows) in self.groups_of(groups, chunk, (start, end)) {
                let list = groups.rows(group);
                let k = list.map_or(plan.depth, <[u32]>::len);
                let Some((bits, all)) = groups.outputs(group) else {
                    let terms = list.map_or(Terms::All, |list| Terms::Listed(list.as_ptr()));
                    run((first, rows), whole, terms, k);
                    continue;
                };
                let list = list.map_or(std::ptr::null(), <[u32]>::as_ptr);
                let skip = block * n.width;
                if skip >= all {
                    continue;
                }
                let count = n.width.min(all - skip);
                let vectors = plan.vectors_for(count);
                let to = self.block(worker);
                let (from, depth, block, to_row) = (weights, plan.depth, n.width, vectors * plan.isa.lanes());
                plan.isa.run(Picked { from, depth, block, list, k, bits, skip, count, to, to_row });
                run((first, rows), (to.cast_const(), to_row, vectors), Terms::All, k);
            }
        }
    }

    /// Whether a group has few rows.
    fn few_rows(&self, groups: &Groups) -> bool {
        groups.size * self.plan.tiles() < ROWS_TO_TRANSPOSE
    }

    /// A worker's place for a block of weights.
    unsafe fn block(&self, worker: usize) -> *mut f32 {
        let layout = &self.own_layout;
        // SAFETY: inside the worker's own memory.
        unsafe { self.own.at(worker * layout.len + layout.copy + layout.spare) }
    }

    /// How many jobs [`Pass::multiply_back`] makes of a chunk.
    pub(super) fn back_jobs(&self, chunk: Chunk) -> [usize; 3] {
        let rows = chunk.samples * self.plan.tiles();
        let blocks = if self.groups.is_some() { 1 } else { self.plan.k.count };
        [self.plan.points, blocks, self.parts(self.plan.points * blocks, rows.div_ceil(96))]
    }

    /// The gradient of the input at one point: one block of it, or with groups all of it, for a part of the
    /// chunk's rows. `self.output` holds the gradient of the output.
    ///
    /// # Safety
    ///
    /// As for [`Pass::multiply`].
    pub(super) unsafe fn multiply_back(
        &self,
        worker: usize,
        (weights, gradient): (Shared, Planes),
        chunk: Chunk,
        [point, block, part_of]: [[usize; 2]; 3],
    ) {
        let (plan, k) = (self.plan, &self.plan.k);
        let (point, block) = (point[0], block[0]);
        // SAFETY: the caller's promise.
        unsafe {
            let b = weights.at(point * plan.weight_plane());
            let a = |row: usize| self.output.at.at(point * self.output.plane + row * self.output.row);
            let out = |row: usize| gradient.at.at(point * gradient.plane + row * gradient.row);
            let (lda, ldo, depth) = (self.output.row, gradient.row, plan.depth);
            let to = self.block(worker);
            let transposed = |list: *const u32, first: usize, count: usize, (start, rows): (usize, usize)| {
                let vectors = count.div_ceil(plan.isa.lanes()).min(k.vectors);
                let (blocks, block, to_block) = (plan.n.count, plan.n.width, vectors * plan.isa.lanes());
                let at = if list.is_null() { list } else { list.add(first) };
                plan.isa.run(Transposed {
                    from: b,
                    depth,
                    blocks,
                    block,
                    list: at,
                    first,
                    count,
                    to,
                    to_block,
                });
                let (a, b, ldb, k) = (a(start), to, to_block, plan.shape.cout);
                let out = out(start).add(first);
                let (terms, columns, finish) = (Terms::All, to_block, None);
                plan.isa.run(Rows { a, lda, rows, b, ldb, vectors, k, terms, out, ldo, columns, finish });
            };
            let (start, end) = part(chunk.samples * plan.tiles(), part_of[1], part_of[0]);
            let Some(groups) = self.groups else {
                let (first, count) = (block * k.width, k.width.min(depth - block * k.width));
                return transposed(std::ptr::null(), first, count, (start, end - start));
            };
            if !self.few_rows(groups) {
                for (group, start, rows) in self.groups_of(groups, chunk, (start, end)) {
                    let list = groups.rows(group).unwrap_or_default();
                    for first in (0..list.len()).step_by(k.width) {
                        transposed(list.as_ptr(), first, k.width.min(list.len() - first), (start, rows));
                    }
                }
                return;
            }
            let columns = plan.shape.cout.next_multiple_of(plan.isa.lanes());
            // Some rows of the weights for all groups, then the next: they come from memory once.
            // A multiple of the columns that are written at once, so that none is written past a row.
            let span = (RESIDENT / plan.n.len()).max(1).next_multiple_of(4);
            for first in (0..depth).step_by(span) {
                for block in 0..plan.n.count {
                    let rows = span.min(depth - first);
                    fetch(b.add((block * depth + first) * plan.n.width), rows * plan.n.width);
                }
                for (group, start, rows) in self.groups_of(groups, chunk, (start, end)) {
                    let (list, skipped) =
                        within(groups.rows(group).unwrap_or_default(), (first, first + span));
                    let (a, out, block, k) = (a(start), out(start).add(skipped), plan.n.width, list.len());
                    let list = list.as_ptr();
                    plan.isa.run(Dots { a, lda, rows, b, depth, block, columns, list, k, out, ldo });
                }
            }
        }
    }

    /// How many jobs [`Pass::correlate`] makes.
    pub(super) fn correlate_jobs(&self) -> [usize; 3] {
        let jobs = self.plan.points * self.plan.n.count;
        [self.plan.points, self.plan.n.count, self.parts(jobs, self.plan.depth.div_ceil(48))]
    }

    /// The gradient of one block of the weights at one point, a part of its rows. `self.output` holds the
    /// gradient of the output. It is added to what is there unless it is `fresh`.
    ///
    /// # Safety
    ///
    /// As for [`Pass::multiply`].
    pub(super) unsafe fn correlate(
        &self,
        (gradient, fresh): (Shared, bool),
        chunk: Chunk,
        [point, block, part_of]: [[usize; 2]; 3],
    ) {
        let (plan, n) = (self.plan, &self.plan.n);
        let (point, block) = (point[0], block[0]);
        // SAFETY: the caller's promise.
        unsafe {
            let out = gradient.at(point * plan.weight_plane() + block * plan.depth * n.width);
            let a = |row: usize| self.input.at.at(point * self.input.plane + row * self.input.row);
            let b = |row: usize| {
                self.output.at.at(point * self.output.plane + row * self.output.row + block * n.width)
            };
            let (lda, ldb, ldo) = (self.input.row, self.output.row, n.width);
            let vectors = n.vectors_of(block);
            match self.groups {
                None => {
                    let (k, end) = part(plan.depth, part_of[1], part_of[0]);
                    let (a, b, out) = (a(0).add(k), b(0), out.add(k * n.width));
                    let (rows, k) = (chunk.samples * plan.tiles(), end - k);
                    let (list, accumulate) = (std::ptr::null(), !fresh);
                    plan.isa.run(Outer { a, lda, rows, b, ldb, vectors, k, list, out, ldo, accumulate });
                }
                Some(groups) => {
                    let all = (0, chunk.samples * plan.tiles());
                    let range = part(plan.depth, part_of[1], part_of[0]);
                    if fresh {
                        // Here and not before all jobs: what groups add to is then in this core's cache.
                        out.add(range.0 * n.width).write_bytes(0, (range.1 - range.0) * n.width);
                    }
                    for (group, first, rows) in self.groups_of(groups, chunk, all) {
                        // Groups share rows of the result: a job owns rows, not places in a list.
                        let (list, skipped) = within(groups.rows(group).unwrap_or_default(), range);
                        let (a, b, k) = (a(first).add(skipped), b(first), list.len());
                        let (list, accumulate) = (list.as_ptr(), true);
                        plan.isa.run(Outer { a, lda, rows, b, ldb, vectors, k, list, out, ldo, accumulate });
                    }
                }
            }
        }
    }
}

/// The part of an ascending list that lies in a range, and how many are before it.
fn within(list: &[u32], (first, end): (usize, usize)) -> (&[u32], usize) {
    let before = |limit: usize| list.partition_point(|&row| (row as usize) < limit);
    (&list[before(first)..before(end)], before(first))
}
