//! A person's whole session with the workbench: the real program in a terminal, on the embedded data.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;
mod pty;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cleave::session::{Schedule, Setting};
use common::{Home, outcome};
use pty::Pty;
use safetensors::SafeTensors;

/// How long anything may take on a busy computer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The workbench, with its messages in a file: none are expected.
const SCRIPT: &str = "exec \"$CLEAVE\" --device cpu 2>\"$CLEAVE_HOME/messages\"";

#[test]
fn a_run_is_trained_steered_paused_taken_apart_left_resumed_and_replayed_to_the_same_numbers() {
    let mut pty = Pty::shell(120, 40, SCRIPT);
    start(&mut pty);
    steer(&mut pty);
    take_apart(&mut pty);
    let schedule = save_schedule(&mut pty);
    leave(&mut pty);
    let mut pty = pty.again(120, 40, SCRIPT);
    resume(&mut pty);
    replay(pty.home(), &schedule);
}

/// A run of eight epochs, named in the form.
fn start(pty: &mut Pty) {
    pty.wait_for("No runs yet");
    pty.send("n");
    pty.wait_for("parameters");
    pty.send("\twhole\t\x158");
    pty.wait_for("--set training.epochs=8");
    pty.wait_for("parameters");
    pty.send("\x13");
    pty.wait_for("images/s");
}

/// Beta is raised while training runs: its mark stands in the charts. Then training pauses, and the learning
/// rate is lowered and put back.
fn steer(pty: &mut Pty) {
    pty.send("]+");
    pty.wait_for("beta 3→3.2");
    pty.send("p");
    pty.wait_for("paused");
    pty.send("]]]-");
    pty.wait_for("lr ");
    pty.send("u");
    pty.wait_for("learning rate as scheduled");
}

/// The module of two classes is taken out while the run is paused, and written for other programs.
fn take_apart(pty: &mut Pty) {
    pty.send("3");
    pty.wait_for("threshold");
    pty.send(" jj ");
    pty.wait_for("2 of 10");
    pty.send("x");
    pty.wait_for("Fine-tune epochs");
    pty.send("\x15pair\t\t\t\x151\t\x150");
    pty.wait_for("pair");
    pty.send("\x13");
    pty.wait_for("module, fine-tuned");
    pty.send("e");
    pty.wait_for("Export pair");
    pty.send("\x13");
    pty.wait_for("to whole-pair.safetensors");
    let bytes = fs::read(pty.home().join("whole-pair.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let heads = tensors.tensors().into_iter().filter(|(_, tensor)| tensor.shape() == [2]).count();
    assert_eq!(heads, 1, "a head of two classes");
}

fn save_schedule(pty: &mut Pty) -> std::path::PathBuf {
    pty.send("2");
    pty.wait_for("paused");
    pty.send("W");
    pty.wait_for("schedule.toml");
    let path = pty.home().join("data/runs/whole/schedule.toml");
    common::eventually("the schedule is there", || path.exists());
    let schedule: Schedule = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let sets: Vec<&Setting> = schedule.change.iter().map(|change| &change.set).collect();
    let [Setting::Weight { name, .. }, Setting::LearningRate(Some(_)), Setting::LearningRate(None)] =
        &sets[..]
    else {
        panic!("{sets:?}")
    };
    assert_eq!(name, "beta");
    path
}

fn leave(pty: &mut Pty) {
    pty.send("q");
    pty.wait_for("save a checkpoint and quit");
    pty.send("\r");
    assert_eq!(pty.exit_code(PATIENCE), 0);
    assert!(pty.has_its_modes() && pty.stopped_whole());
    says_nothing(pty.home());
}

fn resume(pty: &mut Pty) {
    pty.wait("the run among the others", |screen| screen.contains("whole") && screen.contains("stopped"));
    pty.send("r");
    pty.wait_for("whole has finished");
    // What was changed before stands in the charts of the resumed run.
    pty.wait_for("beta 3→3.2");
    pty.quit();
    says_nothing(pty.home());
}

/// Nothing but the screen was written to.
fn says_nothing(home: &Path) {
    assert_eq!(fs::read_to_string(home.join("messages")).unwrap(), "");
}

/// The same preset with the recorded changes, trained in one go without the workbench.
fn replay(home: &Path, schedule: &Path) {
    let home = Home::at(home.to_owned());
    let schedule = schedule.to_str().unwrap();
    let arguments = ["digits", "--epochs", "8", "--name", "replayed", "--schedule", schedule];
    home.train(&arguments).exits(0);
    let (steered, replayed) = (outcome(&home.run("whole")), outcome(&home.run("replayed")));
    assert_eq!(steered.epochs, replayed.epochs);
    assert!(steered == replayed, "weights, velocities and usage");
}

#[test]
fn without_a_terminal_the_same_preset_is_trained_with_plain_lines() {
    let home = Home::new();
    // A person's own preset of the name stands in for the built-in one, which takes half a minute.
    let presets = home.path().join("config/presets");
    fs::rename(presets.join("trial.toml"), presets.join("digits.toml")).unwrap();
    let mut command = home.command(&["--device", "cpu"]);
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{stderr}");
    assert!(![&stdout, &stderr].iter().any(|text| text.contains(['\x1b', '\r'])), "{stdout}{stderr}");
    assert!(stderr.lines().next().unwrap().contains("is not a terminal"), "{stderr}");
    assert_eq!(stderr.lines().filter(|line| line.starts_with("epoch ")).count(), 4, "{stderr}");
    assert!(stderr.trim_end().ends_with("run cleave in a terminal to open the workbench"), "{stderr}");
    let modules = stdout.lines().filter(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(modules.count(), 10, "a row a class: {stdout}");
    assert!(stdout.contains("test accuracy"), "{stdout}");
}
