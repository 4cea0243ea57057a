//! Networks as data: what a network is, what it costs, and its weights on the host. No tensor, no device.
//!
//! | file | what it holds |
//! |---|---|
//! | `stages` | the stages of a [`Spec`] |
//! | `walk` | shapes, names of layers and checks, found on the way through a spec |
//! | `sites` | places whose units can be observed, kept or cut |
//! | `error` | why no network can be built from a spec |
//! | `bounds` | how large a spec may be |
//! | `architecture` | the published networks as specs |
//! | `cost` | parameters, kernels and multiply-accumulates of a spec |
//! | `parts` | layers and pieces of them by name, and which of them train |
//! | `state` | weights on the host, their initial values, safetensors |
//!
//! What a stage is, is spread over functions of all stages rather than gathered in a file a kind, because most of these
//! functions treat most kinds alike: only `walk` and the two forward passes have an arm for each. A new kind of stage
//! needs arms in these places, where the compiler asks for those marked with an exclamation mark:
//!
//! | what | where |
//! |---|---|
//! | shape, layers, sites | `walk` (!) |
//! | its name in presets | `stages` (!) |
//! | bounds | `bounds`, if it has sizes |
//! | arrays and their initial values; cost | `state`, `cost`, `network::weights`: only for a new kind of [`Layer`] (!) |
//! | forward pass in Burn's operations | `network::forward` (!) |
//! | steps of the CPU's engine | `backend::stack::plan` (!), which may refuse it; with a new kind of step `forward`, `backward` and the reference in its tests (!) |
//! | cutting it to a selection | `modular::cut` (!) |
//! | other programs | `export`: ONNX, PyTorch, Burn (!) |

pub mod architecture;
mod bounds;
mod cost;
mod error;
mod parts;
mod sites;
mod stages;
mod state;
mod walk;

pub use architecture::Architecture;
pub use cost::Cost;
pub use error::SpecError;
pub use parts::{Frozen, UnknownPart};
pub use sites::{Site, SiteKind};
pub use stages::{Conv, Init, Join, NORM_EPSILON, Residual, Spec, Stage};
pub use state::{Array, Role, Slot, State, StateError};
pub use walk::{Layer, LayerKind, Shape, branch_shapes};
