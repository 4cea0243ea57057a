//! PyTorch directories in PyTorch.

use std::fs;
use std::path::{Path, PathBuf};

use cleave::export::{Package, pytorch, write_all};
use cleave::import;
use cleave::spec::Architecture;

use crate::cases::{BATCH, composed, cut, headed, logits, nested, pixels, whole, write_case};
use crate::{assert_close, python, scripts};

#[test]
fn pytorch_loads_every_array_and_computes_what_we_compute_and_we_read_what_it_saves() {
    let Some(python) = python::with(&python::TORCH) else { return };
    let home = tempfile::tempdir().unwrap();
    let packages = directories(home.path());
    check(&scripts::run(&python, &["check_pytorch.py"], home.path()), packages.len());
    for (folder, package) in packages {
        let saved = fs::read(folder.join("saved.pth")).unwrap();
        let arrays = import::read(&saved, import::Format::Pytorch).unwrap();
        let weights = import::assign(&package.spec, arrays, &import::Mapping::default()).unwrap();
        assert_eq!(weights, package.weights);
    }
}

/// So that the source that is written runs in every test, PyTorch or not.
#[test]
fn a_stand_in_for_pytorch_loads_every_array_and_computes_what_we_compute() {
    let Some(python) = python::with(&python::NUMPY) else { return };
    let home = tempfile::tempdir().unwrap();
    let packages = directories(home.path());
    check(&scripts::run(&python, &["check_pytorch.py", "--stand-in"], home.path()), packages.len());
}

fn check(found: &[serde_json::Value], cases: usize) {
    assert_eq!(found.len(), cases);
    for case in found {
        assert_close(case);
        assert_eq!(case["classes"][2], "a \"b\"");
    }
}

/// Exported networks with what is expected of them, a directory each.
fn directories(home: &Path) -> Vec<(PathBuf, Package)> {
    let mut packages = vec![("composed".to_owned(), composed()), ("nested".to_owned(), nested())];
    for (name, architecture) in [
        ("vgg16", Architecture::Vgg16),
        ("resnet18", Architecture::Resnet18),
        ("simcnn", Architecture::Simcnn),
        ("rescnn", Architecture::Rescnn),
        ("small", Architecture::Small),
    ] {
        let masked = whole(architecture, 0.125, true);
        let module = cut(&masked);
        let folded = module.clone().fold_batch_norm().unwrap();
        let headed = headed(&module);
        for (kind, package) in
            [("masked", masked), ("module", module), ("folded", folded), ("headed", headed)]
        {
            packages.push((format!("{name}-{kind}"), package));
        }
    }
    let write = |(name, package): (String, Package)| {
        let folder = home.join(name);
        let files = pytorch::encode(&package).unwrap();
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &**bytes)).collect();
        write_all(&folder, &files, false).unwrap();
        write_case(&folder, "uint8", [BATCH, 3, 32, 32], &pixels(), &logits(&package).values);
        (folder, package)
    };
    packages.into_iter().map(write).collect()
}
