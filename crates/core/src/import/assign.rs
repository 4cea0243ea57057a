//! Assigning the arrays of a file to the arrays of a network.

use std::collections::BTreeMap;

use super::error::{Error, Mismatch};
use super::layouts::{self, Candidates, Layout};
use crate::spec::{Array, Spec, State};

/// Prefixes that wrappers of a model add to every name.
const WRAPPERS: [&str; 3] = ["module.", "_orig_mod.", "model."];

/// A user's table from our names to those of the file. A key is the name of an array, or the part of several names
/// before a dot; the longest key that fits is used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping(BTreeMap<String, String>);

impl Mapping {
    /// Reads a TOML file of lines such as `"conv0.conv" = "stem.0"`.
    ///
    /// # Errors
    ///
    /// When it is no such table, or a key is neither an array of the network nor the beginning of one.
    pub fn parse(text: &str, spec: &Spec) -> Result<Mapping, Error> {
        let table: toml::Table = text.parse().map_err(|error| Error::Mapping(format!("{error}")))?;
        let slots = spec.slots()?;
        let mut names = BTreeMap::new();
        for (ours, theirs) in table {
            let toml::Value::String(theirs) = theirs else {
                let example = "write \"conv0.conv\" = \"stem.0\", with quotes on both sides";
                return Err(Error::Mapping(format!("`{ours}` has no text as its value; {example}")));
            };
            if !slots.iter().any(|slot| rest(&slot.name, &ours).is_some()) {
                return Err(Error::Mapping(format!(
                    "the network has no array whose name begins with `{ours}`"
                )));
            }
            names.insert(ours, theirs);
        }
        Ok(Mapping(names))
    }

    /// The file's name of our array, if the table says.
    fn name(&self, ours: &str) -> Option<String> {
        let fits = self.0.iter().filter_map(|(key, theirs)| Some((key, rest(ours, key)?, theirs)));
        fits.max_by_key(|(key, ..)| key.len()).map(|(_, rest, theirs)| format!("{theirs}{rest}"))
    }
}

/// What follows `beginning` in `name`: nothing, or a dot and more.
fn rest<'a>(name: &'a str, beginning: &str) -> Option<&'a str> {
    name.strip_prefix(beginning).filter(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The weights of a network of `spec` from a file's arrays, whose names are ours, those of a widely used layout,
/// or as `mapping` says.
///
/// # Errors
///
/// [`Mismatch`] with every array that is missing, of another shape, or left over.
pub fn assign(spec: &Spec, arrays: BTreeMap<String, Array>, mapping: &Mapping) -> Result<State, Error> {
    let mut arrays = unwrapped(arrays);
    let candidates = layouts::candidates(spec)?;
    let layout = nearest_layout(&candidates, &arrays);
    let mut state = State::default();
    let mut mismatch = Mismatch::default();
    for Candidates { ours, shape, theirs } in candidates {
        let mapped = mapping.name(&ours);
        let present = theirs.iter().map(|(_, name)| name).find(|name| arrays.contains_key(*name));
        let likely = theirs.iter().find(|(of, _)| *of == layout).map(|(_, name)| name);
        let name = mapped.as_ref().or(present).or(likely).unwrap_or(&ours).clone();
        match arrays.remove(&name) {
            None => mismatch.missing.push((ours, shape, name)),
            Some(array) if array.shape != shape => mismatch.shapes.push((ours, shape, name, array.shape)),
            Some(array) => {
                state.0.insert(ours, array);
            }
        }
    }
    mismatch.unknown = arrays.into_iter().map(|(name, array)| (name, array.shape)).collect();
    if mismatch.is_empty() { Ok(state) } else { Err(mismatch.into()) }
}

/// The arrays without the prefixes that all names share.
fn unwrapped(mut arrays: BTreeMap<String, Array>) -> BTreeMap<String, Array> {
    let shared = |arrays: &BTreeMap<String, Array>| {
        let shared = |prefix: &&str| !arrays.is_empty() && arrays.keys().all(|name| name.starts_with(prefix));
        WRAPPERS.into_iter().find(shared)
    };
    while let Some(prefix) = shared(&arrays) {
        arrays = arrays.into_iter().map(|(name, array)| (name[prefix.len()..].to_owned(), array)).collect();
    }
    arrays
}

/// The layout that most of the file's names are of.
fn nearest_layout(candidates: &[Candidates], arrays: &BTreeMap<String, Array>) -> Layout {
    let mut hits: BTreeMap<Layout, usize> = BTreeMap::new();
    for (layout, name) in candidates.iter().flat_map(|one| &one.theirs) {
        *hits.entry(*layout).or_default() += usize::from(arrays.contains_key(name));
    }
    let most = hits.into_iter().rev().max_by_key(|(_, hits)| *hits);
    most.map_or(Layout::Ours, |(layout, _)| layout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Architecture;

    fn spec() -> Spec {
        Architecture::Resnet18.spec([3, 32, 32], 10, 0.125, true)
    }

    /// Weights under the names of a layout, all with a prefix.
    fn renamed(state: &State, layout: Layout, prefix: &str) -> BTreeMap<String, Array> {
        let theirs = |one: &Candidates| {
            let wanted = |(of, name): &(Layout, String)| (*of == layout).then(|| name.clone());
            let fallback = |(of, name): &(Layout, String)| (*of == Layout::Downsample).then(|| name.clone());
            let found = one.theirs.iter().find_map(wanted).or_else(|| one.theirs.iter().find_map(fallback));
            format!("{prefix}{}", found.unwrap_or_else(|| one.ours.clone()))
        };
        let candidates = layouts::candidates(&spec()).unwrap();
        candidates.iter().map(|one| (theirs(one), state.0[&one.ours].clone())).collect()
    }

    #[test]
    fn every_layout_gives_the_same_weights() {
        let state = State::init(&spec(), 1).unwrap();
        for layout in [Layout::Ours, Layout::Downsample, Layout::Shortcut, Layout::ResidualFunction] {
            for prefix in ["", "module.", "model._orig_mod."] {
                let arrays = renamed(&state, layout, prefix);
                assert_eq!(assign(&spec(), arrays, &Mapping::default()).unwrap(), state, "{layout:?}");
            }
        }
    }

    #[test]
    fn every_mismatch_is_named_with_its_shapes() {
        let mut arrays = renamed(&State::init(&spec(), 1).unwrap(), Layout::Downsample, "");
        arrays.remove("layer2.0.conv1.bn.weight").unwrap();
        arrays.insert("fc.weight".into(), Array::filled(&[100, 64], 0.0));
        arrays.insert("extra".into(), Array::filled(&[3], 0.0));
        let text = assign(&spec(), arrays, &Mapping::default()).unwrap_err().to_string();
        for part in [
            "1 missing, 1 of another shape, 1 unknown",
            "missing: `residual2.conv0.bn.weight` [16]; the file has no `layer2.0.conv1.bn.weight`",
            "shape: `linear0.weight` is [10, 64] in the network, the file's `fc.weight` is [100, 64]",
            "unknown: `extra` [3]",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn a_mapping_renames_arrays_and_beginnings() {
        let state = State::init(&spec(), 1).unwrap();
        let mut arrays = renamed(&state, Layout::Downsample, "");
        for (from, to) in [("conv1.weight", "stem.c.weight"), ("fc.bias", "out")] {
            let array = arrays.remove(from).unwrap();
            arrays.insert(to.into(), array);
        }
        let text = "\"conv0.conv\" = \"stem.c\"\n\"linear0.bias\" = \"out\"";
        let mapping = Mapping::parse(text, &spec()).unwrap();
        assert_eq!(assign(&spec(), arrays, &mapping).unwrap(), state);
    }

    #[test]
    fn a_mapping_of_what_does_not_exist_is_refused() {
        let refusal = |text: &str| Mapping::parse(text, &spec()).unwrap_err().to_string();
        assert!(refusal("\"conv99\" = \"x\"").contains("`conv99`"));
        assert!(refusal("conv0.conv = \"x\"").contains("quotes on both sides"));
        assert!(refusal("conv0").contains("mapping of names"));
    }
}
