//! What Cleave asks of a backend beyond Burn's operations.

use std::sync::Arc;

use burn::backend::Autodiff;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::ops::FloatTensor;
use burn_flex::Flex;

use super::kernels::Isa;
use super::stack::{Engine, Plan};
use super::{Arithmetic, Precision, Product, threads};

/// A backend that may run whole networks in its own way, where its tensors lie in the host's memory.
///
/// Left as it is, Burn's operations do everything, in f32, on a device of its own.
pub trait Compute: Backend {
    /// Whether tensors lie in the host's memory, so that batches are best put together there.
    const ON_HOST: bool = false;

    /// What runs a plan in place of Burn's operations.
    fn engine(_plan: &Arc<Plan>) -> Option<Engine> {
        None
    }

    /// A tensor's numbers in row-major order, where they lie so in the host's memory.
    fn host(_tensor: &FloatTensor<Self>) -> Option<&[f32]> {
        None
    }

    /// As [`Compute::host`], to change them. A tensor that shares its memory gets its own before.
    fn host_mut(_tensor: &mut FloatTensor<Self>) -> Option<&mut [f32]> {
        None
    }

    /// How a product of this precision is computed. There is always a way to f32.
    ///
    /// # Errors
    ///
    /// With what the precision would need, when the device does not have it.
    fn arithmetic(precision: Precision, _device: &Self::Device) -> Result<Arithmetic, &'static str> {
        match precision {
            Precision::F32 => Ok(Arithmetic::Plain),
            Precision::Tf32 | Precision::Bf16 => {
                Err("that is for GPUs with such matrix units; leave it at f32")
            }
        }
    }

    /// a times b.
    fn product(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        product: &Product,
        arithmetic: Arithmetic,
    ) -> FloatTensor<Self> {
        product.forward::<Self>(arithmetic, a, b)
    }
}

/// A backend to train on.
pub trait Training: Compute + AutodiffBackend<InnerBackend: Compute> {}

impl<B: Compute + AutodiffBackend<InnerBackend: Compute>> Training for B {}

impl Compute for Flex {
    const ON_HOST: bool = true;

    fn engine(plan: &Arc<Plan>) -> Option<Engine> {
        Some(Engine::new(Arc::clone(plan), Isa::best(), threads()))
    }

    fn host(tensor: &FloatTensor<Self>) -> Option<&[f32]> {
        tensor.as_slice()
    }

    fn host_mut(tensor: &mut FloatTensor<Self>) -> Option<&mut [f32]> {
        let whole = tensor.as_slice::<f32>()?.len() == tensor.storage::<f32>().len();
        whole.then(|| tensor.storage_mut())
    }
}

impl<B: Compute> Compute for Autodiff<B> {
    const ON_HOST: bool = B::ON_HOST;

    fn engine(plan: &Arc<Plan>) -> Option<Engine> {
        B::engine(plan)
    }

    fn host(tensor: &FloatTensor<Self>) -> Option<&[f32]> {
        B::host(&tensor.primitive)
    }

    fn host_mut(tensor: &mut FloatTensor<Self>) -> Option<&mut [f32]> {
        B::host_mut(&mut tensor.primitive)
    }

    fn arithmetic(precision: Precision, device: &Self::Device) -> Result<Arithmetic, &'static str> {
        B::arithmetic(precision, device)
    }

    fn product(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        product: &Product,
        arithmetic: Arithmetic,
    ) -> FloatTensor<Self> {
        product.tracked(arithmetic, a, b)
    }
}
