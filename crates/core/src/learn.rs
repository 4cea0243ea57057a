//! Learning: the training step and its parts, evaluation, and what they need of a device. Knows no session.
//!
//! | file | what it holds |
//! |---|---|
//! | `learner`, `replica`, `pass`, `loss`, `optimiser`, `sums` | the training step, shared by modular training and fine-tuning |
//! | `input`, `feed` | images as network input, augmented batch by batch |
//! | `rate` | the learning rate over epochs |
//! | `evaluate`, `record` | measuring a split, and records of what was measured |
//! | `footprint` | what a step needs of a device's memory |
//! | `pace` | how fast an experiment would train here |
//! | `bench` | timing of training steps and of inference |

mod bench;
mod error;
pub mod evaluate;
mod feed;
pub mod footprint;
pub mod input;
pub mod learner;
pub mod loss;
pub mod optimiser;
mod pace;
mod pass;
mod rate;
mod record;
mod replica;
mod sums;

pub use bench::{Bench, bench};
pub use error::Error;
pub use evaluate::{Batches, Evaluation, argmax_rows, count_usage, with_class_masks};
pub use feed::Feed;
pub use footprint::Footprint;
pub use input::Normaliser;
pub use learner::{Learner, shares};
pub use loss::cross_entropy;
pub use optimiser::Sgd;
pub use pace::seconds_per_image;
pub use rate::cosine;
pub use replica::{Replica, Share};
pub use sums::{CORRECT, CROSS_ENTROPY, Sums, TOTAL, UNIT_RATE, sum_names};
