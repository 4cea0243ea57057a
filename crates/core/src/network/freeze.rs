//! Which parameters keep their values while a network trains.

use thiserror::Error;

use crate::spec::Slot;

/// A prefix under which a network has no parameter.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the network has nothing named `{prefix}` to freeze; its layers are {}", .layers.join(", "))]
pub struct FreezeError {
    /// What was asked for.
    pub prefix: String,
    /// Names of the layers there are.
    pub layers: Vec<String>,
}

/// A mark for each slot: whether it lies under one of these prefixes, component by component.
pub(super) fn frozen_slots(slots: &[Slot], prefixes: &[impl AsRef<str>]) -> Result<Vec<bool>, FreezeError> {
    let under = |slot: &Slot, prefix: &str| {
        slot.name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let mut frozen = vec![false; slots.len()];
    for prefix in prefixes.iter().map(AsRef::as_ref) {
        let mut found = false;
        for (frozen, _) in frozen.iter_mut().zip(slots).filter(|(_, slot)| under(slot, prefix)) {
            (*frozen, found) = (true, true);
        }
        if !found {
            return Err(FreezeError { prefix: prefix.to_owned(), layers: layers(slots) });
        }
    }
    Ok(frozen)
}

/// Names of the layers, without those of their parts.
fn layers(slots: &[Slot]) -> Vec<String> {
    let parts = [".conv.", ".bn.", ".mask_generator."];
    let layer = |name: &str| match parts.iter().find_map(|part| name.find(part)) {
        Some(end) => name[..end].to_owned(),
        None => name.rsplit_once('.').map_or(name, |(layer, _)| layer).to_owned(),
    };
    let mut layers: Vec<String> = slots.iter().map(|slot| layer(&slot.name)).collect();
    layers.dedup();
    layers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Architecture;

    fn frozen(prefixes: &[&str]) -> Result<Vec<String>, FreezeError> {
        let slots = Architecture::Resnet18.spec([3, 32, 32], 10, 0.25, true).slots().unwrap();
        let marks = frozen_slots(&slots, prefixes)?;
        Ok(slots.into_iter().zip(marks).filter(|(_, frozen)| *frozen).map(|(slot, _)| slot.name).collect())
    }

    #[test]
    fn a_prefix_stands_for_whole_components_of_names() {
        let names = frozen(&["residual1"]).unwrap();
        assert!(names.iter().all(|name| name.starts_with("residual1.")) && names.len() == 16, "{names:?}");
        let generator = frozen(&["residual2.shortcut.mask_generator"]).unwrap();
        assert_eq!(generator.len(), 3);
        assert_eq!(frozen(&["linear0.bias"]).unwrap(), ["linear0.bias"]);
        assert_eq!(frozen(&[]).unwrap(), [""; 0]);
    }

    #[test]
    fn a_prefix_of_nothing_is_refused_with_the_layers_there_are() {
        for unknown in ["conv", "residual", "conv0.c", "conv7"] {
            let error = frozen(&["conv0", unknown]).unwrap_err();
            assert_eq!(error.prefix, unknown);
            let message = error.to_string();
            assert!(message.contains("residual2.conv1, residual2.shortcut, residual3.conv0"), "{message}");
            assert!(message.contains("conv0, ") && message.ends_with("linear0"), "{message}");
        }
    }
}
