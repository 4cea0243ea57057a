//! Runs, usage and sessions for tests of the screen.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Modules, job};
use crate::modular::{Usage, masked_sites};
use crate::preset::Preset;
use crate::random::{Stream, generator};
use crate::run::{
    Control, EpochRecord, Event, Manifest, MaskRecord, ModuleManifest, PROGRAM, SCHEMA, SplitRecord,
};
use crate::spec::Architecture;
use crate::tui::action::Action;
use crate::tui::hits::{Hits, Target};
use crate::tui::keymap::Keymap;
use crate::tui::live::Live;
use crate::tui::message::{Effect, Job, Load, Reply, RunModules};
use crate::tui::shared::Shared;
use crate::tui::theme::{Charset, Depth, Theme};

/// Class names: plain, wide and long ones.
pub(super) fn names(classes: usize) -> Vec<String> {
    const SOME: [&str; 6] =
        ["cat", "sea lion", "車", "a class of a very long name indeed", "e\u{301}toile", "7"];
    (0..classes)
        .map(|n| SOME.get(n).map_or_else(|| format!("class {n}"), |name| (*name).to_owned()))
        .collect()
}

pub(in crate::tui) fn manifest(architecture: Architecture, classes: usize, masked: bool) -> Manifest {
    let preset = Preset::find("digits-mwt", std::path::Path::new("/"), &[]).unwrap();
    let side = if architecture == Architecture::Tiny { 16 } else { 32 };
    Manifest {
        schema: SCHEMA,
        id: "digits-1".into(),
        created: "2026-11-01T10:00:00Z".into(),
        program: PROGRAM.into(),
        seed: 0,
        device: "cpu".into(),
        parent: None,
        classes: names(classes),
        input: [3, side, side],
        mean: vec![0.5; 3],
        std: vec![0.2; 3],
        preset,
        network: architecture.spec([3, side, side], classes, 1.0, masked),
    }
}

/// Usage in which each class fires some kernels always, some sometimes and some never.
pub(in crate::tui) fn usage(manifest: &Manifest) -> Usage {
    use rand::RngExt;
    let sites = masked_sites(&manifest.network).unwrap();
    let kernels: usize = sites.iter().map(|site| site.units).sum();
    let mut rng = generator(7, Stream::Split, 0);
    let counts = (0..manifest.classes.len())
        .map(|_| (0..kernels).map(|_| rng.random_range(0..60u32).saturating_sub(20)).collect())
        .collect();
    Usage::from_counts(sites, vec![40; manifest.classes.len()], counts).unwrap()
}

pub(in crate::tui) fn epoch(epoch: u64, usage: &Usage) -> EpochRecord {
    let share = 1.0 / epoch as f64;
    let rows = usage.sites().iter().enumerate();
    let rates = rows.map(|(layer, _)| {
        (0..usage.classes()).map(|class| share * ((layer + class) % 5) as f64 / 4.0).collect()
    });
    let masks = MaskRecord { layer_class_krr: rates.collect(), ..MaskRecord::default() };
    let split = SplitRecord { masks: Some(masks), ..SplitRecord::default() };
    EpochRecord {
        phase: None,
        step: 100 * epoch,
        epoch,
        learning_rate: 0.1,
        loss_weights: Default::default(),
        train: split.clone(),
        valid: split,
        best_valid_accuracy: 0.9,
        seconds: 1.0,
        images_per_second: 1000.0,
    }
}

pub(in crate::tui) fn module(manifest: &Manifest, name: &str, classes: &[usize]) -> ModuleManifest {
    let control =
        |draw| Control { draw, accuracy_before: 0.5 + 0.02 * draw as f64, accuracy_after: Some(0.8) };
    ModuleManifest {
        name: name.into(),
        run: manifest.id.clone(),
        step: 200,
        created: manifest.created.clone(),
        program: PROGRAM.into(),
        classes: classes.iter().map(|&class| manifest.classes[class].clone()).collect(),
        class_indices: classes.to_vec(),
        threshold: Some(0.9),
        provenance: None,
        head: true,
        fold_masks: false,
        one_vs_rest: false,
        fine_tune_epochs: 10,
        input: manifest.input,
        mean: manifest.mean.clone(),
        std: manifest.std.clone(),
        kernels: 123,
        krr: 0.3,
        krr_all: 0.35,
        params: 123_456,
        macs: 2_345_678,
        whole_accuracy: Some(0.981),
        accuracy_before: Some(0.953),
        accuracy_after: Some(0.987),
        controls: (0..3).map(control).collect(),
        card: None,
        network: manifest.network.clone(),
    }
}

pub(super) fn run_modules(manifest: &Manifest, modules: &[ModuleManifest]) -> RunModules {
    let mut run_modules: Vec<_> =
        modules.iter().map(|module| (module.name.clone(), Ok(module.clone()))).collect();
    run_modules.push(("broken".into(), Err("module.toml is damaged: it was changed".into())));
    RunModules {
        manifest: manifest.clone(),
        epochs: (1..=3)
            .map(|n| epoch(n, &usage(manifest)))
            .filter(|_| manifest.network.convs().any(|conv| conv.masked))
            .collect(),
        modules: run_modules,
    }
}

/// The screen with the shared state and its effects.
pub(super) struct Stage {
    pub screen: Modules,
    pub shared: Shared,
    pub manifest: Manifest,
    pub effects: Vec<Effect>,
    pub hits: Hits,
}

impl Stage {
    fn bare(manifest: Manifest) -> Stage {
        let shared = Shared {
            theme: Theme::Dark,
            charset: Charset::Braille,
            depth: Depth::True,
            size: (80, 24),
            now: Duration::ZERO,
            device: None,
            runs: None,
            marked: Vec::new(),
            open: None,
            live: None,
            load: Load::default(),
            keymap: Keymap::default(),
        };
        Stage { screen: Modules::default(), shared, manifest, effects: Vec::new(), hits: Hits::default() }
    }

    /// A training run with two completed epochs and two modules.
    pub fn live(architecture: Architecture, classes: usize) -> Stage {
        let mut stage = Stage::bare(manifest(architecture, classes, true));
        stage.shared.live = Some(Live::new(stage.manifest.clone()));
        stage.enter();
        let usage = Arc::new(usage(&stage.manifest));
        for n in 1..=2 {
            stage.event(Event::Epoch(Box::new(epoch(n, &usage))));
            stage.event(Event::Usage { step: 100 * n, usage: usage.clone() });
        }
        let modules = [module(&stage.manifest, "cat-dog", &[0, 1]), module(&stage.manifest, "rest", &[2, 3])];
        stage.reply(Reply::RunModules(
            "digits-1".into(),
            Ok(Arc::new(run_modules(&stage.manifest, &modules))),
        ));
        stage.effects.clear();
        stage
    }

    /// A finished run that has just been opened, of which only the name is known.
    pub fn opened(manifest: Manifest) -> Stage {
        let mut stage = Stage::bare(manifest);
        stage.shared.open = Some("digits-1".into());
        stage.enter();
        stage
    }

    fn enter(&mut self) {
        self.effects = self.screen.enter(&mut self.shared);
    }

    pub fn event(&mut self, event: Event) {
        if let Some(live) = &mut self.shared.live {
            live.event(&event);
        }
        let effects = self.screen.event(&event, &mut self.shared);
        self.effects.extend(effects);
    }

    pub fn reply(&mut self, reply: Reply) {
        let effects = self.screen.reply(&reply, &mut self.shared);
        self.effects.extend(effects);
    }

    /// Performs actions that must be available.
    pub fn act(&mut self, actions: &[Action]) {
        for &action in actions {
            assert_eq!(self.screen.refusal(action, &self.shared), None, "{action:?}");
            let effects = self.screen.act(action, &mut self.shared);
            self.effects.extend(effects);
        }
    }

    /// Presses keys in a form.
    pub fn keys(&mut self, codes: &[KeyCode]) {
        for &code in codes {
            let effects = self.screen.key(KeyEvent::new(code, KeyModifiers::NONE), &mut self.shared);
            self.effects.extend(effects);
        }
    }

    pub fn type_text(&mut self, text: &str) {
        let codes: Vec<KeyCode> = text.chars().map(KeyCode::Char).collect();
        self.keys(&codes);
    }

    /// Presses ctrl-s in a form.
    pub fn submit(&mut self) {
        let key = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
        let effects = self.screen.key(key, &mut self.shared);
        self.effects.extend(effects);
    }

    /// Sends a mouse event at the middle of the first area with this target.
    pub fn click(&mut self, target: Target, kind: MouseEventKind, share: f64) {
        let (width, height) = self.shared.size;
        self.draw(width, height);
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let mut found = places.filter_map(|(x, y)| self.hits.at(x, y).filter(|(_, at)| *at == target));
        let (area, _) = found.next().unwrap_or_else(|| panic!("{target:?} is not on the screen"));
        let column = area.x + (f64::from(area.width.saturating_sub(1)) * share).round() as u16;
        let mouse = MouseEvent { kind, column, row: area.y, modifiers: KeyModifiers::NONE };
        let effects = self.screen.mouse(mouse, Some((area, target)), &mut self.shared);
        self.effects.extend(effects);
    }

    pub fn press(&mut self, target: Target) {
        self.click(target, MouseEventKind::Down(MouseButton::Left), 0.5);
    }

    pub fn draw(&mut self, width: u16, height: u16) -> Buffer {
        self.shared.size = (width, height);
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        self.hits = Hits::default();
        self.screen.view(&self.shared, area, &mut buffer, &mut self.hits);
        buffer
    }

    /// The screen as text.
    pub fn text(&mut self, width: u16, height: u16) -> String {
        let buffer = self.draw(width, height);
        crate::tui::snapshot::text(&buffer)
    }

    /// The jobs wanted since the last call.
    pub fn jobs(&mut self) -> Vec<Job> {
        let effects = std::mem::take(&mut self.effects);
        let jobs = effects.into_iter().filter_map(|effect| match effect {
            Effect::Job(job) => Some(*job),
            _ => None,
        });
        jobs.collect()
    }

    pub fn wants(&self, wanted: Job) -> bool {
        self.effects.contains(&job(wanted))
    }
}
