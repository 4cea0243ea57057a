//! `scripts/gpu-proof.sh` around programs that only pretend: what is done stays done, what is cut off goes on, and
//! what failed is not taken for a result.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// `cleave`. Trains in one go; with `CUT` set stops as an interrupted training does, with `SLOW` waits to be
/// interrupted. `BENCH` is what timings end with, `PROFILE` what CubeCL would write. Notes each call.
const PRETENDER: &str = r#"#!/bin/sh
echo "$*" >>"$CLEAVE_HOME/../calls"
state() { mkdir -p "$CLEAVE_HOME/data/runs/$1" && echo "$2" >"$CLEAVE_HOME/data/runs/$1/state"; }
case $1 in
--version) echo cleave 0.0.0 ;;
devices) echo '{"devices":[{"device":"cpu","problem":null}'"${GPU:+,{\"device\":\"cuda:0\",\"problem\":null\}}"']}' ;;
bench) [ -n "${CUBECL_DEBUG_LOG:-}" ] && cp "$PROFILE" "$CUBECL_DEBUG_LOG"
    [ -z "$BENCH" ] || exit "$BENCH"
    echo '{"img_per_s": 12.5, "median_s": 0.1}' ;;
runs) [ -f "$CLEAVE_HOME/data/runs/$3/state" ] || exit 1
    printf '{\n  "run": "%s",\n  "status": "%s"\n}\n' "$3" "$(cat "$CLEAVE_HOME/data/runs/$3/state")" ;;
train)
    while [ $# -gt 0 ]; do case $1 in --name | --resume) how=$1 name=$2 ;; esac; shift; done
    if [ -n "$CUT" ] && [ "$how" = --name ]; then state "$name" stopped; exit 130; fi
    if [ -n "$SLOW" ]; then
        trap 'state "$name" stopped; kill $!; exit 143' TERM
        state "$name" running
        sleep 60 & wait
    fi
    state "$name" finished
    echo '{"kind":"ready","step":1,"seconds":1.5}' >"$CLEAVE_HOME/data/runs/$name/events.jsonl" ;;
extract) echo '{"module": "m"}' ;;
*) exit 2 ;;
esac
"#;

/// Python with PyTorch, which times nothing. `PEER` is what it does instead.
const PYTHON: &str = r#"#!/bin/sh
[ "$1" = -c ] && exit 0
echo "peer ${NVIDIA_TF32_OVERRIDE-unset} $*" >>"$CLEAVE_HOME/../calls"
eval "$PEER"
echo '{"img_per_s": 10.0}'
"#;

/// The parity test, of which only its lines are seen. `PARITY` is what it does first.
const PARITY: &str = r#"#!/bin/sh
echo "parity $CLEAVE_PARITY_CASE" >>"$CLEAVE_HOME/../calls"
eval "$PARITY"
echo "test parity_with_the_reference ... parity $CLEAVE_PARITY_CASE: ok, 3 checks"
"#;

struct Proof {
    directory: tempfile::TempDir,
}

impl Proof {
    fn new() -> Proof {
        let proof = Proof { directory: tempfile::tempdir().unwrap() };
        for (name, text) in [("cleave", PRETENDER), ("python", PYTHON), ("parity", PARITY)] {
            fs::write(proof.path(name), text).unwrap();
            fs::set_permissions(proof.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        // Pictures that need no archive.
        fs::create_dir_all(proof.path("out/cifar10-tiny/test")).unwrap();
        fs::create_dir_all(proof.path("out/home")).unwrap();
        fs::create_dir(proof.path("fixtures")).unwrap();
        for fixture in ["a.safetensors", "b.safetensors", "README.md"] {
            fs::write(proof.path("fixtures").join(fixture), "").unwrap();
        }
        fs::write(proof.path("peer.py"), "").unwrap();
        proof
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.arg(script()).arg("--cleave").arg(self.path("cleave")).arg("--out").arg(self.path("out"));
        command.args(["--device", "cpu", "--scale", "tiny", "--python", "no-python"]).args(arguments);
        for name in ["BENCH", "CUT", "PARITY", "PEER", "SLOW"] {
            command.env(name, "");
        }
        command.env("PROFILE", Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda/profile.txt"));
        command.envs(settings.iter().copied()).current_dir(self.directory.path());
        command
    }

    /// The exit code.
    fn run(&self, settings: &[(&str, &str)], arguments: &[&str]) -> i32 {
        self.output(settings, arguments).status.code().unwrap()
    }

    fn output(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
        self.command(settings, arguments).output().unwrap()
    }

    /// All lines that were written, each being JSON.
    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("out/results.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The names of the stages that are done.
    fn done(&self) -> Vec<String> {
        let done = self.lines().into_iter().filter(|line| line["ok"] == true);
        done.map(|line| line["stage"].as_str().unwrap().to_owned()).collect()
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("out/calls")).unwrap_or_default()
    }

    /// How many calls begin so.
    fn count(&self, beginning: &str) -> usize {
        self.calls().lines().filter(|call| call.starts_with(beginning)).count()
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/gpu-proof.sh")
}

#[test]
fn every_stage_writes_one_line_and_is_not_run_again() {
    let proof = Proof::new();
    let output = proof.output(&[], &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(proof.done(), ["facts", "parity", "start", "speed", "kernels", "vgg16", "resnet18"]);
    let calls = proof.calls();
    assert_eq!(proof.run(&[], &[]), 0);
    assert_eq!((proof.done().len(), proof.calls()), (7, calls));
}

#[test]
fn a_training_that_is_cut_off_is_resumed_by_the_next_call() {
    let proof = Proof::new();
    assert_eq!(proof.run(&[("CUT", "yes")], &["vgg16"]), 75);
    assert!(proof.done().is_empty());
    assert_eq!(proof.run(&[], &["vgg16"]), 0);
    assert_eq!(proof.done(), ["vgg16"]);
    let calls = proof.calls();
    let made =
        calls.lines().filter(|call| call.starts_with("train") && call.contains("--name vgg16 ")).count();
    assert_eq!(made, 1, "{calls}");
    assert!(calls.contains("train --resume vgg16 "), "{calls}");
}

#[test]
fn a_script_that_is_ended_ends_its_training_and_has_it_save() {
    let proof = Proof::new();
    let mut command = proof.command(&[("SLOW", "yes")], &["vgg16"]);
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let state = || fs::read_to_string(proof.path("out/home/data/runs/vgg16/state")).unwrap_or_default();
    let begun = Instant::now();
    while state().trim() != "running" {
        assert!(begun.elapsed() < Duration::from_secs(20), "no training");
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = Command::new("kill").arg(running.id().to_string()).status().unwrap();
    assert!(killed.success());
    assert_eq!(running.wait().unwrap().code(), Some(143));
    assert_eq!(state().trim(), "stopped", "the script waits for what it ends");
}

#[test]
fn a_stage_without_time_says_to_call_again_and_keeps_what_it_has() {
    let proof = Proof::new();
    // Too little for any timing.
    assert_eq!(proof.run(&[], &["--budget", "2", "speed"]), 75);
    assert_eq!(proof.run(&[], &["speed"]), 0);
    let before = proof.count("bench");
    fs::remove_file(proof.path("out/results.jsonl")).unwrap();
    assert_eq!(proof.run(&[], &["speed"]), 0);
    assert_eq!(proof.count("bench"), before, "timings that are kept are not made again");
}

#[test]
fn a_timing_of_ours_that_fails_fails_the_stage_and_is_made_by_the_next_call() {
    let proof = Proof::new();
    assert_eq!(proof.run(&[("BENCH", "1")], &["speed"]), 1);
    assert_eq!(proof.lines()[0]["rows"][0]["ours-f32"], Value::Null);
    assert_eq!(proof.run(&[], &["speed"]), 0);
    assert_eq!(proof.lines()[1]["rows"][0]["ours-f32"], 12.5);
}

#[test]
fn the_peer_is_timed_beside_ours() {
    let proof = Proof::new();
    assert_eq!(proof.run(&[], &["--python", "./python", "--peer", "peer.py", "speed"]), 0);
    let row = &proof.lines()[0]["rows"][0];
    assert_eq!((&row["peer-f32"], &row["ratio-f32"]), (&10.into(), &1.25.into()));
    assert_eq!(proof.count("peer 0 peer.py step --model small --batch 8 --steps"), 2, "{}", proof.calls());
}

#[test]
fn a_peer_that_fails_is_tried_twice_and_ours_stands_alone() {
    let proof = Proof::new();
    let peer = ["--python", "./python", "--peer", "peer.py", "speed"];
    assert_eq!(proof.run(&[("PEER", "exit 1")], &peer), 0);
    let row = &proof.lines()[0]["rows"][0];
    assert_eq!((&row["ours-f32"], &row["peer-f32"]), (&12.5.into(), &Value::Null));
    assert_eq!(proof.count("peer"), 2 * 4);
}

#[test]
fn a_peer_that_runs_into_the_end_of_the_call_is_timed_by_the_next() {
    let proof = Proof::new();
    let peer = ["--python", "./python", "--peer", "peer.py", "--budget", "4", "speed"];
    assert_eq!(proof.run(&[("PEER", "sleep 60")], &peer), 75);
    assert_eq!(proof.run(&[], &[&peer[..4], &["speed"]].concat()), 0);
    assert_eq!(proof.lines()[0]["rows"][0]["peer-f32"], 10);
}

#[test]
fn parity_wants_a_line_for_every_fixture() {
    let proof = Proof::new();
    let parity = ["--parity", "./parity", "--fixtures", "fixtures", "parity"];
    let crash = "[ $CLEAVE_PARITY_CASE = a.safetensors ] || exit 134";
    assert_eq!(proof.run(&[("PARITY", crash)], &parity), 1);
    assert_eq!(proof.lines()[0]["f32"]["missing"], 1);
    assert_eq!(proof.run(&[], &parity), 0);
    let f32 = &proof.lines()[1]["f32"];
    assert_eq!((&f32["cases"], &f32["missing"], &f32["failed"]), (&2.into(), &0.into(), &0.into()));
    assert_eq!(f32["lines"][1], "parity b.safetensors: ok, 3 checks");
    assert_eq!((proof.count("parity a."), proof.count("parity b.")), (1, 2));
}

#[test]
fn numbers_that_differ_fail_parity() {
    let proof = Proof::new();
    let differs = "echo parity $CLEAVE_PARITY_CASE: FAILED, 3 checks; exit 101";
    let parity = ["--parity", "./parity", "--fixtures", "fixtures", "parity"];
    assert_eq!(proof.run(&[("PARITY", differs)], &parity), 1);
    assert_eq!(proof.lines()[0]["f32"]["failed"], 2);
}

#[test]
fn parity_that_was_skipped_is_made_up_for() {
    let proof = Proof::new();
    assert_eq!(proof.run(&[], &["parity"]), 0);
    assert_eq!(proof.lines()[0]["skipped"], true);
    assert_eq!(proof.run(&[], &["--parity", "./parity", "--fixtures", "fixtures", "parity"]), 0);
    assert_eq!(proof.count("parity"), 2);
    let gpu = Proof::new();
    assert_eq!(gpu.run(&[("GPU", "1")], &["--device", "cuda", "--scale", "full", "parity"]), 1);
}

#[test]
fn a_profile_gives_the_kernels_of_the_timed_steps() {
    let proof = Proof::new();
    let gpu = [("GPU", "1")];
    assert_eq!(proof.run(&gpu, &["--device", "cuda", "kernels"]), 0);
    let line = &proof.lines()[0];
    let top: Vec<_> =
        line["top"].as_array().unwrap().iter().map(|row| (&row["kernel"], &row["launches"])).collect();
    let names =
        ["ElemwiseFuse | CudaRuntime", "CopyKernel | CudaRuntime", "ReduceKernel | TensorArgs | CudaRuntime"];
    let expected = names.map(Value::from).into_iter().zip([3, 2, 2].map(Value::from)).collect::<Vec<_>>();
    assert_eq!(top, expected.iter().map(|(name, count)| (name, count)).collect::<Vec<_>>());
    assert_eq!(line["top"][0]["share"], 0.5454);
    assert_eq!((&line["profiled"]["launches"], &line["profiled"]["to_the_end"]), (&7.into(), &true.into()));

    let empty = Proof::new();
    assert_eq!(empty.run(&[("GPU", "1"), ("PROFILE", "/dev/null")], &["--device", "cuda", "kernels"]), 1);
}

#[test]
fn results_of_another_device_or_build_are_refused() {
    let proof = Proof::new();
    assert_eq!(proof.run(&[], &["facts"]), 0);
    let refused = proof.output(&[], &["--precision", "bf16", "facts"]);
    assert_eq!(refused.status.code(), Some(2));
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(words.contains("has results of another precision (f32, now bf16)"), "{words}");
    fs::write(proof.path("cleave"), format!("{PRETENDER}# another build\n")).unwrap();
    assert_eq!(proof.run(&[], &["facts"]), 2);
}

#[test]
fn a_gpus_number_is_turned_into_the_only_one_that_is_seen() {
    let proof = Proof::new();
    let seen = [("GPU", "1"), ("CUDA_VISIBLE_DEVICES", "4,6")];
    let noting = PRETENDER.replace("echo \"$*\"", "echo \"$CUDA_VISIBLE_DEVICES $*\"");
    fs::write(proof.path("cleave"), noting).unwrap();
    assert_eq!(proof.run(&seen, &["--device", "cuda:1", "kernels"]), 0);
    let calls = proof.calls();
    assert!(
        calls.lines().all(|call| call.starts_with("6 bench") && call.contains("--device cuda ")),
        "{calls}"
    );
    assert_eq!(proof.count("6 bench step"), 2);
    assert_eq!(proof.run(&seen, &["--device", "cuda:2", "kernels"]), 2);
}

#[test]
fn a_pack_holds_all_that_the_other_machine_needs() {
    let proof = Proof::new();
    let program = fs::canonicalize("/bin/true").unwrap();
    for name in ["cleave", "parity"] {
        fs::copy(&program, proof.path(name)).unwrap();
    }
    fs::write(proof.path("pictures"), "").unwrap();
    let pieces = ["--parity", "parity", "--fixtures", "fixtures", "--peer", "peer.py"];
    let refused = proof.output(&[], &[&pieces[..], &["pack", "all.tar"]].concat());
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("pack: no data; name it with --data"));
    let packed = proof.output(&[], &[&pieces[..], &["--data", "pictures", "pack", "all.tar"]].concat());
    assert_eq!(packed.status.code(), Some(0), "{packed:?}");
    let listed = Command::new("tar").arg("-tf").arg(proof.path("all.tar")).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for name in [
        "gpu-proof.sh",
        "cleave.xz",
        "parity.xz",
        "fixtures/a.safetensors",
        "cifar10-jpeg.tar.xz",
        "peer_torch.py",
    ] {
        assert!(listed.lines().any(|line| line == format!("gpu-proof/{name}")), "{name} in {listed}");
    }
}

#[test]
fn wrong_use_is_told_from_failure() {
    let proof = Proof::new();
    for wrong in [&["paint"][..], &["--device", "gpu"], &["--budget", "long"], &["--fixtures", "nowhere"]] {
        assert_eq!(proof.run(&[], wrong), 2, "{wrong:?}");
    }
    assert_eq!(proof.run(&[], &["--device", "cuda", "facts"]), 1, "there is no GPU");
    let facts = &proof.lines()[0];
    assert_eq!((&facts["ok"], &facts["report"]["devices"][0]["device"]), (&false.into(), &"cpu".into()));
}
