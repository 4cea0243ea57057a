//! Stochastic gradient descent with Nesterov momentum.
//!
//! Burn has the same update, but keeps its velocities private; here they are named arrays that a checkpoint
//! can hold beside the weights.

use std::collections::{BTreeMap, HashMap};

use burn::module::{ModuleMapper, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;

use crate::network::{Array, Network, State, StateError};

/// SGD as PyTorch defines it: v = g at the first step, then v = momentum v + g; p -= rate (g + momentum v).
/// No dampening, no weight decay.
#[derive(Clone, Debug)]
pub struct Sgd<B: AutodiffBackend> {
    momentum: f64,
    /// Flat velocities by parameter id.
    velocity: HashMap<ParamId, Tensor<B::InnerBackend, 1>>,
}

impl<B: AutodiffBackend> Sgd<B> {
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
    pub fn step(&mut self, rate: f64, network: &mut Network<B>, gradients: GradientsParams) {
        network.map(&mut Update { optimiser: self, gradients, rate });
    }
}

struct Update<'a, B: AutodiffBackend> {
    optimiser: &'a mut Sgd<B>,
    gradients: GradientsParams,
    rate: f64,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Update<'_, B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let Some(gradient) = self.gradients.remove::<B::InnerBackend, D>(param.id) else { return param };
        let momentum = self.optimiser.momentum;
        let dims = gradient.dims();
        let gradient = gradient.reshape([-1]);
        let velocity = match self.optimiser.velocity.remove(&param.id) {
            Some(velocity) => velocity.mul_scalar(momentum) + gradient.clone(),
            None => gradient.clone(),
        };
        let change = (gradient + velocity.clone().mul_scalar(momentum)).mul_scalar(self.rate);
        self.optimiser.velocity.insert(param.id, velocity);
        param.map(|weights| Tensor::from_inner(weights.inner() - change.reshape(dims)).require_grad())
    }
}
