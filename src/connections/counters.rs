//! Counters of events since the start.

use super::Meter;
use crate::chat::{Event, Now, Reason, Refusal};
use crate::room::Outcome;

/// The counters.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages that clients sent to the room.
    pub messages: Meter,
    /// Connections that the daemon rejected, or closed before they had a name.
    pub refused: u64,
    /// Of these, how many had no name in time.
    pub login_timeout: u64,
    /// Of these, how many had too many names or logins refused.
    pub login_attempts: u64,
    /// How often a client's input was throttled because it was over its rate.
    pub message_rate: u64,
    /// How often a client's input was throttled because too much was said in the room or from its address.
    pub room_rate: u64,
    /// Clients that were disconnected because they lagged too far behind.
    pub max_lag: u64,
    /// Clients that were disconnected because all clients together lagged too far behind.
    pub backlog: u64,
}

impl Counters {
    pub(super) fn count_outcome(&mut self, now: Now, outcome: &Result<Outcome<'_>, Refusal>) {
        if let Ok(Outcome::Done(_, Event::Said(..))) = outcome {
            self.messages.count(now);
        }
    }

    pub(super) fn count_end(&mut self, reason: &Reason, named: bool) {
        match reason {
            Reason::TooSlow(_) => self.max_lag += 1,
            Reason::Backlog(_) => self.backlog += 1,
            _ => {}
        }
        if !named && is_refusal(reason) {
            self.refused += 1;
            self.login_timeout += u64::from(*reason == Reason::LoginTimeout);
            self.login_attempts += u64::from(matches!(reason, Reason::TooManyAttempts(_)));
        }
    }
}

/// Whether this reason means that the daemon has rejected a client without a name; otherwise the client has left by
/// itself.
pub(super) fn is_refusal(reason: &Reason) -> bool {
    !matches!(reason, Reason::Kicked(_) | Reason::Quit(_) | Reason::Closed | Reason::Stopping)
}
