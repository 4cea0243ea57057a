//! A Python with packages, for tests that read what Cleave writes with the programs that it is for.
//!
//! `$CLEAVE_TEST_PYTHON` names one that has everything. Otherwise the system's is taken if it has what a test
//! needs, or a virtual environment below `target/tmp` is filled from PyPI. PyTorch comes from there only if
//! `CLEAVE_TEST_TORCH=1`: with the CUDA libraries that its wheel for Linux asks for it is 5 gigabytes.

#![allow(dead_code, reason = "every test file uses a part of it")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What pip says where it has no network.
const NO_NETWORK: [&str; 5] = [
    "NewConnectionError",
    "Temporary failure in name resolution",
    "ConnectTimeout",
    "ProxyError",
    "ReadTimeout",
];

/// What a test needs: what it imports, and what pip calls that.
pub struct Packages {
    imports: &'static str,
    install: &'static [&'static str],
}

/// ONNX, its checker and its runtime.
pub const ONNX: Packages =
    Packages { imports: "numpy, onnx, onnxruntime", install: &["numpy", "onnx", "onnxruntime"] };
/// NumPy alone.
pub const NUMPY: Packages = Packages { imports: "numpy", install: &["numpy"] };
/// PyTorch.
pub const TORCH: Packages =
    Packages { imports: "numpy, torch, safetensors.torch", install: &["numpy", "torch", "safetensors"] };
/// TensorBoard's own readers; some versions import pkg_resources, which setuptools has dropped since.
pub const TENSORBOARD: Packages = Packages {
    imports: "tensorboard.backend.event_processing.event_accumulator, tensorboard.plugins.hparams.plugin_data_pb2",
    install: &["tensorboard", "setuptools<81"],
};

/// A Python that has these packages; `None`, said loudly, where there is none and none can be had.
///
/// A named Python that lacks them fails the test, and so does pip for another reason than the network.
pub fn with(packages: &Packages) -> Option<PathBuf> {
    let imports = packages.imports;
    if let Some(python) = std::env::var_os("CLEAVE_TEST_PYTHON") {
        let python = PathBuf::from(python);
        assert!(has(&python, imports), "$CLEAVE_TEST_PYTHON, {}, cannot import {imports}", python.display());
        return Some(python);
    }
    let system = PathBuf::from("python3");
    if has(&system, imports) {
        return Some(system);
    }
    let wants_torch = std::env::var_os("CLEAVE_TEST_TORCH").is_some_and(|value| value == "1");
    if imports == TORCH.imports && !wants_torch {
        skip("PyTorch is not there; CLEAVE_TEST_TORCH=1 installs it, $CLEAVE_TEST_PYTHON names one that is");
        return None;
    }
    environment(packages)
}

/// Says past the test harness, which hides what a passing test prints, that something is not tested.
pub fn skip(why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "\n*** NOT TESTED with the other program: {why} ***\n");
}

/// The virtual environment, made and filled once.
fn environment(packages: &Packages) -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(target).unwrap();
    // Several tests may want it at the same time.
    let lock = File::create(target.join("python.lock")).unwrap();
    lock.lock().unwrap();
    let home = target.join("python");
    let python = home.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !has(&python, "pip") {
        let made = run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
        if let Err(why) = made {
            skip(&format!("{why} (on Debian: apt-get install python3-venv)"));
            return None;
        }
    }
    if !has(&python, packages.imports) {
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        if let Err(why) = run(Command::new(&python).args(install).args(packages.install)) {
            assert!(NO_NETWORK.iter().any(|words| why.contains(words)), "{why}");
            skip(&why);
            return None;
        }
    }
    Some(python)
}

fn has(python: &Path, imports: &str) -> bool {
    let output = Command::new(python).arg("-c").arg(format!("import {imports}")).output();
    output.is_ok_and(|output| output.status.success())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout).trim(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {said}")) }
}
