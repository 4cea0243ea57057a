//! Networks that run: a [`Spec`](crate::spec::Spec) with weights on a device.
//!
//! | file | what it holds |
//! |---|---|
//! | `weights` | weights on a device |
//! | `forward` | the forward pass of a batch in Burn's operations |
//! | `product` | products in a chosen arithmetic |
//! | `engine` | the same on a backend's own engine |
//! | `model` | a spec with weights on a device |

mod engine;
mod forward;
mod model;
mod product;
pub mod weights;

pub use forward::Output;
pub use model::{Gradients, HostOutput, Network};
pub use product::matmul;
