//! What a training step does: passes over the batch or parts of it, each with its masks, classes and terms.

use std::ops::Range;

use crate::network::{GivenMask, PassMasks};
use crate::spec::{Spec, State};

/// The logit that a class outside a sample's set gets: its probability is then 0.
pub const LEFT_OUT: f32 = -1e4;

/// What a method remembers from step to step: arrays by name, kept in checkpoints. Empty for methods that remember
/// nothing.
pub type MethodState = State;

/// Where a step stands in its run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Seed of the run's draws.
    pub seed: u64,
    /// Steps taken before this one.
    pub step: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// Epochs of the whole run.
    pub epochs: u64,
}

/// A step that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct StepInfo<'a> {
    /// Where it stands in the run.
    pub progress: Progress,
    /// The network.
    pub spec: &'a Spec,
    /// The class of each sample of the whole batch, on several devices too.
    pub labels: &'a [u32],
}

/// A pass of a step.
///
/// A step's cross-entropy is the mean over all samples of all passes, a term the mean over the passes that compute it.
/// Samples whose masks are given take no part in terms; nor in accuracy and rates of units in use, unless there are no
/// others.
#[derive(Clone, Debug, PartialEq)]
pub struct PassPlan {
    /// Positions in the batch of the samples that pass, ascending; `None`: all.
    pub samples: Option<Vec<usize>>,
    /// Masks in place of the generators' own, a row for each sample of the pass.
    pub masks: PassMasks,
    /// Which classes each sample is to be told apart from: row-major `[samples of the pass, classes]`. Logits of other
    /// classes become [`LEFT_OUT`]. `None`: all classes.
    pub classes: Option<Vec<bool>>,
    /// The terms that are computed.
    pub terms: Terms,
    /// Whether [`Method::observe`](super::Method::observe) gets what was observed.
    pub watched: bool,
}

/// Which of a method's terms a pass computes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Terms {
    /// All.
    #[default]
    All,
    /// Those with these names.
    Only(Vec<&'static str>),
}

impl Terms {
    /// Whether the term of this name is among them.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Terms::All => true,
            Terms::Only(names) => names.contains(&name),
        }
    }
}

impl Default for PassPlan {
    /// All samples, with the generators' masks, all classes and all terms.
    fn default() -> Self {
        PassPlan {
            samples: None,
            masks: PassMasks::default(),
            classes: None,
            terms: Terms::All,
            watched: false,
        }
    }
}

impl PassPlan {
    /// How many samples of a batch of `batch` pass.
    pub fn len(&self, batch: usize) -> usize {
        self.samples.as_ref().map_or(batch, Vec::len)
    }

    /// Positions in the pass of the samples with masks of their own, of a batch of `batch`; `None`: all.
    pub fn own(&self, batch: usize) -> Option<Vec<usize>> {
        if self.masks.given.is_empty() {
            return None;
        }
        Some((0..self.len(batch)).filter(|&sample| !self.masks.takes(sample)).collect())
    }

    /// The part of the plan for the samples of the batch from `from` on, `count` of them: positions then count from
    /// `from`.
    pub fn part(&self, from: usize, count: usize, batch: usize) -> PassPlan {
        let is_inside = |position: &usize| (from..from + count).contains(position);
        let (samples, rows) = match &self.samples {
            None => (None, from..from + count),
            Some(samples) => {
                let begin = samples.partition_point(|&position| position < from);
                let inside = samples.iter().filter(|position| is_inside(position));
                let inside: Vec<usize> = inside.map(|position| position - from).collect();
                let end = begin + inside.len();
                (Some(inside), begin..end)
            }
        };
        let all = self.len(batch).max(1);
        let classes = self.classes.as_ref().map(|allowed| {
            let width = allowed.len() / all;
            allowed[rows.start * width..rows.end * width].to_vec()
        });
        PassPlan {
            samples,
            masks: masks_of(&self.masks, rows, all),
            classes,
            terms: self.terms.clone(),
            watched: self.watched,
        }
    }
}

/// The rows of masks for some samples of a pass of `all` samples.
fn masks_of(masks: &PassMasks, rows: Range<usize>, all: usize) -> PassMasks {
    let cut = |mask: &GivenMask| {
        let units = mask.values.len() / all;
        GivenMask { site: mask.site, values: mask.values[rows.start * units..rows.end * units].to_vec() }
    };
    let samples = masks.samples.get(rows.clone()).map(<[bool]>::to_vec).unwrap_or_default();
    PassMasks { given: masks.given.iter().map(cut).collect(), samples, gradient: masks.gradient }
}
