//! Every random draw of a run depends on its seed, a named stream and a position, never on earlier draws. This lets a
//! resumed run repeat exactly the draws of an uninterrupted one.
//!
//! The rules by which numbers and shuffles are drawn from a generator's bits are written out here too, so that an update
//! of a library cannot change a run.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The purpose of a random draw. Each purpose has its own stream, so that adding draws to one does not change another.
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
    /// The order of the samples of an epoch of fine-tuning; position: epoch.
    FineTuneOrder = 9,
    /// Crops and flips of fine-tuning; position: step.
    FineTuneAugment = 10,
    /// Dropout masks of fine-tuning, through [`Draws`]; position: step.
    FineTuneDropout = 11,
    /// Crops and flips where a pass over a split varies its images, as when usage is counted so; position: batch.
    PassAugment = 12,
    /// Which samples rehearse, and their sets of classes; position: step.
    Rehearsal = 13,
    /// Class masks that a method assigns; position: index of the site among those that it observes.
    ClassMasks = 14,
    /// Random sets of classes whose modules are measured; position: number of classes in a set.
    ClassSets = 15,
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

impl Draws {
    /// For each value of a sample in turn whether a dropout stage keeps it; it drops values with this probability.
    pub fn keeps(&self, stage: usize, sample: usize, probability: f64) -> impl Iterator<Item = bool> {
        let mut generator = self.dropout(stage, sample);
        std::iter::repeat_with(move || unit(&mut generator) >= probability as f32)
    }
}

/// A number in `0..n`, from one 64-bit draw; `n` must not be 0. The bias is below n / 2^64.
pub fn below(generator: &mut impl Rng, n: usize) -> usize {
    ((u128::from(generator.next_u64()) * n as u128) >> 64) as usize
}

/// A number from 0 to below 1, from the 24 highest bits of one 32-bit draw.
pub fn unit(generator: &mut impl Rng) -> f32 {
    (generator.next_u32() >> 8) as f32 / (1u32 << 24) as f32
}

/// A number from 0 to below 1, from the 53 highest bits of one 64-bit draw.
pub fn fraction(generator: &mut impl Rng) -> f64 {
    (generator.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Puts the items in random order (Fisher and Yates).
pub fn shuffle<T>(generator: &mut impl Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(generator, last + 1));
    }
}

/// `count` of the numbers `0..length`, each at most once, in random order: the first of a shuffle (Fisher and Yates).
///
/// # Panics
///
/// When `count` is above `length`.
pub fn sample(generator: &mut impl Rng, length: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..length).collect();
    for position in 0..count {
        order.swap(position, position + below(generator, length - position));
    }
    order.truncate(count);
    order
}

/// A number from -`bound` to `bound`, from the 23 highest bits of one 32-bit draw.
pub fn uniform(generator: &mut impl Rng, bound: f32) -> f32 {
    let fraction = f32::from_bits(1f32.to_bits() | generator.next_u32() >> 9) - 1.0;
    fraction * (2.0 * bound) - bound
}

/// A number from a normal distribution about 0, from two 64-bit draws by the transform of Box and Muller.
pub fn normal(generator: &mut impl Rng, deviation: f64) -> f32 {
    let radius = (-2.0 * (1.0 - fraction(generator)).ln()).sqrt();
    let angle = std::f64::consts::TAU * fraction(generator);
    (deviation * radius * angle.cos()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

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

    #[test]
    fn whole_numbers_stay_in_range_and_reach_every_number() {
        let mut generator = generator(1, Stream::Order, 0);
        let mut seen = [0usize; 5];
        for _ in 0..5000 {
            seen[below(&mut generator, 5)] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        assert_eq!(below(&mut generator, 1), 0);
    }

    #[test]
    fn a_sample_has_each_number_once_at_most() {
        let mut drawn = sample(&mut generator(1, Stream::Order, 0), 50, 20);
        assert_ne!(drawn, (0..20).collect::<Vec<_>>());
        drawn.sort_unstable();
        drawn.dedup();
        assert!(drawn.len() == 20 && drawn[19] < 50, "{drawn:?}");
        assert_eq!(sample(&mut generator(1, Stream::Order, 0), 3, 0), [0; 0]);
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<usize> = (0..100).collect();
        shuffle(&mut generator(1, Stream::Order, 0), &mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
        shuffle::<u8>(&mut generator(1, Stream::Order, 0), &mut []);
    }

    /// Seeds of earlier versions keep their weights, which were drawn by rand 0.10.
    #[test]
    fn real_numbers_are_those_of_earlier_versions_to_the_last_bit() {
        let [mut ours, mut theirs] = [(); 2].map(|()| generator(7, Stream::Weights, 3));
        for _ in 0..1000 {
            assert_eq!(unit(&mut ours).to_bits(), theirs.random::<f32>().to_bits());
        }
        for bound in [0.3f32, 1.0, 0.017] {
            for _ in 0..1000 {
                let expected: f32 = theirs.random_range(-bound..=bound);
                assert_eq!(uniform(&mut ours, bound).to_bits(), expected.to_bits());
            }
        }
        let mut draws = Vec::new();
        for _ in 0..4000 {
            let radius = (-2.0 * (1.0 - theirs.random::<f64>()).ln()).sqrt();
            let angle = std::f64::consts::TAU * theirs.random::<f64>();
            let expected = (0.5 * radius * angle.cos()) as f32;
            draws.push(normal(&mut ours, 0.5));
            assert_eq!(draws[draws.len() - 1].to_bits(), expected.to_bits());
        }
        let variance = draws.iter().map(|x| x * x).sum::<f32>() / draws.len() as f32;
        assert!((variance / 0.25 - 1.0).abs() < 0.1, "{variance}");
    }
}
