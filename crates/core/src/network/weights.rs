//! The weights of a network on a device, as Burn modules. Every array is a parameter whose id is its index
//! among [`Spec::slots`](crate::spec::Spec::slots), so gradients, optimiser state and files speak of the same names.

use std::collections::HashMap;

use burn::module::{Module, Param, ParamId};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::spec::{Array, Conv, Slot, State, StateError};

/// A convolution with its normalisation and mask generator.
#[derive(Module, Debug)]
pub struct ConvWeights<B: Backend> {
    /// `[out, in, height, width]`.
    pub weight: Param<Tensor<B, 4>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<B, 1>>>,
    /// Batch norm over the output channels.
    pub norm: Option<BatchNorm<B>>,
    /// What makes the mask of the output channels from the input.
    pub generator: Option<MaskGenerator<B>>,
}

/// Batch norm. Burn's own updates the running variance with the biased batch variance; the reference, like
/// PyTorch, with the unbiased one.
#[derive(Module, Debug)]
pub struct BatchNorm<B: Backend> {
    /// Scale, `[channels]`.
    pub scale: Param<Tensor<B, 1>>,
    /// Shift, `[channels]`.
    pub shift: Param<Tensor<B, 1>>,
    /// Running mean, `[channels]`.
    pub running_mean: Param<Tensor<B, 1>>,
    /// Running variance, `[channels]`.
    pub running_var: Param<Tensor<B, 1>>,
}

/// The bottleneck of two linear layers that turns pooled input channels into a mask of output channels.
#[derive(Module, Debug)]
pub struct MaskGenerator<B: Backend> {
    /// `[hidden, in]`, no bias.
    pub hidden: Param<Tensor<B, 2>>,
    /// `[out, hidden]`.
    pub output: Param<Tensor<B, 2>>,
    /// `[out]`, 1 before training.
    pub bias: Param<Tensor<B, 1>>,
}

/// A fully connected layer.
#[derive(Module, Debug)]
pub struct LinearWeights<B: Backend> {
    /// `[out, in]`.
    pub weight: Param<Tensor<B, 2>>,
    /// `[out]`.
    pub bias: Param<Tensor<B, 1>>,
}

/// Puts arrays of a [`State`] on a device as parameters.
pub(super) struct Loader<'a, B: Backend> {
    state: &'a State,
    ids: HashMap<&'a str, u64>,
    device: &'a B::Device,
}

impl<'a, B: Backend> Loader<'a, B> {
    pub(super) fn new(state: &'a State, slots: &'a [Slot], device: &'a B::Device) -> Self {
        let ids = slots.iter().zip(0..).map(|(slot, id)| (slot.name.as_str(), id)).collect();
        Loader { state, ids, device }
    }

    fn param<const D: usize>(&self, name: String) -> Result<Param<Tensor<B, D>>, StateError> {
        let id = *self.ids.get(name.as_str()).ok_or_else(|| StateError::Unknown(name.clone()))?;
        let tensor = self.state.get(&name)?.to_tensor(self.device);
        Ok(Param::initialized(ParamId::from(id), tensor.require_grad()))
    }

    fn buffer(&self, name: String) -> Result<Param<Tensor<B, 1>>, StateError> {
        Ok(self.param(name)?.set_require_grad(false))
    }

    pub(super) fn conv(&self, name: &str, conv: &Conv) -> Result<ConvWeights<B>, StateError> {
        let norm = || {
            Ok::<_, StateError>(BatchNorm {
                scale: self.param(format!("{name}.bn.weight"))?,
                shift: self.param(format!("{name}.bn.bias"))?,
                running_mean: self.buffer(format!("{name}.bn.running_mean"))?,
                running_var: self.buffer(format!("{name}.bn.running_var"))?,
            })
        };
        let generator = || {
            Ok::<_, StateError>(MaskGenerator {
                hidden: self.param(format!("{name}.mask_generator.hidden.weight"))?,
                output: self.param(format!("{name}.mask_generator.output.weight"))?,
                bias: self.param(format!("{name}.mask_generator.output.bias"))?,
            })
        };
        Ok(ConvWeights {
            weight: self.param(format!("{name}.conv.weight"))?,
            bias: conv.bias.then(|| self.param(format!("{name}.conv.bias"))).transpose()?,
            norm: conv.batch_norm.then(norm).transpose()?,
            generator: conv.masked.then(generator).transpose()?,
        })
    }

    pub(super) fn linear(&self, name: &str) -> Result<LinearWeights<B>, StateError> {
        Ok(LinearWeights {
            weight: self.param(format!("{name}.weight"))?,
            bias: self.param(format!("{name}.bias"))?,
        })
    }
}

impl Array {
    /// The array as a tensor of rank `D`.
    ///
    /// # Panics
    ///
    /// When the array's rank is not `D`.
    pub fn to_tensor<B: Backend, const D: usize>(&self, device: &B::Device) -> Tensor<B, D> {
        Tensor::from_data(TensorData::new(self.values.clone(), self.shape.clone()), device)
    }

    /// The tensor's values, read back from its device.
    pub fn from_tensor<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Array {
        let shape = tensor.dims().to_vec();
        let values = match tensor.into_data().convert::<f32>().into_vec() {
            Ok(values) => values,
            Err(error) => unreachable!("values that were converted to f32 are f32: {error:?}"),
        };
        Array { shape, values }
    }
}
