//! Bit rows of equal length, packed side by side so that counting over all pairs of them is quick.

use std::ops::Range;

use fixedbitset::FixedBitSet;

/// One row a sample, one bit a chosen unit.
pub(super) struct Rows {
    words: usize,
    bits: Vec<u64>,
    ones: Vec<u32>,
}

impl Rows {
    /// The bits of `sets` at `units` only, so that the cost of a similarity follows from the number of units of
    /// a module, not of the whole network.
    pub(super) fn new<'a>(sets: impl IntoIterator<Item = &'a FixedBitSet>, units: &[usize]) -> Self {
        let mut rows = Rows { words: units.len().div_ceil(64), bits: Vec::new(), ones: Vec::new() };
        for set in sets {
            let mut ones = 0;
            for chunk in units.chunks(64) {
                let word = (chunk.iter().enumerate())
                    .fold(0u64, |word, (bit, &unit)| word | u64::from(set.contains(unit)) << bit);
                ones += word.count_ones();
                rows.bits.push(word);
            }
            rows.ones.push(ones);
        }
        rows
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.ones.len()
    }

    /// Sum of the Jaccard indices of row `one` with each of the `others`; two empty rows add 0.
    pub(super) fn similarity(&self, one: usize, others: Range<usize>) -> f64 {
        let row = self.row(one);
        others
            .map(|other| {
                let both: u32 = row.iter().zip(self.row(other)).map(|(a, b)| (a & b).count_ones()).sum();
                let either = self.ones[one] + self.ones[other] - both;
                f64::from(both) / f64::from(either.max(1))
            })
            .sum()
    }

    /// Mean Jaccard index over all pairs of rows; 1 where there is no pair.
    pub(super) fn mean_similarity(&self) -> f64 {
        let pairs = self.len() * self.len().saturating_sub(1) / 2;
        let sum: f64 = (0..self.len()).map(|row| self.similarity(row, 0..row)).sum();
        if pairs == 0 { 1.0 } else { sum / pairs as f64 }
    }

    fn row(&self, index: usize) -> &[u64] {
        &self.bits[index * self.words..(index + 1) * self.words]
    }
}
