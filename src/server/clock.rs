//! The one place where the chat asks what time it is.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::chat::Now;
use crate::session::micros;

/// Counts from when the daemon started.
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
    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { ticks: micros(self.start.elapsed()), unix: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX) }
    }
}
