//! The scripts that open what was exported.

use std::path::Path;
use std::process::Command;

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
