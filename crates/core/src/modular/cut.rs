//! How the stages and weights of a network are cut to a selection.

use std::borrow::Cow;

use fixedbitset::FixedBitSet;

use super::{Error, Selection};
use crate::spec::{
    Array, Conv, Join, LayerKind, Residual, Role, Shape, SiteKind, Slot, Spec, SpecError, Stage, State,
    branch_shapes,
};

/// How a network is cut to a selection.
///
/// Mask generators go. Where a residual sum joins two paths that kept different channels, the sum has the
/// channels of both that its own set keeps, and a [`Join`] says where each goes; a channel that neither path
/// reaches is always zero and goes too.
///
/// A path keeps only what the sum keeps. Where a path has no convolution that could drop the rest (an identity
/// shortcut), a 1x1 convolution of zeros and ones picks its channels; a path of which nothing is left keeps one
/// kernel that is always zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// The network that is left.
    pub spec: Spec,
    /// Which channels (behind `flatten` or `global-avg-pool`: features) of the whole network's stream are
    /// left after each stage, ascending.
    pub streams: Vec<Vec<usize>>,
    /// What each layer of the network that is left comes from, in the order of its layers.
    lanes: Vec<Lanes>,
}

/// What a layer of the cut network comes from.
#[derive(Clone, Debug, PartialEq)]
struct Lanes {
    /// Input channels of the whole network that are left.
    inputs: Vec<usize>,
    /// Output channels that are left.
    outputs: Vec<usize>,
    source: Source,
}

/// Where a layer's weights come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The layer of the same name.
    Layer,
    /// The same, with every trained weight zero.
    Silenced,
    /// None: a 1x1 convolution that hands on the input channels that are also output channels.
    Pick,
}

impl Cut {
    /// Cuts `spec` to `selection`.
    ///
    /// # Errors
    ///
    /// When the selection is not the spec's, a site would be left without units, or logits that come straight from
    /// units would be dropped.
    pub fn new(spec: &Spec, selection: &Selection) -> Result<Self, Error> {
        selection.check(spec)?;
        let shapes = spec.shapes()?;
        let mut cutter = Cutter::new(spec, selection)?;
        let mut sliced = spec.clone();
        let mut streams = Vec::with_capacity(spec.stages.len());
        for (stage, input) in sliced.stages.iter_mut().zip(shapes) {
            cutter.pass(stage, input)?;
            streams.push(cutter.stream.clone());
        }
        let outputs = spec.outputs()?;
        match outputs - cutter.stream.len() {
            0 => Ok(Cut { spec: sliced, streams, lanes: cutter.lanes }),
            dropped => Err(Error::LogitsDropped { dropped, outputs }),
        }
    }

    /// What is left of `state`, the weights of the whole network.
    pub(super) fn state(&self, state: &State, selection: &Selection) -> Result<State, Error> {
        let slots = self.spec.slots()?;
        let mut sliced = State::default();
        for (layer, lanes) in self.spec.layers()?.iter().zip(&self.lanes) {
            let own =
                |slot: &&Slot| slot.name.strip_prefix(&layer.name).is_some_and(|rest| rest.starts_with('.'));
            for slot in slots.iter().filter(own) {
                let array = match lanes.source {
                    Source::Pick => lanes.pick(slot),
                    Source::Silenced if slot.role.is_trained() => Array::filled(&slot.shape, 0.0),
                    _ => lanes.select(slot.role, &masked(state.get(&slot.name)?, &slot.name, selection)),
                };
                sliced.0.insert(slot.name.clone(), array);
            }
        }
        Ok(sliced)
    }

    /// Multiplies scale and shift of each kernel's batch norm (its weight and bias where it has none) by its
    /// factor, of `factors` with an entry for every kernel of every convolution of the whole network.
    pub(super) fn fold(&self, state: &mut State, factors: &[Vec<f32>]) -> Result<(), Error> {
        let mut factors = factors.iter();
        for (layer, lanes) in self.spec.layers()?.iter().zip(&self.lanes) {
            let LayerKind::Conv { conv, .. } = &layer.kind else { continue };
            // A convolution that was put in is none of the whole network's.
            let of_whole = (lanes.source != Source::Pick).then(|| factors.next()).flatten();
            let Some(factors) = of_whole else { continue };
            let kept: Vec<f32> = lanes.outputs.iter().map(|&kernel| factors[kernel]).collect();
            let scaled =
                if conv.batch_norm { ["bn.weight", "bn.bias"] } else { ["conv.weight", "conv.bias"] };
            for suffix in scaled {
                if let Some(array) = state.0.get_mut(&format!("{}.{suffix}", layer.name)) {
                    scale_rows(array, &kept);
                }
            }
        }
        Ok(())
    }
}

/// An array of the whole network with its dropped weights zero.
fn masked<'a>(array: &'a Array, name: &str, selection: &Selection) -> Cow<'a, Array> {
    let Some(mask) = selection.weights.get(name) else { return Cow::Borrowed(array) };
    let mut array = array.clone();
    mask.zeroes().for_each(|index| array.values[index] = 0.0);
    Cow::Owned(array)
}

fn scale_rows(array: &mut Array, factors: &[f32]) {
    let row = array.values.len() / factors.len();
    for (values, factor) in array.values.chunks_exact_mut(row).zip(factors) {
        values.iter_mut().for_each(|value| *value *= factor);
    }
}

impl Lanes {
    fn select(&self, role: Role, array: &Array) -> Array {
        let rows = array.select(0, &self.outputs);
        match role {
            Role::ConvWeight | Role::LinearWeight => rows.select(1, &self.inputs),
            _ => rows,
        }
    }

    /// The weight `[outputs, inputs, 1, 1]` of a convolution that picks channels; zeros where it has no output of
    /// its own.
    fn pick(&self, slot: &Slot) -> Array {
        let mut weight = Array::filled(&slot.shape, 0.0);
        for (row, output) in self.outputs.iter().enumerate() {
            let input = self.inputs.partition_point(|input| input < output);
            weight.values[row * self.inputs.len() + input] = 1.0;
        }
        weight
    }
}

/// Follows the stream of channels through the stages and cuts each to it.
struct Cutter<'a> {
    /// What stays of each layer's output, by the layer's index; everything of one that is no site.
    layers: Vec<Option<&'a FixedBitSet>>,
    /// What stays of each residual sum.
    sums: std::vec::IntoIter<&'a FixedBitSet>,
    /// Index of the layer that comes next.
    layer: usize,
    stream: Vec<usize>,
    lanes: Vec<Lanes>,
}

impl<'a> Cutter<'a> {
    fn new(spec: &Spec, selection: &'a Selection) -> Result<Self, SpecError> {
        let mut layers = vec![None; spec.layers()?.len()];
        let mut sums = Vec::new();
        for (site, kept) in spec.sites()?.iter().zip(&selection.sites) {
            match site.kind {
                SiteKind::Conv { layer, .. } | SiteKind::Linear { layer } => layers[layer] = Some(kept),
                SiteKind::Sum { .. } => sums.push(kept),
            }
        }
        let stream = (0..spec.input[0]).collect();
        Ok(Cutter { layers, sums: sums.into_iter(), layer: 0, stream, lanes: Vec::new() })
    }

    fn pass(&mut self, stage: &mut Stage, input: Shape) -> Result<(), Error> {
        match stage {
            Stage::Conv(conv) => {
                let kept = self.kept(conv.kernels);
                let inputs = std::mem::take(&mut self.stream);
                self.stream = self.conv(conv, inputs, kept);
            }
            Stage::Residual(residual) => self.stream = self.residual(residual),
            Stage::Linear { outputs } => {
                let kept = self.kept(*outputs);
                *outputs = kept.len();
                let inputs = std::mem::replace(&mut self.stream, kept.clone());
                self.lanes.push(Lanes { inputs, outputs: kept, source: Source::Layer });
            }
            Stage::Flatten => {
                let Shape::Map([_, height, width]) = input else { return Ok(()) };
                let pixels = height * width;
                let features = |&channel: &usize| channel * pixels..(channel + 1) * pixels;
                self.stream = self.stream.iter().flat_map(features).collect();
            }
            Stage::Parallel { branches } => self.stream = self.parallel(branches, input)?,
            Stage::MaxPool { .. } | Stage::GlobalAvgPool | Stage::Relu | Stage::Dropout { .. } => {}
        }
        Ok(())
    }

    /// Cuts each branch, and returns what is left of their joined outputs.
    fn parallel(&mut self, branches: &mut [Vec<Stage>], input: Shape) -> Result<Vec<usize>, Error> {
        let stream = std::mem::take(&mut self.stream);
        let (mut joined, mut outputs) = (Vec::new(), 0);
        for branch in branches {
            self.stream.clone_from(&stream);
            let shapes = branch_shapes(branch, input)?;
            for (stage, &shape) in branch.iter_mut().zip(&shapes) {
                self.pass(stage, shape)?;
            }
            joined.extend(self.stream.iter().map(|feature| outputs + feature));
            outputs += match shapes.last() {
                Some(Shape::Flat(features)) => *features,
                _ => 0,
            };
        }
        Ok(joined)
    }

    /// What stays of the next layer's outputs.
    fn kept(&mut self, outputs: usize) -> Vec<usize> {
        let kept = self.layers[self.layer];
        self.layer += 1;
        kept.map_or_else(|| (0..outputs).collect(), |kept| kept.ones().collect())
    }

    /// Cuts a convolution to the channels that it reads and the kernels that it keeps; gives those kernels.
    fn conv(&mut self, conv: &mut Conv, inputs: Vec<usize>, outputs: Vec<usize>) -> Vec<usize> {
        self.lanes.push(Lanes { inputs, outputs: outputs.clone(), source: Source::Layer });
        conv.kernels = outputs.len();
        conv.masked = false;
        outputs
    }

    /// Cuts both paths of a residual sum, and returns the channels of the sum that are left.
    fn residual(&mut self, residual: &mut Residual) -> Vec<usize> {
        // A spec has as many sums among its sites as residual stages.
        let Some(kept) = self.sums.next() else { unreachable!("every residual has a sum") };
        let input = std::mem::take(&mut self.stream);
        let (body, shortcut) = match residual.join.take() {
            Some(join) => (Some(join.body), Some(join.shortcut)),
            None => (None, None),
        };
        let body = self.path(&mut residual.body, input.clone(), body.as_deref(), kept);
        let mut short: Vec<Conv> = residual.shortcut.take().into_iter().collect();
        let shortcut = self.path(&mut short, input, shortcut.as_deref(), kept);
        residual.shortcut = short.pop();
        let mut sum = merged(&body, &shortcut);
        if sum.is_empty() {
            sum.extend(kept.ones().next());
        }
        let (body, shortcut) = (positions(&body, &sum), positions(&shortcut, &sum));
        let is_plain = body == shortcut && body.len() == sum.len();
        residual.join = (!is_plain).then_some(Join { channels: sum.len(), body, shortcut });
        sum
    }

    /// Cuts a path of a residual sum, whose output channel `i` goes to channel `map[i]` of the sum, to what reaches
    /// a channel that the sum keeps. Gives those channels of the sum.
    fn path(
        &mut self,
        convs: &mut Vec<Conv>,
        mut channels: Vec<usize>,
        map: Option<&[usize]>,
        sum: &FixedBitSet,
    ) -> Vec<usize> {
        let target = |&channel: &usize| map.map_or(channel, |map| map[channel]);
        let is_kept = |channel: &usize| sum.contains(target(channel));
        match convs.split_last_mut() {
            Some((last, inner)) => {
                for conv in inner {
                    let kept = self.kept(conv.kernels);
                    channels = self.conv(conv, channels, kept);
                }
                let kept = self.kept(last.kernels);
                let reaching: Vec<usize> = kept.iter().copied().filter(is_kept).collect();
                if reaching.is_empty() {
                    self.conv(last, channels, kept[..1].to_vec());
                    self.silence();
                    return reaching;
                }
                channels = self.conv(last, channels, reaching);
            }
            None if channels.iter().all(is_kept) => {}
            None => {
                let outputs: Vec<usize> = channels.iter().copied().filter(is_kept).collect();
                convs.push(Conv {
                    size: 1,
                    bias: false,
                    batch_norm: false,
                    relu: false,
                    ..Conv::new(outputs.len().max(1))
                });
                self.lanes.push(Lanes { inputs: channels, outputs: outputs.clone(), source: Source::Pick });
                channels = outputs;
            }
        }
        channels.iter().map(target).collect()
    }

    /// Makes the layer that was cut last always give zeros.
    fn silence(&mut self) {
        if let Some(lanes) = self.lanes.last_mut() {
            lanes.source = Source::Silenced;
        }
    }
}

fn merged(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut all = [a, b].concat();
    all.sort_unstable();
    all.dedup();
    all
}

/// Where each of `channels` stands in `all`, both ascending. The one channel of zeros of a path that has no channels
/// left is added to the first.
fn positions(channels: &[usize], all: &[usize]) -> Vec<usize> {
    match channels {
        [] => vec![0],
        _ => channels.iter().map(|channel| all.partition_point(|other| other < channel)).collect(),
    }
}
