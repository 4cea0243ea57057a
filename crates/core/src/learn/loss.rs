//! The classification loss.

use burn::tensor::activation::log_softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use crate::modular::{Softmax, softmax};

/// Mean cross-entropy of logits `[batch, classes]` against the classes of the samples: `[1]`.
pub fn cross_entropy<B: Backend>(logits: Tensor<B, 2>, labels: &[u32]) -> Tensor<B, 1> {
    let targets = label_tensor::<B>(labels, &logits.device());
    log_softmax(logits, 1).gather(1, targets.unsqueeze_dim(1)).mean().neg()
}

/// Labels on the device, `[batch]`.
pub fn label_tensor<B: Backend>(labels: &[u32], device: &B::Device) -> Tensor<B, 1, Int> {
    let values: Vec<i64> = labels.iter().map(|&label| i64::from(label)).collect();
    Tensor::from_data(TensorData::new(values, [labels.len()]), device)
}

/// The same of logits in the host's memory, and its gradient at them.
pub fn host_cross_entropy(logits: &[f32], labels: &[u32]) -> (f64, Vec<f32>) {
    let classes = logits.len() / labels.len().max(1);
    let count = labels.len() as f64;
    let mut gradient = Vec::with_capacity(logits.len());
    let mut loss = 0.0;
    for (row, &label) in logits.chunks_exact(classes.max(1)).zip(labels) {
        let Softmax { largest, sum, probabilities } = softmax(row);
        loss += (sum.ln() - f64::from(row[label as usize] - largest)) / count;
        let differences = probabilities.into_iter().zip(0..).map(|(p, class)| p - f64::from(class == label));
        gradient.extend(differences.map(|difference| (difference / count) as f32));
    }
    (loss, gradient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Cpu, cpu_device};

    #[test]
    fn cross_entropy_on_the_host_is_that_of_tensors() {
        let (values, labels) = (vec![0.5, -1.0, 3.0, 80.0, 79.0, -90.0, 0.0, 0.0, 0.0], [2, 1, 0]);
        let logits: Tensor<Cpu, 2> =
            Tensor::from_data(TensorData::new(values.clone(), [3, 3]), &cpu_device()).require_grad();
        let loss = cross_entropy(logits.clone(), &labels);
        let gradient: Vec<f32> = logits.grad(&loss.backward()).unwrap().into_data().to_vec().unwrap();
        let (ours, gradients) = host_cross_entropy(&values, &labels);
        assert!((ours - f64::from(loss.into_scalar())).abs() < 1e-6);
        assert!(gradients.iter().zip(&gradient).all(|(a, b)| (a - b).abs() < 1e-6), "{gradients:?}");
        assert!(host_cross_entropy(&[f32::NAN, 1.0], &[1]).0.is_nan());
    }
}
