//! Random networks and a plain forward pass in 64-bit floats, to compare slices with.

use fixedbitset::FixedBitSet;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Selection, TrackedSite};
use crate::random::{Stream, generator};
use crate::spec::{Conv, Init, Join, Residual, Role, SiteKind, Spec, Stage, State};

/// A generator for tests.
pub(super) fn rng(seed: u64) -> ChaCha8Rng {
    generator(seed, Stream::Weights, 0)
}

/// The convolutions of [`chain`] behind the first, tracked.
pub(super) fn sites(units: &[usize]) -> Vec<TrackedSite> {
    let site = |(index, &units)| TrackedSite { name: format!("conv{}", index + 1), site: index + 1, units };
    units.iter().enumerate().map(site).collect()
}

/// A convolution, then convolutions with mask generators of these sizes, then two logits.
pub(super) fn chain(kernels: &[usize]) -> Spec {
    let convs = std::iter::once(&1).chain(kernels).map(|&kernels| Stage::Conv(Conv::new(kernels)));
    let stages = convs.chain([Stage::GlobalAvgPool, Stage::Linear { outputs: 2 }]).collect();
    Spec { input: [1, 4, 4], init: Init::Uniform, stages }.with_masks()
}

/// Each bit set with this chance.
pub(super) fn random_bits(rng: &mut ChaCha8Rng, bits: usize, chance: f64) -> FixedBitSet {
    let mut set = FixedBitSet::with_capacity(bits);
    set.extend((0..bits).filter(|_| rng.random_bool(chance)));
    set
}

/// A selection that keeps something of every site.
pub(super) fn random_selection(rng: &mut ChaCha8Rng, spec: &Spec) -> Selection {
    let mut selection = Selection::all(spec).unwrap();
    for site in &mut selection.sites {
        *site = random_bits(rng, site.len(), 0.5);
        site.insert(rng.random_range(0..site.len()));
    }
    selection
}

/// The selection with every residual sum whole.
pub(super) fn with_whole_sums(spec: &Spec, mut selection: Selection) -> Selection {
    for (set, site) in selection.sites.iter_mut().zip(spec.sites().unwrap()) {
        if matches!(site.kind, SiteKind::Sum { .. }) {
            set.insert_range(..);
        }
    }
    selection
}

/// A factor of 1 for every unit of every site.
pub(super) fn ones(spec: &Spec) -> Vec<Vec<f32>> {
    spec.sites().unwrap().iter().map(|site| vec![1.0; site.units]).collect()
}

/// A random image.
pub(super) fn image(seed: u64, spec: &Spec) -> Vec<Vec<f64>> {
    let mut rng = rng(seed);
    let [channels, height, width] = spec.input;
    (0..channels).map(|_| (0..height * width).map(|_| rng.random_range(-1.0..1.0)).collect()).collect()
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

/// Logits of a network whose units are multiplied by constants that are not negative, a list a site. A convolution's
/// stand behind its batch norm, a sum's behind its ReLU, a linear layer's in front of the ReLU that follows.
pub(super) fn logits(spec: &Spec, state: &State, factors: &[Vec<f32>], image: &Map) -> Vec<f64> {
    let layers = spec.layers().unwrap();
    let mut of_layer: Vec<Option<&[f32]>> = vec![None; layers.len()];
    let mut of_sum = Vec::new();
    for (site, factors) in spec.sites().unwrap().iter().zip(factors) {
        match site.kind {
            SiteKind::Conv { layer, .. } | SiteKind::Linear { layer } => of_layer[layer] = Some(factors),
            SiteKind::Sum { .. } => of_sum.push(factors.as_slice()),
        }
    }
    let layers = layers.into_iter().map(|layer| layer.name).zip(of_layer);
    let mut pass = Pass { state, layers: Box::new(layers), sums: of_sum.into_iter() };
    let mut map = image.clone();
    for stage in &spec.stages {
        map = pass.stage(stage, map);
    }
    map.concat()
}

struct Pass<'a> {
    state: &'a State,
    /// Names of the layers, and the factors of their outputs.
    layers: Box<dyn Iterator<Item = (String, Option<&'a [f32]>)> + 'a>,
    /// Factors of the residual sums.
    sums: std::vec::IntoIter<&'a [f32]>,
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
                let (name, factors) = self.layers.next().unwrap();
                let (weight, bias) = (self.array(&name, "weight"), self.array(&name, "bias"));
                let inputs = map.concat();
                let row = |output: usize| {
                    let weights = &weight[output * inputs.len()..(output + 1) * inputs.len()];
                    bias[output] + weights.iter().zip(&inputs).map(|(w, x)| w * x).sum::<f64>()
                };
                scaled((0..*outputs).map(|output| vec![row(output)]).collect(), factors)
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
        let sum = if residual.relu { rectified(sum) } else { sum };
        scaled(sum, self.sums.next())
    }

    fn conv(&mut self, conv: &Conv, map: &Map) -> Map {
        let (name, factors) = self.layers.next().unwrap();
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
            channel.iter_mut().for_each(|value| *value = *value * scale + shift);
        }
        let out = scaled(out, factors);
        if conv.relu { rectified(out) } else { out }
    }
}

fn side(channel: &[f64]) -> usize {
    channel.len().isqrt()
}

/// Each channel by its factor.
fn scaled(mut map: Map, factors: Option<&[f32]>) -> Map {
    for (channel, &factor) in map.iter_mut().zip(factors.unwrap_or_default()) {
        channel.iter_mut().for_each(|value| *value *= f64::from(factor));
    }
    map
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
