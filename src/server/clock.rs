//! The only place where the chat reads the clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::chat::Now;
use crate::session::micros;

/// Counts ticks from the start of the daemon.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { start: Instant::now() }
    }
}

impl Clock {
    /// The present time.
    #[must_use]
    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { ticks: micros(self.start.elapsed()), unix: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX) }
    }
}
