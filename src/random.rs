//! Every random draw of a run follows from its seed, a named stream and a position, never from what was
//! drawn before. That is what lets a resumed run repeat the draws of a run that was never stopped.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a random draw is for; each purpose has a stream of its own, so that adding draws to one does not
/// move another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Stream {
    /// Initial weights of a network; position: index of the parameter.
    Weights = 1,
    /// Which training samples become the validation split; position: class.
    Split = 2,
    /// The order of the samples of an epoch; position: epoch.
    Order = 3,
    /// Crops and flips; position: step.
    Augment = 4,
    /// Dropout masks; position: step.
    Dropout = 5,
    /// Random-mask controls of a module; position: control.
    Control = 6,
    /// The head of a module; position: 0.
    Head = 7,
    /// The order of the samples that a calibration layer is fitted to; position: epoch.
    Calibration = 8,
}

/// A generator for `stream` at `position` of the run with this `seed`.
pub fn generator(seed: u64, stream: Stream, position: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(stream as u64).to_le_bytes());
    key[16..24].copy_from_slice(&position.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn a_position_always_draws_the_same_numbers_and_its_neighbours_others() {
        let draw = |position| generator(7, Stream::Order, position).next_u64();
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
