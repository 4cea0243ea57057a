//! A module is a network: the spec and the weights that a [`Selection`] leaves.

use super::usage::check_length;
use super::{Error, Selection};
use crate::spec::{
    Array, Conv, Cost, Join, LayerKind, Residual, Role, Shape, Slot, Spec, Stage, State, branch_shapes,
};

/// How a network is cut to a selection.
///
/// Mask generators go. Where a residual sum joins two paths that kept different channels, the sum has the
/// channels of both, and a [`Join`] says where each goes; a channel that neither path reaches is always zero
/// and goes too.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// The network that is left.
    pub spec: Spec,
    /// Which channels (behind `flatten` or `global-avg-pool`: features) of the whole network's stream are
    /// left after each stage, ascending.
    pub streams: Vec<Vec<usize>>,
    /// What is left of each layer with weights, in the order of the spec's layers.
    lanes: Vec<Lanes>,
}

/// What is left of a layer's input and output channels.
#[derive(Clone, Debug, PartialEq)]
struct Lanes {
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

/// The network that `selection` leaves of `spec`, and its weights. Soft mask values are not multiplied in, as
/// in the published code.
///
/// # Errors
///
/// When selection or weights are not the spec's, a convolution would be left without kernels, or logits that
/// come straight from kernels would be dropped.
pub fn slice(spec: &Spec, state: &State, selection: &Selection) -> Result<(Spec, State), Error> {
    state.check(spec)?;
    let cut = Cut::new(spec, selection)?;
    let state = cut.state(spec, state)?;
    Ok((cut.spec, state))
}

/// As [`slice()`], without weights: what a module would be.
///
/// # Errors
///
/// As [`slice()`], but for the weights.
pub fn slice_spec(spec: &Spec, selection: &Selection) -> Result<Spec, Error> {
    Ok(Cut::new(spec, selection)?.spec)
}

/// What the network that `selection` leaves costs.
///
/// # Errors
///
/// As [`slice_spec`].
pub fn module_cost(spec: &Spec, selection: &Selection) -> Result<Cost, Error> {
    Ok(Cost::of(&slice_spec(spec, selection)?)?)
}

/// As [`slice()`], with a constant in the place of each dropped mask: scale and shift of a kernel's batch
/// norm (its weight and bias where it has none) are multiplied by its factor. `factors` has an entry for
/// every kernel of every convolution of `spec`, such as [`Usage::mean_masks`](super::Usage::mean_masks) gives.
///
/// This is not in the paper; it puts back the scale that the layers behind were trained with.
///
/// # Errors
///
/// As [`slice()`], and when `factors` does not fit the spec or holds a value that is not finite.
pub fn slice_folded(
    spec: &Spec,
    state: &State,
    selection: &Selection,
    factors: &[Vec<f32>],
) -> Result<(Spec, State), Error> {
    check_length("the list of mask factors", factors.len(), spec.convs().count())?;
    for (factors, conv) in factors.iter().zip(spec.convs()) {
        check_length("a convolution's mask factors", factors.len(), conv.kernels)?;
        if let Some(kernel) = factors.iter().position(|factor| !factor.is_finite()) {
            return Err(Error::NotFinite { what: "the mask factor", kernel, value: factors[kernel] });
        }
    }
    let (spec, mut state) = slice(spec, state, selection)?;
    let mut kept = selection.convs.iter().zip(factors);
    for layer in spec.layers()? {
        let LayerKind::Conv { conv, .. } = layer.kind else { continue };
        let Some((kept, factors)) = kept.next() else { continue };
        let kept: Vec<f32> = kept.ones().map(|kernel| factors[kernel]).collect();
        let scaled = if conv.batch_norm { ["bn.weight", "bn.bias"] } else { ["conv.weight", "conv.bias"] };
        for suffix in scaled {
            if let Some(array) = state.0.get_mut(&format!("{}.{suffix}", layer.name)) {
                scale_rows(array, &kept);
            }
        }
    }
    Ok((spec, state))
}

fn scale_rows(array: &mut Array, factors: &[f32]) {
    let row = array.values.len() / factors.len();
    for (values, factor) in array.values.chunks_exact_mut(row).zip(factors) {
        values.iter_mut().for_each(|value| *value *= factor);
    }
}

impl Cut {
    /// Cuts `spec` to `selection`.
    ///
    /// # Errors
    ///
    /// As [`slice_spec`].
    pub fn new(spec: &Spec, selection: &Selection) -> Result<Self, Error> {
        selection.check(spec)?;
        let shapes = spec.shapes()?;
        let mut cutter =
            Cutter { selection, stream: (0..spec.input[0]).collect(), convs: 0, lanes: Vec::new() };
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

    /// What is left of the weights of the whole network, `spec`.
    fn state(&self, spec: &Spec, state: &State) -> Result<State, Error> {
        let slots = self.spec.slots()?;
        let mut sliced = State::default();
        for (layer, lanes) in spec.layers()?.iter().zip(&self.lanes) {
            let own =
                |slot: &&Slot| slot.name.strip_prefix(&layer.name).is_some_and(|rest| rest.starts_with('.'));
            for slot in slots.iter().filter(own) {
                let rows = state.get(&slot.name)?.select(0, &lanes.outputs);
                let array = match slot.role {
                    Role::ConvWeight | Role::LinearWeight => rows.select(1, &lanes.inputs),
                    _ => rows,
                };
                sliced.0.insert(slot.name.clone(), array);
            }
        }
        Ok(sliced)
    }
}

/// Follows the stream of channels through the stages and cuts each to it.
struct Cutter<'a> {
    selection: &'a Selection,
    stream: Vec<usize>,
    convs: usize,
    lanes: Vec<Lanes>,
}

impl Cutter<'_> {
    fn pass(&mut self, stage: &mut Stage, input: Shape) -> Result<(), Error> {
        match stage {
            Stage::Conv(conv) => self.stream = self.conv(conv, self.stream.clone()),
            Stage::Residual(residual) => self.stream = self.residual(residual),
            Stage::Linear { outputs } => {
                let outputs: Vec<usize> = (0..*outputs).collect();
                let inputs = std::mem::replace(&mut self.stream, outputs.clone());
                self.lanes.push(Lanes { inputs, outputs });
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

    /// Cuts a convolution that reads the channels `inputs`, and returns the kernels that it keeps.
    fn conv(&mut self, conv: &mut Conv, inputs: Vec<usize>) -> Vec<usize> {
        let outputs: Vec<usize> = self.selection.convs[self.convs].ones().collect();
        self.convs += 1;
        self.lanes.push(Lanes { inputs, outputs: outputs.clone() });
        conv.kernels = outputs.len();
        conv.masked = false;
        outputs
    }

    /// Cuts both paths of a residual sum, and returns the channels of the sum that are left.
    fn residual(&mut self, residual: &mut Residual) -> Vec<usize> {
        let mut body = self.stream.clone();
        for conv in &mut residual.body {
            body = self.conv(conv, body);
        }
        let shortcut = match &mut residual.shortcut {
            Some(conv) => self.conv(conv, self.stream.clone()),
            None => self.stream.clone(),
        };
        let (body, shortcut) = match &residual.join {
            Some(join) => (targets(&join.body, &body), targets(&join.shortcut, &shortcut)),
            None => (body, shortcut),
        };
        let sum = merged(&body, &shortcut);
        residual.join = (body != shortcut).then(|| Join {
            channels: sum.len(),
            body: positions(&body, &sum),
            shortcut: positions(&shortcut, &sum),
        });
        sum
    }
}

fn targets(map: &[usize], channels: &[usize]) -> Vec<usize> {
    channels.iter().map(|&channel| map[channel]).collect()
}

fn merged(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut all = [a, b].concat();
    all.sort_unstable();
    all.dedup();
    all
}

/// Where each of `channels` stands in `all`, both ascending.
fn positions(channels: &[usize], all: &[usize]) -> Vec<usize> {
    channels.iter().map(|channel| all.partition_point(|other| other < channel)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{logits, random_selection, random_spec, random_state, rng};
    use super::*;
    use crate::spec::Architecture;
    use fixedbitset::FixedBitSet;
    use proptest::prelude::*;
    use rand::RngExt;

    fn image(seed: u64, spec: &Spec) -> Vec<Vec<f64>> {
        let mut rng = rng(seed);
        let [channels, height, width] = spec.input;
        (0..channels).map(|_| (0..height * width).map(|_| rng.random_range(-1.0..1.0)).collect()).collect()
    }

    fn ones(spec: &Spec) -> Vec<Vec<f32>> {
        spec.convs().map(|conv| vec![1.0; conv.kernels]).collect()
    }

    fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
        let largest = expected.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= tolerance * largest, "{found:?} {expected:?}");
        }
    }

    /// `inner` as a selection of the network that `outer` leaves.
    fn within(outer: &Selection, inner: &Selection) -> Selection {
        let restrict = |(outer, inner): (&FixedBitSet, &FixedBitSet)| {
            let mut set = FixedBitSet::with_capacity(outer.count_ones(..));
            set.extend(outer.ones().enumerate().filter(|(_, k)| inner.contains(*k)).map(|(index, _)| index));
            set
        };
        Selection { convs: outer.convs.iter().zip(&inner.convs).map(restrict).collect() }
    }

    proptest! {
        #[test]
        fn keeping_everything_only_drops_the_generators(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let mut state = random_state(&mut rng, &spec);
            let (sliced, weights) = slice(&spec, &state, &Selection::all(&spec)).unwrap();
            state.0.retain(|name, _| !name.contains("mask_generator"));
            prop_assert_eq!((sliced, weights), (spec.without_masks(), state));
        }

        #[test]
        fn a_module_computes_what_the_network_does_with_the_other_kernels_zeroed(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let state = random_state(&mut rng, &spec);
            let selection = random_selection(&mut rng, &spec);
            let (sliced, weights) = slice(&spec, &state, &selection).unwrap();
            weights.check(&sliced).unwrap();
            let zeroed: Vec<Vec<f32>> = selection.convs.iter()
                .map(|kept| (0..kept.len()).map(|k| f32::from(u8::from(kept.contains(k)))).collect())
                .collect();
            let image = image(seed, &spec);
            let found = logits(&sliced, &weights, &ones(&sliced), &image);
            assert_close(&found, &logits(&spec, &state, &zeroed, &image), 1e-9);
        }

        #[test]
        fn folded_factors_are_constant_masks(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let state = random_state(&mut rng, &spec);
            let selection = random_selection(&mut rng, &spec);
            let mut factors = ones(&spec);
            factors.iter_mut().flatten().for_each(|factor| *factor = rng.random_range(0.0..1.0));
            let (sliced, weights) = slice_folded(&spec, &state, &selection, &factors).unwrap();
            let masks: Vec<Vec<f32>> = selection.convs.iter().zip(&factors)
                .map(|(kept, factors)| {
                    factors.iter().enumerate().map(|(k, &f)| if kept.contains(k) { f } else { 0.0 }).collect()
                })
                .collect();
            let image = image(seed, &spec);
            let found = logits(&sliced, &weights, &ones(&sliced), &image);
            assert_close(&found, &logits(&spec, &state, &masks, &image), 1e-5);
        }

        #[test]
        fn slicing_twice_is_slicing_once(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let state = random_state(&mut rng, &spec);
            let inner = random_selection(&mut rng, &spec);
            let outer = inner.union(&random_selection(&mut rng, &spec));
            prop_assert!(inner.is_subset(&outer));
            let once = slice(&spec, &state, &inner).unwrap();
            let (between, weights) = slice(&spec, &state, &outer).unwrap();
            prop_assert_eq!(slice(&between, &weights, &within(&outer, &inner)).unwrap(), once);
        }

        #[test]
        fn the_cost_of_a_slice_counts_its_weights(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let selection = random_selection(&mut rng, &spec);
            let (sliced, weights) = slice(&spec, &random_state(&mut rng, &spec), &selection).unwrap();
            let trained = sliced.slots().unwrap().into_iter().filter(|slot| slot.role.is_trained());
            let count: usize = trained.map(|slot| weights.get(&slot.name).unwrap().values.len()).sum();
            let cost = module_cost(&spec, &selection).unwrap();
            prop_assert_eq!(cost.params(), count as u64);
            prop_assert_eq!(cost.kernels, selection.kept() as u64);
        }

        #[test]
        fn more_kernels_never_cost_less(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let (a, b) = (random_selection(&mut rng, &spec), random_selection(&mut rng, &spec));
            let union = a.union(&b);
            let (small, large) = (module_cost(&spec, &a).unwrap(), module_cost(&spec, &union).unwrap());
            prop_assert!(a.is_subset(&union) && a.kept() <= union.kept());
            prop_assert!(small.params() <= large.params() && small.macs() <= large.macs());
            prop_assert!(small.fvcore_flops() <= large.fvcore_flops());
        }
    }

    #[test]
    fn the_stream_of_a_residual_network_is_the_union_of_both_paths() {
        let spec = Architecture::Resnet18.spec([3, 32, 32], 10, 0.125, true);
        let mut selection = Selection::all(&spec);
        for conv in selection.convs.iter_mut().skip(1) {
            conv.remove_range(1..);
        }
        selection.convs[6].clear();
        selection.convs[6].insert(3);
        selection.convs[7].clear();
        selection.convs[7].insert(5);
        let cut = Cut::new(&spec, &selection).unwrap();
        assert_eq!(cut.streams[0], (0..8).collect::<Vec<_>>());
        assert_eq!(cut.streams[2], (0..8).collect::<Vec<_>>(), "no projection: the stem's channels go on");
        assert_eq!(cut.streams[3], [3, 5], "body and projection");
        let Stage::Residual(residual) = &cut.spec.stages[3] else { panic!("a residual") };
        assert_eq!(residual.join, Some(Join { channels: 2, body: vec![0], shortcut: vec![1] }));
    }

    #[test]
    fn a_flattened_channel_owns_all_its_pixels() {
        let stages = vec![
            Stage::Conv(Conv::new(3)),
            Stage::MaxPool { size: 2 },
            Stage::Flatten,
            Stage::Linear { outputs: 2 },
        ];
        let spec = Spec { input: [1, 4, 4], init: Default::default(), stages };
        let mut selection = Selection::all(&spec);
        selection.convs[0].remove(1);
        assert_eq!(Cut::new(&spec, &selection).unwrap().streams[2], [0, 1, 2, 3, 8, 9, 10, 11]);
    }

    #[test]
    fn a_selection_that_does_not_fit_is_refused_with_the_reason() {
        let spec = Architecture::Tiny.spec([1, 16, 16], 10, 0.25, true);
        let mut selection = Selection::all(&spec);
        selection.convs[2].clear();
        assert!(matches!(slice_spec(&spec, &selection), Err(Error::NothingKept(2))));
        selection.convs.pop();
        let error = slice_spec(&spec, &selection).unwrap_err().to_string();
        assert!(error.contains("has 4 entries where 5 are needed"), "{error}");
    }

    #[test]
    fn logits_that_come_from_kernels_are_not_dropped() {
        let stages = vec![Stage::Conv(Conv::new(3)), Stage::GlobalAvgPool];
        let spec = Spec { input: [1, 4, 4], init: Default::default(), stages };
        let mut selection = Selection::all(&spec);
        assert_eq!(slice_spec(&spec, &selection).unwrap(), spec);
        selection.convs[0].remove(1);
        let error = slice_spec(&spec, &selection).unwrap_err();
        assert!(matches!(error, Error::LogitsDropped { dropped: 1, outputs: 3 }), "{error}");
    }
}
