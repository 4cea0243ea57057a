//! What makes training modular: the loss terms beside cross-entropy, what is observed for them, and the passes of a
//! training step.
//!
//! A method is one file that implements [`Method`], and one line of the list in `config`, which makes it a
//! [`MethodConfig`] of presets. All else follows from what it says of itself: its [`Weight`]s are keys of presets,
//! sliders, fields of forms and columns of tables, its [`Term`]s are charted and written down by name.
//!
//! | file | what it holds |
//! |---|---|
//! | `weight` | weights and terms as data |
//! | `plan` | the passes of a training step, and what a method remembers between steps |
//! | `config` | the list of methods, and a preset's `[method]` table |
//! | `plain`, `mwt`, `assigned` | a method each |
//! | `rehearsal` | training the networks that modules will be, for methods with mask generators |
//! | `class_masks` | masks that are fixed for the classes, and samples that run under them |
//! | `alignment` | the loss that keeps samples' masks near those |

mod alignment;
mod assigned;
mod class_masks;
mod config;
pub mod mwt;
mod plain;
mod plan;
#[cfg(test)]
pub(crate) mod probe;
pub mod rehearsal;
#[cfg(test)]
mod tests;
mod weight;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

pub use crate::network::{GivenMask, PassMasks};
pub use assigned::Assigned;
pub use class_masks::{SetSizes, class_masks};
pub use config::MethodConfig;
pub use mwt::{Average, HostLosses, Mwt, host_losses};
pub use plain::Plain;
pub use plan::{LEFT_OUT, MethodState, PassPlan, Progress, StepInfo, Terms};
pub use rehearsal::Rehearsal;
pub use weight::{Estimate, Estimated, Term, TermWeights, Weight};

use crate::backend::{Arithmetic, Compute};
use crate::network::Output;
use crate::spec::{Spec, SpecError};

/// A training method: its settings are the fields of the type that implements this.
pub trait Method: Clone + Default {
    /// Its name in a preset.
    const NAME: &'static str;
    /// What a person may set while training runs: each is a field of the settings too.
    const WEIGHTS: &'static [Weight];
    /// What it adds to cross-entropy.
    const TERMS: &'static [Term];
    /// Whether convolutions get mask generators.
    const GENERATORS: bool;
    /// Which units it looks at.
    const OBSERVES: Observes;

    /// The value of a weight; `None` for a name that it does not have.
    fn weight(&self, _name: &str) -> Option<f64> {
        None
    }

    /// The place of a weight.
    fn weight_mut(&mut self, _name: &str) -> Option<&mut f64> {
        None
    }

    /// The weights that it has with these settings.
    fn weight_specs(&self) -> &'static [Weight] {
        Self::WEIGHTS
    }

    /// The terms that it has with these settings.
    fn term_specs(&self) -> &'static [Term] {
        Self::TERMS
    }

    /// Whether its settings beside the weights may be what they are, in a run of so many epochs.
    ///
    /// # Errors
    ///
    /// Gives the setting's key below `[method]`, and what it must be.
    fn check(&self, _epochs: usize) -> Result<(), (&'static str, String)> {
        Ok(())
    }

    /// Indices in [`Spec::sites`] of what it observes.
    ///
    /// # Errors
    ///
    /// When the stages do not fit together.
    fn observes(&self, spec: &Spec) -> Result<Vec<usize>, SpecError> {
        match Self::OBSERVES {
            Observes::Nothing => Ok(Vec::new()),
            Observes::Masks => spec.masked_sites(),
            Observes::Activations => spec.active_sites(),
        }
    }

    /// Its terms for a batch by name, unweighted, each `[1]`.
    fn terms<B: Compute>(&self, batch: &TensorBatch<'_, B>) -> Vec<(&'static str, Tensor<B, 1>)>;

    /// As [`Method::terms`] on arrays, with the gradient of their weighted sum.
    fn host_terms(&self, batch: &HostBatch<'_>) -> HostTerms;

    /// The passes of a step: by default one over all samples, with the generators' masks.
    fn passes(&self, _step: &StepInfo<'_>, _state: &mut MethodState) -> Vec<PassPlan> {
        vec![PassPlan::default()]
    }

    /// Takes in what was observed in a pass that is [`watched`](PassPlan::watched).
    fn observe(&self, _step: &StepInfo<'_>, _seen: &Seen, _state: &mut MethodState) {}

    /// Whether it can go on with what a checkpoint says it remembers.
    ///
    /// # Errors
    ///
    /// Says what does not fit.
    fn check_state(&self, _spec: &Spec, state: &MethodState) -> Result<(), String> {
        match state.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("the method {} remembers nothing, but there is {name}", Self::NAME)),
        }
    }
}

/// Which units a method looks at: they are what is counted, kept and cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observes {
    /// None.
    Nothing,
    /// Those of every convolution with a mask generator: the masks.
    Masks,
    /// Those of everything that ends with a ReLU: how active they are.
    Activations,
}

/// Samples as a method's terms see them, on a device.
#[derive(Clone, Copy, Debug)]
pub struct TensorBatch<'a, B: Backend> {
    /// What was observed, `[samples, units]` for each observed site.
    pub observed: &'a [Tensor<B, 2>],
    /// The class of each sample.
    pub labels: &'a [u32],
    /// How products are to be computed.
    pub arithmetic: Arithmetic,
    /// Where the tensors are.
    pub device: &'a B::Device,
    /// What the method remembers.
    pub state: &'a MethodState,
}

impl<'a, B: Backend> TensorBatch<'a, B> {
    /// All samples of a pass that gave `output`.
    pub fn of(
        output: &'a Output<B>,
        labels: &'a [u32],
        device: &'a B::Device,
        state: &'a MethodState,
    ) -> Self {
        TensorBatch { observed: &output.observed, labels, arithmetic: output.arithmetic, device, state }
    }
}

/// The same in the host's memory.
#[derive(Clone, Copy, Debug)]
pub struct HostBatch<'a> {
    /// What was observed, `[samples, units]` for each observed site.
    pub observed: &'a [Vec<f32>],
    /// The class of each sample.
    pub labels: &'a [u32],
    /// How much each term counts in the gradient.
    pub weights: &'a TermWeights,
    /// What the method remembers.
    pub state: &'a MethodState,
}

/// A method's terms for a batch in the host's memory.
#[derive(Clone, Debug, Default)]
pub struct HostTerms {
    /// Unweighted value of each term, by name.
    pub values: Vec<(&'static str, f64)>,
    /// The gradient of their weighted sum, `[samples, units]` for each observed site; empty where no term sees them.
    pub gradients: Vec<Vec<f32>>,
}

/// What was observed in a training pass, of the samples with masks of their own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The class of each sample.
    pub labels: Vec<u32>,
    /// `[samples, units]` for each observed site.
    pub observed: Vec<Vec<f32>>,
}

/// The accessors of a method whose weights are fields of the same names, and those of an optional table of settings.
macro_rules! weight_fields {
    ($($field:ident),+ $(; $table:ident)?) => {
        fn weight(&self, name: &str) -> Option<f64> {
            match name {
                $(stringify!($field) => Some(self.$field),)+
                $(_ if self.$table.is_some() => self.$table.as_ref()?.weight(name),)?
                _ => None,
            }
        }

        fn weight_mut(&mut self, name: &str) -> Option<&mut f64> {
            match name {
                $(stringify!($field) => Some(&mut self.$field),)+
                $(_ if self.$table.is_some() => self.$table.as_mut()?.weight_mut(name),)?
                _ => None,
            }
        }
    };
}
use weight_fields;
