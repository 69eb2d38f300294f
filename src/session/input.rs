//! From bytes to commands, and from commands to the room.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::sync::Arc;

use super::obey::account;
use super::transport::Transport;
use super::{Context, NEVER, Phase, Session, State, count, micros};
use crate::chat::{Now, Reason};
use crate::config::Limits;
use crate::dialect::detect::{ENOUGH, Verdict, detect};
use crate::dialect::{Input, Protocol, Setting};
use crate::net::Readiness;
use crate::room::Locked;

/// What one read may bring; one buffer for all sessions of a thread, so that an idle client holds none.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    static SCRATCH_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

pub(super) type InRoom<'a> = Locked<'a, Arc<Session>>;

/// What holds while a session does one thing.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) context: &'a Context,
    pub(super) limits: &'a Limits,
    pub(super) now: Now,
}

impl Session {
    /// Takes in a buffer's worth of what has arrived, however fast it came: before the daemon stops, what was said
    /// counts. Says whether there may be more.
    pub fn hear_out(self: &Arc<Self>, context: &Context) -> bool {
        let state = &mut *self.lock();
        if !matches!(state.phase, Phase::Login | Phase::Member) {
            return false;
        }
        let limits = Limits { message_burst: u32::MAX, ..(*context.limits()).clone() };
        let turn = Turn { context, limits: &limits, now: context.clock.now() };
        state.resume = NEVER;
        // Perhaps nobody has been told yet of what has just come.
        state.transport.note(Readiness { readable: true, writable: false, ended: false });
        let heard = self.open_mail(state).and_then(|()| self.take_held(turn, state, false)).and_then(|()| {
            let more = self.read_once(turn, state)?;
            if !more {
                // Whoever has not made clear what they speak is not asked to any more.
                self.take_held(turn, state, true)?;
            }
            Ok(more)
        });
        heard.unwrap_or_else(|reason| {
            state.phase = Phase::Failed(reason);
            self.wake();
            false
        })
    }

    /// Looks at held input again; `silent`: the client has had its time to speak first.
    pub(super) fn take_held(self: &Arc<Self>, turn: Turn<'_>, state: &mut State, silent: bool) -> Result<(), Reason> {
        let held = std::mem::take(&mut state.held);
        self.take(turn, state, &held, silent)
    }

    /// One read; says whether there may be more.
    pub(super) fn read_once(self: &Arc<Self>, turn: Turn<'_>, state: &mut State) -> Result<bool, Reason> {
        SCRATCH_BUFFER.with_borrow_mut(|buffer| match state.transport.read(buffer) {
            Ok(0) => {
                self.take_last_line(turn, state)?;
                Err(Reason::Closed)
            }
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                self.take(turn, state, bytes, false)?;
                Ok(true)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(e) if e.kind() == ErrorKind::InvalidData => Err(Reason::Tls(e.to_string().into())),
            Err(e) => Err(broken(e)),
        })
    }

    /// A last line without its end counts, as with `printf 'ana\nhello' | nc`, also when it comes too fast: there is no
    /// later for it.
    fn take_last_line(self: &Arc<Self>, turn: Turn<'_>, state: &mut State) -> Result<(), Reason> {
        if state.dialect.is_none() && state.held.is_empty() {
            return Ok(());
        }
        let limits = Limits { message_burst: u32::MAX, ..turn.limits.clone() };
        self.take(Turn { limits: &limits, ..turn }, state, b"\n", true)
    }

    /// Understands `bytes` and does what they ask; `silent`: the client has had its time to speak first.
    pub(super) fn take(
        self: &Arc<Self>,
        turn: Turn<'_>,
        state: &mut State,
        bytes: &[u8],
        silent: bool,
    ) -> Result<(), Reason> {
        if state.dialect.is_some() {
            return self.obey_all(turn, state, bytes);
        }
        let mut first = std::mem::take(&mut state.held).into_vec();
        first.extend_from_slice(bytes);
        match detect(first.get(..ENOUGH).unwrap_or(&first), silent) {
            Verdict::Wait => {
                state.held = first.into();
                Ok(())
            }
            Verdict::Speak(protocol) => {
                self.speak(turn, state, protocol);
                state.resume = NEVER;
                self.obey_all(turn, state, &first)
            }
            Verdict::Refuse { answer, reason } => {
                state.output.post(0, answer);
                Err(Reason::WrongProtocol(reason))
            }
        }
    }

    /// Begins to speak a protocol, with its greeting.
    pub(super) fn speak(&self, turn: Turn<'_>, state: &mut State, protocol: Protocol) {
        let irc = turn.context.irc();
        let setting = Setting {
            line_length: turn.limits.line_length,
            encrypted: self.encrypted,
            local: self.address().is_local(),
            account: account(&state.transport),
            irc: &irc,
        };
        let mut dialect = protocol.speak(turn.now, setting);
        if let Some(gap) = dialect.pace() {
            state.output.keep_apart(micros(gap));
        }
        let mut greeting = Vec::new();
        dialect.greet(turn.context.room.lock().name(), &mut greeting);
        state.output.post(0, &greeting);
        // Found out once and for all.
        let _ = self.protocol.set(protocol);
        state.dialect = Some(dialect);
    }

    fn obey_all(self: &Arc<Self>, turn: Turn<'_>, state: &mut State, bytes: &[u8]) -> Result<(), Reason> {
        let Turn { context, limits, now } = turn;
        let mut input = bytes;
        let mut answers = Vec::new();
        // Taken once for everything that one read brought.
        let mut room = context.room.lock();
        while !input.is_empty() {
            if let Err(resume) = state.rate.allows(now, limits) {
                count(&context.counters.message_rate);
                state.resume = resume;
                state.held = input.into();
                break;
            }
            let Some(dialect) = &mut state.dialect else { break };
            let input = dialect.next(now, &mut input, &mut answers);
            self.do_one(turn, state, &mut room, input, &mut answers)?;
        }
        Ok(())
    }

    /// A time limit of the dialect's own has come.
    pub(super) fn expire(self: &Arc<Self>, turn: Turn<'_>, state: &mut State) -> Result<(), Reason> {
        if let Err(resume) = state.rate.allows(turn.now, turn.limits) {
            // It may be a message that the client's silence has completed.
            count(&turn.context.counters.message_rate);
            state.resume = resume;
            return Ok(());
        }
        let Some(dialect) = &mut state.dialect else { return Ok(()) };
        let mut answers = Vec::new();
        let input = dialect.expire(turn.now, &mut answers);
        let mut room = turn.context.room.lock();
        match input {
            Ok(input) => self.do_one(turn, state, &mut room, input, &mut answers),
            Err(reason) => {
                state.output.post(end_of_feed(&room, state), &answers);
                Err(reason)
            }
        }
    }

    /// Does what one message asks, and posts what is answered to it; `answers` is empty again afterwards.
    fn do_one(
        self: &Arc<Self>,
        turn: Turn<'_>,
        state: &mut State,
        room: &mut InRoom<'_>,
        input: Input<'_>,
        answers: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        let outcome = match input {
            Input::Incomplete => Ok(()),
            Input::Answered => {
                state.rate.count(turn.now, turn.limits);
                Ok(())
            }
            Input::Command(command) => {
                state.rate.count(turn.now, turn.limits);
                state.last_message = turn.now.ticks;
                self.obey(turn, state, room, command, answers)
            }
        };
        if let Some(dialect) = &mut state.dialect {
            dialect.finish(answers);
        }
        if !answers.is_empty() {
            state.output.post(end_of_feed(room, state), answers);
            answers.clear();
        }
        outcome
    }
}

/// Whether there may be something to read. Over its rate, a client is not read from; before its protocol is known, it is
/// all the same.
pub(super) fn may_read(state: &State) -> bool {
    (state.resume == NEVER || state.dialect.is_none()) && state.transport.is_readable()
}

/// Where an answer belongs that is given now.
pub(super) fn end_of_feed(room: &InRoom<'_>, state: &State) -> u64 {
    state.feed.map_or(0, |feed| room.end(feed))
}

/// Throws away what has arrived; says whether the peer has ended its side.
pub(super) fn discard(transport: &mut Transport) -> std::io::Result<bool> {
    SCRATCH_BUFFER.with_borrow_mut(|buffer| match transport.read(buffer) {
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(false),
        read => Ok(read? == 0),
    })
}

/// What a socket's error means for the session.
pub(super) fn broken(error: std::io::Error) -> Reason {
    Reason::Broken(error.kind())
}
