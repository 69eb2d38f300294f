//! How fast a client may be: the generic cell rate algorithm (ITU-T I.371), which needs one number per client.

use crate::chat::Now;
use crate::config::Limits;

/// When the client's next message would be due if it kept exactly to its rate, in ticks.
#[derive(Debug, Default)]
pub struct Rate {
    due: u64,
}

impl Rate {
    /// Whether one more message may be taken.
    ///
    /// # Errors
    /// When it may, in ticks.
    pub fn allows(&self, now: Now, limits: &Limits) -> Result<(), u64> {
        let ahead = interval(limits) * u64::from(limits.message_burst.max(1)) - interval(limits);
        if self.due <= now.ticks + ahead { Ok(()) } else { Err(self.due - ahead) }
    }

    /// Counts one message.
    pub fn count(&mut self, now: Now, limits: &Limits) {
        self.due = self.due.max(now.ticks) + interval(limits);
    }
}

/// Ticks between two messages.
fn interval(limits: &Limits) -> u64 {
    1_000_000 / u64::from(limits.message_rate.max(1))
}
