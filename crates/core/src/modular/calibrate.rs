//! A linear layer that makes the logits of several networks comparable, fitted to logits that were measured once.

use super::head::Affine;
use super::logits::{Softmax, argmax, softmax};
use crate::random::{Stream, generator, shuffle};

/// What networks gave for some samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logits {
    /// Logits of a sample.
    pub width: usize,
    /// Sample after sample.
    pub values: Vec<f32>,
    /// The right class of each.
    pub labels: Vec<u32>,
}

/// Bounds of the logarithm of a scale: beyond them samples that are all right drive it away without end.
const BOUND: f64 = 3.0;
/// Weight of the squares of log scale and bias, so that what the samples do not tell stays at 0.
const RIDGE: f64 = 1e-3;
/// Steps of gradient descent, and the length of the first.
const STEPS: usize = 300;

impl Affine {
    /// The layer that changes nothing.
    pub fn identity(width: usize) -> Affine {
        let weight = (0..width * width).map(|at| f32::from(u8::from(at % (width + 1) == 0))).collect();
        Affine { outputs: width, weight, bias: vec![0.0; width] }
    }

    fn apply(&self, logits: &[f32]) -> Vec<f64> {
        let rows = self.weight.chunks_exact(logits.len().max(1)).zip(&self.bias);
        let dot =
            |row: &[f32]| row.iter().zip(logits).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>();
        rows.map(|(row, bias)| f64::from(*bias) + dot(row)).collect()
    }

    /// Fraction of the samples whose largest output is the right one.
    pub fn accuracy(&self, logits: &Logits) -> f64 {
        let right = logits.samples().filter(|(sample, label)| argmax(&self.apply(sample)) == *label);
        right.count() as f64 / logits.labels.len().max(1) as f64
    }
}

impl Logits {
    fn samples(&self) -> impl Iterator<Item = (&[f32], usize)> {
        let labels = self.labels.iter().map(|&label| label as usize);
        self.values.chunks_exact(self.width.max(1)).zip(labels)
    }
}

/// One temperature and one bias for each network: its logits are multiplied by a factor above 0 and shifted, so
/// that within a network nothing changes places. `widths` are the networks' numbers of logits. Minimises
/// cross-entropy on the samples.
pub fn fit_scales(logits: &Logits, widths: &[usize]) -> Affine {
    let group: Vec<usize> = widths.iter().enumerate().flat_map(|(g, &width)| vec![g; width]).collect();
    let mut parameters = vec![0.0; 2 * widths.len()];
    let (mut loss, mut gradient) = scaled_loss(logits, &group, &parameters);
    let mut length = 1.0;
    for _ in 0..STEPS {
        let step = |(parameter, slope): (&f64, &f64)| parameter - length * slope;
        let mut next: Vec<f64> = parameters.iter().zip(&gradient).map(step).collect();
        next[..widths.len()].iter_mut().for_each(|log_scale| *log_scale = log_scale.clamp(-BOUND, BOUND));
        let (new_loss, new_gradient) = scaled_loss(logits, &group, &next);
        if new_loss < loss {
            (parameters, loss, gradient) = (next, new_loss, new_gradient);
            length *= 1.5;
        } else {
            length /= 2.0;
        }
    }
    let mut layer = Affine::identity(group.len());
    for (logit, &g) in group.iter().enumerate() {
        layer.weight[logit * group.len() + logit] = parameters[g].exp() as f32;
        layer.bias[logit] = parameters[widths.len() + g] as f32;
    }
    layer
}

/// Mean cross-entropy of the scaled logits with the ridge, and its gradient by log scales and biases.
fn scaled_loss(logits: &Logits, group: &[usize], parameters: &[f64]) -> (f64, Vec<f64>) {
    let groups = parameters.len() / 2;
    let count = logits.labels.len().max(1) as f64;
    let mut loss = RIDGE * parameters.iter().map(|p| p * p).sum::<f64>();
    let mut gradient: Vec<f64> = parameters.iter().map(|p| 2.0 * RIDGE * p).collect();
    for (sample, label) in logits.samples() {
        let scaled = |(x, &g): (&f32, &usize)| f64::from(*x) * parameters[g].exp();
        let products: Vec<f64> = sample.iter().zip(group).map(scaled).collect();
        let shifted = products.iter().zip(group).map(|(product, &g)| product + parameters[groups + g]);
        let Softmax { largest, sum, probabilities } = softmax(&shifted.collect::<Vec<f64>>());
        loss += (largest + sum.ln() - products[label] - parameters[groups + group[label]]) / count;
        for (logit, &g) in group.iter().enumerate() {
            let error = (probabilities[logit] - f64::from(u8::from(logit == label))) / count;
            gradient[g] += error * products[logit];
            gradient[groups + g] += error;
        }
    }
    (loss, gradient)
}

/// Trains a linear layer on the samples by plain gradient descent on cross-entropy, in shuffled batches, beginning
/// with `initial`: MODA's calibration layer behind networks that stay as they are. Of `initial` and the layers
/// after each epoch it gives the one with the highest accuracy on `valid`, the first of equals.
pub fn fit_linear(initial: &Affine, train: &Logits, valid: &Logits, fit: Fit) -> Affine {
    let (mut layer, mut best) = (initial.clone(), initial.clone());
    let mut highest = best.accuracy(valid);
    for epoch in 0..fit.epochs {
        let mut order: Vec<usize> = (0..train.labels.len()).collect();
        shuffle(&mut generator(fit.seed, Stream::Calibration, epoch), &mut order);
        order.chunks(fit.batch.max(1)).for_each(|batch| descend(&mut layer, train, batch, fit.rate));
        let accuracy = layer.accuracy(valid);
        if accuracy > highest {
            (best, highest) = (layer.clone(), accuracy);
        }
    }
    best
}

/// How a calibration layer is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Passes over the samples.
    pub epochs: u64,
    /// Learning rate.
    pub rate: f64,
    /// Samples a step.
    pub batch: usize,
    /// Seed of the order.
    pub seed: u64,
}

fn descend(layer: &mut Affine, logits: &Logits, batch: &[usize], rate: f64) {
    let width = logits.width;
    let mut weight = vec![0.0; layer.weight.len()];
    let mut bias = vec![0.0; layer.outputs];
    for &index in batch {
        let sample = &logits.values[index * width..(index + 1) * width];
        for (output, probability) in softmax(&layer.apply(sample)).probabilities.into_iter().enumerate() {
            let error = probability - f64::from(u8::from(output == logits.labels[index] as usize));
            bias[output] += error;
            let row = &mut weight[output * width..(output + 1) * width];
            row.iter_mut().zip(sample).for_each(|(slope, x)| *slope += error * f64::from(*x));
        }
    }
    let step = (rate / batch.len() as f64) as f32;
    layer.weight.iter_mut().zip(weight).for_each(|(value, slope)| *value -= step * slope as f32);
    layer.bias.iter_mut().zip(bias).for_each(|(value, slope)| *value -= step * slope as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two networks of two classes each; the second is right but speaks ten times as softly and off by 3.
    fn uneven() -> Logits {
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for sample in 0..80u32 {
            let label = sample % 4;
            let noise = (sample * 37 % 17) as f32 / 17.0 - 0.5;
            let mut logits = [noise; 4];
            logits[label as usize] += 4.0;
            logits[2] = logits[2] / 10.0 - 3.0;
            logits[3] = logits[3] / 10.0 - 3.0;
            values.extend(logits);
            labels.push(label);
        }
        Logits { width: 4, values, labels }
    }

    #[test]
    fn scales_make_networks_comparable_and_change_no_order_within_one() {
        let logits = uneven();
        let layer = fit_scales(&logits, &[2, 2]);
        assert!(Affine::identity(4).accuracy(&logits) < 0.8);
        assert!(layer.accuracy(&logits) > 0.95, "{layer:?}");
        assert_eq!(layer.weight[0], layer.weight[5]);
        assert!(layer.weight[0] > 0.0 && layer.weight[10] > layer.weight[0] && layer.weight[1] == 0.0);
        assert_eq!((layer.bias[0], layer.bias[2]), (layer.bias[1], layer.bias[3]));
    }

    #[test]
    fn a_trained_layer_is_never_worse_on_validation_than_the_one_before() {
        let logits = uneven();
        let fit = Fit { epochs: 20, rate: 0.5, batch: 16, seed: 1 };
        let initial = Affine::identity(4);
        let layer = fit_linear(&initial, &logits, &logits, fit);
        assert!(layer.accuracy(&logits) > initial.accuracy(&logits));
        assert_eq!(layer, fit_linear(&initial, &logits, &logits, fit));
        let nothing = fit_linear(&initial, &Logits::default(), &logits, fit);
        assert_eq!(nothing, initial);
    }

    #[test]
    fn the_first_of_equal_outputs_decides() {
        let logits = Logits { width: 2, values: vec![1.0, 1.0, 1.0, 1.0], labels: vec![0, 1] };
        assert_eq!(Affine::identity(2).accuracy(&logits), 0.5);
    }
}
