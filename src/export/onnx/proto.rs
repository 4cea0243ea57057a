//! The ONNX messages that a network needs, with the field numbers of the public schema
//! (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>). Unused fields are omitted.

use prost::{Message, Oneof};

/// Element type of 32-bit floats.
pub(super) const FLOAT: i32 = 1;
/// Element type of unsigned bytes.
pub(super) const UINT8: i32 = 2;
/// Element type of 64-bit integers.
pub(super) const INT64: i32 = 7;

/// A whole file.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Model {
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    #[prost(string, tag = "2")]
    pub producer_name: String,
    #[prost(string, tag = "3")]
    pub producer_version: String,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<Entry>,
}

/// The version of the operators; the default domain has an empty name.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OperatorSet {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// A metadata entry.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Entry {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// Nodes in execution order, and the constants they read.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

/// An operator, with the names of its inputs and outputs.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
}

/// An attribute of an operator. Scalars are optional because readers distinguish 0 from absent.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
    #[prost(int32, tag = "20")]
    pub kind: i32,
}

/// A constant, its values as little-endian bytes.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
}

/// Name and type of an input or output of the graph.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub kind: Option<Type>,
    #[prost(string, tag = "3")]
    pub doc_string: String,
}

/// A type; only the tensor alternative is used.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Type {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

/// Element type and shape.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorType {
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

/// Lengths along the axes.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// Length along one axis.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Dimension {
    #[prost(oneof = "Length", tags = "1, 2")]
    pub value: Option<Length>,
}

/// A fixed length, or the name of a dynamic one.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Length {
    #[prost(int64, tag = "1")]
    Fixed(i64),
    #[prost(string, tag = "2")]
    Named(String),
}

impl Attribute {
    /// An integer.
    pub(super) fn int(name: &str, value: usize) -> Attribute {
        Attribute { name: name.into(), i: Some(value as i64), kind: 2, ..Attribute::default() }
    }

    /// A list of integers.
    pub(super) fn ints(name: &str, values: &[usize]) -> Attribute {
        let ints = values.iter().map(|&value| value as i64).collect();
        Attribute { name: name.into(), ints, kind: 7, ..Attribute::default() }
    }

    /// A float.
    pub(super) fn float(name: &str, value: f64) -> Attribute {
        Attribute { name: name.into(), f: Some(value as f32), kind: 1, ..Attribute::default() }
    }
}

impl Tensor {
    /// Floats of this shape.
    pub(super) fn floats(name: &str, shape: &[usize], values: &[f32]) -> Tensor {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let dims = shape.iter().map(|&length| length as i64).collect();
        Tensor { dims, data_type: FLOAT, name: name.into(), raw_data }
    }

    /// A row of integers.
    pub(super) fn integers(name: &str, values: &[i64]) -> Tensor {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Tensor { dims: vec![values.len() as i64], data_type: INT64, name: name.into(), raw_data }
    }
}

impl ValueInfo {
    /// A tensor with a dynamic first axis named `batch`.
    pub(super) fn batch(name: &str, elem_type: i32, shape: &[usize], doc: &str) -> ValueInfo {
        let batch = Dimension { value: Some(Length::Named("batch".into())) };
        let fixed = shape.iter().map(|&length| Dimension { value: Some(Length::Fixed(length as i64)) });
        let shape = Some(Shape { dim: std::iter::once(batch).chain(fixed).collect() });
        let kind = Some(Type { tensor_type: Some(TensorType { elem_type, shape }) });
        ValueInfo { name: name.into(), kind, doc_string: doc.into() }
    }
}
