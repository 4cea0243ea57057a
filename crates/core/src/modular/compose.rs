//! Networks side by side as one network.

use super::Error;
use crate::spec::{Array, Conv, Spec, Stage, State};

/// One network that gives the logits of all `parts` one after the other. Each is a branch of a
/// [`Stage::Parallel`], whose layers keep their weights and are numbered through.
///
/// # Errors
///
/// When there is no part, weights are not their spec's, or the parts read images of different shapes.
pub fn side_by_side(parts: &[(Spec, State)]) -> Result<(Spec, State), Error> {
    let Some((first, _)) = parts.first() else { return Err(Error::NoClasses) };
    for (spec, state) in parts {
        state.check(spec)?;
        if spec.input != first.input {
            return Err(Error::Inputs { first: first.input, other: spec.input });
        }
    }
    let branches = parts.iter().map(|(spec, _)| spec.stages.clone()).collect();
    let joined = Spec { stages: vec![Stage::Parallel { branches }], ..first.clone() };
    let mut names = joined.layers()?.into_iter().map(|layer| layer.name);
    let mut state = State::default();
    for (spec, weights) in parts {
        for layer in spec.layers()? {
            let name = names.next().unwrap_or_default();
            state.0.extend(arrays_of(weights, &layer.name, &name));
        }
    }
    Ok((joined, state))
}

/// The network for images that were normalised with other constants. Exact: a 1x1 convolution, which has no
/// padding, turns `(pixel - mean) / std` with `given` into the same with `wanted`, channel by channel. Each pair
/// is (means, deviations).
///
/// # Errors
///
/// When the weights are not the spec's.
pub fn rescaled_input(
    spec: &Spec,
    state: &State,
    given: (&[f32], &[f32]),
    wanted: (&[f32], &[f32]),
) -> Result<(Spec, State), Error> {
    state.check(spec)?;
    let channels = spec.input[0];
    let adapter = Conv { size: 1, batch_norm: false, relu: false, masked: false, ..Conv::new(channels) };
    let mut longer = spec.clone();
    longer.stages.insert(0, Stage::Conv(adapter));
    let layers = longer.layers()?;
    let mut weights = State::default();
    for (old, new) in spec.layers()?.iter().zip(&layers[1..]) {
        weights.0.extend(arrays_of(state, &old.name, &new.name));
    }
    let mut factors = Array::filled(&[channels, channels, 1, 1], 0.0);
    let mut shift = Array::filled(&[channels], 0.0);
    for channel in 0..channels {
        factors.values[channel * channels + channel] = given.1[channel] / wanted.1[channel];
        shift.values[channel] = (given.0[channel] - wanted.0[channel]) / wanted.1[channel];
    }
    let name = &layers[0].name;
    weights.0.extend([(format!("{name}.conv.weight"), factors), (format!("{name}.conv.bias"), shift)]);
    Ok((longer, weights))
}

/// The arrays of a layer, under another name of that layer.
fn arrays_of<'a>(state: &'a State, old: &'a str, new: &'a str) -> impl Iterator<Item = (String, Array)> + 'a {
    state.0.iter().filter_map(move |(name, array)| {
        let rest = name.strip_prefix(old).filter(|rest| rest.starts_with('.'))?;
        Some((format!("{new}{rest}"), array.clone()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::RngExt;

    use super::super::testing::{image, logits, ones, random_spec, random_state, rng};
    use super::*;
    use crate::spec::Cost;

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-4 * b.abs().max(1.0), "{found:?} {expected:?}");
        }
    }

    proptest! {
        #[test]
        fn side_by_side_each_network_computes_what_it_did_alone_at_the_same_cost(seed: u64) {
            let mut rng = rng(seed);
            let first = random_spec(&mut rng);
            let second = loop {
                let spec = random_spec(&mut rng);
                if spec.input == first.input { break spec; }
            };
            let parts = [first, second].map(|spec| { let state = random_state(&mut rng, &spec); (spec, state) });
            let (joined, weights) = side_by_side(&parts).unwrap();
            weights.check(&joined).unwrap();
            let image = image(seed, &joined);
            let alone = parts.iter().flat_map(|(spec, state)| logits(spec, state, &ones(spec), &image));
            assert_close(&logits(&joined, &weights, &ones(&joined), &image), &alone.collect::<Vec<_>>());
            let cost = |spec: &Spec| Cost::of(spec).unwrap();
            let (a, b, both) = (cost(&parts[0].0), cost(&parts[1].0), cost(&joined));
            prop_assert_eq!(both.params(), a.params() + b.params());
            prop_assert_eq!(both.fvcore_flops(), a.fvcore_flops() + b.fvcore_flops());
        }

        #[test]
        fn other_normalisation_makes_no_difference_to_the_logits(seed: u64) {
            let mut rng = rng(seed);
            let spec = random_spec(&mut rng);
            let state = random_state(&mut rng, &spec);
            let [channels, height, width] = spec.input;
            let mut draw = || (0..channels).map(|_| rng.random_range(0.2..0.8f32)).collect::<Vec<f32>>();
            let (given, wanted) = ((draw(), draw()), (draw(), draw()));
            let (longer, weights) =
                rescaled_input(&spec, &state, (&given.0, &given.1), (&wanted.0, &wanted.1)).unwrap();
            weights.check(&longer).unwrap();
            let pixel = |i: usize| ((i * 37) % 11) as f64 / 11.0;
            let normalised = |constants: &(Vec<f32>, Vec<f32>)| -> Vec<Vec<f64>> {
                (0..channels)
                    .map(|c| (0..height * width).map(|i| (pixel(i + c) - f64::from(constants.0[c])) / f64::from(constants.1[c])).collect())
                    .collect()
            };
            let found = logits(&longer, &weights, &ones(&longer), &normalised(&given));
            let expected = logits(&spec, &state, &ones(&spec), &normalised(&wanted));
            let largest = expected.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
            for (a, b) in found.iter().zip(&expected) {
                prop_assert!((a - b).abs() < 1e-3 * largest, "{:?} {:?}", found, expected);
            }
        }
    }

    #[test]
    fn networks_of_different_images_are_not_put_side_by_side() {
        let network = |side| {
            let stages = vec![Stage::Conv(Conv::new(2)), Stage::Flatten, Stage::Linear { outputs: 2 }];
            let spec = Spec { input: [1, side, side], init: Default::default(), stages };
            (spec.clone(), State::init(&spec, 0).unwrap())
        };
        let error = side_by_side(&[network(4), network(5)]).unwrap_err();
        assert!(matches!(error, Error::Inputs { first: [1, 4, 4], other: [1, 5, 5] }), "{error}");
    }
}
