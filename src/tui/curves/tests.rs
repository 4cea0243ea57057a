use std::collections::BTreeMap;

use super::*;
use crate::preset::{Objective, Preset};
use crate::run::{MaskRecord, PROGRAM, PhaseStart, SCHEMA};

/// The manifest of a run of a preset.
pub fn manifest(run: &str, preset: &str, parent: Option<(&str, u64)>) -> Manifest {
    let text = crate::preset::embedded().find(|(name, _)| *name == preset).unwrap().1;
    let preset = Preset::parse(text, preset, &[]).unwrap();
    let input = if preset.name == "digits-mwt" { [1, 16, 16] } else { [3, 32, 32] };
    Manifest {
        schema: SCHEMA,
        id: run.into(),
        created: "2026-03-01T12:00:00Z".into(),
        program: PROGRAM.into(),
        seed: 0,
        device: "cpu".into(),
        parent: parent.map(|(run, step)| Parent { run: run.into(), step }),
        classes: (0..10).map(|class| class.to_string()).collect(),
        input,
        mean: vec![0.5; input[0]],
        std: vec![0.5; input[0]],
        network: preset.spec(input, 10).unwrap(),
        preset,
    }
}

fn losses(step: u64, of: u64, weights: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let progress = step as f64 / of as f64;
    let wave = ((step * 37 % 11) as f64 - 5.0) / 100.0;
    let terms = [("cohesion", 0.6 - 0.5 * progress), ("coupling", 0.7 - 0.5 * progress)];
    let cross_entropy = 0.1 + 2.0 * (-4.0 * progress).exp() + wave;
    let names = ["alpha", "beta"];
    let weighted: f64 =
        names.iter().zip(terms).map(|(name, (_, value))| weights.get(*name).unwrap_or(&0.0) * value).sum();
    let mut losses = BTreeMap::from([
        ("cross_entropy".to_owned(), cross_entropy),
        ("total".to_owned(), cross_entropy + weighted),
    ]);
    if !weights.is_empty() {
        losses.extend(terms.map(|(name, value)| (name.to_owned(), value)));
    }
    losses
}

/// A record of steps; ten steps take a second.
pub fn steps(step: u64, of: u64, weights: &BTreeMap<String, f64>) -> StepRecord {
    let progress = step as f64 / of as f64;
    let mut train = losses(step, of, weights);
    let wave = ((step * 53 % 13) as f64 - 6.0) / 100.0;
    train.insert("accuracy".into(), (0.98 - 0.8 * (-5.0 * progress).exp() + wave).clamp(0.0, 1.0));
    train.insert("kernel_rate".into(), 0.9 - 0.7 * progress);
    StepRecord {
        phase: None,
        step,
        seconds: step as f64 / 10.0,
        train,
        learning_rate: 0.05,
        images_per_second: 5_012.0,
    }
}

/// A record of an epoch.
pub fn epoch(step: u64, per: u64, of: u64, weights: &BTreeMap<String, f64>) -> EpochRecord {
    let progress = step as f64 / of as f64;
    let split = |below: f64| SplitRecord {
        losses: losses(step, of, weights),
        accuracy: (0.97 - 0.8 * (-5.0 * progress).exp() - below).clamp(0.0, 1.0),
        class_accuracy: Vec::new(),
        masks: (!weights.is_empty()).then(|| MaskRecord {
            cohesion: 0.3 + 0.6 * progress,
            coupling: 0.8 - 0.6 * progress,
            krr: 0.9 - 0.7 * progress,
            ..MaskRecord::default()
        }),
    };
    EpochRecord {
        phase: None,
        step,
        epoch: step / per,
        learning_rate: 0.05,
        loss_weights: weights.clone(),
        train: split(0.0),
        valid: split(0.02),
        best_valid_accuracy: 0.97,
        seconds: 2.0,
        images_per_second: 5_012.0,
    }
}

fn digits() -> (Manifest, BTreeMap<String, f64>) {
    let manifest = manifest("run", "digits-mwt", None);
    let weights = manifest.preset.method.weights();
    (manifest, weights.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn started(step: u64) -> Event {
    Event::Started { step, steps_per_epoch: 10, steps: 1_000, device: "cpu".into() }
}

fn applied(step: u64, change: &str) -> Event {
    Event::Applied { step, revision: Some(1), change: change.parse().unwrap() }
}

#[test]
fn the_parts_of_the_loss_add_up_to_it() {
    let (manifest, mut weights) = digits();
    let mut curves = Curves::new(&manifest, 0.0);
    curves.event(&started(0));
    curves.event(&Event::Steps(steps(10, 1_000, &weights)));
    curves.event(&applied(10, "beta = 9"));
    weights.insert("beta".into(), 9.0);
    curves.event(&Event::Steps(steps(20, 1_000, &weights)));
    assert_eq!(
        curves.parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(),
        ["cross-entropy", "alpha*cohesion", "beta*coupling"]
    );
    for x in [10.0, 20.0] {
        let sum: f64 = curves.parts.iter().map(|part| part.steps.raw().nearest(x).unwrap().1).sum();
        assert!((sum - curves.line(Measure::Loss).steps.raw().nearest(x).unwrap().1).abs() < 1e-12);
    }
}

#[test]
fn a_change_remembers_what_was_before() {
    let (manifest, _) = digits();
    let mut curves = Curves::new(&manifest, 0.0);
    for event in [started(0), applied(5, "beta = 1.5"), applied(9, "learning rate = 0.001")] {
        curves.event(&event);
    }
    let labels: Vec<String> = curves.changes.iter().map(|applied| applied.label("->")).collect();
    assert_eq!(labels, ["beta 3->1.5", "lr 0.05->0.001"]);
}

#[test]
fn a_run_loaded_from_its_logs_has_the_series_of_the_live_one() {
    let (manifest, weights) = digits();
    let mut live = Curves::new(&manifest, 0.6);
    live.event(&started(0));
    let (mut records, mut epochs) = (Vec::new(), Vec::new());
    for step in (5..=100).step_by(5) {
        records.push(steps(step, 1_000, &weights));
        live.event(&Event::Steps(steps(step, 1_000, &weights)));
        if step % 10 == 0 {
            epochs.push(epoch(step, 10, 1_000, &weights));
            live.event(&Event::Epoch(Box::new(epoch(step, 10, 1_000, &weights))));
        }
    }
    let logs = Logs { manifest, epochs, steps: records, events: vec![started(0)], checkpoints: vec![] };
    let loaded = Curves::load(&logs, u64::MAX, 0.6);
    for measure in Measure::ALL {
        let points = |curves: &Curves| -> Vec<(f64, f64)> {
            let line = curves.line(measure);
            let all = (f64::NEG_INFINITY, f64::INFINITY);
            line.steps.smooth().points(all.0, all.1).chain(line.valid.points(all.0, all.1)).collect()
        };
        assert_eq!(points(&live), points(&loaded), "{measure:?}");
    }
    assert_eq!((loaded.step, loaded.best), (live.step, live.best));
}

#[test]
fn a_session_goes_on_with_the_changes_that_its_checkpoint_holds() {
    let (manifest, _) = digits();
    let mut curves = Curves::new(&manifest, 0.0);
    for event in [
        started(0),
        applied(10, "beta = 4"),
        Event::Checkpointed { step: 20 },
        applied(20, "beta = 8"),
        started(20),
    ] {
        curves.event(&event);
    }
    assert_eq!((curves.changes.len(), curves.weights["beta"]), (1, 4.0));
}

#[test]
fn seconds_count_on_over_sessions() {
    let (manifest, weights) = digits();
    let mut curves = Curves::new(&manifest, 0.0);
    curves.event(&started(0));
    curves.event(&Event::Steps(steps(100, 1_000, &weights)));
    curves.event(&started(100));
    let mut record = steps(110, 1_000, &weights);
    record.seconds = 1.0;
    curves.event(&Event::Steps(record));
    assert_eq!((curves.seconds_at(110), curves.seconds_at(50)), (11.0, 5.0));
    assert_eq!(curves.seconds_per_step(), None, "one record of this session");
}

#[test]
fn a_million_steps_take_bounded_memory_and_no_spike_is_lost() {
    let (manifest, weights) = digits();
    let mut curves = Curves::new(&manifest, 0.6);
    curves.event(&started(0));
    let mut event = Event::Steps(steps(1, 1_000_000, &weights));
    for step in 1..=1_000_000 {
        if let Event::Steps(record) = &mut event {
            (record.step, record.seconds) = (step, step as f64);
            *record.train.get_mut("accuracy").unwrap() = if step == 123_457 { -7.0 } else { 0.5 };
        }
        curves.event(&event);
        if step % 100 == 0 {
            curves.event(&Event::Checkpointed { step });
        }
    }
    let accuracy = curves.line(Measure::Accuracy).steps.raw();
    let kept = accuracy.points(0.0, 1e9).count();
    assert!(kept < 20_000, "{kept} points");
    assert_eq!((accuracy.len(), accuracy.lowest()), (1_000_000, Some((123_457.0, -7.0))));
    assert_eq!((curves.checkpoints.len(), curves.checkpoints.last()), (CHECKPOINTS, Some(&1_000_000)));
}

#[test]
fn numbers_are_short() {
    let texts = [0.0, 0.5, 3.0, 1.25, 0.05, 0.00012, 1e-5, 123_456.0].map(short);
    assert_eq!(texts, ["0", "0.5", "3", "1.25", "0.05", "1.2e-4", "1e-5", "1.23e5"]);
}

fn phase(step: u64, number: u64, frozen: &[&str]) -> Event {
    Event::Phase(Box::new(PhaseStart {
        step,
        phase: number,
        phases: 3,
        name: None,
        objective: Objective::Method,
        weights: [("alpha".to_owned(), 0.5), ("beta".to_owned(), number as f64)].into(),
        learning_rate: None,
        frozen: frozen.iter().map(|part| (*part).to_owned()).collect(),
    }))
}

#[test]
fn a_session_goes_on_in_the_phase_of_its_checkpoint() {
    let (manifest, _) = digits();
    let mut curves = Curves::new(&manifest, 0.0);
    let before = [
        phase(0, 1, &[]),
        started(0),
        applied(5, "beta = 7"),
        phase(10, 2, &["conv0"]),
        applied(10, "freeze conv1"),
        Event::Checkpointed { step: 15 },
        phase(20, 3, &[]),
        applied(25, "thaw conv0"),
    ];
    before.iter().for_each(|event| curves.event(event));
    assert_eq!((curves.weights["beta"], curves.frozen.parts().len()), (3.0, 0));
    curves.event(&started(15));
    assert_eq!((curves.weights["beta"], curves.frozen.parts()), (2.0, vec!["conv0".into(), "conv1".into()]));
    let numbers = |curves: &Curves| curves.phases.iter().map(|begun| begun.phase).collect::<Vec<_>>();
    assert_eq!(numbers(&curves), [1, 2]);
    curves.event(&phase(20, 3, &[]));
    curves.event(&started(20));
    curves.event(&phase(20, 3, &[]));
    assert_eq!(numbers(&curves), [1, 2, 3], "a phase that begins again is one");
}
