//! Preview of modules from kernel usage alone: fast enough to update while a slider moves.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::modular::{Error, Fallback, Split, Usage, jaccard, module_cost, ranges};
use crate::plot::cluster;
use crate::spec::{Cost, Spec};

/// The kernel usage of a network at a step.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Step of the weights.
    pub step: u64,
    /// Whether only a sample of the training images was counted, as during training.
    pub sampled: bool,
    /// The counts.
    pub usage: Arc<Usage>,
    /// The network.
    pub spec: Arc<Spec>,
    /// Its cost.
    pub whole: Cost,
}

/// The modules of all classes at a threshold.
#[derive(Debug)]
pub(super) struct ClassModules {
    pub modules: Split,
    overlap: OnceCell<Vec<Vec<f64>>>,
    likeness: OnceCell<Vec<usize>>,
}

/// The preview of the module of the chosen classes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Preview {
    /// The classes.
    pub classes: Vec<usize>,
    /// Kernels kept per tracked layer.
    pub kept: Vec<usize>,
    /// Tracked layers in which the threshold was lowered for some class.
    pub lowered: Vec<bool>,
    /// Kernels kept in tracked layers.
    pub kernels: usize,
    /// Kernels in tracked layers.
    pub tracked: usize,
    /// Kernels kept in all convolutions; untracked ones keep all.
    pub kernels_all: usize,
    /// Kernels in all convolutions.
    pub all: usize,
    /// Its cost, with the whole network's head.
    pub cost: Cost,
    /// Cost of the whole network.
    pub whole: Cost,
}

impl Source {
    /// Usage of a network at a step.
    ///
    /// # Errors
    ///
    /// When the network's stages do not fit together.
    pub fn new(step: u64, sampled: bool, usage: Arc<Usage>, spec: Arc<Spec>) -> Result<Self, String> {
        let whole = Cost::of(&spec).map_err(|error| error.to_string())?;
        Ok(Source { step, sampled, usage, spec, whole })
    }

    /// The modules of all classes at a threshold.
    pub fn cut(&self, threshold: f64) -> Result<ClassModules, Error> {
        Ok(ClassModules {
            modules: self.usage.modules(threshold)?,
            overlap: OnceCell::new(),
            likeness: OnceCell::new(),
        })
    }
}

impl ClassModules {
    /// The module of these classes.
    pub fn preview(&self, source: &Source, classes: &[usize]) -> Result<Preview, Error> {
        let union = self.modules.union(classes)?;
        let selection = self.modules.selection(&source.spec, classes)?;
        let lowered = |layer: usize| {
            classes.iter().any(|&class| self.modules.parts[class].fallback[layer] != Fallback::None)
        };
        Ok(Preview {
            classes: classes.to_vec(),
            kept: ranges(&self.modules.sites).map(|range| union.count_ones(range)).collect(),
            lowered: (0..self.modules.sites.len()).map(lowered).collect(),
            kernels: union.count_ones(..),
            tracked: union.len(),
            kernels_all: selection.kernels(&source.spec)?,
            all: source.spec.convs().map(|conv| conv.kernels).sum(),
            cost: module_cost(&source.spec, &selection)?,
            whole: source.whole,
        })
    }

    /// Jaccard index of each pair of modules; computed on first use.
    pub fn overlap(&self) -> &[Vec<f64>] {
        self.overlap.get_or_init(|| self.modules.coupling_matrix())
    }

    /// The classes ordered so that similar ones are adjacent; computed on first use.
    pub fn likeness(&self) -> &[usize] {
        self.likeness.get_or_init(|| cluster(&self.overlap().concat(), self.overlap().len()))
    }

    /// Size of the intersection and of the union of two classes' kernels, and their Jaccard index.
    pub fn pair(&self, a: usize, b: usize) -> Option<(usize, usize, f64)> {
        let units = |class: usize| self.modules.parts.get(class).map(|part| &part.units);
        let (a, b) = (units(a)?, units(b)?);
        Some((a.intersection_count(b), a.union_count(b), jaccard(a, b)))
    }

    /// Per layer: the number of kernels of each class, and the kernels of both.
    pub fn pair_by_layer(&self, a: usize, b: usize) -> Vec<(usize, usize, Vec<usize>)> {
        let units = |class: usize| self.modules.parts.get(class).map(|part| &part.units);
        let (Some(a), Some(b)) = (units(a), units(b)) else {
            return Vec::new();
        };
        let row = |range: std::ops::Range<usize>| {
            let shared = range.clone().filter(|&kernel| a.contains(kernel) && b.contains(kernel));
            let shared = shared.map(|kernel| kernel - range.start).collect();
            (a.count_ones(range.clone()), b.count_ones(range), shared)
        };
        ranges(&self.modules.sites).map(row).collect()
    }
}

impl Preview {
    /// Kernel retention rate over the tracked kernels, as in the published code.
    pub fn krr(&self) -> f64 {
        self.kernels as f64 / self.tracked.max(1) as f64
    }

    /// Kernel retention rate over all kernels, as in the paper's text.
    pub fn krr_all(&self) -> f64 {
        self.kernels_all as f64 / self.all.max(1) as f64
    }

    /// Parameters as a fraction of the whole network's, excluding mask generators.
    pub fn params_ratio(&self) -> f64 {
        self.cost.params() as f64 / self.whole.trunk_params.max(1) as f64
    }

    /// Multiply-accumulates as a fraction of the whole network's, excluding mask generators.
    pub fn macs_ratio(&self) -> f64 {
        self.cost.macs() as f64 / self.whole.macs().max(1) as f64
    }
}
