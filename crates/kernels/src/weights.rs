//! Weights between `[cout, cin, kernel, kernel]` and the blocks that products use.

use super::plan::{GAP, Plan, Scheme};
use super::pool::parallel;
use super::simd::{Job, Simd, fetch};
use super::tiles::{Four, Tile, Two, twice};

/// Input channels of a job.
const SPAN: usize = 32;

/// A pointer that jobs share. They write to different places.
#[derive(Clone, Copy)]
pub(super) struct Shared(pub *mut f32);

// SAFETY: a pointer to f32; what is done with it is the jobs' concern, which never touch the same value.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// The place `offset` values on.
    ///
    /// # Safety
    ///
    /// It lies in the same allocation.
    pub(super) unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(offset) }
    }
}

/// Values that a worker needs for these jobs.
pub(super) fn own_len(plan: &Plan) -> usize {
    SPAN * plan.shape.kernel * plan.shape.kernel * plan.isa.lanes()
}

/// `[cout, cin, kernel, kernel]` to `[points][blocks][depth][block]`. `own` has [`own_len`] values for every
/// worker.
pub(super) fn transform(plan: &Plan, weight: &[f32], blocks: &mut [f32], own: &mut [f32]) {
    let weight = Shared(weight.as_ptr().cast_mut());
    let blocks = (Shared(blocks.as_mut_ptr()), 1);
    each_span((plan, plan.threads), weight, blocks, Shared(own.as_mut_ptr()), false);
}

/// The transpose of [`transform`] on so many threads: the gradient of the weights from the sum of some gradients of the
/// blocks. `own` as there.
pub(super) fn transform_back(plan: (&Plan, usize), blocks: (Shared, usize), dw: &mut [f32], own: Shared) {
    each_span(plan, Shared(dw.as_mut_ptr()), blocks, own, true);
}

fn each_span(
    (plan, threads): (&Plan, usize),
    weight: Shared,
    (blocks, copies): (Shared, usize),
    own: Shared,
    back: bool,
) {
    let spans = plan.shape.cin.div_ceil(SPAN);
    parallel(threads, plan.n.count * spans, |worker, job| {
        let (block, span) = (job / spans, job % spans);
        let first = span * SPAN;
        let inputs = SPAN.min(plan.shape.cin - first);
        let vectors = plan.shape.cout.div_ceil(plan.isa.lanes());
        let those = block * plan.n.vectors..vectors.min((block + 1) * plan.n.vectors);
        // SAFETY: a job owns its output channels and input channels in both arrays, and its worker's part of
        // `own`; the plan's instructions are available.
        unsafe {
            if back {
                let rows = block * plan.depth + first;
                for point in 0..plan.points * copies {
                    let plane =
                        point / plan.points * blocks_len(plan) + point % plan.points * plan.weight_plane();
                    fetch(blocks.at(plane + rows * plan.n.width), inputs * plan.n.width);
                }
            }
            let own = own.at(worker * own_len(plan));
            for group in those {
                plan.isa.run(Span { plan, weight, blocks, copies, own, group, first, inputs, back });
            }
        }
    });
}

/// The weights from some input channels to one vector of output channels.
struct Span<'a> {
    plan: &'a Plan,
    weight: Shared,
    blocks: Shared,
    /// How many blocks follow each other, of which the sum is taken.
    copies: usize,
    /// `[inputs * taps][LANES]`
    own: *mut f32,
    group: usize,
    first: usize,
    inputs: usize,
    back: bool,
}

impl Job for Span<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let s = &self.plan.shape;
        let taps = s.kernel * s.kernel;
        let (stride, len) = (s.cin * taps, self.inputs * taps);
        let outputs = S::LANES.min(s.cout - self.group * S::LANES);
        // SAFETY: the channels exist in `weight`, and `own` holds `len` vectors.
        unsafe {
            let weight = self.weight.at(self.group * S::LANES * stride + self.first * taps);
            if self.back {
                self.points_back::<S>();
                transposed::<S>(self.own, S::LANES, weight, stride, len, outputs);
            } else {
                if outputs < S::LANES {
                    self.own.write_bytes(0, len * S::LANES);
                }
                transposed::<S>(weight, stride, self.own, S::LANES, outputs, len);
                self.points::<S>();
            }
        }
    }
}

impl Span<'_> {
    /// Where one input channel's values for these outputs begin, at the first point or tap.
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, input: usize) -> *mut f32 {
        let n = &self.plan.n;
        let (block, within) = (self.group * S::LANES / n.width, self.group * S::LANES % n.width);
        // SAFETY: inside the blocks, as `group` and `input` are.
        unsafe { self.blocks.at((block * self.plan.depth + input) * n.width + within) }
    }

    #[inline(always)]
    unsafe fn points<S: Simd>(&self) {
        // SAFETY: `own` and the blocks hold what the plan says.
        unsafe {
            for i in 0..self.inputs {
                let own = self.own.add(i * self.plan.shape.kernel * self.plan.shape.kernel * S::LANES);
                let block = self.block::<S>(self.first + i);
                let plane = self.plan.weight_plane();
                match self.plan.scheme {
                    Scheme::Four => {
                        twice!(
                            S,
                            3,
                            Four::POINTS,
                            Four::weights::<S>,
                            |y, x| S::load(own.add((y * 3 + x) * S::LANES)),
                            |v| S::store(block.add((y * Four::POINTS + x) * plane), v)
                        );
                    }
                    Scheme::Two => {
                        twice!(
                            S,
                            3,
                            Two::POINTS,
                            Two::weights::<S>,
                            |y, x| S::load(own.add((y * 3 + x) * S::LANES)),
                            |v| S::store(block.add((y * Two::POINTS + x) * plane), v)
                        );
                    }
                    Scheme::Rows => {
                        for (index, tap) in self.plan.taps.iter().enumerate() {
                            let (own, block) = self.tap::<S>(own, block, index, tap);
                            S::store(block, S::load(own));
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn points_back<S: Simd>(&self) {
        let taps = self.plan.shape.kernel * self.plan.shape.kernel;
        // SAFETY: as for `points`.
        unsafe {
            if self.plan.scheme == Scheme::Rows && self.plan.taps.len() < taps {
                self.own.write_bytes(0, self.inputs * taps * S::LANES);
            }
            for i in 0..self.inputs {
                let own = self.own.add(i * taps * S::LANES);
                let block = self.block::<S>(self.first + i);
                let plane = self.plan.weight_plane();
                match self.plan.scheme {
                    Scheme::Four => {
                        twice!(
                            S,
                            Four::POINTS,
                            3,
                            Four::weights_transposed::<S>,
                            |y, x| self.sum::<S>(block.add((y * Four::POINTS + x) * plane)),
                            |v| S::store(own.add((y * 3 + x) * S::LANES), v)
                        );
                    }
                    Scheme::Two => {
                        twice!(
                            S,
                            Two::POINTS,
                            3,
                            Two::weights_transposed::<S>,
                            |y, x| self.sum::<S>(block.add((y * Two::POINTS + x) * plane)),
                            |v| S::store(own.add((y * 3 + x) * S::LANES), v)
                        );
                    }
                    Scheme::Rows => {
                        for (index, tap) in self.plan.taps.iter().enumerate() {
                            let (own, block) = self.tap::<S>(own, block, index, tap);
                            S::store(own, self.sum::<S>(block));
                        }
                    }
                }
            }
        }
    }

    /// The sum of all copies of a vector.
    #[inline(always)]
    unsafe fn sum<S: Simd>(&self, at: *const f32) -> S::V {
        // SAFETY: the caller's promise, for every copy.
        unsafe {
            let mut sum = S::load(at);
            for copy in 1..self.copies {
                sum = S::add(sum, S::load(at.add(copy * blocks_len(self.plan))));
            }
            sum
        }
    }

    /// The places of a used tap in `own` and in the block, from those of an input channel's first.
    #[inline(always)]
    unsafe fn tap<S: Simd>(
        &self,
        own: *mut f32,
        block: *mut f32,
        index: usize,
        [y, x]: &[usize; 2],
    ) -> (*mut f32, *mut f32) {
        let s = &self.plan.shape;
        // SAFETY: inside both, as the tap is one of the plan's.
        unsafe {
            let own = own.add((y * s.kernel + x) * S::LANES);
            (own, block.add(index * s.cin * self.plan.n.width))
        }
    }
}

/// `to[column][row] = from[row][column]`.
#[inline(always)]
pub(super) unsafe fn transposed<S: Simd>(
    from: *const f32,
    stride: usize,
    to: *mut f32,
    to_stride: usize,
    rows: usize,
    columns: usize,
) {
    for row in (0..rows).step_by(S::LANES) {
        for column in (0..columns).step_by(S::LANES) {
            // SAFETY: a whole tile lies inside both matrices; at the edges values are moved one by one.
            unsafe {
                let (from, to) = (from.add(row * stride + column), to.add(column * to_stride + row));
                if row + S::LANES <= rows && column + S::LANES <= columns {
                    S::transpose(from, stride, to, to_stride);
                    continue;
                }
                for i in 0..S::LANES.min(rows - row) {
                    for j in 0..S::LANES.min(columns - column) {
                        *to.add(j * to_stride + i) = *from.add(i * stride + j);
                    }
                }
            }
        }
    }
}

/// Values of the transformed weights.
pub(super) fn blocks_len(plan: &Plan) -> usize {
    plan.points * plan.weight_plane() + GAP
}
