//! A [`Spec`] with weights on a device.

use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorPrimitive};

use super::engine::{self, Runner};
use super::forward::{BatchStatistics, Given, Mode, Pass, Settings};
use super::pass::{Backward, Gradients, HostPass, Output, TrainPass, add_arrays};
use super::weights::{BatchNorm, ConvWeights, LinearWeights, Loader};
use crate::backend::stack::{self, Batch, PassMasks, Statistics};
use crate::backend::{Arithmetic, Compute, Precision, Training};
use crate::random::Draws;
use crate::spec::{Array, Frozen, LayerKind, Site, Slot, Spec, State, StateError, UnknownPart};

/// Weight of a new batch in the running statistics of batch norm.
const NORM_MOMENTUM: f64 = 0.1;

/// A network that runs: there is this one type for whole models, extracted modules and compositions.
///
/// Where its backend has an engine of its own, that runs it; Burn's operations do elsewhere, with the same
/// results up to rounding.
#[derive(Debug)]
pub struct Network<B: Backend> {
    description: Description,
    weights: Weights<B>,
    runner: Option<Runner>,
    arithmetic: Arithmetic,
    /// By parameter id; empty: nothing is frozen.
    frozen: Vec<bool>,
    /// Masks in place of the generators' own, for Burn's operations.
    imposed: Vec<Tensor<B, 2>>,
}

/// What a network is, without its weights.
#[derive(Clone, Debug)]
struct Description {
    spec: Spec,
    slots: Vec<Slot>,
    sites: Vec<Site>,
    observing: Vec<usize>,
}

#[derive(Module, Debug)]
struct Weights<B: Backend> {
    convs: Vec<ConvWeights<B>>,
    linears: Vec<LinearWeights<B>>,
}

impl<B: Compute> Network<B> {
    /// Builds the network on a device. It observes the sites that have mask generators; its products are f32.
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
        let (sites, observing) = (spec.sites()?, spec.masked_sites()?);
        let runner = Runner::new::<B>(&spec, &observing);
        let description = Description { spec, slots, sites, observing };
        let weights = Weights { convs, linears };
        Ok(Network { description, weights, runner, arithmetic, frozen: Vec::new(), imposed: Vec::new() })
    }

    /// The same network, with products computed in this way by Burn's operations.
    pub fn with_arithmetic(self, arithmetic: Arithmetic) -> Self {
        Network { arithmetic, ..self }
    }

    /// The same network, run by Burn's operations on every backend.
    pub fn by_operations(self) -> Self {
        Network { runner: None, ..self }
    }

    /// The same network, observing these sites (indices of [`Spec::sites`]) in this order.
    ///
    /// # Panics
    ///
    /// When the network does not have one of the sites.
    pub fn observing(mut self, sites: &[usize]) -> Self {
        if self.observed_sites() == sites {
            return self;
        }
        let Description { spec, sites: all, observing, .. } = &mut self.description;
        for site in sites {
            assert!(*site < all.len(), "there is no site {site} among {}", all.len());
        }
        *observing = sites.to_vec();
        self.runner = self.runner.and_then(|_| Runner::new::<B>(spec, sites));
        self.mark_frozen();
        self
    }

    /// The sites that it observes, as indices of [`Spec::sites`].
    pub fn observed_sites(&self) -> &[usize] {
        &self.description.observing
    }

    /// From now on uses these masks, `[batch, kernels]` for each masked convolution, in place of what the mask
    /// generators give; gradients flow as if the generators had given them. None: the generators' own again.
    /// For measuring; a pass takes constant masks by [`PassMasks`].
    pub fn impose_masks(&mut self, masks: &[Array], device: &B::Device) {
        match &mut self.runner {
            Some(runner) => {
                let masks = masks.iter().map(|mask| mask.values.clone());
                runner.engine().impose(masks.collect());
            }
            None => self.imposed = masks.iter().map(|mask| mask.to_tensor(device)).collect(),
        }
    }

    /// From now on exactly the arrays of these parts keep their bits in training, running statistics too: batch norm
    /// that is frozen uses its running statistics. A part is a layer (`conv3`), a piece of one
    /// (`conv3.mask_generator`), a residual block (`residual1`) or one array. No parts: everything trains.
    ///
    /// # Errors
    ///
    /// When the network has no such part; nothing changes then.
    pub fn freeze(&mut self, parts: &[impl AsRef<str>]) -> Result<(), UnknownPart> {
        let mut frozen = Frozen::none_of(&self.description.slots);
        parts.iter().try_for_each(|part| frozen.freeze(part.as_ref()))?;
        self.frozen = frozen.marks();
        let empty = Weights { convs: Vec::new(), linears: Vec::new() };
        let mut marks = Tracking { slots: &self.description.slots, frozen: &self.frozen };
        self.weights = std::mem::replace(&mut self.weights, empty).map(&mut marks);
        self.mark_frozen();
        Ok(())
    }

    fn mark_frozen(&mut self) {
        if let (Some(runner), false) = (&mut self.runner, self.frozen.is_empty()) {
            runner.engine().freeze(self.frozen.clone());
        }
    }

    /// The network's description.
    pub fn spec(&self) -> &Spec {
        &self.description.spec
    }

    /// Name, shape and role of every array, by parameter id.
    pub fn slots(&self) -> &[Slot] {
        &self.description.slots
    }

    /// Reads all weights and running statistics back from the device.
    pub fn state(&self) -> State {
        let mut reader = Reader { slots: self.slots(), state: State::default() };
        self.weights.visit(&mut reader);
        reader.state
    }

    /// Logits and observed values of a batch, `[batch, channels, height, width]`, with running statistics and without
    /// dropout.
    ///
    /// # Panics
    ///
    /// For images of another shape than the network's.
    pub fn forward(&self, images: Tensor<B, 4>) -> Output<B> {
        self.forward_with(images, &PassMasks::default())
    }

    /// As [`Network::forward`], with given masks.
    ///
    /// # Panics
    ///
    /// As [`Network::forward`], and for masks that do not fit the network and the batch.
    pub fn forward_with(&self, images: Tensor<B, 4>, masks: &PassMasks) -> Output<B> {
        self.check(&images, masks);
        match &self.runner {
            Some(runner) => runner.evaluate(&self.weights, images, masks),
            None => {
                let given = Given::new(masks, images.dims()[0], &images.device());
                self.run(images, Mode::Evaluate, &given).0
            }
        }
    }

    fn check(&self, images: &Tensor<B, 4>, masks: &PassMasks) {
        let [samples, shape @ ..] = images.dims();
        assert_eq!(shape, self.spec().input, "[channels, height, width] of images and of the network");
        masks.check(&self.description.sites, samples);
    }

    fn run(
        &self,
        images: Tensor<B, 4>,
        mode: Mode<'_>,
        given: &Given<B>,
    ) -> (Output<B>, Vec<Option<BatchStatistics<B>>>) {
        let settings = Settings {
            mode,
            arithmetic: self.arithmetic,
            observing: &self.description.observing,
            frozen: &self.frozen,
            given,
            imposed: &self.imposed,
        };
        Pass::new(&self.weights.convs, &self.weights.linears, settings).run(&self.spec().stages, images)
    }

    /// A training pass: batch norm uses and records the batch's statistics, except where it is frozen; dropout draws
    /// from `draws`. Any number of passes may be alive before [`Network::gradients`] takes them. Images whose own
    /// gradient is asked for go through Burn's operations.
    ///
    /// # Panics
    ///
    /// For images of another shape than the network's, and for masks that do not fit the network and the batch.
    pub fn forward_train(&mut self, images: Tensor<B, 4>, masks: &PassMasks, draws: &Draws) -> TrainPass<B> {
        self.check(&images, masks);
        let (samples, device) = (images.dims()[0], images.device());
        if let (Some(runner), false) = (&mut self.runner, images.is_require_grad()) {
            let images = Array::from_tensor(images).values;
            let batch = Batch { images: &images, samples, masks };
            let (outcome, tape) = runner.train(&self.weights, &batch, draws);
            self.record_on_host(&outcome.statistics);
            let output = engine::output::<B>(outcome.outputs, outcome.observed, samples, &device);
            let observed = output.observed.into_iter().map(Tensor::require_grad).collect();
            let output = Output { logits: output.logits.require_grad(), observed, ..output };
            return TrainPass { output, given: Vec::new(), tape: Some(tape) };
        }
        let given = Given::new(masks, samples, &device);
        let (output, statistics) = self.run(images, Mode::Train(draws), &given);
        self.record(statistics);
        TrainPass { output, given: given.leaves, tape: None }
    }

    fn record(&mut self, statistics: Vec<Option<BatchStatistics<B>>>) {
        for (conv, seen) in self.weights.convs.iter_mut().zip(statistics) {
            if let (Some(norm), Some(seen)) = (&mut conv.norm, seen) {
                norm.record(seen);
            }
        }
    }

    fn record_on_host(&mut self, statistics: &[Option<Statistics>]) {
        for (conv, seen) in self.weights.convs.iter_mut().zip(statistics) {
            if let (Some(norm), Some(seen)) = (&mut conv.norm, seen) {
                norm.record_on_host(seen);
            }
        }
    }

    /// Whether the backend's own engine runs it, on arrays in the host's memory.
    pub fn is_on_host(&self) -> bool {
        self.runner.is_some()
    }

    /// As [`Network::forward_train`] where [`Network::is_on_host`], without tensors: the loss and its gradients are then
    /// the caller's, who hands them to [`Network::host_gradients`]. Images are `[batch, channels, height, width]`.
    ///
    /// # Panics
    ///
    /// As [`Network::forward_train`].
    pub fn host_train(
        &mut self,
        images: &[f32],
        batch: usize,
        masks: &PassMasks,
        draws: &Draws,
    ) -> Option<HostPass> {
        let runner = self.runner.as_mut()?;
        let batch = Batch { images, samples: batch, masks };
        let (outcome, tape) = runner.train(&self.weights, &batch, draws);
        self.record_on_host(&outcome.statistics);
        Some(HostPass { logits: outcome.outputs, observed: outcome.observed, tape })
    }

    /// The gradients of this network's parameters, from those of a loss at the logits and observed values of a pass.
    /// Observed sites without one take part in no loss.
    ///
    /// # Panics
    ///
    /// When the gradients are not of the sizes of what the pass gave, or the pass is another network's.
    pub fn host_gradients(
        &mut self,
        pass: HostPass,
        logits: &[f32],
        observed: &[Option<&[f32]>],
    ) -> Gradients {
        self.host_backward(pass, logits, observed).gradients
    }

    /// As [`Network::host_gradients`], with the gradients of given masks.
    ///
    /// # Panics
    ///
    /// As [`Network::host_gradients`].
    pub fn host_backward(&mut self, pass: HostPass, logits: &[f32], observed: &[Option<&[f32]>]) -> Backward {
        let Some(runner) = &mut self.runner else { panic!("the pass is that of another network") };
        let stack::Backward { gradients, given } = runner.backward(pass.tape, logits, observed);
        Backward { gradients: Gradients::Host(gradients), given }
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
        let Description { spec, observing, .. } = &self.description;
        let runner = self.runner.as_ref().and_then(|_| Runner::new::<B::InnerBackend>(spec, observing));
        Network {
            description: self.description.clone(),
            weights: self.weights.valid(),
            runner,
            arithmetic: self.arithmetic,
            frozen: Vec::new(),
            imposed: Vec::new(),
        }
    }

    /// The gradients of this network's parameters from those of a loss of these passes.
    ///
    /// # Panics
    ///
    /// When a pass is another network's.
    pub fn gradients(&mut self, passes: Vec<TrainPass<B>>, gradients: B::Gradients) -> Gradients {
        self.backward(passes, gradients).gradients
    }

    /// As [`Network::gradients`], with the gradients of given masks.
    ///
    /// # Panics
    ///
    /// As [`Network::gradients`].
    pub fn backward(&mut self, passes: Vec<TrainPass<B>>, gradients: B::Gradients) -> Backward {
        let read = |leaf: &Tensor<B, 2>| leaf.grad(&gradients).map(|grad| Array::from_tensor(grad).values);
        let zeros = |leaf: &Tensor<B, 2>| vec![0.0; leaf.dims().into_iter().product()];
        let (mut sum, mut given) = (None::<Vec<Vec<f32>>>, Vec::new());
        let mut in_graph = self.runner.is_none();
        for TrainPass { output, given: leaves, tape } in passes {
            let Some(tape) = tape else {
                in_graph = true;
                given.extend(leaves.iter().map(|leaf| match leaf.is_require_grad() {
                    true => read(leaf).unwrap_or_else(|| zeros(leaf)),
                    false => Vec::new(),
                }));
                continue;
            };
            let Some(runner) = &mut self.runner else { panic!("the pass is that of another network") };
            let logits = read(&output.logits).unwrap_or_else(|| zeros(&output.logits));
            let observed: Vec<Option<Vec<f32>>> = output.observed.iter().map(read).collect();
            let observed: Vec<Option<&[f32]>> = observed.iter().map(Option::as_deref).collect();
            let of_pass = runner.backward(tape, &logits, &observed);
            given.extend(of_pass.given);
            match &mut sum {
                Some(sum) => add_arrays(sum, of_pass.gradients),
                None => sum = Some(of_pass.gradients),
            }
        }
        let gradients = match sum {
            None => Gradients::Device(GradientsParams::from_grads(gradients, &self.weights)),
            Some(sum) if !in_graph => Gradients::Host(sum),
            Some(sum) => {
                let rest = Gradients::Device(GradientsParams::from_grads(gradients, &self.weights));
                Gradients::Host(sum).plus(Gradients::Host(self.on_host(rest)))
            }
        };
        Backward { gradients, given }
    }

    /// The gradients on the host, by the names of the parameters.
    pub fn named_gradients(&self, gradients: &Gradients) -> State {
        let mut reader = GradientReader { slots: self.slots(), gradients, state: State::default() };
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
        let mut arrays = vec![Vec::new(); self.slots().len()];
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
            runner.engine().recycle(gradients);
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

/// Sets which parameters Burn tracks: those that train and are not frozen.
struct Tracking<'a> {
    slots: &'a [Slot],
    frozen: &'a [bool],
}

impl<B: Backend> ModuleMapper<B> for Tracking<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let id = param.id.val() as usize;
        let frozen = self.frozen.get(id).is_some_and(|frozen| *frozen);
        param.set_require_grad(self.slots[id].role.is_trained() && !frozen)
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
