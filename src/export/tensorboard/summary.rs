//! The TensorBoard summaries of a run: scalars by tag, the overlap as an image, settings for the hparams page.
//!
//! Tags: `train/...` and `valid/...` with `loss/NAME`, `accuracy`, `cohesion`, `coupling` and `krr`, once per
//! epoch; `steps/NAME` a few times a second; `learning_rate`, `weight/NAME`, `images_per_second`;
//! `summary/NAME` once, at the end; `modules/overlap`.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};
use prost::Message;

use super::proto::{
    Content, Data, End, Experiment, HParams, Image, Kind, Metadata, MetricInfo, MetricName, Plugin, Setting,
    SettingInfo, SettingValue, Start, Summary, Tensor, Value,
};
use crate::export::error::Error;
use crate::modular::Split;
use crate::run;
use crate::run::{EpochRecord, Manifest, SplitRecord, StepRecord};

/// Maximum and minimum pixels per class in the image of the overlap.
const CELL: (usize, usize) = (32, 1);
/// Approximate width of the image in pixels.
const WIDTH: usize = 640;

/// The metrics of the hparams page.
const METRICS: [&str; 5] = ["test_accuracy", "valid_accuracy", "cohesion", "coupling", "krr"];

/// The scalars of an epoch.
pub(super) fn epoch(record: &EpochRecord) -> Summary {
    let mut values = vec![scalar("learning_rate", record.learning_rate)];
    values.extend(record.loss_weights.iter().map(|(name, value)| scalar(&format!("weight/{name}"), *value)));
    split("train", &record.train, &mut values);
    split("valid", &record.valid, &mut values);
    values.push(scalar("valid/best_accuracy", record.best_valid_accuracy));
    values.push(scalar("images_per_second", record.images_per_second));
    Summary { value: values }
}

fn split(name: &str, record: &SplitRecord, values: &mut Vec<Value>) {
    values.extend(record.losses.iter().map(|(loss, value)| scalar(&format!("{name}/loss/{loss}"), *value)));
    values.push(scalar(&format!("{name}/accuracy"), record.accuracy));
    if let Some(masks) = &record.masks {
        for (measure, value) in
            [("cohesion", masks.cohesion), ("coupling", masks.coupling), ("krr", masks.krr)]
        {
            values.push(scalar(&format!("{name}/{measure}"), value));
        }
    }
}

/// The scalars of a step record (means over a few steps).
pub(super) fn step(record: &StepRecord) -> Summary {
    Summary {
        value: record.train.iter().map(|(name, value)| scalar(&format!("steps/{name}"), *value)).collect(),
    }
}

/// The settings of a run: experiment and session start of the hparams plugin.
pub(super) fn begin(manifest: &Manifest, time: f64) -> Result<Summary, Error> {
    let mut settings = vec![
        ("seed".to_owned(), SettingValue::Number(manifest.seed as f64)),
        ("device".to_owned(), SettingValue::Text(manifest.device.clone())),
    ];
    flatten("", &serde_json::to_value(&manifest.preset)?, &mut settings);
    let kind = |value: &SettingValue| match value {
        SettingValue::Number(_) => Kind::Number,
        SettingValue::Text(_) => Kind::Text,
        SettingValue::Flag(_) => Kind::Flag,
    };
    let info =
        |(name, value): &(String, SettingValue)| SettingInfo { name: name.clone(), kind: kind(value).into() };
    let metric = |name: &str| MetricInfo {
        name: Some(MetricName { tag: format!("summary/{name}") }),
        display_name: name.replace('_', " "),
    };
    let experiment = Experiment {
        created: time,
        settings: settings.iter().map(info).collect(),
        metrics: METRICS.map(metric).into(),
    };
    let setting = |(name, value)| (name, Setting { value: Some(value) });
    let start =
        Start { settings: settings.into_iter().map(setting).collect(), group: manifest.id.clone(), time };
    let value = [
        hparams("_hparams_/experiment", Data::Experiment(experiment)),
        hparams("_hparams_/session_start_info", Data::Start(start)),
    ];
    Ok(Summary { value: value.into() })
}

/// The end of a session, with its results if any.
pub(super) fn finish(summary: Option<&run::Summary>, time: f64) -> Summary {
    let mut values = Vec::new();
    if let Some(summary) = summary {
        let results = [Some(summary.test_accuracy), Some(summary.valid_accuracy)];
        let results = results.into_iter().chain([summary.cohesion, summary.coupling, summary.krr]);
        let present = METRICS.iter().zip(results).filter_map(|(name, value)| Some((name, value?)));
        values.extend(present.map(|(name, value)| scalar(&format!("summary/{name}"), value)));
    }
    let status = if summary.is_some() { 1 } else { 2 };
    values.push(hparams("_hparams_/session_end_info", Data::End(End { status, time })));
    Summary { value: values }
}

/// The Jaccard index of each pair of class modules as an image, from white (0) to dark blue (1).
pub(super) fn overlap(modules: &Split) -> Result<Summary, Error> {
    let matrix = modules.coupling_matrix();
    let cell = (WIDTH / matrix.len().max(1)).clamp(CELL.1, CELL.0);
    let side = (matrix.len() * cell) as u32;
    let image = RgbImage::from_fn(side, side, |x, y| {
        let value = matrix[y as usize / cell][x as usize / cell];
        let shade = |light: f64, dark: f64| (light + (dark - light) * value.clamp(0.0, 1.0)).round() as u8;
        image::Rgb([shade(255.0, 8.0), shade(255.0, 48.0), shade(255.0, 107.0)])
    });
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png)?;
    let (height, width) = (side as i32, side as i32);
    let image = Image { height, width, colorspace: 3, encoded: png.into_inner() };
    let metadata = Metadata {
        plugin: None,
        display_name: "overlap of modules".into(),
        description: "Jaccard index of the kernel sets of each pair of classes, white 0 to blue 1".into(),
    };
    let content = Some(Content::Image(image));
    Ok(Summary { value: vec![Value { tag: "modules/overlap".into(), metadata: Some(metadata), content }] })
}

/// Collects the leaves of a settings tree, named by their dotted path; lists become text.
fn flatten(prefix: &str, value: &serde_json::Value, settings: &mut Vec<(String, SettingValue)>) {
    let leaf = match value {
        serde_json::Value::Object(object) => {
            for (key, value) in
                object.iter().filter(|(key, _)| !matches!(key.as_str(), "description" | "paper"))
            {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, value, settings);
            }
            return;
        }
        serde_json::Value::Null => return,
        serde_json::Value::Number(number) => SettingValue::Number(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::Bool(flag) => SettingValue::Flag(*flag),
        serde_json::Value::String(text) => SettingValue::Text(text.clone()),
        other => SettingValue::Text(other.to_string()),
    };
    settings.push((prefix.to_owned(), leaf));
}

fn scalar(tag: &str, value: f64) -> Value {
    Value { tag: tag.into(), metadata: None, content: Some(Content::Scalar(value as f32)) }
}

fn hparams(tag: &str, data: Data) -> Value {
    let content = HParams { version: 0, data: Some(data) }.encode_to_vec();
    let plugin = Some(Plugin { name: "hparams".into(), content });
    // The plugin reads its message from the metadata, but readers skip values without content.
    let content = Some(Content::Tensor(Tensor { dtype: 1, values: vec![0.0] }));
    let metadata = Some(Metadata { plugin, display_name: String::new(), description: String::new() });
    Value { tag: tag.into(), metadata, content }
}
