//! A session written down, and read back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::output::Source;
use super::rate::Rate;
use super::{Origin, Output, Phase, Session, micros};
use crate::chat::PersonId;
use crate::dialect::{Dialect, irc};
use crate::room::State;

/// Everything that a session is, between two inputs. Times are in ticks: whoever reads it back goes on counting from
/// where the clock stood.
#[derive(Serialize, Deserialize)]
pub struct SavedSession {
    origin: Origin,
    phase: Phase,
    dialect: Option<Dialect>,
    person: Option<PersonId>,
    /// What it is still to be sent, and how much of that are answers to its own questions.
    owed: (Vec<u8>, usize),
    held: Box<[u8]>,
    rate: Rate,
    resume: u64,
    deadline: u64,
    stalled: u64,
    last_message: u64,
    silent: bool,
    enters: bool,
    /// When the next message may be sent, if each is sent apart.
    next_message: u64,
}

impl Session {
    /// Writes the session down.
    #[must_use]
    pub fn save(mut self, state: &mut State) -> SavedSession {
        let answers = self.output.answers();
        SavedSession {
            next_message: self.output.due(),
            owed: (self.output.flatten(&mut state.log), answers),
            origin: self.origin,
            phase: self.phase,
            dialect: self.dialect,
            person: self.person,
            held: self.held,
            rate: self.rate,
            resume: self.resume,
            deadline: self.deadline,
            stalled: self.stalled,
            last_message: self.last_message,
            silent: self.silent,
            enters: self.enters,
        }
    }
}

impl SavedSession {
    /// The session again, in the state that was written down with it. It reads the log from now on, if it is in the room.
    #[must_use]
    pub fn restore(self, irc: &Arc<irc::Server>, state: &mut State) -> Session {
        let mut dialect = self.dialect;
        let mut output = Output::default();
        let (owed, answers) = &self.owed;
        let (from_others, own) = owed.split_at_checked(owed.len().saturating_sub(*answers)).unwrap_or((owed, &[]));
        output.post(&state.log, from_others, Source::Room);
        output.post(&state.log, own, Source::Own);
        if let Some(dialect) = &mut dialect {
            dialect.attach(irc);
            if let Some(gap) = dialect.pace() {
                output.keep_apart(micros(gap));
                output.set_due(self.next_message);
            }
            if self.person.is_some_and(|person| state.room.members.contains(person)) {
                let cursor = state.log.subscribe(dialect.form());
                output.read(&mut state.log, cursor);
            }
        }
        Session {
            origin: self.origin,
            phase: self.phase,
            dialect,
            person: self.person,
            output,
            held: self.held,
            rate: self.rate,
            resume: self.resume,
            deadline: self.deadline,
            stalled: self.stalled,
            last_message: self.last_message,
            silent: self.silent,
            enters: self.enters,
        }
    }
}
