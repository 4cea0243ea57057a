//! Bounds far beyond any sensible network, within which shapes and costs fit their integers. A description of a
//! network that comes from a file is checked against them before it is used.

use super::stages::{Spec, Stage};
use super::walk::LayerKind;

const MOST_KERNELS: usize = 1 << 13;
const LARGEST_WINDOW: usize = 31;
const MOST_OUTPUTS: usize = 1 << 20;
const LARGEST_SIDE: usize = 1 << 13;
/// Channels times height times width of an image or of a convolution's output.
const LARGEST_MAP: usize = 1 << 30;
/// Stages, convolutions of residuals and stages of branches counted singly.
const MOST_STAGES: usize = 1 << 10;

impl Spec {
    /// What of it is out of bounds, if anything.
    pub fn out_of_bounds(&self) -> Option<String> {
        let [channels, height, width] = self.input;
        if channels > MOST_KERNELS || height > LARGEST_SIDE || width > LARGEST_SIDE {
            return Some(format!("its images would be {channels}x{height}x{width}"));
        }
        let stages: usize = self.stages.iter().map(Stage::size).sum();
        if stages > MOST_STAGES {
            return Some(format!("{stages} stages are more than {MOST_STAGES}"));
        }
        self.stages.iter().find_map(Stage::out_of_bounds).or_else(|| self.large_map())
    }

    /// The first map that is too large. That stages fit together is checked elsewhere ([`Spec::check`]).
    fn large_map(&self) -> Option<String> {
        let outputs = self.layers().unwrap_or_default().into_iter().filter_map(|layer| match layer.kind {
            LayerKind::Conv { output, .. } => Some(output),
            LayerKind::Linear { .. } => None,
        });
        let large = |map: &[usize; 3]| map.iter().product::<usize>() > LARGEST_MAP;
        let [channels, height, width] = std::iter::once(self.input).chain(outputs).find(large)?;
        Some(format!("a map of {channels}x{height}x{width} has more than {LARGEST_MAP} values"))
    }
}

impl Stage {
    /// How many stages and convolutions it stands for.
    fn size(&self) -> usize {
        match self {
            Stage::Residual(residual) => 1 + residual.body.len() + residual.shortcut.iter().len(),
            Stage::Parallel { branches } => 1 + branches.iter().flatten().map(Stage::size).sum::<usize>(),
            _ => 1,
        }
    }

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
