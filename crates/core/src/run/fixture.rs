//! Small values for tests.

use std::path::Path;

use super::{
    Best, Card, Checkpoint, CheckpointInfo, EpochSums, Manifest, Module, ModuleManifest, PROGRAM, SCHEMA,
    Store, now,
};
use crate::modular::Provenance;
use crate::paths::Paths;
use crate::preset::Preset;
use crate::spec::{Conv, Init, Spec, Stage, State};

pub(super) fn store() -> (tempfile::TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::new(&Paths::below(home.path()));
    (home, store)
}

fn preset() -> Preset {
    Preset::find("digits", Path::new(""), &[]).unwrap()
}

pub(super) fn spec() -> Spec {
    let stages = vec![Stage::Conv(Conv::new(3)), Stage::Flatten, Stage::Linear { outputs: 2 }];
    Spec { input: [1, 4, 4], init: Init::default(), stages }
}

pub(super) fn manifest() -> Manifest {
    Manifest {
        schema: SCHEMA,
        id: String::new(),
        created: now(),
        program: PROGRAM.into(),
        seed: u64::MAX,
        device: "cpu".into(),
        parent: None,
        classes: vec!["zero".into(), "one".into()],
        input: [1, 4, 4],
        mean: vec![0.1],
        std: vec![0.3],
        preset: preset(),
        network: spec(),
    }
}

pub(super) fn checkpoint(step: u64) -> Checkpoint {
    let weights = State::init(&spec(), step).unwrap();
    let mut velocity = weights.clone();
    velocity.0.retain(|name, _| !name.contains("running"));
    let best = Some(Best { step, accuracy: 0.1 + 0.2 });
    let loss_weights = [("alpha".to_owned(), 0.5)].into();
    let epoch_sums = EpochSums::Named([("total".to_owned(), 0.1 + 0.2), ("correct".to_owned(), 7.0)].into());
    let info = CheckpointInfo { loss_weights, best, epoch_sums, seconds: 1.5, ..CheckpointInfo::default() };
    Checkpoint { step, epoch: step / 2, spec: spec(), weights, velocity, method: State::default(), info }
}

pub(super) fn module(name: &str) -> Module {
    let manifest = ModuleManifest {
        name: name.into(),
        run: "digits".into(),
        step: 7,
        created: now(),
        program: PROGRAM.into(),
        classes: vec!["one".into(), "rest".into()],
        class_indices: vec![1],
        threshold: Some(0.9),
        head: true,
        fold_masks: false,
        one_vs_rest: true,
        fine_tune_epochs: 0,
        input: [1, 4, 4],
        mean: vec![0.1],
        std: vec![0.3],
        kernels: 3,
        krr: 0.25,
        krr_all: 0.5,
        params: 128,
        macs: 528,
        whole_accuracy: None,
        accuracy_before: Some(0.75),
        accuracy_after: None,
        controls: Vec::new(),
        provenance: Some(Provenance::usage(0.9)),
        card: Some(Card::default()),
        network: spec(),
    };
    Module { manifest, weights: State::init(&spec(), 1).unwrap() }
}
