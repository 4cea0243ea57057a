//! A network on a backend's own engine: from the spec to its plan, between tensors and arrays on the host.

use std::sync::{Arc, Mutex, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorData};

use super::forward::{BatchStatistics, Output};
use crate::backend::stack::{self, Engine, Outcome, Piece, Plan, Statistics};
use crate::backend::{Arithmetic, Compute};
use crate::random::Draws;
use crate::spec::{self, Array, Conv, Spec, Stage};

/// An engine and what it needs to come back from the loss.
#[derive(Debug)]
pub(super) struct Runner<B: Backend> {
    engine: Mutex<Engine>,
    /// What the last training pass gave: the leaves at which Burn's gradients end.
    leaves: Option<Output<B>>,
}

impl<B: Compute> Runner<B> {
    /// The backend's engine for this network. `None` where Burn's operations do it.
    pub(super) fn new(spec: &Spec) -> Option<Self> {
        let plan = Arc::new(spec.plan()?);
        Some(Runner { engine: Mutex::new(B::engine(&plan)?), leaves: None })
    }

    /// As [`Network::forward`](super::Network::forward).
    pub(super) fn evaluate(&self, weights: &impl Module<B>, images: Tensor<B, 4>) -> Output<B> {
        let device = images.device();
        let (batch, images) = (images.dims()[0], Array::from_tensor(images).values);
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = with_parameters(weights, |parameters| engine.evaluate(&images, batch, parameters));
        tensors(outcome, batch, &device).0
    }

    /// As [`Network::forward_train`](super::Network::forward_train), with what each batch norm saw.
    pub(super) fn train(
        &mut self,
        weights: &impl Module<B>,
        images: Tensor<B, 4>,
        draws: &Draws,
    ) -> (Output<B>, Vec<Option<BatchStatistics<B>>>) {
        let device = images.device();
        let (batch, images) = (images.dims()[0], Array::from_tensor(images).values);
        let outcome = self.pass(weights, &images, batch, draws);
        let (output, statistics) = tensors(outcome, batch, &device);
        let masks = output.masks.iter().cloned().map(Tensor::require_grad).collect();
        let output = Output { logits: output.logits.require_grad(), masks, ..output };
        self.leaves = Some(output.clone());
        (output, statistics)
    }

    /// A training pass over images in the host's memory.
    pub(super) fn pass(
        &mut self,
        weights: &impl Module<B>,
        images: &[f32],
        batch: usize,
        draws: &Draws,
    ) -> Outcome {
        let engine = self.engine();
        with_parameters(weights, |parameters| engine.train(images, batch, parameters, draws))
    }

    /// The gradients of all parameters from those of the last training pass's outputs and masks.
    pub(super) fn back(&mut self, outputs: &[f32], masks: &[Option<&[f32]>]) -> Vec<Vec<f32>> {
        let engine = self.engine();
        engine.backward(outputs, masks);
        engine.take_gradients()
    }

    /// The gradients of all parameters from those of the last training pass's output, if it was the engine's.
    pub(super) fn gradients(&mut self, gradients: &B::Gradients) -> Option<Vec<Vec<f32>>>
    where
        B: AutodiffBackend,
    {
        let leaves = self.leaves.take()?;
        let read = |leaf: &Tensor<B, 2>| leaf.grad(gradients).map(|grad| Array::from_tensor(grad).values);
        let outputs =
            read(&leaves.logits).unwrap_or_else(|| vec![0.0; leaves.logits.dims().into_iter().product()]);
        let masks: Vec<Option<Vec<f32>>> = leaves.masks.iter().map(read).collect();
        let masks: Vec<Option<&[f32]>> = masks.iter().map(Option::as_deref).collect();
        Some(self.back(&outputs, &masks))
    }

    /// Takes back the memory of gradients that were used.
    pub(super) fn recycle(&mut self, gradients: Vec<Vec<f32>>) {
        self.engine().give_gradients(gradients);
    }

    pub(super) fn engine(&mut self) -> &mut Engine {
        self.engine.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls `f` with every parameter's numbers, by its id.
fn with_parameters<B: Compute, R>(weights: &impl Module<B>, f: impl FnOnce(&[&[f32]]) -> R) -> R {
    let mut collector = Collector::<B> { tensors: Vec::new() };
    weights.visit(&mut collector);
    collector.tensors.sort_by_key(|(id, _)| *id);
    let numbers = |tensor| match B::host(tensor) {
        Some(numbers) => numbers,
        None => {
            unreachable!("parameters are whole tensors, and a backend with an engine has them on the host")
        }
    };
    let parameters: Vec<&[f32]> = collector.tensors.iter().map(|(_, tensor)| numbers(tensor)).collect();
    f(&parameters)
}

struct Collector<B: Backend> {
    tensors: Vec<(u64, FloatTensor<B>)>,
}

impl<B: Backend> ModuleVisitor<B> for Collector<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.tensors.push((param.id.val(), param.val().into_primitive().tensor()));
    }
}

fn tensors<B: Backend>(
    outcome: Outcome,
    batch: usize,
    device: &B::Device,
) -> (Output<B>, Vec<Option<BatchStatistics<B>>>) {
    let matrix = |values: Vec<f32>| -> Tensor<B, 2> {
        let columns = values.len() / batch.max(1);
        Tensor::from_data(TensorData::new(values, [batch, columns]), device)
    };
    let masks = outcome.masks.into_iter().map(matrix).collect();
    // The engine is where the backend's own arithmetic is f32.
    let output = Output { logits: matrix(outcome.outputs), masks, arithmetic: Arithmetic::Plain };
    (output, statistics(outcome.statistics, device))
}

/// What batch norms saw, as tensors.
fn statistics<B: Backend>(
    statistics: Vec<Option<Statistics>>,
    device: &B::Device,
) -> Vec<Option<BatchStatistics<B>>> {
    let vector = |values: Vec<f32>| -> Tensor<B, 1> {
        let length = values.len();
        Tensor::from_data(TensorData::new(values, [length]), device)
    };
    let seen = |seen: Statistics| BatchStatistics { mean: vector(seen.mean), var: vector(seen.var) };
    statistics.into_iter().map(|statistics| statistics.map(seen)).collect()
}

impl Spec {
    /// The spec as a plan for an engine. `None` for a spec that does not fit together or that no engine runs.
    fn plan(&self) -> Option<Plan> {
        self.check().ok()?;
        let pieces = self.stages.iter().map(piece).collect::<Option<Vec<Piece>>>()?;
        Plan::new(self.input, &pieces)
    }
}

/// A stage as a piece of a plan; `None` for networks side by side, which no engine runs.
fn piece(stage: &Stage) -> Option<Piece> {
    Some(match stage {
        Stage::Conv(conv) => Piece::Conv(plain(conv)),
        Stage::Residual(residual) => Piece::Residual {
            body: residual.body.iter().map(plain).collect(),
            shortcut: residual.shortcut.as_ref().map(plain),
            join: residual
                .join
                .clone()
                .map(|spec::Join { channels, body, shortcut }| (body, shortcut, channels)),
            relu: residual.relu,
        },
        Stage::MaxPool { size } => Piece::MaxPool(*size),
        Stage::GlobalAvgPool => Piece::Average,
        Stage::Flatten => Piece::Flatten,
        Stage::Relu => Piece::Relu,
        Stage::Dropout { probability } => Piece::Dropout(*probability),
        Stage::Linear { outputs } => Piece::Linear(*outputs),
        Stage::Parallel { .. } => return None,
    })
}

fn plain(conv: &Conv) -> stack::Conv {
    stack::Conv {
        kernels: conv.kernels,
        size: conv.size,
        stride: conv.stride,
        bias: conv.bias,
        norm: conv.batch_norm,
        generator: conv.masked.then(|| conv.generator_hidden()),
        relu: conv.relu,
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::Architecture;

    #[test]
    fn a_plan_numbers_parameters_as_the_spec_does() {
        use Architecture::{Rescnn, Resnet18, Simcnn, Small, Tiny, Vgg16};
        for architecture in [Vgg16, Resnet18, Simcnn, Rescnn, Small, Tiny] {
            for modular in [false, true] {
                let spec = architecture.spec([3, 32, 32], 10, 0.25, modular);
                let slots = spec.slots().unwrap();
                let lengths: Vec<usize> = slots.iter().map(|slot| slot.shape.iter().product()).collect();
                assert_eq!(spec.plan().unwrap().lengths(), lengths, "{architecture:?}");
            }
        }
    }
}
