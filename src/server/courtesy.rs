//! How many clients that may not come in are told why in their own protocol. It takes a handshake and a session; somebody
//! who is banned and comes again all the time must not cost more than a line.

use std::sync::atomic::{AtomicU64, Ordering};

/// The time in which one more may be told, in ticks.
const INTERVAL: u64 = 250_000;
/// How many may be told at once.
const BURST: u64 = 20;

/// Counts those who are told.
#[derive(Debug, Default)]
pub(super) struct Courtesy {
    /// When all who were told so far are paid for, in ticks.
    paid: AtomicU64,
}

impl Courtesy {
    /// Whether one more may be told at this time, in ticks; if so, it is counted.
    pub(super) fn allows(&self, now: u64) -> bool {
        let paid = self.paid.load(Ordering::Relaxed).max(now) + INTERVAL;
        let allowed = paid <= now + BURST * INTERVAL;
        if allowed {
            self.paid.store(paid, Ordering::Relaxed);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_at_once_and_then_one_at_a_time() {
        let courtesy = Courtesy::default();
        let told = |now: u64, many: usize| (0..many).filter(|_| courtesy.allows(now)).count();
        assert_eq!(told(1_000_000, 100), 20);
        assert_eq!(told(1_000_000 + INTERVAL, 100), 1);
        assert_eq!(told(1_000_000 + 4 * INTERVAL, 100), 3);
        assert_eq!(told(60_000_000, 100), 20);
    }
}
