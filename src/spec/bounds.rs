//! Bounds far beyond any sensible network, within which the arithmetic of shapes and costs cannot overflow. What a
//! file says of a network is held against them before it is used.

use super::stages::{Spec, Stage};

const MOST_KERNELS: usize = 1 << 13;
const LARGEST_WINDOW: usize = 31;
const MOST_OUTPUTS: usize = 1 << 20;
const LARGEST_SIDE: usize = 1 << 13;

impl Spec {
    /// What of it is out of bounds, if anything.
    pub fn out_of_bounds(&self) -> Option<String> {
        let [channels, height, width] = self.input;
        if channels > MOST_KERNELS || height > LARGEST_SIDE || width > LARGEST_SIDE {
            return Some(format!("its images would be {channels}x{height}x{width}"));
        }
        self.stages.iter().find_map(Stage::out_of_bounds)
    }
}

impl Stage {
    /// What of it is out of bounds, if anything.
    pub fn out_of_bounds(&self) -> Option<String> {
        for conv in self.convs() {
            if conv.kernels > MOST_KERNELS {
                return Some(format!("{} kernels are more than {MOST_KERNELS}", conv.kernels));
            }
            if conv.size > LARGEST_WINDOW {
                return Some(format!("a window of {} is larger than {LARGEST_WINDOW}", conv.size));
            }
        }
        match self {
            Stage::Residual(residual) => {
                let channels = residual.join.as_ref().map_or(0, |join| join.channels);
                (channels > MOST_KERNELS).then(|| format!("{channels} channels are more than {MOST_KERNELS}"))
            }
            Stage::Parallel { branches } => branches.iter().flatten().find_map(Stage::out_of_bounds),
            Stage::Linear { outputs } if *outputs > MOST_OUTPUTS => {
                Some(format!("{outputs} outputs are more than {MOST_OUTPUTS}"))
            }
            _ => None,
        }
    }
}
