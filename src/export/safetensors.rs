//! A package as a safetensors file.
//!
//! Every array has the name and shape given by [`crate::spec::Slot`], in 32-bit floats. The header's metadata values
//! are JSON strings, except `format`:
//!
//! | key | value |
//! |---|---|
//! | `format` | `cleave` |
//! | `schema` | version of these keys: `1` |
//! | `spec` | the network, a [`crate::spec::Spec`] |
//! | `classes` | class names, in the order of the logits |
//! | `class_indices` | labels of these classes in the whole network |
//! | `input` | `[channels, height, width]` of an image |
//! | `mean`, `std` | of each channel, for pixels in 0..1: an input value is `(pixel - mean) / std` |
//! | `provenance` | a [`super::Provenance`] |

use std::collections::HashMap;

use super::error::Error;
use super::package::Package;

/// The bytes of the file.
///
/// # Errors
///
/// When the weights are not those of the network, or the format cannot hold them.
pub fn encode(package: &Package) -> Result<Vec<u8>, Error> {
    package.weights.check(&package.spec)?;
    let description = package.description()?.into_iter();
    let mut metadata: HashMap<String, String> =
        description.map(|(key, value)| (key.to_owned(), value)).collect();
    metadata.insert("spec".into(), serde_json::to_string(&package.spec)?);
    Ok(package.weights.to_safetensors(metadata)?)
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::super::fixture::package;
    use super::super::package::Provenance;
    use super::*;
    use crate::spec::{Spec, State, StateError};

    #[test]
    fn what_is_read_back_is_what_was_written() {
        let package = package();
        let (state, metadata) = State::from_safetensors(&encode(&package).unwrap()).unwrap();
        fn read<T: DeserializeOwned>(metadata: &HashMap<String, String>, key: &str) -> T {
            serde_json::from_str(&metadata[key]).unwrap()
        }
        let spec: Spec = read(&metadata, "spec");
        assert_eq!((spec, state), (package.spec, package.weights));
        assert_eq!(read::<Vec<String>>(&metadata, "classes"), package.classes);
        assert_eq!(read::<Vec<f32>>(&metadata, "std"), package.std);
        assert_eq!(read::<Provenance>(&metadata, "provenance"), package.provenance);
    }

    #[test]
    fn weights_of_another_network_are_not_exported() {
        let mut package = package();
        package.weights.0.pop_first();
        assert!(matches!(encode(&package), Err(Error::State(StateError::Missing(_)))));
    }
}
