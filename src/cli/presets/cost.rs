//! The cost of a preset's network, per layer.

use serde::Serialize;

use crate::cli::error::Failure;
use crate::cli::output::{self, Table, count};
use crate::preset::Preset;
use crate::spec::{Cost, Init, Layer, LayerKind, Spec, SpecError, Stage};

/// Parameters, kernels and multiply-accumulates of a network and of each of its layers.
#[derive(Serialize)]
pub(super) struct CostReport {
    /// `[channels, height, width]` of an image.
    input: [usize; 3],
    classes: usize,
    /// Totals of the whole network, with the same keys as a layer's.
    #[serde(flatten)]
    total: Counts,
    layers: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    /// `[channels, height, width]`, or `[features]`.
    output: Vec<usize>,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Serialize)]
struct Counts {
    kernels: u64,
    masked_kernels: u64,
    /// Parameters excluding the mask generators.
    params: u64,
    generator_params: u64,
    macs: u64,
    generator_macs: u64,
}

impl CostReport {
    pub(super) fn new(preset: &Preset) -> Result<CostReport, Failure> {
        let Some((input, classes)) = preset.data.published_shape() else {
            return Err(Failure::Failed(format!(
                "the cost of {} depends on its image folder, which is not read here; see it for a run with: \
                cleave runs show",
                preset.name
            )));
        };
        let spec = preset.spec(input, classes)?;
        let layers = spec.layers()?.iter().map(Row::new).collect::<Result<_, _>>()?;
        Ok(CostReport { input, classes, total: Counts::new(&Cost::of(&spec)?), layers })
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        let mut table =
            Table::new(&["layer", "output", "kernels", "masked", "params", "MACs", "generator params"]);
        let mut row = |name: &str, output: &[usize], counts: &Counts| {
            table.row([
                name.to_owned(),
                shape(output),
                counts.kernels.to_string(),
                counts.masked_kernels.to_string(),
                count(counts.params),
                count(counts.macs),
                count(counts.generator_params),
            ]);
        };
        self.layers.iter().for_each(|layer| row(&layer.name, &layer.output, &layer.counts));
        row("all", &[self.classes], &self.total);
        table.print()?;
        Ok(output::line(&format!(
            "for {} images and {} classes; MACs are per image",
            shape(&self.input),
            self.classes
        ))?)
    }
}

impl Row {
    fn new(layer: &Layer) -> Result<Row, SpecError> {
        let (alone, output) = match &layer.kind {
            LayerKind::Conv { conv, input, output } => {
                (spec(*input, vec![Stage::Conv(conv.clone()), Stage::Flatten]), output.to_vec())
            }
            LayerKind::Linear { inputs, outputs } => {
                let stages = vec![Stage::Flatten, Stage::Linear { outputs: *outputs }];
                (spec([*inputs, 1, 1], stages), vec![*outputs])
            }
        };
        Ok(Row { name: layer.name.clone(), output, counts: Counts::new(&Cost::of(&alone)?) })
    }
}

impl Counts {
    fn new(cost: &Cost) -> Counts {
        Counts {
            kernels: cost.kernels,
            masked_kernels: cost.masked_kernels,
            params: cost.trunk_params,
            generator_params: cost.generator_params,
            macs: cost.macs(),
            generator_macs: cost.generator_macs,
        }
    }
}

fn spec(input: [usize; 3], stages: Vec<Stage>) -> Spec {
    Spec { input, init: Init::default(), stages }
}

fn shape(lengths: &[usize]) -> String {
    lengths.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::embedded;

    #[test]
    fn the_layers_of_every_preset_add_up() {
        for (name, text) in embedded() {
            let report = CostReport::new(&Preset::parse(text, name, &[]).unwrap()).unwrap();
            let sum = |of: fn(&Counts) -> u64| report.layers.iter().map(|row| of(&row.counts)).sum::<u64>();
            assert_eq!(sum(|counts| counts.params), report.total.params, "{name}");
            assert_eq!(sum(|counts| counts.macs), report.total.macs, "{name}");
            assert_eq!(sum(|counts| counts.generator_params), report.total.generator_params, "{name}");
            assert_eq!(sum(|counts| counts.masked_kernels), report.total.masked_kernels, "{name}");
        }
    }
}
