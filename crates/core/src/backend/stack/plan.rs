//! What the engine runs: values and the steps between them, in order, with neighbouring operations fused.
//!
//! A plan is compiled from a [`Spec`]. A parameter's number is its index among [`Spec::slots`], a site's that among
//! [`Spec::sites`].

use std::collections::HashMap;
use std::iter::{Enumerate, Peekable};
use std::vec::IntoIter;

use crate::spec::{Conv, Layer, LayerKind, Residual, Site, SiteKind, Spec, Stage};

/// The steps of a network.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) values: Vec<Value>,
    pub(super) steps: Vec<Step>,
    /// Length of each parameter.
    pub(super) parameters: Vec<usize>,
    /// Whether training changes a parameter by gradient.
    pub(super) trained: Vec<bool>,
    /// Where the values of each observed site come from, in the order asked for.
    pub(super) observed: Vec<Observed>,
    pub(super) sites: Vec<Site>,
    /// The first steps that evaluation does better sample by sample.
    pub(super) head: usize,
}

/// Where the values of an observed site come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Observed {
    /// The mask of the block with this number.
    Mask(usize),
    /// The mean of |activation| over the pixels of this value.
    Mean { value: usize, rectified: bool },
}

/// What a step hands on, for one image: rows of `channels` floats, one a pixel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// Steps that read it.
    pub readers: usize,
    /// Whether its mean over the pixels is needed.
    pub averaged: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub input: usize,
    pub output: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Block(Block),
    Pool(usize),
    Add(Add),
    Average,
    Flatten,
    Relu,
    Dropout(Dropout),
    Linear(Linear),
}

/// `relu(body + shortcut)`, the body being the step's input.
#[derive(Clone, Debug)]
pub(super) struct Add {
    pub shortcut: usize,
    pub join: Option<Join>,
    pub relu: bool,
}

/// Target channels of the two paths of a sum.
#[derive(Clone, Debug)]
pub(super) struct Join {
    pub body: Vec<usize>,
    pub shortcut: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Dropout {
    /// Its number among the dropout stages.
    pub number: usize,
    pub probability: f64,
}

/// Numbers of a linear layer's parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear {
    pub weight: usize,
    pub bias: usize,
}

/// `pool(outer(inner(norm(conv(x)) * mask) + added))`.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Its number among the blocks.
    pub index: usize,
    /// The site that its convolution is.
    pub site: usize,
    pub size: usize,
    pub stride: usize,
    /// Height and width of the convolution's output.
    pub height: usize,
    pub width: usize,
    pub weight: usize,
    pub bias: Option<usize>,
    pub norm: Option<Norm>,
    pub generator: Option<Generator>,
    /// ReLU before the sum, or the only one.
    pub relu: bool,
    /// The value that is added and whether ReLU follows.
    pub added: Option<(usize, bool)>,
    /// Side of the pooling window behind it; 1 for none.
    pub pool: usize,
}

/// Numbers of a batch norm's parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Norm {
    pub scale: usize,
    pub shift: usize,
    pub running_mean: usize,
    pub running_var: usize,
}

/// Numbers of a mask generator's parameters, and the width of its hidden layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Generator {
    pub hidden_weight: usize,
    pub output_weight: usize,
    pub output_bias: usize,
    pub hidden: usize,
}

impl Plan {
    /// The plan of a network that observes these sites (indices of [`Spec::sites`]). `None` for what the engine does
    /// not run: stages that do not fit together, layers without channels, networks side by side, no such site.
    pub fn new(spec: &Spec, observed: &[usize]) -> Option<Plan> {
        let mut compiler = Compiler::new(spec)?;
        let [channels, height, width] = spec.input;
        let mut current = compiler.value(channels, height, width);
        for stage in &spec.stages {
            current = compiler.stage(current, stage)?;
        }
        let Compiler { mut plan, found, .. } = compiler;
        let find = |site: &usize| found.iter().find(|(at, _)| at == site).map(|(_, observed)| *observed);
        plan.observed = observed.iter().map(find).collect::<Option<_>>()?;
        let used = plan.values.iter().all(|value| value.len() > 0);
        plan.fuse();
        plan.count_readers();
        plan.head = plan.find_head();
        used.then_some(plan)
    }

    /// Outputs an image.
    pub fn outputs(&self) -> usize {
        self.values[self.last()].len()
    }

    pub(super) fn last(&self) -> usize {
        self.steps.last().map_or(0, |step| step.output)
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = (&Step, &Block)> {
        self.steps.iter().filter_map(|step| match &step.kind {
            Kind::Block(block) => Some((step, block)),
            _ => None,
        })
    }

    /// Units of the observed site at this place of the order.
    pub(super) fn observed_units(&self, at: usize) -> usize {
        match self.observed[at] {
            Observed::Mask(index) => self
                .blocks()
                .find(|(_, block)| block.index == index)
                .map_or(0, |(step, _)| self.values[step.output].channels),
            Observed::Mean { value, .. } => self.values[value].channels,
        }
    }
}

/// A plan under way, with what is still to come of the spec.
struct Compiler {
    plan: Plan,
    slots: HashMap<String, usize>,
    layers: IntoIter<Layer>,
    /// Layers so far.
    passed: usize,
    sites: Peekable<Enumerate<IntoIter<Site>>>,
    /// Where each site's values come from.
    found: Vec<(usize, Observed)>,
    blocks: usize,
    dropouts: usize,
}

impl Compiler {
    fn new(spec: &Spec) -> Option<Compiler> {
        let (slots, layers, sites) = (spec.slots().ok()?, spec.layers().ok()?, spec.sites().ok()?);
        let plan = Plan {
            values: Vec::new(),
            steps: Vec::new(),
            parameters: slots.iter().map(|slot| slot.shape.iter().product()).collect(),
            trained: slots.iter().map(|slot| slot.role.is_trained()).collect(),
            observed: Vec::new(),
            sites: sites.clone(),
            head: 0,
        };
        Some(Compiler {
            plan,
            slots: slots.into_iter().enumerate().map(|(number, slot)| (slot.name, number)).collect(),
            layers: layers.into_iter(),
            passed: 0,
            sites: sites.into_iter().enumerate().peekable(),
            found: Vec::new(),
            blocks: 0,
            dropouts: 0,
        })
    }

    fn value(&mut self, channels: usize, height: usize, width: usize) -> usize {
        self.plan.values.push(Value { channels, height, width, readers: 0, averaged: false });
        self.plan.values.len() - 1
    }

    fn step(&mut self, input: usize, kind: Kind, [channels, height, width]: [usize; 3]) -> usize {
        let output = self.value(channels, height, width);
        self.plan.steps.push(Step { input, output, kind });
        output
    }

    fn stage(&mut self, input: usize, stage: &Stage) -> Option<usize> {
        let Value { channels, height, width, .. } = self.plan.values[input];
        let same = [channels, height, width];
        Some(match stage {
            Stage::Conv(conv) => self.conv(input, conv)?,
            Stage::Residual(residual) => self.residual(input, residual)?,
            Stage::MaxPool { size } => {
                let pooled = [channels, height.checked_div(*size)?, width.checked_div(*size)?];
                self.step(input, Kind::Pool(*size), pooled)
            }
            Stage::GlobalAvgPool => self.step(input, Kind::Average, [channels, 1, 1]),
            Stage::Flatten => self.step(input, Kind::Flatten, [channels * height * width, 1, 1]),
            Stage::Relu => {
                let output = self.step(input, Kind::Relu, same);
                self.linear_site(output);
                output
            }
            Stage::Dropout { probability } => {
                let kind = Kind::Dropout(Dropout { number: self.dropouts, probability: *probability });
                self.dropouts += 1;
                self.step(input, kind, same)
            }
            Stage::Linear { outputs } => {
                let layer = self.layer()?;
                let (weight, bias) = (self.slot(&layer, "weight")?, self.slot(&layer, "bias")?);
                self.step(input, Kind::Linear(Linear { weight, bias }), [*outputs, 1, 1])
            }
            Stage::Parallel { .. } => return None,
        })
    }

    fn layer(&mut self) -> Option<Layer> {
        self.passed += 1;
        self.layers.next()
    }

    /// The number of a layer's parameter.
    fn slot(&self, layer: &Layer, suffix: &str) -> Option<usize> {
        self.slots.get(&format!("{}.{suffix}", layer.name)).copied()
    }

    /// The ReLU behind the linear layer that comes directly before it gives that layer's site.
    fn linear_site(&mut self, value: usize) {
        let passed = self.passed;
        let here = |(_, site): &(usize, Site)| match site.kind {
            SiteKind::Linear { layer } => layer + 1 == passed,
            _ => false,
        };
        if let Some((site, _)) = self.sites.next_if(here) {
            self.found.push((site, Observed::Mean { value, rectified: true }));
        }
    }

    fn residual(&mut self, input: usize, residual: &Residual) -> Option<usize> {
        let mut body = input;
        for conv in &residual.body {
            body = self.conv(body, conv)?;
        }
        let shortcut = match &residual.shortcut {
            Some(conv) => self.conv(input, conv)?,
            None => input,
        };
        let Value { channels, height, width, .. } = self.plan.values[body];
        let channels = residual.join.as_ref().map_or(channels, |join| join.channels);
        let join = residual.join.as_ref();
        let join = join.map(|join| Join { body: join.body.clone(), shortcut: join.shortcut.clone() });
        let (site, _) = self.sites.next()?;
        let kind = Kind::Add(Add { shortcut, join, relu: residual.relu });
        let output = self.step(body, kind, [channels, height, width]);
        self.found.push((site, Observed::Mean { value: output, rectified: residual.relu }));
        Some(output)
    }

    fn conv(&mut self, input: usize, conv: &Conv) -> Option<usize> {
        let layer = self.layer()?;
        let LayerKind::Conv { output: [kernels, height, width], .. } = layer.kind else { return None };
        let (site, _) = self.sites.next()?;
        let slot = |suffix: &str| self.slot(&layer, suffix);
        let norm = || {
            let (scale, shift) = (slot("bn.weight")?, slot("bn.bias")?);
            let (running_mean, running_var) = (slot("bn.running_mean")?, slot("bn.running_var")?);
            Some(Norm { scale, shift, running_mean, running_var })
        };
        let generator = || {
            Some(Generator {
                hidden_weight: slot("mask_generator.hidden.weight")?,
                output_weight: slot("mask_generator.output.weight")?,
                output_bias: slot("mask_generator.output.bias")?,
                hidden: conv.generator_hidden(),
            })
        };
        let block = Block {
            index: self.blocks,
            site,
            size: conv.size,
            stride: conv.stride,
            height,
            width,
            weight: slot("conv.weight")?,
            bias: slot("conv.bias"),
            norm: norm(),
            generator: generator(),
            relu: conv.relu,
            added: None,
            pool: 1,
        };
        self.blocks += 1;
        let (index, masked) = (block.index, block.generator.is_some());
        let value = self.step(input, Kind::Block(block), [kernels, height, width]);
        let observed = match masked {
            true => Observed::Mask(index),
            false => Observed::Mean { value, rectified: conv.relu },
        };
        self.found.push((site, observed));
        Some(value)
    }
}

impl Plan {
    /// Fuses a sum with the convolution that ends its body, and a pool with the convolution before it.
    fn fuse(&mut self) {
        let mut at = 0;
        while at < self.steps.len() {
            match self.fuses_with_the_step_before(at) {
                true => drop(self.steps.remove(at)),
                false => at += 1,
            }
        }
        self.order_shortcuts();
    }

    fn fuses_with_the_step_before(&mut self, at: usize) -> bool {
        if self.is_observed(self.steps[at].input) {
            return false;
        }
        let (before, rest) = self.steps.split_at_mut(at);
        let Step { input, output, kind } = &rest[0];
        let alone = before.iter().chain(&rest[1..]).all(|step| !reads(step, *input));
        let Some(producer) = before.iter_mut().find(|step| step.output == *input && alone) else {
            return false;
        };
        let Kind::Block(block) = &mut producer.kind else { return false };
        match kind {
            _ if block.pool > 1 || block.added.is_some() => return false,
            Kind::Pool(size) => block.pool = *size,
            Kind::Add(Add { shortcut, join: None, relu }) if shortcut != input => {
                block.added = Some((*shortcut, *relu));
            }
            _ => return false,
        }
        producer.output = *output;
        true
    }

    /// Whether activations of this value are observed.
    fn is_observed(&self, value: usize) -> bool {
        let is = |observed: &Observed| matches!(observed, Observed::Mean { value: at, .. } if *at == value);
        self.observed.iter().any(is)
    }

    /// A block that adds a shortcut must come after the shortcut's own convolution.
    fn order_shortcuts(&mut self) {
        for at in 0..self.steps.len() {
            let Kind::Block(Block { added: Some((shortcut, _)), .. }) = self.steps[at].kind else { continue };
            let later = self.steps[at..].iter().position(|step| step.output == shortcut);
            if let Some(offset) = later {
                self.steps[at..=at + offset].rotate_right(1);
            }
        }
    }

    fn count_readers(&mut self) {
        for step in &self.steps {
            inputs(step).for_each(|value| self.values[value].readers += 1);
            let averages = match &step.kind {
                Kind::Block(block) => block.generator.is_some(),
                kind => matches!(kind, Kind::Average),
            };
            self.values[step.input].averaged |= averages;
        }
        for observed in &self.observed {
            if let Observed::Mean { value, rectified: true } = *observed {
                self.values[value].averaged = true;
            }
        }
    }

    /// Whether one sample has enough rows to use each of a convolution's weights well. Fewer rows do where the weights
    /// stay in the cache and are many, because a product is then long all the same.
    fn is_large(&self, step: &Step, block: &Block) -> bool {
        let pixels = block.height * block.width;
        let channels = self.values[step.input].channels * self.values[step.output].channels;
        let (rows, weights) = match (block.size, block.stride) {
            (3, 1) => (pixels / 16, 36 * channels),
            (size, _) => (pixels, size * size * channels),
        };
        rows >= if (1 << 15..=1 << 18).contains(&weights) { 16 } else { 32 }
    }

    /// The number of leading steps over large images that leave one value and no masks or observed values. 0 if they
    /// hold a single convolution: nothing is gained where no other reads its output at once.
    fn find_head(&self) -> usize {
        let (mut head, mut convolutions) = (0, 0);
        let mut computed = vec![0];
        for (at, step) in self.steps.iter().enumerate() {
            let large = match &step.kind {
                Kind::Block(block) => block.generator.is_none() && self.is_large(step, block),
                Kind::Add(_) | Kind::Pool(_) | Kind::Relu => true,
                _ => false,
            };
            if !large || self.is_observed(step.output) {
                break;
            }
            convolutions += usize::from(matches!(step.kind, Kind::Block(_)));
            let closed =
                self.steps[at + 1..].iter().all(|later| computed.iter().all(|&value| !reads(later, value)));
            if closed && convolutions > 1 {
                head = at + 1;
            }
            computed.push(step.output);
        }
        head
    }
}

impl Block {
    /// Numbers of the parameters that may train.
    pub(super) fn parameters(&self) -> impl Iterator<Item = usize> {
        let norm = self.norm.into_iter().flat_map(|norm| [norm.scale, norm.shift]);
        let generator = self.generator.into_iter().flat_map(Generator::parameters);
        std::iter::once(self.weight).chain(self.bias).chain(norm).chain(generator)
    }
}

impl Generator {
    /// Numbers of its parameters.
    pub(super) fn parameters(self) -> [usize; 3] {
        [self.hidden_weight, self.output_weight, self.output_bias]
    }
}

impl Value {
    /// Floats an image.
    pub(super) fn len(&self) -> usize {
        self.channels * self.pixels()
    }

    pub(super) fn pixels(&self) -> usize {
        self.height * self.width
    }
}

/// The values that a step reads.
pub(super) fn inputs(step: &Step) -> impl Iterator<Item = usize> {
    let other = match &step.kind {
        Kind::Block(block) => block.added.map(|(added, _)| added),
        Kind::Add(add) => Some(add.shortcut),
        _ => None,
    };
    std::iter::once(step.input).chain(other)
}

fn reads(step: &Step, value: usize) -> bool {
    inputs(step).any(|input| input == value)
}
