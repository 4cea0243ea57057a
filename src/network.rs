//! Networks as data ([`Spec`]) and as something that runs ([`Network`]).
//!
//! | file | what it holds |
//! |---|---|
//! | `spec` | stages, shapes and the names of layers |
//! | `bounds` | how large a spec may be |
//! | `architecture` | the published networks as specs |
//! | `cost` | parameters, kernels and multiply-accumulates of a spec |
//! | `state` | weights on the host, their initial values, safetensors |
//! | `weights` | weights on a device |
//! | `forward` | the way of a batch through the stages, in Burn's operations |
//! | `product` | products in a chosen arithmetic |
//! | `engine` | the same on a backend's own engine |
//! | `model` | a spec with weights on a device |

pub mod architecture;
mod bounds;
pub mod cost;
mod engine;
mod forward;
mod model;
mod product;
pub mod spec;
pub mod state;
pub mod weights;

pub use architecture::Architecture;
pub use cost::Cost;
pub use forward::Output;
pub use model::{Gradients, HostOutput, Network};
pub use product::matmul;
pub use spec::{Conv, Init, Join, Layer, LayerKind, Residual, Spec, SpecError, Stage};
pub use state::{Array, Role, Slot, State, StateError};
