//! How soon the modules screen answers: `cargo bench --bench modules`. Prints medians of 51 moves of the
//! threshold, and of 51 frames, and the fastest of each.
//!
//! The goal is an answer within a frame, 16 ms.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cleave::modular::{Usage, masked_sites};
use cleave::preset::Preset;
use cleave::run::{Event, Manifest, PROGRAM, SCHEMA};
use cleave::spec::Architecture;
use cleave::tui::action::Action;
use cleave::tui::hits::Hits;
use cleave::tui::keymap::Keymap;
use cleave::tui::live::Live;
use cleave::tui::message::Load;
use cleave::tui::modules::Modules;
use cleave::tui::shared::Shared;
use cleave::tui::theme::{Charset, Depth, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const ROUNDS: usize = 51;

fn main() {
    for classes in [10, 100] {
        measure(classes);
    }
}

/// A VGG16 of full width with all of its classes chosen.
fn measure(classes: usize) {
    let manifest = manifest(classes);
    let usage = Arc::new(usage(&manifest));
    let mut shared = shared(manifest);
    let mut screen = Modules::default();
    screen.enter(&mut shared);
    let event = Event::Usage { step: 1, usage };
    if let Some(live) = &mut shared.live {
        live.event(&event);
    }
    screen.event(&event, &mut shared);
    screen.act(Action::AllClasses, &mut shared);
    let mut up = false;
    report(&format!("threshold moved, VGG16, {classes} classes"), || {
        up = !up;
        let action = if up { Action::ThresholdDown } else { Action::ThresholdUp };
        black_box(screen.act(action, &mut shared));
    });
    for view in ["sizes and overlap", "retention", "kernels"] {
        let area = Rect::new(0, 0, 200, 50);
        let mut buffer = Buffer::empty(area);
        report(&format!("frame of {view}, 200x50, {classes} classes"), || {
            buffer.reset();
            screen.view(&shared, area, &mut buffer, &mut Hits::default());
            black_box(&buffer);
        });
        screen.act(Action::NextView, &mut shared);
    }
}

fn manifest(classes: usize) -> Manifest {
    let preset = Preset::find("digits", Path::new("."), &[]).expect("the preset is embedded");
    Manifest {
        schema: SCHEMA,
        id: "vgg16".into(),
        created: String::new(),
        program: PROGRAM.into(),
        seed: 0,
        device: "cpu".into(),
        parent: None,
        classes: (0..classes).map(|class| format!("class {class}")).collect(),
        input: [3, 32, 32],
        mean: vec![0.5; 3],
        std: vec![0.2; 3],
        preset,
        network: Architecture::Vgg16.spec([3, 32, 32], classes, 1.0, true),
    }
}

/// Every class fires about a third of the kernels often.
fn usage(manifest: &Manifest) -> Usage {
    let sites = masked_sites(&manifest.network).expect("the network is whole");
    let kernels: usize = sites.iter().map(|site| site.units).sum();
    let count = |class: usize, kernel: usize| (kernel * 7919 + class * 104_729 + kernel * kernel % 97) % 150;
    let counts = (0..manifest.classes.len())
        .map(|class| (0..kernels).map(|kernel| count(class, kernel).min(100) as u32).collect())
        .collect();
    Usage::from_counts(sites, vec![100; manifest.classes.len()], counts).expect("the lengths agree")
}

fn shared(manifest: Manifest) -> Shared {
    Shared {
        theme: Theme::Dark,
        charset: Charset::Braille,
        depth: Depth::True,
        size: (200, 50),
        now: Duration::ZERO,
        device: None,
        runs: None,
        marked: Vec::new(),
        open: None,
        live: Some(Live::new(manifest)),
        load: Load::default(),
        keymap: Keymap::default(),
    }
}

fn report(name: &str, mut work: impl FnMut()) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("{name:<48} median {:>10.2?}  fastest {:>10.2?}", times[ROUNDS / 2], times[0]);
}
