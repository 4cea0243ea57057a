//! Small values for tests.

use std::path::Path;

use crate::data::{Dataset, Images};
use crate::preset::Preset;
use crate::run::{Manifest, SCHEMA};
use crate::spec::{Conv, Init, Spec, Stage};

/// A run of three classes of 1x4x4 images.
pub(super) fn manifest() -> Manifest {
    Manifest {
        schema: SCHEMA,
        id: "run".into(),
        created: String::new(),
        program: String::new(),
        seed: 3,
        device: "cpu".into(),
        parent: None,
        classes: dataset().classes,
        input: [1, 4, 4],
        mean: vec![0.5],
        std: vec![0.5],
        preset: Preset::find("digits", Path::new(""), &[]).unwrap(),
        network: spec(),
    }
}

/// Two convolutions, the second with a mask generator, and three logits.
pub(super) fn spec() -> Spec {
    let convs = [3, 4].map(|kernels| Stage::Conv(Conv::new(kernels)));
    let stages = [&convs[..], &[Stage::GlobalAvgPool, Stage::Linear { outputs: 3 }]].concat();
    Spec { input: [1, 4, 4], init: Init::default(), stages }.with_masks()
}

/// Four images of each class in each split.
pub(super) fn dataset() -> Dataset {
    let labels: Vec<u32> = (0..12).map(|index| index % 3).collect();
    let pixels = (0..12 * 16).map(|index| (index * 37 % 256) as u8).collect();
    let images = Images { shape: [1, 4, 4], pixels, labels };
    Dataset {
        name: "digits".into(),
        classes: ["a", "b", "c"].map(String::from).to_vec(),
        train: images.clone(),
        valid: images.clone(),
        test: images,
        mean: vec![0.5],
        std: vec![0.5],
    }
}
