//! One convolution: its plan, its packed weights, forward and backward pass.

use crate::batching::{Batching, Destination, Inputs, Mode};
use crate::epilogue::{Epilogue, RawAddend, RawEpilogue};
use crate::filter_transform;
use crate::plan::{Plan, Scheme};
use crate::ptr::SendPtr;
use crate::shape::ChannelSets;
use crate::workspace::AlignedBuffer;
use crate::{Active, ConvShape, Isa, Workspace};

/// The plan and the weights of one convolution, for any number of passes.
///
/// The same input, shape, instruction set and number of threads give the same bits every time.
#[derive(Debug)]
pub struct ConvKernel {
    plan: Plan,
    /// Packed as the plan says; empty before the first [`ConvKernel::prepare`].
    weights: AlignedBuffer,
    /// What the workers need for packing.
    workers: AlignedBuffer,
}

impl ConvKernel {
    /// Plans a convolution of about `shape.batch` samples on at most `threads` threads.
    ///
    /// # Panics
    ///
    /// If the kernel is larger than the padded image, or a size is zero.
    pub fn new(shape: ConvShape, isa: Isa, threads: usize) -> Self {
        check(&shape);
        ConvKernel::planned(Plan::new(shape, isa, threads))
    }

    /// As [`ConvKernel::new`], with every product computed as such, without Winograd's transforms: for results as near to
    /// other programs' as theirs are to each other's. Winograd's algorithm rounds three to eight times more coarsely.
    ///
    /// # Panics
    ///
    /// As [`ConvKernel::new`].
    pub fn plain(shape: ConvShape, isa: Isa, threads: usize) -> Self {
        check(&shape);
        ConvKernel::planned(Plan::with_scheme(shape, isa, threads.max(1), Scheme::Im2col))
    }

    fn planned(plan: Plan) -> Self {
        ConvKernel { plan, weights: AlignedBuffer::default(), workers: AlignedBuffer::default() }
    }

    /// The sizes it was planned for.
    pub fn shape(&self) -> &ConvShape {
        &self.plan.shape
    }

    /// Packs the weights `[cout, cin, kernel, kernel]`; once for as long as they stay the same.
    ///
    /// # Panics
    ///
    /// If there are more or fewer weights.
    pub fn prepare(&mut self, weight: &[f32]) {
        let workers = self.workers.at_least(self.plan.threads * filter_transform::worker_len(&self.plan));
        let packed = self.weights.at_least(filter_transform::packed_len(&self.plan));
        filter_transform::transform(&self.plan, weight, packed, workers);
    }

    /// `y = conv(x, w)` without bias: x `[batch, height, width, cin]`, y `[batch, out_height, out_width, cout]`,
    /// both of any number of samples. `active` names the input channels that may differ from zero, `wanted` the outputs
    /// that are needed; each of the others becomes zero or what it would be.
    ///
    /// # Panics
    ///
    /// If the sizes do not fit or no weights were given.
    pub fn forward(
        &self,
        x: &[f32],
        active: Option<&Active>,
        wanted: Option<&Active>,
        y: &mut [f32],
        workspace: &mut Workspace,
    ) {
        assert_eq!(self.batch(x) * self.shape().output_len(), y.len(), "the size of the output");
        let to = Destination::Store(SendPtr(y.as_mut_ptr()));
        // SAFETY: the output has room for the batch, as just asserted.
        unsafe { self.run(ChannelSets { input: active, output: wanted }, x, to, Mode::Store, workspace) }
    }

    /// As [`ConvKernel::forward`], for outputs that are needed once: `done` gets the number of a sample and its
    /// `[out_height, out_width, cout]`, from several threads and in any order, while they are in a core's cache.
    ///
    /// # Panics
    ///
    /// As for [`ConvKernel::forward`].
    pub fn forward_to(
        &self,
        x: &[f32],
        active: Option<&Active>,
        wanted: Option<&Active>,
        workspace: &mut Workspace,
        done: impl Fn(usize, &[f32]) + Sync,
    ) {
        let (sets, to) = (ChannelSets { input: active, output: wanted }, Destination::Stream(&done));
        // SAFETY: outputs go to the workspace, which makes room.
        unsafe { self.run(sets, x, to, Mode::Stream, workspace) }
    }

    /// Whether [`ConvKernel::forward_finished`] can do an epilogue with such a pool, and with something added if it `adds`.
    pub fn finishes(&self, pool: usize, adds: bool) -> bool {
        let s = &self.plan.shape;
        let even = [s.out_height(), s.out_width()].iter().all(|side| side.is_multiple_of(2));
        match (self.plan.scheme, pool, adds) {
            (Scheme::Im2col, pool, adds) => pool == 1 && !adds,
            (_, 1, _) => true,
            (_, 2, false) => even,
            _ => false,
        }
    }

    /// As [`ConvKernel::forward`] with all channels, followed by an epilogue in registers; `out` is `[batch, out_height /
    /// pool, out_width / pool, cout]`.
    ///
    /// # Panics
    ///
    /// As for [`ConvKernel::forward`], and if it [cannot do](ConvKernel::finishes) such an epilogue.
    pub fn forward_finished(
        &self,
        x: &[f32],
        epilogue: &Epilogue,
        out: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let Epilogue { scale, shift, floor, added, pool } = *epilogue;
        assert!(self.finishes(pool, added.is_some()), "no such epilogue: {epilogue:?}");
        let s = self.shape();
        let len = self.batch(x) * s.output_len();
        assert_eq!(out.len() * pool * pool, len, "the size of the output");
        assert_eq!([scale.len(), shift.len()], [s.cout; 2], "the number of factors");
        assert!(added.is_none_or(|(added, _)| added.len() == len), "the size of what is added");
        let raw = RawEpilogue {
            scale: SendPtr::read_only(scale),
            shift: SendPtr::read_only(shift),
            floor,
            added: added.map(|(values, outer)| RawAddend { values: SendPtr::read_only(values), outer }),
            pool,
        };
        let to = Destination::StoreFused(SendPtr(out.as_mut_ptr()), raw);
        // SAFETY: the output has room for the pooled batch, and the epilogue's arrays fit, as just asserted.
        unsafe { self.run(ChannelSets::default(), x, to, Mode::Store, workspace) }
    }

    /// # Safety
    ///
    /// The destination has room for the batch's output, and an epilogue's arrays fit.
    unsafe fn run(
        &self,
        sets: ChannelSets,
        x: &[f32],
        to: Destination,
        mode: Mode,
        workspace: &mut Workspace,
    ) {
        let inputs = self.inputs(x, x, None);
        let pass = Batching::new(&self.plan, self.batch(x), sets, mode, workspace);
        // SAFETY: `x` is a whole number of samples and the weights are packed (`batch` asserts both); the destination has
        // room, by this function's contract, and is borrowed until the pass has ended.
        unsafe { pass.forward(inputs, to) }
    }

    /// The gradients of x and w from that of y. `dw` `[cout, cin, kernel, kernel]` and `dx`, as far as they are wanted,
    /// are overwritten; `dx` is zero at inactive channels.
    ///
    /// # Panics
    ///
    /// As for [`ConvKernel::forward`].
    pub fn backward(
        &self,
        x: &[f32],
        dy: &[f32],
        active: Option<&Active>,
        dx: Option<&mut [f32]>,
        dw: Option<&mut [f32]>,
        workspace: &mut Workspace,
    ) {
        let (s, batch) = (&self.plan.shape, self.batch(x));
        assert_eq!(batch * s.output_len(), dy.len(), "the size of the output's gradient");
        assert!(dx.as_ref().is_none_or(|dx| dx.len() == x.len()), "the size of the input's gradient");
        let weights = s.cout * s.cin * s.kernel * s.kernel;
        assert!(dw.as_ref().is_none_or(|dw| dw.len() == weights), "the size of the weights' gradient");
        let (inputs, dx) = (self.inputs(x, dy, active), dx.map(|dx| SendPtr(dx.as_mut_ptr())));
        let sets = ChannelSets { input: active, output: None };
        let pass = Batching::new(&self.plan, batch, sets, Mode::Backward, workspace);
        // SAFETY: all sizes fit, as just asserted, and `dx` is borrowed until the pass has ended.
        unsafe { pass.backward(inputs, dx, dw) }
    }

    fn inputs<'a>(&self, x: &[f32], dy: &[f32], active: Option<&'a Active<'a>>) -> Inputs<'a> {
        let weights = SendPtr::read_only(self.weights.values());
        Inputs { weights, x: SendPtr::read_only(x), dy: SendPtr::read_only(dy), active }
    }

    /// The number of samples of an input.
    ///
    /// # Panics
    ///
    /// If it is no whole number of samples, or no weights were given.
    fn batch(&self, x: &[f32]) -> usize {
        let s = &self.plan.shape;
        let batch = x.len() / s.input_len();
        assert_eq!(x.len(), batch * s.input_len(), "the input is no whole number of samples");
        assert!(!self.weights.is_empty(), "no weights were given");
        batch
    }
}

/// # Panics
///
/// If there is no such convolution.
fn check(shape: &ConvShape) {
    let sizes = [shape.batch, shape.height, shape.width, shape.cin, shape.cout, shape.kernel, shape.stride];
    assert!(sizes.iter().all(|size| *size > 0), "a convolution with nothing in it: {shape:?}");
    let image = shape.height.min(shape.width) + 2 * shape.padding;
    assert!(image >= shape.kernel, "a kernel larger than its image: {shape:?}");
}
