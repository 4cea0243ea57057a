//! A [`Spec`] with weights on a device.

use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorPrimitive};

use super::engine::Runner;
use super::forward::{BatchStatistics, Mode, Output, Pass};
use super::weights::{BatchNorm, ConvWeights, LinearWeights, Loader};
use crate::backend::stack::Statistics;
use crate::backend::{Arithmetic, Compute, Precision, Training};
use crate::random::Draws;
use crate::spec::{Array, LayerKind, Slot, Spec, State, StateError};

/// Weight of a new batch in the running statistics of batch norm.
const NORM_MOMENTUM: f64 = 0.1;

/// A network that runs: there is this one type for whole models, extracted modules and compositions.
///
/// Where its backend has an engine of its own, that runs it; Burn's operations do elsewhere, with the same
/// results up to rounding.
#[derive(Debug)]
pub struct Network<B: Backend> {
    spec: Spec,
    slots: Vec<Slot>,
    weights: Weights<B>,
    runner: Option<Runner<B>>,
    arithmetic: Arithmetic,
    /// Masks in place of the generators' own, for Burn's operations.
    imposed: Vec<Tensor<B, 2>>,
}

/// What a training batch gives in the host's memory.
#[derive(Clone, Debug)]
pub struct HostOutput {
    /// `[batch, classes]`.
    pub logits: Vec<f32>,
    /// `[batch, kernels]` for each masked convolution, in mask order.
    pub masks: Vec<Vec<f32>>,
}

/// Gradients of a network's parameters.
#[derive(Debug)]
pub enum Gradients {
    /// On a device, by parameter id.
    Device(GradientsParams),
    /// On the host: entry i is that of the parameter with id i; empty for what is not trained.
    Host(Vec<Vec<f32>>),
}

#[derive(Module, Debug)]
struct Weights<B: Backend> {
    convs: Vec<ConvWeights<B>>,
    linears: Vec<LinearWeights<B>>,
}

impl<B: Compute> Network<B> {
    /// Builds the network on a device. Its products are f32.
    ///
    /// # Errors
    ///
    /// When the stages do not fit together or `state` does not hold exactly the arrays that they need.
    pub fn new(spec: Spec, state: &State, device: &B::Device) -> Result<Self, StateError> {
        state.check(&spec)?;
        let slots = spec.slots()?;
        let loader = Loader::<B>::new(state, &slots, device);
        let (mut convs, mut linears) = (Vec::new(), Vec::new());
        for layer in spec.layers()? {
            match &layer.kind {
                LayerKind::Conv { conv, .. } => convs.push(loader.conv(&layer.name, conv)?),
                LayerKind::Linear { .. } => linears.push(loader.linear(&layer.name)?),
            }
        }
        let arithmetic = B::arithmetic(Precision::F32, device).unwrap_or_default();
        Ok(Network::assemble(spec, slots, Weights { convs, linears }, arithmetic))
    }

    fn assemble(spec: Spec, slots: Vec<Slot>, weights: Weights<B>, arithmetic: Arithmetic) -> Self {
        let runner = Runner::new(&spec);
        Network { spec, slots, weights, runner, arithmetic, imposed: Vec::new() }
    }

    /// The same network, with products computed in this way by Burn's operations.
    pub fn with_arithmetic(self, arithmetic: Arithmetic) -> Self {
        Network { arithmetic, ..self }
    }

    /// The same network, run by Burn's operations on every backend.
    pub fn by_operations(self) -> Self {
        Network { runner: None, ..self }
    }

    /// From now on uses these masks, `[batch, kernels]` for each masked convolution, in place of what the mask
    /// generators give; gradients flow as if the generators had given them. None: the generators' own again.
    /// For measuring.
    pub fn impose_masks(&mut self, masks: &[Array], device: &B::Device) {
        match &mut self.runner {
            Some(runner) => {
                let masks = masks.iter().map(|mask| mask.values.clone());
                runner.engine().impose(masks.collect());
            }
            None => self.imposed = masks.iter().map(|mask| mask.to_tensor(device)).collect(),
        }
    }

    /// The network's description.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Name, shape and role of every array, by parameter id.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Reads all weights and running statistics back from the device.
    pub fn state(&self) -> State {
        let mut reader = Reader { slots: &self.slots, state: State::default() };
        self.weights.visit(&mut reader);
        reader.state
    }

    /// Logits and masks of a batch, `[batch, channels, height, width]`, with running statistics and without
    /// dropout.
    pub fn forward(&self, images: Tensor<B, 4>) -> Output<B> {
        match &self.runner {
            Some(runner) => runner.evaluate(&self.weights, images),
            None => self.pass(Mode::Evaluate).run(&self.spec.stages, images).0,
        }
    }

    fn pass<'a>(&'a self, mode: Mode<'a>) -> Pass<'a, B> {
        Pass::new(&self.weights.convs, &self.weights.linears, &self.imposed, mode, self.arithmetic)
    }

    /// Logits and masks of a training batch: batch norm uses and records the batch's statistics, dropout
    /// draws from `draws`. Images whose own gradient is asked for take the way of Burn's operations.
    pub fn forward_train(&mut self, images: Tensor<B, 4>, draws: &Draws) -> Output<B> {
        let (output, statistics) = match &mut self.runner {
            Some(runner) if !images.is_require_grad() => runner.train(&self.weights, images, draws),
            _ => self.pass(Mode::Train(draws)).run(&self.spec.stages, images),
        };
        self.record(statistics);
        output
    }

    fn record(&mut self, statistics: Vec<Option<BatchStatistics<B>>>) {
        for (conv, seen) in self.weights.convs.iter_mut().zip(statistics) {
            if let (Some(norm), Some(seen)) = (&mut conv.norm, seen) {
                norm.record(seen);
            }
        }
    }

    /// Whether the backend's own engine runs it, on arrays in the host's memory.
    pub fn is_on_host(&self) -> bool {
        self.runner.is_some()
    }

    /// As [`Network::forward_train`] where [`Network::is_on_host`], without tensors: the loss and its gradients are then
    /// the caller's, who hands them to [`Network::host_gradients`].
    pub fn host_train(&mut self, images: &[f32], batch: usize, draws: &Draws) -> Option<HostOutput> {
        let runner = self.runner.as_mut()?;
        let outcome = runner.pass(&self.weights, images, batch, draws);
        for (conv, seen) in self.weights.convs.iter_mut().zip(outcome.statistics) {
            if let (Some(norm), Some(seen)) = (&mut conv.norm, seen) {
                norm.record_on_host(&seen);
            }
        }
        Some(HostOutput { logits: outcome.outputs, masks: outcome.masks })
    }

    /// The gradients of this network's parameters, from those at the logits and masks of the last
    /// [`Network::host_train`]. Masks without one take part in no loss.
    pub fn host_gradients(&mut self, logits: &[f32], masks: &[Option<&[f32]>]) -> Option<Gradients> {
        Some(Gradients::Host(self.runner.as_mut()?.back(logits, masks)))
    }

    /// Passes every parameter through `mapper`, as an optimiser does. The weights are moved, not shared, so
    /// that a backend may work in place.
    pub fn map(&mut self, mapper: &mut impl ModuleMapper<B>) {
        let empty = Weights { convs: Vec::new(), linears: Vec::new() };
        self.weights = std::mem::replace(&mut self.weights, empty).map(mapper);
        if let Some(runner) = &mut self.runner {
            runner.engine().forget_weights();
        }
    }

    /// The convolutions' weights in mask order.
    pub fn convs(&self) -> &[ConvWeights<B>] {
        &self.weights.convs
    }
}

impl<B: Training> Network<B> {
    /// The same network without gradient tracking.
    pub fn valid(&self) -> Network<B::InnerBackend> {
        Network::assemble(self.spec.clone(), self.slots.clone(), self.weights.valid(), self.arithmetic)
    }

    /// The gradients of this network's parameters, from those of a loss of the last training pass.
    pub fn gradients(&mut self, gradients: B::Gradients) -> Gradients {
        let host = self.runner.as_mut().and_then(|runner| runner.gradients(&gradients));
        match host {
            Some(gradients) => Gradients::Host(gradients),
            None => Gradients::Device(GradientsParams::from_grads(gradients, &self.weights)),
        }
    }

    /// The gradients on the host, by the names of the parameters.
    pub fn named_gradients(&self, gradients: &Gradients) -> State {
        let mut reader = GradientReader { slots: &self.slots, gradients, state: State::default() };
        self.weights.visit(&mut reader);
        reader.state
    }

    /// The gradients on the host, by parameter id. From a device they come in one reading.
    pub fn on_host(&self, gradients: Gradients) -> Vec<Vec<f32>> {
        let gradients = match gradients {
            Gradients::Host(gradients) => return gradients,
            Gradients::Device(gradients) => gradients,
        };
        let mut collector = Collector::<B> { gradients: &gradients, flat: Vec::new() };
        self.weights.visit(&mut collector);
        let (ids, flat): (Vec<usize>, Vec<_>) = collector.flat.into_iter().unzip();
        let mut arrays = vec![Vec::new(); self.slots.len()];
        if flat.is_empty() {
            return arrays;
        }
        let lengths: Vec<usize> = flat.iter().map(|flat| flat.dims()[0]).collect();
        let mut values = Array::from_tensor(Tensor::cat(flat, 0)).values.into_iter();
        for (id, length) in ids.into_iter().zip(lengths) {
            arrays[id] = values.by_ref().take(length).collect();
        }
        arrays
    }

    /// Takes back the memory of gradients that were used.
    pub fn recycle(&mut self, gradients: Gradients) {
        if let (Some(runner), Gradients::Host(gradients)) = (&mut self.runner, gradients) {
            runner.recycle(gradients);
        }
    }
}

impl<B: Backend> BatchNorm<B> {
    fn record(&mut self, seen: BatchStatistics<B>) {
        let blend = |running: &mut Param<Tensor<B, 1>>, new: Tensor<B, 1>| {
            let kept = running.val().mul_scalar(1.0 - NORM_MOMENTUM);
            let next = (kept + new.mul_scalar(NORM_MOMENTUM)).detach();
            *running = Param::initialized(running.id, next).set_require_grad(false);
        };
        blend(&mut self.running_mean, seen.mean);
        blend(&mut self.running_var, seen.var);
    }
}

impl<B: Compute> BatchNorm<B> {
    /// As [`BatchNorm::record`], in place. An operation on tensors would be remembered by Burn's autodiff until the next
    /// backward pass through tensors, which an engine never makes.
    fn record_on_host(&mut self, seen: &Statistics) {
        for (running, new) in [(&mut self.running_mean, &seen.mean), (&mut self.running_var, &seen.var)] {
            let mut tensor = running.val().into_primitive().tensor();
            let Some(numbers) = B::host_mut(&mut tensor) else {
                unreachable!("a backend with an engine has whole tensors on the host");
            };
            for (number, new) in numbers.iter_mut().zip(new) {
                *number = *number * (1.0 - NORM_MOMENTUM) as f32 + new * NORM_MOMENTUM as f32;
            }
            let next = Tensor::from_primitive(TensorPrimitive::Float(tensor));
            *running = Param::initialized(running.id, next);
        }
    }
}

struct Reader<'a> {
    slots: &'a [Slot],
    state: State,
}

impl<B: Backend> ModuleVisitor<B> for Reader<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let slot = &self.slots[param.id.val() as usize];
        self.state.0.insert(slot.name.clone(), Array::from_tensor(param.val()));
    }
}

/// Gradients on a device, as rows of numbers by parameter id.
struct Collector<'a, B: Training> {
    gradients: &'a GradientsParams,
    flat: Vec<(usize, Tensor<B::InnerBackend, 1>)>,
}

impl<B: Training> ModuleVisitor<B> for Collector<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = self.gradients.get::<B::InnerBackend, D>(param.id) {
            self.flat.push((param.id.val() as usize, gradient.reshape([-1])));
        }
    }
}

struct GradientReader<'a> {
    slots: &'a [Slot],
    gradients: &'a Gradients,
    state: State,
}

impl<B: Training> ModuleVisitor<B> for GradientReader<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let index = param.id.val() as usize;
        let slot = &self.slots[index];
        let array = match self.gradients {
            Gradients::Device(gradients) => {
                gradients.get::<B::InnerBackend, D>(param.id).map(Array::from_tensor)
            }
            Gradients::Host(arrays) => arrays
                .get(index)
                .filter(|values| !values.is_empty())
                .map(|values| Array { shape: slot.shape.clone(), values: values.clone() }),
        };
        if let Some(array) = array {
            self.state.0.insert(slot.name.clone(), array);
        }
    }
}
