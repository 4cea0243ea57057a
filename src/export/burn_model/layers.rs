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
