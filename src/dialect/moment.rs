//! When something was said, for people who read it later.

use std::time::{Duration, UNIX_EPOCH};

/// Writes moments, one after the other: many lines are of the same minute.
pub struct Moments {
    now: u64,
    last: Option<(u64, String)>,
}

impl Moments {
    /// `now`: when they are read, in milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn new(now: u64) -> Moments {
        Moments { now, last: None }
    }

    /// This one, in milliseconds since 1970-01-01 UTC.
    pub fn of(&mut self, unix: u64) -> &str {
        let minute = unix / 60_000;
        let now = self.now;
        let last = self.last.take().filter(|(last, _)| *last == minute);
        &self.last.insert(last.unwrap_or_else(|| (minute, moment(unix, now)))).1
    }
}

/// `14:02`, or with its date if that is another day than now's; in UTC, because nobody knows where the reader is. Both
/// times are milliseconds since 1970-01-01 UTC.
fn moment(unix: u64, now: u64) -> String {
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
        let mut moments = Moments::new(now);
        assert_eq!(moments.of(now - 24 * 3_600_000), "2026-01-01 03:04");
        assert_eq!([now - 3_600_000, now - 3_600_000 + 1].map(|unix| moments.of(unix).to_owned()), ["02:04"; 2]);
        assert_eq!(moments.of(now), "03:04");
    }
}
