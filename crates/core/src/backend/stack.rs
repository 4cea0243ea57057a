//! A whole network on the CPU: forward pass, backward pass and evaluation, without Burn.
//!
//! A [`Plan`] says what to run. Activations lie as `[batch, height, width, channels]`, so that a vector holds
//! channels; images and weights come as everywhere else. A convolution, its batch norm, mask, ReLU and the pool
//! or sum behind them are one step. Training makes two passes over its output forward (statistics; normalise,
//! mask, ReLU, pool) and two backward (sums; gradient), and keeps the convolution's output and the activations
//! behind it; all else is computed again. Evaluation makes one, or none. What a mask generator reads of a value,
//! its mean, falls off when the value is made.
//!
//! Where a sample's mask is zero its channel is zero, and the convolutions that read it skip it: exactly the
//! same result, as the derivation in `docs/decisions/cpu-engine.md` has it.
//!
//! | file | what it holds |
//! |---|---|
//! | `plan` | the steps of a network |
//! | `forward`, `block` | the way forward, while training and evaluating |
//! | `head` | the first steps of an evaluation, sample by sample |
//! | `backward` | the way back |
//! | `dense` | linear layers and mask generators |
//! | `plain` | pools, sums and the like that are no part of a block |
//! | `passes` | loops over pixels and channels |
//! | `buffers`, `share` | memory that is used again; work shared among threads |

mod backward;
mod block;
mod buffers;
mod dense;
mod forward;
mod head;
mod passes;
mod plain;
mod plan;
mod share;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};

pub use plan::{Conv, Piece, Plan};

use super::kernels::{ConvKernel, ConvShape, Isa, Workspace as Scratch};
use buffers::{Buffer, Buffers};
use forward::Tape;
use head::idle;
use plan::Kind;

/// Runs a plan. Holds memory that grows with the batch and is used again in the next pass.
#[derive(Debug)]
pub struct Engine {
    plan: Arc<Plan>,
    isa: Isa,
    threads: usize,
    /// Shared with the engines of the head, while they are at work.
    kernels: Arc<Kernels>,
    /// Whether the kernels hold the weights of the pass before.
    ready: bool,
    scratch: Scratch,
    buffers: Buffers,
    /// What runs the first steps sample by sample, one for each thread.
    heads: Vec<Mutex<Engine>>,
    /// The largest batch so far.
    largest: usize,
    /// What the last training pass left for the way back.
    tape: Option<Tape>,
    /// One array a parameter; empty for running statistics.
    gradients: Vec<Vec<f32>>,
    /// Masks to use in place of the generators' own.
    imposed: Vec<Vec<f32>>,
}

/// Whether tiles save too little time to be worth their coarser rounding, which moves a decision of ReLU or pooling
/// now and then and so a gradient: for convolutions of few multiply-accumulates an image, and of more where few
/// images share the gradient. Without gradients tiles are always worth it.
fn is_light(shape: &ConvShape, (batch, trains): (usize, bool)) -> bool {
    let limit = if batch < MANY { 1 << 22 } else { 1 << 20 };
    let pixels = shape.out_height() * shape.out_width();
    trains && pixels * shape.cin * shape.cout * shape.kernel * shape.kernel <= limit
}

/// What a training pass gives.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// `[batch, outputs]`.
    pub outputs: Vec<f32>,
    /// `[batch, kernels]` for each convolution with a generator.
    pub masks: Vec<Vec<f32>>,
    /// What each convolution's batch norm saw, in the plan's order; `None` without batch norm and in evaluation.
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

/// The batch that kernels for a batch are planned for.
fn planned(batch: usize) -> usize {
    if batch < MANY { 1 } else { MANY }
}

/// A kernel for each weight that is multiplied: convolutions, generators and linear layers.
#[derive(Debug, Default)]
struct Kernels {
    /// The batch they are planned for, and whether gradients follow.
    planned: (usize, bool),
    /// By the weight's number.
    convs: Vec<Option<ConvKernel>>,
}

impl Engine {
    /// An engine for this plan that uses these instructions and at most so many threads.
    pub fn new(plan: Arc<Plan>, isa: Isa, threads: usize) -> Self {
        Engine {
            plan,
            isa,
            threads,
            kernels: Arc::default(),
            ready: false,
            scratch: Scratch::new(),
            buffers: Buffers::default(),
            heads: Vec::new(),
            largest: 0,
            tape: None,
            gradients: Vec::new(),
            imposed: Vec::new(),
        }
    }

    /// What it runs.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// From now on uses these masks, `[batch, kernels]` for each generator, in place of the generators' own;
    /// gradients flow as if the generators had given them. None: the generators' own again.
    pub fn impose(&mut self, masks: Vec<Vec<f32>>) {
        self.imposed = masks;
    }

    /// Says that the weights are others than in the pass before.
    pub fn forget_weights(&mut self) {
        self.ready = false;
    }

    /// The gradients that [`Engine::backward`] left: one array a parameter, empty for running statistics.
    pub fn gradients(&self) -> &[Vec<f32>] {
        &self.gradients
    }

    /// As [`Engine::gradients`], to keep; [`Engine::give_gradients`] takes the memory back.
    pub fn take_gradients(&mut self) -> Vec<Vec<f32>> {
        std::mem::take(&mut self.gradients)
    }

    /// Takes back the memory of gradients that are no longer needed.
    pub fn give_gradients(&mut self, gradients: Vec<Vec<f32>>) {
        self.gradients = gradients;
    }

    /// Kernels for batches of this size, with these weights, for a pass that gradients follow or not.
    fn prepare(&mut self, batch: usize, trains: bool, parameters: &[&[f32]]) {
        if batch > self.largest {
            self.buffers.clear();
            self.largest = batch;
        }
        self.heads.iter_mut().for_each(|head| idle(head).kernels = Arc::default());
        let Some(kernels) = Arc::get_mut(&mut self.kernels) else {
            unreachable!("the heads have just given theirs back")
        };
        let planned = (planned(batch), trains);
        if planned != kernels.planned {
            kernels.planned = planned;
            self.ready = false;
            kernels.convs.clear();
            kernels.convs.resize_with(self.plan.lengths().len(), || None);
            for (weight, shape) in shapes(&self.plan, planned.0) {
                let plan = if is_light(&shape, planned) { ConvKernel::plain } else { ConvKernel::new };
                kernels.convs[weight] = Some(plan(shape, self.isa, self.threads));
            }
        }
        if !self.ready {
            for (kernel, weight) in kernels.convs.iter_mut().zip(parameters) {
                if let Some(kernel) = kernel {
                    kernel.prepare(weight);
                }
            }
            self.ready = true;
        }
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
            Kind::Linear { weight } => shapes.push((*weight, dense(input.channels, output.channels))),
            Kind::Block(block) => {
                let (cin, cout) = (input.channels, output.channels);
                let (height, width) = (input.height, input.width);
                let (kernel, stride, padding) = (block.size, block.stride, block.size / 2);
                let shape = ConvShape { batch, height, width, cin, cout, kernel, stride, padding };
                shapes.push((block.weight, shape));
                if let Some(generator) = block.generator {
                    shapes.push((generator.first, dense(cin, generator.hidden)));
                    shapes.push((generator.first + 1, dense(generator.hidden, cout)));
                }
            }
            _ => {}
        }
    }
    shapes
}
