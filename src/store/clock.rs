//! The system's clock, as far as it is believed when something is removed for its age.

use std::time::{Duration, Instant};

use tracing::warn;

/// A clock that is further ahead than this of where it should be is not believed at once.
const JUMP: Duration = Duration::from_secs(3600);
/// After this time it is: somebody would have set it right.
const DOUBT: Duration = Duration::from_secs(3600);

/// The clock, followed from one look to the next.
pub(super) struct Clock {
    /// What it said when it was last believed, in milliseconds since 1970-01-01 UTC, and when that was.
    wall: u64,
    at: Instant,
    doubted: Option<Instant>,
}

impl Clock {
    /// A clock that says `wall` at `at`, and is believed.
    pub fn new(wall: u64, at: Instant) -> Clock {
        Clock { wall, at, doubted: None }
    }

    /// The time to go by, in milliseconds since 1970-01-01 UTC: `wall`, as the clock says at `at`; or, if it has jumped ahead,
    /// what it would say without the jump, for an hour. What a wrong clock has removed would be lost, while nothing is when
    /// it is set back, or when a machine that was suspended for days removes an hour later.
    pub fn believed(&mut self, wall: u64, at: Instant) -> u64 {
        let passed = milliseconds(at.saturating_duration_since(self.at));
        let expected = self.wall.saturating_add(passed);
        if wall > expected.saturating_add(milliseconds(JUMP)) {
            let since = *self.doubted.get_or_insert_with(|| {
                let ahead = humantime::format_duration(Duration::from_secs((wall - expected) / 1000));
                warn!("the system's clock has jumped ahead by {ahead}; for an hour, nothing grows too old by that to be kept");
                at
            });
            if at.saturating_duration_since(since) < DOUBT {
                return expected;
            }
        }
        *self = Clock::new(wall, at);
        wall
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const MINUTE: u64 = 60_000;

    #[test]
    fn a_clock_that_jumps_ahead_is_believed_after_an_hour() {
        let (start, unix) = (Instant::now(), 1_800_000_000_000);
        let at = |minutes: u64| start + Duration::from_millis(minutes * MINUTE);
        let mut clock = Clock::new(unix, start);
        assert_eq!(clock.believed(unix + MINUTE, at(1)), unix + MINUTE);
        // It runs a little faster, or somebody has corrected it.
        assert_eq!(clock.believed(unix + 30 * MINUTE, at(2)), unix + 30 * MINUTE);
        let (wrong, right) = (unix + 10_000 * HOUR, unix + 30 * MINUTE);
        assert_eq!(clock.believed(wrong, at(3)), right + MINUTE);
        assert_eq!(clock.believed(wrong + 58 * MINUTE, at(61)), right + 59 * MINUTE);
        // It is set right again.
        assert_eq!(clock.believed(right + 60 * MINUTE, at(62)), right + 60 * MINUTE);
        // It stays where it is: so the machine was suspended.
        assert_eq!(clock.believed(wrong, at(63)), right + 61 * MINUTE);
        assert_eq!(clock.believed(wrong + 60 * MINUTE, at(123)), wrong + 60 * MINUTE);
        assert_eq!(clock.believed(wrong + 61 * MINUTE, at(124)), wrong + 61 * MINUTE);
    }

    #[test]
    fn a_clock_that_is_set_back_is_believed_at_once() {
        let (start, unix) = (Instant::now(), 1_800_000_000_000);
        let mut clock = Clock::new(unix, start);
        assert_eq!(clock.believed(unix - 10_000 * HOUR, start), unix - 10_000 * HOUR);
        assert_eq!(clock.believed(0, start), 0);
        assert_eq!(clock.believed(unix, start + Duration::from_secs(1)), 1000, "ahead again");
    }
}
