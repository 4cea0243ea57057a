//! A [`Spec`] with weights on a device.

use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use rand_chacha::ChaCha8Rng;

use super::forward::{BatchStatistics, Mode, Output, Pass};
use super::spec::{LayerKind, Spec};
use super::state::{Array, Slot, State, StateError};
use super::weights::{BatchNorm, ConvWeights, LinearWeights, Loader};

/// Weight of a new batch in the running statistics of batch norm.
const NORM_MOMENTUM: f64 = 0.1;

/// A network that runs: there is this one type for whole models, extracted modules and compositions.
#[derive(Clone, Debug)]
pub struct Network<B: Backend> {
    spec: Spec,
    slots: Vec<Slot>,
    weights: Weights<B>,
}

#[derive(Module, Debug)]
struct Weights<B: Backend> {
    convs: Vec<ConvWeights<B>>,
    linears: Vec<LinearWeights<B>>,
}

impl<B: Backend> Network<B> {
    /// Builds the network on a device.
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
        Ok(Network { spec, slots, weights: Weights { convs, linears } })
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
        let pass = Pass::new(&self.weights.convs, &self.weights.linears, Mode::Evaluate);
        pass.run(&self.spec.stages, images).0
    }

    /// Logits and masks of a training batch: batch norm uses and records the batch's statistics, dropout
    /// draws from `dropout`.
    pub fn forward_train(&mut self, images: Tensor<B, 4>, dropout: &mut ChaCha8Rng) -> Output<B> {
        let pass = Pass::new(&self.weights.convs, &self.weights.linears, Mode::Train(dropout));
        let (output, statistics) = pass.run(&self.spec.stages, images);
        for (conv, seen) in self.weights.convs.iter_mut().zip(statistics) {
            if let (Some(norm), Some(seen)) = (&mut conv.norm, seen) {
                norm.record(seen);
            }
        }
        output
    }

    /// Passes every parameter through `mapper`, as an optimiser does. The weights are moved, not shared, so
    /// that a backend may work in place.
    pub fn map(&mut self, mapper: &mut impl ModuleMapper<B>) {
        let empty = Weights { convs: Vec::new(), linears: Vec::new() };
        self.weights = std::mem::replace(&mut self.weights, empty).map(mapper);
    }

    /// The convolutions' weights in mask order.
    pub fn convs(&self) -> &[ConvWeights<B>] {
        &self.weights.convs
    }
}

impl<B: AutodiffBackend> Network<B> {
    /// The same network without gradient tracking.
    pub fn valid(&self) -> Network<B::InnerBackend> {
        Network { spec: self.spec.clone(), slots: self.slots.clone(), weights: self.weights.valid() }
    }

    /// Picks the gradients of this network's parameters.
    pub fn gradients(&self, gradients: B::Gradients) -> GradientsParams {
        GradientsParams::from_grads(gradients, &self.weights)
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
