//! Formatting of numbers.

pub use crate::plot::grouped;

/// A duration in its two largest units: `45s`, `3m20s`, `1h02m`, `2d5h`.
pub fn span(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".into();
    }
    // The cast saturates.
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{}h", grouped(seconds / 86_400), seconds / 3600 % 24),
    }
}

/// A fraction as a percentage with one decimal: `97.2%`.
pub fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// An amount of memory: `512 MB`, `3.1 GB`.
pub fn bytes(amount: u64) -> String {
    match amount as f64 {
        amount if amount >= 1e9 => format!("{:.1} GB", amount / 1e9),
        amount => format!("{:.0} MB", amount / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_readable() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.4, 200.0, 3_725.0, 190_000.0, -1.0].map(span), ["0s", "3m20s", "1h02m", "2d4h", "?"]);
        assert_eq!(
            (percent(0.9716), bytes(512_000_000), bytes(3_100_000_000)),
            ("97.2%".into(), "512 MB".into(), "3.1 GB".into())
        );
    }
}
