//! Saving and restoring a session.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::output::Source;
use super::{Session, micros};
use crate::dialect::irc;
use crate::room::State;

/// A saved session, between two inputs. Times are in ticks: the process that restores it must continue to count from the
/// saved time.
#[derive(Serialize, Deserialize)]
pub struct SavedSession {
    /// The session without its output.
    session: Session,
    /// The unsent bytes, and how many of them, at the end, are answers to its own commands.
    unsent: (Vec<u8>, usize),
    /// When a paced session may send its next message, in ticks.
    next_message: u64,
}

impl Session {
    /// Saves the session.
    #[must_use]
    pub fn save(mut self, state: &mut State) -> SavedSession {
        let (answers, next_message) = (self.output.answers(), self.output.due());
        let unsent = (self.output.flatten(&mut state.log), answers);
        SavedSession { session: self, unsent, next_message }
    }
}

impl SavedSession {
    /// Restores the session in the state that was saved with it. If it is in the room, it reads the log from its end on.
    #[must_use]
    pub fn restore(self, irc: &Arc<irc::Server>, state: &mut State) -> Session {
        let SavedSession { mut session, unsent: (unsent, answers), next_message } = self;
        let (from_others, own) =
            unsent.split_at_checked(unsent.len().saturating_sub(answers)).unwrap_or((&unsent, &[]));
        session.output.post(&state.log, from_others, Source::Room);
        session.output.post(&state.log, own, Source::Own);
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
