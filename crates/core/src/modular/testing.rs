//! Random networks and a plain forward pass in 64-bit floats, to hold slices against.

use fixedbitset::FixedBitSet;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Selection, TrackedLayer};
use crate::random::{Stream, generator};
use crate::spec::{Conv, Init, Join, Residual, Role, Spec, Stage, State};

/// A generator for tests.
pub(super) fn rng(seed: u64) -> ChaCha8Rng {
    generator(seed, Stream::Weights, 0)
}

/// Tracked layers with these numbers of kernels.
pub(super) fn layers(kernels: &[usize]) -> Vec<TrackedLayer> {
    let layer =
        |(index, &kernels)| TrackedLayer { name: format!("conv{}", index + 1), conv: index + 1, kernels };
    kernels.iter().enumerate().map(layer).collect()
}

/// Each bit set with this chance.
pub(super) fn random_bits(rng: &mut ChaCha8Rng, bits: usize, chance: f64) -> FixedBitSet {
    let mut set = FixedBitSet::with_capacity(bits);
    set.extend((0..bits).filter(|_| rng.random_bool(chance)));
    set
}

/// A selection that keeps something of every convolution.
pub(super) fn random_selection(rng: &mut ChaCha8Rng, spec: &Spec) -> Selection {
    let convs = spec.convs().map(|conv| {
        let mut kept = random_bits(rng, conv.kernels, 0.5);
        kept.insert(rng.random_range(0..conv.kernels));
        kept
    });
    Selection { convs: convs.collect() }
}

/// A small network with every kind of stage somewhere among the seeds.
pub(super) fn random_spec(rng: &mut ChaCha8Rng) -> Spec {
    let side = rng.random_range(3..=6usize);
    let input = [rng.random_range(1..=3), side, side];
    let mut stages = random_stages(rng, side);
    if rng.random_bool(0.25) {
        let branches = vec![stages, random_stages(rng, side)];
        stages = vec![Stage::Parallel { branches }, Stage::Linear { outputs: 3 }];
    }
    Spec { input, init: Init::Uniform, stages }.with_masks()
}

/// Stages from images of this side to three logits.
fn random_stages(rng: &mut ChaCha8Rng, mut side: usize) -> Vec<Stage> {
    let mut channels = rng.random_range(1..=5);
    let mut stages = vec![Stage::Conv(random_conv(rng, channels, 1))];
    for _ in 0..rng.random_range(0..5) {
        let stage = match rng.random_range(0..6) {
            0 if side >= 2 => Stage::MaxPool { size: 2 },
            1 => Stage::Relu,
            2 => Stage::Conv({
                let (kernels, stride) = (rng.random_range(1..=5), rng.random_range(1..=2));
                random_conv(rng, kernels, stride)
            }),
            _ => Stage::Residual(random_residual(rng, channels)),
        };
        (channels, side) = after(&stage, channels, side);
        stages.push(stage);
    }
    stages.push(if rng.random_bool(0.5) { Stage::Flatten } else { Stage::GlobalAvgPool });
    if rng.random_bool(0.5) {
        stages.extend([Stage::Linear { outputs: 4 }, Stage::Relu, Stage::Dropout { probability: 0.5 }]);
    }
    stages.push(Stage::Linear { outputs: 3 });
    stages
}

fn after(stage: &Stage, channels: usize, side: usize) -> (usize, usize) {
    match stage {
        Stage::MaxPool { size } => (channels, side / size),
        Stage::Conv(conv) => (conv.kernels, side.div_ceil(conv.stride)),
        Stage::Residual(residual) => {
            let stride = residual.body.first().map_or(1, |conv| conv.stride);
            let channels = residual.body.last().map_or(channels, |conv| conv.kernels);
            (residual.join.as_ref().map_or(channels, |join| join.channels), side.div_ceil(stride))
        }
        _ => (channels, side),
    }
}

fn random_conv(rng: &mut ChaCha8Rng, kernels: usize, stride: usize) -> Conv {
    let size = [1, 3][rng.random_range(0..2)];
    let [bias, batch_norm, relu] = [(); 3].map(|()| rng.random_bool(0.5));
    Conv { kernels, size, stride, bias, batch_norm, masked: false, relu }
}

fn random_residual(rng: &mut ChaCha8Rng, channels: usize) -> Residual {
    let projected = rng.random_bool(0.5);
    let stride = if projected { rng.random_range(1..=2) } else { 1 };
    let joined = rng.random_bool(0.5);
    let shortcut_channels = if projected { rng.random_range(1..=5) } else { channels };
    let body_channels = if joined { rng.random_range(1..=5) } else { shortcut_channels };
    let inner = rng.random_range(1..=4);
    let mut body = vec![random_conv(rng, inner, stride), random_conv(rng, body_channels, 1)];
    if body_channels == channels && stride == 1 && rng.random_bool(0.2) {
        body.clear();
    }
    let shortcut = projected.then(|| random_conv(rng, shortcut_channels, stride));
    let join = if joined { random_join(rng, body_channels, shortcut_channels) } else { None };
    Residual { body, shortcut, join, relu: rng.random_bool(0.5) }
}

/// Maps that reach every channel of the sum; none where they would change nothing.
fn random_join(rng: &mut ChaCha8Rng, body: usize, shortcut: usize) -> Option<Join> {
    let channels = rng.random_range(body.max(shortcut)..=body + shortcut);
    let mut order: Vec<usize> = (0..channels).collect();
    for position in 1..channels {
        order.swap(position, rng.random_range(0..=position));
    }
    let sorted = |part: &[usize]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part
    };
    let join =
        Join { channels, body: sorted(&order[..body]), shortcut: sorted(&order[channels - shortcut..]) };
    (body < channels || shortcut < channels).then_some(join)
}

/// Weights and running statistics without trivial values.
pub(super) fn random_state(rng: &mut ChaCha8Rng, spec: &Spec) -> State {
    let mut state = State::init(spec, 0).unwrap();
    for slot in spec.slots().unwrap() {
        let low = if slot.role == Role::RunningVar { 0.5 } else { -1.0 };
        let values = &mut state.0.get_mut(&slot.name).unwrap().values;
        values.iter_mut().for_each(|value| *value = rng.random_range(low..1.5));
    }
    state
}

/// Channels, each `side * side` values.
type Map = Vec<Vec<f64>>;

/// Logits of a network whose masks are the constants `factors`, one for each kernel of each convolution.
pub(super) fn logits(spec: &Spec, state: &State, factors: &[Vec<f32>], image: &Map) -> Vec<f64> {
    let names = spec.layers().unwrap().into_iter().map(|layer| layer.name);
    let mut pass = Pass { state, names: Box::new(names), factors: factors.iter() };
    let mut map = image.clone();
    for stage in &spec.stages {
        map = pass.stage(stage, map);
    }
    map.concat()
}

struct Pass<'a> {
    state: &'a State,
    names: Box<dyn Iterator<Item = String>>,
    factors: std::slice::Iter<'a, Vec<f32>>,
}

impl Pass<'_> {
    fn stage(&mut self, stage: &Stage, map: Map) -> Map {
        match stage {
            Stage::Conv(conv) => self.conv(conv, &map),
            Stage::MaxPool { size } => map.iter().map(|channel| pooled(channel, *size)).collect(),
            Stage::Residual(residual) => self.residual(residual, map),
            Stage::GlobalAvgPool => {
                map.iter().map(|channel| vec![channel.iter().sum::<f64>() / channel.len() as f64]).collect()
            }
            Stage::Flatten => map.concat().into_iter().map(|value| vec![value]).collect(),
            Stage::Relu => rectified(map),
            Stage::Dropout { .. } => map,
            Stage::Linear { outputs } => {
                let name = self.names.next().unwrap();
                let (weight, bias) = (self.array(&name, "weight"), self.array(&name, "bias"));
                let inputs = map.concat();
                let row = |output: usize| {
                    let weights = &weight[output * inputs.len()..(output + 1) * inputs.len()];
                    bias[output] + weights.iter().zip(&inputs).map(|(w, x)| w * x).sum::<f64>()
                };
                (0..*outputs).map(|output| vec![row(output)]).collect()
            }
            Stage::Parallel { branches } => {
                let run = |branch: &Vec<Stage>| {
                    branch.iter().fold(map.clone(), |map, stage| self.stage(stage, map))
                };
                branches.iter().flat_map(run).collect()
            }
        }
    }

    fn array(&self, layer: &str, suffix: &str) -> Vec<f64> {
        let array = self.state.get(&format!("{layer}.{suffix}")).unwrap();
        array.values.iter().map(|&value| value.into()).collect()
    }

    fn residual(&mut self, residual: &Residual, map: Map) -> Map {
        let body = residual.body.iter().fold(map.clone(), |map, conv| self.conv(conv, &map));
        let shortcut = match &residual.shortcut {
            Some(conv) => self.conv(conv, &map),
            None => map,
        };
        let identity = || (0..body.len()).collect();
        let (channels, to_body, to_shortcut): (usize, Vec<usize>, Vec<usize>) = match &residual.join {
            Some(join) => (join.channels, join.body.clone(), join.shortcut.clone()),
            None => (body.len(), identity(), identity()),
        };
        let mut sum = vec![vec![0.0; body[0].len()]; channels];
        for (path, targets) in [(&body, to_body), (&shortcut, to_shortcut)] {
            for (channel, target) in path.iter().zip(targets) {
                sum[target].iter_mut().zip(channel).for_each(|(sum, value)| *sum += value);
            }
        }
        if residual.relu { rectified(sum) } else { sum }
    }

    fn conv(&mut self, conv: &Conv, map: &Map) -> Map {
        let name = self.names.next().unwrap();
        let factors = self.factors.next().unwrap();
        let weight = self.array(&name, "conv.weight");
        let mut out: Map = weight
            .chunks(map.len() * conv.size * conv.size)
            .map(|kernel| convolved(map, kernel, conv))
            .collect();
        for (index, channel) in out.iter_mut().enumerate() {
            let (mut scale, mut shift) = (1.0, 0.0);
            if conv.bias {
                shift = self.array(&name, "conv.bias")[index];
            }
            if conv.batch_norm {
                let bn = |suffix| self.array(&name, suffix)[index];
                scale = bn("bn.weight") / (bn("bn.running_var") + 1e-5).sqrt();
                shift = (shift - bn("bn.running_mean")) * scale + bn("bn.bias");
            }
            let factor = f64::from(factors[index]);
            channel.iter_mut().for_each(|value| *value = (*value * scale + shift) * factor);
        }
        if conv.relu { rectified(out) } else { out }
    }
}

fn side(channel: &[f64]) -> usize {
    channel.len().isqrt()
}

fn rectified(mut map: Map) -> Map {
    map.iter_mut().flatten().for_each(|value| *value = value.max(0.0));
    map
}

fn pooled(channel: &[f64], size: usize) -> Vec<f64> {
    let (from, to) = (side(channel), side(channel) / size);
    let window = |y: usize, x: usize| {
        let cells =
            (0..size * size).map(|cell| channel[(y * size + cell / size) * from + x * size + cell % size]);
        cells.fold(f64::NEG_INFINITY, f64::max)
    };
    (0..to * to).map(|cell| window(cell / to, cell % to)).collect()
}

/// One output channel: `kernel` is `[in, size, size]`.
fn convolved(map: &Map, kernel: &[f64], conv: &Conv) -> Vec<f64> {
    let from = side(&map[0]);
    let to = (from + 2 * conv.padding() - conv.size) / conv.stride + 1;
    let value = |channel: &[f64], y: usize, x: usize| {
        let (y, x) = (y.checked_sub(conv.padding())?, x.checked_sub(conv.padding())?);
        (y < from && x < from).then(|| channel[y * from + x])
    };
    let mut out = vec![0.0; to * to];
    for (cell, out) in out.iter_mut().enumerate() {
        let (y, x) = (cell / to * conv.stride, cell % to * conv.stride);
        for (index, weight) in kernel.iter().enumerate() {
            let (channel, tap) = (index / (conv.size * conv.size), index % (conv.size * conv.size));
            *out += weight * value(&map[channel], y + tap / conv.size, x + tap % conv.size).unwrap_or(0.0);
        }
    }
    out
}
