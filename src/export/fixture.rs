//! A small package for tests.

use super::package::{Package, Provenance};
use crate::spec::{Architecture, Join, Spec, Stage, State};

/// A masked network with a residual sum whose paths have different channels.
pub(super) fn package() -> Package {
    let spec = joined();
    Package {
        weights: State::init(&spec, 3).unwrap_or_default(),
        spec,
        classes: vec!["cat".into(), "dög \"x\"".into()],
        class_indices: vec![3, 5],
        input: [3, 8, 8],
        mean: vec![0.1, 0.2, 0.3],
        std: vec![0.4, 0.5, 0.6],
        provenance: Provenance {
            run: "r".into(),
            module: Some("m".into()),
            step: 7,
            program: "0".into(),
            threshold: Some(0.9),
            split: None,
            fine_tune_epochs: 1,
            one_vs_rest: false,
            parents: Vec::new(),
            licence: Some("MIT".into()),
        },
    }
}

fn joined() -> Spec {
    let mut spec = Architecture::Resnet18.spec([3, 8, 8], 2, 0.125, true);
    if let Stage::Residual(residual) = &mut spec.stages[1] {
        residual.body[1].kernels = 2;
        residual.join = Some(Join { channels: 8, body: vec![1, 4], shortcut: (0..8).collect() });
    }
    spec
}
