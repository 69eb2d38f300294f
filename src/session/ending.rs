//! The end of a session: out of the room at once, then sent what it is owed, told why, and at last over.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::output::Source;
use super::{Context, NEVER, Phase, Session, micros, named};
use crate::chat::{Answer, Event, Now, Person, Reason, Reply};
use crate::dialect::{Dialect, Ending};
use crate::room::State;

/// How long a leaving client may take to read what it is still owed.
const LAST_WORDS: Duration = Duration::from_secs(4);
/// The same for one that is sent away, and then again for closing its own side.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far the end has come.
#[derive(Serialize, Deserialize)]
pub(super) struct Closing {
    /// Whether our side is ended; then only the peer's end is waited for.
    ended: bool,
    /// Whether the peer has ended its side.
    peer_ended: bool,
}

/// Who has left.
pub struct Ended {
    /// The person, if there was a name.
    pub person: Option<Arc<Person>>,
    /// Whether they were in the room.
    pub in_room: bool,
}

impl Session {
    /// Ends it: takes it out of the room, and prepares its last words. `None`: it is ending already.
    pub fn close(&mut self, context: Context<'_>, state: &mut State, reason: &Reason) -> Option<Ended> {
        if !self.is_open() {
            return None;
        }
        // Its own leave is for the others; what it reads last is its dialect's goodbye.
        if reason.is_lag() {
            self.output.abandon(&mut state.log);
        } else {
            self.output.stop_reading(&mut state.log, None);
        }
        let (person, in_room) = self.person.take().and_then(|id| named(state, id)).unzip();
        if let Some(person) = &person {
            state.commit(context.now, &Event::Left(person.clone(), reason.clone()));
        }
        if let Some(dialect) = &mut self.dialect {
            let mut words = Vec::new();
            dialect.reply(Reply::Closing(reason), &mut Answer { view: &state.seen_by(None), bytes: &mut words });
            self.output.post(&state.log, &words, Source::Own);
        }
        let patience = match reason {
            Reason::Broken(_) | Reason::Tls(_) => Duration::ZERO,
            Reason::Kicked(_) | Reason::TooSlow(_) | Reason::Backlog(_) | Reason::Stalled(_) => PATIENCE,
            _ => LAST_WORDS,
        };
        (self.held, self.resume, self.stalled) = (Box::default(), NEVER, NEVER);
        self.enters = false;
        self.deadline = context.now.ticks + micros(patience);
        self.phase = Phase::Closing(Closing { ended: false, peer_ended: *reason == Reason::Closed });
        Some(Ended { person, in_room: in_room.unwrap_or_default() })
    }

    /// Whether a session that is ending has sent everything, and its side of the connection is to be ended.
    #[must_use]
    pub fn wants_end(&self) -> bool {
        matches!(&self.phase, Phase::Closing(closing) if !closing.ended) && self.output.is_done()
    }

    /// How its connection ends.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.dialect.as_ref().map_or(Ending::Fin, Dialect::ending)
    }

    /// Whether the connection is to be reset now that it is over: everything was sent, long enough ago to be read (on
    /// Windows a reset would take back what is not), and the peer has not ended it.
    #[must_use]
    pub fn is_to_be_reset(&self) -> bool {
        let waited = matches!(&self.phase, Phase::Closing(closing) if closing.ended && !closing.peer_ended);
        waited && self.ending() != Ending::Fin
    }

    /// Its side of the connection is ended. Closing a socket that has unread input would take what we have sent out of the
    /// peer's hands again (RFC 9293, section 3.6), so the peer's end is waited for.
    pub fn note_ended(&mut self, now: Now) {
        if let Phase::Closing(closing) = &mut self.phase {
            closing.ended = true;
            self.deadline = self.deadline.min(now.ticks + micros(PATIENCE));
        }
    }

    /// The peer of a session that is ending has ended its side.
    pub fn note_peer_ended(&mut self) {
        if let Phase::Closing(closing) = &mut self.phase {
            closing.peer_ended = true;
        }
    }

    /// Whether a session that is ending reads on, only to throw away what comes: or both sides might wait for the other
    /// to read first.
    #[must_use]
    pub fn discards_input(&self) -> bool {
        matches!(&self.phase, Phase::Closing(closing) if !closing.peer_ended)
    }

    /// Nothing more can be sent to a session that is ending: it is over.
    pub fn give_up(&mut self, state: &mut State) {
        if !self.is_open() {
            self.output.abandon(&mut state.log);
            self.deadline = 0;
        }
    }

    /// Whether nothing is left to be done, or it has taken too long.
    #[must_use]
    pub fn is_over(&self, now: u64) -> bool {
        match &self.phase {
            Phase::Open => false,
            Phase::Closing(closing) => closing.ended && closing.peer_ended || self.deadline <= now,
        }
    }
}
