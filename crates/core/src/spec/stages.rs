//! Architectures as data: a [`Spec`] is the whole description of a network.

use serde::{Deserialize, Serialize};

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

    pub(super) fn output(&self, [channels, height, width]: [usize; 3]) -> Result<[usize; 3], String> {
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

fn one() -> usize {
    1
}

fn three() -> usize {
    3
}

fn yes() -> bool {
    true
}

impl Spec {
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
}
