//! What a [`Spec`] costs: parameters, kernels and multiply-accumulates, counted without building it.

use serde::{Deserialize, Serialize};

use super::error::SpecError;
use super::stages::Spec;
use super::walk::LayerKind;

/// Counts for one network and one image. Biases count as parameters, not as multiply-accumulates; running
/// statistics count as neither. A count that a u64 cannot hold is `u64::MAX`.
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
        for map in spec.pooled()? {
            add(&mut cost.pool_inputs, product(&map));
        }
        Ok(cost)
    }

    /// All trainable parameters.
    pub fn params(&self) -> u64 {
        self.trunk_params.saturating_add(self.generator_params)
    }

    /// Multiply-accumulates of convolutions and linear layers, which is what papers report as MACs.
    pub fn macs(&self) -> u64 {
        self.conv_macs.saturating_add(self.linear_macs)
    }

    /// "FLOPs" as fvcore counts them and the paper prints them (Table 6): multiply-accumulates, five per
    /// batch norm element and one per average-pool input.
    pub fn fvcore_flops(&self) -> u64 {
        let norm = self.batch_norm_elements.saturating_mul(5);
        self.macs().saturating_add(norm).saturating_add(self.pool_inputs)
    }

    fn add_layer(&mut self, kind: &LayerKind) {
        match kind {
            LayerKind::Linear { inputs, outputs } => {
                add(&mut self.linear_macs, product(&[*inputs, *outputs]));
                add(&mut self.trunk_params, product(&[inputs.saturating_add(1), *outputs]));
            }
            LayerKind::Conv { conv, input, output } => {
                let kernels = conv.kernels as u64;
                let weights = product(&[conv.kernels, input[0], conv.size, conv.size]);
                add(&mut self.kernels, kernels);
                add(&mut self.conv_macs, weights.saturating_mul(product(&output[1..])));
                add(&mut self.trunk_params, weights);
                if conv.bias {
                    add(&mut self.trunk_params, kernels);
                }
                if conv.batch_norm {
                    add(&mut self.trunk_params, kernels.saturating_mul(2));
                    add(&mut self.batch_norm_elements, product(output));
                }
                if conv.masked {
                    let reach = input[0].saturating_add(conv.kernels);
                    let macs = product(&[conv.generator_hidden(), reach]);
                    add(&mut self.masked_kernels, kernels);
                    add(&mut self.generator_macs, macs);
                    add(&mut self.generator_params, macs.saturating_add(kernels));
                    add(&mut self.pool_inputs, product(input));
                }
            }
        }
    }
}

fn product(factors: &[usize]) -> u64 {
    factors.iter().fold(1, |product: u64, &factor| product.saturating_mul(factor as u64))
}

fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

#[cfg(test)]
mod tests {
    use super::super::architecture::Architecture::{self, *};
    use super::super::stages::{Conv, Init, Stage};
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

    #[test]
    fn counts_stay_at_the_most_that_they_can_hold() {
        let conv = Conv { size: 31, ..Conv::new(8192) };
        let convs = vec![Stage::Conv(conv); 5];
        let stages = [&convs[..], &[Stage::GlobalAvgPool, Stage::Linear { outputs: 2 }]].concat();
        let spec = Spec { input: [8192; 3], init: Init::default(), stages };
        assert_eq!(Cost::of(&spec).unwrap().macs(), u64::MAX);
        assert!(spec.out_of_bounds().is_some_and(|problem| problem.contains("8192x8192x8192")));
    }

    #[test]
    fn counts_of_a_network_within_bounds_are_exact() {
        let largest = Conv { size: 31, ..Conv::new(8192) };
        let body = vec![Stage::Conv(largest); 1022];
        let stages = [&body[..], &[Stage::Flatten, Stage::Linear { outputs: 1 << 20 }]].concat();
        let spec = Spec { input: [8192, 362, 362], init: Init::default(), stages };
        assert_eq!(spec.out_of_bounds(), None);
        assert!(Cost::of(&spec).unwrap().fvcore_flops() < u64::MAX);
    }
}
