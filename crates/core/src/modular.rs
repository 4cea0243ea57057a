//! Modules: which kernels each class uses, and the smaller network that those kernels make.
//!
//! Nothing here knows tensors or threads. Counts and bit sets answer "what if" questions while training goes
//! on; only [`slice()`] and its relatives touch weights, on the host.
//!
//! | file | what it holds |
//! |---|---|
//! | `usage` | how often each kernel fires for each class, sample by sample; its file |
//! | `modules` | one kernel set a class by threshold; cohesion, coupling, retention |
//! | `similarity` | the same measures on single samples |
//! | `selection` | which kernels of every convolution stay |
//! | `slice` | the network of a selection, its weights and its cost |
//! | `head` | a module's own classifier, or the whole network's logits restricted or mixed |
//! | `compose` | networks side by side as one |
//! | `calibrate` | the linear layer that makes their logits comparable |
//! | `logits` | softmax and argmax |
//! | `rows` | packed bit rows, for quick counts over pairs |

mod calibrate;
mod compose;
mod error;
mod head;
mod logits;
mod modules;
mod rows;
mod selection;
mod similarity;
mod slice;
#[cfg(test)]
mod testing;
mod usage;

pub use calibrate::{Fit, Logits, fit_linear, fit_scales};
pub use compose::{rescaled_input, side_by_side};
pub use error::Error;
pub use head::{Affine, restrict_logits, with_head, with_linear, with_logits};
pub use logits::{Softmax, argmax, softmax};
pub use modules::{ClassModules, Fallback};
pub use selection::Selection;
pub use similarity::{SampleMetrics, jaccard};
pub use slice::{Cut, module_cost, slice, slice_folded, slice_spec};
pub use usage::{TrackedLayer, Usage, masked_layers, ranges};
