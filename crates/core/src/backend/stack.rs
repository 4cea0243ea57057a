//! A whole network on the CPU: forward pass, backward pass and evaluation, without Burn.
//!
//! A [`Plan`], compiled from a [`Spec`](crate::spec::Spec), says what to run. Activations are `[batch, height, width,
//! channels]`, so that a vector holds channels; images and weights come as everywhere else. A convolution, its batch
//! norm, mask, ReLU and the pool or sum behind them are one step. Training makes two passes over its output forward
//! (statistics; normalise, mask, ReLU, pool) and two backward (sums; gradient), and keeps the convolution's output and
//! the activations behind it; all else is computed again. Evaluation makes one, or none. The per-channel means that
//! mask generators read are a by-product of the activation pass.
//!
//! Where a sample's mask is zero its channel is zero, and the convolutions that read it skip it, with exactly the
//! same result (derived in `docs/decisions/cpu-engine.md`).
//!
//! | file | what it holds |
//! |---|---|
//! | `plan` | the steps of a network |
//! | `tape` | what a pass has computed, which its backward pass consumes |
//! | `masks` | masks that are given to a pass |
//! | `forward`, `block` | the forward pass, while training and evaluating |
//! | `head` | the first steps of an evaluation, sample by sample |
//! | `backward` | the backward pass |
//! | `dense` | linear layers and mask generators |
//! | `plain` | pools, sums and the like that are no part of a block |
//! | `elementwise` | loops over pixels and channels |
//! | `buffers`, `share` | memory that is used again; work shared among threads |

mod backward;
mod block;
mod buffers;
mod dense;
mod elementwise;
mod forward;
mod head;
mod masks;
mod plain;
mod plan;
mod share;
mod tape;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

pub use backward::Backward;
pub use masks::{GivenMask, PassMasks};
pub use plan::Plan;
pub use tape::Tape;

use super::kernels::{ConvKernel, ConvShape, Isa, Workspace};
use buffers::{Buffer, Buffers};
use head::idle;
use plan::Kind;

/// Runs a plan. Holds memory that grows with the batch and is used again in the next pass.
#[derive(Debug)]
pub struct Engine {
    plan: Arc<Plan>,
    isa: Isa,
    threads: usize,
    /// Shared with the engines of the head while they are at work, and with tapes.
    kernels: Arc<Kernels>,
    /// Whether the kernels hold the weights as they are now.
    ready: bool,
    workspace: Workspace,
    buffers: Buffers,
    /// What runs the first steps sample by sample, one for each thread.
    heads: Vec<Mutex<Engine>>,
    /// The largest batch so far.
    largest: usize,
    /// Arrays of gradients that are free, by parameter.
    spare: Vec<Vec<Vec<f32>>>,
    /// Parameters that do not train. Empty: all train.
    frozen: Vec<bool>,
    /// Masks to use in place of the generators' own, by block.
    imposed: HashMap<usize, Vec<f32>>,
}

/// A batch and the masks that its samples take.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// `[samples, channels, height, width]`.
    pub images: &'a [f32],
    /// How many images they are.
    pub samples: usize,
    /// Masks that are given to samples.
    pub masks: &'a PassMasks,
}

/// What a pass gives.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// `[batch, outputs]`.
    pub outputs: Vec<f32>,
    /// `[batch, units]` for each observed site, in the order asked for: its mask if it has a generator, otherwise the
    /// mean of |activation| over height and width.
    pub observed: Vec<Vec<f32>>,
    /// What each convolution's batch norm saw, in the order of the convolutions; `None` without batch norm, where it
    /// used its running statistics, and in evaluation.
    pub statistics: Vec<Option<Statistics>>,
}

/// Mean and unbiased variance of a batch, channel by channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// With the convolution's bias.
    pub mean: Vec<f32>,
    /// Divided by the number of pixels less one.
    pub var: Vec<f32>,
}

/// Batches of at least this size are planned alike, and so are smaller ones. A plan decides in which order sums are
/// taken; as it follows from the batch at hand and never from those before, a resumed run has the sums of the run
/// that never stopped.
const MANY: usize = 13;

/// What kernels are planned for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Planned {
    batch: usize,
    /// Whether gradients follow.
    trains: bool,
}

impl Planned {
    fn for_batch(batch: usize, trains: bool) -> Self {
        Planned { batch: if batch < MANY { 1 } else { MANY }, trains }
    }

    /// Whether Winograd saves too little time to be worth its coarser rounding, which moves a decision of ReLU or
    /// pooling now and then and so a gradient: for convolutions of few multiply-accumulates an image, and of more where
    /// few images share the gradient. Without gradients it is always worth it.
    fn is_light(self, shape: &ConvShape) -> bool {
        let limit = if self.batch < MANY { 1 << 22 } else { 1 << 20 };
        let pixels = shape.out_height() * shape.out_width();
        self.trains && pixels * shape.cin * shape.cout * shape.kernel * shape.kernel <= limit
    }
}

/// A kernel for each weight that is multiplied: convolutions, generators and linear layers.
#[derive(Debug, Default)]
struct Kernels {
    planned: Planned,
    /// By the weight's number.
    convs: Vec<Option<ConvKernel>>,
}

impl Engine {
    /// An engine for this plan that uses these instructions and at most so many threads.
    pub fn new(plan: Arc<Plan>, isa: Isa, threads: usize) -> Self {
        Engine {
            spare: vec![Vec::new(); plan.parameters.len()],
            plan,
            isa,
            threads,
            kernels: Arc::default(),
            ready: false,
            workspace: Workspace::new(),
            buffers: Buffers::default(),
            heads: Vec::new(),
            largest: 0,
            frozen: Vec::new(),
            imposed: HashMap::new(),
        }
    }

    /// What it runs.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// From now on uses these masks, `[batch, kernels]` for each generator in order, in place of the generators' own;
    /// gradients flow as if the generators had given them. None: the generators' own again. For measuring: a pass
    /// takes masks as constants by [`PassMasks`].
    pub fn impose(&mut self, masks: Vec<Vec<f32>>) {
        let mut blocks: Vec<_> = self.plan.blocks().map(|(_, block)| block).collect();
        blocks.sort_by_key(|block| block.index);
        let generators = blocks.into_iter().filter(|block| block.generator.is_some());
        self.imposed = generators.map(|block| block.index).zip(masks).collect();
    }

    /// From now on exactly the parameters marked here, one mark a parameter, keep their values: they get no gradient,
    /// and batch norm whose running statistics are marked uses these while training.
    ///
    /// # Panics
    ///
    /// If there are not as many marks as parameters.
    pub fn freeze(&mut self, frozen: Vec<bool>) {
        assert_eq!(frozen.len(), self.plan.parameters.len(), "one mark a parameter");
        self.frozen = frozen;
    }

    fn is_frozen(&self, parameter: usize) -> bool {
        self.frozen.get(parameter).is_some_and(|frozen| *frozen)
    }

    /// Whether a parameter gets a gradient.
    fn trains(&self, parameter: usize) -> bool {
        self.plan.trained[parameter] && !self.is_frozen(parameter)
    }

    /// Says that the weights are others than in the pass before.
    pub fn forget_weights(&mut self) {
        self.ready = false;
    }

    /// Room for a parameter's gradient, if it trains. Holds whatever its last user left.
    fn array(&mut self, parameter: usize) -> Option<Vec<f32>> {
        let length = self.plan.parameters[parameter];
        self.trains(parameter).then(|| self.spare[parameter].pop().unwrap_or_else(|| vec![0.0; length]))
    }

    /// Takes back the memory of gradients, one array a parameter, that are no longer needed.
    pub fn recycle(&mut self, gradients: Vec<Vec<f32>>) {
        for (number, (gradient, spare)) in gradients.into_iter().zip(&mut self.spare).enumerate() {
            if !gradient.is_empty() && gradient.len() == self.plan.parameters[number] {
                spare.push(gradient);
            }
        }
    }

    /// Kernels for batches of this size, with these weights, for a pass that gradients follow or not.
    fn prepare(&mut self, batch: usize, trains: bool, parameters: &[&[f32]]) {
        if batch > self.largest {
            self.buffers.clear();
            self.largest = batch;
        }
        let planned = Planned::for_batch(batch, trains);
        if self.ready && planned == self.kernels.planned {
            return;
        }
        self.heads.iter_mut().for_each(|head| idle(head).kernels = Arc::default());
        if Arc::get_mut(&mut self.kernels).is_none() {
            // A backward pass is still to come that needs them as they are.
            self.kernels = Arc::default();
        }
        let Some(kernels) = Arc::get_mut(&mut self.kernels) else {
            unreachable!("new kernels have one owner")
        };
        if planned != kernels.planned {
            kernels.planned = planned;
            kernels.convs.clear();
            kernels.convs.resize_with(self.plan.parameters.len(), || None);
            for (weight, shape) in shapes(&self.plan, planned.batch) {
                let plan = if planned.is_light(&shape) { ConvKernel::plain } else { ConvKernel::new };
                kernels.convs[weight] = Some(plan(shape, self.isa, self.threads));
            }
        }
        for (kernel, weight) in kernels.convs.iter_mut().zip(parameters) {
            if let Some(kernel) = kernel {
                kernel.prepare(weight);
            }
        }
        self.ready = true;
    }
}

impl Kernels {
    /// The kernel of a weight.
    fn of(&self, weight: usize) -> &ConvKernel {
        match &self.convs[weight] {
            Some(kernel) => kernel,
            None => unreachable!("every weight of a plan has a kernel"),
        }
    }
}

/// Every product of a plan as a convolution: a linear layer is one on a single pixel.
fn shapes(plan: &Plan, batch: usize) -> Vec<(usize, ConvShape)> {
    let dense =
        |cin, cout| ConvShape { batch, height: 1, width: 1, cin, cout, kernel: 1, stride: 1, padding: 0 };
    let mut shapes = Vec::new();
    for step in &plan.steps {
        let (input, output) = (plan.values[step.input], plan.values[step.output]);
        match &step.kind {
            Kind::Linear(linear) => shapes.push((linear.weight, dense(input.channels, output.channels))),
            Kind::Block(block) => {
                let (cin, cout) = (input.channels, output.channels);
                let (height, width) = (input.height, input.width);
                let (kernel, stride, padding) = (block.size, block.stride, block.size / 2);
                let shape = ConvShape { batch, height, width, cin, cout, kernel, stride, padding };
                shapes.push((block.weight, shape));
                if let Some(generator) = block.generator {
                    shapes.push((generator.hidden_weight, dense(cin, generator.hidden)));
                    shapes.push((generator.output_weight, dense(generator.hidden, cout)));
                }
            }
            _ => {}
        }
    }
    shapes
}
