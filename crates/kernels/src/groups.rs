//! Samples that share lists of channels.
//!
//! A product needs several rows that use the same channels. Samples whose channels are alike are put together, and
//! a group uses every channel that one of its samples has.
//!
//! ```text
//!   sample 0  1 1 . .      group of 0 and 2:  1 1 . 1
//!   sample 1  . . 1 .      group of 1 and 3:  . . 1 1
//!   sample 2  1 . . 1
//!   sample 3  . . 1 1      order: 0 2 1 3
//! ```

use std::ops::Range;

use crate::Active;
use crate::shape::ChannelSets;

/// How many samples a group considers for each of its members; keeps the time linear in the batch.
const LOOK_AHEAD: usize = 256;

/// The samples of a batch in groups.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Every sample once, group after group.
    pub order: Vec<u32>,
    pub groups: Vec<Group>,
    /// Samples of a group; the last may have fewer.
    pub size: usize,
    inputs: Lists,
    outputs: Lists,
    /// Rows of the weights' blocks: for every group, its input channels at every tap.
    rows: Vec<u32>,
}

/// Samples that follow each other in [`Groups::order`].
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub first: usize,
    pub samples: usize,
    rows: Range<usize>,
}

/// The channels of every group on one side of the convolution; nothing if all channels are used there.
#[derive(Debug, Default)]
struct Lists {
    /// A row of words a group.
    bits: Vec<u64>,
    words: usize,
    /// Channels of each group.
    widths: Vec<usize>,
}

impl Lists {
    fn clear(&mut self, set: Option<&Active>) {
        self.bits.clear();
        self.widths.clear();
        self.words = set.map_or(0, |set| set.channels().div_ceil(64));
    }

    /// Begins a group's list with a sample's channels.
    fn begin(&mut self, set: &Active, sample: u32) {
        self.bits.extend_from_slice(set.sample(sample as usize));
    }

    /// The words of the group that was begun last.
    fn last(&mut self) -> &mut [u64] {
        let start = self.bits.len() - self.words;
        &mut self.bits[start..]
    }

    /// Counts the channels of the finished group.
    fn end(&mut self) {
        let width = self.last().iter().map(|word| word.count_ones() as usize).sum();
        self.widths.push(width);
    }

    /// A group's words; none for all channels.
    fn of(&self, group: usize) -> Option<&[u64]> {
        (self.words > 0).then(|| &self.bits[group * self.words..(group + 1) * self.words])
    }
}

impl Groups {
    /// Forms groups of `size` samples (the last may be smaller), greedily: the first sample left, then
    /// whichever adds fewest channels.
    pub(crate) fn form(&mut self, sets: ChannelSets, batch: usize, size: usize) {
        let sets = [sets.input, sets.output];
        self.order.clear();
        self.groups.clear();
        self.rows.clear();
        self.size = size;
        let mut sides = [&mut self.inputs, &mut self.outputs];
        sides.iter_mut().zip(sets).for_each(|(lists, set)| lists.clear(set));
        self.order.extend(0..batch as u32);
        for first in (0..batch).step_by(size) {
            let samples = size.min(batch - first);
            let mut given: Vec<_> =
                sides.iter_mut().zip(sets).filter_map(|(lists, set)| Some((lists, set?))).collect();
            given.iter_mut().for_each(|(lists, set)| lists.begin(set, self.order[first]));
            for next in first + 1..first + samples {
                let window = next..batch.min(next + LOOK_AHEAD);
                let added = |at: &usize| {
                    let sample = self.order[*at] as usize;
                    let of = |(lists, set): &mut (&mut &mut Lists, &Active)| -> u32 {
                        let pairs = lists.last().iter().zip(set.sample(sample));
                        pairs.map(|(union, bits)| (bits & !*union).count_ones()).sum()
                    };
                    given.iter_mut().map(of).sum::<u32>()
                };
                if let Some(nearest) = window.min_by_key(added) {
                    self.order.swap(next, nearest);
                }
                for (lists, set) in &mut given {
                    let bits = set.sample(self.order[next] as usize);
                    lists.last().iter_mut().zip(bits).for_each(|(union, bits)| *union |= bits);
                }
            }
            given.iter_mut().for_each(|(lists, _)| lists.end());
            self.groups.push(Group { first, samples, rows: 0..0 });
        }
    }

    /// The mean over samples of `cost(inputs, outputs, samples)`: the numbers of channels of their group, which are `all`
    /// where there is no list, and of samples in it.
    pub(crate) fn mean(&self, all: [usize; 2], cost: impl Fn(usize, usize, usize) -> f64) -> f64 {
        let costs = self.groups.iter().enumerate().map(|(at, group)| {
            let widths = [(&self.inputs, all[0]), (&self.outputs, all[1])]
                .map(|(lists, all)| lists.widths.get(at).copied().unwrap_or(all));
            group.samples as f64 * cost(widths[0], widths[1], group.samples)
        });
        costs.sum::<f64>() / self.order.len().max(1) as f64
    }

    /// Lists the rows of the weights' blocks for `taps` kernel positions of `cin` channels each.
    pub(crate) fn list_rows(&mut self, taps: usize, cin: usize) {
        for (at, group) in self.groups.iter_mut().enumerate() {
            let Some(bits) = self.inputs.of(at) else { return };
            let start = self.rows.len();
            for tap in 0..taps {
                for (word, bits) in bits.iter().enumerate() {
                    let (mut rest, first) = (*bits, tap * cin + word * 64);
                    while rest != 0 {
                        self.rows.push((first + rest.trailing_zeros() as usize) as u32);
                        rest &= rest - 1;
                    }
                }
            }
            group.rows = start..self.rows.len();
        }
    }

    /// The rows of the weights' blocks that a group needs; none for all of them.
    pub(crate) fn rows(&self, group: usize) -> Option<&[u32]> {
        (self.inputs.words > 0).then(|| &self.rows[self.groups[group].rows.clone()])
    }

    /// A group's input channels as bits, and their number; none for all of them.
    pub(crate) fn inputs(&self, group: usize) -> Option<(&[u64], usize)> {
        Some((self.inputs.of(group)?, self.inputs.widths[group]))
    }

    /// As [`Groups::inputs`], of the output.
    pub(crate) fn outputs(&self, group: usize) -> Option<(&[u64], usize)> {
        Some((self.outputs.of(group)?, self.outputs.widths[group]))
    }
}
