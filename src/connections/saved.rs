//! Saving all connections, and restoring them in another process.

use std::borrow::Cow;

use super::{Connections, journal};
use crate::chat::{Event, Now, Reason};
use crate::net::{Admission, Transport};
use crate::people::SessionId;
use crate::room::{HistoryLimit, SavedState, State};
use crate::session::SavedSession;

/// Why somebody is sent away who has the name of somebody else.
const NAMESAKE: Reason = Reason::Restarting(Cow::Borrowed("somebody else has your name"));

/// A connection that was taken out to be saved.
pub struct Parted<T> {
    /// The session, saved.
    pub session: SavedSession,
    /// What a client can be sent whose session cannot be restored.
    pub goodbye: Vec<u8>,
    /// Its transport.
    pub transport: T,
}

impl<T: Transport> Connections<T> {
    /// Takes out everything to be saved: the state, and all connections in no particular order. What is to be kept on disk
    /// must have been taken before. Nothing is left.
    pub fn save(&mut self, reason: &Reason) -> (SavedState, Vec<Parted<T>>) {
        let mut parted = Vec::with_capacity(self.len());
        for id in self.ids() {
            if let Some((mut session, transport)) = self.remove(id) {
                let goodbye = session.goodbye(&self.state, reason);
                parted.push(Parted { session: session.save(&mut self.state), goodbye, transport });
            }
        }
        let nothing = State::new(Now::default(), "", "", HistoryLimit { length: 0, size: 0 });
        (std::mem::replace(&mut self.state, nothing).save(), parted)
    }

    /// Whether a saved session fits the restored state: its person is there, and has no other connection.
    #[must_use]
    pub fn fits(&self, saved: &SavedSession) -> bool {
        let is_free = |person| self.state.people.get(person).is_some_and(|entry| entry.session.is_none());
        saved.person().is_none_or(is_free)
    }

    /// Restores a connection whose session [fits](Self::fits).
    pub fn insert_saved(&mut self, now: Now, saved: SavedSession, transport: T, admission: Admission) -> SessionId {
        let session = saved.restore(&self.irc, &mut self.state);
        self.insert_session(now, session, transport, admission)
    }

    /// Everybody leaves whose connection was not restored, and is counted; and whoever has the name of somebody else, by how
    /// this program compares names, is told so and leaves, too. To be called when all are restored.
    pub fn remove_lost(&mut self, now: Now, reason: &Reason) -> usize {
        self.state.log.forget_shared();
        let (mut lost, mut namesakes) = (Vec::new(), Vec::new());
        for entry in self.state.people.all() {
            match entry.session {
                None => lost.push(entry.person.clone()),
                Some(id) if !self.state.people.has_its_name(entry.person.id) => namesakes.push(id),
                Some(_) => {}
            }
        }
        for person in &lost {
            if self.state.room.members.contains(person.id) {
                journal::log_lost(&person.nick, reason);
            }
            self.commit(now, &Event::Left(person.clone(), reason.clone()));
        }
        for id in namesakes {
            self.close(id, now, &NAMESAKE);
        }
        lost.len()
    }
}
