//! Networks as data ([`Spec`]) and as something that runs ([`Network`]).
//!
//! | file | what it holds |
//! |---|---|
//! | `spec` | stages, shapes and the names of layers |
//! | `architecture` | the published networks as specs |
//! | `cost` | parameters, kernels and multiply-accumulates of a spec |
//! | `state` | weights on the host, their initial values, safetensors |

pub mod architecture;
pub mod cost;
pub mod spec;
pub mod state;

pub use architecture::Architecture;
pub use cost::Cost;
pub use spec::{Conv, Init, Join, Layer, LayerKind, Residual, Spec, SpecError, Stage};
pub use state::{Array, Role, Slot, State, StateError};
