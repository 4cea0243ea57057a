//! Samples that share a list of channels.
//!
//! A product needs several rows that use the same channels. Samples whose active channels are alike are put
//! together, and a group uses every channel that one of its samples has.

use std::ops::Range;

use super::Active;

/// How far ahead a group looks for its members; keeps the time linear for large batches.
const LOOK_AHEAD: usize = 256;

/// The samples of a batch in groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Every sample once, group after group.
    pub order: Vec<u32>,
    pub groups: Vec<Group>,
    /// The channels of all groups, ascending within each.
    channels: Vec<u32>,
    /// The same as bits, a row of words a group.
    bits: Vec<u64>,
    words: usize,
    /// Rows of the weights' blocks: for every group, its channels at every tap.
    rows: Vec<u32>,
}

/// Samples that follow each other in [`Groups::order`].
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub first: usize,
    pub samples: usize,
    channels: Range<usize>,
    rows: Range<usize>,
}

impl Groups {
    /// Forms groups of `size` samples (the last may be smaller), greedily: the first sample left, then
    /// whichever adds fewest channels.
    pub(super) fn form(&mut self, active: &Active, batch: usize, size: usize) {
        self.order.clear();
        self.groups.clear();
        self.channels.clear();
        self.rows.clear();
        self.bits.clear();
        self.words = active.channels().div_ceil(64);
        self.order.extend(0..batch as u32);
        for first in (0..batch).step_by(size) {
            let samples = size.min(batch - first);
            let start = self.bits.len();
            self.bits.extend_from_slice(active.sample(self.order[first] as usize));
            for next in first + 1..first + samples {
                let union = &mut self.bits[start..];
                let window = next..batch.min(next + LOOK_AHEAD);
                let added = |at: &usize| {
                    let bits = active.sample(self.order[*at] as usize);
                    union.iter().zip(bits).map(|(u, b)| (b & !u).count_ones()).sum::<u32>()
                };
                if let Some(nearest) = window.min_by_key(added) {
                    self.order.swap(next, nearest);
                }
                let bits = active.sample(self.order[next] as usize);
                union.iter_mut().zip(bits).for_each(|(u, b)| *u |= b);
            }
            let channels = self.channels.len();
            for (word, bits) in self.bits[start..].iter().enumerate() {
                let mut rest = *bits;
                while rest != 0 {
                    self.channels.push(word as u32 * 64 + rest.trailing_zeros());
                    rest &= rest - 1;
                }
            }
            let channels = channels..self.channels.len();
            self.groups.push(Group { first, samples, channels, rows: 0..0 });
        }
    }

    /// Channels that are computed, as a part of all samples' channels.
    pub(super) fn density(&self, channels: usize) -> f64 {
        let used: usize = self.groups.iter().map(|group| group.samples * group.channels.len()).sum();
        used as f64 / (self.order.len() * channels).max(1) as f64
    }

    /// Lists the rows of the weights' blocks for `taps` kernel positions of `cin` channels each.
    pub(super) fn spread(&mut self, taps: usize, cin: usize) {
        for group in &mut self.groups {
            let start = self.rows.len();
            for tap in 0..taps {
                let channels = &self.channels[group.channels.clone()];
                self.rows.extend(channels.iter().map(|channel| (tap * cin) as u32 + channel));
            }
            group.rows = start..self.rows.len();
        }
    }

    /// How many channels a group has.
    pub(super) fn width(&self, group: usize) -> usize {
        self.groups[group].channels.len()
    }

    /// The rows of the weights' blocks that a group needs.
    pub(super) fn rows(&self, group: usize) -> &[u32] {
        &self.rows[self.groups[group].rows.clone()]
    }

    /// A group's channels as bits.
    pub(super) fn bits(&self, group: usize) -> &[u64] {
        &self.bits[group * self.words..(group + 1) * self.words]
    }
}
