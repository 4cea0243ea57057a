//! Setting changes sent to the trainer: at most one unanswered change per slider, of which the newest value wins.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::run::Event;
use crate::session::{Command, Setting, scheduled_rate};
use crate::tui::curves::{Curves, LEARNING_RATE};
use crate::tui::live::Live;
use crate::tui::message::Effect;
use crate::tui::widget::{Range, Scale};

/// Moves of one slider within this time are undone together.
const GESTURE: Duration = Duration::from_secs(2);

/// The setting changes of a session: sent, waiting and done.
#[derive(Debug, Default)]
pub struct Steering {
    /// The newest value of each slider whose previous change is unanswered.
    waiting: BTreeMap<String, Moved>,
    /// Unanswered changes, by revision.
    sent: BTreeMap<u64, Sent>,
    /// Values before the changes of this session, for undo; newest last.
    done: Vec<Moved>,
    /// Number of undo requests while a change was unanswered.
    undos: usize,
    /// Whether a checkpoint was saved before the first change.
    saved: bool,
}

/// A slider's setting, and when the user changed it.
#[derive(Clone, Debug, PartialEq)]
struct Moved {
    set: Setting,
    at: Duration,
}

#[derive(Debug)]
struct Sent {
    before: Moved,
    undo: bool,
}

impl Steering {
    /// Moves a slider: sends the change, or holds it until the previous one is answered. A checkpoint is saved before a
    /// session's first change.
    pub fn change(&mut self, set: Setting, now: Duration, live: &mut Live) -> Vec<Effect> {
        let slider = name(&set).to_owned();
        if self.is_on_its_way(&slider, live) {
            self.waiting.insert(slider, Moved { set, at: now });
            return Vec::new();
        }
        self.send(set, now, false, live)
    }

    /// Undoes the last change; unsent changes are discarded.
    pub fn undo(&mut self, now: Duration, live: &mut Live) -> Vec<Effect> {
        self.waiting.clear();
        if !self.sent.is_empty() {
            self.undos += 1;
            return Vec::new();
        }
        match self.done.pop() {
            Some(before) => self.send(before.set, now, true, live),
            None => Vec::new(),
        }
    }

    /// Whether there is a change to undo.
    pub fn can_undo(&self) -> bool {
        !self.done.is_empty() || !self.sent.is_empty()
    }

    /// Handles an answer; returns what to send next, and a message for the user.
    pub fn event(&mut self, event: &Event, now: Duration, live: &mut Live) -> (Vec<Effect>, Option<String>) {
        let (revision, refusal) = match event {
            Event::Started { .. } => {
                *self = Steering::default();
                return (Vec::new(), None);
            }
            Event::Applied { revision: Some(revision), .. } => (revision, None),
            Event::Refused { revision, why, .. } => (revision, Some(why)),
            _ => return (Vec::new(), None),
        };
        let Some(sent) = self.sent.remove(revision) else { return (Vec::new(), None) };
        let slider = name(&sent.before.set).to_owned();
        let same =
            |last: &Moved| name(&last.set) == slider && sent.before.at.saturating_sub(last.at) < GESTURE;
        match self.done.last_mut() {
            _ if refusal.is_some() || sent.undo => {}
            Some(last) if same(last) => last.at = sent.before.at,
            _ => self.done.push(sent.before),
        }
        let mut effects = Vec::new();
        if let Some(next) = self.waiting.remove(&slider) {
            effects.extend(self.send(next.set, next.at, false, live));
        }
        if self.undos > 0 && self.sent.is_empty() {
            self.undos -= 1;
            effects.extend(self.undo(now, live));
        }
        (effects, refusal.map(|why| format!("{slider} was not changed: {why}")))
    }

    fn send(&mut self, set: Setting, at: Duration, undo: bool, live: &mut Live) -> Vec<Effect> {
        let before = before(live, &set);
        if before == set {
            return Vec::new();
        }
        let mut effects = Vec::new();
        if !std::mem::replace(&mut self.saved, true) {
            live.send(Command::Checkpoint);
            effects.push(Effect::Send(Command::Checkpoint));
        }
        let revision = live.send(Command::Set(set.clone()));
        self.sent.insert(revision, Sent { before: Moved { set: before, at }, undo });
        effects.push(Effect::Send(Command::Set(set)));
        effects
    }

    fn is_on_its_way(&self, slider: &str, live: &Live) -> bool {
        let same = |command: &Command| matches!(command, Command::Set(set) if name(set) == slider);
        self.waiting.contains_key(slider) || live.pending.values().any(same)
    }

    /// The sliders of a session.
    pub fn controls(&self, live: &Live) -> Vec<Control> {
        let names = live.weights.keys().map(String::as_str).chain([LEARNING_RATE]);
        names.map(|slider| self.control(slider, live)).collect()
    }

    fn control(&self, slider: &str, live: &Live) -> Control {
        let waiting = self.waiting.get(slider).map(|moved| &moved.set);
        let pending = waiting.or_else(|| {
            live.pending.values().rev().find_map(|command| match command {
                Command::Set(set) if name(set) == slider => Some(set),
                _ => None,
            })
        });
        let value = number(&in_force(live, slider), live);
        let pending = pending.map(|set| number(set, live));
        let range = range(live, slider, pending.map_or(value, |pending| pending.max(value)));
        Control { name: slider.to_owned(), value, pending, range }
    }
}

/// A slider of the dashboard.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// The setting's name.
    pub name: String,
    /// The current value.
    pub value: f64,
    /// The requested value, if unanswered.
    pub pending: Option<f64>,
    /// Its range.
    pub range: Range,
}

impl Control {
    /// The setting for a value.
    pub fn setting(&self, value: f64) -> Setting {
        match self.name.as_str() {
            LEARNING_RATE => Setting::LearningRate(Some(value)),
            name => Setting::Weight { name: name.to_owned(), value },
        }
    }

    /// The setting some notches away from the current or requested value.
    pub fn moved(&self, notches: i32) -> Setting {
        self.setting(self.range.step(self.pending.unwrap_or(self.value), notches))
    }
}

/// The slider name of a setting.
pub fn name(set: &Setting) -> &str {
    match set {
        Setting::Weight { name, .. } => name,
        Setting::LearningRate(_) => LEARNING_RATE,
        Setting::Freeze { layer } | Setting::Thaw { layer } => layer,
    }
}

/// What is in force of the same kind as a setting, so that it can be taken back.
fn before(live: &Live, set: &Setting) -> Setting {
    match set {
        Setting::Freeze { layer } | Setting::Thaw { layer } => match live.frozen.holds(layer) {
            true => Setting::Freeze { layer: layer.clone() },
            false => Setting::Thaw { layer: layer.clone() },
        },
        Setting::Weight { .. } | Setting::LearningRate(_) => in_force(live, name(set)),
    }
}

fn in_force(live: &Live, slider: &str) -> Setting {
    match slider {
        LEARNING_RATE => Setting::LearningRate(live.learning_rate),
        name => {
            Setting::Weight { name: name.to_owned(), value: live.weights.get(name).copied().unwrap_or(0.0) }
        }
    }
}

fn number(set: &Setting, live: &Live) -> f64 {
    match set {
        Setting::Weight { value, .. } => *value,
        Setting::LearningRate(rate) => rate.unwrap_or_else(|| scheduled(live)),
        // No slider has these.
        Setting::Freeze { .. } => 1.0,
        Setting::Thaw { .. } => 0.0,
    }
}

/// The scheduled learning rate of the next step.
fn scheduled(live: &Live) -> f64 {
    let epoch = live.step.checked_div(live.steps_per_epoch).unwrap_or(0);
    scheduled_rate(&live.manifest.preset, epoch)
}

/// Weights go over the method's range; where that has no end, to some times what the preset says. Rates go over four
/// decades around the preset's.
fn range(live: &Live, slider: &str, value: f64) -> Range {
    let preset = &live.manifest.preset;
    if slider == LEARNING_RATE {
        let base = preset.training.learning_rate.max(1e-8);
        return Range { low: base * 1e-3, high: base * 10.0, scale: Scale::Log };
    }
    let known = preset.method.weight_specs().iter().find(|weight| weight.name == slider);
    let [low, high] = known.map_or([0.0, f64::INFINITY], |weight| weight.range);
    if high.is_finite() {
        return Range { low, high, scale: Scale::Linear };
    }
    let initial = preset.method.weight(slider).unwrap_or(1.0);
    let least = (2.5 * initial).max(value).max(low + 1e-3);
    let decade = 10f64.powf(least.log10().floor());
    let high = [1.0, 2.0, 4.0, 8.0].map(|digit| digit * decade).into_iter().find(|high| *high >= least);
    Range { low, high: high.unwrap_or(10.0 * decade), scale: Scale::Linear }
}

/// The last settings of a run that is not live.
pub fn settings(curves: &Curves) -> Vec<Control> {
    let control = |name: &str, value: f64| {
        let range = Range { low: 0.0, high: 2.0 * value.max(0.5), scale: Scale::Linear };
        Control { name: name.to_owned(), value, pending: None, range }
    };
    let weights = curves.weights.iter().map(|(name, value)| control(name, *value));
    weights.chain([control(LEARNING_RATE, curves.rate())]).collect()
}
