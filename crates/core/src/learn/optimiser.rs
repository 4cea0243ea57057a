//! Stochastic gradient descent with Nesterov momentum.
//!
//! Burn has the same update, but keeps its velocities private; here they are named arrays that a checkpoint
//! can hold beside the weights.

use std::collections::{BTreeMap, HashMap};

use burn::module::{ModuleMapper, Param, ParamId};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData, TensorPrimitive};

use crate::backend::{Compute, Training, nesterov};
use crate::network::{Gradients, Network};
use crate::spec::{Array, State, StateError};

/// SGD as PyTorch defines it: v = g at the first step, then v = momentum v + g; p -= rate (g + momentum v).
/// No dampening, no weight decay.
#[derive(Clone, Debug)]
pub struct Sgd<B: AutodiffBackend> {
    momentum: f64,
    /// Flat velocities by parameter id.
    velocity: HashMap<ParamId, Tensor<B::InnerBackend, 1>>,
}

impl<B: Training> Sgd<B> {
    /// An optimiser that has not made a step.
    pub fn new(momentum: f64) -> Self {
        Sgd { momentum, velocity: HashMap::new() }
    }

    /// An optimiser that goes on with these velocities, named and shaped like the network's parameters.
    ///
    /// # Errors
    ///
    /// When a velocity belongs to no parameter of the network, or is of another shape.
    pub fn with_velocity(
        momentum: f64,
        velocity: &State,
        network: &Network<B>,
        device: &B::Device,
    ) -> Result<Self, StateError> {
        let slots = network.slots().iter().zip(0u64..);
        let ids: BTreeMap<_, _> = slots.map(|(slot, id)| (&slot.name, (slot, ParamId::from(id)))).collect();
        let mut restored = HashMap::new();
        for (name, array) in &velocity.0 {
            let (slot, id) = ids.get(name).ok_or_else(|| StateError::Unknown(name.clone()))?;
            if array.shape != slot.shape {
                return Err(StateError::Shape {
                    name: name.clone(),
                    found: array.shape.clone(),
                    expected: slot.shape.clone(),
                });
            }
            let flat = Array { shape: vec![array.values.len()], values: array.values.clone() };
            restored.insert(*id, flat.to_tensor(device));
        }
        Ok(Sgd { momentum, velocity: restored })
    }

    /// The velocities, named and shaped like the network's parameters; empty before the first step.
    pub fn velocity(&self, network: &Network<B>) -> State {
        let slots = network.slots().iter().zip(0u64..);
        let arrays = slots.filter_map(|(slot, id)| {
            let flat = Array::from_tensor(self.velocity.get(&ParamId::from(id))?.clone());
            Some((slot.name.clone(), Array { shape: slot.shape.clone(), values: flat.values }))
        });
        State(arrays.collect())
    }

    /// One update of every parameter that has a gradient.
    pub fn step(&mut self, rate: f64, network: &mut Network<B>, gradients: Gradients) {
        let mut update = Update { optimiser: self, gradients, rate };
        network.map(&mut update);
        network.recycle(update.gradients);
    }
}

struct Update<'a, B: AutodiffBackend> {
    optimiser: &'a mut Sgd<B>,
    gradients: Gradients,
    rate: f64,
}

impl<B: Training> ModuleMapper<B> for Update<'_, B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, rate, optimiser) = (param.id, self.rate, &mut *self.optimiser);
        match &mut self.gradients {
            Gradients::Device(gradients) => match gradients.remove::<B::InnerBackend, D>(id) {
                Some(gradient) => param.map(|weights| optimiser.tensors(id, rate, weights, gradient)),
                None => param,
            },
            Gradients::Host(gradients) => match gradients.get(id.val() as usize) {
                Some(gradient) if !gradient.is_empty() => param.map(|weights| match B::ON_HOST {
                    true => optimiser.arrays(id, rate, weights, gradient),
                    false => {
                        let data = TensorData::new(gradient.clone(), weights.shape());
                        let gradient = Tensor::from_data(data, &weights.device());
                        optimiser.tensors(id, rate, weights, gradient)
                    }
                }),
                _ => param,
            },
        }
    }
}

impl<B: Training> Sgd<B> {
    /// The update in Burn's operations.
    fn tensors<const D: usize>(
        &mut self,
        id: ParamId,
        rate: f64,
        weights: Tensor<B, D>,
        gradient: Tensor<B::InnerBackend, D>,
    ) -> Tensor<B, D> {
        let dims = gradient.dims();
        let gradient = gradient.reshape([-1]);
        let velocity = match self.velocity.remove(&id) {
            Some(velocity) => velocity.mul_scalar(self.momentum) + gradient.clone(),
            None => gradient.clone(),
        };
        let change = (gradient + velocity.clone().mul_scalar(self.momentum)).mul_scalar(rate);
        self.velocity.insert(id, velocity);
        Tensor::from_inner(weights.inner() - change.reshape(dims)).require_grad()
    }

    /// The update in place, on the host. The parameter stays the leaf that it is: a new leaf would be remembered by
    /// Burn's autodiff until the next backward pass through tensors, which an engine never makes.
    fn arrays<const D: usize>(
        &mut self,
        id: ParamId,
        rate: f64,
        weights: Tensor<B, D>,
        gradient: &[f32],
    ) -> Tensor<B, D> {
        let zeros = || Tensor::zeros([gradient.len()], &weights.device());
        let velocity = self.velocity.remove(&id).unwrap_or_else(zeros);
        let (mut weights, mut velocity) =
            (weights.into_primitive().tensor(), velocity.into_primitive().tensor());
        match (B::host_mut(&mut weights), B::InnerBackend::host_mut(&mut velocity)) {
            (Some(weights), Some(velocity)) => {
                nesterov(weights, velocity, gradient, self.momentum as f32, rate as f32);
            }
            _ => unreachable!("gradients on the host belong to whole tensors on the host"),
        }
        self.velocity.insert(id, Tensor::from_primitive(TensorPrimitive::Float(velocity)));
        Tensor::from_primitive(TensorPrimitive::Float(weights))
    }
}
