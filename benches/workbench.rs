//! What the workbench costs and how soon it answers, on the real program in a terminal of its own:
//! `cargo bench --bench workbench`. Needs a quiet computer with Linux; takes about seven minutes. With words behind
//! `--` only these: `start`, `idle`, `keys`, `throughput`, `frames`, `memory`.
//!
//! The goals: the first frame within 150 ms; a key answered within 50 ms while training runs on all cores; under
//! 1 % of a core when nothing happens; 99 % of the speed of training without it, as the median of pairs; memory
//! that does not grow with the steps.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cleave::paths::Paths;
use cleave::preset::Preset;
use cleave::run::{
    EpochRecord, Event, Manifest, MaskRecord, PROGRAM, Run, SCHEMA, SplitRecord, StepRecord, Store, Summary,
};
use cleave::tui::app::{App, Start};
use cleave::tui::keymap::Keymap;
use cleave::tui::message::Msg;
use cleave::tui::settings::Settings;
use cleave::tui::theme::{Charset, Depth};
use cleave::tui::view;
use pty::Pty;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

#[path = "../tests/pty/mod.rs"]
mod pty;

const SIZE: (u16, u16) = (120, 40);
const PAIRS: usize = 5;
const MILLION: u64 = 1_000_000;

/// As fast a step as there is: one image, no convolution.
const SMALL_STEPS: &str = r#"
[data]
source = "digits"
size = 8

[network]
stages = ["flatten", { linear = { outputs = 10 } }]

[method]
name = "plain"

[training]
epochs = 2000
batch = 1
learning_rate = 0.001
"#;

fn main() {
    let measurements: [(&str, fn()); 6] = [
        ("start", start),
        ("idle", idle),
        ("keys", keys),
        ("throughput", throughput),
        ("frames", frames),
        ("memory", memory),
    ];
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (name, measure) in measurements {
        if asked.is_empty() || asked.iter().any(|word| word == name) {
            measure();
        }
    }
}

/// From the start of the process to the first frame on the screen.
fn start() {
    let time = || {
        let begun = Instant::now();
        let mut pty = Pty::workbench(SIZE.0, SIZE.1);
        pty.wait_for("3 modules");
        let took = begun.elapsed();
        pty.quit();
        took
    };
    report("first frame", (0..21).map(|_| time()).collect());
}

/// Processor time while nothing happens.
fn idle() {
    let mut pty = Pty::workbench(SIZE.0, SIZE.1);
    pty.wait_for("No runs yet");
    std::thread::sleep(Duration::from_secs(3));
    let (begun, before) = (Instant::now(), processor_seconds(&pty));
    std::thread::sleep(Duration::from_secs(30));
    let share = (processor_seconds(&pty) - before) / begun.elapsed().as_secs_f64();
    println!("idle: {:.2} % of a core", 100.0 * share);
    pty.quit();
}

/// From a key to what it shows, while training runs.
fn keys() {
    let mut pty = Pty::workbench(SIZE.0, SIZE.1);
    pty.train();
    pty.wait_for("images/s");
    let answer = |_| {
        std::thread::sleep(Duration::from_millis(120));
        pty.time("?", "help, lines")
    };
    report("a key answered while training runs", (0..51).map(answer).collect());
    end(pty);
}

/// Pairs of the same run, without the workbench and with its charts in sight. The order changes from pair to
/// pair. Where speed itself changes from run to run by more than what is looked for, the processor time of the
/// workbench's threads says more: it is what training cannot have.
fn throughput() {
    let mut ratios: [Vec<f64>; 3] = Default::default();
    for pair in 0..PAIRS {
        let (headless, (seen, own)) = match pair % 2 {
            0 => {
                let headless = headless();
                (headless, in_sight())
            }
            _ => {
                let seen = in_sight();
                (headless(), seen)
            }
        };
        let speed = seen.images_per_second / headless.images_per_second;
        let whole = headless.seconds / seen.seconds;
        println!(
            "pair {}: {:.0} images/s headless, {:.0} with the workbench ({speed:.4}); the whole run {:.2} s and \
             {:.2} s ({whole:.4}); {:.3} % of the processor time is the workbench's",
            pair + 1,
            headless.images_per_second,
            seen.images_per_second,
            headless.seconds,
            seen.seconds,
            100.0 * own,
        );
        ratios[0].push(speed);
        ratios[1].push(whole);
        ratios[2].push(own);
    }
    let [speed, whole, own] = ratios.map(|mut ratios| {
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    });
    println!(
        "with the workbench: {speed:.4} of the speed without it in steps, {whole:.4} in whole runs, {:.3} % of the \
         processor time (medians)",
        100.0 * own
    );
}

fn headless() -> Summary {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cleave"));
    command.args(["train", "digits", "--device", "cpu"]).env("CLEAVE_HOME", home.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
    summary(home.path())
}

/// What the run came to, and the workbench's part of the processor time.
fn in_sight() -> (Summary, f64) {
    let mut pty = Pty::workbench(SIZE.0, SIZE.1);
    pty.train();
    pty.wait_within(Duration::from_secs(600), "the end", |screen| screen.contains("has finished"));
    let own = own_seconds(&pty) / processor_seconds(&pty);
    let summary = summary(pty.home());
    pty.quit();
    (summary, own)
}

/// What the only run below a home came to.
fn summary(home: &Path) -> Summary {
    let events: Vec<Event> = only_run(home).events().unwrap().0;
    match events.last() {
        Some(Event::Finished { summary, .. }) => summary.clone(),
        other => panic!("the run ended with {other:?}"),
    }
}

fn only_run(home: &Path) -> Run {
    Store::new(&Paths::below(home)).open("latest").unwrap()
}

/// Memory of the real program while it trains a million steps.
fn memory() {
    let home = tempfile::tempdir().unwrap();
    let presets = Paths::below(home.path()).presets();
    fs::create_dir_all(&presets).unwrap();
    fs::write(presets.join("digits.toml"), SMALL_STEPS).unwrap();
    let mut pty = Pty::at(SIZE.0, SIZE.1, home);
    pty.train();
    let begun = Instant::now();
    let mut next = 1_000;
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let step = newest_step(pty.home());
        if step >= next {
            println!("{:>9} steps: {:6.1} MiB, {:.0} s", step, resident(&pty), begun.elapsed().as_secs_f64());
            next = if step < 100_000 { next * 10 } else { step / 100_000 * 100_000 + 100_000 };
        }
        if step >= MILLION {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(3_600), "{}", pty.screen());
    }
    end(pty);
}

/// The step of the newest record, from the end of the log.
fn newest_step(home: &Path) -> u64 {
    let text = fs::read(only_run(home).path.join("steps.jsonl")).unwrap_or_default();
    let tail = String::from_utf8_lossy(&text[text.len().saturating_sub(4_096)..]).into_owned();
    let lines = tail.lines().rev().filter_map(|line| serde_json::from_str::<StepRecord>(line).ok());
    lines.map(|record| record.step).next().unwrap_or(0)
}

/// Memory of the state alone, and the time of its frames, over a million records: more than a million steps give.
fn frames() {
    let (width, height) = SIZE;
    let start = Start {
        settings: Settings::default(),
        keymap: Keymap::default(),
        detected: Charset::Braille,
        depth: Depth::True,
        can_sleep: true,
        log: "workbench.log".into(),
        size: SIZE,
    };
    let (mut app, _) = App::new(start);
    app.update(Msg::SessionStarted(Box::new(manifest())));
    let steps = MILLION;
    app.update(Msg::Session(Event::Started { step: 0, steps_per_epoch: 100, steps, device: "cpu".into() }));
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    let mut times = Vec::new();
    for step in 1..=MILLION {
        app.update(Msg::Session(Event::Steps(steps_record(step))));
        if step % 100 == 0 {
            app.update(Msg::Session(Event::Epoch(Box::new(epoch_record(step)))));
            app.notices.take_new();
        }
        if step % 1_000 == 0 {
            let begun = Instant::now();
            buffer.reset();
            app.hits = view::draw(&app, area, &mut buffer);
            times.push(begun.elapsed());
        }
        if step >= 1_000 && (step == 10u64.pow(step.ilog10()) || step % 250_000 == 0) {
            println!("{step:>9} records: {:6.1} MiB", resident_of("self"));
        }
    }
    report("a frame of the dashboard during a million records", times);
}

fn manifest() -> Manifest {
    let preset = Preset::find("digits", Path::new(""), &[]).unwrap();
    let input = [1, 16, 16];
    Manifest {
        schema: SCHEMA,
        id: "million".into(),
        created: "2999-01-01T00:00:00Z".into(),
        program: PROGRAM.into(),
        seed: 0,
        device: "cpu".into(),
        parent: None,
        classes: (0..10).map(|class| class.to_string()).collect(),
        input,
        mean: vec![0.5],
        std: vec![0.5],
        network: preset.spec(input, 10).unwrap(),
        preset,
    }
}

/// Values that fall, with noise.
fn value(step: u64, number: u64) -> f64 {
    let x = step as f64;
    1.0 / (1.0 + x / 1e5) + 0.05 * (x * 77.7 + number as f64).sin()
}

fn losses(step: u64) -> BTreeMap<String, f64> {
    let names = ["cross_entropy", "cohesion", "coupling", "total", "accuracy", "kernel_rate"];
    (0..).zip(names).map(|(number, name)| (name.to_owned(), value(step, number))).collect()
}

fn steps_record(step: u64) -> StepRecord {
    let (seconds, learning_rate, images_per_second) = (step as f64 / 10.0, 0.05, 5_000.0);
    StepRecord { phase: None, step, seconds, train: losses(step), learning_rate, images_per_second }
}

fn epoch_record(step: u64) -> EpochRecord {
    let split = |number| SplitRecord {
        losses: losses(step),
        accuracy: value(step, number),
        class_accuracy: vec![0.9; 10],
        masks: Some(MaskRecord {
            cohesion: value(step, 7),
            coupling: value(step, 8),
            krr: value(step, 9),
            layer_krr: vec![0.5; 7],
            class_krr: vec![0.5; 10],
            layer_class_krr: vec![vec![0.5; 10]; 7],
            class_cohesion: vec![0.5; 10],
        }),
    };
    EpochRecord {
        phase: None,
        step,
        epoch: step / 100,
        learning_rate: 0.05,
        loss_weights: BTreeMap::from([("alpha".into(), 0.5), ("beta".into(), 3.0)]),
        train: split(10),
        valid: split(11),
        best_valid_accuracy: 0.9,
        seconds: 10.0,
        images_per_second: 5_000.0,
    }
}

/// Leaves with whatever is in training.
fn end(mut pty: Pty) {
    pty.signal(rustix::process::Signal::TERM);
    pty.exit_code(Duration::from_secs(60));
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{what}: median {:.1} ms, longest {:.1} ms of {}",
        milliseconds(times[times.len() / 2]),
        milliseconds(times[times.len() - 1]),
        times.len()
    );
}

/// Seconds that the program's threads have run, from its 14th and 15th figure in `/proc`, in hundredths.
fn processor_seconds(pty: &Pty) -> f64 {
    let path = format!("/proc/{}/stat", pty.process().as_raw_nonzero());
    let text = fs::read_to_string(path).unwrap();
    let behind_name = text.rsplit_once(')').unwrap().1;
    let ticks = behind_name.split_whitespace().skip(11).take(2).map(|word| word.parse::<f64>().unwrap());
    ticks.sum::<f64>() / 100.0
}

/// Seconds that the workbench's threads have run: all but those that train.
fn own_seconds(pty: &Pty) -> f64 {
    const OWN: [&str; 8] =
        ["cleave", "input", "signals", "watchdog", "monitor", "worker", "evaluator", "launch"];
    let tasks = fs::read_dir(format!("/proc/{}/task", pty.process().as_raw_nonzero())).unwrap();
    let seconds = tasks.filter_map(|task| {
        let task = task.ok()?.path();
        let name = fs::read_to_string(task.join("comm")).ok()?;
        let ran = fs::read_to_string(task.join("schedstat")).ok()?;
        let nanoseconds: f64 = ran.split_whitespace().next()?.parse().ok()?;
        OWN.contains(&name.trim()).then_some(nanoseconds / 1e9)
    });
    seconds.sum()
}

/// Mebibytes of the program in memory.
fn resident(pty: &Pty) -> f64 {
    resident_of(&pty.process().as_raw_nonzero().to_string())
}

fn resident_of(process: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}
