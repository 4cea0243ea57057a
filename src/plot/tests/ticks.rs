use proptest::prelude::*;

use crate::plot::scale::{Axis, Scale};
use crate::plot::ticks::{Unit, readout, ticks};

fn labels(scale: Scale, low: f64, high: f64, unit: Unit, most: usize) -> Vec<String> {
    ticks(&Axis { scale, low, high }, unit, most).into_iter().map(|tick| tick.label).collect()
}

#[test]
fn ticks_stand_at_round_numbers() {
    assert_eq!(labels(Scale::Linear, 0.0, 1.0, Unit::Number, 6), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    assert_eq!(labels(Scale::Linear, -0.31, 0.29, Unit::Number, 4), ["-0.2", "0", "0.2"]);
    assert_eq!(labels(Scale::Linear, 0.12, 0.97, Unit::Percent, 5), ["20%", "40%", "60%", "80%"]);
    assert_eq!(labels(Scale::Linear, 0.0, 20_000.0, Unit::Count, 5), ["0", "5k", "10k", "15k", "20k"]);
    assert_eq!(
        labels(Scale::Linear, 1_234_000.0, 1_236_000.0, Unit::Count, 3),
        ["1.234M", "1.235M", "1.236M"]
    );
    assert_eq!(labels(Scale::Linear, 0.0, 3e-7, Unit::Number, 4), ["0", "1e-7", "2e-7", "3e-7"]);
}

#[test]
fn steps_have_no_parts() {
    assert_eq!(labels(Scale::Linear, 0.0, 2.0, Unit::Count, 10), ["0", "1", "2"]);
}

#[test]
fn times_stand_at_round_times() {
    assert_eq!(labels(Scale::Linear, 0.0, 100.0, Unit::Seconds, 5), ["0", "30s", "1m", "1m30s"]);
    assert_eq!(labels(Scale::Linear, 0.0, 20_000.0, Unit::Seconds, 4), ["0", "2h", "4h"]);
    assert_eq!(labels(Scale::Linear, 0.0, 3e5, Unit::Seconds, 4), ["0", "1d", "2d", "3d"]);
}

#[test]
fn a_logarithmic_axis_has_powers_of_ten() {
    assert_eq!(labels(Scale::Log, 1e-4, 1.0, Unit::Number, 5), ["0.0001", "0.001", "0.01", "0.1", "1"]);
    assert_eq!(labels(Scale::Log, 1e-9, 1e9, Unit::Number, 4), ["1e-5", "1", "100k"]);
    assert_eq!(labels(Scale::Log, 1.0, 10.0, Unit::Number, 4), ["1", "2", "5", "10"]);
    assert!(labels(Scale::Log, 2.1, 2.9, Unit::Number, 5).len() >= 2);
}

#[test]
fn single_numbers_are_short() {
    for (value, unit, text) in [
        (0.123_456, Unit::Number, "0.1235"),
        (12_345.6, Unit::Number, "12346"),
        (1e-7, Unit::Number, "1.00e-7"),
        (0.9123, Unit::Percent, "91.2%"),
        (1_234_567.0, Unit::Count, "1,234,567"),
        (2.5, Unit::Count, "2.50"),
        (5_425.0, Unit::Seconds, "1h30m"),
        (f64::NAN, Unit::Number, "–"),
    ] {
        assert_eq!(readout(value, unit), text);
    }
}

proptest! {
    #[test]
    fn ticks_are_in_order_within_the_axis_and_never_too_many(
        low in -1e9f64..1e9,
        length in 1e-6f64..1e9,
        most in 0usize..20,
        unit in prop::sample::select(vec![Unit::Number, Unit::Percent, Unit::Count, Unit::Seconds]),
    ) {
        let axis = Axis { scale: Scale::Linear, low, high: low + length };
        let ticks = ticks(&axis, unit, most);
        prop_assert!(ticks.len() <= most);
        prop_assert!(ticks.windows(2).all(|pair| pair[0].value < pair[1].value && pair[0].label != pair[1].label));
        let slack = length * 1e-6;
        prop_assert!(ticks.iter().all(|tick| tick.value >= low - slack && tick.value <= low + length + slack));
    }
}
