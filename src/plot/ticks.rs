//! Where the ticks of an axis stand and what is written beside them.

use super::scale::{Axis, Scale};

/// What the numbers of an axis are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// A plain number.
    #[default]
    Number,
    /// A share: 0.5 is written 50%.
    Percent,
    /// A whole number: no ticks between them.
    Count,
    /// Seconds, written as 30s, 5m, 1h30m or 2d.
    Seconds,
}

/// A number with its text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub value: f64,
    pub label: String,
}

const STEPS_OF_TIME: [f64; 20] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0,
    21600.0, 43200.0, 86400.0, 172_800.0, 604_800.0,
];

/// At most `most` ticks of an axis at round numbers, in order.
pub(super) fn ticks(axis: &Axis, unit: Unit, most: usize) -> Vec<Tick> {
    if most == 0 {
        return Vec::new();
    }
    let decades = match axis.scale {
        Scale::Log => decades(axis, most),
        Scale::Linear => Vec::new(),
    };
    if decades.len() >= 2 || most == 1 && !decades.is_empty() {
        let label = |value: f64| round(value, value, value, unit);
        return decades.into_iter().map(|value| Tick { value, label: label(value) }).collect();
    }
    let step = step(axis, unit, most);
    let (first, last) = ((axis.low / step).ceil(), (axis.high / step).floor());
    let count = (last - first + 1.0).clamp(0.0, most as f64) as usize;
    let value = |index: usize| (first + index as f64) * step;
    let values = (0..count).map(value).filter(|value| axis.scale.holds(*value) || *value == 0.0);
    let values: Vec<f64> = values.collect();
    let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    values.into_iter().map(|value| Tick { value, label: round(value, step, largest, unit) }).collect()
}

/// Powers of ten, at most `most`; with their doubles and fivefolds where there is room.
fn decades(axis: &Axis, most: usize) -> Vec<f64> {
    let (low, high) = (axis.low.log10().ceil() as i64, axis.high.log10().floor() as i64);
    let every = ((high - low + 1).max(1) as usize).div_ceil(most) as i64;
    let start = low + (-low).rem_euclid(every);
    let powers = (start..=high).step_by(every as usize);
    let tens: Vec<f64> = powers.map(|power| 10f64.powi(power as i32)).collect();
    let finer: Vec<f64> = (low - 1..=high)
        .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power as i32)))
        .filter(|value| (axis.low..=axis.high).contains(value))
        .collect();
    if finer.len() <= most { finer } else { tens }
}

/// The smallest round step with at most `most` ticks.
fn step(axis: &Axis, unit: Unit, most: usize) -> f64 {
    let fits = |step: &f64| (axis.high / step).floor() - (axis.low / step).ceil() < most as f64;
    let length = axis.high - axis.low;
    if unit == Unit::Seconds && length >= 5.0 {
        if let Some(step) = STEPS_OF_TIME.into_iter().find(|step| fits(step)) {
            return step;
        }
        let days = Axis { low: axis.low / 86400.0, high: axis.high / 86400.0, ..*axis };
        return step_of_tens(&days, most, 1.0) * 86400.0;
    }
    step_of_tens(axis, most, if unit == Unit::Count { 1.0 } else { 0.0 })
}

/// The smallest of 1, 2 or 5 times a power of ten, not below `least`, with at most `most` ticks.
fn step_of_tens(axis: &Axis, most: usize, least: f64) -> f64 {
    let fits = |step: f64| (axis.high / step).floor() - (axis.low / step).ceil() < most as f64;
    let length = (axis.high - axis.low).max(f64::MIN_POSITIVE);
    let start = (length / (most as f64 + 1.0)).log10().floor() as i32 - 1;
    let steps = (0..6).flat_map(|up| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(start + up)));
    steps.into_iter().find(|step| *step >= least && fits(*step)).unwrap_or(length.max(least))
}

/// A number to the precision of `step`, in the notation that suits the largest number beside it.
fn round(value: f64, step: f64, largest: f64, unit: Unit) -> String {
    match unit {
        Unit::Percent => format!("{}%", plain(value * 100.0, step * 100.0, largest * 100.0)),
        Unit::Seconds if step >= 1.0 => duration(value, 4),
        Unit::Seconds => format!("{}s", plain(value, step, largest)),
        Unit::Number | Unit::Count => plain(value, step, largest),
    }
}

fn plain(value: f64, step: f64, largest: f64) -> String {
    let (step, largest) = (step.abs(), largest.abs().max(step.abs()));
    // A product such as 3 * 0.1 - 0.3 is not zero; beside its step it is.
    if value.abs() < step * 1e-6 || value == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e15).contains(&largest) {
        return exponent(value, step);
    }
    let sizes = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let suits = |size: f64| largest >= (10.0 * size).max(1e4) || largest >= size && size > 1e3;
    match sizes.into_iter().find(|(size, _)| suits(*size) && step >= size / 1000.0) {
        Some((size, suffix)) => decimals(value / size, step / size) + suffix,
        None => decimals(value, step),
    }
}

/// As many decimals as the step needs.
fn decimals(value: f64, step: f64) -> String {
    let digits = (-step.log10() - 1e-9).ceil().clamp(0.0, 12.0) as usize;
    let digits = (digits..digits + 3).find(|d| is_whole(step * 10f64.powi(*d as i32))).unwrap_or(digits);
    format!("{value:.digits$}")
}

fn is_whole(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6 * value.abs().max(1.0)
}

fn exponent(value: f64, step: f64) -> String {
    let digits = (value.abs().log10().floor() - step.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{value:.digits$e}")
}

/// Seconds as days, hours, minutes and seconds: the first `most` of them, without those that are zero.
fn duration(seconds: f64, most: usize) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let total = seconds.abs().round();
    if total >= 1e15 {
        return format!("{sign}{:.2e}d", total / 86400.0);
    }
    let total = total as u64;
    let parts = [(total / 86400, "d"), (total / 3600 % 24, "h"), (total / 60 % 60, "m"), (total % 60, "s")];
    let Some(first) = parts.iter().position(|(count, _)| *count > 0) else { return "0".into() };
    let shown = parts[first..].iter().take(most).filter(|(count, _)| *count > 0);
    shown.fold(sign.to_owned(), |text, (count, unit)| format!("{text}{count}{unit}"))
}

/// A single number to four digits, for read-outs.
pub(super) fn readout(value: f64, unit: Unit) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    match unit {
        Unit::Percent => format!("{:.1}%", value * 100.0),
        Unit::Seconds => duration(value, 2),
        Unit::Count if value.abs() < 1e15 => count(value),
        Unit::Number | Unit::Count => significant(value),
    }
}

/// With a comma between thousands: `1,234,567`.
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Thousands apart, with decimals only where the number is not whole.
fn count(value: f64) -> String {
    // Below 1e15, as the only caller sees to.
    let mut text = grouped(value.abs().trunc() as u64);
    let rest = value.abs().fract();
    if (0.005..0.995).contains(&rest) {
        text.push_str(&format!("{rest:.2}")[1..]);
    }
    if value <= -0.005 { format!("-{text}") } else { text }
}

fn significant(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".into();
    }
    if !(1e-3..1e6).contains(&size) {
        return format!("{value:.2e}");
    }
    let digits = (3.0 - size.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{value:.digits$}")
}

/// A single number in few columns: 0.42 as .42, shares as whole per cent without the sign.
pub(super) fn tight(value: f64, unit: Unit) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    match unit {
        Unit::Percent => format!("{:.0}", value * 100.0),
        Unit::Number if value.abs() < 1.0 => {
            let text = format!("{value:.2}");
            match text.as_str() {
                "0.00" | "-0.00" => "0".into(),
                "1.00" | "-1.00" => text.replace(".00", ""),
                _ => text.replacen("0.", ".", 1),
            }
        }
        Unit::Number | Unit::Count => plain(value, if value.fract() == 0.0 { 1.0 } else { 0.1 }, value),
        Unit::Seconds => duration(value, 2),
    }
}
