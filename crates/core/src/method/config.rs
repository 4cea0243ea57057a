//! The methods there are, and the `[method]` table of a preset.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

#[cfg(test)]
use super::probe::Probe;
use super::{
    Assigned, HostBatch, HostTerms, Method, MethodState, Mwt, Observes, PassPlan, Plain, Seen, StepInfo,
    TensorBatch, Term, TermWeights, Weight,
};
use crate::backend::Compute;
use crate::spec::{Spec, SpecError};

/// The enumeration of methods, each of whose functions is that of the method at hand.
macro_rules! methods {
    ($($(#[$when:meta])? $method:ident: $about:literal,)+) => {
        /// A training method and its settings, as written in a preset's `[method]` table.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name", rename_all = "kebab-case")]
        pub enum MethodConfig {
            $($(#[$when])? #[doc = $about] $method($method),)+
        }

        impl MethodConfig {
            /// Every method with its default settings.
            pub fn all() -> Vec<MethodConfig> {
                vec![$($(#[$when])? MethodConfig::$method($method::default()),)+]
            }

            /// The name as written in a preset.
            pub fn name(&self) -> &'static str {
                match self { $($(#[$when])? Self::$method(_) => $method::NAME,)+ }
            }

            /// The weights that may be changed while training runs, as data.
            pub fn weight_specs(&self) -> &'static [Weight] {
                match self { $($(#[$when])? Self::$method(method) => method.weight_specs(),)+ }
            }

            /// The terms that it adds to cross-entropy.
            pub fn term_specs(&self) -> &'static [Term] {
                match self { $($(#[$when])? Self::$method(method) => method.term_specs(),)+ }
            }

            /// Whether the network gets mask generators.
            pub fn has_generators(&self) -> bool {
                match self { $($(#[$when])? Self::$method(_) => $method::GENERATORS,)+ }
            }

            fn observed(&self) -> Observes {
                match self { $($(#[$when])? Self::$method(_) => $method::OBSERVES,)+ }
            }

            /// As [`Method::check`].
            ///
            /// # Errors
            ///
            /// Gives the setting's key below `[method]`, and what it must be.
            pub fn check(&self, epochs: usize) -> Result<(), (&'static str, String)> {
                match self { $($(#[$when])? Self::$method(method) => method.check(epochs),)+ }
            }

            /// As [`Method::observes`].
            ///
            /// # Errors
            ///
            /// When the stages do not fit together.
            pub fn observes(&self, spec: &Spec) -> Result<Vec<usize>, SpecError> {
                match self { $($(#[$when])? Self::$method(method) => method.observes(spec),)+ }
            }

            /// As [`Method::terms`].
            pub fn terms<B: Compute>(&self, batch: &TensorBatch<'_, B>) -> Vec<(&'static str, Tensor<B, 1>)> {
                match self { $($(#[$when])? Self::$method(method) => method.terms(batch),)+ }
            }

            /// As [`Method::host_terms`].
            pub fn host_terms(&self, batch: &HostBatch<'_>) -> HostTerms {
                match self { $($(#[$when])? Self::$method(method) => method.host_terms(batch),)+ }
            }

            /// As [`Method::passes`].
            pub fn passes(&self, step: &StepInfo<'_>, state: &mut MethodState) -> Vec<PassPlan> {
                match self { $($(#[$when])? Self::$method(method) => method.passes(step, state),)+ }
            }

            /// As [`Method::observe`].
            pub fn observe(&self, step: &StepInfo<'_>, seen: &Seen, state: &mut MethodState) {
                match self { $($(#[$when])? Self::$method(method) => method.observe(step, seen, state),)+ }
            }

            /// As [`Method::check_state`].
            ///
            /// # Errors
            ///
            /// Says what does not fit.
            pub fn check_state(&self, spec: &Spec, state: &MethodState) -> Result<(), String> {
                match self { $($(#[$when])? Self::$method(method) => method.check_state(spec, state),)+ }
            }

            /// The value of a weight; `None` where there is none of this name.
            pub fn weight(&self, name: &str) -> Option<f64> {
                match self { $($(#[$when])? Self::$method(method) => method.weight(name),)+ }
            }

            fn weight_mut(&mut self, name: &str) -> Option<&mut f64> {
                match self { $($(#[$when])? Self::$method(method) => method.weight_mut(name),)+ }
            }
        }
    };
}
methods! {
    Plain: "Ordinary training: no masks, no modular losses.",
    Assigned: "Random class masks that are rehearsed: the control for learned ones.",
    Mwt: "Modularizing while training: mask generators, cohesion and coupling losses.",
    #[cfg(test)]
    Probe: "For tests of what a method may do.",
}

impl MethodConfig {
    /// Ordinary training.
    pub const PLAIN: MethodConfig = MethodConfig::Plain(Plain {});

    /// Whether it trains a network that can be split into modules: whether it looks at units at all.
    pub fn is_modular(&self) -> bool {
        self.observed() != Observes::Nothing
    }

    /// Whether it can train this network.
    ///
    /// # Errors
    ///
    /// Says what the network lacks.
    pub fn check_spec(&self, spec: &Spec) -> Result<(), String> {
        let sites = self.observes(spec).map_err(|error| error.to_string())?;
        if !self.is_modular() || !sites.is_empty() {
            return Ok(());
        }
        let lacks = match self.observed() {
            Observes::Masks => {
                "no convolution that gets a mask generator: the first one gets none unless it is masked"
            }
            _ => "nothing that ends with a ReLU",
        };
        Err(format!("the network has {lacks}, so the method {} has no units to look at", self.name()))
    }

    /// The names of the weights that may be changed while training runs, with their values.
    pub fn weights(&self) -> Vec<(&'static str, f64)> {
        let named = self.weight_specs().iter().map(|weight| weight.name);
        named.filter_map(|name| Some((name, self.weight(name)?))).collect()
    }

    /// Whether another method differs from this one in the values of weights at most.
    pub fn is_same_but_for_weights(&self, other: &MethodConfig) -> bool {
        let mut other = other.clone();
        let set = |(name, value)| other.set_weight(name, value).is_ok();
        self.weights().into_iter().all(set) && *self == other
    }

    /// How much each term counts in the loss.
    pub fn term_weights(&self) -> TermWeights {
        let named = self.term_specs().iter();
        TermWeights(named.filter_map(|term| Some((term.name, self.weight(term.weight)?))).collect())
    }

    /// Sets the weight of this name.
    ///
    /// # Errors
    ///
    /// When the method has no such weight, or it may not have this value.
    pub fn set_weight(&mut self, name: &str, value: f64) -> Result<(), String> {
        let known = self.weight_specs().iter().find(|weight| weight.name == name);
        match (known, self.weight_mut(name)) {
            (Some(weight), _) if !weight.allows(value) => {
                Err(format!("the loss weight {name} must be {}, not {value}", weight.allowed()))
            }
            (Some(_), Some(place)) => {
                *place = value;
                Ok(())
            }
            _ => Err(format!("the method {} has no loss weight {name}", self.name())),
        }
    }
}
