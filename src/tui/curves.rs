//! The time series of a run, from its session's events or its logs. Their size is bounded, however long it trains.

mod load;
#[cfg(test)]
pub(super) mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

pub use self::load::Logs;
use crate::learn::{CROSS_ENTROPY, TOTAL, UNIT_RATE};
use crate::method::{Estimate, Estimated};
use crate::plot::{Curve, History, XAxis};
use crate::run::{EpochRecord, Event, Imported, Manifest, Parent, SplitRecord, StepRecord};
use crate::session::{Change, Setting};

/// The name of the learning-rate slider and its changes.
pub const LEARNING_RATE: &str = "learning rate";

/// Number of recent step records used to compute the speed.
const RECENT: usize = 33;

/// Number of recent checkpoints kept.
const CHECKPOINTS: usize = 256;

/// The quantity that a dashboard chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Fraction of correct predictions.
    Accuracy,
    /// Cross-entropy and the method's weighted terms.
    Loss,
    /// Similarity of kernel sets within a class.
    Cohesion,
    /// Similarity of kernel sets across classes.
    Coupling,
    /// Fraction of kernels in use.
    Retention,
}

impl Measure {
    /// All measures, in the order of the dashboard.
    pub const ALL: [Measure; 5] =
        [Measure::Accuracy, Measure::Loss, Measure::Cohesion, Measure::Coupling, Measure::Retention];

    /// Its display name.
    pub fn title(self) -> &'static str {
        match self {
            Measure::Accuracy => "accuracy",
            Measure::Loss => "loss",
            Measure::Cohesion => "cohesion",
            Measure::Coupling => "coupling",
            Measure::Retention => "retention",
        }
    }
}

/// The series of one measure of a run.
#[derive(Clone, Debug)]
pub struct MeasureSeries {
    /// On training batches, averaged over a few steps.
    pub steps: Curve,
    /// On the training split, by epoch.
    pub train: History,
    /// On the validation split, by epoch.
    pub valid: History,
}

/// A summand of the loss, weighted.
#[derive(Clone, Debug)]
pub struct Part {
    /// `cross-entropy`, `alpha*cohesion`.
    pub name: String,
    term: String,
    weight: Option<String>,
    /// On training batches, averaged over a few steps.
    pub steps: Curve,
}

impl Part {
    /// The name for narrow charts: `cross-entropy`, `alpha*coh`.
    pub fn short_name(&self) -> String {
        match &self.weight {
            None => self.name.clone(),
            Some(weight) => format!("{weight}*{}", self.term.chars().take(3).collect::<String>()),
        }
    }
}

/// A setting change that took effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The step and the new value.
    pub change: Change,
    /// The previous value.
    pub before: f64,
}

impl Applied {
    /// Short name of the changed setting.
    pub fn slider(&self) -> &str {
        match &self.change.set {
            Setting::Weight { name, .. } => name,
            Setting::LearningRate(_) => "lr",
        }
    }

    /// A label such as `beta 1.5→3`, with the given arrow.
    pub fn label(&self, arrow: &str) -> String {
        self.label_to(self, arrow)
    }

    /// As [`Applied::label`], combining this change with later ones of the same setting.
    pub fn label_to(&self, last: &Applied, arrow: &str) -> String {
        let now = match &last.change.set {
            Setting::Weight { value, .. } | Setting::LearningRate(Some(value)) => short(*value),
            Setting::LearningRate(None) => "schedule".to_owned(),
        };
        format!("{} {}{arrow}{now}", self.slider(), short(self.before))
    }
}

/// All charted series of a run, by step.
#[derive(Clone, Debug)]
pub struct Curves {
    /// The run's name.
    pub run: String,
    /// The run and step it branched from.
    pub parent: Option<Parent>,
    /// The file its weights were imported from, if any.
    pub imported: Option<Imported>,
    /// Whether its method trains masks.
    pub modular: bool,
    /// Summands of the loss, cross-entropy first.
    pub parts: Vec<Part>,
    /// Training seconds by step, excluding time between sessions.
    pub seconds: History,
    /// Changes in force, in order.
    pub changes: Vec<Applied>,
    /// Steps of its checkpoints, ascending.
    pub checkpoints: Vec<u64>,
    /// Loss weights in force.
    pub weights: BTreeMap<String, f64>,
    /// Learning rate set by the user; `None` for the schedule's.
    pub learning_rate: Option<f64>,
    /// Device; empty until known.
    pub device: String,
    /// Steps per epoch; 0 until known.
    pub steps_per_epoch: u64,
    /// Total steps of the run; 0 until known.
    pub steps: u64,
    /// The newest step record.
    pub last_steps: Option<StepRecord>,
    /// The newest epoch.
    pub last_epoch: Option<EpochRecord>,
    /// The epoch with the best validation accuracy: its number, step and accuracy.
    pub best: Option<(u64, u64, f64)>,
    /// Steps taken.
    pub step: u64,
    lines: [MeasureSeries; 5],
    /// Terms whose values on batches are charted as estimates of a measure.
    estimates: Vec<(&'static str, Estimate)>,
    initial: BTreeMap<String, f64>,
    base_rate: f64,
    offset: f64,
    recent: VecDeque<(u64, f64)>,
    /// Number of changes that each checkpoint includes, by its step.
    held: BTreeMap<u64, usize>,
}

impl Curves {
    /// Empty series of a run, with this smoothing weight.
    pub fn new(manifest: &Manifest, smoothing: f64) -> Self {
        let method = &manifest.preset.method;
        let weights = method.weights();
        let initial: BTreeMap<String, f64> =
            weights.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let cross_entropy = Part {
            name: "cross-entropy".into(),
            term: CROSS_ENTROPY.into(),
            weight: None,
            steps: Curve::new(smoothing),
        };
        let weighted = method.term_specs().iter().map(|term| Part {
            name: format!("{}*{}", term.weight, term.label),
            term: term.name.to_owned(),
            weight: Some(term.weight.to_owned()),
            steps: Curve::new(smoothing),
        });
        let line =
            || MeasureSeries { steps: Curve::new(smoothing), train: History::new(), valid: History::new() };
        Curves {
            run: manifest.id.clone(),
            parent: manifest.parent.clone(),
            imported: None,
            modular: method.is_modular(),
            parts: std::iter::once(cross_entropy).chain(weighted).collect(),
            seconds: History::new(),
            changes: Vec::new(),
            checkpoints: Vec::new(),
            weights: initial.clone(),
            learning_rate: None,
            device: String::new(),
            steps_per_epoch: 0,
            steps: 0,
            last_steps: None,
            last_epoch: None,
            best: None,
            step: manifest.parent.as_ref().map_or(0, |parent| parent.step),
            lines: std::array::from_fn(|_| line()),
            estimates: method
                .term_specs()
                .iter()
                .filter_map(|term| Some((term.name, term.estimate?)))
                .collect(),
            initial,
            base_rate: manifest.preset.training.learning_rate,
            offset: 0.0,
            recent: VecDeque::new(),
            held: BTreeMap::new(),
        }
    }

    /// The series of a measure.
    pub fn line(&self, measure: Measure) -> &MeasureSeries {
        &self.lines[measure as usize]
    }

    /// What a chart calls a measure of training batches; `None` where batches do not give it.
    pub fn batch_name(&self, measure: Measure) -> Option<&'static str> {
        match measure {
            Measure::Accuracy | Measure::Loss => Some("train"),
            Measure::Retention => Some("batch"),
            Measure::Cohesion | Measure::Coupling => {
                let estimates = self.estimates.iter().map(|(_, estimate)| estimate);
                estimates.filter(|e| measure_of(e.of) == measure).map(|estimate| estimate.label).next()
            }
        }
    }

    /// The measures charted for this run.
    pub fn measures(&self) -> &'static [Measure] {
        if self.modular { &Measure::ALL } else { &Measure::ALL[..2] }
    }

    /// Sets the smoothing weight of the step series.
    pub fn smooth(&mut self, weight: f64) {
        self.lines.iter_mut().for_each(|line| line.steps.set_weight(weight));
        self.parts.iter_mut().for_each(|part| part.steps.set_weight(weight));
    }

    /// The first step of the run; for a branch the fork step.
    pub fn first_step(&self) -> u64 {
        self.parent.as_ref().map_or(0, |parent| parent.step)
    }

    /// Adds an event of the session.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Started { step, steps_per_epoch, steps, device } => {
                (self.step, self.steps_per_epoch, self.steps) = (*step, *steps_per_epoch, *steps);
                self.device = device.clone();
                self.begin_session(*step);
            }
            Event::Steps(record) => self.record(record),
            Event::Epoch(record) => self.epoch(record),
            Event::Applied { step, change, .. } => {
                self.step = self.step.max(*step);
                if let Ok(set) = change.parse::<Setting>() {
                    self.apply(*step, set);
                }
            }
            Event::Checkpointed { step } => {
                self.held.insert(*step, self.changes.len());
                if let Err(place) = self.checkpoints.binary_search(step) {
                    self.checkpoints.insert(place, *step);
                }
                // Far fewer are kept on disk.
                self.checkpoints.drain(..self.checkpoints.len().saturating_sub(CHECKPOINTS));
                while self.held.len() > CHECKPOINTS {
                    self.held.pop_first();
                }
            }
            Event::Finished { step, .. } | Event::Stopped { step } | Event::Failed { step, .. } => {
                self.step = *step;
            }
            Event::Imported { from, .. } => self.imported = Some(from.clone()),
            Event::Machine { .. }
            | Event::Tuning { .. }
            | Event::Ready { .. }
            | Event::Usage { .. }
            | Event::Refused { .. }
            | Event::Warning { .. }
            | Event::Evaluated { .. }
            | Event::Extracted { .. } => {}
        }
    }

    /// A session resumes from the checkpoint of a step: later changes are no longer in force.
    fn begin_session(&mut self, step: u64) {
        self.offset = self.seconds.last().map_or(0.0, |(_, seconds)| seconds);
        self.recent.clear();
        let before = self.changes.iter().take_while(|applied| applied.change.step <= step).count();
        let held = self.held.get(&step).copied().unwrap_or(before);
        if held < self.changes.len() {
            let kept: Vec<Applied> = self.changes.drain(..).take(held).collect();
            (self.weights, self.learning_rate) = (self.initial.clone(), None);
            kept.into_iter().for_each(|applied| self.apply(applied.change.step, applied.change.set));
        }
        if self.seconds.is_empty() {
            self.seconds.push(step as f64, 0.0);
        }
    }

    fn apply(&mut self, step: u64, set: Setting) {
        let before = match &set {
            Setting::Weight { name, value } => self.weights.insert(name.clone(), *value).unwrap_or(0.0),
            Setting::LearningRate(rate) => {
                let before = self.rate();
                self.learning_rate = *rate;
                before
            }
        };
        self.changes.push(Applied { change: Change { step, set }, before });
    }

    /// The current learning rate, as far as known.
    pub fn rate(&self) -> f64 {
        let last = self.last_steps.as_ref().map(|record| record.learning_rate);
        self.learning_rate.or(last).unwrap_or(self.base_rate)
    }

    fn record(&mut self, record: &StepRecord) {
        let x = record.step as f64;
        let clock = self.seconds.last().map_or(0.0, |(_, seconds)| seconds);
        if self.offset + record.seconds < clock {
            self.offset = clock;
        }
        let seconds = self.offset + record.seconds;
        self.seconds.push(x, seconds);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((record.step, seconds));
        let value = |name: &str| record.train.get(name).copied();
        let measured = [
            (Measure::Accuracy, value("accuracy")),
            (Measure::Loss, value(TOTAL)),
            (Measure::Retention, value(UNIT_RATE)),
        ];
        let estimates = self.estimates.iter().map(|(term, estimate)| {
            (measure_of(estimate.of), value(term).map(|value| estimate.from_term(value)))
        });
        for (measure, value) in measured.into_iter().chain(estimates) {
            if let Some(value) = value {
                self.lines[measure as usize].steps.push(x, value);
            }
        }
        for part in &mut self.parts {
            let weight = part.weight.as_ref().map_or(Some(1.0), |name| self.weights.get(name).copied());
            if let (Some(weight), Some(value)) = (weight, value(&part.term)) {
                part.steps.push(x, weight * value);
            }
        }
        self.step = record.step;
        self.last_steps = Some(record.clone());
    }

    fn epoch(&mut self, record: &EpochRecord) {
        let x = record.step as f64;
        for (split, series) in [
            (&record.train, (|line| &mut line.train) as fn(&mut MeasureSeries) -> &mut History),
            (&record.valid, |line| &mut line.valid),
        ] {
            for measure in Measure::ALL {
                if let Some(value) = value(split, measure) {
                    series(&mut self.lines[measure as usize]).push(x, value);
                }
            }
        }
        if self.best.is_none_or(|(_, _, best)| record.valid.accuracy > best) {
            self.best = Some((record.epoch, record.step, record.valid.accuracy));
        }
        if let (0, Some(per)) = (self.steps_per_epoch, record.step.checked_div(record.epoch)) {
            self.steps_per_epoch = per;
        }
        self.weights.clone_from(&record.loss_weights);
        self.step = record.step;
        self.last_epoch = Some(record.clone());
    }

    /// Training seconds until a step, interpolated linearly between records.
    pub fn seconds_at(&self, step: u64) -> f64 {
        let x = step as f64;
        let mut around = self.seconds.points(x, x);
        let Some(mut before) = around.next() else { return 0.0 };
        for next in around {
            if next.0 >= x {
                let share = (x - before.0) / (next.0 - before.0).max(f64::MIN_POSITIVE);
                return before.1 + share.clamp(0.0, 1.0) * (next.1 - before.1);
            }
            before = next;
        }
        before.1
    }

    /// Seconds per step including evaluation between epochs: the median over recent records.
    pub fn seconds_per_step(&self) -> Option<f64> {
        let pairs = self.recent.iter().zip(self.recent.iter().skip(1));
        let mut rates: Vec<f64> = pairs
            .filter(|(a, b)| b.0 > a.0 && b.1 > a.1)
            .map(|(a, b)| (b.1 - a.1) / (b.0 - a.0) as f64)
            .collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied()
    }

    /// The x positions of this run's steps, shifted left by `shift` in the axis's unit; `None` if positions are the step
    /// numbers themselves.
    pub fn clock(&self, axis: XAxis, shift: f64) -> Option<Cow<'_, History>> {
        let ends = || [self.first_step(), self.step.max(self.first_step() + 1)].map(|step| step as f64);
        match axis {
            XAxis::Step | XAxis::Number if shift == 0.0 => None,
            XAxis::Step | XAxis::Number => {
                Some(Cow::Owned(History::of(ends().map(|step| (step, step - shift)))))
            }
            XAxis::Epoch => {
                let per = self.steps_per_epoch.max(1) as f64;
                Some(Cow::Owned(History::of(ends().map(|step| (step, step / per - shift)))))
            }
            XAxis::Time if shift == 0.0 => Some(Cow::Borrowed(&self.seconds)),
            XAxis::Time => {
                let all = self.seconds.points(f64::NEG_INFINITY, f64::INFINITY);
                Some(Cow::Owned(History::of(all.map(|(step, seconds)| (step, seconds - shift)))))
            }
        }
    }

    /// The x position of one step.
    pub fn place(&self, step: u64, axis: XAxis, shift: f64) -> f64 {
        let unmoved = match axis {
            XAxis::Step | XAxis::Number => step as f64,
            XAxis::Epoch => step as f64 / self.steps_per_epoch.max(1) as f64,
            XAxis::Time => self.seconds_at(step),
        };
        unmoved - shift
    }
}

fn measure_of(estimated: Estimated) -> Measure {
    match estimated {
        Estimated::Cohesion => Measure::Cohesion,
        Estimated::Coupling => Measure::Coupling,
    }
}

/// A short form of a number: `0.05`, `3`, `1e-5`.
pub fn short(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        let text = format!("{value:.2e}");
        return match text.split_once('e') {
            Some((digits, power)) => {
                format!("{}e{power}", digits.trim_end_matches('0').trim_end_matches('.'))
            }
            None => text,
        };
    }
    let decimals = if value.abs() < 0.1 { 5 } else { 3 };
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// The value of a measure on a split.
pub fn value(split: &SplitRecord, measure: Measure) -> Option<f64> {
    let masks = split.masks.as_ref();
    match measure {
        Measure::Accuracy => Some(split.accuracy),
        Measure::Loss => split.losses.get(TOTAL).copied(),
        Measure::Cohesion => masks.map(|masks| masks.cohesion),
        Measure::Coupling => masks.map(|masks| masks.coupling),
        Measure::Retention => masks.map(|masks| masks.krr),
    }
}
