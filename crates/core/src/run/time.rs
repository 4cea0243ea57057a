//! Points in time as text.

use std::time::{Duration, SystemTime};

/// This moment as RFC 3339 in UTC, such as `2026-03-01T12:30:00.000000Z`; later moments sort after it.
pub fn now() -> String {
    humantime::format_rfc3339_micros(SystemTime::now()).to_string()
}

/// How long ago a moment in the form of [`now`] was; zero for the future, `None` for any other text.
pub fn age(moment: &str) -> Option<Duration> {
    let moment = humantime::parse_rfc3339(moment).ok()?;
    Some(moment.elapsed().unwrap_or_default())
}

/// This moment for names: `20260301-123000`.
pub(super) fn stamp() -> String {
    let text = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    text.chars().filter(|c| c.is_ascii_digit() || *c == 'T').collect::<String>().replace('T', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_has_a_date_and_a_time() {
        let stamp = stamp();
        assert_eq!((stamp.len(), stamp.find('-')), (15, Some(8)), "{stamp}");
    }

    #[test]
    fn ages_are_never_negative() {
        assert!(age(&now()).unwrap() < Duration::from_secs(60));
        assert_eq!(age("2999-01-01T00:00:00Z"), Some(Duration::ZERO));
        assert_eq!(age("yesterday"), None);
    }
}
