use std::path::Path;
use std::time::Duration;

use super::*;
use crate::backend::{Cpu, cpu_device};
use crate::paths::Paths;
use crate::run::Store;
use crate::session::Prepared;

/// A small run on digits with changes of the preset, which is no longer than its home.
fn trainer(changes: &[&str]) -> (tempfile::TempDir, Trainer<Cpu>) {
    let common = ["data.limit=200", "network.width=0.25", "training.epochs=4", "training.batch=30"];
    let changes: Vec<_> = common.iter().chain(changes).map(|change| change.parse().unwrap()).collect();
    let preset = Preset::find("digits", Path::new(""), &changes).unwrap();
    let home = tempfile::tempdir().unwrap();
    let store = Store::new(&Paths::below(home.path()));
    let Prepared { writer, dataset, checkpoint, .. } =
        Prepared::new(preset, Some("run"), "cpu", &store, Path::new("")).unwrap();
    let trainer = Trainer::new(writer, dataset, &checkpoint, cpu_device(), &[]).unwrap();
    (home, trainer)
}

/// Trains to the epoch's end; gives the records of its steps.
fn epoch(trainer: &mut Trainer<Cpu>) -> Vec<StepRecord> {
    let mut records = Vec::new();
    loop {
        trainer.train_step();
        records.extend(trainer.read_steps().unwrap());
        if trainer.at_epoch_end() {
            return records;
        }
    }
}

#[test]
fn the_records_of_an_epochs_steps_hold_all_of_it() {
    let (_home, mut trainer) = trainer(&[]);
    let images = trainer.dataset.train.len();
    for number in 1..=2 {
        let records = epoch(&mut trainer);
        let (record, _) = trainer.finish_epoch().unwrap();
        assert_eq!(records.last().unwrap().step, record.step);
        // All steps but an epoch's last have a whole batch.
        let before = (number - 1) * trainer.steps_per_epoch();
        let seen = |step: u64| ((step - before) as usize * 30).min(images);
        let mut from = before;
        let mut sums = BTreeMap::<&str, f64>::new();
        for steps in &records {
            let count = seen(steps.step) - seen(from);
            for name in ["cross_entropy", "total", "accuracy"] {
                *sums.entry(name).or_default() += steps.train[name] * count as f64;
            }
            from = steps.step;
        }
        let mean = |name: &str| sums[name] / images as f64;
        for name in ["cross_entropy", "total"] {
            let whole = record.train.losses[name];
            assert!((mean(name) - whole).abs() < 1e-12 * whole, "{name}: {} {whole}", mean(name));
        }
        assert!((mean("accuracy") - record.train.accuracy).abs() < 1e-12);
        assert_eq!(records.last().unwrap().learning_rate, record.learning_rate);
    }
}

#[test]
fn neither_evaluation_nor_a_pause_slows_the_steps_of_a_record() {
    let (_home, mut trainer) = trainer(&[]);
    epoch(&mut trainer);
    trainer.finish_epoch().unwrap();
    std::thread::sleep(Duration::from_millis(400));
    let begun = Instant::now();
    trainer.train_step();
    let longest = begun.elapsed().as_secs_f64();
    let record = trainer.record_steps().unwrap().unwrap();
    assert!(30.0 / record.images_per_second <= longest + 0.1, "{} {longest}", record.images_per_second);
    assert_eq!(trainer.record_steps().unwrap(), None, "no step has been taken since");
}

fn steps_on_disk(trainer: &Trainer<Cpu>) -> Vec<u64> {
    trainer.writer.run.checkpoints().unwrap().into_iter().map(|(step, _)| step).collect()
}

#[test]
fn the_best_epochs_checkpoint_is_kept_however_short_epochs_are() {
    let (_home, mut trainer) = trainer(&["training.epochs=12"]);
    let mut put_off = 0;
    for _ in 0..11 {
        // As if saving took an hour: no checkpoint is due.
        trainer.clock.saved(Duration::from_secs(3600));
        epoch(&mut trainer);
        trainer.finish_epoch().unwrap();
        let written = trainer.keep_epoch().unwrap();
        let best = trainer.best.unwrap();
        if best.step == trainer.step {
            assert!(written.is_empty(), "it may be better still after the next epoch");
            put_off += 1;
        } else {
            assert!(steps_on_disk(&trainer).contains(&best.step), "{best:?}: {:?}", steps_on_disk(&trainer));
            let kept = trainer.writer.run.load(best.step).unwrap();
            assert_eq!((kept.step, kept.info.best), (best.step, Some(best)));
        }
    }
    assert!(put_off > 0);
    let best = trainer.best.unwrap().step;
    let written = trainer.checkpoint(None).unwrap();
    assert_eq!(written.last(), Some(&trainer.step));
    assert!(steps_on_disk(&trainer).contains(&best), "{best}: {:?}", steps_on_disk(&trainer));
}

#[test]
fn a_checkpoint_that_was_put_off_is_written_before_a_setting_changes() {
    let (_home, mut trainer) = trainer(&[]);
    epoch(&mut trainer);
    trainer.finish_epoch().unwrap();
    trainer.clock.saved(Duration::from_secs(3600));
    assert_eq!(trainer.keep_epoch().unwrap(), Vec::<u64>::new());
    let state = trainer.state().unwrap();
    let step = trainer.step;
    trainer.train_step();
    assert_eq!(trainer.write_put_off().unwrap(), Some(step));
    assert_eq!(trainer.writer.run.load(step).unwrap().weights, state);
    assert_eq!(trainer.write_put_off().unwrap(), None);
}

const PHASES: &str = "phase=[{ name = 'warm-up', epochs = 1, objective = 'cross-entropy', learning_rate = 0.02 }, \
                      { epochs = 2, train = 'masks', weights = { beta = 3 } }, \
                      { epochs = 1, train = { stages = [0, 1] } }]";

#[test]
fn a_phase_puts_its_settings_in_force_and_those_given_by_hand_hold_until_the_next() {
    let (_home, mut trainer) = trainer(&[PHASES]);
    let weight = |trainer: &Trainer<Cpu>, name: &str| trainer.settings.weights()[name];
    let begun = trainer.begin_phase().unwrap().unwrap();
    assert_eq!((begun.step, begun.title().as_str()), (0, "1 of 3, warm-up"));
    assert_eq!((weight(&trainer, "alpha"), weight(&trainer, "beta")), (0.0, 0.0));
    assert_eq!((trainer.rate(), trainer.begin_phase().unwrap()), (0.02, None));
    let set = |trainer: &mut Trainer<Cpu>, text: &str| trainer.set(&text.parse().unwrap()).unwrap();
    ["alpha = 7", "learning rate = 0.5", "freeze conv0"].iter().for_each(|text| set(&mut trainer, text));
    let records = epoch(&mut trainer);
    assert!(records.iter().all(|record| record.phase == Some(1) && record.learning_rate == 0.5));
    let (record, _) = trainer.finish_epoch().unwrap();
    assert_eq!((record.phase, record.loss_weights["alpha"], record.learning_rate), (Some(1), 7.0, 0.5));

    let begun = trainer.begin_phase().unwrap().unwrap();
    assert_eq!((begun.step, begun.phase, begun.weights["beta"]), (trainer.step, 2, 3.0));
    assert_eq!(weight(&trainer, "alpha"), trainer.preset.method.weights()[0].1);
    assert!(!trainer.settings.frozen.holds("conv1.mask_generator"));
    assert!(trainer.settings.frozen.holds("conv0") && trainer.settings.frozen.holds("conv1.conv"));
    assert_eq!(trainer.rate(), scheduled_rate(&trainer.preset, 1));
    for _ in 0..2 {
        assert_eq!(trainer.begin_phase().unwrap(), None);
        epoch(&mut trainer);
        trainer.finish_epoch().unwrap();
    }
    let begun = trainer.begin_phase().unwrap().unwrap();
    assert_eq!(begun.frozen, ["conv1", "conv2", "conv3", "conv4", "linear0"]);
}

/// Bits of the arrays whose names begin so.
fn bits(state: &State, part: &str) -> Vec<Vec<u32>> {
    let of_part = state.0.iter().filter(|(name, _)| name.starts_with(part));
    of_part.map(|(_, array)| array.values.iter().map(|value| value.to_bits()).collect()).collect()
}

#[test]
fn what_is_frozen_keeps_its_bits_and_its_velocity_and_the_rest_trains() {
    let (_home, mut trainer) = trainer(&[]);
    epoch(&mut trainer);
    for part in ["conv0", "conv2.mask_generator", "conv3.bn"] {
        trainer.set(&Setting::Freeze { layer: part.into() }).unwrap();
    }
    let velocity = |trainer: &Trainer<Cpu>| trainer.learner.optimiser().velocity(trainer.learner.network());
    let (before, moving) = (trainer.state().unwrap(), velocity(&trainer));
    for _ in 0..3 {
        trainer.train_step();
    }
    let (after, moved) = (trainer.state().unwrap(), velocity(&trainer));
    for part in ["conv0.", "conv2.mask_generator.", "conv3.bn."] {
        assert!(!bits(&before, part).is_empty());
        assert_eq!(bits(&before, part), bits(&after, part), "{part}");
        assert_eq!(bits(&moving, part), bits(&moved, part), "velocity of {part}");
    }
    for part in ["conv1.", "conv2.conv.", "conv2.bn.running_mean", "conv3.conv.", "linear0."] {
        assert_ne!(bits(&before, part), bits(&after, part), "{part}");
    }
    trainer.set(&Setting::Thaw { layer: "conv0".into() }).unwrap();
    trainer.train_step();
    assert_ne!(bits(&after, "conv0."), bits(&trainer.state().unwrap(), "conv0."));
}
