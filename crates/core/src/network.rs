//! Networks that run: a [`Spec`](crate::spec::Spec) with weights on a device.
//!
//! | file | what it holds |
//! |---|---|
//! | `weights` | weights on a device |
//! | `model` | a spec with weights on a device |
//! | `pass` | what passes give: outputs, training passes, gradients |
//! | `forward` | the forward pass of a batch in Burn's operations |
//! | `engine` | the same on a backend's own engine |
//! | `product` | products in a chosen arithmetic |

mod engine;
mod forward;
mod model;
mod pass;
mod product;
pub mod weights;

pub use crate::backend::stack::{GivenMask, PassMasks};
pub use model::Network;
pub use pass::{Backward, Gradients, HostPass, Output, TrainPass};
pub use product::matmul;
