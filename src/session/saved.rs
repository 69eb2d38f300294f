//! Saving and restoring a session.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::output::Unsent;
use super::{Origin, Session, micros};
use crate::chat::PersonId;
use crate::dialect::irc;
use crate::room::State;

/// A saved session, between two inputs. Times are in ticks: the process that restores it must continue to count from the
/// saved time.
#[derive(Serialize, Deserialize)]
pub struct SavedSession {
    /// The session without its output.
    session: Session,
    unsent: Vec<Unsent>,
    /// When a paced session may send its next message, in ticks.
    next_message: u64,
}

impl Session {
    /// Saves the session.
    #[must_use]
    pub fn save(mut self, state: &mut State) -> SavedSession {
        let next_message = self.output.due();
        let unsent = self.output.drain(&mut state.log);
        SavedSession { session: self, unsent, next_message }
    }
}

impl SavedSession {
    /// The person, once there is a name.
    #[must_use]
    pub fn person(&self) -> Option<PersonId> {
        self.session.person
    }

    /// The client's origin.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.session.origin
    }

    /// The name of its protocol; `auto` until that is known.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        self.session.protocol()
    }

    /// Restores the session in the state that was saved with it. If it is in the room, it reads the log from its end on.
    #[must_use]
    pub fn restore(self, irc: &Arc<irc::Server>, state: &mut State) -> Session {
        let SavedSession { mut session, unsent, next_message } = self;
        session.output.restore(&state.log, unsent);
        let Some(dialect) = &mut session.dialect else { return session };
        dialect.attach(irc);
        if let Some(gap) = dialect.pace() {
            session.output.set_pace(micros(gap));
            session.output.set_due(next_message);
        }
        if session.person.is_some_and(|person| state.room.members.contains(person)) {
            let cursor = state.log.subscribe(dialect.form());
            session.output.start_reading(&mut state.log, cursor);
        }
        session
    }
}
