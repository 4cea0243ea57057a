//! Pools, sums, ReLU, dropout and flattening that are no part of a block.

use super::Engine;
use super::backward::Back;
use super::elementwise::{self, Affine, Incoming, Slope, Window};
use super::forward::{Mode, Pass};
use super::plan::{Add, Dropout, Step, Value};
use super::share::each;
use crate::backend::kernels::{self, Addend};

impl Engine {
    pub(super) fn pool(&mut self, step: &Step, size: usize, pass: &mut Pass<'_>) {
        let (from, to) = (self.plan.values[step.input], self.plan.values[step.output]);
        let mut out = self.buffers.take(pass.tape.batch * to.len());
        let identity = Identity::new(from.channels);
        let (isa, window) = (self.isa, from.window(size));
        let images = pass.tape.value(step.input).chunks_exact(from.len());
        each(self.threads, out.chunks_exact_mut(to.len()).zip(images), |_, (out, x)| {
            let mut total = vec![0.0; to.channels];
            elementwise::activate_pooled(isa, x, identity.affine(), window, out, &mut total);
        });
        pass.tape.values[step.output] = Some(out);
        pass.tape.active[step.output] = pass.tape.active[step.input].clone();
    }

    pub(super) fn pool_back(&mut self, step: &Step, size: usize, back: &mut Back<'_>) {
        let gradient = self.gradient(step.output, back);
        let (from, to) = (self.plan.values[step.input], self.plan.values[step.output]);
        let x = back.tape.value(step.input);
        let mut dx = self.buffers.take(x.len());
        dx.copy_from_slice(x);
        let identity = Identity::new(from.channels);
        let (isa, window) = (self.isa, from.window(size));
        let slope = Slope {
            gain: &identity.one,
            offset: &identity.zero,
            slope: &identity.zero,
            centre: &identity.zero,
        };
        let pooled = back.tape.value(step.output);
        let rows = gradient.chunks_exact(to.len()).zip(pooled.chunks_exact(to.len()));
        each(self.threads, dx.chunks_exact_mut(from.len()).zip(rows), |_, (dx, (dy, pooled))| {
            let incoming = Incoming { each: dy, channel: &identity.zero };
            elementwise::bn_backward_input_pooled(
                isa,
                dx,
                identity.affine(),
                slope,
                incoming,
                pooled,
                window,
            );
        });
        self.buffers.give(gradient);
        self.hand(step.input, dx, back);
    }

    pub(super) fn add(&mut self, step: &Step, add: &Add, pass: &mut Pass<'_>) {
        let value = self.plan.values[step.output];
        let mut out = self.buffers.take(pass.tape.batch * value.len());
        let mut total = self.buffers.take(pass.tape.batch * value.channels);
        let join = add.join.as_ref();
        let places = join.map(|join| [&join.body, &join.shortcut].map(|map| bits_of(map, value.channels)));
        let sides: [_; 2] = std::array::from_fn(|side| {
            let from = [step.input, add.shortcut][side];
            let places = places.as_ref().map(|places| &places[side][..]);
            (pass.tape.value(from), self.plan.values[from], places)
        });
        let isa = self.isa;
        let rows = out.chunks_exact_mut(value.len()).zip(total.chunks_exact_mut(value.channels));
        each(self.threads, rows, |sample, (out, total)| {
            let addends = sides.map(|(values, from, places)| {
                let values = &values[sample * from.len()..][..from.len()];
                Addend { values, width: from.channels, places }
            });
            kernels::residual_sum(isa, addends, elementwise::floor(add.relu), out, total);
        });
        pass.tape.values[step.output] = Some(out);
        if value.averaged {
            total.iter_mut().for_each(|total| *total /= value.pixels() as f32);
            pass.tape.means[step.output] = Some(total);
        } else {
            self.buffers.give(total);
        }
        let active = [step.input, add.shortcut].map(|path| pass.tape.active[path].as_deref());
        pass.tape.active[step.output] = match (active, join) {
            ([Some(body), Some(short)], None) => Some(body.iter().zip(short).map(|(a, b)| a | b).collect()),
            ([Some(body), Some(short)], Some(join)) => {
                let words = value.channels.div_ceil(64);
                let mut bits = vec![0; pass.tape.batch * words];
                scatter_bits(body, &join.body, &mut bits, words);
                scatter_bits(short, &join.shortcut, &mut bits, words);
                Some(bits)
            }
            _ => None,
        };
    }

    pub(super) fn add_back(&mut self, step: &Step, add: &Add, back: &mut Back<'_>) {
        let gradient = self.gradient_behind_relu(step.output, add.relu, back);
        let value = self.plan.values[step.output];
        let join = add.join.as_ref();
        let paths =
            [(step.input, join.map(|join| &join.body)), (add.shortcut, join.map(|join| &join.shortcut))];
        for (path, map) in paths {
            if !back.wanted[path] {
                continue;
            }
            let from = self.plan.values[path];
            let mut part = self.buffers.take(back.tape.batch * from.len());
            let images = gradient.chunks_exact(value.len());
            each(self.threads, part.chunks_exact_mut(from.len()).zip(images), |_, (part, image)| {
                let rows = part.chunks_exact_mut(from.channels).zip(image.chunks_exact(value.channels));
                rows.for_each(|(part, row)| match map {
                    Some(map) => map.iter().zip(part).for_each(|(&target, d)| *d = row[target]),
                    None => part.copy_from_slice(row),
                });
            });
            self.hand(path, part, back);
        }
        self.buffers.give(gradient);
    }

    pub(super) fn relu(&mut self, step: &Step, pass: &mut Pass<'_>) {
        let x = pass.tape.value(step.input);
        let mut out = self.buffers.take(x.len());
        out.copy_from_slice(x);
        self.clamp(&mut out);
        pass.tape.values[step.output] = Some(out);
        pass.tape.active[step.output] = pass.tape.active[step.input].clone();
    }

    /// max(x, 0) in place; NaN stays.
    fn clamp(&self, x: &mut [f32]) {
        let part = x.len().div_ceil(64).max(4096);
        each(self.threads, x.chunks_mut(part), |_, part| {
            part.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x });
        });
    }

    pub(super) fn relu_back(&mut self, step: &Step, back: &mut Back<'_>) {
        let gradient = self.gradient_behind_relu(step.output, true, back);
        self.hand(step.input, gradient, back);
    }

    pub(super) fn dropout(&mut self, step: &Step, dropout: Dropout, pass: &mut Pass<'_>) {
        let Dropout { number, probability } = dropout;
        let x = pass.tape.value(step.input);
        let mut out = self.buffers.take(x.len());
        out.copy_from_slice(x);
        if let (Mode::Train(draws), true) = (pass.mode, probability > 0.0) {
            let scale = (1.0 / (1.0 - probability)) as f32;
            let value = self.plan.values[step.input];
            let mut kept = vec![0.0; x.len()];
            // Draws come channel by channel, as on every other device.
            each(self.threads, kept.chunks_exact_mut(value.len()), |sample, image| {
                for (index, keeps) in (0..value.len()).zip(draws.keeps(number, sample, probability)) {
                    let place = index % value.pixels() * value.channels + index / value.pixels();
                    image[place] = if keeps { scale } else { 0.0 };
                }
            });
            out.iter_mut().zip(&kept).for_each(|(x, kept)| *x *= kept);
            pass.tape.kept[step.output] = Some(kept);
        }
        pass.tape.values[step.output] = Some(out);
        pass.tape.active[step.output] = pass.tape.active[step.input].clone();
    }

    pub(super) fn dropout_back(&mut self, step: &Step, back: &mut Back<'_>) {
        let mut gradient = self.gradient(step.output, back);
        if let Some(kept) = &back.tape.kept[step.output] {
            gradient.iter_mut().zip(kept).for_each(|(d, kept)| *d *= kept);
        }
        self.hand(step.input, gradient, back);
    }

    /// `[height, width, channels]` to rows of features in the order channels, height, width.
    pub(super) fn flatten(&mut self, step: &Step, pass: &mut Pass<'_>) {
        let value = self.plan.values[step.input];
        let x = pass.tape.value(step.input);
        let mut out = self.buffers.take(x.len());
        let rows = out.chunks_exact_mut(value.len()).zip(x.chunks_exact(value.len()));
        each(self.threads, rows, |_, (out, x)| transpose(x, value.channels, out));
        pass.tape.values[step.output] = Some(out);
    }

    pub(super) fn flatten_back(&mut self, step: &Step, back: &mut Back<'_>) {
        let gradient = self.gradient(step.output, back);
        let value = self.plan.values[step.input];
        let mut dx = self.buffers.take(gradient.len());
        let rows = dx.chunks_exact_mut(value.len()).zip(gradient.chunks_exact(value.len()));
        each(self.threads, rows, |_, (dx, gradient)| transpose(gradient, value.pixels(), dx));
        self.buffers.give(gradient);
        self.hand(step.input, dx, back);
    }
}

/// Bits at these places, of so many.
fn bits_of(places: &[usize], len: usize) -> Vec<u64> {
    let mut bits = vec![0; len.div_ceil(64)];
    places.iter().for_each(|place| bits[place / 64] |= 1 << (place % 64));
    bits
}

/// Factors that change nothing.
struct Identity {
    zero: Vec<f32>,
    one: Vec<f32>,
}

impl Identity {
    fn new(channels: usize) -> Self {
        Identity { zero: vec![0.0; channels], one: vec![1.0; channels] }
    }

    fn affine(&self) -> Affine<'_> {
        Affine { scale: &self.one, shift: &self.zero, floor: elementwise::floor(false) }
    }
}

impl Value {
    fn window(&self, pool: usize) -> Window {
        Window { height: self.height, width: self.width, pool }
    }
}

/// Rows of `columns` to columns.
fn transpose(from: &[f32], columns: usize, to: &mut [f32]) {
    let rows = from.len() / columns;
    for (column, to) in to.chunks_exact_mut(rows.max(1)).enumerate() {
        to.iter_mut().enumerate().for_each(|(row, x)| *x = from[row * columns + column]);
    }
}

/// Sets bit `map[i]` of each row of `to` where bit `i` of the same row of `from` is set.
fn scatter_bits(from: &[u64], map: &[usize], to: &mut [u64], words: usize) {
    let from_words = map.len().div_ceil(64).max(1);
    for (from, to) in from.chunks_exact(from_words).zip(to.chunks_exact_mut(words)) {
        for (channel, &target) in map.iter().enumerate() {
            to[target / 64] |= (from[channel / 64] >> (channel % 64) & 1) << (target % 64);
        }
    }
}
