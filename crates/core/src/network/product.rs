//! Products of tensors in a chosen arithmetic.

use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorPrimitive};

use crate::backend::{Arithmetic, Compute, Product};

/// Convolution of `[batch, channels, height, width]` with `[kernels, channels, height, width]`, plus
/// `[kernels]`.
pub(super) fn conv2d<B: Compute>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    options: ConvOptions<2>,
    arithmetic: Arithmetic,
) -> Tensor<B, 4> {
    if arithmetic == Arithmetic::Plain {
        return burn::tensor::module::conv2d(x, weight, bias, options);
    }
    let y = product(x, weight, &Product::Conv(options), arithmetic);
    match bias {
        Some(bias) => {
            let kernels = bias.dims()[0];
            y + bias.reshape([1, kernels, 1, 1])
        }
        None => y,
    }
}

/// `[rows, inner]` times `[inner, columns]`, plus `[columns]`.
pub(super) fn linear<B: Compute>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
    arithmetic: Arithmetic,
) -> Tensor<B, 2> {
    match arithmetic {
        Arithmetic::Plain => burn::tensor::module::linear(x, weight, Some(bias)),
        _ => matmul(x, weight, arithmetic) + bias.unsqueeze(),
    }
}

/// `[rows, inner]` times `[inner, columns]`.
pub fn matmul<B: Compute>(a: Tensor<B, 2>, b: Tensor<B, 2>, arithmetic: Arithmetic) -> Tensor<B, 2> {
    match arithmetic {
        Arithmetic::Plain => a.matmul(b),
        _ => product(a, b, &Product::Matmul, arithmetic),
    }
}

fn product<B: Compute, const D: usize>(
    a: Tensor<B, D>,
    b: Tensor<B, D>,
    product: &Product,
    arithmetic: Arithmetic,
) -> Tensor<B, D> {
    let (a, b) = (a.into_primitive().tensor(), b.into_primitive().tensor());
    Tensor::from_primitive(TensorPrimitive::Float(B::product(a, b, product, arithmetic)))
}
