//! A Python with the programs at the other end of an export.
//!
//! `$CLEAVE_TEST_PYTHON` names one that has everything. Otherwise a virtual environment is made once below
//! `target/tmp` and filled from PyPI with ONNX and its runtime. PyTorch comes from there only if
//! `CLEAVE_TEST_TORCH=1`: it is several gigabytes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What the tests of ONNX models need.
pub const ONNX: &[&str] = &["numpy", "onnx", "onnxruntime"];
/// What the tests of PyTorch directories need.
pub const TORCH: &[&str] = &["numpy", "torch", "safetensors"];

/// A Python that has these modules; `None`, said loudly, where there is none and none can be had.
pub fn with(modules: &[&str]) -> Option<PathBuf> {
    if let Some(python) = std::env::var_os("CLEAVE_TEST_PYTHON") {
        let python = PathBuf::from(python);
        assert!(has(&python, modules), "$CLEAVE_TEST_PYTHON, {}, lacks one of {modules:?}", python.display());
        return Some(python);
    }
    let system = PathBuf::from("python3");
    if has(&system, modules) {
        return Some(system);
    }
    let wants_torch = std::env::var_os("CLEAVE_TEST_TORCH").is_some_and(|value| value == "1");
    if modules.contains(&"torch") && !wants_torch {
        skip("PyTorch is not there; CLEAVE_TEST_TORCH=1 installs it, $CLEAVE_TEST_PYTHON names one that is");
        return None;
    }
    match environment(modules) {
        Ok(python) => Some(python),
        Err(why) => {
            skip(&why);
            None
        }
    }
}

/// Says past the test harness, which hides what a passing test prints, that something is not tested.
fn skip(why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "\n*** NOT TESTED with the other program: {why} ***\n");
}

fn environment(modules: &[&str]) -> Result<PathBuf, String> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let python = MADE.get_or_init(make).clone()?;
    if !has(&python, modules) {
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        succeed(Command::new(&python).args(install).args(modules))?;
    }
    Ok(python)
}

fn make() -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let python = home.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !has(&python, &["pip"]) {
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
    }
    Ok(python)
}

fn has(python: &Path, modules: &[&str]) -> bool {
    let output = Command::new(python).arg("-c").arg(format!("import {}", modules.join(", "))).output();
    output.is_ok_and(|output| output.status.success())
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {said}")) }
}

/// Runs a script with a folder of cases; gives what it prints, a JSON object a case.
pub fn run(python: &Path, script: &[&str], folder: &Path) -> Vec<serde_json::Value> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export_peers");
    let mut command = Command::new(python);
    command.arg(scripts.join(script[0])).arg(folder).args(&script[1..]);
    // Nothing is to be written beside the sources.
    let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
