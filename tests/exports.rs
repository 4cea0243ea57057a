//! What leaves a run, as a user sees it: tables, TensorBoard, reports, cards, compositions.

#![allow(clippy::unwrap_used)]

#[path = "common/browser.rs"]
mod browser;
mod common;
#[path = "common/python.rs"]
mod python;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use common::Home;
use serde_json::Value;

/// Two finished runs of the preset `trial`, `one` with two modules and a change on the way, `two` with one.
static DONE: LazyLock<Home> = LazyLock::new(|| {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("exports");
    let _ = fs::remove_dir_all(&path);
    let home = Home::at(path);
    let schedule = home.path().join("schedule.toml");
    fs::write(&schedule, "[[change]]\nstep = 6\nset = { weight = { name = \"beta\", value = 2.0 } }\n")
        .unwrap();
    let schedule = schedule.to_str().unwrap();
    home.train(&[
        "trial",
        "--name",
        "one",
        "--schedule",
        schedule,
        "--tensorboard",
        live().to_str().unwrap(),
    ])
    .exits(0);
    home.train(&["trial", "--name", "two", "--seed", "8"]).exits(0);
    for (run, classes) in [("one", "3,8"), ("one", "0,1"), ("two", "4,5"), ("two", "9")] {
        home.cleave(&["extract", run, "--classes", classes, "--device", "cpu", "--licence", "MIT"]).exits(0);
    }
    home
});

fn live() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("exports/boards")
}

/// A place in the home for what a test writes.
fn place(name: &str) -> String {
    DONE.path().join("out").join(name).to_str().unwrap().to_owned()
}

fn module(run: &str, name: &str) -> PathBuf {
    DONE.run(run).path.join("modules").join(name)
}

#[test]
fn tables_are_written_whole_and_never_over_others_without_being_told() {
    let to = place("tables");
    let json = DONE.cleave(&["export", "one", "--format", "csv", "--to", &to, "--json"]).exits(0).json();
    assert_eq!((json["files"].as_array().unwrap().len(), &json["run"]), (10, &"one".into()));
    let metrics = fs::read_to_string(Path::new(&to).join("metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 5, "a header and four epochs");
    DONE.cleave(&["export", "one", "--format", "csv", "--to", &to])
        .exits(1)
        .says(&["already exists", "--force"]);
    DONE.cleave(&["export", "one", "--format", "json", "--to", &to]).exits(0);
    DONE.cleave(&["export", "one", "--format", "csv", "--to", &to, "--force"]).exits(0);
    let overlap: Value =
        serde_json::from_slice(&fs::read(Path::new(&to).join("overlap.json")).unwrap()).unwrap();
    assert_eq!(overlap.as_array().unwrap().len(), 100);
    let file = format!("{to}/metrics.csv");
    DONE.cleave(&["export", "one", "--format", "csv", "--to", &format!("{file}/x")])
        .exits(1)
        .says(&["metrics.csv"]);
    DONE.cleave(&["export", "three", "--format", "csv", "--to", &to])
        .exits(1)
        .says(&["there is no run `three`"]);
}

const READ: &str = r#"
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0, "tensors": 0})
events.Reload()
tags = events.Tags()
settings = {}
for tag, content in events.PluginTagToContent("hparams").items():
    data = plugin_data_pb2.HParamsPluginData.FromString(content)
    if data.HasField("session_start_info"):
        settings = {k: v.number_value or v.string_value for k, v in data.session_start_info.hparams.items()}
images = events.Images("modules/overlap")
image = images[-1]
print(json.dumps({
    "scalars": {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags["scalars"]},
    "images": len(images),
    "image": [image.width, image.height, image.encoded_image_string[:4].hex()],
    "hparams": sorted(events.PluginTagToContent("hparams")),
    "settings": settings,
}))
"#;

/// What TensorBoard's own reader finds in a directory of event files.
fn tensorboard(directory: &Path) -> Option<Value> {
    let python = python::with(&python::TENSORBOARD)?;
    let output = Command::new(python).args(["-c", READ]).arg(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn tensorboard_reads_what_was_written_while_training_and_afterwards() {
    let to = place("boards");
    DONE.cleave(&["export", "one", "--format", "tensorboard", "--to", &to]).exits(0);
    let (epochs, _) = DONE.run("one").metrics().unwrap();
    let epochs: Vec<Value> = epochs.iter().map(|record| serde_json::to_value(record).unwrap()).collect();
    for directory in [Path::new(&to).join("one"), live().join("one")] {
        let Some(found) = tensorboard(&directory) else { return };
        for (tag, pointer) in [
            ("valid/accuracy", "/valid/accuracy"),
            ("train/loss/total", "/train/losses/total"),
            ("valid/loss/cohesion", "/valid/losses/cohesion"),
            ("valid/coupling", "/valid/masks/coupling"),
            ("valid/krr", "/valid/masks/krr"),
            ("weight/beta", "/loss_weights/beta"),
            ("learning_rate", "/learning_rate"),
        ] {
            let points = found["scalars"][tag].as_array().unwrap_or_else(|| panic!("{tag} in {found}"));
            assert_eq!(points.len(), epochs.len(), "{tag}");
            for (point, epoch) in points.iter().zip(&epochs) {
                let expected = epoch.pointer(pointer).unwrap().as_f64().unwrap() as f32;
                assert_eq!(
                    (&point[0], point[1].as_f64().unwrap() as f32),
                    (&epoch["step"], expected),
                    "{tag}"
                );
            }
        }
        assert!(found["scalars"]["summary/test_accuracy"].is_array(), "{found}");
        assert_eq!(found["image"], serde_json::json!([320, 320, "89504e47"]));
        // The live file has one an epoch, and one of the whole training split at the end.
        let images = if directory == live().join("one") { epochs.len() + 1 } else { 1 };
        assert_eq!(found["images"], serde_json::json!(images));
        assert_eq!(found["hparams"].as_array().unwrap().len(), 3, "{found}");
        assert_eq!(
            (&found["settings"]["method.beta"], &found["settings"]["seed"]),
            (&1.0.into(), &7.0.into())
        );
        assert_eq!(found["settings"]["method.name"], "mwt");
    }
}

#[test]
fn a_board_that_cannot_be_written_is_said_before_training_begins() {
    let home = Home::new();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    home.train(&["trial", "--tensorboard", file.to_str().unwrap()])
        .exits(1)
        .says(&["cannot create the directory"]);
    assert!(!home.store().directory().exists(), "nothing was begun");
}

#[test]
fn a_report_needs_nothing_else_and_names_its_figures() {
    let to = place("report");
    let json = DONE.cleave(&["report", "one", "two", "--to", &to, "--json"]).exits(0).json();
    let html = fs::read_to_string(Path::new(&to).join("report.html")).unwrap();
    assert!(html.contains("beta = 2") && html.contains("cleave extract one --classes 3,8"), "{html}");
    assert!(html.contains("one-schedule.toml") && html.contains("step = 6"));
    for file in json["files"].as_array().unwrap() {
        assert!(Path::new(&to).join(file.as_str().unwrap()).is_file(), "{file}");
    }
    DONE.cleave(&["report", "one", "--to", &to]).exits(1).says(&["already exists"]);
    DONE.cleave(&["report", "one", "one", "--to", &place("twice")]).exits(2).says(&["given twice"]);
    assert!(!Path::new(&place("twice")).exists());
}

/// A real browser renders the page, asks for nothing, complains of nothing, and lays it out without scrolling
/// sideways from the width of a phone on.
#[test]
fn a_browser_shows_a_report_alone_and_at_every_width() {
    let to = place("browser");
    DONE.cleave(&["report", "one", "two", "--to", &to]).exits(0);
    let page = Path::new(&to).join("report.html");
    let Some(shown) = browser::show(&page) else { return };
    assert!(shown.document.contains("Course of training"), "{shown:?}");
    assert_eq!(shown.console, "", "the page is silent");
    for width in [320, 390, 768, 1280] {
        let needed = browser::width_needed(&page, width).unwrap();
        assert!(needed <= width, "at {width} pixels the page is {needed} wide");
    }
    // The browser would tell of a request: this page makes one.
    let html = fs::read_to_string(&page).unwrap();
    let nosy = page.with_file_name("nosy.html");
    fs::write(&nosy, html.replace("</main>", "<img src=\"http://127.0.0.1:9/x.png\"></main>")).unwrap();
    let console = browser::show(&nosy).unwrap().console;
    assert!(console.contains("http://127.0.0.1:9/x.png"), "{console}");
}

/// The files and commands that a report names make the same run and modules again, bit by bit.
#[test]
fn the_commands_of_a_report_make_the_same_run_and_modules_again() {
    let to = place("again");
    DONE.cleave(&["report", "one", "--to", &to]).exits(0);
    let page = fs::read_to_string(Path::new(&to).join("report.md")).unwrap();
    let home = Home::new();
    let work = home.path().join("work");
    fs::create_dir(&work).unwrap();
    let mut commands = String::new();
    for (caption, code) in blocks(&page) {
        match caption.split_once(',') {
            Some((file, _)) => fs::write(work.join(file), code).unwrap(),
            None => commands = code,
        }
    }
    let commands: Vec<&str> = commands.lines().filter(|line| !line.contains("compose")).collect();
    assert!(commands.len() >= 4 && commands[0].contains("--schedule one-schedule.toml"), "{commands:?}");
    let binary = Path::new(env!("CARGO_BIN_EXE_cleave")).parent().unwrap();
    for line in commands {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(&work).env("CLEAVE_HOME", home.path());
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        let output = shell.env("PATH", path).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let weights = |run: &cleave::run::Run| run.newest_whole().unwrap().checkpoint.weights;
    assert!(weights(&home.run("one")) == weights(&DONE.run("one")));
    for name in ["3-8", "0-1"] {
        let again = cleave::run::Module::load(&home.run("one").path.join("modules").join(name)).unwrap();
        let first = cleave::run::Module::load(&module("one", name)).unwrap();
        assert!(again.weights == first.weights, "{name}");
        assert_eq!(again.manifest.accuracy_after, first.manifest.accuracy_after);
        assert_eq!(again.manifest.card, first.manifest.card);
    }
    assert!(work.join("report/report.html").is_file());
}

/// Captions and contents of the code of a page in Markdown.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut parts = page.split("\n```");
    while let (Some(before), Some(code)) = (parts.next(), parts.next()) {
        let caption = before.trim_end().lines().last().unwrap_or_default();
        blocks.push((caption.trim_end_matches(':').to_owned(), code.trim_start_matches('\n').to_owned()));
    }
    blocks
}

#[test]
fn every_module_has_a_card_and_verify_refuses_what_was_changed() {
    let path = module("two", "9");
    let card = fs::read_to_string(path.join("README.md")).unwrap();
    for said in
        ["tells one class from all others", "Licence", "MIT", "parameter-composition", "run two, step 20"]
    {
        assert!(card.contains(said), "{said} in {card}");
    }
    let json = DONE.cleave(&["verify", "two/9", "--json"]).exits(0).json();
    assert_eq!((&json["whole"], json["files"].as_array().unwrap().len()), (&true.into(), 3));
    let copy = tempfile::tempdir().unwrap();
    for file in ["module.toml", "weights.safetensors", "README.md"] {
        fs::copy(path.join(file), copy.path().join(file)).unwrap();
    }
    let copied = copy.path().to_str().unwrap();
    DONE.cleave(&["verify", copied]).exits(0);
    fs::write(copy.path().join("README.md"), card.replace("MIT", "GPL")).unwrap();
    DONE.cleave(&["verify", copied]).exits(1).says(&["README.md", "is damaged"]);
    fs::remove_file(copy.path().join("README.md")).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/hostname", copy.path().join("README.md")).unwrap();
        DONE.cleave(&["verify", copied]).exits(1).says(&["not a plain file"]);
    }
    DONE.cleave(&["verify", "nine"]).exits(1).says(&["there is no module `nine`"]);
}

#[test]
fn modules_of_one_run_are_composed_by_the_union_of_their_kernels() {
    let json = DONE
        .cleave(&["compose", "one/3-8", "one/0-1", "--name", "four", "--device", "cpu", "--json"])
        .exits(0)
        .json();
    assert_eq!(json["classes"], serde_json::json!(["3", "8", "0", "1"]));
    let extracted = ["extract", "one", "--classes", "3,8,0,1", "--name", "same", "--device", "cpu", "--json"];
    let same = DONE.cleave(&extracted).exits(0).json();
    for key in ["kernels", "params", "macs", "accuracy_before", "accuracy_after"] {
        assert_eq!(json[key], same[key], "{key}");
    }
    DONE.cleave(&["verify", "one/four"]).exits(0);
    let card = fs::read_to_string(module("one", "four").join("README.md")).unwrap();
    assert!(card.contains("module 3-8") && card.contains("module 0-1"), "{card}");
    assert!(card.contains("MIT"), "the terms of its parts hold for the union: {card}");
}

#[test]
fn a_module_belongs_to_the_run_that_holds_it_or_that_it_names_and_to_no_other() {
    let home = Home::new();
    let copy = home.store().directory().join("two-12");
    copy_dir(&DONE.run("two").path, &copy);
    let alone = home.path().join("9");
    copy_dir(&module("two", "9"), &alone);
    home.cleave(&["evaluate", alone.to_str().unwrap(), "--device", "cpu"])
        .exits(1)
        .says(&["there is no run `two`"]);
    let json = home.cleave(&["evaluate", "two-12/9", "--device", "cpu", "--json"]).exits(0).json();
    assert_eq!(json["module"], "two-12/9");
}

#[test]
fn a_name_means_the_same_to_every_command_that_takes_a_module_or_a_run() {
    let home = Home::new();
    copy_dir(&DONE.run("two").path, &home.store().directory().join("9-runs"));
    let to = home.path().join("x").to_str().unwrap().to_owned();
    for (query, found) in [("9", "9-runs/9"), ("9-runs", "9-runs")] {
        let exported = home.cleave(&["export", query, "--to", &to, "--force", "--json"]).exits(0).json();
        let measured = home.cleave(&["evaluate", query, "--device", "cpu", "--json"]).exits(0).json();
        let measured = [&measured["module"], &measured["run"]].into_iter().find(|name| name.is_string());
        assert_eq!((&exported["name"], measured), (&found.into(), Some(&found.into())));
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_dir(&entry.path(), &to),
            false => fs::copy(entry.path(), to).map(drop).unwrap(),
        }
    }
}

#[test]
fn modules_of_different_runs_stand_side_by_side_and_do_all_that_a_module_does() {
    let compose = ["compose", "one/3-8", "two/4-5", "two/9", "--name", "mixed", "--device", "cpu", "--json"];
    let json = DONE.cleave(&compose).exits(0).json();
    assert_eq!(json["classes"], serde_json::json!(["3", "8", "4", "5", "9"]));
    let cost =
        |name: &str| cleave::run::ModuleManifest::read(&module(&name[..3], &name[4..])).unwrap().params;
    let parts: u64 = ["one/3-8", "two/4-5"].map(cost).iter().sum();
    assert!(json["params"].as_u64().unwrap() > parts && json["params"].as_u64().unwrap() < 2 * parts);
    for key in ["accuracy_before", "accuracy_after"] {
        assert!((0.0..=1.0).contains(&json[key].as_f64().unwrap()), "{json}");
    }
    let again = DONE.cleave(&["evaluate", "one/mixed", "--device", "cpu", "--json"]).exits(0).json();
    assert_eq!(
        (&again["accuracy_after"], &again["accuracy_before"]),
        (&json["accuracy_after"], &json["accuracy_before"])
    );
    DONE.cleave(&["verify", "one/mixed"]).exits(0);
    DONE.cleave(&["export", "one/mixed", "--to", &place("absent/mixed.safetensors")])
        .exits(1)
        .says(&["there is no directory"]);
    fs::create_dir_all(DONE.path().join("out")).unwrap();
    for format in ["safetensors", "onnx", "pytorch", "burn"] {
        let to = place(&format!("mixed-{format}"));
        DONE.cleave(&["export", "one/mixed", "--format", format, "--to", &to]).exits(0);
    }
    let to = place("mixed-report");
    DONE.cleave(&["report", "one", "--to", &to]).exits(0);
    let page = fs::read_to_string(Path::new(&to).join("report.md")).unwrap();
    assert!(page.contains("cleave compose one/3-8 two/4-5 two/9 --join logits --name mixed"), "{page}");
    assert!(page.contains("reproduce these runs first: two"), "{page}");
}

#[test]
fn a_composition_that_cannot_be_is_refused_with_the_reason() {
    let compose = |arguments: &[&str], says: &[&str]| {
        let arguments = [&["compose"], arguments, &["--name", "x", "--device", "cpu"]].concat();
        DONE.cleave(&arguments).exits(2).says(says);
    };
    compose(&["one/3-8", "two/4-5", "--join", "union"], &["--join logits"]);
    compose(&["one/3-8", "one/3-8", "--join", "logits"], &["have the class `3`"]);
    compose(&["one/3-8", "two/4-5", "--fine-tune", "3", "--join", "logits"], &["--fine-tune is for a union"]);
    compose(&["one/3-8", "two/4-5", "--fine-tune", "3"], &["--fine-tune is for a union"]);
    compose(&["one/3-8", "one/0-1", "--fine-tune", "0"], &["must be fine-tuned: give --fine-tune 1 epoch"]);
    compose(&["one/3-8"], &["2"]);
    assert!(!module("one", "x").exists());
}

#[test]
fn a_module_takes_over_a_class_of_a_weak_run() {
    let weak = ["trial", "--name", "weak", "--seed", "3", "--set", "method.name=plain", "--epochs", "1"];
    DONE.train(&weak).exits(0);
    let replace =
        ["replace", "--in", "weak", "--class", "9", "--with", "two/9", "--name", "better", "--device", "cpu"];
    let json = DONE.cleave(&[&replace[..], &["--json"]].concat()).exits(0).json();
    let rows = json["class_accuracy"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[9]["class"]), (10, &"9".into()));
    assert_eq!(json["whole_accuracy"], json["accuracy_before"]);
    let again = DONE.cleave(&["evaluate", "weak/better", "--device", "cpu", "--json"]).exits(0).json();
    assert_eq!(again["accuracy_after"], json["accuracy_after"]);
    let to = place("weak-report");
    DONE.cleave(&["report", "weak", "--to", &to]).exits(0);
    let page = fs::read_to_string(Path::new(&to).join("report.md")).unwrap();
    assert!(page.contains("cleave replace --in weak --class 9 --with two/9 --name better"), "{page}");
    assert!(page.contains("9 (replaced)") && page.contains("mean of the others"), "{page}");
    let wrong = ["replace", "--in", "weak", "--class", "7", "--with", "two/4-5", "--device", "cpu"];
    DONE.cleave(&wrong).exits(2).says(&["the module 4-5 has no class `7`", "4, 5"]);
    let other =
        ["replace", "--in", "weak", "--class", "#7", "--with", "two/9", "--name", "odd", "--device", "cpu"];
    DONE.cleave(&other)
        .exits(0)
        .says(&["warning: module 9 was extracted for class `9` but replaces class `7`"]);
    let card = fs::read_to_string(module("weak", "odd").join("README.md")).unwrap();
    assert!(card.contains("made to tell another class, 9,"), "{card}");
    let unknown = ["replace", "--in", "weak", "--class", "11", "--with", "two/9", "--device", "cpu"];
    DONE.cleave(&unknown).exits(2).says(&["there is no class `11`"]);
}
