//! One turn of one connection: process input, handle time limits, send output.

use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;

use super::{Connection, Connections, Observation, budget, journal};
use crate::chat::{Command, Now, Reason, Refusal};
use crate::dialect::Ending;
use crate::net::{Readiness, Transport};
use crate::people::SessionId;
use crate::session::{Context, NEVER, Output, Session, Step, micros};

/// When a full transport is tried again without a readiness event. A kernel that is short of memory rejects a write to a
/// socket with an empty send queue and never reports that it is writable, because no acknowledgement frees space.
const RETRY: Duration = Duration::from_millis(200);

impl<T: Transport> Connections<T> {
    /// Runs a session's turn.
    pub fn turn(&mut self, id: SessionId, now: Now) {
        let Some(connection) = self.all.get_mut(id as usize) else { return };
        connection.woken = false;
        if connection.alarm <= now.ticks {
            self.alarms.remove(&(connection.alarm, id));
            connection.alarm = NEVER;
            connection.transport.note(Readiness { writable: true, ..Readiness::default() });
        }
        if let Err(reason) = self.process_input(id, now) {
            self.close(id, now, &reason);
        }
        self.send(id, now);
        self.reschedule(id, now);
        self.bound_backlog(now);
    }

    /// Processes input, then time limits. Input comes first: it may have met a limit that passed while the process was busy
    /// or suspended.
    fn process_input(&mut self, id: SessionId, now: Now) -> Result<(), Reason> {
        let Some(Connection { session, transport, .. }) = self.all.get_mut(id as usize) else { return Ok(()) };
        if !session.is_open() {
            discard(session, transport, &mut self.scratch);
            return Ok(());
        }
        if session.due() <= now.ticks {
            // The poller may not have reported the latest input yet.
            transport.note(Readiness { readable: true, ..Readiness::default() });
        }
        let reads = session.wants_input() && transport.is_readable();
        if session.has_input_ended() {
            if !session.is_waiting() {
                return self.finish_input(id, now);
            }
        } else if session.has_work() {
            let buffered = session.take_buffered();
            self.process_messages(id, now, &buffered)?;
        } else if reads {
            let mut scratch = std::mem::take(&mut self.scratch);
            let most = session.reads_at_most(&self.limits).min(scratch.len());
            let outcome = self.read(id, now, scratch.get_mut(..most).unwrap_or_default());
            self.scratch = scratch;
            outcome?;
        }
        let Some(Connection { session, transport, .. }) = self.all.get_mut(id as usize) else { return Ok(()) };
        // Input that waits was sent before the connection broke, but its author is gone. After an orderly end it is processed.
        if session.is_waiting()
            && !session.wants_input()
            && let Some(e) = transport.take_error()
        {
            return Err(broken(&e));
        }
        let nothing_arrived = !session.wants_input() || reads && !transport.is_readable();
        if session.due() <= now.ticks && nothing_arrived {
            if session.is_stalled(now) {
                // The client may have read meanwhile, without anybody having noticed.
                self.send(id, now);
            }
            let Some(Connection { session, .. }) = self.all.get(id as usize) else { return Ok(()) };
            if session.is_open() && session.due() <= now.ticks {
                self.expire(id, now)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, id: SessionId, now: Now, scratch: &mut [u8]) -> Result<(), Reason> {
        let Some(Connection { session, transport, .. }) = self.all.get_mut(id as usize) else { return Ok(()) };
        match transport.read(scratch) {
            Ok(0) => {
                let context = Context { now, limits: &self.limits, irc: &self.irc, id };
                let end = session.end_input(context);
                let last = [&*session.take_buffered(), end].concat();
                self.process_messages(id, now, &last)?;
                self.finish_input(id, now)
            }
            Ok(length) => {
                let arrived = scratch.get(..length).unwrap_or_default();
                if session.output().is_paced() {
                    // Its messages are separated by pauses only, so it must not wait for delayed acknowledgements.
                    transport.acknowledge();
                }
                let buffered = session.take_buffered();
                if buffered.is_empty() {
                    self.process_messages(id, now, arrived)
                } else {
                    self.process_messages(id, now, &[&*buffered, arrived].concat())
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(e) if e.kind() == ErrorKind::InvalidData => Err(Reason::Tls(e.to_string().into())),
            Err(e) => Err(broken(&e)),
        }
    }

    /// Completes what a client that has closed its side is still to be answered. The session ends here, unless an answer is
    /// awaited.
    fn finish_input(&mut self, id: SessionId, now: Now) -> Result<(), Reason> {
        while let Some(connection) = self.all.get_mut(id as usize)
            && connection.session.has_work()
        {
            let buffered = connection.session.take_buffered();
            self.process_messages(id, now, &buffered)?;
        }
        let waits = self.all.get_mut(id as usize).is_some_and(|connection| connection.session.note_input_ended());
        if waits { Ok(()) } else { Err(Reason::Closed) }
    }

    /// Decodes input and performs its commands.
    fn process_messages(&mut self, id: SessionId, now: Now, mut input: &[u8]) -> Result<(), Reason> {
        let mut answers = Vec::new();
        loop {
            let Some(connection) = self.all.get_mut(id as usize) else { return Ok(()) };
            let context = Context { now, limits: &self.limits, irc: &self.irc, id };
            let step = connection.session.step(context, &mut self.state, &mut input, &mut answers)?;
            (self.observer)(id, &connection.session, Observation::Step(&step));
            match step {
                Step::Command(command) => self.perform(id, now, command, &mut answers)?,
                Step::Invalid(hint) => {
                    let session = &mut connection.session;
                    journal::log_invalid_name(session.origin(), session.protocol(), hint);
                    session.count_refused(&self.limits)?;
                }
                Step::Lookup(lookup) => self.look_up(id, now, lookup),
                Step::Answered | Step::More => {}
                Step::TooFast => {
                    self.counters.message_rate += u64::from(!connection.session.is_held());
                    break;
                }
                Step::Pause | Step::Wait => break,
            }
        }
        if let Some(connection) = self.all.get_mut(id as usize)
            && !input.is_empty()
        {
            connection.session.buffer_input(input);
        }
        Ok(())
    }

    fn expire(&mut self, id: SessionId, now: Now) -> Result<(), Reason> {
        let mut answers = Vec::new();
        let Some(connection) = self.all.get_mut(id as usize) else { return Ok(()) };
        let context = Context { now, limits: &self.limits, irc: &self.irc, id };
        let step = connection.session.expire(context, &mut self.state, &mut answers)?;
        (self.observer)(id, &connection.session, Observation::Step(&step));
        match step {
            Step::Command(command) => self.perform(id, now, command, &mut answers)?,
            Step::Lookup(lookup) => self.look_up(id, now, lookup),
            Step::TooFast => self.counters.message_rate += u64::from(!connection.session.is_held()),
            Step::Invalid(hint) => {
                let session = &mut connection.session;
                journal::log_invalid_name(session.origin(), session.protocol(), hint);
                session.count_refused(&self.limits)?;
            }
            Step::Answered | Step::More | Step::Pause | Step::Wait => {}
        }
        // The buffered input may be processed now.
        if let Some(connection) = self.all.get_mut(id as usize)
            && connection.session.has_work()
        {
            let buffered = connection.session.take_buffered();
            self.process_messages(id, now, &buffered)?;
        }
        Ok(())
    }

    /// Performs a command. Whoever wants to come in under a name that is banned is not asked for another name, which many
    /// programs would have ready.
    pub(super) fn perform(
        &mut self,
        id: SessionId,
        now: Now,
        command: Command<'_>,
        answers: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        let Some(Connection { session, admission, .. }) = self.all.get_mut(id as usize) else { return Ok(()) };
        let outcome = self.state.perform(now, session.actor(id), command);
        self.counters.count_outcome(now, &outcome);
        match &outcome {
            Ok(outcome) => journal::log_outcome(session.origin(), session.protocol(), outcome),
            Err(refusal) => (self.observer)(id, session, Observation::Refused(refusal)),
        }
        if let Err(Refusal::Banned(ban)) = &outcome {
            match session.person() {
                None => return Err(ban.told()),
                Some(_) => journal::log_refused(session.origin(), session.protocol(), ban),
            }
        }
        if let Ok(outcome) = &outcome {
            let next = self.budget.spend(now, &self.limits, admission, outcome);
            session.count_more(now, &self.limits, budget::is_change(outcome));
            self.counters.room_rate += u64::from(session.hold(now, &self.limits, next));
        }
        let refused = outcome.is_err();
        session.done(&mut self.state, outcome, answers);
        let last = if refused { session.count_refused(&self.limits) } else { Ok(()) };
        self.deliver_mail();
        last
    }

    /// Sends the session's output as far as the transport accepts it.
    fn send(&mut self, id: SessionId, now: Now) {
        if let Err(e) = self.write(id, now) {
            self.close_broken(id, now, &broken(&e));
        }
        // One that is not blocked does not lag: the next round sends what was said since the last one.
        let blocked = self.all.get(id as usize).filter(|connection| connection.session.output().is_blocked());
        let lags = blocked.and_then(|connection| connection.session.lags(&self.state, &self.limits));
        if let Some(reason) = lags {
            self.close(id, now, &reason);
            if let Err(e) = self.write(id, now) {
                self.close_broken(id, now, &broken(&e));
            }
        }
    }

    /// Ends a session whose connection is broken, so that nothing more can be sent.
    pub(super) fn close_broken(&mut self, id: SessionId, now: Now, reason: &Reason) {
        self.close(id, now, reason);
        if let Some(connection) = self.all.get_mut(id as usize) {
            connection.session.abort(&mut self.state);
        }
    }

    fn write(&mut self, id: SessionId, now: Now) -> io::Result<()> {
        let Some(Connection { session, transport, .. }) = self.all.get_mut(id as usize) else { return Ok(()) };
        if session.output().is_paced() {
            let (progress, full) = write_paced(session.output_mut(), transport, now)?;
            session.note_sending(now, progress, full);
        } else if !session.output().is_blocked() || transport.is_writable() {
            let progress = write_all(session.output_mut(), transport)?;
            let full = session.output().is_blocked();
            session.note_sending(now, progress, full);
        }
        if session.wants_end() && !transport.has_unsent() {
            if session.ending() == Ending::Reset || transport.end()?.is_ready() {
                session.note_ended(now);
            } else {
                session.output_mut().set_blocked(true);
            }
        }
        Ok(())
    }

    /// Schedules the session's next turn, or removes the connection when it is over.
    pub(super) fn reschedule(&mut self, id: SessionId, now: Now) {
        let Some(connection) = self.all.get_mut(id as usize) else { return };
        if connection.session.is_over(now.ticks) {
            if connection.session.is_to_be_reset() {
                connection.transport.reset_at_close();
            } else {
                connection.transport.hurry_at_close();
            }
            self.remove(id);
            return;
        }
        let Connection { session, transport, alarm, .. } = connection;
        // An alarm that is too early costs only a turn, so an alarm is replaced only by an earlier one or by none.
        let retry = if transport.is_writable() { NEVER } else { now.ticks + micros(RETRY) };
        let next = session.due().min(retry);
        if next < *alarm || next == NEVER && *alarm != NEVER {
            self.alarms.remove(&(*alarm, id));
            *alarm = next;
            if next != NEVER {
                self.alarms.insert((next, id));
            }
        }
        let blocked = session.output().is_blocked() && !session.output().is_paced();
        let may_read = (session.wants_input() || session.discards_input()) && transport.is_readable();
        let ends = session.has_input_ended() && session.is_open() && !session.is_waiting();
        if session.has_work() || ends || may_read || blocked && transport.is_writable() {
            self.wake(id);
        }
    }
}

/// Reads and discards the input of a closing session.
fn discard<T: Transport>(session: &mut Session, transport: &mut T, scratch: &mut [u8]) {
    if session.discards_input() && transport.is_readable() {
        match transport.read(scratch) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Ok(length) if length > 0 => {}
            // The peer has closed, or the connection is broken and will be dropped anyway.
            _ => session.note_peer_ended(),
        }
    }
}

/// Sends the output until it is empty or the transport is full. Returns whether anything was sent.
pub(super) fn write_all<T: Transport>(output: &mut Output, transport: &mut T) -> io::Result<bool> {
    let mut progress = false;
    if transport.flush()?.is_pending() {
        output.set_blocked(true);
        return Ok(progress);
    }
    loop {
        let (pieces, total) = output.gather();
        if total == 0 {
            drop(pieces);
            output.advance(0);
            output.set_blocked(false);
            return Ok(progress);
        }
        let sent = match transport.write(&pieces) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
            sent => sent?,
        };
        drop(pieces);
        progress |= sent > 0;
        output.advance(sent);
        if sent < total || transport.has_unsent() {
            output.set_blocked(true);
            return Ok(progress);
        }
    }
}

/// Sends the messages of a paced session that are due. Returns whether anything was sent, and whether the transport is
/// full.
fn write_paced<T: Transport>(output: &mut Output, transport: &mut T, now: Now) -> io::Result<(bool, bool)> {
    let mut progress = false;
    while transport.flush()?.is_ready() {
        let Some(message) = output.next_message(now.ticks) else { return Ok((progress, false)) };
        let sent = match transport.write(&[IoSlice::new(&message)]) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            sent => sent?,
        };
        progress |= sent > 0;
        output.sent_message(sent, sent == message.len(), now.ticks);
        if sent < message.len() {
            break;
        }
    }
    // The session waits for its transport, not for the time of its next message.
    output.clear_due(now.ticks);
    Ok((progress, true))
}

/// The reason for which a socket error ends the session.
fn broken(error: &io::Error) -> Reason {
    Reason::Broken(error.kind().to_string().into())
}
