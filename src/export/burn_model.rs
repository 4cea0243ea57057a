//! A package as a directory for [Burn](https://burn.dev) 0.21: `model.mpk` with the weights (a record in named
//! MessagePack), and `model.rs` with the source of the network that loads it.
//!
//! `model.rs` consists of [`layers`], which this crate also compiles to create the record, followed by the stages of
//! the network.

/// The layers of a network as Burn modules: the first part of every `model.rs`.
pub mod layers;

use burn::module::{Module, Param, ParamId, RunningState};
use burn::nn::{BatchNorm, Linear};
use burn::record::{FullPrecisionSettings, NamedMpkBytesRecorder, Recorder};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use self::layers::{ConvBlock, MaskGenerator, Model};
use super::error::Error;
use super::package::Package;
use crate::run::PROGRAM;
use crate::spec::{Array, Conv, Join, Layer, LayerKind, Residual, Slot, Spec, Stage, State, StateError};

const LAYERS: &str = include_str!("burn_model/layers.rs");

/// Names and contents of the directory's files.
///
/// # Errors
///
/// When the weights are not those of the network, or Burn cannot write the record.
pub fn encode<B: Backend>(
    package: &Package,
    device: &B::Device,
) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
    package.weights.check(&package.spec)?;
    let model =
        Loader::<B> { state: &package.weights, slots: package.spec.slots()?, device }.model(&package.spec)?;
    let recorder = NamedMpkBytesRecorder::<FullPrecisionSettings>::default();
    let record = recorder.record(model.into_record(), ()).map_err(|error| Error::Burn(error.to_string()))?;
    Ok(vec![("model.mpk", record), ("model.rs", source(package)?.into_bytes())])
}

/// Loads arrays into Burn's layers.
struct Loader<'a, B: Backend> {
    state: &'a State,
    slots: Vec<Slot>,
    device: &'a B::Device,
}

impl<B: Backend> Loader<'_, B> {
    fn model(&self, spec: &Spec) -> Result<Model<B>, StateError> {
        let mut model = Model { convs: Vec::new(), linears: Vec::new() };
        for Layer { name, kind, .. } in spec.layers()? {
            match kind {
                LayerKind::Conv { conv, input, .. } => model.convs.push(self.conv(&name, &conv, input[0])?),
                LayerKind::Linear { inputs, outputs } => {
                    let empty = layers::linear(inputs, outputs, true, self.device);
                    model.linears.push(self.linear(&name, empty)?);
                }
            }
        }
        Ok(model)
    }

    fn conv(&self, name: &str, conv: &Conv, channels: usize) -> Result<ConvBlock<B>, StateError> {
        let mut block = ConvBlock::new(
            [channels, conv.kernels],
            [conv.size, conv.stride],
            [conv.bias, conv.batch_norm],
            mask_width(conv),
            self.device,
        );
        block.conv.weight = self.param(&format!("{name}.conv.weight"))?;
        if conv.bias {
            block.conv.bias = Some(self.param(&format!("{name}.conv.bias"))?);
        }
        block.norm = block.norm.map(|norm| self.norm(name, norm)).transpose()?;
        let generator = |empty: MaskGenerator<B>| {
            Ok::<_, StateError>(MaskGenerator {
                hidden: self.linear(&format!("{name}.mask_generator.hidden"), empty.hidden)?,
                output: self.linear(&format!("{name}.mask_generator.output"), empty.output)?,
            })
        };
        block.generator = block.generator.map(generator).transpose()?;
        Ok(block)
    }

    fn norm(&self, name: &str, empty: BatchNorm<B>) -> Result<BatchNorm<B>, StateError> {
        let running = |suffix: &str| -> Result<_, StateError> {
            let param: Param<Tensor<B, 1>> = self.param(&format!("{name}.bn.{suffix}"))?;
            Ok(RunningState::with_id(param.id, param.val()))
        };
        Ok(BatchNorm {
            gamma: self.param(&format!("{name}.bn.weight"))?,
            beta: self.param(&format!("{name}.bn.bias"))?,
            running_mean: running("running_mean")?,
            running_var: running("running_var")?,
            ..empty
        })
    }

    /// Burn's linear layers hold `[in, out]`, ours `[out, in]`.
    fn linear(&self, name: &str, empty: Linear<B>) -> Result<Linear<B>, StateError> {
        let param: Param<Tensor<B, 2>> = self.param(&format!("{name}.weight"))?;
        let weight = Param::initialized(param.id, param.val().transpose());
        let bias = empty.bias.map(|_| self.param(&format!("{name}.bias"))).transpose()?;
        Ok(Linear { weight, bias })
    }

    /// The id of a parameter is its index among the slots, so that equal weights give equal records.
    fn param<const D: usize>(&self, name: &str) -> Result<Param<Tensor<B, D>>, StateError> {
        let missing = || StateError::Missing(name.into());
        let id = self.slots.iter().position(|slot| slot.name == name).ok_or_else(missing)?;
        let Array { shape, values } = self.state.get(name)?;
        let tensor = Tensor::from_data(TensorData::new(values.clone(), shape.clone()), self.device);
        Ok(Param::initialized(ParamId::from(id as u64), tensor))
    }
}

/// Width of the mask generator, 0 for none.
fn mask_width(conv: &Conv) -> usize {
    if conv.masked { conv.generator_hidden() } else { 0 }
}

fn source(package: &Package) -> Result<String, Error> {
    let spec = &package.spec;
    let [channels, height, width] = spec.input;
    let layers: String = spec.layers()?.iter().map(construction).collect();
    let mut steps = Steps::default();
    spec.stages.iter().for_each(|stage| steps.stage(stage));
    let Package { mean, std, .. } = package;
    Ok(format!(
        r#"//! {name}, written by Cleave {PROGRAM} for Burn 0.21.
//!
//! `Model::load(Path::new("model"), &device)` reads `model.mpk`. On an autodiff backend call `.valid()` first:
//! Burn's batch norm would use the batch's own statistics there.

use std::path::Path;

use burn::record::{{FullPrecisionSettings, NamedMpkFileRecorder, Recorder, RecorderError}};

{LAYERS}
{licence}/// Class names, in the order of the logits.
pub const CLASSES: [&str; {count}] = {classes:?};
/// Mean of each channel, for pixels in 0..1: an input value is (pixel - mean) / std.
pub const MEAN: [f32; {channels}] = {mean:?};
/// Standard deviation of each channel, for pixels in 0..1.
pub const STD: [f32; {channels}] = {std:?};

impl<B: Backend> Model<B> {{
    /// The network with all weights 0.
    pub fn new(device: &B::Device) -> Self {{
        let mut model = Model {{ convs: Vec::new(), linears: Vec::new() }};
{layers}        model
    }}

    /// The network with the weights of a record, whose path is given without the extension `.mpk`.
    pub fn load(record: &Path, device: &B::Device) -> Result<Self, RecorderError> {{
        let recorder = NamedMpkFileRecorder::<FullPrecisionSettings>::new();
        Ok(Self::new(device).load_record(recorder.load(record.to_path_buf(), device)?))
    }}

    /// The logits of normalised images, `[batch, {channels}, {height}, {width}]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {{
{steps}        x
    }}
}}
"#,
        name = package.name_in_comment(),
        licence = match &package.provenance.licence {
            Some(licence) => format!("/// The licence.\npub const LICENCE: &str = {licence:?};\n"),
            None => String::new(),
        },
        count = package.classes.len(),
        classes = package.classes,
        steps = steps.lines,
    ))
}

/// The line that constructs a layer.
fn construction(layer: &Layer) -> String {
    match &layer.kind {
        LayerKind::Conv { conv, input, .. } => format!(
            "        model.convs.push(ConvBlock::new([{}, {}], [{}, {}], [{}, {}], {}, device));\n",
            input[0],
            conv.kernels,
            conv.size,
            conv.stride,
            conv.bias,
            conv.batch_norm,
            mask_width(conv)
        ),
        LayerKind::Linear { inputs, outputs } => {
            format!("        model.linears.push(linear({inputs}, {outputs}, true, device));\n")
        }
    }
}

/// The source lines of the forward pass.
#[derive(Default)]
struct Steps {
    lines: String,
    convs: usize,
    linears: usize,
}

impl Steps {
    fn add(&mut self, line: &str) {
        self.lines.push_str(&format!("        {line}\n"));
    }

    fn stage(&mut self, stage: &Stage) {
        let value = match stage {
            Stage::Conv(conv) => self.conv(conv, "x"),
            Stage::Residual(residual) => return self.residual(residual),
            Stage::MaxPool { size } => format!("pool(x, {size})"),
            Stage::GlobalAvgPool => "average(x)".into(),
            Stage::Flatten => "x.flatten::<2>(1, 3)".into(),
            Stage::Relu => "relu(x)".into(),
            Stage::Dropout { .. } => return,
            Stage::Parallel { branches } => return self.parallel(branches),
            Stage::Linear { .. } => {
                self.linears += 1;
                format!("self.linears[{}].forward(x)", self.linears - 1)
            }
        };
        self.add(&format!("let x = {value};"));
    }

    fn parallel(&mut self, branches: &[Vec<Stage>]) {
        self.add("let input = x;");
        self.add("let mut outputs = Vec::new();");
        for branch in branches {
            self.add("outputs.push({");
            self.add("let x = input.clone();");
            branch.iter().for_each(|stage| self.stage(stage));
            self.add("x");
            self.add("});");
        }
        self.add("let x = Tensor::cat(outputs, 1);");
    }

    fn conv(&mut self, conv: &Conv, x: &str) -> String {
        self.convs += 1;
        let value = format!("self.convs[{}].forward({x})", self.convs - 1);
        if conv.relu { format!("relu({value})") } else { value }
    }

    fn residual(&mut self, residual: &Residual) {
        self.add("let body = x.clone();");
        for conv in &residual.body {
            let value = self.conv(conv, "body");
            self.add(&format!("let body = {value};"));
        }
        if let Some(conv) = &residual.shortcut {
            let value = self.conv(conv, "x");
            self.add(&format!("let x = {value};"));
        }
        if let Some(Join { channels, body, shortcut }) = &residual.join {
            self.add(&format!("let body = spread(body, &{body:?}, {channels});"));
            self.add(&format!("let x = spread(x, &{shortcut:?}, {channels});"));
        }
        self.add(if residual.relu { "let x = relu(body + x);" } else { "let x = body + x;" });
    }
}
