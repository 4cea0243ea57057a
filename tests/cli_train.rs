//! `cleave train` and what is done with its runs, as a user sees it: output, exit codes, signals, full disks.

#![allow(clippy::unwrap_used)]

mod common;
#[cfg(target_os = "linux")]
#[path = "common/mount.rs"]
mod mount;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use cleave::run::Event;
use common::{Ended, Home, PRESET};
#[cfg(target_os = "linux")]
use mount::Mount;
use serde_json::Value;

/// Enough epochs that a run is still going when something happens to it.
const LONG: [&str; 3] = ["trial", "--set", "training.epochs=100000"];

/// Kernels of 7x7 have no fast form: a signal is heard at the end of a step, which takes seconds.
const SECONDS_A_STEP: &str = r#"
[data]
source = "digits"

[network]
stages = [
  { conv = { kernels = 256, size = 7 } },
  { conv = { kernels = 256, size = 7 } },
  { conv = { kernels = 256, size = 7 } },
  "flatten",
  { linear = { outputs = 10 } },
]

[method]
name = "plain"

[training]
epochs = 2
batch = 256
learning_rate = 0.01
"#;

/// A finished run `done` of the preset `trial`, for the tests that look at one.
static DONE: LazyLock<Home> = LazyLock::new(|| {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli_train");
    let _ = fs::remove_dir_all(&path);
    let home = Home::at(path);
    home.train(&["trial", "--name", "done"]).exits(0);
    home
});

/// A command on a finished run, on the CPU, its result as JSON.
fn done(arguments: &[&str]) -> Ended {
    DONE.cleave(&[arguments, &["--device", "cpu", "--json"]].concat())
}

/// Insists on keys of a JSON object that hold fractions.
fn assert_fractions(object: &Value, keys: &[&str]) {
    for key in keys {
        let value = object[key].as_f64().unwrap_or_else(|| panic!("{key} in {object}"));
        assert!((0.0..=1.0).contains(&value), "{key} in {object}");
    }
}

fn assert_counts(object: &Value, keys: &[&str]) {
    for key in keys {
        assert!(object[key].as_u64().is_some_and(|count| count > 0), "{key} in {object}");
    }
}

#[test]
fn json_ends_stdout_with_one_object_of_the_documented_keys() {
    let home = Home::new();
    let json = home.train(&["trial", "--name", "a", "--epochs", "2", "--json"]).exits(0).json();
    assert_eq!((&json["run"], &json["epochs"]), (&"a".into(), &2.into()));
    assert_fractions(&json, &["test_accuracy", "valid_accuracy", "cohesion", "coupling", "krr"]);
    assert!(json["seconds"].as_f64().unwrap() > 0.0 && json["images_per_second"].as_f64().unwrap() > 0.0);
}

#[test]
fn messages_go_to_stderr_and_results_to_stdout() {
    let home = Home::new();
    let ended = home.train(&["trial", "--epochs", "1"]).exits(0).says(&["epoch 1/1", "run trial-"]);
    assert!(ended.stdout.contains("test accuracy") && !ended.stdout.contains("epoch"), "{ended:?}");
}

#[test]
fn a_plain_run_has_no_modules_and_says_why() {
    let home = Home::new();
    let json = home
        .train(&["trial", "--set", "method.name=plain", "--epochs", "1", "--name", "plain", "--json"])
        .exits(0)
        .json();
    assert_fractions(&json, &["test_accuracy", "valid_accuracy"]);
    assert!(["cohesion", "coupling", "krr"].iter().all(|key| json[key].is_null()), "{json}");
    for arguments in [&["modules", "plain"][..], &["extract", "plain", "--classes", "1,2"]] {
        home.cleave(arguments).exits(1).says(&["trained with the method plain", "does not train modules"]);
    }
    let json = home.cleave(&["evaluate", "plain", "--device", "cpu", "--json"]).exits(0).json();
    assert_fractions(&json, &["test_accuracy"]);
}

#[test]
fn a_typing_error_in_a_preset_is_shown_where_it_is_with_what_was_meant() {
    let home = Home::new();
    let path = home.path().join("typo.toml");
    fs::write(&path, PRESET.replace("epochs = 4", "epocs = 4")).unwrap();
    let line = PRESET.lines().position(|line| line == "epochs = 4").unwrap() + 1;
    let place = format!("typo.toml:{line}:1");
    home.train(&[path.to_str().unwrap()]).exits(2).says(&[&place, "unknown key `epocs`", "`epochs`"]);
    home.train(&["trial", "--set", "training.epocs=4"])
        .exits(2)
        .says(&["--set training.epocs=4", "`epochs`"]);
    home.train(&["trail"]).exits(2).says(&["there is no preset \"trail\"", "trial"]);
    home.train(&["trial", "--set", "method.beta"]).exits(2).says(&["KEY=VALUE"]);
    assert!(!home.store().directory().exists(), "nothing was begun");
}

#[test]
fn zero_epochs_or_a_batch_of_zero_are_refused_before_anything_is_begun() {
    let home = Home::new();
    home.train(&["trial", "--epochs", "0"]).exits(2).says(&["training.epochs", "at least 1"]);
    home.train(&["trial", "--set", "training.batch=0"]).exits(2).says(&["training.batch", "at least 1"]);
    assert!(!home.store().directory().exists());
}

#[test]
fn a_batch_may_be_one_image_or_more_than_there_are() {
    let home = Home::new();
    for (batch, epochs) in [("1", "2"), ("100000", "2")] {
        let changes = [format!("training.batch={batch}"), "data.limit=20".into()];
        let arguments = ["trial", "--set", &changes[0], "--set", &changes[1], "--epochs", epochs, "--json"];
        let json =
            home.train(&[&arguments[..], &["--name", &format!("batch-{batch}")]].concat()).exits(0).json();
        assert_fractions(&json, &["test_accuracy", "krr"]);
    }
}

#[test]
fn a_run_that_diverges_exits_with_3_and_names_the_term_and_the_checkpoint_that_is_left() {
    let home = Home::new();
    home.train(&["trial", "--name", "a", "--set", "training.learning_rate=1e30"]).exits(3).says(&[
        "training diverged",
        "is not finite",
        "the checkpoint of step",
    ]);
    home.run("a").newest_whole().unwrap();
}

#[test]
fn a_run_that_another_process_trains_is_left_to_it() {
    let home = Home::new();
    let mut running = home.start(&[&LONG[..], &["--name", "busy"]].concat());
    running.wait_for("epoch");
    let holder = format!("process {}", running.child.id());
    home.train(&["--resume", "busy"]).exits(4).says(&["in use by", &holder]);
    running.wait_for("epoch");
}

#[test]
fn the_first_signal_saves_a_checkpoint_and_the_run_can_be_resumed() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let home = Home::new();
        let mut running = home.start(&[&LONG[..], &["--name", "a"]].concat());
        running.wait_for("epoch");
        running.signal(signal);
        running.end().exits(code).says(&["resume with: cleave train --resume a"]);
        let run = home.run("a");
        let stopped = run.newest_whole().unwrap().checkpoint.step;
        assert_eq!(run.events().unwrap().0.last(), Some(&Event::Stopped { step: stopped }));

        let mut running = home.start(&["--resume", "a"]);
        running.wait_for("epoch");
        running.signal("INT");
        running.end().exits(130);
        assert!(run.newest_whole().unwrap().checkpoint.step > stopped);
    }
}

#[test]
fn a_signal_that_timeout_sends_twice_is_one() {
    let home = Home::new();
    let mut running = home.start(&[&LONG[..], &["--name", "a"]].concat());
    running.wait_for("epoch");
    let id = running.child.id().to_string();
    let twice = format!("kill -TERM {id}; kill -TERM {id}; kill -TERM {id}");
    assert!(Command::new("sh").args(["-c", &twice]).status().unwrap().success());
    running.end().exits(143).says(&["resume with: cleave train --resume a"]);
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    let home = Home::new();
    let preset = home.path().join("slow.toml");
    fs::write(&preset, SECONDS_A_STEP).unwrap();
    let mut running = home.start(&[preset.to_str().unwrap(), "--name", "slow"]);
    running.wait_for("run slow in");
    std::thread::sleep(Duration::from_millis(700));
    running.signal("INT");
    running.wait_for("saving a checkpoint; press ctrl-c again to quit now");
    // Not the echo of the first.
    std::thread::sleep(Duration::from_millis(150));
    running.signal("INT");
    let ended = running.end().exits(130);
    assert!(!ended.said.contains("stopped after step"), "{ended:?}");
    assert_eq!(home.run("slow").newest_whole().unwrap().checkpoint.step, 0);
}

#[test]
fn resuming_a_finished_run_says_so_and_changes_nothing() {
    let before = common::outcome(&DONE.run("done"));
    DONE.train(&["--resume", "done"]).exits(0).says(&["is already complete"]);
    assert_eq!(common::outcome(&DONE.run("done")), before);
    DONE.train(&["--resume", "dome"]).exits(1).says(&["did you mean `done`?"]);
}

#[test]
fn a_branch_goes_on_from_its_parent_with_a_weight_of_its_own() {
    let home = Home::new();
    home.train(&["trial", "--name", "parent"]).exits(0);
    let branch = ["--branch", "parent", "--set", "method.beta=4", "--epochs", "5", "--name", "child"];
    let json = home.train(&[&branch[..], &["--json"]].concat()).exits(0).json();
    assert_eq!((&json["run"], &json["epochs"]), (&"child".into(), &5.into()));
    let child = home.run("child");
    let parent = child.manifest.parent.clone().unwrap();
    assert_eq!((parent.run.as_str(), parent.step), ("parent", 20));
    let first = child.load(20).unwrap();
    assert_eq!(first.weights, home.run("parent").load(20).unwrap().weights);
    assert_ne!(first.info.loss_weights.get("beta"), Some(&1.0), "a killed branch would go on with that");
    let epochs = common::outcome(&child).epochs;
    assert_eq!((epochs.len(), epochs[0].step), (1, 25));
    assert_eq!(epochs[0].loss_weights["beta"], 4.0);
    let first = home.run("parent").checkpoints().unwrap()[0].0;
    let early = ["--branch", "parent", "--step", &first.to_string(), "--epochs", "5", "--name", "early"];
    home.train(&early).exits(0);
    assert_eq!(home.run("early").manifest.parent.unwrap().step, first);
    let absent = ["--branch", "parent", "--step", "7"];
    home.train(&absent).exits(1).says(&["the run parent has no checkpoint of step 7; it has those of step"]);
}

#[test]
fn a_branch_keeps_its_parents_network_images_and_batch() {
    let branch = |change| ["--branch", "done", "--name", "other", "--epochs", "9", "--set", change];
    for change in ["method.name=plain", "training.batch=7", "data.valid_fraction=0.3"] {
        DONE.train(&branch(change)).exits(2).says(&["a branch keeps its parent's"]);
    }
    assert!(!DONE.path().join("data/runs/other").exists());
}

#[test]
fn a_schedule_that_cannot_be_followed_is_refused_before_anything_is_begun() {
    let home = Home::new();
    let schedule = home.path().join("schedule.toml");
    fs::write(&schedule, "[[change]]\nstep = 9\nset.weight = { name = \"gamma\", value = 1.0 }\n").unwrap();
    let ended = home.train(&["trial", "--name", "other", "--schedule", schedule.to_str().unwrap()]);
    ended.exits(2).says(&["change at step 9", "no loss weight gamma"]);
    assert!(!home.path().join("data/runs/other").exists());
}

#[test]
fn modules_are_listed_with_the_documented_keys() {
    let json = done(&["modules", "done", "--matrix", "--layers", "--threshold", "0.8"]).exits(0).json();
    assert_eq!((&json["run"], &json["threshold"]), (&"done".into(), &0.8.into()));
    assert_fractions(&json, &["cohesion", "coupling", "krr", "krr_all"]);
    let classes = json["classes"].as_array().unwrap();
    assert_eq!(classes.iter().map(|row| row["name"].as_str().unwrap()).collect::<String>(), "0123456789");
    for row in classes {
        assert_counts(row, &["kernels", "params", "macs"]);
        assert_fractions(row, &["krr"]);
    }
    let text = DONE.cleave(&["modules", "done"]).exits(0).stdout;
    assert!(text.lines().count() > 11 && text.contains("KRR"), "{text}");
}

#[test]
fn a_module_is_taken_out_and_measured_with_the_documented_keys() {
    let keys = ["krr", "whole_accuracy", "accuracy_before", "accuracy_after"];
    let json = done(&["extract", "done", "--classes", "3,8", "--name", "pair"]).exits(0).json();
    assert_eq!(json["module"], "done/pair");
    assert_eq!(json["classes"], Value::from(vec!["3", "8"]));
    assert_counts(&json, &["kernels", "params", "macs"]);
    assert_fractions(&json, &keys);

    let again = done(&["evaluate", "done/pair", "--controls", "2"]).exits(0).json();
    assert!(keys.iter().all(|key| again[key] == json[key]), "{again} {json}");
    let controls = again["controls"].as_array().unwrap();
    assert_eq!(controls.len(), 2);
    controls.iter().for_each(|row| assert_fractions(row, &["accuracy_before", "accuracy_after"]));

    let whole = done(&["evaluate", "done"]).exits(0).json();
    assert_fractions(&whole, &["test_accuracy"]);
    assert_eq!(whole["run"], "done");
}

#[test]
fn a_module_of_one_class_tells_it_from_the_rest() {
    let json = done(&["extract", "done", "--classes", "5", "--controls", "1"]).exits(0).json();
    assert_eq!(json["classes"], Value::from(vec!["5", "rest"]));
    assert_fractions(&json, &["krr", "whole_accuracy", "accuracy_before", "accuracy_after"]);
}

#[test]
fn a_module_may_have_every_class() {
    let json = done(&["extract", "done", "--classes", "all", "--name", "every"]).exits(0).json();
    assert_eq!(json["classes"].as_array().unwrap().len(), 10);
    assert_fractions(&json, &["krr", "whole_accuracy", "accuracy_before", "accuracy_after"]);
    // The whole network among all of its classes is the whole network.
    let whole = done(&["evaluate", "done"]).exits(0).json();
    assert_eq!(json["whole_accuracy"], whole["test_accuracy"]);
}

#[test]
fn a_module_without_a_head_needs_no_training() {
    let raw = ["--head-free", "--fine-tune", "0"];
    for (name, extra) in [("raw", &[][..]), ("folded", &["--fold-masks"])] {
        let arguments = ["extract", "done", "--classes", "0,1,7", "--name", name];
        let json = done(&[&arguments[..], &raw, extra].concat()).exits(0).json();
        assert_fractions(&json, &["krr", "whole_accuracy", "accuracy_before"]);
        assert!(json["accuracy_after"].is_null(), "{json}");
        let again = done(&["evaluate", &format!("done/{name}")]).exits(0).json();
        assert_eq!(again["accuracy_before"], json["accuracy_before"]);
    }
}

#[test]
fn the_modules_of_many_class_sets_are_measured_as_they_are_cut() {
    let pairs = done(&["evaluate", "done", "--class-sets", "all-pairs", "--controls", "2"]).exits(0).json();
    let summary = &pairs["class_sets"];
    assert_eq!((&summary["count"], pairs["sets"].as_array().unwrap().len()), (&Value::from(45), 45));
    let keys = ["whole_mean", "as_cut_mean", "as_cut_worst", "within_1_point", "random_mean", "krr_mean"];
    assert_fractions(summary, &keys);
    assert_eq!(pairs["sets"][0]["random"].as_array().unwrap().len(), 2);
    // One of them is what `extract` measures.
    let cut =
        ["extract", "done", "--classes", "3,8", "--fine-tune", "0", "--controls", "2", "--name", "as-cut"];
    let module = done(&cut).exits(0).json();
    let sets = pairs["sets"].as_array().unwrap();
    let of_pair = sets.iter().find(|set| set["classes"] == Value::from(vec!["3", "8"])).unwrap();
    assert_eq!(of_pair["as_cut"], module["accuracy_before"]);
    assert_eq!(of_pair["whole"], module["whole_accuracy"]);
    assert_eq!((&of_pair["params"], &of_pair["macs"]), (&module["params"], &module["macs"]));
    assert_eq!(of_pair["random"][1], module["controls"][1]["accuracy_before"]);

    let drawn = done(&["evaluate", "done", "--class-sets", "random:3:7"]).exits(0).json();
    assert!(drawn["class_sets"]["count"] == 7 && drawn["class_sets"]["random_mean"].is_null(), "{drawn}");
    for (sets, why) in [("random:11:1", "more than the 10"), ("no/such/file", "cannot read the class sets")] {
        done(&["evaluate", "done", "--class-sets", sets]).exits(2).says(&[why]);
    }
    let module = ["evaluate", "done/as-cut", "--class-sets", "all-pairs"];
    done(&module).exits(2).says(&["--class-sets measures the modules of a run"]);
}

#[test]
fn modules_of_a_rehearsed_run_are_cut_by_its_class_masks() {
    let home = Home::new();
    home.train(&["trial", "--name", "r", "--set", "method.rehearsal.start=0.5"]).exits(0);
    let on = |arguments: &[&str]| home.cleave(&[arguments, &["--device", "cpu", "--json"]].concat());
    let json = on(&["extract", "r", "--classes", "3,8", "--fine-tune", "0", "--name", "m"]).exits(0).json();
    let card = fs::read_to_string(home.run("r").path.join("modules/m/module.toml")).unwrap();
    assert!(card.contains("by = \"class-masks\""), "{card}");
    let again = on(&["evaluate", "r/m"]).exits(0).json();
    assert_eq!(again["accuracy_before"], json["accuracy_before"]);
    assert!(on(&["modules", "r"]).exits(0).json()["threshold"].is_null());
    let of_run = [
        &["extract", "r", "--classes", "3,8"][..],
        &["evaluate", "r", "--class-sets", "all"],
        &["modules", "r"],
    ];
    for arguments in of_run {
        let refused = on(&[arguments, &["--threshold", "0.5"]].concat()).exits(2);
        refused.says(&["training has fixed the masks of the classes of r", "leave --threshold out"]);
    }
    home.train(&["trial", "--set", "method.rehearsal.start=1"]).exits(2).says(&["method.rehearsal.start"]);
    home.train(&["trial", "--set", "method.rehearsal.cap=0.01"]).exits(2).says(&["below rehearsal.floor"]);
}

#[test]
fn a_module_that_cannot_be_is_refused_as_a_mistake_in_the_command() {
    for (arguments, reason) in [
        (&["--classes", "3,cat"][..], "there is no class `cat`"),
        (&["--classes", "3,10"], "there is no class `10`"),
        (&["--classes", "3,3"], "chosen twice"),
        (&["--classes", "3,8", "--threshold", "1.5"], "threshold 1.5"),
        (&["--classes", "3", "--fine-tune", "0"], "a new head must be fine-tuned"),
        (&["--classes", "3", "--head-free"], "a module of one class needs a head"),
    ] {
        done(&[&["extract", "done"], arguments].concat()).exits(2).says(&[reason]);
    }
}

/// A folder of so many classes, each a stripe of its own, `per_class` images a split.
fn write_folder(root: &Path, classes: &[String], train: usize, test: usize) {
    for (split, count) in [("train", train), ("test", test)] {
        for (label, class) in classes.iter().enumerate() {
            let directory = root.join(split).join(class);
            fs::create_dir_all(&directory).unwrap();
            for index in 0..count {
                let stripe = |x: u32, y: u32| {
                    let lit = (x as usize + 8 * (y as usize % 2)) % classes.len() == label % 16;
                    image::Luma([if lit { 200 } else { 20 + 5 * index as u8 }])
                };
                let picture = image::GrayImage::from_fn(8, 8, stripe);
                picture.save(directory.join(format!("{index}.png"))).unwrap();
            }
        }
    }
}

fn folder_preset(home: &Home, classes: usize) -> String {
    let images = home.path().join("images");
    // A flip or a shift would turn one stripe into another.
    let folder =
        format!("source = \"folder\"\npath = {images:?}\nchannels = 1\nflip = false\ncrop_padding = 0");
    let text = PRESET.replace("source = \"digits\"\nlimit = 150", &folder);
    let path = home.path().join("folder.toml");
    fs::write(&path, text.replace("outputs = 10", &format!("outputs = {classes}"))).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_image_folder_is_trained_on_and_its_classes_chosen_by_name_or_number() {
    let home = Home::new();
    let names = ["ant", "bee", "7", "dog"].map(str::to_owned);
    write_folder(&home.path().join("images"), &names, 12, 5);
    let preset = folder_preset(&home, 4);
    let json = home.train(&[&preset, "--name", "a", "--epochs", "8", "--json"]).exits(0).json();
    assert!(json["test_accuracy"].as_f64().unwrap() > 0.3, "{json}");
    // Labels follow the sorted names: 7, ant, bee, dog.
    for (chosen, expected) in [("dog,ant", ["dog", "ant"]), ("3,1", ["dog", "ant"]), ("7,2", ["7", "bee"])] {
        let arguments = ["extract", "a", "--classes", chosen, "--device", "cpu", "--json"];
        assert_eq!(home.cleave(&arguments).exits(0).json()["classes"], Value::from(expected.to_vec()));
    }
    home.cleave(&["extract", "a", "--classes", "dgo,ant"]).exits(2).says(&["there is no class `dgo`", "dog"]);

    fs::remove_dir_all(home.path().join("images/train/bee")).unwrap();
    fs::remove_dir_all(home.path().join("images/test/bee")).unwrap();
    home.train(&["--branch", "a", "--epochs", "9"]).exits(1).says(&["the data have changed"]);
}

#[test]
fn a_thousand_classes_work() {
    let home = Home::new();
    let names: Vec<String> = (0..1000).map(|class| format!("class-{class:03}")).collect();
    write_folder(&home.path().join("images"), &names, 2, 1);
    let preset = folder_preset(&home, 1000);
    let json = home.train(&[&preset, "--name", "a", "--epochs", "1", "--json"]).exits(0).json();
    assert_fractions(&json, &["test_accuracy", "cohesion", "coupling", "krr"]);
    let json = home.cleave(&["modules", "a", "--json"]).exits(0).json();
    assert_eq!(json["classes"].as_array().unwrap().len(), 1000);
    let extract = ["extract", "a", "--classes", "class-007,class-999", "--device", "cpu"];
    home.cleave(&extract).exits(0);
    home.cleave(&["extract", "a", "--classes", "clas-007"]).exits(2).says(&["did you mean class-007?"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_ends_the_run_with_the_reason_and_loses_nothing() {
    let Some(mount) = Mount::new("1m") else { return };
    let home = Home::at(mount.path().join("home"));
    let mut running = home.start(&[&LONG[..], &["--name", "a"]].concat());
    running.wait_for("epoch");
    let filler = mount.path().join("filler");
    assert!(fs::write(&filler, vec![0; 2 << 20]).is_err());
    running.end().exits(1).says(&["the disk is full", "is intact"]);
    home.train(&[&LONG[..], &["--name", "b"]].concat()).exits(1).says(&["the disk is full"]);

    let left = home.run("a").newest_whole().unwrap();
    assert!(left.skipped.is_empty(), "{left:?}");
    fs::remove_file(filler).unwrap();
    let mut running = home.start(&["--resume", "a"]);
    running.wait_for("epoch");
    running.signal("INT");
    running.end().exits(130);
    assert!(home.run("a").newest_whole().unwrap().checkpoint.step > left.checkpoint.step);
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_home_can_be_looked_at_and_says_why_it_cannot_be_trained_in() {
    let Some(mount) = Mount::new("1m") else { return };
    let home = Home::at(mount.path().join("home"));
    home.train(&["trial", "--name", "a", "--epochs", "1"]).exits(0);
    mount.make_read_only();
    home.train(&["trial"]).exits(1).says(&["the file system is read-only"]);
    home.train(&["--resume", "a"]).exits(1).says(&["the file system is read-only"]);
    home.cleave(&["extract", "a", "--classes", "1,2", "--device", "cpu"]).exits(1).says(&["read-only"]);
    home.cleave(&["modules", "a"]).exits(0);
    home.cleave(&["evaluate", "a", "--device", "cpu"]).exits(0);
}
