//! A counter with a total and a rate over the last minute, without a timer.

use crate::chat::Now;

/// Seconds that "over the last minute" means.
const SECONDS: usize = 60;

/// One counter.
#[derive(Debug, Clone)]
pub struct Meter {
    total: u64,
    /// The last counted second.
    second: u64,
    /// One count for each of the last seconds, indexed by the second modulo [`SECONDS`].
    recent: [u32; SECONDS],
}

impl Default for Meter {
    fn default() -> Meter {
        Meter { total: 0, second: 0, recent: [0; SECONDS] }
    }
}

impl Meter {
    /// Counts one.
    pub fn count(&mut self, now: Now) {
        let second = self.advance(now);
        self.total += 1;
        if let Some(count) = self.recent.get_mut(second) {
            *count += 1;
        }
    }

    /// The total.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The count per second, averaged over the last minute.
    #[must_use]
    pub fn per_second(&mut self, now: Now) -> f64 {
        self.advance(now);
        let recent: u32 = self.recent.iter().sum();
        f64::from(recent) / SECONDS as f64
    }

    /// Clears the seconds that are over a minute old, and returns the present second's index.
    fn advance(&mut self, now: Now) -> usize {
        let second = now.ticks / 1_000_000;
        let place = |second: u64| (second % SECONDS as u64) as usize;
        for passed in (self.second + 1..=second).rev().take(SECONDS) {
            if let Some(count) = self.recent.get_mut(place(passed)) {
                *count = 0;
            }
        }
        self.second = second;
        place(second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Now {
        Now { ticks: second * 1_000_000, unix: 0 }
    }

    #[test]
    fn counts_older_than_a_minute_are_dropped() {
        let mut meter = Meter::default();
        (0..30).for_each(|_| meter.count(at(0)));
        (0..60).for_each(|_| meter.count(at(10)));
        let mut per_minute = |second| (meter.per_second(at(second)) * SECONDS as f64).round();
        assert_eq!(per_minute(10), 90.0);
        assert_eq!(per_minute(59), 90.0);
        assert_eq!(per_minute(60), 60.0, "the first second is over a minute old");
        assert_eq!(per_minute(70), 0.0);
        assert_eq!(meter.total(), 90);
    }

    #[test]
    fn a_long_pause_drops_all_recent_counts() {
        let mut meter = Meter::default();
        (0..60).for_each(|second| meter.count(at(second)));
        assert_eq!(meter.per_second(at(59)), 1.0);
        meter.count(at(1_000_000_000));
        assert_eq!((meter.per_second(at(1_000_000_000)) * SECONDS as f64).round(), 1.0);
    }
}
