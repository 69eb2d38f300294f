//! Lookups: a question to the history is answered later, because the history is on disk. Until then the session processes
//! no further input.

use super::{Context, LOOKUP_TIMEOUT, PendingLookup, Session, Step, micros};
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

    /// Takes the answer with this ticket; `None` if it is not awaited. The step is a [command](Step::Command) if the lookup
    /// was for one, otherwise the client is answered.
    pub fn found(
        &mut self,
        context: Context<'_>,
        state: &State,
        ticket: u64,
        found: &Found,
        answers: &mut Vec<u8>,
    ) -> Option<Step<'static>> {
        if !self.is_open() || self.lookup.take_if(|pending| pending.ticket == ticket).is_none() {
            return None;
        }
        Some(self.render_found(context, state, found, answers))
    }

    /// Sends the client what was found.
    pub(super) fn render_found(
        &mut self,
        context: Context<'_>,
        state: &State,
        found: &Found,
        answers: &mut Vec<u8>,
    ) -> Step<'static> {
        let view = state.view_for(self.person);
        let answer = &mut Answer { view: &view, bytes: answers };
        let command = self.dialect.as_mut().and_then(|dialect| dialect.found(context.now, found, answer));
        if let Some(command) = command {
            return Step::Command(command);
        }
        self.finish(state, answers);
        Step::More
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
