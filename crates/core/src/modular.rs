//! Modules: which units each class uses, and the smaller network that those units make.
//!
//! Nothing here knows tensors or threads. Counts and bit sets answer "what if" questions while training goes
//! on; only [`slice()`] and its relatives touch weights, on the host.
//!
//! | file | what it holds |
//! |---|---|
//! | `usage` | how often each unit fires for each class, sample by sample; its file |
//! | `split` | one part of the network for each class; cohesion, coupling, retention |
//! | `threshold` | the split by usage against a threshold |
//! | `similarity` | the same measures on single samples |
//! | `selection` | which units of every site and which single weights stay |
//! | `cut`, `slice` | the network of a selection, its weights and its cost |
//! | `head` | a module's own classifier, or the whole network's logits restricted or mixed |
//! | `compose` | networks side by side as one |
//! | `calibrate` | the linear layer that makes their logits comparable |
//! | `logits` | softmax and argmax |
//! | `rows` | packed bit rows, for quick counts over pairs |

mod calibrate;
mod compose;
mod cut;
mod error;
mod head;
mod logits;
mod rows;
mod selection;
mod similarity;
mod slice;
mod split;
#[cfg(test)]
mod testing;
mod threshold;
mod usage;

pub use calibrate::{Fit, Logits, fit_linear, fit_scales};
pub use compose::{rescaled_input, side_by_side};
pub use cut::Cut;
pub use error::Error;
pub use head::{Affine, restrict_logits, with_head, with_linear, with_logits};
pub use logits::{Softmax, argmax, softmax};
pub use selection::{Selection, WeightMasks, full_set};
pub use similarity::{SampleMetrics, jaccard};
pub use slice::{module_cost, slice, slice_folded, slice_spec};
pub use split::{Fallback, Part, Provenance, Split};
pub use usage::{TrackedSite, Usage, masked_sites, ranges, tracked_sites};
