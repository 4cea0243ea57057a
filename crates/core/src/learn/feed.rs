//! Images of a split on their way into a network.
//!
//! Where tensors lie in the host's memory, a batch is cut, flipped and normalised there. On a device of its
//! own the split lies as u8, and a step sends it three numbers an image. The draws are the same, and so is
//! every value to its last bit.

use burn::tensor::backend::{Backend, BackendTypes};
use burn::tensor::{DType, Element, Int, IntDType, Tensor, TensorData};

use super::input::Normaliser;
use crate::backend::Compute;
use crate::data::{self, Augmentation, Draw, Images};
use crate::random::Stream;

/// A split that batches are taken from.
#[derive(Debug)]
pub struct Feed<B: Compute> {
    normaliser: Normaliser,
    augmentation: Augmentation,
    seed: u64,
    stream: Stream,
    device: B::Device,
    resident: Option<Resident<B>>,
}

impl<B: Compute> Feed<B> {
    /// For batches of these images, varied by draws that follow from the seed.
    pub fn new(
        images: &Images,
        augmentation: Augmentation,
        seed: u64,
        normaliser: &Normaliser,
        device: &B::Device,
    ) -> Self {
        let resident = (!B::ON_HOST).then(|| Resident::new(images, augmentation, normaliser, device));
        let (normaliser, stream, device) = (normaliser.clone(), Stream::Augment, device.clone());
        Feed { normaliser, augmentation, seed, stream, device, resident }
    }

    /// The same with draws of another stream than training's.
    pub fn drawing_from(self, stream: Stream) -> Self {
        Feed { stream, ..self }
    }

    /// Network input of the images at `indices`, which are those from position `from` on in the batch of this
    /// step: `[images, channels, height, width]`.
    pub fn batch(&self, images: &Images, indices: &[usize], step: u64, from: usize) -> Tensor<B, 4> {
        let draws = data::draws(self.augmentation, self.seed, self.stream, step).skip(from);
        match &self.resident {
            Some(resident) => resident.batch(indices, draws),
            None => {
                let pixels = data::vary(images, indices, self.augmentation, draws);
                self.normaliser.tensor(&pixels, &self.device)
            }
        }
    }
}

/// A split on a device.
#[derive(Debug)]
struct Resident<B: Backend> {
    shape: [usize; 3],
    /// Width of an image with its padding.
    stride: usize,
    /// u8, `[images, channels * padded height * padded width]`.
    pixels: Tensor<B, 2, Int>,
    /// How to take a window out of a padded image, if images are varied.
    window: Option<Window<B>>,
    /// The input value of every pixel value, `[channels * 256]`.
    values: Tensor<B, 1>,
    /// Where each channel's values begin, `[1, channels, 1]`.
    begins: Tensor<B, 3, Int>,
}

/// Places of an image's pixels in a padded image, `[1, channels * height * width]`.
#[derive(Debug)]
struct Window<B: Backend> {
    /// For the window at the top left.
    places: Tensor<B, 2, Int>,
    /// What must be added for the mirrored window.
    mirror: Tensor<B, 2, Int>,
}

impl<B: Backend> Resident<B> {
    fn new(images: &Images, augmentation: Augmentation, normaliser: &Normaliser, device: &B::Device) -> Self {
        let shape @ [channels, height, width] = images.shape;
        let padding = augmentation.crop_padding;
        let (stride, rows) = (width + 2 * padding, height + 2 * padding);
        let padded = pad(images, padding);
        let data = TensorData::new(padded, [images.len(), channels * rows * stride]);
        let places = (0..channels * height * width).map(|i| {
            let (channel, y, x) = (i / (height * width), i / width % height, i % width);
            ((channel * rows + y) * stride + x) as i64
        });
        let mirror = (0..channels * height * width).map(|i| (width - 1) as i64 - 2 * (i % width) as i64);
        let window = (augmentation != Augmentation::NONE).then(|| Window {
            places: integers::<B>(places, device).unsqueeze(),
            mirror: integers::<B>(mirror, device).unsqueeze(),
        });
        let values = normaliser.table();
        let length = values.len();
        let begins = integers::<B>((0..channels).map(|channel| 256 * channel as i64), device);
        Resident {
            shape,
            stride,
            pixels: Tensor::from_data(data, (device, DType::U8)),
            window,
            values: Tensor::from_data(TensorData::new(values, [length]), device),
            begins: begins.reshape([1, channels, 1]),
        }
    }

    /// The images at `indices`, varied by as many draws.
    fn batch(&self, indices: &[usize], draws: impl Iterator<Item = Draw>) -> Tensor<B, 4> {
        let device = self.values.device();
        let [channels, height, width] = self.shape;
        let rows = integers::<B>(indices.iter().map(|&index| index as i64), &device);
        let images = self.pixels.clone().select(0, rows);
        let pixels = match &self.window {
            Some(window) => {
                images.gather(1, self.places(window, &draws.take(indices.len()).collect::<Vec<_>>()))
            }
            None => images,
        };
        let pixels = pixels.cast(IntDType::from(<B as BackendTypes>::IntElem::dtype()));
        let pixels = pixels.reshape([indices.len(), channels, height * width]) + self.begins.clone();
        let values = self.values.clone().select(0, pixels.flatten(0, 2));
        values.reshape([indices.len(), channels, height, width])
    }

    /// Where the pixels of each window lie in its image, `[images, channels * height * width]`.
    fn places(&self, window: &Window<B>, draws: &[Draw]) -> Tensor<B, 2, Int> {
        let device = self.values.device();
        let offset = |draw: &Draw| (draw.top_left.0 * self.stride + draw.top_left.1) as i64;
        let offsets: Tensor<B, 2, Int> = integers::<B>(draws.iter().map(offset), &device).unsqueeze_dim(1);
        let flips = draws.iter().map(|draw| i64::from(draw.flip));
        let flips: Tensor<B, 2, Int> = integers::<B>(flips, &device).unsqueeze_dim(1);
        window.places.clone() + offsets + window.mirror.clone() * flips
    }
}

fn integers<B: Backend>(values: impl Iterator<Item = i64>, device: &B::Device) -> Tensor<B, 1, Int> {
    let values: Vec<i64> = values.collect();
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), device)
}

/// The pixels of all images with so many zero pixels around each plane.
fn pad(images: &Images, padding: usize) -> Vec<u8> {
    if padding == 0 {
        return images.pixels.clone();
    }
    let [_, height, width] = images.shape;
    let (stride, rows) = (width + 2 * padding, height + 2 * padding);
    let planes = images.pixels.len() / (height * width).max(1);
    let mut padded = vec![0; planes * rows * stride];
    for (plane, out) in images.pixels.chunks_exact(height * width).zip(padded.chunks_exact_mut(rows * stride))
    {
        let inner = out.chunks_exact_mut(stride).skip(padding);
        for (row, out) in plane.chunks_exact(width).zip(inner) {
            out[padding..padding + width].copy_from_slice(row);
        }
    }
    padded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backend::{Cpu, cpu_device};
    use crate::spec::Array;

    proptest! {
        /// The CPU stands in for the device: the same operations, elsewhere.
        #[test]
        fn the_device_makes_the_hosts_batches_to_the_last_bit(
            shape in [1usize..4, 1usize..7, 1usize..7], padding in 0usize..4, flip: bool, seed: u64, step: u64,
            indices in prop::collection::vec(0usize..5, 1..9), from in 0usize..3,
        ) {
            let length: usize = shape.iter().product();
            let pixels = (0..5 * length).map(|i| (i * 37 % 256) as u8).collect();
            let images = Images { shape, pixels, labels: vec![0; 5] };
            let (mean, std) = ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]);
            let normaliser = Normaliser::new(shape, &mean[..shape[0]], &std[..shape[0]]);
            let augmentation = Augmentation { crop_padding: padding, flip };
            let host = Feed::<Cpu>::new(&images, augmentation, seed, &normaliser, &cpu_device());
            let resident = Some(Resident::new(&images, augmentation, &normaliser, &cpu_device()));
            let device = Feed { resident, ..Feed::new(&images, augmentation, seed, &normaliser, &cpu_device()) };
            let bits = |feed: &Feed<Cpu>| {
                let array = Array::from_tensor(feed.batch(&images, &indices, step, from));
                (array.shape, array.values.into_iter().map(f32::to_bits).collect::<Vec<_>>())
            };
            prop_assert_eq!(bits(&device), bits(&host));
        }
    }
}
