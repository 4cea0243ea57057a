//! A small history for tests, with names that need escaping in every markup.

use std::collections::BTreeMap;
use std::path::Path;

use super::History;
use crate::backend::Machine;
use crate::modular::{Usage, masked_sites};
use crate::preset::Preset;
use crate::run::{
    Control, EpochRecord, Event, Manifest, MaskRecord, ModuleManifest, PROGRAM, SCHEMA, SplitRecord,
    StepRecord, Summary, now,
};
use crate::spec::Architecture;

const CLASSES: [&str; 3] = ["<script>alert(1)</script>", "a,\"b\"|`c`\n", "![x](http://x.y)"];

pub(crate) fn history() -> History {
    let manifest = manifest();
    let sites = masked_sites(&manifest.network).unwrap();
    let kernels: usize = sites.iter().map(|site| site.units).sum();
    let counts = |class: usize| (0..kernels).map(|k| if k % 3 == class { 20 } else { 2 }).collect();
    let usage = Usage::from_counts(sites, vec![20; 3], (0..3).map(counts).collect()).unwrap();
    let finished = Event::Finished { step: 8, summary: summary() };
    let change = Event::Applied { step: 3, revision: Some(1), change: "beta 1.5 to 3".into() };
    let machine = Machine {
        processor: "An <old> processor".into(),
        threads: 2,
        memory: 8 << 30,
        system: "Linux, x86_64".into(),
        gpu: None,
    };
    History {
        modules: vec![module(&manifest)],
        epochs: (1..=4).map(epoch).collect(),
        steps: (1..=8).map(step).collect(),
        events: vec![
            Event::Started { step: 0, steps_per_epoch: 2, steps: 8, device: "cpu".into() },
            Event::Machine { step: 0, program: PROGRAM.into(), machine },
            change,
            finished,
        ],
        usage: Some(usage),
        before: None,
        problems: vec!["the module x is <damaged>".into()],
        manifest,
    }
}

fn manifest() -> Manifest {
    let preset = Preset::find("paper-vgg16-cifar10", Path::new(""), &[]).unwrap();
    Manifest {
        schema: SCHEMA,
        id: "run-1".into(),
        created: now(),
        program: PROGRAM.into(),
        seed: 7,
        device: "cpu".into(),
        parent: None,
        classes: CLASSES.map(str::to_owned).into(),
        input: [1, 16, 16],
        mean: vec![0.1],
        std: vec![0.3],
        preset,
        network: Architecture::Tiny.spec([1, 16, 16], 3, 0.125, true),
    }
}

fn split(epoch: u64) -> SplitRecord {
    let t = epoch as f64 / 4.0;
    let losses = [("total", 3.0 - t), ("cross_entropy", 1.0 - t / 2.0), ("cohesion", 0.5), ("coupling", 0.4)];
    SplitRecord {
        losses: losses.map(|(name, value)| (name.to_owned(), value)).into(),
        accuracy: t,
        class_accuracy: vec![t; 3],
        masks: Some(MaskRecord {
            cohesion: 0.6 + t / 4.0,
            coupling: 0.9 - t / 2.0,
            krr: 0.8 - t / 2.0,
            layer_krr: vec![0.5; 4],
            class_krr: vec![0.4; 3],
            class_cohesion: vec![0.7; 3],
            ..MaskRecord::default()
        }),
    }
}

fn epoch(epoch: u64) -> EpochRecord {
    EpochRecord {
        step: 2 * epoch,
        epoch,
        learning_rate: 0.05,
        loss_weights: BTreeMap::from([("alpha".to_owned(), 0.5), ("beta".to_owned(), 1.5)]),
        train: split(epoch),
        valid: split(epoch),
        best_valid_accuracy: epoch as f64 / 4.0,
        seconds: 2.0,
        images_per_second: 100.0,
    }
}

fn step(step: u64) -> StepRecord {
    let train = [("total", 3.0), ("accuracy", 0.5), ("kernel_rate", 0.7)];
    StepRecord {
        step,
        seconds: step as f64,
        train: train.map(|(name, value)| (name.to_owned(), value)).into(),
        learning_rate: 0.05,
        images_per_second: 100.0,
    }
}

fn summary() -> Summary {
    Summary {
        test_accuracy: 0.9,
        valid_accuracy: 0.95,
        cohesion: Some(0.9),
        coupling: Some(0.2),
        krr: Some(0.3),
        seconds: 8.0,
        images_per_second: 100.0,
    }
}

fn module(manifest: &Manifest) -> ModuleManifest {
    let control = |draw| Control { draw, accuracy_before: 0.5, accuracy_after: Some(0.7) };
    ModuleManifest {
        name: "pair".into(),
        run: manifest.id.clone(),
        step: 8,
        created: now(),
        program: PROGRAM.into(),
        classes: CLASSES[..2].iter().map(|class| (*class).to_owned()).collect(),
        class_indices: vec![0, 1],
        threshold: Some(0.9),
        provenance: None,
        head: true,
        fold_masks: false,
        one_vs_rest: false,
        fine_tune_epochs: 1,
        input: manifest.input,
        mean: manifest.mean.clone(),
        std: manifest.std.clone(),
        kernels: 12,
        krr: 0.25,
        krr_all: 0.3,
        params: 1234,
        macs: 56_789,
        whole_accuracy: Some(0.97),
        accuracy_before: Some(0.9),
        accuracy_after: Some(0.98),
        controls: vec![control(0), control(1)],
        card: None,
        network: manifest.network.clone(),
    }
}
