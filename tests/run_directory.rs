//! What a user can see of run directories: names, locks, crashes, damage, full and read-only disks.

#![allow(clippy::unwrap_used)]

#[cfg(target_os = "linux")]
#[path = "common/mount.rs"]
mod mount;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cleave::paths::Paths;
use cleave::preset::Preset;
use cleave::run::{
    Checkpoint, CheckpointInfo, EpochRecord, Error, Manifest, PROGRAM, SCHEMA, SplitRecord, Status, Store,
    Writer, now,
};
use cleave::spec::{Conv, Init, Spec, Stage, State};
#[cfg(target_os = "linux")]
use mount::Mount;
use serde_json::json;

/// Names the home directory for the process that [`train_until_killed`] starts.
const VICTIM: &str = "CLEAVE_TEST_VICTIM";

fn store() -> (tempfile::TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::new(&Paths::below(home.path()));
    (home, store)
}

fn spec() -> Spec {
    let stages = vec![Stage::Conv(Conv::new(8)), Stage::Flatten, Stage::Linear { outputs: 2 }];
    Spec { input: [1, 8, 8], init: Init::default(), stages }
}

fn manifest() -> Manifest {
    Manifest {
        schema: SCHEMA,
        id: String::new(),
        created: now(),
        program: PROGRAM.into(),
        seed: 1,
        device: "cpu".into(),
        parent: None,
        classes: vec!["zero".into(), "one".into()],
        input: [1, 8, 8],
        mean: vec![0.1],
        std: vec![0.3],
        preset: Preset::find("digits", Path::new(""), &[]).unwrap(),
        network: spec(),
    }
}

fn checkpoint(step: u64) -> Checkpoint {
    let weights = State::init(&spec(), step).unwrap();
    let (velocity, info) = (State::default(), CheckpointInfo::default());
    Checkpoint { step, epoch: step, spec: spec(), weights, velocity, method: State::default(), info }
}

fn epoch(step: u64) -> EpochRecord {
    EpochRecord {
        phase: None,
        step,
        epoch: step,
        learning_rate: 0.05,
        loss_weights: [("alpha".to_owned(), 0.5)].into(),
        train: SplitRecord::default(),
        valid: SplitRecord::default(),
        best_valid_accuracy: 0.0,
        seconds: 1.0,
        images_per_second: 100.0,
    }
}

fn train(writer: &mut Writer, step: u64) -> Result<(), Error> {
    writer.metrics.append(&epoch(step))?;
    writer.save_checkpoint(&checkpoint(step), None)?;
    writer.keep(2, Some(1))
}

fn steps(writer: &Writer) -> Vec<u64> {
    let (records, _) = writer.run.metrics().unwrap();
    records.iter().map(|record| record.step).collect()
}

#[test]
fn a_run_is_left_continued_and_rewound() {
    let (_home, store) = store();
    let mut writer = store.create(None, manifest()).unwrap();
    (1..=5).for_each(|step| train(&mut writer, step).unwrap());
    let id = writer.run.manifest.id.clone();
    assert!(id.starts_with("digits-2") && id.len() == "digits-20260101-120000".len(), "{id}");
    let kept: Vec<u64> = writer.run.checkpoints().unwrap().into_iter().map(|(step, _)| step).collect();
    assert_eq!(kept, [1, 4, 5]);
    drop(writer);

    let mut writer = store.open_to_write("latest").unwrap();
    assert_eq!(
        writer.run.manifest,
        Manifest { id, created: writer.run.manifest.created.clone(), ..manifest() }
    );
    assert_eq!(writer.run.newest_whole().unwrap().checkpoint, checkpoint(5));
    writer.rewind(4).unwrap();
    assert_eq!((steps(&writer), writer.run.newest_whole().unwrap().checkpoint.step), (vec![1, 2, 3, 4], 4));
    train(&mut writer, 5).unwrap();
    assert_eq!(steps(&writer), [1, 2, 3, 4, 5]);
}

#[test]
fn names_are_unique_and_two_runs_of_one_second_differ() {
    let (_home, store) = store();
    drop(store.create(Some("mine"), manifest()).unwrap());
    assert!(matches!(store.create(Some("mine"), manifest()), Err(Error::Taken { .. })));
    assert!(matches!(store.create(Some("../mine"), manifest()), Err(Error::Name { .. })));
    for _ in 0..3 {
        store.create(None, manifest()).unwrap();
    }
    assert_eq!(store.list().unwrap().len(), 4);
}

#[test]
fn a_run_is_found_by_name_prefix_latest_and_path() {
    let (_home, store) = store();
    for name in ["vgg", "vgg-small", "digits"] {
        store.create(Some(name), manifest()).unwrap();
    }
    let id = |query: &str| store.open(query).map(|run| run.manifest.id);
    assert_eq!(id("vgg").unwrap(), "vgg");
    assert_eq!(id("vgg-").unwrap(), "vgg-small");
    assert_eq!(id("latest").unwrap(), "digits");
    assert_eq!(id(store.directory().join("digits").to_str().unwrap()).unwrap(), "digits");
    let ambiguous = id("vg").unwrap_err().to_string();
    assert!(ambiguous.contains("vgg, vgg-small"), "{ambiguous}");
    let unknown = id("digts").unwrap_err().to_string();
    assert!(unknown.contains("did you mean `digits`?"), "{unknown}");
    assert!(matches!(id(""), Err(Error::Unknown { .. })));
    assert!(matches!(id("../runs"), Err(Error::Unknown { .. })));
}

#[test]
fn only_runs_of_the_store_that_nobody_writes_to_are_removed() {
    let ((_home, store), (_away, elsewhere)) = (store(), store());
    let writer = store.create(Some("busy"), manifest()).unwrap();
    assert!(matches!(store.remove("busy"), Err(Error::Locked { .. })));
    drop(writer);
    store.remove("busy").unwrap();
    drop(elsewhere.create(Some("far"), manifest()).unwrap());
    let path = elsewhere.directory().join("far");
    assert!(matches!(store.remove(path.to_str().unwrap()), Err(Error::Outside { .. })));
    assert!(path.exists() && store.list().unwrap().is_empty());
}

/// A run may come from anyone, and its directory from an archive that holds links.
#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_link_in_a_run() {
    let (home, store) = store();
    train(&mut store.create(Some("a"), manifest()).unwrap(), 1).unwrap();
    let outside = home.path().join("outside");
    for name in ["lock", "metrics.jsonl", "steps.jsonl", "events.jsonl", "checkpoints", "modules"] {
        let path = store.directory().join("a").join(name);
        let aside = home.path().join(name);
        fs::rename(&path, &aside).unwrap();
        match aside.is_dir() {
            // What a crash left in a run's own directories is removed.
            true => fs::create_dir_all(outside.join(".tmp-mine")).unwrap(),
            false => fs::write(&outside, "mine").unwrap(),
        }
        std::os::unix::fs::symlink(&outside, &path).unwrap();
        let error = store.open_to_write("a").unwrap_err().to_string();
        assert!(
            error.contains(name) && (error.contains("not a plain file") || error.contains("a link")),
            "{error}"
        );
        match aside.is_dir() {
            true => {
                assert!(outside.join(".tmp-mine").exists());
                fs::remove_dir_all(&outside).unwrap();
            }
            false => {
                assert_eq!(fs::read(&outside).unwrap(), b"mine");
                fs::remove_file(&outside).unwrap();
            }
        }
        fs::remove_file(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
    }
    store.open_to_write("a").unwrap();
}

/// Not a test of its own: the process that the next one starts and kills.
#[test]
fn train_until_killed() {
    let Some(home) = std::env::var_os(VICTIM).map(PathBuf::from) else { return };
    let store = Store::new(&Paths::below(&home));
    let mut writer = store.open_to_write("latest").unwrap();
    let done = writer.run.newest_whole().unwrap().checkpoint.step;
    writer.rewind(done).unwrap();
    println!("\nready");
    (done + 1..done + 2000).try_for_each(|step| train(&mut writer, step)).unwrap();
}

fn victim(home: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "train_until_killed", "--nocapture"]).env(VICTIM, home);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "ready"), "the process did not start");
    child
}

#[test]
fn a_killed_process_lets_go_of_its_lock_and_leaves_a_whole_checkpoint() {
    let (home, store) = store();
    train(&mut store.create(Some("a"), manifest()).unwrap(), 1).unwrap();
    let mut before = 1;
    for round in 0..6 {
        let mut child = victim(home.path());
        std::thread::sleep(Duration::from_millis(20 + 7 * round));
        match store.open_to_write("a") {
            Err(error @ Error::Locked { .. }) => {
                assert!(error.to_string().contains(&format!("process {}", child.id())), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(store.list().unwrap()[0].status, Status::Running);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(store.list().unwrap()[0].status, Status::Interrupted);
        let writer = store.open_to_write("a").unwrap();
        let newest = writer.run.newest_whole().unwrap();
        assert!(newest.skipped.is_empty() && newest.checkpoint.step >= before, "{newest:?}");
        before = newest.checkpoint.step;
        assert!(steps(&writer).ends_with(&[before]) || steps(&writer).ends_with(&[before, before + 1]));
    }
    assert!(before > 6, "only {before} steps");
}

#[test]
fn whatever_lies_among_the_runs_is_listed_or_passed_over() {
    let (_home, store) = store();
    drop(store.create(Some("whole"), manifest()).unwrap());
    let path = |name: &str| store.directory().join(name);
    fs::create_dir(path("empty")).unwrap();
    fs::create_dir(path(".tmp-crashed")).unwrap();
    fs::write(path("file"), "").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        fs::create_dir(store.directory().join(std::ffi::OsStr::from_bytes(b"\xff\xfe"))).unwrap();
    }
    let entries = store.list().unwrap();
    assert_eq!((entries[0].id.as_str(), entries[0].status), ("whole", Status::Interrupted));
    assert!(entries[1..].iter().all(|entry| entry.status == Status::Damaged && entry.reason.is_some()));
    assert_eq!(entries.len(), if cfg!(unix) { 3 } else { 2 });
    store.remove("empty").unwrap();
}

#[test]
fn a_thousand_runs_are_listed_at_once() {
    let (_home, store) = store();
    drop(store.create(Some("r"), manifest()).unwrap());
    let text = fs::read(store.directory().join("r/manifest.toml")).unwrap();
    let records = (0..500).map(|step| serde_json::to_string(&epoch(step)).unwrap() + "\n");
    let records: String = records.collect();
    for index in 0..999 {
        let path = store.directory().join(format!("r-{index}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("manifest.toml"), &text).unwrap();
        fs::write(path.join("metrics.jsonl"), &records).unwrap();
        fs::write(path.join("events.jsonl"), "{\"kind\":\"finished\",\"step\":499}\n").unwrap();
    }
    let start = Instant::now();
    let entries = store.list().unwrap();
    println!("{} runs in {:?}", entries.len(), start.elapsed());
    assert_eq!(entries.iter().filter(|entry| entry.status == Status::Finished).count(), 999);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_harms_nothing() {
    let Some(mount) = Mount::new("256k") else { return };
    let store = Store::new(&Paths::below(mount.path()));
    let mut writer = store.create(Some("a"), manifest()).unwrap();
    train(&mut writer, 1).unwrap();
    let filler = mount.path().join("filler");
    assert!(fs::write(&filler, vec![0; 1 << 20]).is_err());

    let error = writer.save_checkpoint(&checkpoint(2), None).unwrap_err().to_string();
    assert!(error.contains("the disk is full"), "{error}");
    let long = json!({"step": 2, "text": "x".repeat(20_000)});
    assert!(writer.metrics.append(&long).unwrap_err().to_string().contains("the disk is full"));
    assert_eq!((steps(&writer), writer.run.newest_whole().unwrap().checkpoint), (vec![1], checkpoint(1)));

    fs::remove_file(filler).unwrap();
    train(&mut writer, 2).unwrap();
    assert_eq!((steps(&writer), writer.run.newest_whole().unwrap().checkpoint.step), (vec![1, 2], 2));
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_directory_can_be_read_and_says_why_it_cannot_be_written() {
    let Some(ro) = Mount::new("256k") else { return };
    let store = Store::new(&Paths::below(ro.path()));
    train(&mut store.create(Some("a"), manifest()).unwrap(), 1).unwrap();
    ro.make_read_only();
    assert_eq!(store.open("a").unwrap().newest_whole().unwrap().checkpoint.step, 1);
    assert_eq!(store.list().unwrap()[0].status, Status::Interrupted);
    for error in [store.open_to_write("a").unwrap_err(), store.create(Some("b"), manifest()).unwrap_err()] {
        assert!(error.to_string().contains("read-only"), "{error}");
    }
}
