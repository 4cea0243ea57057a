//! Networks whose convolutions train in the Winograd domain, against float64.

use super::super::{Planned, shapes};
use super::*;

/// Masks, batch norm, pools and sums around convolutions of 24, 32 and 48 kernels.
fn stages() -> Vec<Stage> {
    let end = Conv { relu: false, bias: false, ..masked(48) };
    let join = Some(Join { channels: 56, body: (0..48).collect(), shortcut: (8..56).collect() });
    vec![
        conv(Conv::new(24)),
        conv(masked(32)),
        conv(Conv { bias: false, ..masked(48) }),
        Stage::Residual(residual(&[masked(48), end.clone()])),
        pool(2),
        Stage::Residual(Residual { join, ..residual(&[masked(48), end]) }),
        Stage::GlobalAvgPool,
        linear(5),
    ]
}

/// Numbers of the convolutions that are not computed plainly.
fn in_winograd_domain(trial: &Trial) -> Vec<usize> {
    let planned = Planned::for_batch(trial.batch, true);
    let heavy = |(_, shape): &(usize, _)| !planned.is_light(shape);
    shapes(&trial.plan, planned.batch).into_iter().filter(heavy).map(|(weight, _)| weight).collect()
}

#[test]
fn few_large_images_train_in_the_winograd_domain_as_in_float64() {
    let trial = Trial::new([3, 20, 20], 4, stages());
    assert!(in_winograd_domain(&trial).len() >= 3, "the widest convolutions are not plain");
    trial.check_to(1e-3);
}

#[test]
fn a_batch_of_16_trains_in_the_winograd_domain_as_in_float64() {
    let trial = Trial::new([3, 12, 12], 16, stages());
    assert!(in_winograd_domain(&trial).len() >= 3, "the wider convolutions are not plain");
    trial.check_to(1e-3);
}

#[test]
fn a_batch_of_128_trains_in_the_winograd_domain_as_in_float64() {
    let stages = vec![
        conv(Conv::new(8)),
        pool(2),
        conv(Conv { bias: false, ..masked(48) }),
        conv(masked(48)),
        Stage::GlobalAvgPool,
        linear(3),
    ];
    let trial = Trial::new([3, 24, 24], 128, stages);
    assert!(!in_winograd_domain(&trial).is_empty(), "the widest convolution is not plain");
    trial.check_to(1e-3);
}
