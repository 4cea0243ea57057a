//! A network on one of the devices that share a batch.

use burn::tensor::Tensor;

use super::optimiser::Sgd;
use crate::backend::Training;
use crate::network::{Gradients, Network};

/// The network on one device. Weights and velocities are the same on all; running statistics of batch norm
/// are those of the device's own shares.
#[derive(Debug)]
pub struct Replica<B: Training> {
    /// The network.
    pub network: Network<B>,
    /// Its optimiser.
    pub optimiser: Sgd<B>,
    /// Where it is.
    pub device: B::Device,
}

/// What one device does of a batch.
#[derive(Debug)]
pub struct Share<B: Training> {
    /// Network input, `[images, channels, height, width]`, on that device.
    pub images: Tensor<B, 4>,
    /// One label an image.
    pub labels: Vec<u32>,
}

/// Adds arrays, multiplied by a factor, to a sum that may be empty yet.
pub(super) fn add(sum: &mut Vec<Vec<f32>>, arrays: Vec<Vec<f32>>, factor: f32) {
    sum.resize(sum.len().max(arrays.len()), Vec::new());
    for (sum, array) in sum.iter_mut().zip(arrays) {
        sum.resize(sum.len().max(array.len()), 0.0);
        for (sum, value) in sum.iter_mut().zip(array) {
            *sum += factor * value;
        }
    }
}

impl<B: Training> Replica<B> {
    pub(super) fn update(&mut self, rate: f64, gradients: Gradients) {
        self.optimiser.step(rate, &mut self.network, gradients);
    }
}
