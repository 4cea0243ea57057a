//! run/module, written by Cleave 0.1.0 for Burn 0.21.
//!
//! `Model::load(Path::new("model"), &device)` reads `model.mpk`. On an autodiff backend call `.valid()` first:
//! Burn's batch norm would use the batch's own statistics there.

use std::path::Path;

use burn::record::{FullPrecisionSettings, NamedMpkFileRecorder, Recorder, RecorderError};

// This file is compiled into Cleave and copied to the start of every exported `model.rs`.

use burn::module::{Initializer, Module};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{relu, tanh};
use burn::tensor::backend::Backend;
use burn::tensor::module::max_pool2d;
use burn::tensor::{Int, Tensor, TensorData};

/// The layers with weights, in forward order.
#[derive(Module, Debug)]
pub struct Model<B: Backend> {
    /// The convolutions; a residual's shortcut comes after its body.
    pub convs: Vec<ConvBlock<B>>,
    /// The linear layers.
    pub linears: Vec<Linear<B>>,
}

/// Convolution, then optional batch norm and mask.
#[derive(Module, Debug)]
pub struct ConvBlock<B: Backend> {
    /// The convolution, padded by half its kernel size.
    pub conv: Conv2d<B>,
    /// Batch norm over its kernels.
    pub norm: Option<BatchNorm<B>>,
    /// The generator of the mask, which weights each kernel per image.
    pub generator: Option<MaskGenerator<B>>,
}

/// relu(tanh(W2 relu(W1 g) + b2)) with g the mean of each channel.
#[derive(Module, Debug)]
pub struct MaskGenerator<B: Backend> {
    /// W1.
    pub hidden: Linear<B>,
    /// W2 and b2.
    pub output: Linear<B>,
}

impl<B: Backend> ConvBlock<B> {
    /// A block with all weights 0. `channels` are input and output; `mask` is the hidden width of the mask generator,
    /// 0 for none.
    pub fn new(
        channels: [usize; 2],
        [size, stride]: [usize; 2],
        [bias, norm]: [bool; 2],
        mask: usize,
        device: &B::Device,
    ) -> Self {
        let conv = Conv2dConfig::new(channels, [size, size])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(size / 2, size / 2, size / 2, size / 2))
            .with_bias(bias)
            .with_initializer(Initializer::Zeros);
        let generator = || MaskGenerator {
            hidden: linear(channels[0], mask, false, device),
            output: linear(mask, channels[1], true, device),
        };
        ConvBlock {
            conv: conv.init(device),
            norm: norm.then(|| BatchNormConfig::new(channels[1]).init(device)),
            generator: (mask > 0).then(generator),
        }
    }

    /// `[batch, channels, height, width]` in and out.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mask = self.generator.as_ref().map(|generator| generator.forward(x.clone()));
        let y = self.conv.forward(x);
        let y = match &self.norm {
            Some(norm) => norm.forward(y),
            None => y,
        };
        match mask {
            Some(mask) => y * mask.unsqueeze_dims(&[2, 3]),
            None => y,
        }
    }
}

impl<B: Backend> MaskGenerator<B> {
    /// `[batch, channels, height, width]` to `[batch, kernels]`, in 0..1.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        relu(tanh(self.output.forward(relu(self.hidden.forward(average(x))))))
    }
}

/// A linear layer whose weights are 0.
pub fn linear<B: Backend>(inputs: usize, outputs: usize, bias: bool, device: &B::Device) -> Linear<B> {
    LinearConfig::new(inputs, outputs).with_bias(bias).with_initializer(Initializer::Zeros).init(device)
}

/// Mean over height and width: `[batch, channels]`.
pub fn average<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 2> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height * width]).mean_dim(2).reshape([batch, channels])
}

/// Max-pooling with non-overlapping windows.
pub fn pool<B: Backend>(x: Tensor<B, 4>, size: usize) -> Tensor<B, 4> {
    max_pool2d(x, [size; 2], [size; 2], [0; 2], [1; 2], false)
}

/// Channel `i` of `x` becomes channel `places[i]` of `channels`; the others are zero.
pub fn spread<B: Backend>(x: Tensor<B, 4>, places: &[usize], channels: usize) -> Tensor<B, 4> {
    let [batch, present, height, width] = x.dims();
    let device = x.device();
    let mut source = vec![present as i64; channels];
    for (index, &place) in places.iter().enumerate() {
        source[place] = index as i64;
    }
    let source = Tensor::<B, 1, Int>::from_data(TensorData::new(source, [channels]), &device);
    let zero = Tensor::zeros([batch, 1, height, width], &device);
    Tensor::cat(vec![x, zero], 1).select(1, source)
}

/// Class names, in the order of the logits.
pub const CLASSES: [&str; 5] = ["cat", "dog", "a \"b\"", "ü", "e"];
/// Mean of each channel, for pixels in 0..1: an input value is (pixel - mean) / std.
pub const MEAN: [f32; 3] = [0.49, 0.48, 0.44];
/// Standard deviation of each channel, for pixels in 0..1.
pub const STD: [f32; 3] = [0.25, 0.24, 0.26];

impl<B: Backend> Model<B> {
    /// The network with all weights 0.
    pub fn new(device: &B::Device) -> Self {
        let mut model = Model { convs: Vec::new(), linears: Vec::new() };
        model.convs.push(ConvBlock::new([3, 8], [3, 1], [true, false], 0, device));
        model.convs.push(ConvBlock::new([8, 16], [3, 1], [true, true], 16, device));
        model.convs.push(ConvBlock::new([16, 16], [3, 1], [true, true], 16, device));
        model.convs.push(ConvBlock::new([16, 16], [3, 1], [true, true], 16, device));
        model.convs.push(ConvBlock::new([16, 32], [3, 1], [true, true], 32, device));
        model.convs.push(ConvBlock::new([32, 64], [3, 1], [true, true], 64, device));
        model.convs.push(ConvBlock::new([64, 64], [3, 1], [true, true], 64, device));
        model.convs.push(ConvBlock::new([64, 64], [3, 1], [true, true], 64, device));
        model.convs.push(ConvBlock::new([64, 64], [3, 1], [true, true], 64, device));
        model.convs.push(ConvBlock::new([64, 64], [3, 1], [true, true], 64, device));
        model.convs.push(ConvBlock::new([64, 64], [3, 1], [true, true], 64, device));
        model.convs.push(ConvBlock::new([64, 64], [3, 1], [true, true], 64, device));
        model.linears.push(linear(64, 3, true, device));
        model.convs.push(ConvBlock::new([3, 3], [1, 1], [true, false], 0, device));
        model.convs.push(ConvBlock::new([3, 5], [3, 1], [true, true], 0, device));
        model.convs.push(ConvBlock::new([5, 4], [3, 1], [true, true], 0, device));
        model.convs.push(ConvBlock::new([4, 8], [3, 1], [true, true], 0, device));
        model.convs.push(ConvBlock::new([8, 8], [3, 1], [true, true], 0, device));
        model.convs.push(ConvBlock::new([8, 17], [3, 1], [true, true], 0, device));
        model.convs.push(ConvBlock::new([17, 22], [3, 1], [true, true], 0, device));
        model.convs.push(ConvBlock::new([22, 34], [3, 1], [true, true], 0, device));
        model.convs.push(ConvBlock::new([34, 36], [3, 1], [true, true], 0, device));
        model.convs.push(ConvBlock::new([36, 68], [3, 1], [true, true], 0, device));
        model.linears.push(linear(68, 128, true, device));
        model.linears.push(linear(128, 128, true, device));
        model.linears.push(linear(128, 2, true, device));
        model.linears.push(linear(5, 2, true, device));
        model.convs.push(ConvBlock::new([3, 5], [3, 1], [false, true], 0, device));
        model.convs.push(ConvBlock::new([5, 4], [3, 1], [false, true], 0, device));
        model.convs.push(ConvBlock::new([4, 5], [3, 1], [false, true], 0, device));
        model.convs.push(ConvBlock::new([7, 4], [3, 1], [false, true], 0, device));
        model.convs.push(ConvBlock::new([4, 3], [3, 1], [false, true], 0, device));
        model.convs.push(ConvBlock::new([7, 10], [3, 2], [false, true], 0, device));
        model.convs.push(ConvBlock::new([10, 9], [3, 1], [false, true], 0, device));
        model.convs.push(ConvBlock::new([7, 9], [1, 2], [false, true], 0, device));
        model.convs.push(ConvBlock::new([13, 10], [3, 1], [false, true], 0, device));
        model.convs.push(ConvBlock::new([10, 12], [3, 1], [false, true], 0, device));
        model.convs.push(ConvBlock::new([16, 13], [3, 2], [false, true], 0, device));
        model.convs.push(ConvBlock::new([13, 21], [3, 1], [false, true], 0, device));
        model.convs.push(ConvBlock::new([16, 20], [1, 2], [false, true], 0, device));
        model.convs.push(ConvBlock::new([26, 15], [3, 1], [false, true], 0, device));
        model.convs.push(ConvBlock::new([15, 18], [3, 1], [false, true], 0, device));
        model.convs.push(ConvBlock::new([31, 35], [3, 2], [false, true], 0, device));
        model.convs.push(ConvBlock::new([35, 31], [3, 1], [false, true], 0, device));
        model.convs.push(ConvBlock::new([31, 35], [1, 2], [false, true], 0, device));
        model.convs.push(ConvBlock::new([50, 30], [3, 1], [false, true], 0, device));
        model.convs.push(ConvBlock::new([30, 35], [3, 1], [false, true], 0, device));
        model.linears.push(linear(59, 3, true, device));
        model.linears.push(linear(5, 5, true, device));
        model
    }

    /// The network with the weights of a record, whose path is given without the extension `.mpk`.
    pub fn load(record: &Path, device: &B::Device) -> Result<Self, RecorderError> {
        let recorder = NamedMpkFileRecorder::<FullPrecisionSettings>::new();
        Ok(Self::new(device).load_record(recorder.load(record.to_path_buf(), device)?))
    }

    /// The logits of normalised images, `[batch, 3, 32, 32]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        let input = x;
        let mut outputs = Vec::new();
        outputs.push({
        let x = input.clone();
        let input = x;
        let mut outputs = Vec::new();
        outputs.push({
        let x = input.clone();
        let x = relu(self.convs[0].forward(x));
        let x = relu(self.convs[1].forward(x));
        let x = pool(x, 2);
        let body = x.clone();
        let body = relu(self.convs[2].forward(body));
        let body = relu(self.convs[3].forward(body));
        let x = body + x;
        let x = relu(self.convs[4].forward(x));
        let x = pool(x, 2);
        let x = relu(self.convs[5].forward(x));
        let x = pool(x, 2);
        let body = x.clone();
        let body = relu(self.convs[6].forward(body));
        let body = relu(self.convs[7].forward(body));
        let x = body + x;
        let x = relu(self.convs[8].forward(x));
        let x = pool(x, 2);
        let x = relu(self.convs[9].forward(x));
        let x = pool(x, 2);
        let body = x.clone();
        let body = relu(self.convs[10].forward(body));
        let body = relu(self.convs[11].forward(body));
        let x = body + x;
        let x = x.flatten::<2>(1, 3);
        let x = self.linears[0].forward(x);
        x
        });
        outputs.push({
        let x = input.clone();
        let x = self.convs[12].forward(x);
        let x = relu(self.convs[13].forward(x));
        let x = relu(self.convs[14].forward(x));
        let x = pool(x, 2);
        let x = relu(self.convs[15].forward(x));
        let x = relu(self.convs[16].forward(x));
        let x = pool(x, 2);
        let x = relu(self.convs[17].forward(x));
        let x = relu(self.convs[18].forward(x));
        let x = pool(x, 2);
        let x = relu(self.convs[19].forward(x));
        let x = relu(self.convs[20].forward(x));
        let x = pool(x, 2);
        let x = relu(self.convs[21].forward(x));
        let x = pool(x, 2);
        let x = x.flatten::<2>(1, 3);
        let x = self.linears[1].forward(x);
        let x = relu(x);
        let x = self.linears[2].forward(x);
        let x = relu(x);
        let x = self.linears[3].forward(x);
        x
        });
        let x = Tensor::cat(outputs, 1);
        let x = self.linears[4].forward(x);
        x
        });
        outputs.push({
        let x = input.clone();
        let x = relu(self.convs[22].forward(x));
        let body = x.clone();
        let body = relu(self.convs[23].forward(body));
        let body = self.convs[24].forward(body);
        let body = spread(body, &[0, 2, 3, 4, 5], 7);
        let x = spread(x, &[0, 1, 3, 4, 6], 7);
        let x = relu(body + x);
        let body = x.clone();
        let body = relu(self.convs[25].forward(body));
        let body = self.convs[26].forward(body);
        let body = spread(body, &[0, 3, 6], 7);
        let x = spread(x, &[0, 1, 2, 3, 4, 5, 6], 7);
        let x = relu(body + x);
        let body = x.clone();
        let body = relu(self.convs[27].forward(body));
        let body = self.convs[28].forward(body);
        let x = self.convs[29].forward(x);
        let body = spread(body, &[0, 1, 2, 4, 5, 6, 7, 8, 11], 13);
        let x = spread(x, &[0, 3, 5, 6, 7, 9, 10, 11, 12], 13);
        let x = relu(body + x);
        let body = x.clone();
        let body = relu(self.convs[30].forward(body));
        let body = self.convs[31].forward(body);
        let body = spread(body, &[0, 1, 4, 5, 6, 7, 8, 9, 10, 12, 13, 15], 16);
        let x = spread(x, &[0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 13, 14], 16);
        let x = relu(body + x);
        let body = x.clone();
        let body = relu(self.convs[32].forward(body));
        let body = self.convs[33].forward(body);
        let x = self.convs[34].forward(x);
        let body = spread(body, &[0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 19, 21, 22, 24, 25], 26);
        let x = spread(x, &[0, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 17, 18, 19, 20, 21, 22, 23, 24], 26);
        let x = relu(body + x);
        let body = x.clone();
        let body = relu(self.convs[35].forward(body));
        let body = self.convs[36].forward(body);
        let body = spread(body, &[0, 1, 3, 4, 6, 10, 11, 12, 14, 19, 20, 21, 22, 23, 24, 25, 26, 29], 31);
        let x = spread(x, &[0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 27, 28, 30], 31);
        let x = relu(body + x);
        let body = x.clone();
        let body = relu(self.convs[37].forward(body));
        let body = self.convs[38].forward(body);
        let x = self.convs[39].forward(x);
        let body = spread(body, &[0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 14, 15, 16, 18, 20, 22, 27, 28, 29, 30, 35, 36, 37, 38, 40, 41, 44, 46, 48, 49], 50);
        let x = spread(x, &[0, 1, 4, 6, 7, 8, 10, 12, 13, 14, 16, 17, 18, 19, 21, 22, 23, 24, 25, 26, 28, 30, 31, 32, 33, 34, 36, 39, 40, 42, 43, 44, 45, 47, 48], 50);
        let x = relu(body + x);
        let body = x.clone();
        let body = relu(self.convs[40].forward(body));
        let body = self.convs[41].forward(body);
        let body = spread(body, &[0, 1, 3, 5, 8, 10, 12, 15, 16, 18, 19, 23, 24, 26, 27, 28, 29, 31, 33, 34, 37, 39, 40, 41, 43, 45, 47, 48, 49, 51, 52, 53, 54, 55, 57], 59);
        let x = spread(x, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 19, 20, 21, 22, 24, 25, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 41, 42, 44, 46, 47, 50, 51, 52, 53, 54, 55, 56, 57, 58], 59);
        let x = relu(body + x);
        let x = average(x);
        let x = self.linears[5].forward(x);
        x
        });
        let x = Tensor::cat(outputs, 1);
        let x = self.linears[6].forward(x);
        x
    }
}
