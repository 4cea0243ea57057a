//! A package as an ONNX model.
//!
//! Operator set 17. The batch may have any size. Arrays keep the names of [`crate::spec::Slot`], and the
//! metadata are those of [`super::safetensors`] except `spec`, which the graph replaces.
//!
//! | | input | output |
//! |---|---|---|
//! | plain | `input`: 32-bit floats `[batch, channels, height, width]`, normalised | `logits` `[batch, classes]` |
//! | with preprocessing | `image`: bytes, `[batch, channels, height, width]` or `[batch, height, width, channels]` | `probabilities` `[batch, classes]` |

mod graph;
mod proto;

use prost::Message;

use super::error::Error;
use super::package::Package;
use crate::run::PROGRAM;

/// The operator set version: the oldest with all the operators used, in their current form.
const OPSET: i64 = 17;

/// The matching version of the file format.
const IR_VERSION: i64 = 8;

/// Pixel layout of a model that normalises its input itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preprocessing {
    /// `[batch, channels, height, width]`.
    Nchw,
    /// `[batch, height, width, channels]`, as in most image libraries.
    Nhwc,
}

/// The bytes of the file. With `preprocessing` the model takes pixel bytes, normalises them as in training and outputs
/// probabilities; without, it takes normalised floats and outputs logits.
///
/// # Errors
///
/// When the weights are not those of the network.
pub fn encode(package: &Package, preprocessing: Option<Preprocessing>) -> Result<Vec<u8>, Error> {
    package.weights.check(&package.spec)?;
    let metadata = package.description()?.into_iter();
    let model = proto::Model {
        ir_version: IR_VERSION,
        producer_name: "cleave".into(),
        producer_version: PROGRAM.into(),
        graph: Some(graph::of(package, preprocessing)?),
        opset_import: vec![proto::OperatorSet { domain: String::new(), version: OPSET }],
        metadata_props: metadata.map(|(key, value)| proto::Entry { key: key.into(), value }).collect(),
    };
    Ok(model.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::package;
    use super::*;

    fn decoded(package: &Package, preprocessing: Option<Preprocessing>) -> proto::Model {
        proto::Model::decode(encode(package, preprocessing).unwrap().as_slice()).unwrap()
    }

    #[test]
    fn every_array_is_a_constant_of_its_name_and_every_value_is_made_before_it_is_read() {
        let package = package();
        for preprocessing in [None, Some(Preprocessing::Nhwc)] {
            let graph = decoded(&package, preprocessing).graph.unwrap();
            let constants = graph.initializer.iter().map(|tensor| tensor.name.clone());
            let mut known: Vec<String> = constants.chain([graph.input[0].name.clone()]).collect();
            assert!(package.weights.0.keys().all(|name| known.contains(name)));
            for node in &graph.node {
                assert!(node.input.iter().all(|input| known.contains(input)), "{node:?}");
                assert!(!known.contains(&node.output[0]), "{node:?}");
                known.push(node.output[0].clone());
            }
            assert_eq!(known.last(), Some(&graph.output[0].name));
        }
    }

    #[test]
    fn metadata_say_what_the_logits_are_and_where_the_network_comes_from() {
        let metadata = decoded(&package(), None).metadata_props;
        let value = |key: &str| &metadata.iter().find(|entry| entry.key == key).unwrap().value;
        assert_eq!(value("classes"), r#"["cat","dög \"x\""]"#);
        assert!(value("provenance").contains("\"threshold\":0.9"));
    }

    #[test]
    fn a_file_is_hardly_larger_than_its_parameters() {
        let package = package();
        let parameters: usize = package.weights.0.values().map(|array| 4 * array.values.len()).sum();
        let bytes = encode(&package, Some(Preprocessing::Nhwc)).unwrap().len();
        assert!(bytes > parameters && bytes < parameters + 50_000, "{bytes} {parameters}");
    }
}
