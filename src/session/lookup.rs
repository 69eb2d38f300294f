//! Lookups: a question to the history is answered later, because the history is on disk. Until then the session processes
//! no further input.

use super::{Context, LOOKUP_TIMEOUT, PendingLookup, Session, micros};
use crate::chat::{Answer, Found, Lookup};
use crate::room::State;

impl Session {
    /// Begins to wait for the answer with this ticket.
    pub fn await_lookup(&mut self, context: Context<'_>, ticket: u64, lookup: Lookup) {
        let deadline = context.now.ticks + micros(LOOKUP_TIMEOUT);
        self.lookup = Some(Box::new(PendingLookup { ticket, lookup, deadline }));
    }

    /// The lookup whose answer is awaited.
    #[must_use]
    pub fn pending_lookup(&self) -> Option<&Lookup> {
        Some(&self.lookup.as_ref()?.lookup)
    }

    /// Takes the answer with this ticket. Returns whether it was awaited.
    pub fn found(&mut self, context: Context<'_>, state: &State, ticket: u64, found: &Found) -> bool {
        if !self.is_open() || self.lookup.take_if(|pending| pending.ticket == ticket).is_none() {
            return false;
        }
        self.render_found(context, state, found);
        true
    }

    /// Sends the client what was found.
    pub(super) fn render_found(&mut self, context: Context<'_>, state: &State, found: &Found) {
        let mut answers = Vec::new();
        if let Some(dialect) = &mut self.dialect {
            let view = state.view_for(self.person);
            dialect.found(context.now, found, &mut Answer { view: &view, bytes: &mut answers });
        }
        self.finish(state, &mut answers);
    }

    /// The client has closed its side, and everything that can be processed is. Returns whether there is more, for which the
    /// answer to a lookup is awaited.
    pub fn note_input_ended(&mut self) -> bool {
        self.input_ended = self.lookup.is_some() || self.input_ended && !self.buffered.is_empty();
        self.input_ended
    }

    /// Whether the client has closed its side, and the session ends when everything is processed.
    #[must_use]
    pub fn has_input_ended(&self) -> bool {
        self.input_ended
    }
}
