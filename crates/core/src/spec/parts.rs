//! Parts of a network by name: a layer, a block, a piece of a layer, a single array.
//!
//! A part is a prefix of arrays' names, component by component: `residual1` is all of a block, `residual1.conv0` one
//! of its convolutions with batch norm and mask generator, `residual1.conv0.mask_generator` the generator alone.

use std::collections::BTreeSet;

use thiserror::Error;

use super::error::SpecError;
use super::stages::Spec;
use super::state::{Role, Slot};

/// A name that no array of the network lies below.
#[derive(Debug, Error, PartialEq)]
#[error("there is no layer `{part}`: there are {known}")]
pub struct UnknownPart {
    /// The name.
    pub part: String,
    /// The layers and blocks that there are.
    pub known: String,
}

/// Which arrays of a network do not train.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frozen {
    /// All arrays, in the network's order, and whether training changes them by gradients.
    all: Vec<(String, bool)>,
    frozen: BTreeSet<String>,
}

impl Frozen {
    /// Nothing of this network is frozen.
    ///
    /// # Errors
    ///
    /// When the stages do not fit together.
    pub fn none(spec: &Spec) -> Result<Frozen, SpecError> {
        Ok(Frozen::none_of(&spec.slots()?))
    }

    /// As [`Frozen::none`], of a network with these arrays.
    pub fn none_of(slots: &[Slot]) -> Frozen {
        let all = slots.iter().map(|slot| (slot.name.clone(), slot.role.is_trained())).collect();
        Frozen { all, frozen: BTreeSet::new() }
    }

    /// Freezes a part.
    ///
    /// # Errors
    ///
    /// When there is no such part.
    pub fn freeze(&mut self, part: &str) -> Result<(), UnknownPart> {
        let below = self.below(part)?;
        self.frozen.extend(below);
        Ok(())
    }

    /// Has a part train again.
    ///
    /// # Errors
    ///
    /// When there is no such part.
    pub fn thaw(&mut self, part: &str) -> Result<(), UnknownPart> {
        for name in self.below(part)? {
            self.frozen.remove(&name);
        }
        Ok(())
    }

    /// Freezes all but these parts.
    ///
    /// # Errors
    ///
    /// When one of them is not there.
    pub fn freeze_all_but<'a>(
        &mut self,
        parts: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), UnknownPart> {
        self.frozen.extend(self.all.iter().map(|(name, _)| name.clone()));
        parts.into_iter().try_for_each(|part| self.thaw(part))
    }

    /// Whether all of a part is frozen; not of a part that is not there.
    pub fn holds(&self, part: &str) -> bool {
        self.below(part).is_ok_and(|names| names.iter().all(|name| self.frozen.contains(name)))
    }

    /// Whether each array is frozen, in the network's order.
    pub fn marks(&self) -> Vec<bool> {
        self.all.iter().map(|(name, _)| self.frozen.contains(name)).collect()
    }

    /// Whether something is left to train.
    pub fn leaves_something(&self) -> bool {
        self.all.iter().any(|(name, trains)| *trains && !self.frozen.contains(name))
    }

    /// What is frozen as the shortest list of names: a layer's where all of it is.
    pub fn parts(&self) -> Vec<String> {
        let mut parts: Vec<String> = Vec::new();
        for (name, _) in self.all.iter().filter(|(name, _)| self.frozen.contains(name)) {
            if parts.iter().any(|part| is_below(name, part)) {
                continue;
            }
            let ends = name.match_indices('.').map(|(at, _)| at).chain([name.len()]);
            parts.extend(ends.map(|end| &name[..end]).find(|part| self.holds(part)).map(str::to_owned));
        }
        parts
    }

    /// The arrays of a part.
    fn below(&self, part: &str) -> Result<Vec<String>, UnknownPart> {
        let names = self.all.iter().map(|(name, _)| name);
        let found: Vec<String> = names.clone().filter(|name| is_below(name, part)).cloned().collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let mut known: Vec<&str> = names.filter_map(|name| name.split('.').next()).collect();
        known.dedup();
        Err(UnknownPart { part: part.to_owned(), known: known.join(", ") })
    }
}

fn is_below(name: &str, part: &str) -> bool {
    name.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Spec {
    /// The arrays of all mask generators.
    ///
    /// # Errors
    ///
    /// When the stages do not fit together.
    pub fn generator_arrays(&self) -> Result<Vec<String>, SpecError> {
        let slots = self.slots()?.into_iter();
        let of_generators =
            slots.filter(|slot| matches!(slot.role, Role::GeneratorWeight | Role::GeneratorBias));
        Ok(of_generators.map(|slot| slot.name).collect())
    }

    /// The layers of the stages from the one of index `from` to that of index `to`, both included.
    ///
    /// # Errors
    ///
    /// When the stages do not fit together.
    pub fn layers_of_stages(&self, [from, to]: [usize; 2]) -> Result<Vec<String>, SpecError> {
        let layers = self.layers()?.into_iter();
        Ok(layers.filter(|layer| (from..=to).contains(&layer.stage)).map(|layer| layer.name).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Architecture;

    fn frozen(parts: &[&str]) -> Frozen {
        let spec = Architecture::Resnet18.spec([3, 8, 8], 4, 0.125, true);
        let mut frozen = Frozen::none(&spec).unwrap();
        parts.iter().for_each(|part| frozen.freeze(part).unwrap());
        frozen
    }

    #[test]
    fn what_is_frozen_is_listed_by_its_shortest_names() {
        assert_eq!(frozen(&[]).parts(), Vec::<String>::new());
        let parts =
            frozen(&["residual0.conv1.conv", "conv0", "residual0.conv0", "residual0.conv1.bn"]).parts();
        let listed = ["conv0", "residual0.conv0", "residual0.conv1.conv", "residual0.conv1.bn"];
        assert_eq!(parts, listed);
        assert_eq!(frozen(&listed).parts(), listed, "a list of names gives the same set");
        assert_eq!(frozen(&["residual0.conv0", "residual0.conv1"]).parts(), ["residual0"]);
    }

    #[test]
    fn a_mark_for_each_array_says_what_is_frozen() {
        let marked = |some: &Frozen| {
            let arrays = some.all.iter().zip(some.marks());
            arrays.filter(|(_, frozen)| *frozen).map(|((name, _), _)| name.clone()).collect::<Vec<_>>()
        };
        let block = marked(&frozen(&["residual1"]));
        assert!(block.iter().all(|name| name.starts_with("residual1.")) && block.len() == 16, "{block:?}");
        assert_eq!(marked(&frozen(&["residual2.shortcut.mask_generator"])).len(), 3);
        assert_eq!(marked(&frozen(&["linear0.bias"])), ["linear0.bias"]);
        assert_eq!(marked(&frozen(&[])), [""; 0]);
    }

    #[test]
    fn a_part_thaws_out_of_a_whole() {
        let mut some = frozen(&["residual1"]);
        some.thaw("residual1.conv0.mask_generator").unwrap();
        assert!(!some.holds("residual1") && some.holds("residual1.conv0.bn.bias"));
        assert!(!some.holds("residual1.conv0.mask_generator.output"));
        some.freeze("residual1.conv0").unwrap();
        assert_eq!(some, frozen(&["residual1"]));
    }

    #[test]
    fn a_name_that_only_begins_alike_is_another() {
        let mut some = frozen(&[]);
        let error = some.freeze("conv").unwrap_err().to_string();
        assert!(
            error.starts_with("there is no layer `conv`: there are conv0, residual0, residual1,"),
            "{error}"
        );
        assert!(error.ends_with("linear0"), "{error}");
        assert!(some.freeze("residual10").is_err() && some.thaw("").is_err());
    }

    #[test]
    fn running_statistics_alone_are_nothing_to_train() {
        let mut some = frozen(&[]);
        some.freeze_all_but(["conv0.bn.running_mean"]).unwrap();
        assert!(!some.leaves_something());
        some.freeze_all_but(["linear0"]).unwrap();
        assert!(some.leaves_something() && some.holds("conv0") && !some.holds("linear0"));
    }
}
