use proptest::prelude::*;

use crate::plot::{Curve, Ema, History};

fn all(history: &History) -> Vec<(f64, f64)> {
    history.points(f64::NEG_INFINITY, f64::INFINITY).collect()
}

#[test]
fn a_short_series_is_kept_as_it_came() {
    let points: Vec<(f64, f64)> = (0..4000).map(|i| (f64::from(i), f64::from(i * 7 % 31))).collect();
    assert_eq!(all(&History::of(points.iter().copied())), points);
}

#[test]
fn a_million_points_take_no_more_memory_than_ten_thousand() {
    let mut history = History::new();
    (0..1_000_000).for_each(|i| history.push(f64::from(i), f64::from(i % 1000)));
    assert_eq!(history.len(), 1_000_000);
    assert!(all(&history).len() <= 2 * 4096 + 512);
    assert_eq!(history.extent(), Some((0.0, 999_999.0)));
}

#[test]
fn the_first_and_newest_points_of_a_long_series_are_exact() {
    let mut history = History::new();
    (0..1_000_000).for_each(|i| history.push(f64::from(i), (f64::from(i) * 0.37).sin()));
    for x in [0.0, 77.0, 511.0, 995_905.0, 999_999.0] {
        assert_eq!(history.nearest(x), Some((x, (x * 0.37).sin())));
    }
    assert_eq!(all(&history).last(), Some(&(999_999.0, (999_999.0_f64 * 0.37).sin())));
    let tail: Vec<f64> = history.points(999_000.0, 999_100.0).map(|point| point.0).collect();
    assert_eq!(tail.len(), 103);
}

#[test]
fn a_value_that_is_not_finite_is_a_gap() {
    let history = History::of([(0.0, 1.0), (1.0, f64::NAN), (2.0, f64::NEG_INFINITY), (3.0, 2.0)]);
    let points = all(&history);
    assert_eq!(points.iter().filter(|point| point.1.is_nan()).count(), 2);
    assert_eq!((history.lowest(), history.highest()), (Some((0.0, 1.0)), Some((3.0, 2.0))));
    assert_eq!(history.last(), Some((3.0, 2.0)));
}

#[test]
fn a_gap_is_still_one_after_many_points() {
    let mut history = History::new();
    (0..100_000).for_each(|i| history.push(f64::from(i), if i == 50_000 { f64::NAN } else { 1.0 }));
    assert!(all(&history).iter().any(|point| point.1.is_nan()));
}

#[test]
fn a_point_that_goes_back_is_left_out() {
    let history = History::of([(0.0, 1.0), (5.0, 2.0), (3.0, 9.0), (f64::NAN, 9.0), (5.0, 4.0)]);
    assert_eq!(all(&history), [(0.0, 1.0), (5.0, 2.0), (5.0, 4.0)]);
}

#[test]
fn smoothing_follows_the_debiased_formula() {
    let (weight, values) = (0.6, [1.0, 0.0, 3.0]);
    let mut ema = Ema::new(weight);
    let smoothed: Vec<f64> = values.iter().map(|value| ema.next(*value)).collect();
    // s1 = 0.4, s2 = 0.24, s3 = 1.344, divided by 1 - 0.6^t.
    let expected = [1.0, 0.24 / 0.64, 1.344 / 0.784];
    for (got, wanted) in smoothed.iter().zip(expected) {
        assert!((got - wanted).abs() < 1e-12, "{got} is not {wanted}");
    }
}

#[test]
fn a_gap_does_not_disturb_smoothing() {
    let mut with = Ema::new(0.9);
    let mut without = Ema::new(0.9);
    assert_eq!(with.next(1.0), without.next(1.0));
    assert!(with.next(f64::NAN).is_nan());
    assert_eq!(with.next(2.0), without.next(2.0));
}

#[test]
fn weight_zero_smooths_nothing() {
    let mut curve = Curve::new(0.0);
    (0..100).for_each(|i| curve.push(f64::from(i), f64::from(i * i % 17)));
    assert_eq!(all(curve.raw()), all(curve.smooth()));
}

#[test]
fn a_new_weight_gives_what_it_would_have_given_from_the_start() {
    let value = |i: i32| (f64::from(i), (f64::from(i) * 0.1).sin() + f64::from(i % 5));
    let (mut changed, mut steady) = (Curve::new(0.2), Curve::new(0.9));
    for (x, y) in (0..3000).map(value) {
        changed.push(x, y);
        steady.push(x, y);
    }
    changed.set_weight(0.9);
    assert_eq!(all(changed.smooth()), all(steady.smooth()));
    changed.push(3000.0, 1.0);
    steady.push(3000.0, 1.0);
    assert_eq!(changed.smooth().last(), steady.smooth().last());
}

#[test]
fn a_new_weight_for_a_long_series_ends_close_to_the_exact_value() {
    let value = |i: i32| (f64::from(i), (f64::from(i) * 1e-4).sin());
    let (mut changed, mut steady) = (Curve::new(0.0), Curve::new(0.99));
    for (x, y) in (0..50_000).map(value) {
        changed.push(x, y);
        steady.push(x, y);
    }
    changed.set_weight(0.99);
    let (got, wanted) = (changed.smooth().last().unwrap().1, steady.smooth().last().unwrap().1);
    assert!((got - wanted).abs() < 1e-6, "{got} is not {wanted}");
}

proptest! {
    #[test]
    fn no_spike_vanishes(
        values in prop::collection::vec(-1e6f64..1e6, 1..300),
        repeats in 1usize..100,
        from in 0.0f64..1.0,
        width in 0.0f64..1.0,
    ) {
        let series: Vec<(f64, f64)> =
            values.iter().cycle().take(values.len() * repeats).enumerate().map(|(i, y)| (i as f64, *y)).collect();
        let history = History::of(series.iter().copied());
        let length = series.len() as f64;
        let (from, to) = (from * length, (from + width) * length);
        let kept: Vec<(f64, f64)> = history.points(from, to).collect();
        // What is drawn was measured, in order, and holds the extremes of the window.
        prop_assert!(kept.iter().all(|point| series[point.0 as usize] == *point));
        prop_assert!(kept.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        let seen = series.iter().filter(|point| (from..=to).contains(&point.0)).map(|point| point.1);
        let (low, high) = seen.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), y| (l.min(y), h.max(y)));
        prop_assert!(kept.iter().map(|point| point.1).fold(f64::INFINITY, f64::min) <= low);
        prop_assert!(kept.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max) >= high);
    }
}
