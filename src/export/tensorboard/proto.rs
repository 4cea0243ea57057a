//! The protobuf messages of TensorBoard event files that Cleave writes. Field numbers are those of TensorFlow's
//! `event.proto`, `summary.proto`, `tensor.proto` and of the hparams plugin.

use std::collections::HashMap;

use prost::{Enumeration, Message, Oneof};

/// A record of an event file.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    #[prost(int64, tag = "2")]
    pub step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    pub what: Option<What>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

/// Start of a session (status 1).
#[derive(Clone, PartialEq, Message)]
pub(super) struct SessionLog {
    #[prost(int32, tag = "1")]
    pub status: i32,
}

impl SessionLog {
    pub(super) fn start() -> SessionLog {
        SessionLog { status: 1 }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(string, tag = "1")]
    pub tag: String,
    #[prost(message, optional, tag = "9")]
    pub metadata: Option<Metadata>,
    #[prost(oneof = "Content", tags = "2, 4, 8")]
    pub content: Option<Content>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Content {
    #[prost(float, tag = "2")]
    Scalar(f32),
    #[prost(message, tag = "4")]
    Image(Image),
    #[prost(message, tag = "8")]
    Tensor(Tensor),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Image {
    #[prost(int32, tag = "1")]
    pub height: i32,
    #[prost(int32, tag = "2")]
    pub width: i32,
    /// 3: RGB.
    #[prost(int32, tag = "3")]
    pub colorspace: i32,
    /// A PNG file.
    #[prost(bytes = "vec", tag = "4")]
    pub encoded: Vec<u8>,
}

/// A tensor of 32-bit floats.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Tensor {
    /// 1: 32-bit floats.
    #[prost(int32, tag = "1")]
    pub dtype: i32,
    #[prost(float, repeated, tag = "5")]
    pub values: Vec<f32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metadata {
    #[prost(message, optional, tag = "1")]
    pub plugin: Option<Plugin>,
    #[prost(string, tag = "2")]
    pub display_name: String,
    #[prost(string, tag = "3")]
    pub description: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Plugin {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub content: Vec<u8>,
}

/// The data of the hparams plugin under one tag.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HParams {
    #[prost(int32, tag = "1")]
    pub version: i32,
    #[prost(oneof = "Data", tags = "2, 3, 4")]
    pub data: Option<Data>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Data {
    #[prost(message, tag = "2")]
    Experiment(Experiment),
    #[prost(message, tag = "3")]
    Start(Start),
    #[prost(message, tag = "4")]
    End(End),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Experiment {
    #[prost(double, tag = "3")]
    pub created: f64,
    #[prost(message, repeated, tag = "4")]
    pub settings: Vec<SettingInfo>,
    #[prost(message, repeated, tag = "5")]
    pub metrics: Vec<MetricInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SettingInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(enumeration = "Kind", tag = "4")]
    pub kind: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(super) enum Kind {
    Unset = 0,
    Text = 1,
    Flag = 2,
    Number = 3,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricInfo {
    #[prost(message, optional, tag = "1")]
    pub name: Option<MetricName>,
    #[prost(string, tag = "3")]
    pub display_name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricName {
    #[prost(string, tag = "2")]
    pub tag: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Start {
    #[prost(map = "string, message", tag = "1")]
    pub settings: HashMap<String, Setting>,
    #[prost(string, tag = "4")]
    pub group: String,
    #[prost(double, tag = "5")]
    pub time: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct End {
    /// 1: success, 2: failure.
    #[prost(int32, tag = "1")]
    pub status: i32,
    #[prost(double, tag = "2")]
    pub time: f64,
}

/// `google.protobuf.Value`, reduced to what settings need.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Setting {
    #[prost(oneof = "SettingValue", tags = "2, 3, 4")]
    pub value: Option<SettingValue>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum SettingValue {
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Flag(bool),
}
