//! Dependencies: every crate that is compiled into the program, its build or its tests may be used on terms that
//! `deny.toml` allows, and is compiled once.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use toml::{Table, Value};

/// What `deny.toml` allows.
struct Rules {
    allow: Vec<String>,
    /// A crate and what is allowed for it besides.
    exceptions: Vec<(String, Vec<String>)>,
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let rules = Rules::read();
    let mut faults = Vec::new();
    let dependencies = dependencies();
    assert!(dependencies.len() > 50, "`cargo tree` lists only {} crates", dependencies.len());
    for (name, licence) in dependencies {
        let allowed = |one: &str| {
            let excepted =
                |(of, allow): &(String, Vec<String>)| *of == name && allow.iter().any(|a| a == one);
            rules.allow.iter().any(|a| a == one) || rules.exceptions.iter().any(excepted)
        };
        if !satisfied(&licence, &allowed) {
            faults.push(format!("{name}: {licence:?}"));
        }
    }
    assert!(faults.is_empty(), "licences that deny.toml does not allow:\n{}", faults.join("\n"));
}

/// A dependency of tests that turns on a feature of what Burn is built on makes Cargo build Burn twice, which takes
/// longer than all else together.
#[test]
fn tests_and_program_share_one_build_of_every_dependency() {
    let [program, tests] = ["normal,build", "normal,build,dev"].map(|edges| tree(edges, "{p} [{f}]"));
    assert!(program.len() > 50, "`cargo tree` lists only {} crates", program.len());
    let twice: Vec<_> = program.difference(&tests).collect();
    assert!(twice.is_empty(), "tests need other features of these; turn them on in Cargo.toml: {twice:#?}");
}

#[test]
fn licence_expressions_are_read_as_spdx_has_them() {
    let allowed = |one: &str| ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"].contains(&one);
    for good in [
        "MIT",
        "GPL-3.0 OR MIT",
        "GPL-3.0/MIT",
        "GPL-3.0 / MIT",
        "(GPL-3.0 OR MIT) AND Zlib",
        "Zlib OR GPL-3.0 AND LGPL-2.1",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(satisfied(good, &allowed), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT)", "MIT MIT", "GPL-3.0 OR", "Apache-2.0"] {
        assert!(!satisfied(bad, &allowed), "{bad}");
    }
}

impl Rules {
    fn read() -> Rules {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
        let table: Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        let licenses = &table["licenses"];
        let exceptions = licenses["exceptions"].as_array().unwrap().iter();
        Rules {
            allow: texts(&licenses["allow"]),
            exceptions: exceptions
                .map(|one| (one["crate"].as_str().unwrap().to_owned(), texts(&one["allow"])))
                .collect(),
        }
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Name and licence of every crate that a build for this computer compiles. `cargo metadata` would also list
/// optional crates that no build uses.
fn dependencies() -> Vec<(String, String)> {
    let lines = tree("normal,build,dev", "{p}\t{l}").into_iter();
    let split = |line: String| {
        let (package, licence) = line.split_once('\t')?;
        Some((package.split(' ').next().unwrap_or_default().to_owned(), licence.to_owned()))
    };
    lines.filter_map(split).collect()
}

/// A line in this format for each crate, without duplicates.
fn tree(edges: &str, format: &str) -> BTreeSet<String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    // What this test was built with is on the disk, so no network is needed.
    cargo.args(["tree", "--offline", "--locked", "--prefix", "none", "--edges", edges, "--format", format]);
    if !cfg!(feature = "cuda") {
        cargo.arg("--no-default-features");
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_end_matches(" (*)").trim_end().to_owned()).collect()
}

/// Whether an SPDX expression can be met with allowed licences. A `/` between licences is an old form of OR.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest, allowed) == Some(true) && rest.is_empty()
}

fn any(rest: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut met = all(rest, allowed)?;
    while let Some(("OR", behind)) = rest.split_first().map(|(word, behind)| (*word, behind)) {
        *rest = behind;
        met |= all(rest, allowed)?;
    }
    Some(met)
}

fn all(rest: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut met = one(rest, allowed)?;
    while let Some(("AND", behind)) = rest.split_first().map(|(word, behind)| (*word, behind)) {
        *rest = behind;
        met &= one(rest, allowed)?;
    }
    Some(met)
}

fn one(rest: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    match **rest {
        ["(", ..] => {
            *rest = &rest[1..];
            let met = any(rest, allowed)?;
            *rest = rest.strip_prefix(&[")"])?;
            Some(met)
        }
        [licence, "WITH", exception, ..] => {
            *rest = &rest[3..];
            Some(allowed(&format!("{licence} WITH {exception}")))
        }
        [licence, ..] if !matches!(licence, ")" | "AND" | "OR" | "WITH") => {
            *rest = &rest[1..];
            Some(allowed(licence))
        }
        _ => None,
    }
}
