//! Training progress on stderr: a progress bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use crate::run::{EpochRecord, PhaseStart, StepRecord};

const TEMPLATE: &str = "{prefix} {bar:24} {pos}/{len} steps, {elapsed} elapsed, {eta} left  {msg}";

/// A bar for work of this many parts, called `what`; hidden where stderr is no terminal.
pub(super) fn counter(parts: u64, what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(parts);
    if let Ok(style) =
        ProgressStyle::with_template(&format!("{{bar:24}} {{pos}}/{{len}} {what}, {{eta}} left"))
    {
        bar.set_style(style.progress_chars("━━─"));
    }
    bar
}

/// The progress display.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    epochs: u64,
}

impl Progress {
    /// A display for a run of this many steps and epochs, of which `done` steps are complete.
    pub(super) fn new(steps: u64, epochs: u64, done: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(steps).with_position(done).with_prefix("training");
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                bar.set_style(style.progress_chars("━━─"));
            }
            bar.reset_eta();
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        Progress { bar, epochs }
    }

    /// Prints a message above the bar.
    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::note(text)),
            None => output::note(text),
        }
    }

    /// The first step is done. Its duration is printed if it was long.
    pub(super) fn ready(&self, seconds: f64) {
        if seconds >= 2.0 {
            self.say(&format!("first step after {seconds:.1} s"));
        }
        // The first step includes start-up work: it must not count towards the estimate.
        self.bar.iter().for_each(ProgressBar::reset_eta);
    }

    pub(super) fn steps(&self, record: &StepRecord) {
        let Some(bar) = &self.bar else { return };
        bar.set_position(record.step);
        let get = |name: &str| record.train.get(name).copied().unwrap_or(0.0);
        bar.set_message(format!(
            "loss {:.3}  accuracy {:.1} %  {:.0} images/s",
            get("total"),
            100.0 * get("accuracy"),
            record.images_per_second
        ));
    }

    /// A phase of training begins.
    pub(super) fn phase(&self, begun: &PhaseStart) {
        self.say(&begun.to_string());
        if let Some(bar) = &self.bar {
            bar.set_prefix(format!("phase {}/{}", begun.phase, begun.phases));
        }
    }

    pub(super) fn epoch(&self, record: &EpochRecord) {
        if let Some(bar) = &self.bar {
            bar.set_position(record.step);
        }
        let masks = record.valid.masks.as_ref().map_or_else(String::new, |masks| {
            format!(
                "  cohesion {:.3}  coupling {:.3}  KRR {:.1} %",
                masks.cohesion,
                masks.coupling,
                100.0 * masks.krr
            )
        });
        let phase = record.phase.map_or_else(String::new, |phase| format!("phase {phase}  "));
        self.say(&format!(
            "{phase}epoch {:>3}/{}  loss {:.4}  train {:.2} %  valid {:.2} %{masks}  {:.1} s",
            record.epoch,
            self.epochs,
            record.train.losses.get("total").copied().unwrap_or(f64::NAN),
            100.0 * record.train.accuracy,
            100.0 * record.valid.accuracy,
            record.seconds
        ));
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
