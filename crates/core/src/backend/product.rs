//! Products in a chosen arithmetic, forward and back.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::TensorMetadata;
use burn::tensor::backend::Backend;
use burn::tensor::ops::{ConvOptions, FloatTensor};

use super::Arithmetic;

/// A product of two tensors.
#[derive(Clone, Debug)]
pub enum Product {
    /// Convolution of `[batch, channels, height, width]` with `[kernels, channels, height, width]`.
    Conv(ConvOptions<2>),
    /// `[rows, inner]` times `[inner, columns]`.
    Matmul,
}

impl Product {
    /// a times b.
    pub(super) fn forward<B: Backend>(
        &self,
        arithmetic: Arithmetic,
        a: FloatTensor<B>,
        b: FloatTensor<B>,
    ) -> FloatTensor<B> {
        arithmetic.apply::<B>(a, b, |a, b| match self {
            Product::Conv(options) => B::conv2d(a, b, None, options.clone()),
            Product::Matmul => B::float_matmul(a, b),
        })
    }

    /// The gradient of a, from that of the product.
    fn first<B: Backend>(
        &self,
        arithmetic: Arithmetic,
        a: FloatTensor<B>,
        b: FloatTensor<B>,
        gradient: FloatTensor<B>,
    ) -> FloatTensor<B> {
        arithmetic.apply::<B>(b, gradient, |b, gradient| match self {
            Product::Conv(options) => {
                B::conv2d_x_backward(shape_of::<B>(&a, &gradient), b, gradient, options.clone())
            }
            Product::Matmul => B::float_matmul(gradient, B::float_transpose(b)),
        })
    }

    /// The gradient of b, from that of the product.
    fn second<B: Backend>(
        &self,
        arithmetic: Arithmetic,
        a: FloatTensor<B>,
        b: FloatTensor<B>,
        gradient: FloatTensor<B>,
    ) -> FloatTensor<B> {
        arithmetic.apply::<B>(a, gradient, |a, gradient| match self {
            Product::Conv(options) => {
                B::conv2d_weight_backward(a, shape_of::<B>(&b, &gradient), gradient, options.clone())
            }
            Product::Matmul => B::float_matmul(B::float_transpose(a), gradient),
        })
    }

    /// a times b, with the way back.
    pub(super) fn tracked<B: Backend>(
        &self,
        arithmetic: Arithmetic,
        a: FloatTensor<Autodiff<B>>,
        b: FloatTensor<Autodiff<B>>,
    ) -> FloatTensor<Autodiff<B>> {
        let product = |a, b| self.forward::<B>(arithmetic, a, b);
        match ProductBackward
            .prepare::<NoCheckpointing>([a.node.clone(), b.node.clone()])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prepared) => {
                let state = (prepared.checkpoint(&a), prepared.checkpoint(&b), self.clone(), arithmetic);
                prepared.finish(state, product(a.primitive, b.primitive))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(product(a.primitive, b.primitive)),
        }
    }
}

/// What Burn's gradients of convolutions want of the other factor: its shape, in the gradient's element type.
fn shape_of<B: Backend>(factor: &FloatTensor<B>, gradient: &FloatTensor<B>) -> FloatTensor<B> {
    if factor.dtype() == gradient.dtype() {
        return factor.clone();
    }
    B::float_empty(factor.shape(), &B::float_device(factor), gradient.dtype().into())
}

/// The way back of a product.
#[derive(Debug)]
struct ProductBackward;

impl<B: Backend> Backward<B, 2> for ProductBackward {
    type State = (NodeId, NodeId, Product, Arithmetic);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [first, second] = ops.parents;
        let gradient = gradients.consume::<B>(&ops.node);
        let (a, b, product, arithmetic) = ops.state;
        let a: FloatTensor<B> = checkpointer.retrieve_node_output(a);
        let b: FloatTensor<B> = checkpointer.retrieve_node_output(b);
        if let Some(node) = first {
            let of_first = product.first::<B>(arithmetic, a.clone(), b.clone(), gradient.clone());
            gradients.register::<B>(node.id, of_first);
        }
        if let Some(node) = second {
            gradients.register::<B>(node.id, product.second::<B>(arithmetic, a, b, gradient));
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::ops::FloatTensorOps;
    use burn::tensor::{Distribution, Tensor, TensorPrimitive};
    use burn_flex::{Flex, FlexDevice};

    use super::super::{Compute, Cpu};
    use super::*;

    /// What a product and its gradients come to for a fixed loss, in this arithmetic: values row by row.
    fn numbers<const D: usize>(
        arithmetic: Arithmetic,
        product: &Product,
        a: &Tensor<Flex, D>,
        b: &Tensor<Flex, D>,
    ) -> [Vec<f32>; 3] {
        let leaf = |x: &Tensor<Flex, D>| Tensor::<Cpu, D>::from_inner(x.clone()).require_grad();
        let (a, b) = (leaf(a), leaf(b));
        let primitive = |x: &Tensor<Cpu, D>| x.clone().into_primitive().tensor();
        let y = Cpu::product(primitive(&a), primitive(&b), product, arithmetic);
        let y = Tensor::<Cpu, D>::from_primitive(TensorPrimitive::Float(y));
        let gradients = (y.clone().square() * y.clone()).sum().backward();
        let values = |x: Tensor<Flex, D>| x.into_data().to_vec::<f32>().unwrap();
        [values(y.inner()), values(a.grad(&gradients).unwrap()), values(b.grad(&gradients).unwrap())]
    }

    fn worst<const N: usize>(left: &[Vec<f32>; N], right: &[Vec<f32>; N]) -> f32 {
        let largest = |values: &[f32]| values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let apart = |(left, right): (&Vec<f32>, &Vec<f32>)| {
            assert_eq!(left.len(), right.len());
            let difference: Vec<f32> = left.iter().zip(right).map(|(l, r)| l - r).collect();
            largest(&difference) / largest(right)
        };
        left.iter().zip(right).map(apart).fold(0.0, f32::max)
    }

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<Flex, D> {
        Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &FlexDevice)
    }

    /// As a matrix unit takes f32.
    fn tf32(x: FloatTensor<Flex>) -> FloatTensor<Flex> {
        let data = Tensor::<Flex, 2>::from_primitive(TensorPrimitive::Float(x)).into_data();
        let shape = data.shape.clone();
        let round = |x: f32| f32::from_bits((x.to_bits() + 0x1000) & !0x1fff);
        let values: Vec<f32> = data.to_vec::<f32>().unwrap().into_iter().map(round).collect();
        let data = burn::tensor::TensorData::new(values, shape);
        Tensor::<Flex, 2>::from_data(data, &FlexDevice).into_primitive().tensor()
    }

    #[test]
    fn split_products_and_their_gradients_are_f32() {
        let conv = Product::Conv(ConvOptions::new([2; 2], [1; 2], [1; 2], 1));
        let (x, w) = (random([3, 4, 7, 6]), random([5, 4, 3, 3]));
        let reference = numbers(Arithmetic::Plain, &conv, &x, &w);
        assert!(worst(&numbers(Arithmetic::Split, &conv, &x, &w), &reference) < 2e-6);
        let (a, b) = (random([9, 30]), random([30, 11]));
        let reference = numbers(Arithmetic::Plain, &Product::Matmul, &a, &b);
        assert!(worst(&numbers(Arithmetic::Split, &Product::Matmul, &a, &b), &reference) < 2e-6);
    }

    #[test]
    fn bf16_products_keep_f32_weights_and_come_close() {
        let conv = Product::Conv(ConvOptions::new([1; 2], [1; 2], [1; 2], 1));
        let (x, w) = (random([3, 4, 7, 6]), random([5, 4, 3, 3]));
        let apart =
            worst(&numbers(Arithmetic::Bf16, &conv, &x, &w), &numbers(Arithmetic::Plain, &conv, &x, &w));
        assert!((1e-4..3e-2).contains(&apart), "{apart}");
    }

    #[test]
    fn a_split_makes_up_for_matrix_units_that_round() {
        let (a, b) =
            (random([40, 200]).into_primitive().tensor(), random([200, 40]).into_primitive().tensor());
        let exact = Flex::float_matmul(a.clone(), b.clone());
        let rounded = |a, b| Flex::float_matmul(tf32(a), tf32(b));
        let values = |x: FloatTensor<Flex>| {
            [Tensor::<Flex, 2>::from_primitive(TensorPrimitive::Float(x))
                .into_data()
                .to_vec::<f32>()
                .unwrap()]
        };
        let exact = values(exact);
        let plain = values(Arithmetic::Plain.apply::<Flex>(a.clone(), b.clone(), rounded));
        let split = values(Arithmetic::Split.apply::<Flex>(a, b, rounded));
        assert!(worst(&plain, &exact) > 5e-5, "the rounding does nothing");
        assert!(worst(&split, &exact) < 1e-6);
    }
}
