//! A module is a network: the spec and the weights that a [`Selection`] leaves.

use super::usage::check_length;
use super::{Cut, Error, Selection};
use crate::spec::{Cost, Spec, State};

/// The network that `selection` leaves of `spec`, and its weights. Soft mask values are not multiplied in, as
/// in the published code.
///
/// # Errors
///
/// When selection or weights are not the spec's, a site would be left without units, or logits that come
/// straight from units would be dropped.
pub fn slice(spec: &Spec, state: &State, selection: &Selection) -> Result<(Spec, State), Error> {
    state.check(spec)?;
    let cut = Cut::new(spec, selection)?;
    let state = cut.state(state, selection)?;
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
        if let Some(unit) = factors.iter().position(|factor| !factor.is_finite()) {
            return Err(Error::NotFinite { what: "the mask factor", unit, value: factors[unit] });
        }
    }
    state.check(spec)?;
    let cut = Cut::new(spec, selection)?;
    let mut state = cut.state(state, selection)?;
    cut.fold(&mut state, factors)?;
    Ok((cut.spec, state))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        image, logits, ones, random_bits, random_selection, random_spec, random_state, rng, with_whole_sums,
    };
    use super::*;
    use crate::spec::{Architecture, Conv, Join, Residual, SiteKind, Stage};
    use fixedbitset::FixedBitSet;
    use proptest::prelude::*;
    use rand::RngExt;

    fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
        let largest = expected.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= tolerance * largest, "{found:?} {expected:?}");
        }
    }

    /// 1 for every unit of every site that stays, 0 for the others.
    fn zeroed(selection: &Selection) -> Vec<Vec<f32>> {
        let row = |kept: &FixedBitSet| {
            (0..kept.len()).map(|unit| f32::from(u8::from(kept.contains(unit)))).collect()
        };
        selection.sites.iter().map(row).collect()
    }

    /// `inner` as a selection of the network `between` that `outer` leaves; both keep their sums whole.
    fn within(between: &Spec, outer: &Selection, inner: &Selection) -> Selection {
        let mut restricted = Selection::all(between).unwrap();
        let sites = between.sites().unwrap();
        for (((set, site), outer), inner) in
            restricted.sites.iter_mut().zip(&sites).zip(&outer.sites).zip(&inner.sites)
        {
            if !matches!(site.kind, SiteKind::Sum { .. }) {
                set.clear();
                let kept = outer.ones().enumerate().filter(|(_, unit)| inner.contains(*unit));
                set.extend(kept.map(|(index, _)| index));
            }
        }
        restricted
    }

    proptest! {
        #[test]
        fn keeping_everything_only_drops_the_generators(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let mut state = random_state(&mut rng, &spec);
            let (sliced, weights) = slice(&spec, &state, &Selection::all(&spec).unwrap()).unwrap();
            state.0.retain(|name, _| !name.contains("mask_generator"));
            prop_assert_eq!((sliced, weights), (spec.without_masks(), state));
        }

        /// Convolutions, sums and hidden linear layers are cut.
        #[test]
        fn a_slice_computes_what_the_network_does_with_the_other_units_zeroed(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let state = random_state(&mut rng, &spec);
            let selection = random_selection(&mut rng, &spec);
            let (sliced, weights) = slice(&spec, &state, &selection).unwrap();
            weights.check(&sliced).unwrap();
            let image = image(seed, &spec);
            let found = logits(&sliced, &weights, &ones(&sliced), &image);
            assert_close(&found, &logits(&spec, &state, &zeroed(&selection), &image), 1e-9);
        }

        #[test]
        fn a_slice_with_masked_weights_is_one_of_a_network_whose_dropped_weights_are_zero(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let state = random_state(&mut rng, &spec);
            let plain = random_selection(&mut rng, &spec);
            let (mut masked, mut zeros) = (plain.clone(), state.clone());
            for (name, array) in &mut zeros.0 {
                let can_be_masked = ["conv.weight", "conv.bias"].iter().any(|end| name.ends_with(end))
                    || name.starts_with("linear");
                if can_be_masked && rng.random_bool(0.5) {
                    let mask = random_bits(&mut rng, array.values.len(), 0.5);
                    mask.zeroes().for_each(|index| array.values[index] = 0.0);
                    masked.weights.insert(name.clone(), mask);
                }
            }
            prop_assert_eq!(slice(&spec, &state, &masked).unwrap(), slice(&spec, &zeros, &plain).unwrap());
        }

        #[test]
        fn folded_factors_are_constant_masks(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let state = random_state(&mut rng, &spec);
            let selection = random_selection(&mut rng, &spec);
            let mut masks = zeroed(&selection);
            let mut factors = Vec::new();
            for (site, mask) in spec.sites().unwrap().iter().zip(&mut masks) {
                if matches!(site.kind, SiteKind::Conv { .. }) {
                    let of_conv: Vec<f32> = mask.iter().map(|_| rng.random_range(0.0..1.0)).collect();
                    mask.iter_mut().zip(&of_conv).for_each(|(mask, factor)| *mask *= factor);
                    factors.push(of_conv);
                }
            }
            let (sliced, weights) = slice_folded(&spec, &state, &selection, &factors).unwrap();
            let image = image(seed, &spec);
            let found = logits(&sliced, &weights, &ones(&sliced), &image);
            assert_close(&found, &logits(&spec, &state, &masks, &image), 1e-5);
        }

        #[test]
        fn slicing_twice_is_slicing_once(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let state = random_state(&mut rng, &spec);
            let inner = with_whole_sums(&spec, random_selection(&mut rng, &spec));
            let outer = inner.union(&random_selection(&mut rng, &spec));
            prop_assert!(inner.is_subset(&outer));
            let once = slice(&spec, &state, &inner).unwrap();
            let (between, weights) = slice(&spec, &state, &outer).unwrap();
            let rest = within(&between, &outer, &inner);
            prop_assert_eq!(slice(&between, &weights, &rest).unwrap(), once);
        }

        #[test]
        fn the_cost_of_a_slice_counts_its_weights(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let selection = random_selection(&mut rng, &spec);
            let (sliced, weights) = slice(&spec, &random_state(&mut rng, &spec), &selection).unwrap();
            let trained = sliced.slots().unwrap().into_iter().filter(|slot| slot.role.is_trained());
            let count: usize = trained.map(|slot| weights.get(&slot.name).unwrap().values.len()).sum();
            prop_assert_eq!(module_cost(&spec, &selection).unwrap().params(), count as u64);
            let whole_sums = with_whole_sums(&spec, selection);
            let kernels = whole_sums.kernels(&spec).unwrap();
            prop_assert_eq!(module_cost(&spec, &whole_sums).unwrap().kernels, kernels as u64);
        }

        #[test]
        fn more_units_never_cost_less(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let [a, b] = [(); 2].map(|()| with_whole_sums(&spec, random_selection(&mut rng, &spec)));
            let union = a.union(&b);
            let (small, large) = (module_cost(&spec, &a).unwrap(), module_cost(&spec, &union).unwrap());
            prop_assert!(a.is_subset(&union));
            prop_assert!(small.params() <= large.params() && small.macs() <= large.macs());
            prop_assert!(small.fvcore_flops() <= large.fvcore_flops());
        }
    }

    /// Index of a site by its name.
    fn site(spec: &Spec, name: &str) -> usize {
        spec.sites().unwrap().iter().position(|site| site.name == name).unwrap()
    }

    fn keep(selection: &mut Selection, site: usize, units: &[usize]) {
        selection.sites[site].clear();
        selection.sites[site].extend(units.iter().copied());
    }

    #[test]
    fn the_stream_of_a_residual_network_is_the_union_of_both_paths() {
        let spec = Architecture::Resnet18.spec([3, 32, 32], 10, 0.125, true);
        let mut selection = Selection::all(&spec).unwrap();
        for (set, site) in selection.sites.iter_mut().zip(spec.sites().unwrap()).skip(1) {
            if matches!(site.kind, SiteKind::Conv { .. }) {
                set.remove_range(1..);
            }
        }
        keep(&mut selection, site(&spec, "residual2.conv1"), &[3]);
        keep(&mut selection, site(&spec, "residual2.shortcut"), &[5]);
        let cut = Cut::new(&spec, &selection).unwrap();
        assert_eq!(cut.streams[0], (0..8).collect::<Vec<_>>());
        assert_eq!(cut.streams[2], (0..8).collect::<Vec<_>>(), "no projection: the stem's channels go on");
        assert_eq!(cut.streams[3], [3, 5], "body and projection");
        let Stage::Residual(residual) = &cut.spec.stages[3] else { panic!("a residual") };
        assert_eq!(residual.join, Some(Join { channels: 2, body: vec![0], shortcut: vec![1] }));
    }

    /// A stem of four channels, a residual of one convolution and perhaps a projection, and two logits.
    fn residual(shortcut: Option<Conv>) -> Spec {
        let residual = Residual { body: vec![Conv::new(4)], shortcut, join: None, relu: true };
        let stages = vec![
            Stage::Conv(Conv::new(4)),
            Stage::Residual(residual),
            Stage::GlobalAvgPool,
            Stage::Linear { outputs: 2 },
        ];
        Spec { input: [1, 4, 4], init: Default::default(), stages }
    }

    fn cut_residual(spec: &Spec, body: &[usize], sum: &[usize]) -> (Vec<usize>, Residual) {
        let mut selection = Selection::all(spec).unwrap();
        keep(&mut selection, site(spec, "residual0.conv0"), body);
        keep(&mut selection, site(spec, "residual0.sum"), sum);
        let cut = Cut::new(spec, &selection).unwrap();
        let Stage::Residual(residual) = &cut.spec.stages[1] else { panic!("a residual") };
        (cut.streams[1].clone(), residual.clone())
    }

    #[test]
    fn paths_give_only_what_the_sum_keeps() {
        let (stream, residual) = cut_residual(&residual(Some(Conv::new(4))), &[0, 1, 3], &[1, 2]);
        assert_eq!(stream, [1, 2]);
        assert_eq!(residual.join, Some(Join { channels: 2, body: vec![0], shortcut: vec![0, 1] }));
        assert_eq!((residual.body[0].kernels, residual.shortcut.map(|conv| conv.kernels)), (1, Some(2)));
    }

    #[test]
    fn an_identity_shortcut_is_picked_from_only_where_the_sum_drops_channels() {
        let spec = residual(None);
        let (stream, whole) = cut_residual(&spec, &[0, 1], &[0, 1, 2, 3]);
        assert_eq!((stream.len(), whole.shortcut), (4, None));
        let (stream, picked) = cut_residual(&spec, &[0, 1, 2, 3], &[1, 2]);
        assert_eq!((stream, picked.join), (vec![1, 2], None));
        let pick = picked.shortcut.unwrap();
        assert_eq!((pick.kernels, pick.size, pick.batch_norm, pick.bias), (2, 1, false, false));
    }

    #[test]
    fn a_path_that_reaches_nothing_of_the_sum_keeps_a_kernel_of_zeros() {
        let spec = residual(None);
        let state = random_state(&mut rng(1), &spec);
        let mut selection = Selection::all(&spec).unwrap();
        keep(&mut selection, site(&spec, "residual0.conv0"), &[3]);
        keep(&mut selection, site(&spec, "residual0.sum"), &[1]);
        let (_, weights) = slice(&spec, &state, &selection).unwrap();
        assert_eq!(weights.get("residual0.conv0.bn.weight").unwrap().values, [0.0]);
        assert_eq!(weights.get("residual0.conv0.bn.bias").unwrap().values, [0.0]);
        assert_eq!(weights.get("residual0.shortcut.conv.weight").unwrap().values, [0.0, 1.0, 0.0, 0.0]);
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
        let mut selection = Selection::all(&spec).unwrap();
        selection.sites[0].remove(1);
        assert_eq!(Cut::new(&spec, &selection).unwrap().streams[2], [0, 1, 2, 3, 8, 9, 10, 11]);
    }

    #[test]
    fn hidden_linear_layers_are_cut_and_logits_are_not() {
        let spec = Architecture::Vgg16.spec([3, 32, 32], 10, 0.125, true);
        let mut selection = Selection::all(&spec).unwrap();
        let hidden = site(&spec, "linear0");
        selection.sites[hidden].remove_range(3..);
        let sliced = slice_spec(&spec, &selection).unwrap();
        let outputs =
            |stage: &Stage| if let Stage::Linear { outputs } = stage { Some(*outputs) } else { None };
        let found: Vec<usize> = sliced.stages.iter().filter_map(outputs).collect();
        let expected: Vec<usize> = spec.stages.iter().filter_map(outputs).collect();
        assert_eq!(found, [&[3], &expected[1..]].concat()[..]);
    }

    #[test]
    fn a_selection_that_does_not_fit_is_refused_with_the_reason() {
        let spec = Architecture::Tiny.spec([1, 16, 16], 10, 0.25, true);
        let mut selection = Selection::all(&spec).unwrap();
        selection.sites[2].clear();
        assert!(matches!(slice_spec(&spec, &selection), Err(Error::NothingKept(name)) if name == "conv2"));
        let sites = selection.sites.len();
        selection.sites.pop();
        let error = slice_spec(&spec, &selection).unwrap_err().to_string();
        assert!(error.contains(&format!("has {} entries where {sites} are needed", sites - 1)), "{error}");
    }

    #[test]
    fn logits_that_come_from_kernels_are_not_dropped() {
        let stages = vec![Stage::Conv(Conv::new(3)), Stage::GlobalAvgPool];
        let spec = Spec { input: [1, 4, 4], init: Default::default(), stages };
        let mut selection = Selection::all(&spec).unwrap();
        assert_eq!(slice_spec(&spec, &selection).unwrap(), spec);
        selection.sites[0].remove(1);
        let error = slice_spec(&spec, &selection).unwrap_err();
        assert!(matches!(error, Error::LogitsDropped { dropped: 1, outputs: 3 }), "{error}");
    }
}
