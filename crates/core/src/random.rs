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
    /// Dropout masks, through [`Draws`]; position: step.
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
    keyed([seed, stream as u64, position, 0])
}

fn keyed(words: [u64; 4]) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// What dropout draws in one training pass. It follows from the seed, the step, the number of the dropout stage and
/// the sample's position in the whole batch, so that several devices that share a batch draw what one device draws.
#[derive(Clone, Debug)]
pub struct Draws {
    seed: u64,
    stream: Stream,
    step: u64,
    pass: u16,
    first: usize,
    chosen: Option<Vec<usize>>,
}

impl Draws {
    /// The draws of the first pass of this step over the whole batch.
    pub fn new(seed: u64, stream: Stream, step: u64) -> Self {
        Draws { seed, stream, step, pass: 0, first: 0, chosen: None }
    }

    /// Those of a further pass of the same step, numbered from 0.
    pub fn of_pass(self, pass: u16) -> Self {
        Draws { pass, ..self }
    }

    /// Those of a part of the batch whose first sample has this position.
    pub fn from_sample(self, first: usize) -> Self {
        Draws { first, ..self }
    }

    /// Those of a pass over these samples of the batch (or, with [`Draws::from_sample`], of the part) only.
    pub fn of_samples(self, positions: Vec<usize>) -> Self {
        Draws { chosen: Some(positions), ..self }
    }

    /// The generator of one sample of the pass at one dropout stage. Dropout stages are numbered from 0 in the order
    /// in which an image meets them.
    pub fn dropout(&self, stage: usize, sample: usize) -> ChaCha8Rng {
        let position = self.first + self.chosen.as_ref().map_or(sample, |chosen| chosen[sample]);
        let detail =
            u64::from(self.pass) << 48 | (stage as u64 & 0xffff) << 32 | (position as u64 & 0xffff_ffff);
        keyed([self.seed, self.stream as u64, self.step, detail])
    }
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

    #[test]
    fn dropout_draws_follow_from_the_position_in_the_whole_batch() {
        let draws = || Draws::new(7, Stream::Dropout, 3);
        let first = |draws: Draws, stage, sample| draws.dropout(stage, sample).next_u64();
        let expected = first(draws(), 1, 5);
        assert_eq!(first(draws().from_sample(4), 1, 1), expected);
        assert_eq!(first(draws().of_samples(vec![2, 5]), 1, 1), expected);
        assert_eq!(first(draws().from_sample(3).of_samples(vec![2]), 1, 0), expected);
        let others = [
            first(draws(), 1, 4),
            first(draws(), 0, 5),
            first(draws().of_pass(1), 1, 5),
            first(Draws::new(7, Stream::Dropout, 4), 1, 5),
            first(Draws::new(8, Stream::Dropout, 3), 1, 5),
        ];
        assert!(others.iter().all(|other| *other != expected));
    }
}
