//! Cohesion and coupling losses of "Modularizing while Training" (ICSE 2024) by Burn's operations.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::average::Average;
use crate::backend::{Arithmetic, Compute};
use crate::network::matmul;

/// Smallest norm that a mask row is divided by; an all-zero row is similar to nothing.
pub(in crate::method) const MIN_NORM: f64 = 1e-12;

/// The two losses of a batch, each `[layers]`: their means are the losses of the batch.
#[derive(Clone, Debug)]
pub struct ModularLosses<B: Backend> {
    /// 1 - mean cosine similarity of same-class pairs.
    pub cohesion: Tensor<B, 1>,
    /// Mean cosine similarity of different-class pairs.
    pub coupling: Tensor<B, 1>,
}

/// Losses of each masked layer from its masks `[batch, kernels]` and the samples' classes.
///
/// Over pairs i < j of the batch with cosine similarity S of their mask rows, cohesion is 1 - mean(S) over
/// pairs of one class (paper equation 4) and coupling mean(S) over pairs of two classes (equation 5).
/// `average` says whether the mean is over pairs, as the published code has it, or over classes and pairs of
/// classes, as the equations do. A batch without such a pair has the loss 0 and no gradient.
pub fn modular_losses<B: Compute>(
    masks: &[Tensor<B, 2>],
    labels: &[u32],
    average: Average,
    arithmetic: Arithmetic,
    device: &B::Device,
) -> ModularLosses<B> {
    let pairs = PairWeights::new(labels, average);
    let batch = labels.len();
    let tensor = |weights: &[f32]| -> Tensor<B, 2> {
        Tensor::from_data(TensorData::new(weights.to_vec(), [batch, batch]), device)
    };
    let (same, different) = (tensor(&pairs.same), tensor(&pairs.different));
    let (mut alike, mut crossed) = (Vec::new(), Vec::new());
    for mask in masks {
        let similarity = cosine_similarities(mask.clone(), arithmetic);
        alike.push((similarity.clone() * same.clone()).sum());
        crossed.push((similarity * different.clone()).sum());
    }
    // 1 when there are same-class pairs and 0 otherwise, so that their absence costs nothing.
    let present: f32 = if pairs.has_same { 1.0 } else { 0.0 };
    ModularLosses {
        cohesion: Tensor::cat(alike, 0).neg().add_scalar(present),
        coupling: Tensor::cat(crossed, 0),
    }
}

/// `[batch, kernels]` to `[batch, batch]`.
///
/// The root is taken of a clamped sum of squares: clamping the root instead would send NaN back through an
/// all-zero row.
fn cosine_similarities<B: Compute>(mask: Tensor<B, 2>, arithmetic: Arithmetic) -> Tensor<B, 2> {
    let squares = mask.clone().square().sum_dim(1);
    let rows = mask / squares.clamp_min(MIN_NORM * MIN_NORM).sqrt();
    matmul(rows.clone(), rows.transpose(), arithmetic)
}

/// How much each pair i < j counts in the mean, row-major `[batch, batch]`; both sum to 1 or hold only zeros.
struct PairWeights {
    same: Vec<f32>,
    different: Vec<f32>,
    has_same: bool,
}

impl PairWeights {
    fn new(labels: &[u32], average: Average) -> Self {
        let mut sizes = std::collections::BTreeMap::<u32, f64>::new();
        for label in labels {
            *sizes.entry(*label).or_default() += 1.0;
        }
        let inside = |n: &f64| n * (n - 1.0) / 2.0;
        let total = labels.len() as f64;
        let same_pairs: f64 = sizes.values().map(inside).sum();
        let different_pairs = inside(&total) - same_pairs;
        let paired_classes = sizes.values().filter(|n| **n > 1.0).count() as f64;
        let class_pairs = inside(&(sizes.len() as f64));
        let weight = |a: u32, b: u32| match (average, a == b) {
            (Average::Pairs, true) => 1.0 / same_pairs,
            (Average::Pairs, false) => 1.0 / different_pairs,
            (Average::Classes, true) => 1.0 / (paired_classes * inside(&sizes[&a])),
            (Average::Classes, false) => 1.0 / (class_pairs * sizes[&a] * sizes[&b]),
        };
        let n = labels.len();
        let (mut same, mut different) = (vec![0.0; n * n], vec![0.0; n * n]);
        for i in 0..n {
            for j in i + 1..n {
                let target = if labels[i] == labels[j] { &mut same } else { &mut different };
                target[i * n + j] = weight(labels[i], labels[j]) as f32;
            }
        }
        PairWeights { same, different, has_same: same_pairs > 0.0 }
    }
}
