//! The dashboard driven by events and keys, without a session or a terminal.

mod controls;
mod mash;
mod pictures;
mod runs;
mod steering;

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::*;
use crate::plot::XAxis;
use crate::tui::curves::Logs;
use crate::tui::curves::tests::{epoch, manifest, steps};
use crate::tui::keymap::Keymap;
use crate::tui::live::Live;
use crate::tui::message::{Job, Load, LoadedCurves, RunRow};
use crate::tui::theme::{Charset, Depth, Theme};

/// Steps per epoch and per run.
const PER: u64 = 20;
const STEPS: u64 = 800;

/// The dashboard with the shared state, called as `App` calls it.
struct Bench {
    shared: Shared,
    dashboard: Dashboard,
    /// The effects, in order.
    effects: Vec<Effect>,
    hits: Hits,
}

impl Bench {
    fn empty() -> Self {
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
            load: Load { cpu: 0.5, memory: 400_000_000, gpu: None },
            keymap: Keymap::default(),
        };
        Bench { shared, dashboard: Dashboard::default(), effects: Vec::new(), hits: Hits::default() }
    }

    /// A run of this preset that has trained this many steps.
    fn training(preset: &str, steps: u64) -> Self {
        let mut bench = Bench::empty();
        bench.start("first", preset, None);
        bench.train(0, steps);
        bench
    }

    fn start(&mut self, run: &str, preset: &str, parent: Option<(&str, u64)>) {
        let manifest = manifest(run, preset, parent);
        let step = parent.map_or(0, |(_, step)| step);
        self.shared.open = None;
        self.shared.live = Some(Live::new(manifest));
        let effects = self.dashboard.enter(&mut self.shared);
        self.effects.extend(effects);
        self.event(Event::Started { step, steps_per_epoch: PER, steps: STEPS, device: "cpu".into() });
    }

    /// The records of a span of steps.
    fn train(&mut self, from: u64, to: u64) {
        for step in (from + 5..=to).step_by(5) {
            let weights = self.shared.live.as_ref().map(|live| live.weights.clone()).unwrap_or_default();
            self.event(Event::Steps(steps(step, STEPS, &weights)));
            if step % PER == 0 {
                self.event(Event::Epoch(Box::new(epoch(step, PER, STEPS, &weights))));
            }
        }
    }

    fn event(&mut self, event: Event) {
        if let Some(live) = &mut self.shared.live {
            live.event(&event);
        }
        let effects = self.dashboard.event(&event, &mut self.shared);
        self.effects.extend(effects);
    }

    /// Applies the oldest command at a step.
    fn apply(&mut self, step: u64) -> Option<Command> {
        let live = self.shared.live.as_ref()?;
        let (revision, command) = live.pending.iter().next().map(|(n, c)| (*n, c.clone()))?;
        let change = match &command {
            Command::Set(set) => set.to_string(),
            Command::Checkpoint => {
                self.event(Event::Checkpointed { step });
                "checkpoint".into()
            }
            other => format!("{other:?}"),
        };
        self.event(Event::Applied { step, revision: Some(revision), change });
        Some(command)
    }

    fn act(&mut self, action: Action) {
        let effects = self.dashboard.act(action, &mut self.shared);
        self.effects.extend(effects);
    }

    fn press(&mut self, code: KeyCode) {
        let key = KeyEvent::new(code, KeyModifiers::NONE);
        let effects = self.dashboard.key(key, &mut self.shared);
        self.effects.extend(effects);
    }

    /// Delivers the logs of a run, up to the step at which the session resumed.
    fn read(&mut self, logs: Logs) {
        let run = logs.manifest.id.clone();
        let smoothing = self.dashboard.axes.smoothing();
        let until = self.dashboard.runs.goes_on_from(&run).unwrap_or(u64::MAX);
        let found = Ok(Arc::new(LoadedCurves::of(logs, until, smoothing)));
        let reply = Reply::History { run, until, found };
        let effects = self.dashboard.reply(&reply, &mut self.shared);
        self.effects.extend(effects);
    }

    /// Commands sent since the last call.
    fn sent(&mut self) -> Vec<Command> {
        let effects = std::mem::take(&mut self.effects);
        effects
            .into_iter()
            .filter_map(|e| if let Effect::Send(command) = e { Some(command) } else { None })
            .collect()
    }

    fn toasts(&self) -> Vec<&str> {
        self.effects
            .iter()
            .filter_map(|e| if let Effect::Toast(text) = e { Some(text.as_str()) } else { None })
            .collect()
    }

    fn draw(&mut self, width: u16, height: u16) -> Buffer {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        self.shared.size = (width, height);
        self.hits = Hits::default();
        self.dashboard.view(&self.shared, area, &mut buffer, &mut self.hits);
        buffer
    }

    fn text(&mut self, width: u16, height: u16) -> String {
        crate::tui::snapshot::text(&self.draw(width, height))
    }

    fn curves(&self) -> &Curves {
        self.dashboard.shown(&self.shared).unwrap()
    }
}

/// A finished run's logs.
fn history(run: &str, preset: &str, parent: Option<(&str, u64)>, to: u64) -> Logs {
    let manifest = manifest(run, preset, parent);
    let weights = manifest.preset.method.weights();
    let weights = weights.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let from = parent.map_or(0, |(_, step)| step);
    Logs {
        manifest,
        epochs: (from + PER..=to)
            .step_by(PER as usize)
            .map(|step| epoch(step, PER, STEPS, &weights))
            .collect(),
        steps: (from + 5..=to).step_by(5).map(|step| steps(step, STEPS, &weights)).collect(),
        events: vec![
            Event::Started { step: from, steps_per_epoch: PER, steps: STEPS, device: "cpu".into() },
            Event::Stopped { step: to },
        ],
        checkpoints: vec![from, to],
    }
}
