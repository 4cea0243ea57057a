//! A package as a safetensors file.
//!
//! Every array has the name and shape that [`crate::network::Slot`] says, in 32-bit floats. The header's
//! metadata are strings of JSON, but for `format`:
//!
//! | key | value |
//! |---|---|
//! | `format` | `cleave` |
//! | `schema` | version of these keys: `1` |
//! | `spec` | the network, a [`crate::network::Spec`] |
//! | `classes` | names of the logits, in their order |
//! | `class_indices` | labels of these classes in the whole network |
//! | `input` | `[channels, height, width]` of an image |
//! | `mean`, `std` | of each channel, for pixels in 0..1: an input value is `(pixel - mean) / std` |
//! | `provenance` | a [`super::Provenance`] |

use std::collections::HashMap;

use serde::Serialize;

use super::error::Error;
use super::package::Package;

/// The version of the metadata's keys.
const SCHEMA: u32 = 1;

/// The bytes of the file.
///
/// # Errors
///
/// When the weights are not those of the network, or the format cannot hold them.
pub fn encode(package: &Package) -> Result<Vec<u8>, Error> {
    package.weights.check(&package.spec)?;
    let mut metadata = HashMap::from([("format".to_owned(), "cleave".to_owned())]);
    let mut put = |key: &str, value: Result<String, serde_json::Error>| -> Result<(), Error> {
        metadata.insert(key.to_owned(), value?);
        Ok(())
    };
    put("schema", json(&SCHEMA))?;
    put("spec", json(&package.spec))?;
    put("classes", json(&package.classes))?;
    put("class_indices", json(&package.class_indices))?;
    put("input", json(&package.input))?;
    put("mean", json(&package.mean))?;
    put("std", json(&package.std))?;
    put("provenance", json(&package.provenance))?;
    Ok(package.weights.to_safetensors(metadata)?)
}

fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::super::package::Provenance;
    use super::*;
    use crate::network::{Architecture, Spec, State, StateError};

    fn package() -> Package {
        let spec = Architecture::Resnet18.spec([3, 8, 8], 2, 0.125, true);
        Package {
            weights: State::init(&spec, 3).unwrap(),
            spec,
            classes: vec!["cat".into(), "dög \"x\"".into()],
            class_indices: vec![3, 5],
            input: [3, 8, 8],
            mean: vec![0.1, 0.2, 0.3],
            std: vec![0.4, 0.5, 0.6],
            provenance: Provenance {
                run: "r".into(),
                module: Some("m".into()),
                step: 7,
                program: "0".into(),
                threshold: Some(0.9),
                fine_tune_epochs: 1,
                one_vs_rest: false,
            },
        }
    }

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
