//! How fast a client may be: the generic cell rate algorithm (ITU-T I.371), which needs one number per client.

use crate::chat::Now;
use crate::config::Limits;

/// A client's rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Rate {
    /// The limits apply. The value is the theoretical arrival time of its next message, in ticks.
    Limited(u64),
    /// No limit.
    Unlimited,
}

impl Default for Rate {
    fn default() -> Rate {
        Rate::Limited(0)
    }
}

impl Rate {
    /// Whether one more message may be processed.
    ///
    /// # Errors
    /// When it may, in ticks.
    pub fn allows(&self, now: Now, limits: &Limits) -> Result<(), u64> {
        let ahead = interval(limits) * u64::from(limits.message_burst.max(1)) - interval(limits);
        match self {
            Rate::Limited(due) if *due > now.ticks + ahead => Err(*due - ahead),
            _ => Ok(()),
        }
    }

    /// Allows one more message at once.
    pub fn forgive(&mut self, now: Now, limits: &Limits) {
        if let Err(later) = self.allows(now, limits)
            && let Rate::Limited(due) = self
        {
            *due -= later - now.ticks;
        }
    }

    /// Allows no message before this time, in ticks. Returns whether the limits apply.
    pub fn hold(&mut self, limits: &Limits, until: u64) -> bool {
        let Rate::Limited(due) = self else { return false };
        let ahead = interval(limits) * u64::from(limits.message_burst.max(1)) - interval(limits);
        *due = (*due).max(until + ahead);
        true
    }

    /// Counts one message.
    pub fn count(&mut self, now: Now, limits: &Limits) {
        if let Rate::Limited(due) = self {
            *due = (*due).max(now.ticks) + interval(limits);
        }
    }
}

/// Ticks between two messages.
fn interval(limits: &Limits) -> u64 {
    1_000_000 / u64::from(limits.message_rate.max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::directories::Directories;

    /// The limits that hold without a configuration.
    fn limits() -> Limits {
        let directories = Directories { runtime: "/nowhere".into(), state: "/nowhere".into() };
        crate::config::file::parse("", &directories).unwrap().limits
    }

    fn at(ticks: u64) -> Now {
        Now { ticks, unix: 0 }
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate_applies() {
        let limits = Limits { message_rate: 10, message_burst: 3, ..limits() };
        let mut rate = Rate::default();
        for _ in 0..3 {
            rate.allows(at(5), &limits).unwrap();
            rate.count(at(5), &limits);
        }
        assert_eq!(rate.allows(at(5), &limits), Err(100_005));
        assert_eq!(rate.allows(at(100_004), &limits), Err(100_005));
        rate.allows(at(100_005), &limits).unwrap();
        rate.count(at(100_005), &limits);
        assert_eq!(rate.allows(at(100_005), &limits), Err(200_005), "one more each tenth of a second");
        // After a pause the whole burst is free again, and no more than that.
        for _ in 0..3 {
            rate.allows(at(9_000_000), &limits).unwrap();
            rate.count(at(9_000_000), &limits);
        }
        rate.allows(at(9_000_000), &limits).unwrap_err();
    }

    proptest! {
        #[test]
        fn the_rate_is_never_exceeded_and_the_returned_wait_suffices(
            message_rate in 1..2000_u32,
            message_burst in 1..50_u32,
            pauses in proptest::collection::vec(0..200_000_u64, 1..200),
        ) {
            let limits = Limits { message_rate, message_burst, ..limits() };
            let (mut rate, mut now, mut taken) = (Rate::default(), 0, 0);
            for pause in pauses {
                now += pause;
                if let Err(later) = rate.allows(at(now), &limits) {
                    prop_assert!(later > now);
                    now = later;
                    prop_assert_eq!(rate.allows(at(now), &limits), Ok(()));
                }
                rate.count(at(now), &limits);
                taken += 1;
                prop_assert!(taken <= u64::from(message_burst) + now / interval(&limits));
            }
        }
    }
}
