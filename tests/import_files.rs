//! Checkpoints of other programs as data. The files in `import_files` were written by PyTorch 2.15, but for those
//! that the tests damage.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use cleave::backend::{Cpu, cpu_device};
use cleave::import::{Error, File, Format, read};
use cleave::network::Network;
use cleave::spec::{Architecture, Array};
use proptest::prelude::*;

const STATE_DICT: &[u8] = include_bytes!("import_files/state_dict.pth");
const PROTOCOL_5: &[u8] = include_bytes!("import_files/protocol5.pth");
const NESTED: &[u8] = include_bytes!("import_files/nested.pth");
const CODE: &[u8] = include_bytes!("import_files/code.pth");
const WHOLE_MODULE: &[u8] = include_bytes!("import_files/whole_module.pth");
const INTEGERS: &[u8] = include_bytes!("import_files/integers.pth");
const TWO: &[u8] = include_bytes!("import_files/two.pth");
const LEGACY: &[u8] = include_bytes!("import_files/legacy.pth");

fn refusal(bytes: &[u8]) -> String {
    read(bytes, Format::Pytorch).unwrap_err().to_string()
}

/// The numbers of the files: -1, -7/8, -6/8 and so on.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|index| index as f32 / 8.0 - 1.0).collect()
}

#[test]
fn a_state_dict_is_read_with_transposed_and_narrow_and_wide_tensors() {
    for bytes in [STATE_DICT, PROTOCOL_5] {
        let arrays = read(bytes, Format::Pytorch).unwrap();
        let names: Vec<&str> = arrays.keys().map(String::as_str).collect();
        assert_eq!(names, ["b", "conv.weight", "d", "fc.bias", "fc.weight"]);
        assert_eq!(
            (&arrays["conv.weight"].shape, &arrays["conv.weight"].values),
            (&vec![2, 1, 3, 3], &numbers(18))
        );
        // A view: `[4, 2]` transposed.
        let straight = numbers(8);
        let transposed: Vec<f32> = [0, 2, 4, 6, 1, 3, 5, 7].map(|at| straight[at]).to_vec();
        assert_eq!((&arrays["fc.weight"].shape, &arrays["fc.weight"].values), (&vec![2, 4], &transposed));
        for (name, count) in [("fc.bias", 2), ("d", 3), ("b", 3)] {
            assert_eq!(arrays[name].values, numbers(count), "{name}");
        }
    }
}

#[test]
fn weights_are_found_beside_other_things() {
    let arrays = read(NESTED, Format::Pytorch).unwrap();
    assert_eq!(arrays.keys().collect::<Vec<_>>(), ["module.a"]);
    assert_eq!(arrays["module.a"].values, numbers(4));
}

/// `import_files/layouts.py` wrote these with PyTorch, and what it computes with them.
#[test]
fn networks_under_the_names_of_other_repositories_compute_what_pytorch_computes() {
    for (name, architecture, modular) in [
        ("vgg16", Architecture::Vgg16, false),
        ("vgg16_masked", Architecture::Vgg16, true),
        ("resnet18_downsample", Architecture::Resnet18, false),
        ("resnet18_shortcut", Architecture::Resnet18, false),
        ("resnet18_residual_function", Architecture::Resnet18, false),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import_files");
        let file = File::open(&folder.join(format!("layout_{name}.pth")), None).unwrap();
        let spec = architecture.spec([3, 32, 32], 3, 1.0 / 32.0, modular);
        let weights = file.weights(&spec, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let network = Network::<Cpu>::new(spec, &weights, &cpu_device()).unwrap();
        let images: Vec<f32> =
            (0..2 * 3 * 32 * 32).map(|index| (0.37 * f64::from(index)).sin() as f32).collect();
        let images = Tensor::from_data(TensorData::new(images, [2, 3, 32, 32]), &cpu_device());
        let found = Array::from_tensor(network.forward(images).logits);
        let text = std::fs::read_to_string(folder.join(format!("layout_{name}.json"))).unwrap();
        let expected: Vec<f32> = serde_json::from_str(&text).unwrap();
        assert_eq!(found.shape, [2, 3], "{name}");
        for (found, expected) in found.values.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{name}: {found} {expected}");
        }
    }
}

#[test]
fn what_does_not_fit_is_told_name_by_name_with_both_shapes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import_files");
    let file = File::open(&folder.join("layout_vgg16.pth"), None).unwrap();
    let refusal = |spec: cleave::spec::Spec| file.weights(&spec, None).unwrap_err().to_string();
    let wider = refusal(Architecture::Vgg16.spec([3, 32, 32], 3, 1.0 / 16.0, false));
    for said in [
        "0 missing, 83 of another shape, 0 unknown",
        "shape: `conv0.conv.weight` is [4, 3, 3, 3] in the network, the file's `features.0.weight` is [2, 3, 3, 3]",
        "`linear2.weight` is [3, 32] in the network, the file's `classifier.6.weight` is [3, 16]",
    ] {
        assert!(wider.contains(said), "{said} in {wider}");
    }
    let masked = refusal(Architecture::Vgg16.spec([3, 32, 32], 3, 1.0 / 32.0, true));
    assert!(masked.contains("missing: `conv1.mask_generator.hidden.weight` [2, 2]"), "{masked}");
}

#[test]
fn code_is_refused_by_name_and_not_run() {
    // On this system `os.system` is `posix.system`.
    assert!(refusal(CODE).contains("`posix.system`"), "{}", refusal(CODE));
    assert!(matches!(read(CODE, Format::Pytorch), Err(Error::Code(_))));
    let text = refusal(WHOLE_MODULE);
    assert!(text.contains("`torch.nn.modules.linear.Linear`") && text.contains("state_dict()"), "{text}");
}

#[test]
fn what_is_no_weights_is_refused_with_the_reason() {
    assert!(refusal(INTEGERS).contains("array `i` holds LongStorage values"), "{}", refusal(INTEGERS));
    assert!(refusal(TWO).contains("several sets of weights (a, b)"), "{}", refusal(TWO));
    assert!(refusal(LEGACY).contains("before 1.6"), "{}", refusal(LEGACY));
    assert!(refusal(b"").contains("too short"));
    assert!(
        read(b"\x08\0\0\0\0\0\0\0{}", Format::Safetensors).unwrap_err().to_string().contains("safetensors")
    );
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    for length in 0..STATE_DICT.len() {
        assert!(read(&STATE_DICT[..length], Format::Pytorch).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn no_damage_makes_more_than_an_error(
        flips in proptest::collection::vec((0..STATE_DICT.len(), any::<u8>()), 1..6),
        nested: bool,
    ) {
        let mut bytes = if nested { NESTED } else { STATE_DICT }.to_vec();
        let length = bytes.len();
        flips.iter().for_each(|&(at, value)| bytes[at % length] = value);
        if let Ok(arrays) = read(&bytes, Format::Pytorch) {
            prop_assert!(arrays.values().all(|a| a.shape.iter().product::<usize>() == a.values.len()));
        }
    }

    #[test]
    fn no_bytes_make_more_than_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes, Format::Pytorch);
        let _ = read(&bytes, Format::Safetensors);
    }
}
