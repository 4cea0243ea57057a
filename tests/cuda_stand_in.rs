//! The program on a machine with a GPU, played by a driver and a compiler of our own (tests/cuda): they
//! keep the memory, count, and fail when told to, but run no kernel. So what is done around kernels is
//! tested here: finding devices, messages, waits, running out of memory, losing the device. No number that
//! training gives means anything.

#![cfg(all(feature = "cuda", target_os = "linux"))]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use common::{Ended, Home};
use serde_json::Value;

/// What a test wants of the machine.
struct Machine {
    home: Home,
    libraries: PathBuf,
    toolkit: PathBuf,
    settings: Vec<(&'static str, String)>,
}

/// The two libraries; `None` without a C compiler.
static LIBRARIES: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cuda_stand_in");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda");
    for (source, library) in [("driver.c", "both/libcuda.so.1"), ("nvrtc.c", "both/libnvrtc.so.12")] {
        let library = directory.join(library);
        fs::create_dir_all(library.parent().unwrap()).unwrap();
        let arguments = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"];
        let name = library.file_name().unwrap().to_string_lossy();
        let compiled = Command::new("cc")
            .arg(format!("-Wl,-soname,{name}"))
            .args(arguments)
            .arg(&library)
            .arg(sources.join(source))
            .status();
        match compiled {
            Ok(status) => assert!(status.success(), "cc does not compile {source}"),
            Err(_) => return None,
        }
    }
    let alone = directory.join("driver");
    fs::create_dir_all(&alone).unwrap();
    fs::copy(directory.join("both/libcuda.so.1"), alone.join("libcuda.so.1")).unwrap();
    let include = directory.join("toolkit/include");
    fs::create_dir_all(&include).unwrap();
    for header in ["cuda_runtime.h", "cuda_fp16.h", "cuda_bf16.h", "mma.h"] {
        fs::write(include.join(header), "").unwrap();
    }
    Some(directory)
});

/// A machine where everything is there, with these settings of the stand-ins; `None` without a C compiler.
fn machine(settings: &[(&'static str, &str)]) -> Option<Machine> {
    let directory = LIBRARIES.as_ref()?;
    let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let (libraries, toolkit) = (directory.join("both"), directory.join("toolkit"));
    Some(Machine { home: Home::new(), libraries, toolkit, settings })
}

impl Machine {
    fn cleave(&self, arguments: &[&str]) -> Ended {
        let mut command = self.home.command(arguments);
        command.env("LD_LIBRARY_PATH", &self.libraries).env("CUDA_PATH", &self.toolkit);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        Ended::of(command)
    }

    /// The entry of the first CUDA device.
    fn device(&self) -> Value {
        self.cleave(&["devices", "--json"]).exits(0).json()["devices"][1].clone()
    }

    /// What keeps CUDA from working: said by `devices`, by a command that wants it, and by one that can do
    /// without.
    fn misses(&self, words: &str) {
        let problem = self.device()["problem"].as_str().unwrap_or_default().to_owned();
        assert!(problem.contains(words), "{words:?} in {problem:?}");
        let train = |device| {
            let options = ["--device", device, "--set", "training.epochs=1", "--set", "data.limit=40"];
            self.cleave(&[&["train", "trial"][..], &options].concat())
        };
        let refused = train("cuda");
        assert_ne!(refused.code, Some(0));
        refused.says(&["CUDA cannot be used", words]);
        train("auto").exits(0).says(&["using the CPU: CUDA cannot be used", words]);
    }

    /// Trains a little on the device.
    fn trains(&self, options: &[&str]) -> Ended {
        self.cleave(&[&["train", "trial", "--device", "cuda", "--name", "run"], options].concat())
    }

    /// What the driver counted in the last process.
    fn counted(&self, log: &Path) -> Value {
        let text = fs::read_to_string(log).unwrap();
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }
}

#[test]
fn an_old_driver_is_named_with_what_is_needed() {
    let Some(machine) = machine(&[("STAND_IN_CUDA", "11040")]) else { return };
    machine.misses("the driver is too old: it knows CUDA 11.4, 12.0 is needed");
}

#[test]
fn a_driver_without_a_device_is_said_so() {
    for settings in [("STAND_IN_INIT", "100"), ("STAND_IN_DEVICES", "0")] {
        let Some(machine) = machine(&[settings]) else { return };
        machine.misses("the driver finds no device");
    }
}

#[test]
fn a_stub_of_the_toolkit_is_no_driver() {
    let Some(machine) = machine(&[("STAND_IN_INIT", "34")]) else { return };
    machine.misses("the toolkit's stub");
}

#[test]
fn without_the_runtime_compiler_its_package_is_named() {
    let Some(mut machine) = machine(&[]) else { return };
    machine.libraries = LIBRARIES.as_ref().unwrap().join("driver");
    machine.misses("NVRTC (libnvrtc.so.12 or .13) is missing");
}

#[test]
fn the_runtime_compiler_is_found_in_the_toolkit() {
    let Some(mut machine) = machine(&[]) else { return };
    let toolkit = machine.home.path().join("toolkit");
    fs::create_dir_all(toolkit.join("lib64")).unwrap();
    std::os::unix::fs::symlink(machine.toolkit.join("include"), toolkit.join("include")).unwrap();
    fs::copy(machine.libraries.join("libnvrtc.so.12"), toolkit.join("lib64/libnvrtc.so.12")).unwrap();
    machine.libraries = LIBRARIES.as_ref().unwrap().join("driver");
    machine.toolkit = toolkit;
    assert_eq!(machine.device()["problem"], Value::Null);
}

#[test]
fn a_compiler_newer_than_the_driver_is_refused() {
    let Some(machine) = machine(&[("STAND_IN_NVRTC", "1300")]) else { return };
    machine.misses("it knows CUDA 12.4 and refuses what NVRTC 13.0 compiles");
}

#[test]
fn missing_headers_are_named() {
    let Some(mut machine) = machine(&[]) else { return };
    machine.toolkit = machine.home.path().join("nowhere");
    machine.misses("cuda_runtime.h is missing");
}

#[test]
fn a_compiler_that_fails_says_why() {
    let settings =
        [("STAND_IN_COMPILER_ERROR", "probe(1): catastrophic error: cannot open source file \"x.h\"")];
    let Some(machine) = machine(&settings) else { return };
    machine.misses("cannot open source file");
}

#[test]
fn a_device_that_the_compiler_does_not_know_is_refused() {
    let Some(machine) = machine(&[("STAND_IN_CAPABILITY", "120")]) else { return };
    machine.misses("NVRTC 12.4 does not know compute capability 12.0");
}

#[test]
fn devices_are_listed_with_what_they_are() {
    let Some(machine) = machine(&[("STAND_IN_DEVICES", "2"), ("STAND_IN_CUDA", "13000")]) else { return };
    let device = machine.device();
    assert_eq!((&device["device"], &device["problem"]), (&"cuda:0".into(), &Value::Null));
    assert_eq!((&device["name"], &device["memory"]), (&"Stand-in 0".into(), &(8u64 << 30).into()));
    assert_eq!((&device["compute_capability"], &device["nvrtc"]), (&"9.0".into(), &"12.4".into()));
    assert!(device["driver"].as_str().unwrap().contains("CUDA 13.0"));
    machine.cleave(&["devices"]).exits(0);
    machine
        .cleave(&["train", "trial", "--device", "cuda:0,5"])
        .says(&["there is no cuda:5: 2 CUDA device(s)"]);
}

#[test]
fn precisions_that_a_device_lacks_are_refused_before_a_run_is_made() {
    let Some(old) = machine(&[("STAND_IN_CAPABILITY", "75"), ("STAND_IN_NVRTC", "1204")]) else { return };
    // This compiler knows 8.0 and 9.0 alone.
    old.misses("does not know compute capability 7.5");
    let home = Home::new();
    let refused = home.train(&["trial", "--precision", "bf16", "--name", "narrow"]);
    assert_ne!(refused.code, Some(0));
    refused.says(&["cpu does not compute in bf16"]);
    assert!(home.store().open("narrow").is_err());
}

#[test]
fn a_run_on_the_device_says_when_its_first_step_is_done_and_keeps_what_was_tuned() {
    let Some(machine) = machine(&[]) else { return };
    machine.trains(&["--epochs", "1"]).exits(0).says(&["tuning kernels"]);
    let events = fs::read_to_string(machine.home.run("run").path.join("events.jsonl")).unwrap();
    assert!(events.contains("\"kind\":\"ready\",\"step\":1,\"seconds\":"), "{events}");
    let tuning = machine.home.path().join("cache/tuning");
    assert!(fs::read_dir(&tuning).unwrap().next().is_some(), "nothing in {}", tuning.display());
}

#[test]
fn a_training_step_keeps_the_device_busy() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let Some(machine) = machine(&[("STAND_IN_LOG", log.path().to_str().unwrap())]) else { return };
    let stalls = |steps| {
        let bench = ["bench", "step", "--model", "small", "--plain", "--batch", "4", "--precision", "tf32"];
        machine
            .cleave(&[&bench[..], &["--device", "cuda", "--warmup", "1", "--steps", steps]].concat())
            .exits(0);
        machine.counted(log.path())["stalls"].as_i64().unwrap()
    };
    // Tunes.
    stalls("1");
    // The one wait of a timed step is for its sums, which training reads four times a second at most.
    assert_eq!(stalls("4") - stalls("1"), 3);
}

#[test]
fn running_out_of_memory_ends_the_run_with_a_batch_that_would_fit() {
    let Some(machine) = machine(&[("STAND_IN_MEMORY", "16000000")]) else { return };
    let options = ["--epochs", "1", "--set", "data.limit=200", "--set", "training.batch=64"];
    let ended = machine.cleave(&[&["train", "digits", "--device", "cuda"][..], &options].concat());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    ended.says(&["the device ran out of memory at batch 64", "would fit: --set training.batch="]);
}

#[test]
fn a_lost_device_ends_the_run_and_its_checkpoint_stays() {
    let Some(machine) = machine(&[("STAND_IN_LOST_AFTER", "500")]) else { return };
    let ended = machine.trains(&["--epochs", "1"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    ended.says(&["the device was lost", "resume the run", "the checkpoint of step 0 is intact"]);
}

#[test]
fn no_number_of_a_device_that_was_lost_is_told() {
    let Some(mut machine) = machine(&[]) else { return };
    machine.home.train(&["trial", "--epochs", "1", "--name", "run"]).exits(0);
    machine.settings.push(("STAND_IN_LOST_AFTER", "100".into()));
    let extracted = ["extract", "run", "--classes", "0,1", "--name", "two"];
    for command in [&extracted[..], &["evaluate", "run"]] {
        let ended = machine.cleave(&[command, &["--device", "cuda"]].concat());
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let ended = ended.says(&["the device was lost: CUDA_ERROR_LAUNCH_FAILED"]);
        assert!(!ended.said.contains("panicked"), "{ended:?}");
    }
    assert!(!machine.home.run("run").path.join("modules/two").exists());
}

#[test]
fn two_devices_share_a_batch() {
    let Some(machine) = machine(&[("STAND_IN_DEVICES", "2")]) else { return };
    machine.cleave(&["train", "trial", "--device", "cuda:0,1", "--epochs", "1", "--name", "run"]).exits(0);
    assert_eq!(machine.home.run("run").manifest.device, "cuda:0,1");
}
