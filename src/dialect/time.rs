//! Formats the times of past messages.

use std::time::{Duration, UNIX_EPOCH};

/// Formats a series of times. Keeps the last result, because many lines are from the same minute.
pub struct TimeFormatter {
    now: u64,
    last: Option<(u64, String)>,
}

impl TimeFormatter {
    /// `now`: the current time in milliseconds since 1970-01-01 UTC; other days are shown with their date.
    #[must_use]
    pub fn new(now: u64) -> TimeFormatter {
        TimeFormatter { now, last: None }
    }

    /// Formats a time, given in milliseconds since 1970-01-01 UTC.
    pub fn format(&mut self, unix: u64) -> &str {
        let minute = unix / 60_000;
        let now = self.now;
        let last = self.last.take().filter(|(last, _)| *last == minute);
        &self.last.insert(last.unwrap_or_else(|| (minute, format_time(unix, now)))).1
    }
}

/// `14:02`, with the date if it is not the same day as `now`. In UTC, because the reader's time zone is unknown. Both
/// arguments are milliseconds since 1970-01-01 UTC.
fn format_time(unix: u64, now: u64) -> String {
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
    fn other_days_are_shown_with_their_date() {
        let now = 1_767_323_045_678;
        let mut times = TimeFormatter::new(now);
        assert_eq!(times.format(now - 24 * 3_600_000), "2026-01-01 03:04");
        assert_eq!([now - 3_600_000, now - 3_600_000 + 1].map(|unix| times.format(unix).to_owned()), ["02:04"; 2]);
        assert_eq!(times.format(now), "03:04");
    }
}
