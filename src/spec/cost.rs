//! What a [`Spec`] costs: parameters, kernels and multiply-accumulates, counted without building it.

use serde::{Deserialize, Serialize};

use super::stages::Spec;
use super::walk::{LayerKind, SpecError};

/// Counts for one network and one image. Biases count as parameters, not as multiply-accumulates; running
/// statistics count as neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Trainable parameters without the mask generators'.
    pub trunk_params: u64,
    /// Trainable parameters of the mask generators.
    pub generator_params: u64,
    /// Multiply-accumulates of the convolutions.
    pub conv_macs: u64,
    /// Multiply-accumulates of the linear layers.
    pub linear_macs: u64,
    /// Multiply-accumulates of the mask generators.
    pub generator_macs: u64,
    /// Output channels of all convolutions.
    pub kernels: u64,
    /// Output channels that have a mask.
    pub masked_kernels: u64,
    /// Elements that batch norm writes.
    pub batch_norm_elements: u64,
    /// Elements that average pooling reads, those of the mask generators included.
    pub pool_inputs: u64,
}

impl Cost {
    /// Counts a spec.
    ///
    /// # Errors
    ///
    /// When the spec's stages do not fit together.
    pub fn of(spec: &Spec) -> Result<Cost, SpecError> {
        let mut cost = Cost::default();
        for layer in spec.layers()? {
            cost.add_layer(&layer.kind);
        }
        cost.pool_inputs += spec.pooled()?.into_iter().map(elements).sum::<u64>();
        Ok(cost)
    }

    /// All trainable parameters.
    pub fn params(&self) -> u64 {
        self.trunk_params + self.generator_params
    }

    /// Multiply-accumulates of convolutions and linear layers, which is what papers report as MACs.
    pub fn macs(&self) -> u64 {
        self.conv_macs + self.linear_macs
    }

    /// "FLOPs" as fvcore counts them and the paper prints them (Table 6): multiply-accumulates, five per
    /// batch norm element and one per average-pool input.
    pub fn fvcore_flops(&self) -> u64 {
        self.macs() + 5 * self.batch_norm_elements + self.pool_inputs
    }

    fn add_layer(&mut self, kind: &LayerKind) {
        match kind {
            LayerKind::Linear { inputs, outputs } => {
                self.linear_macs += (inputs * outputs) as u64;
                self.trunk_params += ((inputs + 1) * outputs) as u64;
            }
            LayerKind::Conv { conv, input, output } => {
                let kernels = conv.kernels as u64;
                let weights = kernels * (input[0] * conv.size * conv.size) as u64;
                self.kernels += kernels;
                self.conv_macs += weights * (output[1] * output[2]) as u64;
                self.trunk_params += weights + if conv.bias { kernels } else { 0 };
                if conv.batch_norm {
                    self.trunk_params += 2 * kernels;
                    self.batch_norm_elements += elements(*output);
                }
                if conv.masked {
                    let macs = (conv.generator_hidden() * (input[0] + conv.kernels)) as u64;
                    self.masked_kernels += kernels;
                    self.generator_macs += macs;
                    self.generator_params += macs + kernels;
                    self.pool_inputs += elements(*input);
                }
            }
        }
    }
}

fn elements(map: [usize; 3]) -> u64 {
    map.iter().product::<usize>() as u64
}

#[cfg(test)]
mod tests {
    use super::super::architecture::Architecture::{self, *};
    use super::*;

    fn cost(architecture: Architecture, modular: bool) -> Cost {
        Cost::of(&architecture.spec([3, 32, 32], 10, 1.0, modular)).unwrap()
    }

    /// Counts of the published models: parameters of the trunk and the generators, kernels and masked
    /// kernels, multiply-accumulates of convolutions, linear layers and generators, batch norm elements and
    /// pool inputs.
    #[test]
    fn full_size_counts_are_those_of_the_published_models() {
        let rows: [(Architecture, bool, [u64; 9]); 8] = [
            (Vgg16, false, [15_253_578, 0, 4224, 0, 313_196_544, 529_408, 0, 276_480, 0]),
            (
                Vgg16,
                true,
                [15_253_578, 1_728_576, 4224, 4160, 313_196_544, 529_408, 1_724_416, 276_480, 182_272],
            ),
            (Resnet18, false, [11_173_962, 0, 4800, 0, 555_417_600, 5_120, 0, 614_400, 8_192]),
            (
                Resnet18,
                true,
                [11_173_962, 1_585_792, 4800, 4736, 555_417_600, 5_120, 1_581_056, 614_400, 671_744],
            ),
            (Simcnn, false, [15_245_130, 0, 4224, 0, 313_196_544, 529_408, 0, 0, 0]),
            (
                Simcnn,
                true,
                [15_253_450, 1_728_576, 4224, 4160, 313_196_544, 529_408, 1_724_416, 210_944, 182_272],
            ),
            (Rescnn, false, [16_010_122, 0, 4288, 0, 431_161_344, 5_120, 0, 0, 0]),
            (
                Rescnn,
                true,
                [16_018_570, 1_867_904, 4288, 4224, 431_161_344, 5_120, 1_863_680, 322_560, 207_872],
            ),
        ];
        for (architecture, modular, expected) in rows {
            let c = cost(architecture, modular);
            let counted = [
                c.trunk_params,
                c.generator_params,
                c.kernels,
                c.masked_kernels,
                c.conv_macs,
                c.linear_macs,
                c.generator_macs,
                c.batch_norm_elements,
                c.pool_inputs,
            ];
            assert_eq!(counted, expected, "{architecture:?}, modular: {modular}");
        }
    }

    #[test]
    fn flops_are_those_of_the_papers_table_6() {
        assert_eq!(cost(Vgg16, false).fvcore_flops(), 315_108_352);
        assert_eq!(cost(Resnet18, false).fvcore_flops(), 558_502_912);
    }

    #[test]
    fn half_the_width_is_about_a_quarter_of_the_work() {
        let half = Cost::of(&Vgg16.spec([3, 32, 32], 10, 0.5, false)).unwrap();
        let ratio = half.macs() as f64 / cost(Vgg16, false).macs() as f64;
        assert!((0.25..0.27).contains(&ratio), "{ratio}");
    }
}
