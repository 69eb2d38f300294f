//! Lookups of sessions in the history: passed on to whoever has it, and their answers back.

use super::{Connection, Connections};
use crate::chat::{Found, Lookup, Now};
use crate::net::Transport;
use crate::people::SessionId;
use crate::session::{Context, Step};

/// Who waits for the answer to a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    id: SessionId,
    /// Different for each lookup.
    number: u64,
}

impl<T: Transport> Connections<T> {
    /// Answers a lookup from memory if nothing is kept on disk; otherwise passes it on.
    pub(super) fn look_up(&mut self, id: SessionId, now: Now, lookup: Lookup) {
        let Some(connection) = self.all.get_mut(id as usize) else { return };
        let context = Context { now, limits: &self.limits, irc: &self.irc, id };
        self.next_ticket += 1;
        let ticket = Ticket { id, number: self.next_ticket };
        let found = (!self.state.is_durable()).then(|| lookup.answer(self.state.room.history().iter()));
        connection.session.await_lookup(context, ticket.number, lookup.clone());
        match found {
            Some(found) => _ = self.pass_on(ticket, now, &found),
            None => self.lookups.push((ticket, lookup)),
        }
    }

    /// Removes and returns the lookups to answer, in order.
    pub fn take_lookups(&mut self) -> Vec<(Ticket, Lookup)> {
        std::mem::take(&mut self.lookups)
    }

    /// Whether there are lookups to answer.
    #[must_use]
    pub fn has_lookups(&self) -> bool {
        !self.lookups.is_empty()
    }

    /// Passes on the answer to a lookup.
    pub fn found(&mut self, ticket: Ticket, now: Now, found: &Found) {
        if self.pass_on(ticket, now, found) {
            self.wake(ticket.id);
        }
    }

    /// Returns whether it was awaited.
    fn pass_on(&mut self, Ticket { id, number }: Ticket, now: Now, found: &Found) -> bool {
        let Some(Connection { session, .. }) = self.all.get_mut(id as usize) else { return false };
        let context = Context { now, limits: &self.limits, irc: &self.irc, id };
        let mut answers = Vec::new();
        let Some(step) = session.found(context, &self.state, number, found, &mut answers) else { return false };
        if let Step::Command(command) = step {
            // Only those who have a name look something up, and they are not refused for good.
            let _ = self.perform(id, now, command, &mut answers);
        }
        true
    }
}
