//! A Python with packages, for tests that read what Cleave writes with the programs that it is for.

use std::fs::{self, File};
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

/// The interpreter of an environment in `target/python` that has these packages, installed once; `None`, said
/// loudly, only where pip has no network or there is no Python.
pub fn python(packages: &[&str]) -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../python");
    fs::create_dir_all(&home).unwrap();
    // Several tests may want it at the same time.
    let lock = File::create(home.join("lock")).unwrap();
    lock.lock().unwrap();
    let python = home.join("bin/python");
    if !python.exists() && !run(Command::new("python3").args(["-m", "venv"]).arg(&home)) {
        return None;
    }
    let list = home.join("installed.txt");
    let installed = fs::read_to_string(&list).unwrap_or_default();
    let absent: Vec<&&str> =
        packages.iter().filter(|package| !installed.lines().any(|line| line == **package)).collect();
    if !absent.is_empty() {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(&absent);
        if !run(&mut pip) {
            return None;
        }
        let names: String = absent.iter().map(|package| format!("{package}\n")).collect();
        fs::write(&list, installed + &names).unwrap();
    }
    Some(python)
}

/// Whether the command succeeded; a failure for another reason than the network fails the test.
fn run(command: &mut Command) -> bool {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("SKIPPED: {command:?}: {error}");
            return false;
        }
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        assert!(NO_NETWORK.iter().any(|words| said.contains(words)), "{command:?}: {said}");
        println!("SKIPPED: pip has no network: {said}");
    }
    output.status.success()
}
