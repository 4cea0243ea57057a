//! One convolution: its plan, its weights, and its three products.

use super::finish::{Epilogue, RawEpilogue};
use super::plan::{Plan, Scheme};
use super::scratch::Lines;
use super::weights::{self, Shared};
use super::work::{Gradients, Outputs, Purpose, Work};
use super::{Active, ConvShape, Isa, Scratch};

/// The plan and the weights of one convolution, for any number of steps.
///
/// The same input, shape, instruction set and number of threads give the same bits every time.
#[derive(Debug)]
pub struct ConvKernel {
    plan: Plan,
    weights: Lines,
    own: Lines,
}

impl ConvKernel {
    /// Plans a convolution of about `shape.batch` samples on at most `threads` threads.
    ///
    /// # Panics
    ///
    /// If the kernel is larger than the padded image, a size is zero, or the processor lacks `isa`.
    pub fn new(shape: ConvShape, isa: Isa, threads: usize) -> Self {
        ConvKernel::planned(Plan::new(shape, isa, threads))
    }

    /// As [`ConvKernel::new`], with the sums as they are written down, for results as near to other programs'
    /// as theirs are to each other's: tiles round three to eight times more coarsely.
    ///
    /// # Panics
    ///
    /// As [`ConvKernel::new`].
    pub fn plain(shape: ConvShape, isa: Isa, threads: usize) -> Self {
        ConvKernel::planned(Plan::with_scheme(shape, isa, threads.max(1), Scheme::Rows))
    }

    fn planned(plan: Plan) -> Self {
        let (shape, isa) = (plan.shape, plan.isa);
        assert!(isa.is_available(), "this processor has no {isa:?}");
        let sizes =
            [shape.batch, shape.height, shape.width, shape.cin, shape.cout, shape.kernel, shape.stride];
        assert!(sizes.iter().all(|size| *size > 0), "a convolution with nothing in it: {shape:?}");
        let image = shape.height.min(shape.width) + 2 * shape.padding;
        assert!(image >= shape.kernel, "a kernel larger than its image: {shape:?}");
        ConvKernel { plan, weights: Lines::default(), own: Lines::default() }
    }

    /// The sizes it was planned for.
    pub fn shape(&self) -> &ConvShape {
        &self.plan.shape
    }

    /// Takes the weights `[cout, cin, kernel, kernel]`; once for as long as they stay the same.
    pub fn prepare(&mut self, weight: &[f32]) {
        let s = &self.plan.shape;
        assert_eq!(weight.len(), s.cout * s.cin * s.kernel * s.kernel, "the number of weights");
        let own = self.own.floats(self.plan.threads * weights::own_len(&self.plan));
        let blocks = self.weights.floats(weights::blocks_len(&self.plan));
        weights::transform(&self.plan, weight, blocks, own);
    }

    /// `y = conv(x, w)` without bias: x `[batch, height, width, cin]`, y `[batch, out_height, out_width, cout]`,
    /// both of any number of samples. `active` names the input channels that are not zero throughout,
    /// `wanted` the outputs that are needed; each of the others becomes zero or what it would be.
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
        scratch: &mut Scratch,
    ) {
        assert_eq!(self.batch(x) * self.shape().output_len(), y.len(), "the size of the output");
        self.run([active, wanted], x, Outputs::Kept(Shared(y.as_mut_ptr())), scratch);
    }

    /// As [`ConvKernel::forward`], for outputs that are needed once: `done` gets the number of a sample and its
    /// `[out_height, out_width, cout]`, from several threads and in any order, while a core has them near.
    ///
    /// # Panics
    ///
    /// As for [`ConvKernel::forward`].
    pub fn forward_to(
        &self,
        x: &[f32],
        active: Option<&Active>,
        wanted: Option<&Active>,
        scratch: &mut Scratch,
        done: impl Fn(usize, &[f32]) + Sync,
    ) {
        self.run([active, wanted], x, Outputs::Handed(&done), scratch);
    }

    /// Whether [`ConvKernel::forward_finished`] can do an epilogue with such a pool, and with something added if it `adds`.
    pub fn finishes(&self, pool: usize, adds: bool) -> bool {
        let s = &self.plan.shape;
        let even = [s.out_height(), s.out_width()].iter().all(|side| side.is_multiple_of(2));
        match (self.plan.scheme, pool, adds) {
            (Scheme::Rows, pool, adds) => pool == 1 && !adds,
            (_, 1, _) => true,
            (_, 2, false) => even,
            _ => false,
        }
    }

    /// As [`ConvKernel::forward`] with all channels, and with what follows it; `out` is `[batch, out_height / pool,
    /// out_width / pool, cout]`.
    ///
    /// # Panics
    ///
    /// As for [`ConvKernel::forward`], and if it does not [finish](ConvKernel::finishes) that.
    pub fn forward_finished(&self, x: &[f32], epilogue: &Epilogue, out: &mut [f32], scratch: &mut Scratch) {
        assert!(
            self.finishes(epilogue.pool, epilogue.added.is_some()),
            "what follows a convolution: {epilogue:?}"
        );
        let (s, pool) = (self.shape(), epilogue.pool);
        let len = self.batch(x) * s.output_len();
        assert_eq!(out.len() * pool * pool, len, "the size of the output");
        assert_eq!([epilogue.scale.len(), epilogue.shift.len()], [s.cout; 2], "the number of factors");
        assert!(epilogue.added.is_none_or(|(added, _)| added.len() == len), "the size of what is added");
        let shared = |values: &[f32]| Shared(values.as_ptr().cast_mut());
        let finish = RawEpilogue {
            scale: shared(epilogue.scale),
            shift: shared(epilogue.shift),
            floor: epilogue.floor,
            added: epilogue.added.map(|(added, outer)| (shared(added), outer)),
            pool,
        };
        self.run([None, None], x, Outputs::Finished(Shared(out.as_mut_ptr()), finish), scratch);
    }

    fn run(&self, sets: [Option<&Active>; 2], x: &[f32], to: Outputs, scratch: &mut Scratch) {
        let batch = self.batch(x);
        let weights = self.blocks();
        let purpose = if matches!(to, Outputs::Handed(_)) { Purpose::Handing } else { Purpose::Forth };
        let x = Shared(x.as_ptr().cast_mut());
        Work::new(&self.plan, batch, sets, purpose, scratch).forward(weights, x, to);
    }

    /// The gradients of x and w from that of y. `dw` `[cout, cin, kernel, kernel]` and `dx`, if wanted, are
    /// overwritten; `dx` is zero at inactive channels.
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
        dw: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let batch = self.batch(x);
        assert_eq!(batch * self.shape().output_len(), dy.len(), "the size of the output's gradient");
        assert!(dx.as_ref().is_none_or(|dx| dx.len() == x.len()), "the size of the input's gradient");
        let s = &self.plan.shape;
        assert_eq!(dw.len(), s.cout * s.cin * s.kernel * s.kernel, "the size of the weights' gradient");
        let weights = self.blocks();
        let (x, dy) = (Shared(x.as_ptr().cast_mut()), Shared(dy.as_ptr().cast_mut()));
        let gradients = Gradients { dx: dx.map(|dx| Shared(dx.as_mut_ptr())), dw };
        Work::new(&self.plan, batch, [active, None], Purpose::Back, scratch)
            .backward(weights, x, dy, active, gradients);
    }

    /// The transformed weights.
    fn blocks(&self) -> Shared {
        self.weights.place()
    }

    /// The number of samples of an input.
    fn batch(&self, x: &[f32]) -> usize {
        let s = &self.plan.shape;
        let batch = x.len() / s.input_len();
        assert_eq!(x.len(), batch * s.input_len(), "the input is no whole number of samples");
        assert!(self.weights.is_used(), "no weights were given");
        batch
    }
}
