//! Formatting of numbers, the same in every table and report.

/// A fraction as a percentage with two decimals.
pub fn percent(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}

/// As [`percent`], or a dash.
pub fn percent_or_dash(fraction: Option<f64>) -> String {
    fraction.map_or_else(|| "-".into(), percent)
}

/// A fraction as a percentage with one decimal, for narrow columns.
pub fn share(fraction: f64) -> String {
    format!("{:.1} %", 100.0 * fraction)
}

/// As [`share`], or a dash.
pub fn share_or_dash(fraction: Option<f64>) -> String {
    fraction.map_or_else(|| "-".into(), share)
}

/// A similarity or rate with three decimals, or a dash.
pub fn ratio_or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.3}"))
}

/// A count in thousands, millions or billions.
pub fn count(n: u64) -> String {
    let scaled = |unit: u64, name: &str| format!("{:.2} {name}", n as f64 / unit as f64);
    match n {
        0..10_000 => n.to_string(),
        10_000..1_000_000 => scaled(1_000, "k"),
        1_000_000..1_000_000_000 => scaled(1_000_000, "M"),
        _ => scaled(1_000_000_000, "G"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_say_their_unit() {
        assert_eq!(count(9_999), "9999");
        assert_eq!(count(15_253_578), "15.25 M");
        assert_eq!((percent(0.17283), share(0.17283)), ("17.28 %".into(), "17.3 %".into()));
    }
}
