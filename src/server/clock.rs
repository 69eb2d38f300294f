//! The only place where the chat reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::chat::Now;

/// The present time. Ticks are microseconds of the system's monotonic clock (clock_gettime(2)), so they mean the same to
/// the next process, until the system starts anew.
#[must_use]
pub fn now() -> Now {
    let monotonic = clock_gettime(ClockId::Monotonic);
    // Neither is negative.
    let seconds = u64::try_from(monotonic.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(monotonic.tv_nsec).unwrap_or_default();
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX);
    Now { ticks: seconds * 1_000_000 + nanos / 1_000, unix }
}
