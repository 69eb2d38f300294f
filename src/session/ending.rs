//! How a session ends: it leaves the room at once, then sends what is queued and the goodbye, then closes its side and
//! waits briefly for the peer to close.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::output::Source;
use super::{Context, NEVER, Phase, Session, micros, named};
use crate::chat::{Answer, Event, Now, Person, Reason, Reply};
use crate::dialect::{Dialect, END, Ending};
use crate::room::State;

/// How long a client that leaves may take to read what is queued for it.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(4);
/// The same for a client that is disconnected, and the time it then has to close its own side.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The progress of closing.
#[derive(Serialize, Deserialize)]
pub(super) struct Closing {
    /// Whether we have closed our side and wait only for the peer.
    ended: bool,
    /// Whether the peer has closed its side.
    peer_ended: bool,
    /// Whether the connection broke before: there is nothing to wait for.
    broken: bool,
    /// Whether it was ended because it does not read.
    lagged: bool,
}

/// The person whose session has ended.
pub struct Ended {
    /// The person, if there was a name.
    pub person: Option<Arc<Person>>,
    /// Whether they were in the room.
    pub in_room: bool,
}

impl Session {
    /// Takes the client out of the room and queues the goodbye. Returns `None` if the session is closing already.
    pub fn close(&mut self, context: Context<'_>, state: &mut State, reason: &Reason) -> Option<Ended> {
        if !self.is_open() {
            return None;
        }
        // The client does not see its own leave: the last thing it reads is the goodbye.
        if reason.is_lag() {
            self.output.discard(&mut state.log);
        } else {
            self.output.stop_reading(&mut state.log, None);
        }
        let (person, in_room) = self.person.take().and_then(|id| named(state, id)).unzip();
        if let Some(person) = &person {
            state.commit(context.now, &Event::Left(person.clone(), reason.clone()));
        }
        let goodbye = self.render_goodbye(state, reason);
        self.output.post(&state.log, &goodbye, Source::Own);
        let patience = match reason {
            Reason::Broken(_) | Reason::Tls(_) => Duration::ZERO,
            Reason::Kicked(_) | Reason::Banned { .. } | Reason::NotAllowed => CLOSE_TIMEOUT,
            Reason::TooSlow(_) | Reason::Backlog(_) | Reason::Stalled(_) => CLOSE_TIMEOUT,
            _ => FLUSH_TIMEOUT,
        };
        (self.buffered, self.resume, self.stalled) = (Box::default(), NEVER, NEVER);
        (self.enters, self.lookup) = (false, None);
        self.deadline = context.now.ticks + micros(patience);
        let broken = patience == Duration::ZERO;
        let lagged = reason.is_lag() || matches!(reason, Reason::Stalled(_));
        self.phase = Phase::Closing(Closing { ended: false, peer_ended: *reason == Reason::Closed, broken, lagged });
        Some(Ended { person, in_room: in_room.unwrap_or_default() })
    }

    fn render_goodbye(&mut self, state: &State, reason: &Reason) -> Vec<u8> {
        let mut words = Vec::new();
        if let Some(dialect) = &mut self.dialect {
            dialect.reply(Reply::Closing(reason), &mut Answer { view: &state.view_for(None), bytes: &mut words });
        }
        words
    }

    /// What the client is to be sent if the session cannot be restored from what is saved of it; nothing if it is closing
    /// already.
    #[must_use]
    pub fn goodbye(&mut self, state: &State, reason: &Reason) -> Vec<u8> {
        let mut words = if self.is_open() { self.render_goodbye(state, reason) } else { Vec::new() };
        if self.output.is_paced() && words.ends_with(END) {
            words.truncate(words.len() - END.len());
        }
        words
    }

    /// Whether everything is sent and the caller must now close our side of the connection.
    #[must_use]
    pub fn wants_end(&self) -> bool {
        matches!(&self.phase, Phase::Closing(closing) if !closing.ended) && self.output.is_done()
    }

    /// How its connection ends.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.dialect.as_ref().map_or(Ending::Fin, Dialect::ending)
    }

    /// Whether the connection is to be reset now that it is over. Either everything was sent, long enough ago to be read (on
    /// Windows a reset would take back what is not), and the peer has not ended it. Or the peer does not read, or has not
    /// taken everything in time: our kernel's buffer is full, and no limit counts it after the close.
    #[must_use]
    pub fn is_to_be_reset(&self) -> bool {
        match &self.phase {
            Phase::Closing(closing) if closing.ended => {
                !closing.peer_ended && (closing.lagged || self.ending() != Ending::Fin)
            }
            Phase::Closing(closing) => !closing.broken,
            Phase::Open { .. } => false,
        }
    }

    /// Our side of the connection is closed. The socket stays open until the peer closes, too: closing a socket with unread
    /// input sends a reset, and the peer would lose what we have sent (RFC 9293, section 3.6).
    pub fn note_ended(&mut self, now: Now) {
        if let Phase::Closing(closing) = &mut self.phase {
            closing.ended = true;
            self.deadline = self.deadline.min(now.ticks + micros(CLOSE_TIMEOUT));
        }
    }

    /// The peer has closed its side.
    pub fn note_peer_ended(&mut self) {
        if let Phase::Closing(closing) = &mut self.phase {
            closing.peer_ended = true;
        }
    }

    /// Whether input must still be read and discarded. Otherwise both sides could block, each waiting for the other to
    /// read.
    #[must_use]
    pub fn discards_input(&self) -> bool {
        matches!(&self.phase, Phase::Closing(closing) if !closing.peer_ended)
    }

    /// Drops everything unsent and ends the session now.
    pub fn abort(&mut self, state: &mut State) {
        if !self.is_open() {
            self.output.discard(&mut state.log);
            self.deadline = 0;
        }
    }

    /// Whether the connection can be dropped: both sides are closed, or the time for that is up.
    #[must_use]
    pub fn is_over(&self, now: u64) -> bool {
        match &self.phase {
            Phase::Open { .. } => false,
            Phase::Closing(closing) => closing.ended && closing.peer_ended || self.deadline <= now,
        }
    }
}
