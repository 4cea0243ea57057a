//! Parity with the reference implementation. Every case in `tests/fixtures`, and in `$CLEAVE_FIXTURES` (default
//! `../shared/fixtures`) where there is such a folder, is recognised by the end of its name and its metadata,
//! recomputed, and compared within the tolerances that its README gives.
//!
//! For other devices than the CPU: `CLEAVE_PARITY_DEVICE` (as `--device`), `CLEAVE_PARITY_PRECISION` (as
//! `--precision`), and `CLEAVE_PARITY_RELATIVE`, a fraction of the largest value by which every number may
//! differ. `CLEAVE_PARITY_CASE` names the one file to compare, and what is found out about kernels is kept in
//! `CLEAVE_PARITY_TUNING`, as the program does: so cases can be compared one by one, each by a process of its own.
#![allow(clippy::unwrap_used)]

mod compare;
mod first_layers;
mod fixture;
mod layers;
mod losses;
mod modularize;
mod module;
mod pipeline;
mod reference;
mod threshold;
mod train;

use std::io::Write;
use std::path::{Path, PathBuf};

use cleave::backend::{self, Arithmetic, Choice, Compute, Cpu, Device, Precision, Task, Training};

use compare::Report;
use fixture::Fixture;

type Case<B> = fn(&Fixture, &<B as burn::tensor::backend::BackendTypes>::Device, &mut Report);

fn case<B: Training>(file: &str) -> Option<Case<B>> {
    let cases: [(&str, Case<B>); 8] = [
        ("_losses", losses::check::<B>),
        ("_mask_generator", layers::mask_generator::<B>),
        ("_masked_conv_bn", layers::masked_conv_bn::<B>),
        ("_first_layers", first_layers::check::<B>),
        ("_train", train::check::<B>),
        ("_modularize", modularize::check::<B>),
        ("_data_pipeline", |fixture, _, report| pipeline::check(fixture, report)),
        ("_threshold_edges_and_lr", |fixture, _, report| threshold::check(fixture, report)),
    ];
    let stem = file.strip_suffix(".safetensors")?;
    cases.into_iter().find(|(ending, _)| stem.ends_with(ending)).map(|(_, case)| case)
}

/// The value of an environment variable, if it is set.
fn setting<T: std::str::FromStr<Err: std::fmt::Debug>>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// The device that is asked for.
fn choice() -> Choice {
    setting("CLEAVE_PARITY_DEVICE").unwrap_or(Choice::Cpu)
}

/// How products are computed on this device.
fn arithmetic<B: Compute>(device: &B::Device) -> Arithmetic {
    B::arithmetic(setting::<Precision>("CLEAVE_PARITY_PRECISION").unwrap_or_default(), device).unwrap()
}

/// A case of the device that is asked for.
struct Run<'a> {
    name: &'a str,
    fixture: &'a Fixture,
    report: &'a mut Report,
}

impl Task for Run<'_> {
    type Output = ();

    fn run<B: Training>(self, device: B::Device) {
        case::<B>(self.name).unwrap()(self.fixture, &device, self.report);
    }
}

/// Not captured by the test harness, unlike `println!`.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn is_case(file: &Path) -> bool {
    case::<Cpu>(&file.file_name().unwrap().to_string_lossy()).is_some()
}

/// The cases of the repository and those beside it.
fn all() -> Vec<PathBuf> {
    let mut files = fixture::own();
    match fixture::more() {
        Some(folder) => files.extend(fixture::files(&folder)),
        None => {
            say("parity: whole training steps are compared only where $CLEAVE_FIXTURES has the full fixtures")
        }
    }
    files.retain(|file| is_case(file));
    files
}

/// One case by its file's name, from the folder beside the repository or from the repository.
fn named(name: &str) -> PathBuf {
    let files = fixture::more().map(|folder| folder.join(name)).filter(|file| file.is_file());
    let file = files.unwrap_or_else(|| fixture::folder().join(name));
    assert!(is_case(&file), "{name} is no parity case");
    file
}

#[test]
fn parity_with_the_reference() {
    let files = match setting::<String>("CLEAVE_PARITY_CASE") {
        Some(name) => vec![named(&name)],
        None => all(),
    };
    if let Some(directory) = setting::<PathBuf>("CLEAVE_PARITY_TUNING") {
        backend::keep_tuning(&directory);
    }
    let device: Device = choice().resolve().unwrap().0;
    let relative: f64 = setting("CLEAVE_PARITY_RELATIVE").unwrap_or(0.0);
    let mut failed = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let mut report = Report::new(&name, relative);
        device.run(Run { name: &name, fixture: &Fixture::read(file), report: &mut report }).unwrap();
        say(&report.line());
        failed.extend(report.failures);
    }
    assert!(failed.is_empty(), "{} differences:\n{}", failed.len(), failed.join("\n"));
}
