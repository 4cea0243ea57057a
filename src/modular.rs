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
//! | `head` | a module's own classifier, or the whole network's restricted to some classes |
//! | `rows` | packed bit rows, for quick counts over pairs |

mod error;
mod head;
mod modules;
mod rows;
mod selection;
mod similarity;
mod slice;
#[cfg(test)]
mod testing;
mod usage;

pub use error::Error;
pub use head::{restrict_logits, with_head};
pub use modules::{ClassModules, Fallback};
pub use selection::Selection;
pub use similarity::{SampleMetrics, jaccard};
pub use slice::{Cut, module_cost, slice, slice_folded, slice_spec};
pub use usage::{TrackedLayer, Usage, masked_layers, ranges};
