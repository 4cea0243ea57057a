//! Training.

pub mod evaluate;
pub mod input;
pub mod learner;
pub mod loss;
pub mod optimiser;
pub mod schedule;

pub use evaluate::{Evaluation, Pass};
pub use input::Normaliser;
pub use learner::Learner;
pub use loss::cross_entropy;
pub use optimiser::Sgd;
