//! The commands that list, show, predict and export, as a user runs them.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use cleave::backend::{Cpu, cpu_device};
use cleave::network::Network;
use cleave::preset::Preset;
use cleave::spec::{Spec, State};
use serde_json::Value;
use tempfile::TempDir;

/// A user's directory.
struct Home(TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn cleave(&self, arguments: &[&str]) -> Output {
        cleave(self.0.path(), arguments)
    }

    /// What a command that works prints.
    fn stdout(&self, arguments: &[&str]) -> String {
        stdout(self.0.path(), arguments)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        json(self.0.path(), arguments)
    }

    /// Exit code and messages of a command that fails.
    fn failure(&self, arguments: &[&str]) -> (i32, String) {
        failure(self.0.path(), arguments)
    }
}

fn cleave(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cleave"));
    command.args(arguments).env("CLEAVE_HOME", home).stdin(Stdio::null()).output().unwrap()
}

fn stdout(home: &Path, arguments: &[&str]) -> String {
    let output = cleave(home, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(home: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(stdout(home, arguments).lines().last().unwrap()).unwrap()
}

fn failure(home: &Path, arguments: &[&str]) -> (i32, String) {
    let output = cleave(home, arguments);
    // The renderer breaks lines, in the middle of a path too.
    let text = String::from_utf8_lossy(&output.stderr).replace('│', " ");
    (output.status.code().unwrap(), text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A home with a run `one` of one epoch and a module of it, made once and read by several tests.
fn trained() -> &'static Path {
    static HOME: OnceLock<TempDir> = OnceLock::new();
    let home = HOME.get_or_init(|| {
        let home = tempfile::tempdir().unwrap();
        let train = ["train", "digits", "--epochs", "1", "--set", "data.limit=200", "--device", "cpu"];
        json(home.path(), &[&train[..], &["--name", "one", "--json"]].concat());
        let extract = ["extract", "one", "--classes", "3,8", "--head-free", "--fine-tune", "0"];
        json(home.path(), &[&extract[..], &["--device", "cpu", "--name", "pair", "--json"]].concat());
        home
    });
    home.path()
}

#[test]
fn an_empty_store_lists_no_runs() {
    let home = Home::new();
    assert_eq!(home.json(&["runs", "--json"])["runs"], Value::Array(Vec::new()));
    let output = home.cleave(&["runs", "list"]);
    assert!(output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("cleave train digits"));
}

#[test]
fn what_does_not_exist_is_named() {
    let home = Home::new();
    let (code, text) = home.failure(&["runs", "show", "nothing"]);
    assert!(code == 1 && text.contains("there is no run `nothing`"), "{code} {text}");
    let (code, text) = home.failure(&["presets", "show", "digit"]);
    assert!(code == 2 && text.contains("digits"), "{code} {text}");
    let (code, text) = home.failure(&["data", "check", "cifar11"]);
    assert!(code == 1 && text.contains("cifar10, cifar100"), "{code} {text}");
    let (code, text) = home.failure(&["data", "show", "cifar11"]);
    assert!(code == 2 && text.contains("fashion-mnist, folder"), "{code} {text}");
    let (code, text) = home.failure(&["export", "nothing", "--to", "x"]);
    assert!(code == 1 && text.contains("no module or run `nothing`"), "{code} {text}");
}

#[test]
fn a_preset_that_is_shown_is_a_preset() {
    let home = Home::new();
    let list = home.json(&["presets", "list", "--json"]);
    assert!(list["presets"].as_array().unwrap().iter().any(|preset| preset["name"] == "digits"));
    let text = home.stdout(&["presets", "show", "digits", "--set", "method.beta=2.5"]);
    let preset = Preset::parse(&text, "shown", &[]).unwrap();
    assert_eq!(preset.method.weights()[1], ("beta", 2.5));
    let path = home.path("mine.toml");
    fs::write(&path, &text).unwrap();
    assert_eq!(home.stdout(&["presets", "show", path.to_str().unwrap()]), text);
}

#[test]
fn a_broken_preset_is_listed_with_its_problem() {
    let home = Home::new();
    fs::create_dir_all(home.path("config/presets")).unwrap();
    fs::write(home.path("config/presets/mine.toml"), "base = \"digits\"\nepoch = 3\n").unwrap();
    let list = home.json(&["presets", "--json"]);
    let mine = &list["presets"][0];
    assert_eq!(mine["name"], "mine");
    assert!(mine["problem"].as_str().unwrap().contains("mine.toml:2:1"), "{mine}");
    assert!(home.stdout(&["presets"]).contains("cannot be read"));
}

#[test]
fn the_cost_of_a_preset_is_that_of_the_published_network() {
    let home = Home::new();
    let shown = home.json(&["presets", "show", "paper-vgg16-cifar10", "--cost", "--json"]);
    assert_eq!(shown["cost"]["params"], 15_253_578);
    assert_eq!(shown["cost"]["generator_params"], 1_728_576);
    assert_eq!(shown["cost"]["layers"].as_array().unwrap().len(), 16);
    assert!(home.stdout(&["presets", "show", "digits", "--cost"]).contains("conv0"));
}

#[test]
fn everything_is_kept_below_the_home() {
    let home = Home::new();
    let paths = home.json(&["paths", "--json"]);
    for (name, path) in paths.as_object().unwrap() {
        assert!(Path::new(path.as_str().unwrap()).starts_with(home.0.path()), "{name}: {path}");
    }
    assert!(home.stdout(&["paths"]).contains("presets"));
}

#[test]
fn the_cpu_is_a_device() {
    let home = Home::new();
    assert_eq!(home.json(&["devices", "--json"])["devices"][0]["device"], "cpu");
    assert!(home.stdout(&["devices"]).contains("cpu"));
}

#[test]
fn completions_and_manual_know_every_command() {
    let home = Home::new();
    assert!(home.stdout(&["completions", "bash"]).contains("train"));
    let manual = home.stdout(&["man"]);
    for command in ["train", "runs", "predict", "export", "completions"] {
        assert!(manual.contains(&format!(".TH cleave-{command} 1")), "{command}");
    }
    let directory = home.path("man1");
    home.stdout(&["man", "--to", directory.to_str().unwrap()]);
    let page = fs::read_to_string(directory.join("cleave-runs-remove.1")).unwrap();
    assert!(page.contains(".TH cleave-runs-remove 1"), "{page}");
}

#[test]
fn every_command_has_help_with_examples() {
    let home = Home::new();
    let commands = "train|runs|runs list|runs show|runs remove|modules|extract|compose|replace|evaluate|predict|\
                    export|report|verify|data|data list|data fetch|data check|data show|presets|presets list|presets show|paths|devices|\
                    keys|completions|man";
    for command in commands.split('|') {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        assert!(home.stdout(&arguments).contains("Examples:"), "{command}");
    }
}

#[test]
fn the_key_file_is_printed_and_written_once() {
    let home = Home::new();
    assert!(home.stdout(&["keys"]).contains("new-run = [\"n\"]"));
    assert!(home.cleave(&["keys", "--write"]).status.success());
    let path = home.path("config/keys.toml");
    assert_eq!(fs::read_to_string(&path).unwrap(), home.stdout(&["keys"]));
    fs::write(&path, "new-run = \"m\"\n").unwrap();
    assert_eq!(home.cleave(&["keys", "--write"]).status.code(), Some(1));
    assert_eq!(fs::read_to_string(&path).unwrap(), "new-run = \"m\"\n", "the person's file stays");
}

#[test]
fn the_embedded_data_are_shown_and_need_no_fetching() {
    let home = Home::new();
    let digits = home.json(&["data", "show", "digits", "--json"]);
    assert_eq!(digits["shape"], serde_json::json!([1, 8, 8]));
    let count = |key: &str| digits[key].as_u64().unwrap();
    assert_eq!(count("train") + count("valid") + count("test"), 1797);
    assert_eq!(digits["classes"].as_array().unwrap().len(), 10);
    assert_eq!(home.json(&["data", "check", "digits", "--json"])["good"], true);
    assert_eq!(home.json(&["data", "fetch", "digits", "--json"])["directory"], Value::Null);
    let list = home.json(&["data", "--json"]);
    assert_eq!(list["sets"][0]["present"], true);
    assert!(home.stdout(&["data", "list"]).contains("folder"));
}

#[test]
fn files_that_are_missing_are_listed_and_the_check_fails() {
    let home = Home::new();
    let output = home.cleave(&["data", "check", "cifar10", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["good"], &report["files"][0]["state"]), (&false.into(), &"missing".into()));
}

#[test]
fn a_run_is_listed_and_shown() {
    let list = json(trained(), &["runs", "list", "--json"]);
    let row = &list["runs"][0];
    assert_eq!((&row["run"], &row["status"], &row["epoch"]), (&"one".into(), &"finished".into(), &1.into()));
    assert!(row["krr"].is_f64() && row["valid_accuracy"].is_f64());
    assert!(stdout(trained(), &["runs"]).contains("1/1"));
    let shown = json(trained(), &["runs", "show", "latest", "--json"]);
    assert_eq!(shown["modules"][0]["name"], "pair");
    assert!(shown["summary"]["test_accuracy"].is_f64() && shown["last"]["valid"]["masks"].is_object());
    let preset = stdout(trained(), &["runs", "show", "one", "--preset"]);
    assert_eq!(Preset::parse(&preset, "shown", &[]).unwrap().training.epochs, 1);
    assert!(stdout(trained(), &["runs", "show", "on"]).contains("pair"));
}

#[test]
fn a_damaged_run_is_listed_with_its_reason_and_can_be_removed() {
    let home = Home::new();
    fs::create_dir_all(home.path("data/runs/broken")).unwrap();
    fs::write(home.path("data/runs/broken/manifest.toml"), "schema = 1\nid = ").unwrap();
    let list = home.json(&["runs", "--json"]);
    assert_eq!(list["runs"][0]["status"], "damaged");
    assert!(home.stdout(&["runs"]).contains("broken is damaged: "));
    let (code, text) = home.failure(&["runs", "show", "broken"]);
    assert!(code == 1 && text.contains("cannot be shown"), "{code} {text}");
    home.stdout(&["runs", "remove", "broken", "--yes"]);
    assert!(!home.path("data/runs/broken").exists());
}

#[test]
fn a_run_is_removed_only_on_request_and_never_while_it_is_locked() {
    let home = Home::new();
    let run = home.path("data/runs/one");
    copy(&trained().join("data/runs/one"), &run);
    let (code, text) = home.failure(&["runs", "remove", "one"]);
    assert!(code == 2 && text.contains("--yes"), "{code} {text}");
    let lock = fs::File::create(run.join("lock")).unwrap();
    lock.lock().unwrap();
    let (code, text) = home.failure(&["runs", "remove", "one", "--yes"]);
    assert!(code == 4 && text.contains("in use"), "{code} {text}");
    assert!(run.exists());
    drop(lock);
    home.stdout(&["runs", "remove", "one", "--yes"]);
    assert!(!run.exists());
}

#[test]
fn a_module_predicts_and_names_the_images_it_cannot_read() {
    let home = Home::new();
    let (picture, text) = (home.path("three.pgm"), home.path("text.png"));
    let pixels: String = (0..64).map(|i| format!("{} ", 255 * u8::from(i % 8 > 2 && i % 8 < 6))).collect();
    fs::write(&picture, format!("P2\n8 8\n255\n{pixels}\n")).unwrap();
    fs::write(&text, "no picture").unwrap();
    let (picture, text) = (picture.to_str().unwrap(), text.to_str().unwrap());
    let report = json(trained(), &["predict", "pair", picture, "--device", "cpu", "--json"]);
    let image = &report["images"][0];
    assert_eq!(report["name"], "one/pair");
    assert!(["3", "8"].contains(&image["class"].as_str().unwrap()), "{image}");
    let sum: f64 =
        image["top"].as_array().unwrap().iter().map(|top| top["probability"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    assert_eq!(
        json(trained(), &["predict", "one", picture, "--json"])["classes"].as_array().unwrap().len(),
        10
    );
    let output = cleave(trained(), &["predict", "latest", text, picture, "--device", "cpu", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read"));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["failed"][0]["image"], &report["images"][0]["image"]),
        (&text.into(), &picture.into())
    );
}

#[test]
fn an_exported_module_builds_the_same_network() {
    let home = Home::new();
    let path = home.path("pair.safetensors");
    let target = path.to_str().unwrap();
    let report = json(trained(), &["export", "pair", "--to", target, "--format", "safetensors", "--json"]);
    assert_eq!(report["name"], "one/pair");
    let (state, metadata) = State::from_safetensors(&fs::read(&path).unwrap()).unwrap();
    let spec: Spec = serde_json::from_str(&metadata["spec"]).unwrap();
    let network = Network::<Cpu>::new(spec, &state, &cpu_device()).unwrap();
    assert_eq!(network.state().0.len() as u64, report["arrays"].as_u64().unwrap());
    assert_eq!(metadata["classes"], r#"["3","8"]"#);
    assert_eq!(provenance(&metadata)["module"], "pair");
    let (code, text) = failure(trained(), &["export", "one", "--to", target]);
    assert!(code == 1 && text.contains("--force"), "{code} {text}");
    json(trained(), &["export", "one", "--to", target, "--force", "--json"]);
    let (state, metadata) = State::from_safetensors(&fs::read(&path).unwrap()).unwrap();
    state.check(&serde_json::from_str(&metadata["spec"]).unwrap()).unwrap();
    assert_eq!(provenance(&metadata)["module"], Value::Null);
    let (code, text) = failure(trained(), &["export", "one", "--to", "/absent/x.safetensors"]);
    assert!(code == 1 && text.contains("no directory /absent"), "{code} {text}");
}

fn provenance(metadata: &HashMap<String, String>) -> Value {
    serde_json::from_str(&metadata["provenance"]).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}
