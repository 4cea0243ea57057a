//! A network as ONNX operators.

use super::Preprocessing;
use super::proto::{Attribute, FLOAT, Graph, Node, Tensor, UINT8, ValueInfo};
use crate::export::package::Package;
use crate::spec::{Conv, NORM_EPSILON, Residual, SpecError, Stage, StateError};

/// Name of the `Pad` constant that appends one channel.
const ONE_CHANNEL: &str = "join.pads";

/// The graph of a package, whose weights must be those of its network.
pub(super) fn of(package: &Package, preprocessing: Option<Preprocessing>) -> Result<Graph, StateError> {
    let mut builder = Builder::new(package)?;
    let (input, mut value) = builder.input(package, preprocessing);
    for (index, stage) in package.spec.stages.iter().enumerate() {
        value = builder.stage(stage, &format!("stage{index}.{}", stage.kind()), value);
    }
    let name = match preprocessing {
        Some(_) => {
            builder.node("Softmax", "softmax", &[&value], vec![Attribute::int("axis", 1)]);
            "probabilities"
        }
        None => "logits",
    };
    if let Some(last) = builder.nodes.last_mut() {
        last.output = vec![name.into()];
    }
    let doc = "one column per class, in the order of the metadata `classes`";
    let output = ValueInfo::batch(name, FLOAT, &[package.spec.outputs()?], doc);
    Ok(Graph {
        node: builder.nodes,
        name: package.name(),
        initializer: builder.constants,
        input: vec![input],
        output: vec![output],
    })
}

struct Builder {
    nodes: Vec<Node>,
    constants: Vec<Tensor>,
    /// Names of the remaining layers with weights.
    layers: std::vec::IntoIter<String>,
}

impl Builder {
    /// Adds every array of the network as a constant of the same name.
    fn new(package: &Package) -> Result<Builder, StateError> {
        let mut constants = Vec::new();
        for slot in package.spec.slots()? {
            let array = package.weights.get(&slot.name)?;
            constants.push(Tensor::floats(&slot.name, &array.shape, &array.values));
        }
        let layers: Result<Vec<_>, SpecError> =
            package.spec.layers().map(|layers| layers.into_iter().map(|layer| layer.name).collect());
        Ok(Builder { nodes: Vec::new(), constants, layers: layers?.into_iter() })
    }

    /// Adds an operator; its output has its name.
    fn node(&mut self, op: &str, name: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        self.nodes.push(Node {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: op.to_owned(),
            attribute: attributes,
        });
        name.to_owned()
    }

    /// The input of the graph, and the name of the normalised `[batch, channels, height, width]` value.
    fn input(&mut self, package: &Package, preprocessing: Option<Preprocessing>) -> (ValueInfo, String) {
        let [channels, height, width] = package.input;
        let Some(layout) = preprocessing else {
            let doc = "pixels in 0..1, minus the mean and divided by the std of the metadata";
            return (ValueInfo::batch("input", FLOAT, &package.input, doc), "input".into());
        };
        let (shape, doc) = match layout {
            Preprocessing::Nchw => (package.input, "pixels in 0..255: batch, channels, height, width"),
            Preprocessing::Nhwc => {
                ([height, width, channels], "pixels in 0..255: batch, height, width, channels")
            }
        };
        let float = Attribute::int("to", FLOAT as usize);
        let mut value = self.node("Cast", "preprocess.cast", &["image"], vec![float]);
        if layout == Preprocessing::Nhwc {
            let order = Attribute::ints("perm", &[0, 3, 1, 2]);
            value = self.node("Transpose", "preprocess.transpose", &[&value], vec![order]);
        }
        let pairs = || package.mean.iter().zip(&package.std).map(|(&m, &s)| (f64::from(m), f64::from(s)));
        let scale: Vec<f32> = pairs().map(|(_, std)| (1.0 / (255.0 * std)) as f32).collect();
        let shift: Vec<f32> = pairs().map(|(mean, std)| (-mean / std) as f32).collect();
        for (op, name, constant, values) in [
            ("Mul", "preprocess.scaled", "preprocess.scale", scale),
            ("Add", "preprocess.normalised", "preprocess.shift", shift),
        ] {
            self.constants.push(Tensor::floats(constant, &[1, channels, 1, 1], &values));
            value = self.node(op, name, &[&value, constant], Vec::new());
        }
        (ValueInfo::batch("image", UINT8, &shape, doc), value)
    }

    fn stage(&mut self, stage: &Stage, name: &str, x: String) -> String {
        match stage {
            Stage::Conv(conv) => self.conv(conv, &x),
            Stage::Residual(residual) => self.residual(residual, name, &x),
            Stage::MaxPool { size } => {
                let window = ["kernel_shape", "strides"].map(|name| Attribute::ints(name, &[*size; 2]));
                self.node("MaxPool", name, &[&x], window.into())
            }
            Stage::GlobalAvgPool => self.pooled(name, &x),
            Stage::Flatten => self.node("Flatten", name, &[&x], vec![Attribute::int("axis", 1)]),
            Stage::Relu => self.node("Relu", name, &[&x], Vec::new()),
            Stage::Dropout { .. } => x,
            Stage::Linear { .. } => {
                let layer = self.layer();
                let inputs = [&x, &format!("{layer}.weight"), &format!("{layer}.bias")];
                self.linear(&layer, &inputs.map(String::as_str))
            }
            Stage::Parallel { branches } => self.parallel(branches, name, &x),
        }
    }

    fn parallel(&mut self, branches: &[Vec<Stage>], name: &str, x: &str) -> String {
        let mut outputs = Vec::new();
        for (branch, stages) in branches.iter().enumerate() {
            let named =
                |index: usize, stage: &Stage| format!("{name}.branch{branch}.{index}.{}", stage.kind());
            let pass = |y, (index, stage): (usize, &Stage)| self.stage(stage, &named(index, stage), y);
            outputs.push(stages.iter().enumerate().fold(x.to_owned(), pass));
        }
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        self.node("Concat", name, &outputs, vec![Attribute::int("axis", 1)])
    }

    fn layer(&mut self) -> String {
        self.layers.next().unwrap_or_else(|| unreachable!("a spec lists every layer of its stages"))
    }

    /// BN(conv(x)) * mask, then ReLU.
    fn conv(&mut self, conv: &Conv, x: &str) -> String {
        let layer = self.layer();
        let mask = conv.masked.then(|| self.mask(&layer, x));
        let array = |suffix: &str| format!("{layer}.{suffix}");
        let mut inputs = vec![x.to_owned(), array("conv.weight")];
        inputs.extend(conv.bias.then(|| array("conv.bias")));
        let attributes = vec![
            Attribute::ints("kernel_shape", &[conv.size; 2]),
            Attribute::ints("strides", &[conv.stride; 2]),
            Attribute::ints("pads", &[conv.padding(); 4]),
        ];
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let mut y = self.node("Conv", &array("conv"), &inputs, attributes);
        if conv.batch_norm {
            let arrays = ["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"].map(array);
            let inputs = [&y, &arrays[0], &arrays[1], &arrays[2], &arrays[3]].map(String::as_str);
            let epsilon = Attribute::float("epsilon", NORM_EPSILON);
            y = self.node("BatchNormalization", &array("bn"), &inputs, vec![epsilon]);
        }
        if let Some(mask) = mask {
            y = self.node("Mul", &array("masked"), &[&y, &mask], Vec::new());
        }
        if conv.relu { self.node("Relu", &array("relu"), &[&y], Vec::new()) } else { y }
    }

    /// relu(tanh(W2 relu(W1 g) + b2)) with g the mean of each channel: `[batch, kernels, 1, 1]`.
    fn mask(&mut self, layer: &str, x: &str) -> String {
        let name = |suffix: &str| format!("{layer}.mask_generator.{suffix}");
        let pooled = self.pooled(&name("pool"), x);
        let hidden = self.linear(&name("hidden"), &[&pooled, &name("hidden.weight")]);
        let hidden = self.node("Relu", &name("hidden.relu"), &[&hidden], Vec::new());
        let output = [&hidden, &name("output.weight"), &name("output.bias")];
        let output = self.linear(&name("output"), &output.map(String::as_str));
        let bounded = self.node("Tanh", &name("tanh"), &[&output], Vec::new());
        let mask = self.node("Relu", &name("mask"), &[&bounded], Vec::new());
        const AXES: &str = "mask.axes";
        self.constant(Tensor::integers(AXES, &[2, 3]));
        self.node("Unsqueeze", &name("unsqueezed"), &[&mask, AXES], Vec::new())
    }

    /// Adds a constant that several nodes share.
    fn constant(&mut self, tensor: Tensor) {
        if !self.constants.iter().any(|other| other.name == tensor.name) {
            self.constants.push(tensor);
        }
    }

    fn linear(&mut self, name: &str, inputs: &[&str]) -> String {
        self.node("Gemm", name, inputs, vec![Attribute::int("transB", 1)])
    }

    /// Mean over height and width: `[batch, channels]`.
    fn pooled(&mut self, name: &str, x: &str) -> String {
        let mean = self.node("GlobalAveragePool", &format!("{name}.mean"), &[x], Vec::new());
        self.node("Flatten", name, &[&mean], vec![Attribute::int("axis", 1)])
    }

    fn residual(&mut self, residual: &Residual, name: &str, x: &str) -> String {
        let body = residual.body.iter().fold(x.to_owned(), |y, conv| self.conv(conv, &y));
        let short = residual.shortcut.as_ref().map_or_else(|| x.to_owned(), |conv| self.conv(conv, x));
        let (body, short) = match &residual.join {
            Some(join) => (
                self.scattered(&format!("{name}.body"), body, &join.body, join.channels),
                self.scattered(&format!("{name}.shortcut"), short, &join.shortcut, join.channels),
            ),
            None => (body, short),
        };
        let sum = self.node("Add", &format!("{name}.sum"), &[&body, &short], Vec::new());
        if residual.relu { self.node("Relu", name, &[&sum], Vec::new()) } else { sum }
    }

    /// Channel `i` becomes channel `map[i]` of `channels`; the others are zero. It appends a zero channel and gathers, which
    /// needs no batch-dependent shape.
    fn scattered(&mut self, name: &str, x: String, map: &[usize], channels: usize) -> String {
        if map.len() == channels {
            return x;
        }
        let mut source = vec![map.len() as i64; channels];
        for (index, &target) in map.iter().enumerate() {
            source[target] = index as i64;
        }
        self.constant(Tensor::integers(ONE_CHANNEL, &[0, 0, 0, 0, 0, 1, 0, 0]));
        let indices = format!("{name}.channels");
        self.constants.push(Tensor::integers(&indices, &source));
        let padded = self.node("Pad", &format!("{name}.padded"), &[&x, ONE_CHANNEL], Vec::new());
        self.node("Gather", name, &[&padded, &indices], vec![Attribute::int("axis", 1)])
    }
}
