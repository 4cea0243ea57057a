//! ONNX models in onnx's checker and onnxruntime.

use std::fs;
use std::path::Path;

use cleave::export::Package;
use cleave::export::onnx::{Preprocessing, encode};
use cleave::spec::Architecture;

use crate::cases::{
    self, BATCH, bytes, composed, cut, headed, logits, nested, normalised, pixels, probabilities, whole,
    write_case,
};
use crate::{assert_close, python, scripts};

const ARCHITECTURES: [(&str, Architecture); 5] = [
    ("vgg16", Architecture::Vgg16),
    ("resnet18", Architecture::Resnet18),
    ("simcnn", Architecture::Simcnn),
    ("rescnn", Architecture::Rescnn),
    ("small", Architecture::Small),
];

/// Writes a case that takes normalised floats.
fn plain(home: &Path, name: &str, package: &Package, expected: &[f32]) {
    let folder = home.join(name);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("model.onnx"), encode(package, None).unwrap()).unwrap();
    write_case(&folder, "float32", [BATCH, 3, 32, 32], &bytes(&normalised(package)), expected);
}

/// Writes a case that takes bytes in some order.
fn with_preprocessing(home: &Path, name: &str, package: &Package, order: Preprocessing) {
    let folder = home.join(name);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("model.onnx"), encode(package, Some(order)).unwrap()).unwrap();
    let (shape, input) = match order {
        Preprocessing::Nchw => ([BATCH, 3, 32, 32], pixels()),
        Preprocessing::Nhwc => ([BATCH, 32, 32, 3], channels_last(&pixels())),
    };
    write_case(&folder, "uint8", shape, &input, &probabilities(package));
}

/// Writes two cases: as it is, and folded, which changes no result.
fn both(home: &Path, name: &str, package: Package) -> usize {
    let expected = logits(&package);
    plain(home, name, &package, &expected.values);
    plain(home, &format!("{name}-folded"), &package.fold_batch_norm().unwrap(), &expected.values);
    2
}

fn channels_last(pixels: &[u8]) -> Vec<u8> {
    let image =
        |image: &[u8]| -> Vec<u8> { (0..32 * 32 * 3).map(|at| image[at % 3 * 32 * 32 + at / 3]).collect() };
    pixels.chunks_exact(3 * 32 * 32).flat_map(image).collect()
}

#[test]
fn onnxruntime_computes_what_we_compute() {
    let Some(python) = python::with(&python::ONNX) else { return };
    let home = tempfile::tempdir().unwrap();
    let mut names = 0;
    for (name, architecture) in ARCHITECTURES {
        let masked = whole(architecture, 0.125, true);
        let module = cut(&masked);
        let headed = headed(&module);
        let unmasked = masked.clone().without_masks();
        let kinds = [("masked", masked), ("unmasked", unmasked), ("module", module), ("headed", headed)];
        for (kind, package) in kinds {
            names += both(home.path(), &format!("{name}-{kind}"), package);
        }
    }
    names += both(home.path(), "composed", composed());
    names += both(home.path(), "nested", nested());
    for (order, preprocessing) in [("nhwc", Preprocessing::Nhwc), ("nchw", Preprocessing::Nchw)] {
        let masked = whole(Architecture::Rescnn, 0.125, true);
        with_preprocessing(home.path(), &format!("bytes-{order}"), &masked, preprocessing);
        let folded = cut(&masked).fold_batch_norm().unwrap();
        with_preprocessing(home.path(), &format!("bytes-{order}-folded-module"), &folded, preprocessing);
        names += 2;
    }
    let full = whole(Architecture::Vgg16, 1.0, true);
    plain(home.path(), "full-vgg16", &full, &logits(&full).values);
    let found = scripts::run(&python, &["check_onnx.py"], home.path());
    assert_eq!(found.len(), names + 1);
    found.iter().for_each(assert_close);
    let bytes = found.iter().find(|case| case["name"] == "bytes-nhwc").unwrap();
    assert_eq!((&bytes["input"], &bytes["output"]), (&"image".into(), &"probabilities".into()));
    assert_eq!(bytes["input_shape"], serde_json::json!(["batch", 32, 32, 3]));
    assert!(bytes["opset"].as_i64().unwrap() >= 17);
    let classes = bytes["metadata"]["classes"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Vec<String>>(classes).unwrap(), full.classes);
    assert!(bytes["metadata"]["provenance"].as_str().unwrap().contains("\"run\":\"run\""));
}

#[test]
fn index_maps_are_among_what_is_tested() {
    let module = cases::cut(&whole(Architecture::Resnet18, 0.125, true));
    let text = serde_json::to_string(&module.spec).unwrap();
    assert!(text.matches("\"join\"").count() >= 4, "{text}");
}

#[test]
fn a_file_is_its_parameters_and_a_few_kilobytes() {
    for architecture in [Architecture::Vgg16, Architecture::Resnet18] {
        let module = cut(&whole(architecture, 0.5, true)).fold_batch_norm().unwrap();
        let parameters: usize = module.weights.0.values().map(|array| 4 * array.values.len()).sum();
        let size = encode(&module, Some(Preprocessing::Nhwc)).unwrap().len();
        assert!(size > parameters && size < parameters + 32_000, "{size} of {parameters}");
    }
}
