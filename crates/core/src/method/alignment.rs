//! The alignment loss of rehearsal: how far the masks of samples are from those that are fixed for their class.
//!
//! The mean over sites and samples of 1 - cos(m, M), where m is a sample's mask at a site and M the fixed mask of its
//! class. A mask of zeros is like nothing: its cosine is 0. Fewer than two samples have the loss 0.

use burn::tensor::{Tensor, TensorData};

use super::mwt::MIN_NORM;
use super::{HostBatch, TensorBatch, class_masks};
use crate::backend::Compute;

/// Adds the gradient of `weight` times the loss to `gradients`, `[samples, units]` for each observed site, and gives the
/// loss. Without fixed masks it is 0.
pub(super) fn on_host(batch: &HostBatch<'_>, weight: f64, gradients: &mut [Vec<f32>]) -> f64 {
    let Some(masks) = class_masks::rows(batch.state).filter(|_| batch.labels.len() > 1) else { return 0.0 };
    let pairs = (batch.labels.len() * batch.observed.len()) as f64;
    let (mut loss, mut start) = (0.0, 0);
    for (observed, gradients) in batch.observed.iter().zip(gradients) {
        let units = observed.len() / batch.labels.len();
        let rows = observed.chunks_exact(units).zip(gradients.chunks_exact_mut(units));
        for ((row, gradient), &label) in rows.zip(batch.labels) {
            let fixed = &class_masks::row(masks, label as usize)[start..start + units];
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            let (norm, fixed_norm) = (dot(row, row).sqrt(), dot(fixed, fixed).sqrt());
            if norm <= MIN_NORM || fixed_norm == 0.0 {
                loss += 1.0 / pairs;
                continue;
            }
            let cosine = dot(row, fixed) / (norm * fixed_norm);
            loss += (1.0 - cosine) / pairs;
            let (on_fixed, on_row) = (-1.0 / (norm * fixed_norm), cosine / (norm * norm));
            let scale = weight / pairs;
            for ((gradient, fixed), value) in gradient.iter_mut().zip(fixed).zip(row) {
                *gradient += (scale * (on_fixed * f64::from(*fixed) + on_row * f64::from(*value))) as f32;
            }
        }
        start += units;
    }
    loss
}

/// The loss, `[1]`.
pub(super) fn on_tensors<B: Compute>(batch: &TensorBatch<'_, B>) -> Tensor<B, 1> {
    let TensorBatch { observed, labels, device, state, .. } = *batch;
    let Some(masks) = class_masks::rows(state).filter(|_| labels.len() > 1) else {
        return Tensor::zeros([1], device);
    };
    let mut start = 0;
    let mut means = Vec::new();
    for observed in observed {
        let [samples, units] = observed.dims();
        let of = |label: &u32| {
            let fixed = &class_masks::row(masks, *label as usize)[start..start + units];
            let norm = fixed.iter().map(|value| value * value).sum::<f32>().sqrt().max(MIN_NORM as f32);
            fixed.iter().map(move |value| value / norm).collect::<Vec<f32>>()
        };
        let fixed: Vec<f32> = labels.iter().flat_map(of).collect();
        let fixed = Tensor::from_data(TensorData::new(fixed, [samples, units]), device);
        // The root is taken of a clamped sum of squares, so that no NaN goes back through a mask of zeros, and such a mask
        // is left out, so that nothing else does.
        let squares = observed.clone().square().sum_dim(1);
        let absent = squares.clone().lower_equal_elem(MIN_NORM * MIN_NORM).expand([samples, units]);
        let rows = observed.clone() / squares.clamp_min(MIN_NORM * MIN_NORM).sqrt();
        means.push((rows * fixed).mask_fill(absent, 0.0).sum_dim(1).mean());
        start += units;
    }
    match means.is_empty() {
        true => Tensor::zeros([1], device),
        false => Tensor::cat(means, 0).mean().neg().add_scalar(1.0),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;
    use fixedbitset::FixedBitSet;

    use super::*;
    use crate::backend::{Arithmetic, Cpu, cpu_device};
    use crate::method::{MethodState, TermWeights};
    use crate::spec::Array;

    const LABELS: [u32; 3] = [1, 0, 1];

    fn state() -> MethodState {
        let mut state = MethodState::default();
        let sets = [[0, 3].as_slice(), &[1, 2, 4]].map(|units| {
            let mut set = FixedBitSet::with_capacity(5);
            set.extend(units.iter().copied());
            set
        });
        class_masks::fix(&mut state, &sets);
        state
    }

    /// Sites of 3 and 2 units; the last sample has no mask at the second.
    fn observed() -> Vec<Vec<f32>> {
        vec![vec![0.1, 0.8, 0.3, 0.9, 0.0, 0.2, 0.4, 0.4, 0.6], vec![0.2, 0.7, 0.5, 0.1, 0.0, 0.0]]
    }

    fn loss(observed: &[Vec<f32>], state: &MethodState) -> (f64, Vec<Vec<f32>>) {
        let weights = TermWeights::default();
        let batch = HostBatch { observed, labels: &LABELS, weights: &weights, state };
        let mut gradients: Vec<Vec<f32>> = observed.iter().map(|site| vec![0.0; site.len()]).collect();
        (on_host(&batch, 2.0, &mut gradients), gradients)
    }

    #[test]
    fn it_is_the_mean_distance_from_the_masks_of_the_class() {
        let cosines = [1.1 / (0.74f64 * 2.0).sqrt(), 0.9 / 0.85f64.sqrt(), 1.0 / (0.68f64 * 2.0).sqrt()];
        let second = [0.7 / 0.53f64.sqrt(), 0.5 / 0.26f64.sqrt(), 0.0];
        let expected = 1.0 - cosines.iter().chain(&second).sum::<f64>() / 6.0;
        let (found, gradients) = loss(&observed(), &state());
        assert!((found - expected).abs() < 1e-7, "{found} {expected}");
        assert_eq!(gradients[1][4..], [0.0, 0.0], "a mask of zeros has no gradient");
        assert_eq!(loss(&observed(), &MethodState::default()).0, 0.0, "nothing is fixed yet");
    }

    #[test]
    fn its_gradient_is_that_of_differences() {
        let (_, gradients) = loss(&observed(), &state());
        for site in 0..2 {
            for at in 0..observed()[site].len() - 2 * site {
                let moved = |by: f32| {
                    let mut observed = observed();
                    observed[site][at] += by;
                    loss(&observed, &state()).0
                };
                let expected = 2.0 * (moved(1e-3) - moved(-1e-3)) / 2e-3;
                let found = f64::from(gradients[site][at]);
                assert!((found - expected).abs() < 2e-4, "{site} {at}: {found} {expected}");
            }
        }
    }

    #[test]
    fn tensors_give_the_same_loss_and_gradient() {
        let (state, device) = (state(), cpu_device());
        let tensors: Vec<Tensor<Cpu, 2>> = observed()
            .iter()
            .map(|values| {
                let shape = [3, values.len() / 3];
                Tensor::from_data(TensorData::new(values.clone(), shape), &device).require_grad()
            })
            .collect();
        let batch = TensorBatch {
            observed: &tensors,
            labels: &LABELS,
            arithmetic: Arithmetic::Plain,
            device: &device,
            state: &state,
        };
        let on_tensors = on_tensors(&batch);
        let (on_host, gradients) = loss(&observed(), &state);
        let read = Array::from_tensor(on_tensors.clone()).values[0];
        assert!((f64::from(read) - on_host).abs() < 1e-6);
        let found = on_tensors.mul_scalar(2.0).backward();
        for (tensor, expected) in tensors.iter().zip(gradients) {
            let found = Array::from_tensor(tensor.grad(&found).unwrap()).values;
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} {expected:?}");
        }
    }
}
