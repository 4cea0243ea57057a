//! A Burn directory in a program that uses Burn.
//!
//! `golden_model.rs` is the `model.rs` of [`nested`], compiled here as it is: batch norm, masks, projections, index
//! maps, branches in branches, a convolution that normalises anew. After a change of what is written,
//! `CLEAVE_WRITE_GOLDEN=1 cargo test --release --test export_peers` writes it anew.

use std::fs;
use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use cleave::backend::{Cpu, cpu_device};
use cleave::export::{burn_model as export, write_all};
use cleave::spec::Array;

use crate::cases::{BATCH, logits, nested, normalised};

#[allow(dead_code, missing_docs, clippy::let_and_return, reason = "written by the program")]
#[rustfmt::skip]
#[path = "golden_model.rs"]
mod model;

#[test]
fn the_golden_model_is_what_is_written() {
    let files = export::encode::<Cpu>(&nested(), &cpu_device()).unwrap();
    let (name, source) = &files[1];
    assert_eq!(*name, "model.rs");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export_peers/golden_model.rs");
    if std::env::var_os("CLEAVE_WRITE_GOLDEN").is_some() {
        fs::write(&path, source).unwrap();
    }
    assert!(fs::read(&path).unwrap() == *source, "{} is not what is written now", path.display());
}

#[test]
fn a_burn_program_loads_the_record_and_computes_what_we_compute() {
    let package = nested();
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("burn");
    let files = export::encode::<Cpu>(&package, &cpu_device()).unwrap();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &**bytes)).collect();
    write_all(&folder, &files, false).unwrap();
    let device = cpu_device();
    type Plain = <Cpu as burn::tensor::backend::AutodiffBackend>::InnerBackend;
    let model = model::Model::<Plain>::load(&folder.join("model"), &device).unwrap();
    let images = TensorData::new(normalised(&package), [BATCH, 3, 32, 32]);
    let found = Array::from_tensor(model.forward(Tensor::from_data(images, &device)));
    let expected = logits(&package);
    assert_eq!(found.shape, expected.shape);
    for (found, expected) in found.values.iter().zip(&expected.values) {
        assert!((found - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{found} {expected}");
    }
    assert_eq!(model::CLASSES[2], "a \"b\"");
}

#[test]
fn the_same_weights_make_the_same_record() {
    let record = || export::encode::<Cpu>(&nested(), &cpu_device()).unwrap().swap_remove(0).1;
    assert!(record() == record());
}
