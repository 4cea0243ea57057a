//! Several passes, given masks, frozen layers, and inputs that do not fit.

use super::super::GivenMask;
use super::*;

/// Masks, joins, pools behind sums, dropout; convolutions with and without generators.
fn stages() -> Vec<Stage> {
    let end = Conv { relu: false, ..masked(4) };
    vec![
        conv(Conv::new(4)),
        Stage::Residual(residual(&[masked(5), end])),
        pool(2),
        conv(Conv::new(6)),
        conv(masked(5)),
        Stage::Flatten,
        linear(7),
        Stage::Relu,
        dropout(0.3),
        linear(3),
    ]
}

fn trial(watch: Watch) -> Trial {
    Trial::watching(watch, [2, 6, 5], 4, stages())
}

/// Rows of zeros and ones for these sites of a trial, taken by these samples.
fn given(trial: &Trial, sites: &[usize], samples: &[bool]) -> PassMasks {
    let mut noise = Noise(5);
    let all = trial.spec.sites().unwrap();
    let mask = |site: &usize| {
        let count = trial.batch * all[*site].units;
        let values = (0..count).map(|_| if noise.draw() < 0.6 { 1.0 } else { 0.0 }).collect();
        GivenMask { site: *site, values }
    };
    PassMasks { given: sites.iter().map(mask).collect(), samples: samples.to_vec(), gradient: true }
}

#[test]
fn given_masks_match_float64_with_and_without_generators() {
    for watch in [Watch::Masks, Watch::All] {
        for samples in [&[][..], &[true, false, true, false]] {
            let mut trial = trial(watch);
            // The first convolution, an inner and an ending one of the sum, one without generator, one with.
            trial.masks = given(&trial, &[0, 1, 2, 4, 5], samples);
            trial.check();
        }
    }
}

#[test]
fn masks_that_only_some_sites_are_given_leave_the_generators_of_others_at_work() {
    let mut trial = trial(Watch::All);
    trial.masks = PassMasks { gradient: false, ..given(&trial, &[2, 4], &[]) };
    trial.check();
}

#[test]
fn what_a_given_mask_makes_zero_is_skipped_with_the_same_result() {
    let stages = vec![conv(Conv::new(40)), conv(Conv::new(40)), conv(masked(24)), Stage::Flatten, linear(3)];
    let mut trial = Trial::watching(Watch::All, [3, 8, 8], 14, stages);
    let kept = |unit: usize| if unit % 8 == 3 { 1.0 } else { 0.0 };
    let values = (0..14 * 40).map(|index| kept(index % 40)).collect();
    trial.masks = PassMasks { given: vec![GivenMask { site: 0, values }], ..PassMasks::default() };
    trial.check_to(1e-3);
}

fn frozen(mut trial: Trial, prefixes: &[&str]) -> Trial {
    let slots = trial.spec.slots().unwrap();
    let under = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    trial.frozen = slots.iter().map(|slot| under(&slot.name)).collect();
    assert!(trial.frozen.contains(&true));
    trial
}

#[test]
fn frozen_layers_match_float64_and_get_no_gradient() {
    let cases: [&[&str]; 7] = [
        &["conv0."],
        &["conv0.", "residual0."],
        &["conv1.bn."],
        &["conv2.mask_generator.", "residual0.conv1.mask_generator."],
        &["residual0.conv0.conv.", "residual0.conv0.bn.", "linear0."],
        &["conv", "residual0.conv1.", "linear"],
        &["linear1.bias", "conv1.conv.weight", "conv2.bn.weight"],
    ];
    for prefixes in cases {
        for watch in [Watch::Masks, Watch::All] {
            frozen(trial(watch), prefixes).check();
        }
    }
}

#[test]
fn a_frozen_network_gives_the_gradient_of_given_masks_alone() {
    let mut trial = frozen(trial(Watch::All), &["conv", "residual", "linear"]);
    trial.masks = given(&trial, &[1, 4], &[true, true, false, true]);
    trial.check();
    let mut engine = trial.engine(2);
    let (_, tape) = trial.train(&mut engine);
    let upstream = trial.upstream();
    let backward = engine.backward(tape, &upstream.outputs, &upstream.observed());
    let units = trial.spec.sites().unwrap()[4].units;
    assert!(backward.given[1][2 * units..3 * units].iter().all(|gradient| *gradient == 0.0));
    assert!(backward.given[1][..units].iter().any(|gradient| *gradient != 0.0));
}

/// A pass and its backward pass, on an engine of its own.
fn alone(trial: &Trial) -> (Vec<f32>, Vec<Vec<f32>>) {
    let mut engine = trial.engine(2);
    let (outcome, tape) = trial.train(&mut engine);
    let upstream = trial.upstream();
    (outcome.outputs, engine.backward(tape, &upstream.outputs, &upstream.observed()).gradients)
}

#[test]
fn passes_that_are_alive_together_give_what_each_gives_alone() {
    let first = trial(Watch::All);
    let mut second = trial(Watch::All);
    second.images.iter_mut().for_each(|x| *x = 0.5 - *x);
    second.masks = given(&second, &[1, 4], &[true, false, false, true]);
    let mut engine = first.engine(2);
    let (upstream, trials) = (first.upstream(), [&first, &second]);
    for backward_order in [[0, 1], [1, 0]] {
        let mut passes = trials.map(|trial| Some(trial.train(&mut engine)));
        // A larger batch in between, without gradients.
        let images = [&first.images[..], &second.images, &first.images, &second.images].concat();
        let masks = PassMasks::default();
        engine.evaluate(&Batch { images: &images, samples: 16, masks: &masks }, &first.slices());
        for at in backward_order {
            let (outcome, tape) = passes[at].take().unwrap();
            let backward = engine.backward(tape, &upstream.outputs, &upstream.observed());
            assert_eq!((outcome.outputs, backward.gradients.clone()), alone(trials[at]));
            engine.recycle(backward.gradients);
        }
    }
}

#[test]
fn a_backward_pass_uses_the_weights_of_its_forward_pass() {
    let first = trial(Watch::All);
    let mut moved = trial(Watch::All);
    moved.parameters.iter_mut().flatten().for_each(|x| *x *= 0.9);
    let mut engine = first.engine(2);
    let (outcome, tape) = first.train(&mut engine);
    engine.forget_weights();
    drop(moved.train(&mut engine));
    let upstream = first.upstream();
    let backward = engine.backward(tape, &upstream.outputs, &upstream.observed());
    assert_eq!((outcome.outputs, backward.gradients), alone(&first));
}

#[test]
fn imposed_masks_take_the_place_of_the_generators() {
    let stages = vec![conv(Conv::new(3)), conv(masked(4)), Stage::GlobalAvgPool, linear(2)];
    let trial = Trial::new([1, 4, 4], 2, stages);
    let mut engine = trial.engine(1);
    engine.impose(vec![vec![0.5, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0, 1.0]]);
    assert_eq!(trial.train(&mut engine).0.observed[0], [0.5, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
#[should_panic(expected = "4 images of 2x6x5 (channels, height, width) are not 239 values")]
fn images_of_another_shape_are_refused() {
    let mut trial = trial(Watch::Masks);
    trial.images.pop();
    trial.evaluate(&mut trial.engine(1));
}

#[test]
#[should_panic(expected = "the parameters are not those of the plan")]
fn parameters_of_another_network_are_refused() {
    let mut trial = trial(Watch::Masks);
    trial.parameters[1].push(0.0);
    trial.train(&mut trial.engine(1));
}

#[test]
#[should_panic(expected = "values of the mask given at residual0.conv0")]
fn masks_of_another_size_are_refused() {
    let mut trial = trial(Watch::Masks);
    trial.masks = given(&trial, &[1], &[]);
    trial.masks.given[0].values.pop();
    trial.evaluate(&mut trial.engine(1));
}

#[test]
#[should_panic(expected = "a mask is given at site 3, which is no convolution")]
fn masks_at_a_sum_are_refused() {
    let mut trial = trial(Watch::Masks);
    trial.masks = given(&trial, &[3], &[]);
    trial.evaluate(&mut trial.engine(1));
}

#[test]
#[should_panic(expected = "the number of values in the gradient of the outputs")]
fn gradients_of_another_batch_are_refused() {
    let trial = trial(Watch::Masks);
    let mut engine = trial.engine(1);
    let (_, tape) = trial.train(&mut engine);
    engine.backward(tape, &[0.0; 3], &[None; 3]);
}

#[test]
#[should_panic(expected = "the gradient of observed site 1 does not have 16 values")]
fn gradients_of_other_masks_are_refused() {
    let trial = trial(Watch::Masks);
    let mut engine = trial.engine(1);
    let (_, tape) = trial.train(&mut engine);
    engine.backward(tape, &[0.0; 12], &[None, Some(&[0.0; 15]), None]);
}
