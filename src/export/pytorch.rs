//! A package as a directory for PyTorch: `module.safetensors` with the weights, and `module.py`, readable PyTorch
//! source of the network that loads them.
//!
//! PyTorch modules are named like the layers of [`crate::spec::Layer`], so the `state_dict` has the names and shapes of
//! [`crate::spec::Slot`].

use serde::Serialize;

use super::error::Error;
use super::package::Package;
use super::safetensors;
use crate::run::PROGRAM;
use crate::spec::{Conv, Cost, Residual, Shape, Spec, Stage};

const MASK_GENERATOR: &str = include_str!("pytorch/mask_generator.py");
const CONV: &str = include_str!("pytorch/conv.py");
const MASKED_CONV: &str = include_str!("pytorch/masked_conv.py");
const RESIDUAL: &str = include_str!("pytorch/residual.py");

/// Names and contents of the directory's files.
///
/// # Errors
///
/// When the weights are not those of the network, or the format cannot hold them.
pub fn encode(package: &Package) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
    let weights = safetensors::encode(package)?;
    Ok(vec![("module.py", source(package)?.into_bytes()), ("module.safetensors", weights)])
}

fn source(package: &Package) -> Result<String, Error> {
    let spec = &package.spec;
    let model = Model::of(spec)?;
    let is_masked = spec.convs().any(|conv| conv.masked);
    let has_sums = spec.stages.iter().any(has_sum);
    let mut parts = vec![head(package)?];
    parts.extend(is_masked.then(|| MASK_GENERATOR.to_owned()));
    parts.push(if is_masked { MASKED_CONV } else { CONV }.to_owned());
    parts.extend(has_sums.then(|| RESIDUAL.to_owned()));
    parts.push(model.source());
    parts.push(tail(package));
    Ok(parts.join("\n\n"))
}

/// Whether the stage is or contains a residual sum.
fn has_sum(stage: &Stage) -> bool {
    match stage {
        Stage::Residual(_) => true,
        Stage::Parallel { branches } => branches.iter().flatten().any(has_sum),
        _ => false,
    }
}

fn head(package: &Package) -> Result<String, Error> {
    let cost = Cost::of(&package.spec)?;
    let [channels, height, width] = package.input;
    Ok(format!(
        r#""""{name}: {params} parameters, {macs} multiply-accumulates per image; written by Cleave {PROGRAM}.

    from module import CLASSES, load, normalise

    model = load()                                # reads module.safetensors next to this file
    logits = model(normalise(images))             # images: bytes [batch, {channels}, {height}, {width}]
    names = [CLASSES[i] for i in logits.argmax(1)]
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

{licence}CLASSES = {classes}
MEAN = {mean}
STD = {std}
"#,
        licence = match &package.provenance.licence {
            Some(licence) => format!("LICENCE = {}\n", serde_json::to_string(licence)?),
            None => String::new(),
        },
        name = package.name_in_comment(),
        params = cost.params(),
        macs = cost.macs(),
        classes = list(&package.classes)?,
        mean = list(&package.mean)?,
        std = list(&package.std)?,
    ))
}

/// A Python list; strings and numbers are written as in JSON.
fn list(values: &[impl Serialize]) -> Result<String, Error> {
    let values = values.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("[{}]", values.join(", ")))
}

fn tail(package: &Package) -> String {
    let channels = package.input[0];
    format!(
        r#"def normalise(images):
    """Converts bytes [batch, {channels}, height, width] to the network's input."""
    mean, std = (torch.tensor(values).view(1, {channels}, 1, 1) for values in (MEAN, STD))
    return (images.float() / 255 - mean) / std


def load(path=Path(__file__).with_name("module.safetensors")):
    """The trained network, in evaluation mode."""
    model = Model()
    model.load_state_dict(load_file(path), strict=True)
    return model.eval()
"#
    )
}

/// The lines of the network's class.
struct Model {
    modules: Vec<String>,
    steps: Vec<String>,
    convs: usize,
    residuals: usize,
    linears: usize,
    /// Nesting depth of parallel stages.
    level: usize,
}

impl Model {
    fn of(spec: &Spec) -> Result<Model, Error> {
        let shapes = spec.shapes()?;
        let mut model =
            Model { modules: vec![], steps: vec![], convs: 0, residuals: 0, linears: 0, level: 0 };
        for (stage, input) in spec.stages.iter().zip(shapes) {
            model.stage(stage, input);
        }
        Ok(model)
    }

    fn source(&self) -> String {
        let indented = |lines: &[String]| -> String {
            lines.iter().flat_map(|line| line.lines()).map(|line| format!("        {line}\n")).collect()
        };
        format!(
            "class Model(nn.Module):\n    def __init__(self):\n        super().__init__()\n{}\n    def forward(self, x):\n{}        return x\n",
            indented(&self.modules),
            indented(&self.steps)
        )
    }

    fn parallel(&mut self, branches: &[Vec<Stage>], input: Shape) {
        // Branches can be nested.
        let level = if self.level == 0 { String::new() } else { self.level.to_string() };
        self.level += 1;
        self.steps.push(format!("whole{level}, outputs{level} = x, []"));
        for branch in branches {
            self.steps.push(format!("x = whole{level}"));
            branch.iter().fold(input, |input, stage| {
                self.stage(stage, input);
                // The whole network has been validated, including its branches.
                stage.output(input).unwrap_or(input)
            });
            self.steps.push(format!("outputs{level}.append(x)"));
        }
        self.steps.push(format!("x = torch.cat(outputs{level}, 1)"));
        self.level -= 1;
    }

    fn stage(&mut self, stage: &Stage, input: Shape) {
        let (channels, features) = match input {
            Shape::Map([channels, height, width]) => (channels, channels * height * width),
            Shape::Flat(features) => (features, features),
        };
        let step = match stage {
            Stage::Conv(conv) => {
                let name = named("conv", &mut self.convs);
                self.modules.push(format!("self.{name} = {}", conv_call(conv, channels)));
                format!("self.{name}(x)")
            }
            Stage::Residual(residual) => {
                let name = named("residual", &mut self.residuals);
                self.modules.push(format!("self.{name} = {}", residual_call(residual, channels)));
                format!("self.{name}(x)")
            }
            Stage::Linear { outputs } => {
                let name = named("linear", &mut self.linears);
                self.modules.push(format!("self.{name} = nn.Linear({features}, {outputs})"));
                format!("self.{name}(x)")
            }
            Stage::MaxPool { size } => format!("nn.functional.max_pool2d(x, {size})"),
            Stage::GlobalAvgPool => "x.mean((2, 3))".into(),
            Stage::Flatten => "x.flatten(1)".into(),
            Stage::Relu => "torch.relu(x)".into(),
            Stage::Dropout { probability } => {
                format!("nn.functional.dropout(x, {probability}, training=self.training)")
            }
            Stage::Parallel { branches } => return self.parallel(branches, input),
        };
        self.steps.push(format!("x = {step}"));
    }
}

fn named(kind: &str, count: &mut usize) -> String {
    *count += 1;
    format!("{kind}{}", *count - 1)
}

fn conv_call(conv: &Conv, channels: usize) -> String {
    let mut arguments = format!("{channels}, {}, {}", conv.kernels, conv.size);
    let mut add = |wanted: bool, text: String| {
        if wanted {
            arguments.push_str(&text);
        }
    };
    add(conv.stride != 1, format!(", stride={}", conv.stride));
    add(!conv.bias, ", bias=False".into());
    add(!conv.batch_norm, ", norm=False".into());
    add(conv.masked, format!(", mask={}", conv.generator_hidden()));
    add(!conv.relu, ", relu=False".into());
    format!("Conv({arguments})")
}

fn residual_call(residual: &Residual, channels: usize) -> String {
    let mut inputs = channels;
    let body = residual.body.iter().map(|conv| {
        let call = conv_call(conv, inputs);
        inputs = conv.kernels;
        call
    });
    let mut lines = vec![format!("    [{}],", body.collect::<Vec<_>>().join(", "))];
    lines.extend(residual.shortcut.iter().map(|conv| format!("    shortcut={},", conv_call(conv, channels))));
    lines.extend(
        residual
            .join
            .iter()
            .map(|join| format!("    join=({}, {:?}, {:?}),", join.channels, join.body, join.shortcut)),
    );
    lines.extend((!residual.relu).then(|| "    relu=False,".to_owned()));
    format!("Residual(\n{}\n)", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::package;
    use super::*;

    #[test]
    fn a_network_is_written_as_a_class_with_the_names_of_its_layers() {
        let source = source(&package()).unwrap();
        for line in [
            "        self.conv0 = Conv(3, 8, 3, bias=False)",
            "        self.residual0 = Residual(",
            "            [Conv(8, 8, 3, bias=False, mask=8), Conv(8, 2, 3, bias=False, mask=2, relu=False)],",
            "            join=(8, [1, 4], [0, 1, 2, 3, 4, 5, 6, 7]),",
            "        self.linear0 = nn.Linear(64, 2)",
            "        x = x.mean((2, 3))",
            "CLASSES = [\"cat\", \"dög \\\"x\\\"\"]",
            "LICENCE = \"MIT\"",
        ] {
            assert!(source.lines().any(|found| found == line), "{line}\n{source}");
        }
    }

    #[test]
    fn names_of_runs_and_classes_are_text_whatever_they_hold() {
        let mut package = package();
        package.provenance.run = "x\"\"\"\nimport os\n\\".into();
        package.classes = vec![",".into(), "\",\"".into()];
        let source = source(&package).unwrap();
        assert!(source.starts_with("\"\"\"x____import os__/m: "), "{source}");
        assert!(source.contains(r#"CLASSES = [",", "\",\""]"#), "{source}");
    }

    #[test]
    fn what_a_network_lacks_is_not_written() {
        let source = source(&package().without_masks()).unwrap();
        assert!(!source.contains("mask"), "{source}");
    }
}
