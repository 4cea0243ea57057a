//! The export form of modules and runs, and the export it describes.

use super::message::Export;
use super::widget::{Field, Form};
use crate::export::command::quoted;
use crate::export::onnx::Preprocessing;

/// Formats of networks: name, file extension, description.
const NETWORKS: [(&str, &str, &str); 4] = [
    ("safetensors", ".safetensors", "a file of weights, with a description in its header"),
    ("onnx", ".onnx", "a file for ONNX runtimes"),
    ("pytorch", "-pytorch", "a directory: weights and a module.py that loads them"),
    ("burn", "-burn", "a directory: a Burn record and the network's Rust source"),
];

/// Formats of a run's records: name, file extension, description.
const RECORDS: [(&str, &str, &str); 3] = [
    ("csv", "-csv", "a directory of tables: metrics, events, usage, masks, matrices"),
    ("json", "-json", "the same tables as JSON"),
    ("tensorboard", "-tensorboard", "a directory for TensorBoard"),
];

/// Pixel layouts of an ONNX model with preprocessing.
const PIXELS: [(&str, Option<Preprocessing>); 3] =
    [("no", None), ("nhwc", Some(Preprocessing::Nhwc)), ("nchw", Some(Preprocessing::Nchw))];

fn formats(of_run: bool) -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
    NETWORKS.iter().chain(RECORDS.iter().filter(move |_| of_run))
}

/// The form. `name` is the file or directory name without extension; `of_run` selects the formats for a run (its
/// network and records) instead of those for a module.
pub fn form(title: &str, name: &str, of_run: bool) -> Form {
    let names = formats(of_run).map(|(format, ..)| (*format).to_owned()).collect();
    let mut fields = vec![
        Field::choice("format", "Format", names, 0).help(NETWORKS[0].2),
        Field::text("path", "Path", &format!("{name}{}", NETWORKS[0].1))
            .check(|path| if path.is_empty() { Err("required".into()) } else { Ok(()) })
            .help("relative to the directory that cleave was started in; must not exist"),
        Field::choice("pixels", "ONNX preprocessing", PIXELS.map(|(name, _)| name.to_owned()).to_vec(), 0)
            .help("accept pixel bytes in this layout, normalise them, output probabilities"),
        Field::tick("fold", "Fold batch norm", false).help("fold batch norm into the preceding convolutions"),
    ];
    if of_run {
        fields.push(
            Field::tick("unmasked", "Omit masks", false)
                .help("drop the mask generators: every kernel is always active, so results differ"),
        );
    }
    Form::new(title, "export", fields)
}

/// Updates path, help and problems after the field of this index changed.
pub fn changed(form: &mut Form, field: usize, name: &str) {
    let chosen = form.value("format");
    let pixels = form.value("pixels") != PIXELS[0].0 && chosen != "onnx";
    if let Some(field) = form.field_mut("pixels") {
        field.set_problem(pixels.then(|| "onnx only".to_owned()));
    }
    let Some((_, ending, help)) = formats(true).find(|(format, ..)| *format == chosen) else { return };
    if form.fields.get(field).is_some_and(|field| field.name == "format") {
        form.set_text("path", &format!("{name}{ending}"));
        if let Some(field) = form.field_mut("format") {
            field.help = (*help).into();
        }
    }
}

/// The export that the form describes.
pub fn export(form: &Form) -> Export {
    let pixels = form.value("pixels");
    Export {
        format: form.value("format"),
        preprocessing: PIXELS.iter().find(|(name, _)| *name == pixels).and_then(|(_, order)| *order),
        without_masks: form.ticked("unmasked"),
        fold_norm: form.ticked("fold"),
    }
}

/// The equivalent command line.
pub fn command_line(form: &Form, target: &str) -> String {
    let Export { format, preprocessing, without_masks, fold_norm } = export(form);
    let mut line =
        format!("cleave export {} --format {format} --to {}", quoted(target), quoted(&form.value("path")));
    if preprocessing.is_some() {
        line += &format!(" --with-preprocessing={}", form.value("pixels"));
    }
    for (flag, set) in [("--without-masks", without_masks), ("--fold-bn", fold_norm)] {
        if set {
            line += &format!(" {flag}");
        }
    }
    line
}
