//! Weights between `[cout, cin, kernel, kernel]` and the packed blocks that the products use.
//!
//! ```text
//!   [cout][cin][ky][kx]  <-->  [points][blocks of cout][depth][block]
//! ```
//!
//! With im2col there is one point, and depth is (tap, cin); with Winograd depth is cin, and the weights are transformed.

use crate::plan::{GAP, Plan, Scheme};
use crate::pool::parallel;
use crate::ptr::SendPtr;
use crate::simd::{Job, Simd, warm_cache_at};
use crate::winograd::{Algorithm, F2x2, F4x4, map_2d};

/// Input channels of a job.
const SPAN: usize = 32;

/// Values that a worker needs for these jobs: the weights from the channels of a job to a vector of outputs.
pub(crate) fn worker_len(plan: &Plan) -> usize {
    SPAN * plan.shape.kernel * plan.shape.kernel * plan.isa.lanes()
}

/// Values of the packed weights.
pub(crate) fn packed_len(plan: &Plan) -> usize {
    plan.points * plan.weight_plane() + GAP
}

/// Packed weights, or gradients of such that are summed.
#[derive(Clone, Copy)]
pub(crate) struct Packed {
    pub at: SendPtr,
    /// How many follow each other, [`packed_len`] values apart.
    pub copies: usize,
}

/// Packs weights `[cout, cin, kernel, kernel]`. `packed` has [`packed_len`] values, `workers` [`worker_len`] for each of
/// the plan's threads.
pub(crate) fn transform(plan: &Plan, weight: &[f32], packed: &mut [f32], workers: &mut [f32]) {
    let s = &plan.shape;
    assert_eq!(weight.len(), s.cout * s.cin * s.kernel * s.kernel, "the number of weights");
    assert!(packed.len() >= packed_len(plan) && workers.len() >= plan.threads * worker_len(plan));
    let packed = Packed { at: SendPtr(packed.as_mut_ptr()), copies: 1 };
    let jobs = Spans {
        plan,
        weight: SendPtr::read_only(weight),
        packed,
        workers: SendPtr(workers.as_mut_ptr()),
        adjoint: false,
    };
    // SAFETY: the three arrays have the lengths asserted above; `weight` is only read.
    unsafe { jobs.run(plan.threads) }
}

/// The adjoint of [`transform`]: the gradient of the weights, `[cout, cin, kernel, kernel]`, from the sum of gradients of
/// the packed weights.
///
/// # Safety
///
/// `packed` holds its copies, `workers` [`worker_len`] values for each of `threads`; `dw` has as many values as there
/// are weights.
pub(crate) unsafe fn transform_adjoint(
    plan: &Plan,
    threads: usize,
    packed: Packed,
    dw: &mut [f32],
    workers: SendPtr,
) {
    let jobs = Spans { plan, weight: SendPtr(dw.as_mut_ptr()), packed, workers, adjoint: true };
    // SAFETY: the arrays have the lengths that this function's contract says; `packed` is only read.
    unsafe { jobs.run(threads) }
}

/// The arrays of a transform.
#[derive(Clone, Copy)]
struct Spans<'a> {
    plan: &'a Plan,
    /// `[cout, cin, kernel, kernel]`
    weight: SendPtr,
    packed: Packed,
    workers: SendPtr,
    /// From packed to plain; only the side that is written is written to.
    adjoint: bool,
}

impl Spans<'_> {
    /// # Safety
    ///
    /// The arrays hold what the plan says, `workers` a place for each of `threads`.
    unsafe fn run(self, threads: usize) {
        let plan = self.plan;
        let spans = plan.shape.cin.div_ceil(SPAN);
        parallel(threads, plan.n.count * spans, |worker, job| {
            let (block, span) = (job / spans, job % spans);
            let first = span * SPAN;
            let inputs = SPAN.min(plan.shape.cin - first);
            let vectors = plan.shape.cout.div_ceil(plan.isa.lanes());
            let groups = block * plan.n.vectors..vectors.min((block + 1) * plan.n.vectors);
            // SAFETY: the arrays hold what the plan says, by this function's contract. A job has a block of output
            // channels and a span of input channels, which no other job has, and the place of its worker.
            unsafe {
                if self.adjoint {
                    let rows = block * plan.depth + first;
                    for point in 0..plan.points * self.packed.copies {
                        let copy = point / plan.points * packed_len(plan);
                        let plane = copy + point % plan.points * plan.weight_plane();
                        warm_cache_at(self.packed.at.at(plane + rows * plan.n.width), inputs * plan.n.width);
                    }
                }
                let local = self.workers.at(worker * worker_len(plan));
                for group in groups {
                    plan.isa.run(Span { of: self, local, group, first, inputs });
                }
            }
        });
    }
}

/// The weights from some input channels to one vector of output channels.
struct Span<'a> {
    of: Spans<'a>,
    /// The worker's buffer: `[inputs][taps][LANES]`.
    local: *mut f32,
    /// The number of the vector of output channels.
    group: usize,
    /// The first input channel, and how many.
    first: usize,
    inputs: usize,
}

impl Job for Span<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self, simd: S) {
        let s = &self.of.plan.shape;
        let taps = s.kernel * s.kernel;
        let (stride, len) = (s.cin * taps, self.inputs * taps);
        let outputs = S::LANES.min(s.cout - self.group * S::LANES);
        // SAFETY: the weights have `outputs` rows of `stride` values from this vector of output channels on, each with
        // `len` values from input channel `first` on; the worker's buffer holds `len` vectors.
        unsafe {
            let weight = self.of.weight.at(self.group * S::LANES * stride + self.first * taps);
            let (plain, local) = (Matrix { at: weight, stride }, Matrix { at: self.local, stride: S::LANES });
            if self.of.adjoint {
                self.unpack(simd);
                transpose(simd, local, plain, len, outputs);
            } else {
                if outputs < S::LANES {
                    self.local.write_bytes(0, len * S::LANES);
                }
                transpose(simd, plain, local, outputs, len);
                self.pack(simd);
            }
        }
    }
}

impl Span<'_> {
    /// Where one input channel's values for these outputs begin, at the first point or tap.
    ///
    /// # Safety
    ///
    /// `input` is a channel of the plan's.
    #[inline(always)]
    unsafe fn packed<S: Simd>(&self, input: usize) -> *mut f32 {
        let n = &self.of.plan.n;
        let (block, within) = (self.group * S::LANES / n.width, self.group * S::LANES % n.width);
        // SAFETY: the vector of outputs is in a block of the plan's, and the input channel is a row of it.
        unsafe { self.of.packed.at.at((block * self.of.plan.depth + input) * n.width + within) }
    }

    /// # Safety
    ///
    /// The worker's buffer holds the weights `[inputs][taps][LANES]`; the packed weights hold what the plan says.
    #[inline(always)]
    unsafe fn pack<S: Simd>(&self, s: S) {
        let plan = self.of.plan;
        let taps = plan.shape.kernel * plan.shape.kernel;
        let plane = plan.weight_plane();
        // SAFETY: input channel `first + i` exists, and has `taps` vectors in the worker's buffer and a vector at each
        // point, `plane` values apart.
        unsafe {
            for i in 0..self.inputs {
                let local = self.local.add(i * taps * S::LANES);
                let packed = self.packed::<S>(self.first + i);
                match plan.scheme {
                    Scheme::F4x4 => {
                        map_2d!(
                            s,
                            3,
                            F4x4::POINTS,
                            F4x4::filter,
                            |y, x| s.load(local.add((y * 3 + x) * S::LANES)),
                            |v| s.store(packed.add((y * F4x4::POINTS + x) * plane), v)
                        );
                    }
                    Scheme::F2x2 => {
                        map_2d!(
                            s,
                            3,
                            F2x2::POINTS,
                            F2x2::filter,
                            |y, x| s.load(local.add((y * 3 + x) * S::LANES)),
                            |v| s.store(packed.add((y * F2x2::POINTS + x) * plane), v)
                        );
                    }
                    Scheme::Im2col => {
                        for (index, tap) in plan.taps.iter().enumerate() {
                            let (local, packed) = self.tap::<S>(local, packed, index, tap);
                            s.store(packed, s.load(local));
                        }
                    }
                }
            }
        }
    }

    /// # Safety
    ///
    /// The worker's buffer has room for `[inputs][taps][LANES]`; the packed gradients hold what the plan says.
    #[inline(always)]
    unsafe fn unpack<S: Simd>(&self, s: S) {
        let plan = self.of.plan;
        let taps = plan.shape.kernel * plan.shape.kernel;
        let plane = plan.weight_plane();
        // SAFETY: as in `pack`, with the sides exchanged.
        unsafe {
            if plan.scheme == Scheme::Im2col && plan.taps.len() < taps {
                self.local.write_bytes(0, self.inputs * taps * S::LANES);
            }
            for i in 0..self.inputs {
                let local = self.local.add(i * taps * S::LANES);
                let packed = self.packed::<S>(self.first + i);
                match plan.scheme {
                    Scheme::F4x4 => {
                        map_2d!(
                            s,
                            F4x4::POINTS,
                            3,
                            F4x4::filter_adjoint,
                            |y, x| self.sum_of_copies(s, packed.add((y * F4x4::POINTS + x) * plane)),
                            |v| s.store(local.add((y * 3 + x) * S::LANES), v)
                        );
                    }
                    Scheme::F2x2 => {
                        map_2d!(
                            s,
                            F2x2::POINTS,
                            3,
                            F2x2::filter_adjoint,
                            |y, x| self.sum_of_copies(s, packed.add((y * F2x2::POINTS + x) * plane)),
                            |v| s.store(local.add((y * 3 + x) * S::LANES), v)
                        );
                    }
                    Scheme::Im2col => {
                        for (index, tap) in plan.taps.iter().enumerate() {
                            let (local, packed) = self.tap::<S>(local, packed, index, tap);
                            s.store(local, self.sum_of_copies(s, packed));
                        }
                    }
                }
            }
        }
    }

    /// The sum of all copies of a vector of the packed gradients, in order.
    ///
    /// # Safety
    ///
    /// `at` is the vector's place in the first copy.
    #[inline(always)]
    unsafe fn sum_of_copies<S: Simd>(&self, s: S, at: *const f32) -> S::V {
        // SAFETY: each copy has the vector at the same place.
        unsafe {
            let mut sum = s.load(at);
            for copy in 1..self.of.packed.copies {
                sum = s.add(sum, s.load(at.add(copy * packed_len(self.of.plan))));
            }
            sum
        }
    }

    /// The places of a used tap, the `index`-th, in the worker's buffer and in the packed weights, from those of an input
    /// channel's first.
    ///
    /// # Safety
    ///
    /// The tap is one of the plan's.
    #[inline(always)]
    unsafe fn tap<S: Simd>(
        &self,
        local: *mut f32,
        packed: *mut f32,
        index: usize,
        [y, x]: &[usize; 2],
    ) -> (*mut f32, *mut f32) {
        let s = &self.of.plan.shape;
        // SAFETY: the worker's buffer has a vector for each of the kernel's taps, the packed weights `cin` rows for each
        // used one.
        unsafe {
            let local = local.add((y * s.kernel + x) * S::LANES);
            (local, packed.add(index * s.cin * self.of.plan.n.width))
        }
    }
}

/// A matrix whose rows are `stride` values apart.
#[derive(Clone, Copy)]
struct Matrix {
    at: *mut f32,
    stride: usize,
}

/// `to[column][row] = from[row][column]`.
///
/// # Safety
///
/// `from` has so many rows and columns, `to` as many columns and rows; they do not overlap.
#[inline(always)]
unsafe fn transpose<S: Simd>(s: S, from: Matrix, to: Matrix, rows: usize, columns: usize) {
    let (stride, to_stride) = (from.stride, to.stride);
    for row in (0..rows).step_by(S::LANES) {
        for column in (0..columns).step_by(S::LANES) {
            // SAFETY: a square of `LANES` rows and columns is moved only where it lies inside both matrices; at the
            // edges values are moved one by one, those that exist.
            unsafe {
                let (from, to) = (from.at.add(row * stride + column), to.at.add(column * to_stride + row));
                if row + S::LANES <= rows && column + S::LANES <= columns {
                    s.transpose(from, stride, to, to_stride);
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
