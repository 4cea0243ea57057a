//! A network on a backend's own engine: between tensors and arrays on the host.

use std::sync::{Arc, Mutex, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorData};

use super::pass::Output;
use crate::backend::stack::{self, Batch, Engine, Outcome, PassMasks, Plan, Tape};
use crate::backend::{Arithmetic, Compute};
use crate::random::Draws;
use crate::spec::{Array, Spec};

/// The engine of a network.
#[derive(Debug)]
pub(super) struct Runner {
    engine: Mutex<Engine>,
}

impl Runner {
    /// The backend's engine for this network, observing these sites. `None` where Burn's operations do it.
    pub(super) fn new<B: Compute>(spec: &Spec, observing: &[usize]) -> Option<Self> {
        let plan = Arc::new(Plan::new(spec, observing)?);
        Some(Runner { engine: Mutex::new(B::engine(&plan)?) })
    }

    /// As [`Network::forward`](super::Network::forward).
    pub(super) fn evaluate<B: Compute>(
        &self,
        weights: &impl Module<B>,
        images: Tensor<B, 4>,
        masks: &PassMasks,
    ) -> Output<B> {
        let device = images.device();
        let (samples, images) = (images.dims()[0], Array::from_tensor(images).values);
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = Batch { images: &images, samples, masks };
        let outcome = with_parameters(weights, |parameters| engine.evaluate(&batch, parameters));
        output(outcome.outputs, outcome.observed, samples, &device)
    }

    /// A training pass over images in the host's memory.
    pub(super) fn train<B: Compute>(
        &mut self,
        weights: &impl Module<B>,
        batch: &Batch<'_>,
        draws: &Draws,
    ) -> (Outcome, Tape) {
        let engine = self.engine();
        with_parameters(weights, |parameters| engine.train(batch, parameters, draws))
    }

    /// The gradients of all parameters from those of a training pass's outputs and observed values.
    pub(super) fn backward(
        &mut self,
        tape: Tape,
        outputs: &[f32],
        observed: &[Option<&[f32]>],
    ) -> stack::Backward {
        self.engine().backward(tape, outputs, observed)
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

/// Outputs and observed values as tensors.
pub(super) fn output<B: Backend>(
    outputs: Vec<f32>,
    observed: Vec<Vec<f32>>,
    samples: usize,
    device: &B::Device,
) -> Output<B> {
    let matrix = |values: Vec<f32>| -> Tensor<B, 2> {
        let columns = values.len() / samples.max(1);
        Tensor::from_data(TensorData::new(values, [samples, columns]), device)
    };
    let observed = observed.into_iter().map(matrix).collect();
    // The engine is where the backend's own arithmetic is f32.
    Output { logits: matrix(outputs), observed, arithmetic: Arithmetic::Plain }
}
