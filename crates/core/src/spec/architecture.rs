//! The published architectures, and two small ones for CPU work, as values of [`Spec`].

use serde::{Deserialize, Serialize};

use super::stages::{Conv, Init, Residual, Spec, Stage};

/// An architecture by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// VGG16 with batch norm and two hidden linear layers of 512, for 32x32 images.
    Vgg16,
    /// ResNet18 in its CIFAR form: 3x3 stem, no stem pooling.
    Resnet18,
    /// CNNSplitter's SimCNN: the layout of VGG16. Its standard form has no batch norm; its modular form has
    /// one behind every masked convolution.
    Simcnn,
    /// CNNSplitter's ResCNN: twelve convolutions with three plain skip connections. Batch norm as in SimCNN.
    Rescnn,
    /// Nine convolutions of 32 to 512 kernels and VGG16's head, for 32x32 images.
    Small,
    /// Five convolutions of 32 to 128 kernels and one linear layer, for 8x8 images and larger.
    Tiny,
}

/// One step of a VGG-like plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// A 3x3 convolution with this many kernels.
    Conv(usize),
    /// A 2x2 max-pool.
    Pool,
}

use Plan::{Conv as C, Pool as P};

const VGG16: [Plan; 18] = [
    C(64),
    C(64),
    P,
    C(128),
    C(128),
    P,
    C(256),
    C(256),
    C(256),
    P,
    C(512),
    C(512),
    C(512),
    P,
    C(512),
    C(512),
    C(512),
    P,
];
const SMALL: [Plan; 13] = [C(32), C(32), P, C(64), C(64), P, C(128), C(128), P, C(256), C(256), P, C(512)];
const TINY: [Plan; 8] = [C(32), P, C(64), C(64), P, C(128), C(128), P];
const RESNET18: [usize; 4] = [64, 128, 256, 512];
const RESCNN: [usize; 12] = [64, 128, 128, 128, 256, 512, 512, 512, 512, 512, 512, 512];

impl Architecture {
    /// The architecture for `[channels, height, width]` images and this many classes, every kernel count
    /// and hidden width multiplied by `width` (and rounded, at least 1). `modular` puts a mask generator on
    /// every convolution but the first.
    pub fn spec(self, input: [usize; 3], classes: usize, width: f64, modular: bool) -> Spec {
        let scale = |n: usize| ((n as f64 * width).round() as usize).max(1);
        let plan = |plan: &[Plan]| -> Vec<Plan> {
            plan.iter().map(|step| if let C(n) = step { C(scale(*n)) } else { P }).collect()
        };
        let spec = match self {
            Architecture::Vgg16 => vgg(input, &plan(&VGG16), scale(512), classes),
            Architecture::Resnet18 => resnet(input, RESNET18.map(scale), classes),
            Architecture::Simcnn => simcnn(input, &plan(&VGG16), scale(512), classes, modular),
            Architecture::Rescnn => rescnn(input, RESCNN.map(scale), classes, modular),
            Architecture::Small => small(input, &plan(&SMALL), scale(512), classes),
            Architecture::Tiny => tiny(input, &plan(&TINY), classes),
        };
        if modular { spec.with_masks() } else { spec }
    }
}

fn features(plan: &[Plan], conv: impl Fn(usize) -> Conv) -> Vec<Stage> {
    plan.iter()
        .map(|step| match step {
            C(kernels) => Stage::Conv(conv(*kernels)),
            P => Stage::MaxPool { size: 2 },
        })
        .collect()
}

/// Linear, ReLU, dropout, linear, ReLU, dropout, linear.
fn vgg_head(hidden: usize, classes: usize) -> Vec<Stage> {
    let dropout = Stage::Dropout { probability: 0.5 };
    let hidden = Stage::Linear { outputs: hidden };
    let block = [hidden, Stage::Relu, dropout];
    [&block[..], &block[..], &[Stage::Linear { outputs: classes }]].concat()
}

/// A VGG: the plan's convolutions and pools, then two hidden linear layers.
pub fn vgg(input: [usize; 3], plan: &[Plan], hidden: usize, classes: usize) -> Spec {
    let mut stages = features(plan, Conv::new);
    stages.push(Stage::Flatten);
    stages.extend(vgg_head(hidden, classes));
    Spec { input, init: Init::KaimingNormal, stages }
}

/// Global pooling instead of the plan's last max-pool, so that any input of at least 16x16 fits.
fn small(input: [usize; 3], plan: &[Plan], hidden: usize, classes: usize) -> Spec {
    let mut stages = features(plan, Conv::new);
    let last = if input[1] >= 32 && input[2] >= 32 {
        vec![Stage::MaxPool { size: 2 }, Stage::Flatten]
    } else {
        vec![Stage::GlobalAvgPool]
    };
    stages.extend(last);
    stages.extend(vgg_head(hidden, classes));
    Spec { input, init: Init::KaimingUniformLinear, stages }
}

fn tiny(input: [usize; 3], plan: &[Plan], classes: usize) -> Spec {
    let mut stages = features(plan, Conv::new);
    stages.extend([Stage::Flatten, Stage::Linear { outputs: classes }]);
    Spec { input, init: Init::KaimingUniformLinear, stages }
}

/// ResNet18 with these kernel counts in its four groups of two basic blocks.
pub fn resnet(input: [usize; 3], widths: [usize; 4], classes: usize) -> Spec {
    let plain = |kernels| Conv { bias: false, ..Conv::new(kernels) };
    let mut stages = vec![Stage::Conv(plain(widths[0]))];
    for (group, &kernels) in widths.iter().enumerate() {
        for block in 0..2 {
            let stride = if group > 0 && block == 0 { 2 } else { 1 };
            let end = Conv { relu: false, ..plain(kernels) };
            let shortcut = (stride == 2).then(|| Conv { size: 1, stride, ..end.clone() });
            let body = vec![Conv { stride, ..plain(kernels) }, end];
            stages.push(Stage::Residual(Residual { body, shortcut, join: None, relu: true }));
        }
    }
    stages.extend([Stage::GlobalAvgPool, Stage::Linear { outputs: classes }]);
    Spec { input, init: Init::KaimingUniformLinear, stages }
}

/// Batch norm only where a mask generator will sit: on every convolution but the first of a modular network.
fn norm_with_mask(stages: &mut [Stage], modular: bool) {
    for (index, conv) in stages.iter_mut().flat_map(Stage::convs_mut).enumerate() {
        conv.batch_norm = modular && index > 0;
    }
}

/// SimCNN: a VGG layout whose head begins with dropout.
pub fn simcnn(input: [usize; 3], plan: &[Plan], hidden: usize, classes: usize, modular: bool) -> Spec {
    let mut stages = features(plan, Conv::new);
    norm_with_mask(&mut stages, modular);
    let dropout = Stage::Dropout { probability: 0.5 };
    stages.push(Stage::Flatten);
    for _ in 0..2 {
        stages.extend([dropout.clone(), Stage::Linear { outputs: hidden }, Stage::Relu]);
    }
    stages.push(Stage::Linear { outputs: classes });
    Spec { input, init: Init::Uniform, stages }
}

/// ResCNN with these kernel counts: the pooled outputs of convolutions 1, 5 and 9 are added to the outputs
/// of convolutions 3, 7 and 11, with no ReLU after the sum.
pub fn rescnn(input: [usize; 3], kernels: [usize; 12], classes: usize, modular: bool) -> Spec {
    let conv = |index: usize| Conv::new(kernels[index]);
    let skip = |first: usize| {
        let body = vec![conv(first), conv(first + 1)];
        Stage::Residual(Residual { body, shortcut: None, join: None, relu: false })
    };
    let pool = Stage::MaxPool { size: 2 };
    let mut stages = vec![
        Stage::Conv(conv(0)),
        Stage::Conv(conv(1)),
        pool.clone(),
        skip(2),
        Stage::Conv(conv(4)),
        pool.clone(),
        Stage::Conv(conv(5)),
        pool.clone(),
        skip(6),
        Stage::Conv(conv(8)),
        pool.clone(),
        Stage::Conv(conv(9)),
        pool,
        skip(10),
    ];
    norm_with_mask(&mut stages, modular);
    stages.extend([Stage::Flatten, Stage::Dropout { probability: 0.5 }, Stage::Linear { outputs: classes }]);
    Spec { input, init: Init::Uniform, stages }
}
