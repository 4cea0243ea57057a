//! What passes give: outputs, training passes that their backward passes consume, and gradients.

use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

use crate::backend::Arithmetic;
use crate::backend::stack::Tape;

/// What a batch gives.
#[derive(Clone, Debug)]
pub struct Output<B: Backend> {
    /// `[batch, classes]`.
    pub logits: Tensor<B, 2>,
    /// `[batch, units]` for each observed site, in the order in which the network observes them: with a mask generator
    /// its mask, values in `[0, 1)`; otherwise the mean of |activation| over height and width.
    pub observed: Vec<Tensor<B, 2>>,
    /// How products were computed, and those of the losses are to be.
    pub arithmetic: Arithmetic,
}

impl<B: AutodiffBackend> Output<B> {
    /// The same numbers without gradient tracking.
    pub fn valid(&self) -> Output<B::InnerBackend> {
        let observed = self.observed.iter().map(|observed| observed.clone().inner());
        Output {
            logits: self.logits.clone().inner(),
            observed: observed.collect(),
            arithmetic: self.arithmetic,
        }
    }
}

/// A training pass in tensors. [`Network::gradients`](super::Network::gradients) consumes it, so that no pass can go
/// backward twice; any number of passes may be alive.
///
/// ```compile_fail,E0382
/// use cleave::backend::Training;
/// use cleave::network::{Network, TrainPass};
///
/// fn twice<B: Training>(network: &mut Network<B>, pass: TrainPass<B>) {
///     let first = pass.output().logits.clone().sum().backward();
///     let second = pass.output().logits.clone().sum().backward();
///     network.gradients(vec![pass], first);
///     network.gradients(vec![pass], second);
/// }
/// ```
#[derive(Debug)]
pub struct TrainPass<B: Backend> {
    pub(super) output: Output<B>,
    /// The given masks as leaves of the graph.
    pub(super) given: Vec<Tensor<B, 2>>,
    /// The engine's, if it ran the pass.
    pub(super) tape: Option<Tape>,
}

impl<B: Backend> TrainPass<B> {
    /// What the pass gave. A loss of it is to be differentiated.
    pub fn output(&self) -> &Output<B> {
        &self.output
    }
}

/// A training pass in the host's memory. [`Network::host_gradients`](super::Network::host_gradients) consumes it.
#[derive(Debug)]
pub struct HostPass {
    /// `[batch, classes]`.
    pub logits: Vec<f32>,
    /// `[batch, units]` for each observed site, as in [`Output::observed`].
    pub observed: Vec<Vec<f32>>,
    pub(super) tape: Tape,
}

/// Gradients of a network's parameters.
#[derive(Debug)]
pub enum Gradients {
    /// On a device, by parameter id.
    Device(GradientsParams),
    /// On the host: entry i is that of the parameter with id i; empty for what does not train.
    Host(Vec<Vec<f32>>),
}

impl Gradients {
    /// The sum of two passes' gradients.
    ///
    /// # Panics
    ///
    /// For gradients on a device: there [`Network::gradients`](super::Network::gradients) takes all passes at once.
    pub fn plus(self, other: Gradients) -> Gradients {
        let (Gradients::Host(mut sum), Gradients::Host(more)) = (self, other) else {
            panic!("gradients on a device are added by the backward pass of a sum of losses");
        };
        add_arrays(&mut sum, more);
        Gradients::Host(sum)
    }
}

/// Adds gradients to others of the same network. An empty array is one that no gradient reached.
pub(super) fn add_arrays(sum: &mut [Vec<f32>], more: Vec<Vec<f32>>) {
    for (sum, more) in sum.iter_mut().zip(more) {
        if sum.is_empty() {
            *sum = more;
        } else {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
    }
}

/// What a backward pass gives.
#[derive(Debug)]
pub struct Backward {
    /// Those of the parameters.
    pub gradients: Gradients,
    /// `[batch, units]` for each given mask of each pass, in order; empty where
    /// [`PassMasks::gradient`](super::PassMasks::gradient) was not set.
    pub given: Vec<Vec<f32>>,
}
