//! Pixels to network input.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::run::Manifest;

/// Turns `u8` pixels into network input: (p / 255 - mean) / std, channel by channel.
#[derive(Clone, Debug)]
pub struct Normaliser {
    /// The input value of every pixel value, one table a channel.
    tables: Vec<[f32; 256]>,
    shape: [usize; 3],
}

impl Normaliser {
    /// For `[channels, height, width]` images with these means and deviations, for pixels in 0..1.
    pub fn new(shape: [usize; 3], mean: &[f32], std: &[f32]) -> Self {
        let table =
            |(mean, std): (&f32, &f32)| std::array::from_fn(|pixel| (pixel as f32 / 255.0 - mean) / std);
        Normaliser { tables: mean.iter().zip(std).map(table).collect(), shape }
    }

    /// For the images of a run.
    pub fn of_run(manifest: &Manifest) -> Self {
        Normaliser::new(manifest.input, &manifest.mean, &manifest.std)
    }

    /// The input value of every pixel value, channel by channel: `[channels * 256]`.
    pub fn table(&self) -> Vec<f32> {
        self.tables.concat()
    }

    /// The input values of images one after the other.
    pub fn values(&self, pixels: &[u8]) -> Vec<f32> {
        let plane = self.shape[1] * self.shape[2];
        let mut values = Vec::with_capacity(pixels.len());
        for (pixels, table) in pixels.chunks_exact(plane).zip(self.tables.iter().cycle()) {
            values.extend(pixels.iter().map(|&p| table[usize::from(p)]));
        }
        values
    }

    /// The images as a tensor, `[batch, channels, height, width]`.
    pub fn tensor<B: Backend>(&self, pixels: &[u8], device: &B::Device) -> Tensor<B, 4> {
        let [channels, height, width] = self.shape;
        let values = self.values(pixels);
        let batch = values.len() / (channels * height * width);
        Tensor::from_data(TensorData::new(values, [batch, channels, height, width]), device)
    }
}
