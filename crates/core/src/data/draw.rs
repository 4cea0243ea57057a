//! Uniform draws and shuffles whose results are part of a run: they must not move when a library changes how
//! it draws, so they are written out here.

use rand::Rng;

/// A number in `0..n`, from one 64-bit draw; `n` must not be 0. The bias is below n / 2^64.
pub(super) fn below(generator: &mut impl Rng, n: usize) -> usize {
    ((u128::from(generator.next_u64()) * n as u128) >> 64) as usize
}

/// Fisher-Yates.
pub(super) fn shuffle<T>(generator: &mut impl Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(generator, last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, generator};

    #[test]
    fn draws_stay_in_range_and_reach_every_number() {
        let mut generator = generator(1, Stream::Order, 0);
        let mut seen = [0usize; 5];
        for _ in 0..5000 {
            seen[below(&mut generator, 5)] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        assert_eq!(below(&mut generator, 1), 0);
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
}
