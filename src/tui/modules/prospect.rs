//! What the module of some classes would be, from usage alone: quick enough to answer while a slider moves.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::modular::{Error, Fallback, Split, Usage, jaccard, module_cost, ranges};
use crate::plot::cluster;
use crate::spec::{Cost, Spec};

/// Which kernels each class of a network uses, at a step.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Step of the weights.
    pub step: u64,
    /// Whether a sample of the training images was counted, as during training, or all of them.
    pub sampled: bool,
    /// The counts.
    pub usage: Arc<Usage>,
    /// The network.
    pub spec: Arc<Spec>,
    /// What it costs.
    pub whole: Cost,
}

/// All modules at a threshold, one a class.
#[derive(Debug)]
pub(super) struct Cuts {
    pub modules: Split,
    overlap: OnceCell<Vec<Vec<f64>>>,
    likeness: OnceCell<Vec<usize>>,
}

/// The module of the chosen classes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prospect {
    /// The classes.
    pub classes: Vec<usize>,
    /// Kernels kept of each tracked layer.
    pub kept: Vec<usize>,
    /// Tracked layers in which some of the classes have no kernel at the threshold itself.
    pub lowered: Vec<bool>,
    /// Kernels kept of the tracked layers.
    pub kernels: usize,
    /// Kernels of the tracked layers.
    pub tracked: usize,
    /// Kernels kept of all convolutions, of which the untracked ones stay whole.
    pub kernels_all: usize,
    /// Kernels of all convolutions.
    pub all: usize,
    /// What it costs, with the whole network's head.
    pub cost: Cost,
    /// What the whole network costs.
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
    pub fn cut(&self, threshold: f64) -> Result<Cuts, Error> {
        Ok(Cuts {
            modules: self.usage.modules(threshold)?,
            overlap: OnceCell::new(),
            likeness: OnceCell::new(),
        })
    }
}

impl Cuts {
    /// The module of these classes.
    pub fn prospect(&self, source: &Source, classes: &[usize]) -> Result<Prospect, Error> {
        let union = self.modules.union(classes)?;
        let selection = self.modules.selection(&source.spec, classes)?;
        let lowered = |layer: usize| {
            classes.iter().any(|&class| self.modules.parts[class].fallback[layer] != Fallback::None)
        };
        Ok(Prospect {
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

    /// Jaccard index of every two modules; computed when first asked for.
    pub fn overlap(&self) -> &[Vec<f64>] {
        self.overlap.get_or_init(|| self.modules.coupling_matrix())
    }

    /// The classes in an order in which those that share much stand together; found when first asked for.
    pub fn likeness(&self) -> &[usize] {
        self.likeness.get_or_init(|| cluster(&self.overlap().concat(), self.overlap().len()))
    }

    /// Kernels that two classes share, that either has, and their Jaccard index.
    pub fn pair(&self, a: usize, b: usize) -> Option<(usize, usize, f64)> {
        let units = |class: usize| self.modules.parts.get(class).map(|part| &part.units);
        let (a, b) = (units(a)?, units(b)?);
        Some((a.intersection_count(b), a.union_count(b), jaccard(a, b)))
    }

    /// Layer by layer: kernels of one class, of the other, and of both.
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

impl Prospect {
    /// Kernel retention rate over the tracked kernels, as the published code has it.
    pub fn krr(&self) -> f64 {
        self.kernels as f64 / self.tracked.max(1) as f64
    }

    /// Kernel retention rate over all kernels, as the paper's text has it.
    pub fn krr_all(&self) -> f64 {
        self.kernels_all as f64 / self.all.max(1) as f64
    }

    /// Parameters as a share of the whole network's without its mask generators.
    pub fn params_ratio(&self) -> f64 {
        self.cost.params() as f64 / self.whole.trunk_params.max(1) as f64
    }

    /// Multiply-accumulates as a share of the whole network's without its mask generators.
    pub fn macs_ratio(&self) -> f64 {
        self.cost.macs() as f64 / self.whole.macs().max(1) as f64
    }
}
