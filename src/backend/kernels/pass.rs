//! The phases of a convolution's passes, as jobs: samples between images and points, and the products at the
//! points.

use super::gemm::{Dots, Outer, Rows, Transposed};
use super::groups::Groups;
use super::plan::{Plan, Scheme};
use super::staging::{Keep, Patches, Stage, Way};
use super::tiles::{Read, Strip, Write};
use super::weights::{self, Shared};
use super::work::part;
use super::{Active, Isa};

/// Planes of points, each `[rows][values]`.
#[derive(Clone, Copy)]
pub(super) struct Planes {
    pub at: Shared,
    pub row: usize,
    pub plane: usize,
}

/// Images of a batch, `[batch][pixels][channels]`.
#[derive(Clone, Copy)]
pub(super) struct Images {
    pub at: Shared,
    pub sample: usize,
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
    copy: usize,
    spare: usize,
}

impl Own {
    pub(super) fn of(plan: &Plan) -> Self {
        let s = &plan.shape;
        let image = (s.height * s.width * s.cin.next_multiple_of(16))
            .max(s.out_height() * s.out_width() * s.cout.next_multiple_of(16));
        let spare = s.cin.max(s.cout).next_multiple_of(16);
        let block = (plan.n.len() * plan.k.width).max(weights::own_len(plan));
        let copy = image + 32;
        Own { len: (copy + spare + block).next_multiple_of(16) + 16, copy, spare }
    }
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
    pub own: Shared,
    pub own_layout: Own,
    /// As many zeros as an image has channels.
    pub zeros: Shared,
}

/// Rows of a group from which on it pays to transpose the weights of its channels: for fewer, products along
/// the output channels need no other layout.
const ROWS_TO_TRANSPOSE: usize = 16;

impl Pass<'_> {
    fn isa(&self) -> Isa {
        self.plan.isa
    }

    /// The sample at a position.
    pub(super) fn sample(&self, position: usize) -> usize {
        self.groups.map_or(position, |groups| groups.order[position] as usize)
    }

    /// The group of a position.
    fn group(&self, position: usize) -> usize {
        position / self.plan.group()
    }

    /// The groups of a chunk, with their first row in it and their number of rows.
    fn rows_of(&self, groups: &Groups, group: usize, chunk: Chunk) -> (usize, usize) {
        let group = &groups.groups[group];
        ((group.first - chunk.first) * self.plan.tiles(), group.samples * self.plan.tiles())
    }

    /// The channels of one side that the sample at a position uses, as bits, and their number.
    fn channels(&self, side: Side, position: usize) -> (Option<&[u64]>, usize) {
        match (side, self.groups) {
            (Side::Input, Some(groups)) => {
                let group = self.group(position);
                (Some(groups.bits(group)), groups.width(group))
            }
            (Side::Input, None) => (None, self.plan.shape.cin),
            (Side::Output, _) => (None, self.plan.shape.cout),
        }
    }

    /// Height, width and channels of an image.
    fn size(&self, side: Side) -> [usize; 3] {
        let s = &self.plan.shape;
        match side {
            Side::Input => [s.height, s.width, s.cin],
            Side::Output => [s.out_height(), s.out_width(), s.cout],
        }
    }

    /// A sample's image to its rows of points: the input, or the gradient of the output. Only the given rows
    /// of tiles.
    ///
    /// # Safety
    ///
    /// Images and planes hold what plan and chunk say, and no other job has the same tiles or worker.
    pub(super) unsafe fn to_points(
        &self,
        worker: usize,
        (images, side, planes): (Images, Side, Planes),
        chunk: Chunk,
        position: usize,
        tiles: (usize, usize),
    ) {
        let [height, width, all] = self.size(side);
        let (bits, channels) = self.channels(side, position);
        let row = (position - chunk.first) * self.plan.tiles() + tiles.0 * self.plan.grid[1];
        // SAFETY: the caller's promise.
        unsafe {
            let image = images.at.at(self.sample(position) * images.sample);
            let points = planes.at.at(row * planes.row);
            if self.plan.scheme == Scheme::Rows && side == Side::Output {
                // Sums over the output channels go in whole vectors.
                let rest = all.next_multiple_of(self.isa().lanes()) - all;
                for (index, pixel) in (tiles.0 * width..tiles.1 * width).enumerate() {
                    let to = points.add(index * planes.row);
                    to.copy_from_nonoverlapping(image.add(pixel * all), all);
                    to.add(all).write_bytes(0, rest);
                }
                return;
            }
            let copied = bits.is_some()
                || (self.plan.scheme != Scheme::Rows && !all.is_multiple_of(self.isa().lanes()));
            let pixel = if copied { channels.next_multiple_of(self.isa().lanes()) } else { all };
            let (first, last) = self.covered(side, tiles, height);
            let from = if copied {
                let copy = self.own.at(worker * self.own_layout.len);
                let image = image.add(first * width * all);
                let pixels = (last - first) * width;
                let way = Way::In;
                self.isa().run(Stage { way, image, channels: all, pixels, bits, copy, width: pixel });
                copy
            } else {
                image.add(first * width * all)
            };
            if self.plan.scheme == Scheme::Rows {
                let image = from.wrapping_sub(first * width * pixel);
                let (plan, row) = (self.plan, planes.row);
                Patches { plan, image, pixel, channels, rows: tiles, patches: points, row }.gather();
                return;
            }
            let strip = self.strip(side, (from, first, pixel), tiles, (points, planes), self.zeros.at(0));
            self.isa().run(Read(strip));
        }
    }

    /// A sample's rows of points to its image: the output, or the gradient of the input. Only the given rows
    /// of tiles; of the input always all.
    ///
    /// # Safety
    ///
    /// As for [`Pass::to_points`].
    pub(super) unsafe fn to_image(
        &self,
        worker: usize,
        (images, side, planes): (Images, Side, Planes),
        chunk: Chunk,
        position: usize,
        tiles: (usize, usize),
    ) {
        let [height, width, all] = self.size(side);
        let (bits, channels) = self.channels(side, position);
        let row = (position - chunk.first) * self.plan.tiles() + tiles.0 * self.plan.grid[1];
        // SAFETY: the caller's promise.
        unsafe {
            let image = images.at.at(self.sample(position) * images.sample);
            let points = planes.at.at(row * planes.row);
            if self.plan.scheme == Scheme::Rows && side == Side::Output {
                let pixels = tiles.0 * width..tiles.1 * width;
                for (index, pixel) in pixels.enumerate() {
                    image.add(pixel * all).copy_from_nonoverlapping(points.add(index * planes.row), all);
                }
                return;
            }
            let copied = bits.is_some() || !all.is_multiple_of(self.isa().lanes());
            let pixel = if copied { channels.next_multiple_of(self.isa().lanes()) } else { all };
            let own = self.own.at(worker * self.own_layout.len);
            let (first, last) = match side {
                Side::Input => (0, height),
                Side::Output => self.covered(side, tiles, height),
            };
            let to = if copied { own } else { image.add(first * width * all) };
            if side == Side::Input && self.plan.scheme != Scheme::Two {
                to.write_bytes(0, (last - first) * width * pixel);
            }
            if self.plan.scheme == Scheme::Rows {
                let (plan, row) = (self.plan, planes.row);
                self.isa().run(Patches {
                    plan,
                    image: to,
                    pixel,
                    channels,
                    rows: tiles,
                    patches: points,
                    row,
                });
            } else {
                let spare = own.add(self.own_layout.copy);
                let strip = self.strip(side, (to, first, pixel), tiles, (points, planes), spare);
                self.isa().run(Write(strip));
            }
            if copied {
                let pixels = (last - first) * width;
                let image = image.add(first * width * all);
                let way = Way::Out;
                self.isa().run(Stage { way, image, channels: all, pixels, bits, copy: to, width: pixel });
            }
        }
    }

    /// The rows of an image that some rows of tiles cover.
    fn covered(&self, side: Side, tiles: (usize, usize), height: usize) -> (usize, usize) {
        let s = &self.plan.shape;
        let (first, last) = match (self.plan.scheme, side) {
            (Scheme::Four, Side::Input) => ((tiles.0 * 4).saturating_sub(1), tiles.1 * 4 + 1),
            (Scheme::Four, Side::Output) => (tiles.0 * 4, tiles.1 * 4),
            (Scheme::Two, _) => (0, 2),
            (Scheme::Rows, Side::Input) => {
                let last = (tiles.1 * s.stride + s.kernel).saturating_sub(s.padding);
                ((tiles.0 * s.stride).saturating_sub(s.padding), last)
            }
            (Scheme::Rows, Side::Output) => (tiles.0, tiles.1),
        };
        (first.min(height), last.min(height))
    }

    fn strip(
        &self,
        side: Side,
        (image, first_row, pixel): (*mut f32, usize, usize),
        tiles: (usize, usize),
        (points, planes): (*mut f32, Planes),
        spare: *mut f32,
    ) -> Strip {
        let [height, width, _] = self.size(side);
        Strip {
            four: self.plan.scheme == Scheme::Four,
            of_output: side == Side::Output,
            height,
            width,
            image,
            first_row,
            pixel,
            tiles,
            columns: self.plan.grid[1],
            channels: pixel,
            points,
            row: planes.row,
            plane: planes.plane,
            spare,
        }
    }

    /// Sets a sample's channels to zero that are not in a set.
    ///
    /// # Safety
    ///
    /// As for [`Pass::to_points`].
    pub(super) unsafe fn keep(&self, images: Images, side: Side, sample: usize, set: &Active) {
        let [height, width, channels] = self.size(side);
        // SAFETY: the caller's promise.
        unsafe {
            let image = images.at.at(sample * images.sample);
            let pixels = height * width;
            self.isa().run(Keep { image, channels, pixels, bits: set.sample(sample) });
        }
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

    /// One block of output channels of one point, for a part of the chunk's rows.
    ///
    /// # Safety
    ///
    /// As for [`Pass::to_points`]; `weights` are the plan's blocks.
    pub(super) unsafe fn multiply(
        &self,
        weights: Shared,
        chunk: Chunk,
        [point, block, part_of]: [[usize; 2]; 3],
    ) {
        let (plan, n) = (self.plan, &self.plan.n);
        let (point, block) = (point[0], block[0]);
        // SAFETY: the caller's promise.
        unsafe {
            let b = weights.at(point * plan.weight_plane() + block * plan.depth * n.width);
            let run = |first: usize, rows: usize, list: *const u32, k: usize| {
                let a = self.input.at.at(point * self.input.plane + first * self.input.row);
                let out =
                    self.output.at.at(point * self.output.plane + first * self.output.row + block * n.width);
                let (lda, ldo) = (self.input.row, self.output.row);
                plan.isa.run(Rows { a, lda, rows, b, vectors: n.vectors, k, list, out, ldo });
            };
            match self.groups {
                None => {
                    let (first, last) = part(chunk.samples * plan.tiles(), part_of[1], part_of[0]);
                    run(first, last - first, std::ptr::null(), plan.depth);
                }
                Some(groups) => {
                    let (from, to) = self.groups_of(chunk, part_of);
                    for group in from..to {
                        let (first, rows) = self.rows_of(groups, group, chunk);
                        let list = groups.rows(group);
                        run(first, rows, list.as_ptr(), list.len());
                    }
                }
            }
        }
    }

    /// A part of the groups of a chunk.
    fn groups_of(&self, chunk: Chunk, [index, parts]: [usize; 2]) -> (usize, usize) {
        let first = chunk.first / self.plan.group();
        let (from, to) = part(chunk.samples.div_ceil(self.plan.group()), parts, index);
        (first + from, first + to)
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
            let own = self.own.at(worker * self.own_layout.len);
            let to = own.add(self.own_layout.copy + self.own_layout.spare);
            let transposed = |list: *const u32, first: usize, count: usize, (start, rows): (usize, usize)| {
                let vectors = count.div_ceil(plan.isa.lanes()).next_power_of_two().min(k.vectors);
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
                let (a, b, k, out) = (a(start), to, plan.shape.cout, out(start).add(first));
                plan.isa.run(Rows { a, lda, rows, b, vectors, k, list: std::ptr::null(), out, ldo });
            };
            let Some(groups) = self.groups else {
                let (start, end) = part(chunk.samples * plan.tiles(), part_of[1], part_of[0]);
                let (first, count) = (block * k.width, k.width.min(depth - block * k.width));
                return transposed(std::ptr::null(), first, count, (start, end - start));
            };
            let (from, to) = self.groups_of(chunk, part_of);
            for group in from..to {
                let (start, rows) = self.rows_of(groups, group, chunk);
                let list = groups.rows(group);
                if rows >= ROWS_TO_TRANSPOSE {
                    for first in (0..list.len()).step_by(k.width) {
                        transposed(list.as_ptr(), first, k.width.min(list.len() - first), (start, rows));
                    }
                    continue;
                }
                let columns = plan.shape.cout.next_multiple_of(plan.isa.lanes());
                let (a, out, block, k) = (a(start), out(start), plan.n.width, list.len());
                let list = list.as_ptr();
                plan.isa.run(Dots { a, lda, rows, b, depth, block, columns, list, k, out, ldo });
            }
        }
    }

    /// How many jobs [`Pass::correlate`] makes.
    pub(super) fn correlate_jobs(&self) -> [usize; 3] {
        let jobs = self.plan.points * self.plan.n.count;
        [self.plan.points, self.plan.n.count, self.parts(jobs, self.plan.depth.div_ceil(48))]
    }

    /// The gradient of one block of the weights at one point, a part of its rows. `self.output` holds the
    /// gradient of the output. With groups it is added to what is there, else unless it is `fresh`.
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
            let (lda, ldb, vectors) = (self.input.row, self.output.row, n.vectors);
            match self.groups {
                None => {
                    let (k, end) = part(plan.depth, part_of[1], part_of[0]);
                    let (a, b, out) = (a(0).add(k), b(0), out.add(k * n.width));
                    let (rows, k) = (chunk.samples * plan.tiles(), end - k);
                    let (list, accumulate) = (std::ptr::null(), !fresh);
                    plan.isa.run(Outer { a, lda, rows, b, ldb, vectors, k, list, out, accumulate });
                }
                Some(groups) => {
                    let (from, to) = self.groups_of(chunk, [0, 1]);
                    for group in from..to {
                        let (first, rows) = self.rows_of(groups, group, chunk);
                        let list = groups.rows(group);
                        let (k, end) = part(list.len(), part_of[1], part_of[0]);
                        let (a, b, list) = (a(first).add(k), b(first), list.as_ptr().add(k));
                        let (k, accumulate) = (end - k, true);
                        plan.isa.run(Outer { a, lda, rows, b, ldb, vectors, k, list, out, accumulate });
                    }
                }
            }
        }
    }
}
