//! When something was said, for people who read it later.

use std::time::{Duration, UNIX_EPOCH};

/// `14:02`, or with its date if that is another day than now's; in UTC, because nobody knows where the reader is. Both
/// times are milliseconds since 1970-01-01 UTC.
#[must_use]
pub fn moment(unix: u64, now: u64) -> String {
    let written = |unix| humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(unix)).to_string();
    let (then, now) = (written(unix), written(now));
    let day = |time: &str| time.get(..10).unwrap_or_default().to_owned();
    let clock = then.get(11..16).unwrap_or_default();
    if day(&then) == day(&now) { clock.to_owned() } else { format!("{} {clock}", day(&then)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_day_is_named() {
        let now = 1_767_323_045_678;
        assert_eq!(moment(now - 3_600_000, now), "02:04");
        assert_eq!(moment(now - 24 * 3_600_000, now), "2026-01-01 03:04");
    }
}
