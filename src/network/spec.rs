//! Architectures as data: a [`Spec`] is the whole description of a network.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What batch norm adds to variances before their root is taken.
pub const NORM_EPSILON: f64 = 1e-5;

/// A network: what it takes in and the stages that an image passes through.
///
/// Input channels of every stage follow from the stage before it, so a spec cannot contradict itself, and a
/// sliced network is the same spec with fewer kernels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// `[channels, height, width]` of an input image.
    pub input: [usize; 3],
    /// How the weights are drawn before training.
    #[serde(default)]
    pub init: Init,
    /// The stages in order; the last one's outputs are the logits.
    pub stages: Vec<Stage>,
}

/// One step on an image's way through a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Convolution with its normalisation, mask and activation.
    Conv(Conv),
    /// Non-overlapping max-pooling over `size` x `size` windows.
    MaxPool {
        /// Window and stride.
        size: usize,
    },
    /// A sum of two paths.
    Residual(Residual),
    /// Mean over height and width: `[batch, channels]`.
    GlobalAvgPool,
    /// `[batch, channels * height * width]`.
    Flatten,
    /// max(x, 0).
    Relu,
    /// Zeroes activations while training and scales the others by 1 / (1 - probability).
    Dropout {
        /// Chance that an activation is zeroed, in `[0, 1)`.
        probability: f64,
    },
    /// Fully connected layer.
    Linear {
        /// Output features.
        outputs: usize,
    },
    /// Networks side by side: each reads the same input, and their flat outputs follow one another.
    Parallel {
        /// The stages of each.
        branches: Vec<Vec<Stage>>,
    },
}

/// Convolution, then batch norm, then the kernel mask, then ReLU; each of the last three is optional.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Output channels.
    pub kernels: usize,
    /// Side of the square window.
    #[serde(default = "three")]
    pub size: usize,
    /// Step of the window.
    #[serde(default = "one")]
    pub stride: usize,
    /// Whether the convolution adds a bias.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Whether batch norm follows.
    #[serde(default = "yes")]
    pub batch_norm: bool,
    /// Whether a mask generator scales each output channel of each sample.
    #[serde(default)]
    pub masked: bool,
    /// Whether ReLU follows.
    #[serde(default = "yes")]
    pub relu: bool,
}

/// `join(body(x), shortcut(x))`, then optionally ReLU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// The convolutions of the long path.
    pub body: Vec<Conv>,
    /// A projection on the short path; without one the input itself is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortcut: Option<Conv>,
    /// Where each path's channels go in the sum. `None`: both have the same channels in the same order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<Join>,
    /// Whether ReLU follows the sum.
    #[serde(default = "yes")]
    pub relu: bool,
}

/// Index maps of a residual sum whose two paths kept different channels: channel `i` of a path is added to
/// channel `map[i]` of the sum; channels that a path lacks count as zero there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// Channels of the sum.
    pub channels: usize,
    /// Target channel of each body channel, ascending.
    pub body: Vec<usize>,
    /// Target channel of each shortcut channel, ascending.
    pub shortcut: Vec<usize>,
}

/// Distribution of initial weights. Batch norm starts at scale 1 and shift 0, mask generators at Kaiming
/// normal (fan in) weights and bias 1, whatever the choice here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// Convolutions: Kaiming normal (fan out), bias 0. Linear layers: normal with deviation 0.01, bias 0.
    /// The VGG16 of the published code.
    #[default]
    KaimingNormal,
    /// Convolutions: Kaiming normal (fan out), bias 0. Linear layers: uniform within 1 / sqrt(fan in).
    KaimingUniformLinear,
    /// Everything uniform within 1 / sqrt(fan in), PyTorch's default.
    Uniform,
}

/// What a stage hands to the next one, for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `[channels, height, width]`.
    Map([usize; 3]),
    /// `[features]`.
    Flat(usize),
}

/// A layer with weights, found on the way through a [`Spec`].
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Prefix of its parameters' names, such as `conv3` or `residual1.shortcut`.
    pub name: String,
    /// Index of its stage.
    pub stage: usize,
    /// What it computes.
    pub kind: LayerKind,
}

/// The two kinds of layers that have weights.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerKind {
    /// A convolution from `input` to `output`, both `[channels, height, width]`.
    Conv {
        /// Its settings.
        conv: Conv,
        /// Shape read.
        input: [usize; 3],
        /// Shape written.
        output: [usize; 3],
    },
    /// A linear layer.
    Linear {
        /// Features read.
        inputs: usize,
        /// Features written.
        outputs: usize,
    },
}

/// A spec that no network can be built from.
#[derive(Debug, Error, PartialEq)]
#[error("stage {stage} ({kind}): {problem}")]
pub struct SpecError {
    /// Index of the stage, from 0.
    pub stage: usize,
    /// Its kind, as written in a preset.
    pub kind: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Conv {
    /// A 3x3 convolution with bias, batch norm and ReLU, unmasked.
    pub fn new(kernels: usize) -> Self {
        Conv { kernels, size: 3, stride: 1, bias: true, batch_norm: true, masked: false, relu: true }
    }

    /// Zero padding on each side: half the window, so that stride 1 keeps the size.
    pub fn padding(&self) -> usize {
        self.size / 2
    }

    /// Width of the mask generator's hidden layer (the published code's rule).
    pub fn generator_hidden(&self) -> usize {
        if self.kernels < 128 { self.kernels } else { self.kernels / 2 }
    }

    fn output(&self, [channels, height, width]: [usize; 3]) -> Result<[usize; 3], String> {
        if self.kernels == 0 || self.size == 0 || self.stride == 0 {
            return Err("kernels, size and stride must be at least 1".into());
        }
        if self.masked && channels == 0 {
            return Err("a mask generator needs input channels".into());
        }
        let side = |n: usize| (n + 2 * self.padding()).checked_sub(self.size).map(|m| m / self.stride + 1);
        match (side(height), side(width)) {
            (Some(h), Some(w)) => Ok([self.kernels, h, w]),
            _ => Err(format!(
                "its {size}x{size} window is larger than the padded {height}x{width} input",
                size = self.size
            )),
        }
    }
}

impl Stage {
    /// The kind as written in a preset.
    pub fn kind(&self) -> &'static str {
        match self {
            Stage::Conv(_) => "conv",
            Stage::MaxPool { .. } => "max-pool",
            Stage::Residual(_) => "residual",
            Stage::GlobalAvgPool => "global-avg-pool",
            Stage::Flatten => "flatten",
            Stage::Relu => "relu",
            Stage::Dropout { .. } => "dropout",
            Stage::Linear { .. } => "linear",
            Stage::Parallel { .. } => "parallel",
        }
    }

    /// What it hands on when this reaches it; `None` if it does not fit.
    pub fn output(&self, input: Shape) -> Option<Shape> {
        let mut walk = Walk::new(input);
        walk.pass(self).ok().map(|()| walk.shape)
    }

    /// The convolutions of this stage in mask order: a residual's body, then its shortcut; branch by branch.
    pub fn convs(&self) -> Vec<&Conv> {
        match self {
            Stage::Conv(conv) => vec![conv],
            Stage::Residual(residual) => residual.body.iter().chain(&residual.shortcut).collect(),
            Stage::Parallel { branches } => branches.iter().flatten().flat_map(Stage::convs).collect(),
            _ => Vec::new(),
        }
    }

    /// As [`Stage::convs`], to change them.
    pub fn convs_mut(&mut self) -> Vec<&mut Conv> {
        match self {
            Stage::Conv(conv) => vec![conv],
            Stage::Residual(residual) => residual.body.iter_mut().chain(&mut residual.shortcut).collect(),
            Stage::Parallel { branches } => {
                branches.iter_mut().flatten().flat_map(Stage::convs_mut).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Spec {
    /// Checks every stage against what reaches it.
    ///
    /// # Errors
    ///
    /// Names the first stage that does not fit, with the shape that reaches it.
    pub fn check(&self) -> Result<(), SpecError> {
        self.walk().map(|_| ())
    }

    /// Every layer with weights, in the order in which an image meets them (a residual's shortcut after its
    /// body, which is also the order of masks).
    ///
    /// # Errors
    ///
    /// As [`Spec::check`].
    pub fn layers(&self) -> Result<Vec<Layer>, SpecError> {
        self.walk().map(|walk| walk.layers)
    }

    /// What each stage hands on; entry 0 is the input, entry `i + 1` the output of stage `i`.
    ///
    /// # Errors
    ///
    /// As [`Spec::check`].
    pub fn shapes(&self) -> Result<Vec<Shape>, SpecError> {
        self.walk().map(|walk| walk.shapes)
    }

    /// Number of logits.
    ///
    /// # Errors
    ///
    /// As [`Spec::check`].
    pub fn outputs(&self) -> Result<usize, SpecError> {
        self.walk().map(|walk| walk.flat())
    }

    /// The convolutions in mask order.
    pub fn convs(&self) -> impl Iterator<Item = &Conv> {
        self.stages.iter().flat_map(Stage::convs)
    }

    /// This spec with a mask generator on every convolution but the first, as MwT trains it.
    pub fn with_masks(mut self) -> Self {
        for conv in self.stages.iter_mut().flat_map(Stage::convs_mut).skip(1) {
            conv.masked = true;
        }
        self
    }

    /// This spec without mask generators.
    pub fn without_masks(mut self) -> Self {
        for conv in self.stages.iter_mut().flat_map(Stage::convs_mut) {
            conv.masked = false;
        }
        self
    }

    /// Every map that a global average pool reads, `[channels, height, width]`.
    pub(super) fn pooled(&self) -> Result<Vec<[usize; 3]>, SpecError> {
        self.walk().map(|walk| walk.pooled)
    }

    fn walk(&self) -> Result<Walk, SpecError> {
        let mut walk = Walk::new(Shape::Map(self.input));
        if self.input.contains(&0) {
            return Err(walk.error(0, "input", format!("the input shape {:?} has a zero", self.input)));
        }
        for (index, stage) in self.stages.iter().enumerate() {
            walk.stage = index;
            walk.pass(stage).map_err(|problem| walk.error(index, stage.kind(), problem))?;
            walk.shapes.push(walk.shape);
        }
        match (self.stages.last(), walk.shape) {
            (Some(_), Shape::Flat(_)) => Ok(walk),
            (last, shape) => Err(walk.error(
                self.stages.len().saturating_sub(1),
                last.map_or("none", Stage::kind),
                format!("the network ends with {shape}; end it with a linear stage that gives the logits"),
            )),
        }
    }
}

/// What reaches each of the stages of a branch that reads `input`.
pub(crate) fn branch_shapes(stages: &[Stage], input: Shape) -> Result<Vec<Shape>, SpecError> {
    let mut walk = Walk::new(input);
    for stage in stages {
        walk.pass(stage).map_err(|problem| walk.error(0, stage.kind(), problem))?;
        walk.shapes.push(walk.shape);
    }
    Ok(walk.shapes)
}

/// Shapes and names gathered on the way through a spec.
struct Walk {
    /// What reaches the next stage.
    shape: Shape,
    /// Index of the stage under way.
    stage: usize,
    shapes: Vec<Shape>,
    layers: Vec<Layer>,
    pooled: Vec<[usize; 3]>,
    convs: usize,
    residuals: usize,
    linears: usize,
}

impl Walk {
    fn new(shape: Shape) -> Self {
        let (shapes, layers, pooled) = (vec![shape], Vec::new(), Vec::new());
        Walk { shape, stage: 0, shapes, layers, pooled, convs: 0, residuals: 0, linears: 0 }
    }

    fn error(&self, stage: usize, kind: &'static str, problem: String) -> SpecError {
        SpecError { stage, kind, problem }
    }

    fn flat(&self) -> usize {
        match self.shape {
            Shape::Flat(features) => features,
            Shape::Map([channels, height, width]) => channels * height * width,
        }
    }

    fn map(&self) -> Result<[usize; 3], String> {
        match self.shape {
            Shape::Map(map) => Ok(map),
            flat => Err(format!("it needs a [channels, height, width] input and gets {flat}")),
        }
    }

    fn pass(&mut self, stage: &Stage) -> Result<(), String> {
        let next = match stage {
            Stage::Conv(conv) => {
                let name = format!("conv{}", self.convs);
                self.convs += 1;
                Shape::Map(self.conv(name, conv, self.map()?)?)
            }
            Stage::MaxPool { size } => Shape::Map(pooled(self.map()?, *size)?),
            Stage::Residual(residual) => Shape::Map(self.residual(residual, self.map()?)?),
            Stage::GlobalAvgPool => {
                let map = self.map()?;
                self.pooled.push(map);
                Shape::Flat(map[0])
            }
            Stage::Flatten => Shape::Flat(self.map()?.iter().product()),
            Stage::Relu => self.shape,
            Stage::Dropout { probability } if (0.0..1.0).contains(probability) => self.shape,
            Stage::Dropout { probability } => {
                return Err(format!("probability {probability} is not in [0, 1)"));
            }
            Stage::Linear { outputs } => Shape::Flat(self.linear(*outputs)?),
            Stage::Parallel { branches } => Shape::Flat(self.parallel(branches)?),
        };
        self.shape = next;
        Ok(())
    }

    fn parallel(&mut self, branches: &[Vec<Stage>]) -> Result<usize, String> {
        let input = self.shape;
        let mut outputs = 0;
        for (index, branch) in branches.iter().enumerate() {
            self.shape = input;
            for stage in branch {
                let within = |problem| format!("branch {index}, {}: {problem}", stage.kind());
                self.pass(stage).map_err(within)?;
            }
            match self.shape {
                Shape::Flat(features) => outputs += features,
                map => return Err(format!("branch {index} ends with {map}; end it with a linear stage")),
            }
        }
        match branches.len() {
            0 => Err("it has no branches".into()),
            _ => Ok(outputs),
        }
    }

    fn conv(&mut self, name: String, conv: &Conv, input: [usize; 3]) -> Result<[usize; 3], String> {
        let output = conv.output(input)?;
        let kind = LayerKind::Conv { conv: conv.clone(), input, output };
        self.layers.push(Layer { name, stage: self.stage, kind });
        Ok(output)
    }

    fn residual(&mut self, residual: &Residual, input: [usize; 3]) -> Result<[usize; 3], String> {
        let prefix = format!("residual{}", self.residuals);
        self.residuals += 1;
        let mut body = input;
        for (index, conv) in residual.body.iter().enumerate() {
            body = self.conv(format!("{prefix}.conv{index}"), conv, body)?;
        }
        let shortcut = match &residual.shortcut {
            Some(conv) => self.conv(format!("{prefix}.shortcut"), conv, input)?,
            None => input,
        };
        if body[1..] != shortcut[1..] {
            return Err(format!("its body gives {body:?} and its shortcut {shortcut:?}"));
        }
        match &residual.join {
            Some(join) => join.check(body[0], shortcut[0])?,
            None if body[0] == shortcut[0] => {}
            None => return Err(format!("its body gives {body:?} and its shortcut {shortcut:?}")),
        }
        let channels = residual.join.as_ref().map_or(body[0], |join| join.channels);
        Ok([channels, body[1], body[2]])
    }

    fn linear(&mut self, outputs: usize) -> Result<usize, String> {
        let Shape::Flat(inputs) = self.shape else {
            return Err(format!("it gets {}; put flatten or global-avg-pool before it", self.shape));
        };
        if outputs == 0 {
            return Err("outputs must be at least 1".into());
        }
        let name = format!("linear{}", self.linears);
        self.linears += 1;
        self.layers.push(Layer { name, stage: self.stage, kind: LayerKind::Linear { inputs, outputs } });
        Ok(outputs)
    }
}

impl Join {
    fn check(&self, body: usize, shortcut: usize) -> Result<(), String> {
        for (path, map, channels) in [("body", &self.body, body), ("shortcut", &self.shortcut, shortcut)] {
            if map.len() != channels {
                return Err(format!("its join maps {} {path} channels of {channels}", map.len()));
            }
            let ascending = map.windows(2).all(|pair| pair[0] < pair[1]);
            if !ascending || map.last().is_some_and(|&last| last >= self.channels) {
                return Err(format!(
                    "its join's {path} map must ascend and stay below {} channels",
                    self.channels
                ));
            }
        }
        Ok(())
    }
}

fn pooled([channels, height, width]: [usize; 3], size: usize) -> Result<[usize; 3], String> {
    if size == 0 || height < size || width < size {
        return Err(format!("a {size}x{size} window does not fit its {height}x{width} input"));
    }
    Ok([channels, height / size, width / size])
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shape::Map(map) => write!(f, "{map:?} (channels, height, width)"),
            Shape::Flat(features) => write!(f, "{features} features"),
        }
    }
}

fn one() -> usize {
    1
}

fn three() -> usize {
    3
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(input: [usize; 3], stages: Vec<Stage>) -> Spec {
        Spec { input, init: Init::default(), stages }
    }

    #[test]
    fn a_stage_that_does_not_fit_is_named_with_what_reaches_it() {
        let stages = vec![Stage::Conv(Conv::new(4)), Stage::MaxPool { size: 2 }, Stage::MaxPool { size: 8 }];
        let error = spec([1, 8, 8], stages).check().unwrap_err();
        assert_eq!(error.to_string(), "stage 2 (max-pool): a 8x8 window does not fit its 4x4 input");
    }

    #[test]
    fn a_network_must_end_with_logits() {
        let error = spec([1, 8, 8], vec![Stage::Conv(Conv::new(4))]).check().unwrap_err();
        assert!(error.to_string().contains("end it with a linear stage"), "{error}");
    }

    #[test]
    fn a_linear_stage_wants_flat_input() {
        let error = spec([1, 8, 8], vec![Stage::Linear { outputs: 2 }]).check().unwrap_err();
        assert!(error.to_string().contains("flatten"), "{error}");
    }

    #[test]
    fn a_residual_whose_paths_differ_is_refused() {
        let body = vec![Conv::new(6), Conv::new(6)];
        let residual = Residual { body, shortcut: None, join: None, relu: true };
        let stages = vec![Stage::Conv(Conv::new(4)), Stage::Residual(residual)];
        let error = spec([1, 8, 8], stages).check().unwrap_err();
        assert!(error.to_string().contains("[6, 8, 8]") && error.to_string().contains("[4, 8, 8]"));
    }

    #[test]
    fn masks_go_on_every_convolution_but_the_first() {
        let stages = vec![Stage::Conv(Conv::new(4)), Stage::Conv(Conv::new(4)), Stage::Flatten];
        let masked = spec([1, 2, 2], stages).with_masks();
        assert_eq!(masked.convs().map(|conv| conv.masked).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_spec_is_the_same_after_toml() {
        let body = vec![Conv::new(4), Conv { relu: false, ..Conv::new(4) }];
        let join = Join { channels: 5, body: vec![0, 1, 2, 4], shortcut: vec![1, 2, 3, 4] };
        let residual = Residual { body, shortcut: None, join: Some(join), relu: true };
        let stages = vec![
            Stage::Conv(Conv::new(4)),
            Stage::Residual(residual),
            Stage::GlobalAvgPool,
            Stage::Dropout { probability: 0.5 },
            Stage::Linear { outputs: 3 },
        ];
        let spec = spec([3, 8, 8], stages);
        spec.check().unwrap();
        assert_eq!(toml::from_str::<Spec>(&toml::to_string(&spec).unwrap()).unwrap(), spec);
    }
}
