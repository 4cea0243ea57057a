//! The passes of a training step on one device: forward, losses, backward.

use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Bool, Int, Tensor, TensorData};

use super::loss::{cross_entropy, host_cross_entropy, label_tensor};
use super::replica::{Replica, Share};
use super::sums::{Sums, sum_names};
use crate::backend::Training;
use crate::method::{
    HostBatch, HostTerms, LEFT_OUT, MethodConfig, MethodState, PassPlan, Seen, TensorBatch, TermWeights,
};
use crate::modular::argmax;
use crate::network::{Gradients, Output, TrainPass};
use crate::random::Draws;
use crate::spec::Array;

/// What a step is made of, alike on all devices.
pub(super) struct Work<'a> {
    method: &'a MethodConfig,
    state: &'a MethodState,
    weights: TermWeights,
    plans: Vec<PassPlan>,
    /// Samples of the whole batch.
    batch: usize,
    /// Samples of all passes.
    passing: usize,
    /// Of them those that count in accuracy and rates: with masks of their own, or all where there are none.
    counted: usize,
    has_own: bool,
    /// For each term the samples with masks of their own in the passes that compute it.
    seeing: Vec<(&'static str, usize)>,
}

/// What the passes of a share of the batch gave.
pub(super) struct Passed<B: Training> {
    /// Gradients of the share's loss; `None` where no sample of it passes.
    pub(super) gradients: Option<Gradients>,
    pub(super) sums: Sums<B::InnerBackend>,
    pub(super) samples: usize,
    pub(super) seen: Vec<Seen>,
}

/// A pass over samples of one share.
struct Part {
    /// Its number among the passes of the step.
    number: u16,
    plan: PassPlan,
    labels: Vec<u32>,
    /// Positions in the pass of the samples that terms see, those with masks of their own; `None`: all.
    own: Option<Vec<usize>>,
    /// The same of those that count in accuracy and rates.
    counted: Option<Vec<usize>>,
    factors: Factors,
}

/// How much the means of a pass count in the means of its share: 1 where it is the only one, over all samples.
struct Factors {
    cross_entropy: f64,
    terms: TermWeights,
    counted: f64,
}

/// Means over a share.
#[derive(Default)]
struct Means {
    cross_entropy: f64,
    terms: Vec<f64>,
    total: f64,
    correct: f64,
    unit_rate: f64,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        method: &'a MethodConfig,
        state: &'a MethodState,
        plans: Vec<PassPlan>,
        batch: usize,
    ) -> Self {
        let own = |plan: &PassPlan| plan.own(batch).map_or(plan.len(batch), |own| own.len());
        let seeing = |name: &str| plans.iter().filter(|plan| plan.terms.has(name)).map(own).sum();
        let terms = method.term_specs().iter();
        let passing = plans.iter().map(|plan| plan.len(batch)).sum();
        let all_own: usize = plans.iter().map(own).sum();
        Work {
            method,
            state,
            weights: method.term_weights(),
            batch,
            passing,
            counted: if all_own == 0 { passing } else { all_own },
            has_own: all_own > 0,
            seeing: terms.map(|term| (term.name, seeing(term.name))).collect(),
            plans,
        }
    }

    /// The passes over the samples of a share, which are those from `from` on.
    fn parts(&self, from: usize, labels: &[u32]) -> Vec<Part> {
        let plans = self.plans.iter().map(|plan| plan.part(from, labels.len(), self.batch));
        let parts = (0..).zip(plans).filter(|(_, plan)| plan.len(labels.len()) > 0);
        parts.map(|(number, plan)| self.part(number, plan, labels)).collect()
    }

    fn part(&self, number: u16, plan: PassPlan, labels: &[u32]) -> Part {
        let share = labels.len() as f64 / self.batch as f64;
        let factor = |samples: usize, all: usize| samples as f64 / all.max(1) as f64 / share;
        let own = plan.own(labels.len());
        let (all, seeing) = (plan.len(labels.len()), own.as_ref().map_or(plan.len(labels.len()), Vec::len));
        let terms = self.seeing.iter().filter(|(name, _)| plan.terms.has(name) && seeing > 0);
        let counted = own.clone().filter(|_| self.has_own);
        let counting = counted.as_ref().map_or(all, Vec::len);
        let factors = Factors {
            cross_entropy: factor(all, self.passing),
            terms: TermWeights(terms.map(|(name, all)| (*name, factor(seeing, *all))).collect()),
            counted: factor(counting, self.counted),
        };
        let labels = match &plan.samples {
            None => labels.to_vec(),
            Some(samples) => samples.iter().map(|&sample| labels[sample]).collect(),
        };
        Part { number, plan, labels, own, counted, factors }
    }

    /// How much each term counts in the loss of a pass.
    fn weights_in(&self, part: &Part) -> TermWeights {
        let terms = part.factors.terms.0.iter();
        TermWeights(terms.map(|(name, factor)| (*name, self.weights.of(name) * factor)).collect())
    }
}

impl Part {
    /// What dropout draws in this pass, of what the share draws.
    fn draws(&self, draws: &Draws) -> Draws {
        let draws = draws.clone().of_pass(self.number);
        match &self.plan.samples {
            None => draws,
            Some(samples) => draws.of_samples(samples.clone()),
        }
    }

    /// The labels of some samples of the pass.
    fn labels_of(&self, samples: &Option<Vec<usize>>) -> Vec<u32> {
        match samples {
            None => self.labels.clone(),
            Some(samples) => samples.iter().map(|&sample| self.labels[sample]).collect(),
        }
    }

    /// How many of the samples that count are predicted right by these logits.
    fn correct(&self, logits: &[f32]) -> usize {
        let classes = logits.len() / self.labels.len().max(1);
        let is_right =
            |sample: usize| argmax(&logits[sample * classes..][..classes]) == self.labels[sample] as usize;
        match &self.counted {
            None => (0..self.labels.len()).filter(|&sample| is_right(sample)).count(),
            Some(counted) => counted.iter().filter(|&&sample| is_right(sample)).count(),
        }
    }
}

impl<B: Training> Replica<B> {
    /// Forward and backward passes over a share, whose samples are those from `from` on.
    pub(super) fn pass(&mut self, share: Share<B>, from: usize, work: &Work<'_>, draws: &Draws) -> Passed<B> {
        let parts = work.parts(from, &share.labels);
        let draws = draws.clone().from_sample(from);
        let on_host = self.pass_on_host(&share, &parts, work, &draws);
        on_host.unwrap_or_else(|| self.pass_on_tensors(share, &parts, work, &draws))
    }

    /// With the backend's own engine: losses and their gradients are taken on arrays.
    fn pass_on_host(
        &mut self,
        share: &Share<B>,
        parts: &[Part],
        work: &Work<'_>,
        draws: &Draws,
    ) -> Option<Passed<B>> {
        if !self.network.is_on_host() {
            return None;
        }
        let images = Array::from_tensor(share.images.clone()).values;
        let samples = share.labels.len();
        let mut means = Means { terms: vec![0.0; work.seeing.len()], ..Means::default() };
        let (mut gradients, mut seen) = (None::<Gradients>, Vec::new());
        for part in parts {
            let picked = part.plan.samples.as_ref().map(|samples| rows(&images, share.labels.len(), samples));
            let images = picked.as_ref().unwrap_or(&images);
            let (gradient, observed) = self.part_on_host(images, part, work, &mut means, draws)?;
            gradients = Some(match gradients {
                None => gradient,
                Some(before) => before.plus(gradient),
            });
            seen.extend(observed);
        }
        let count = samples as f64;
        let names = sum_names(work.method);
        let values = [means.cross_entropy].into_iter().chain(means.terms).chain([means.total]);
        let values =
            values.map(|mean| mean * count).chain([means.correct, means.unit_rate * count]).collect();
        Some(Passed { gradients, sums: Sums::on_host(names, values), samples, seen })
    }

    /// One pass on arrays: adds to the means, gives gradients and what was observed where the plan wants that.
    fn part_on_host(
        &mut self,
        images: &[f32],
        part: &Part,
        work: &Work<'_>,
        means: &mut Means,
        draws: &Draws,
    ) -> Option<(Gradients, Option<Seen>)> {
        let labels = &part.labels;
        let mut pass = self.network.host_train(images, labels.len(), &part.plan.masks, &part.draws(draws))?;
        let (mut logits, all) = (std::mem::take(&mut pass.logits), std::mem::take(&mut pass.observed));
        if let Some(allowed) = &part.plan.classes {
            leave_out(&mut logits, allowed);
        }
        let (cross_entropy, mut at_logits) = host_cross_entropy(&logits, labels);
        let factor = part.factors.cross_entropy;
        if factor != 1.0 {
            at_logits.iter_mut().for_each(|value| *value *= factor as f32);
        }
        let picked = picked(&all, labels.len(), &part.own);
        let (observed, own_labels) = (picked.as_ref().unwrap_or(&all), part.labels_of(&part.own));
        let weights = work.weights_in(part);
        let batch = HostBatch { observed, labels: &own_labels, weights: &weights, state: work.state };
        let wanted = !weights.0.is_empty();
        let HostTerms { mut values, gradients } =
            if wanted { work.method.host_terms(&batch) } else { HostTerms::default() };
        let at_observed: Vec<Vec<f32>> = match &part.own {
            None => gradients,
            Some(own) => gradients.iter().map(|rows| spread(rows, labels.len(), own)).collect(),
        };
        let at_observed: Vec<Option<&[f32]>> =
            (0..all.len()).map(|site| at_observed.get(site).map(Vec::as_slice)).collect();
        let gradients = self.network.host_gradients(pass, &at_logits, &at_observed);

        values.retain(|(name, _)| weights.has(name));
        let weighted = values.iter().map(|(name, value)| weights.of(name) * value);
        means.total += weighted.fold(cross_entropy * factor, |total, value| total + value);
        means.cross_entropy += cross_entropy * factor;
        for ((name, _), mean) in work.seeing.iter().zip(&mut means.terms) {
            let of_term = values.iter().find(|(of, _)| of == name);
            *mean += of_term.map_or(0.0, |(_, value)| value * part.factors.terms.of(name));
        }
        means.correct += part.correct(&logits) as f64 * work.batch as f64 / work.counted.max(1) as f64;
        let counted = self::picked(&all, labels.len(), &part.counted);
        means.unit_rate += host_unit_rate(counted.as_ref().unwrap_or(&all)) * part.factors.counted;
        let seen = part.plan.watched.then(|| Seen { labels: own_labels, observed: observed.clone() });
        Some((gradients, seen))
    }

    /// With Burn's operations.
    fn pass_on_tensors(
        &mut self,
        share: Share<B>,
        parts: &[Part],
        work: &Work<'_>,
        draws: &Draws,
    ) -> Passed<B> {
        let Share { images, labels } = share;
        let names = sum_names(work.method);
        let (mut passes, mut seen, mut losses) = (Vec::new(), Vec::new(), None);
        for part in parts {
            let images = match &part.plan.samples {
                None => images.clone(),
                Some(samples) => images.clone().select(0, positions(samples, &self.device)),
            };
            let (pass, (total, means), observed) = self.part_on_tensors(images, part, work, draws);
            losses = Some(match losses {
                None => (total, means),
                Some((all, before)) => (all + total, before + means),
            });
            passes.push(pass);
            seen.extend(observed);
        }
        let samples = labels.len();
        let Some((total, means)) = losses else {
            let sums = Sums::on_host(names.clone(), vec![0.0; names.len()]);
            return Passed { gradients: None, sums, samples, seen };
        };
        let gradients = Some(self.network.gradients(passes, total.backward()));
        Passed { gradients, sums: Sums::on_device(names, means.mul_scalar(samples as f64)), samples, seen }
    }

    /// One pass on tensors, with its loss, the means that count in those of the share, `[sums]`, and what was observed
    /// where the plan wants that.
    fn part_on_tensors(
        &mut self,
        images: Tensor<B, 4>,
        part: &Part,
        work: &Work<'_>,
        draws: &Draws,
    ) -> (TrainPass<B>, LossAndMeans<B>, Option<Seen>) {
        let (labels, device) = (&part.labels, &self.device);
        let pass = self.network.forward_train(images, &part.plan.masks, &part.draws(draws));
        let Output { mut logits, observed: all, arithmetic } = pass.output().clone();
        if let Some(allowed) = &part.plan.classes {
            let out: Vec<bool> = allowed.iter().map(|allowed| !allowed).collect();
            let out: Tensor<B, 2, Bool> = Tensor::from_data(TensorData::new(out, logits.dims()), device);
            logits = logits.mask_fill(out, LEFT_OUT);
        }
        let observed: Vec<Tensor<B, 2>> = all.iter().map(|values| pick(values, &part.own)).collect();
        let own_labels = part.labels_of(&part.own);
        let batch =
            TensorBatch { observed: &observed, labels: &own_labels, arithmetic, device, state: work.state };
        let weights = work.weights_in(part);
        let mut terms = if weights.0.is_empty() { Vec::new() } else { work.method.terms(&batch) };
        terms.retain(|(name, _)| weights.has(name));

        let cross_entropy = scaled(cross_entropy(logits.clone(), labels), part.factors.cross_entropy);
        let weighted = terms.iter().map(|(name, value)| value.clone().mul_scalar(weights.of(name)));
        let total = weighted.fold(cross_entropy.clone(), |total, term| total + term);

        let values = work.seeing.iter().map(|(name, _)| match terms.iter().find(|(of, _)| of == name) {
            Some((_, value)) => scaled(value.clone(), part.factors.terms.of(name)).inner(),
            None => Tensor::zeros([1], device),
        });
        let losses = std::iter::once(cross_entropy.inner()).chain(values).chain([total.clone().inner()]);
        let counted = match part.counted.as_ref().is_some_and(Vec::is_empty) {
            true => [Tensor::zeros([1], device), Tensor::zeros([1], device)],
            false => {
                let observed = all.iter().map(|values| pick(values, &part.counted).inner());
                let right = right_share(pick(&logits, &part.counted).inner(), &part.labels_of(&part.counted));
                [right, unit_rate(observed.collect(), device)]
            }
        };
        let means = losses.chain(counted.map(|mean| scaled(mean, part.factors.counted)));
        let means = Tensor::cat(means.collect(), 0);
        let read = |values: &Tensor<B, 2>| Array::from_tensor(values.clone()).values;
        let seen = part
            .plan
            .watched
            .then(|| Seen { labels: own_labels.clone(), observed: observed.iter().map(read).collect() });
        (pass, (total, means), seen)
    }
}

/// The loss of a pass, `[1]`, and the means that count in those of its share, `[sums]`.
type LossAndMeans<B> = (Tensor<B, 1>, Tensor<<B as AutodiffBackend>::InnerBackend, 1>);

/// Some rows of `[samples, units]`; `None`: all.
fn pick<B: Backend>(values: &Tensor<B, 2>, samples: &Option<Vec<usize>>) -> Tensor<B, 2> {
    match samples {
        None => values.clone(),
        Some(samples) => values.clone().select(0, positions(samples, &values.device())),
    }
}

/// Some rows of what was observed at each site; `None` where all are meant.
fn picked(observed: &[Vec<f32>], samples: usize, picked: &Option<Vec<usize>>) -> Option<Vec<Vec<f32>>> {
    let picked = picked.as_ref()?;
    Some(observed.iter().map(|values| rows(values, samples, picked)).collect())
}

/// Some rows of `[samples, width]`.
fn rows(values: &[f32], samples: usize, picked: &[usize]) -> Vec<f32> {
    let width = values.len() / samples.max(1);
    picked.iter().flat_map(|&sample| &values[sample * width..][..width]).copied().collect()
}

/// Puts rows back where [`rows`] took them, `[samples, width]`, with zeros elsewhere.
fn spread(rows: &[f32], samples: usize, picked: &[usize]) -> Vec<f32> {
    let width = rows.len() / picked.len().max(1);
    let mut all = vec![0.0; samples * width];
    for (row, &sample) in rows.chunks_exact(width.max(1)).zip(picked) {
        all[sample * width..][..width].copy_from_slice(row);
    }
    all
}

/// Leaves classes that are not allowed out of logits.
fn leave_out(logits: &mut [f32], allowed: &[bool]) {
    let out = logits.iter_mut().zip(allowed).filter(|(_, allowed)| !**allowed);
    out.for_each(|(logit, _)| *logit = LEFT_OUT);
}

fn positions<B: Backend>(samples: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let samples: Vec<i64> = samples.iter().map(|&sample| sample as i64).collect();
    let length = samples.len();
    Tensor::from_data(TensorData::new(samples, [length]), device)
}

fn scaled<B: Backend>(value: Tensor<B, 1>, factor: f64) -> Tensor<B, 1> {
    if factor == 1.0 { value } else { value.mul_scalar(factor) }
}

/// Fraction of samples predicted right, `[1]`.
fn right_share<B: Backend>(logits: Tensor<B, 2>, labels: &[u32]) -> Tensor<B, 1> {
    let targets = label_tensor::<B>(labels, &logits.device());
    logits.argmax(1).flatten(0, 1).equal(targets).float().mean()
}

/// Mean over sites of the fraction of units that fire; 0 where nothing is observed.
fn host_unit_rate(observed: &[Vec<f32>]) -> f64 {
    let firing = |values: &Vec<f32>| values.iter().filter(|value| **value > 0.0).count();
    let rates = observed.iter().map(|values| firing(values) as f64 / values.len().max(1) as f64);
    rates.sum::<f64>() / observed.len().max(1) as f64
}

/// The same of tensors, `[1]`.
fn unit_rate<B: Backend>(observed: Vec<Tensor<B, 2>>, device: &B::Device) -> Tensor<B, 1> {
    if observed.is_empty() {
        return Tensor::zeros([1], device);
    }
    let rates = observed.into_iter().map(|values| values.greater_elem(0.0).float().mean());
    Tensor::cat(rates.collect(), 0).mean()
}

#[cfg(test)]
mod tests;
