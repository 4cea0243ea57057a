//! `scripts/gpu-proof.sh` around a program that only pretends: what is done stays done, what is cut off goes
//! on.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Trains in one go, or with `CUT` set stops as an interrupted training does. Notes each call.
const PRETENDER: &str = r#"#!/bin/sh
echo "$*" >>"$CLEAVE_HOME/../calls"
state() { mkdir -p "$CLEAVE_HOME/data/runs/$1" && echo "$2" >"$CLEAVE_HOME/data/runs/$1/state"; }
case $1 in
--version) echo cleave 0.0.0 ;;
devices) echo '{"devices":[{"device":"cpu","problem":null}]}' ;;
bench) echo '{"img_per_s": 12.5, "median_s": 0.1}' ;;
runs) [ -f "$CLEAVE_HOME/data/runs/$3/state" ] || exit 1
    printf '{\n  "run": "%s",\n  "status": "%s"\n}\n' "$3" "$(cat "$CLEAVE_HOME/data/runs/$3/state")" ;;
train)
    while [ $# -gt 0 ]; do case $1 in --name | --resume) how=$1 name=$2 ;; esac; shift; done
    if [ -n "$CUT" ] && [ "$how" = --name ]; then state "$name" stopped; exit 130; fi
    state "$name" finished
    echo '{"kind":"ready","step":1,"seconds":1.5}' >"$CLEAVE_HOME/data/runs/$name/events.jsonl" ;;
extract) echo '{"module": "m"}' ;;
*) exit 2 ;;
esac
"#;

struct Proof {
    directory: tempfile::TempDir,
}

impl Proof {
    fn new() -> Proof {
        let directory = tempfile::tempdir().unwrap();
        let pretender = directory.path().join("cleave");
        fs::write(&pretender, PRETENDER).unwrap();
        fs::set_permissions(&pretender, fs::Permissions::from_mode(0o755)).unwrap();
        // Pictures that need no archive.
        fs::create_dir_all(directory.path().join("out/cifar10-tiny/test")).unwrap();
        fs::create_dir_all(directory.path().join("out/home")).unwrap();
        Proof { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, cut: &str, arguments: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/gpu-proof.sh");
        let mut command = Command::new("sh");
        command.arg(script).arg("--cleave").arg(self.path("cleave")).arg("--out").arg(self.path("out"));
        command.args(["--device", "cpu", "--scale", "tiny", "--python", "no-python"]).args(arguments);
        command.env("CUT", cut).current_dir(self.directory.path()).output().unwrap()
    }

    /// The names of the stages that are done, each line being JSON.
    fn done(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("out/results.jsonl")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["ok"] == true)
            .map(|line| line["stage"].as_str().unwrap().to_owned())
            .collect()
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("out/calls")).unwrap_or_default()
    }
}

#[test]
fn every_stage_writes_one_line_and_is_not_run_again() {
    let proof = Proof::new();
    let output = proof.run("", &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(proof.done(), ["facts", "parity", "speed", "kernels", "vgg16", "resnet18"]);
    let calls = proof.calls();
    assert_eq!(proof.run("", &[]).status.code(), Some(0));
    assert_eq!((proof.done().len(), proof.calls()), (6, calls));
}

#[test]
fn a_training_that_is_cut_off_is_resumed_by_the_next_call() {
    let proof = Proof::new();
    assert_eq!(proof.run("yes", &["vgg16"]).status.code(), Some(75));
    assert!(proof.done().is_empty());
    assert_eq!(proof.run("", &["vgg16"]).status.code(), Some(0));
    assert_eq!(proof.done(), ["vgg16"]);
    let calls = proof.calls();
    let made =
        calls.lines().filter(|call| call.starts_with("train") && call.contains("--name vgg16 ")).count();
    assert_eq!(made, 1, "{calls}");
    assert!(calls.contains("train --resume vgg16 "), "{calls}");
}

#[test]
fn a_stage_without_time_says_to_call_again_and_keeps_what_it_has() {
    let proof = Proof::new();
    // Too little for any timing.
    assert_eq!(proof.run("", &["--budget", "30", "speed"]).status.code(), Some(75));
    assert_eq!(proof.run("", &["speed"]).status.code(), Some(0));
    let timings = || proof.calls().lines().filter(|call| call.starts_with("bench")).count();
    let before = timings();
    fs::remove_file(proof.path("out/results.jsonl")).unwrap();
    assert_eq!(proof.run("", &["speed"]).status.code(), Some(0));
    assert_eq!(timings(), before, "timings that are kept are not made again");
}

#[test]
fn wrong_use_is_told_from_failure() {
    let proof = Proof::new();
    assert_eq!(proof.run("", &["paint"]).status.code(), Some(2));
    assert_eq!(proof.run("", &["--device", "cuda", "facts"]).status.code(), Some(1), "there is no GPU");
    let facts: Value =
        serde_json::from_str(fs::read_to_string(proof.path("out/results.jsonl")).unwrap().trim()).unwrap();
    assert_eq!((&facts["ok"], &facts["report"]["devices"][0]["device"]), (&false.into(), &"cpu".into()));
}
