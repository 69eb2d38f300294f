//! A session: one client's conversation, as a plain value. Bytes, mail and time go in; commands, bytes and wishes (read
//! more, wake me then, I am done) come out. It has no socket, no clock and no task, so that it can be tried at every byte
//! boundary in virtual time, and written down between any two inputs.
//!
//! It is the only place where bytes meet the room: its dialect makes commands of bytes, and what the room answers to a
//! command is put into words and [posted](output) where it belongs.

mod ending;
mod input;
mod output;
mod rate;
mod saved;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use ending::Ended;
pub use output::{News, Output};
pub use saved::SavedSession;

use crate::chat::{Command, Now, Person, PersonId, Reason};
use crate::config::Limits;
use crate::dialect::{Dialect, Protocol, irc};
use crate::net::Address;
use crate::people::SessionId;
use crate::room::{Actor, State};
use ending::Closing;
use rate::Rate;

/// A time in ticks that never comes.
pub const NEVER: u64 = u64::MAX;
/// How long a client may take to speak first, before it is greeted in the text protocol.
const SPEAK_FIRST: Duration = Duration::from_millis(250);
/// Bytes of answers that a client may have still to read; with more, its next question waits.
const MOST_ANSWERS: usize = 64 * 1024;
/// How long a client may read nothing of what it is sent.
const STALL: Duration = Duration::from_secs(60);

/// One client's conversation.
#[derive(Serialize, Deserialize)]
pub struct Session {
    origin: Origin,
    phase: Phase,
    /// Known once the protocol is.
    dialect: Option<Dialect>,
    /// Known once there is a name.
    person: Option<PersonId>,
    /// Written down as the bytes that are unsent, see [`SavedSession`].
    #[serde(skip)]
    output: Output,
    /// Arrived, but not understood yet: the first bytes, or what came faster than allowed.
    held: Box<[u8]>,
    rate: Rate,
    /// When held input is looked at again, in ticks: the client is over its rate, or has had its time to speak first.
    /// [`NEVER`] for this one and the next two: there is nothing to wait for.
    resume: u64,
    /// When the present phase has taken too long, in ticks.
    deadline: u64,
    /// When the client has read nothing for too long, in ticks.
    stalled: u64,
    /// When it last said something, or connected, in ticks.
    last_message: u64,
    /// Whether it has had its time to speak first.
    silent: bool,
    /// Whether it is to go into the room now that it has a name.
    enters: bool,
}

/// Where a client comes from, and what its connection proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its address.
    pub address: Address,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// The name in its certificate, if it has shown one and it was verified.
    pub account: Option<Box<str>>,
    /// When it connected.
    pub connected: Now,
}

/// Where a session is in its life.
#[derive(Serialize, Deserialize)]
enum Phase {
    /// It is heard and answered.
    Open,
    /// Out of the room; what it is still owed is sent.
    Closing(Closing),
}

/// What holds while a session does something.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What time it is.
    pub now: Now,
    /// What a client may take of us.
    pub limits: &'a Limits,
    /// What IRC tells of this server.
    pub irc: &'a Arc<irc::Server>,
    /// The session's own number.
    pub id: SessionId,
}

/// What one step of reading came to.
#[derive(Debug)]
pub enum Step<'i> {
    /// The room is to do this; [`Session::done`] is to be told what came of it.
    Command(Command<'i>),
    /// A message made no sense; the journal is to be told this.
    Nonsense(&'static str),
    /// A message was understood and answered by the dialect alone. There may be more to do.
    Answered,
    /// There may be more to do.
    More,
    /// A part of a long answer is written. There is more to do, but others come first.
    Pause,
    /// Nothing more can be done with this input now.
    Wait,
    /// The same, because the client is faster than allowed.
    TooFast,
}

impl Session {
    /// A client that has just connected. `protocol`: what it speaks; `None`: to be found out.
    #[must_use]
    pub fn new(context: Context<'_>, state: &State, origin: Origin, protocol: Option<&Protocol>) -> Session {
        let now = context.now.ticks;
        let mut session = Session {
            origin,
            phase: Phase::Open,
            dialect: None,
            person: None,
            output: Output::default(),
            held: Box::default(),
            rate: Rate::default(),
            resume: NEVER,
            deadline: now + micros(context.limits.login_timeout),
            stalled: NEVER,
            last_message: now,
            silent: false,
            enters: false,
        };
        match protocol {
            Some(protocol) => session.speak(context, state, protocol),
            None => session.resume = now + micros(SPEAK_FIRST),
        }
        session
    }

    /// What has arrived and could not be understood yet, to be put before what arrives next.
    pub fn take_held(&mut self) -> Box<[u8]> {
        std::mem::take(&mut self.held)
    }

    /// Keeps input for later.
    pub fn hold(&mut self, input: &[u8]) {
        self.held = input.into();
    }

    /// The peer has ended its side: a last line without its end counts, as with `printf 'ana\nhello' | nc`, also when it
    /// comes too fast, because there is no later for it. Returns what ends the line.
    pub fn last_line(&mut self, context: Context<'_>) -> &'static [u8] {
        self.silent = true;
        if self.dialect.is_none() && self.held.is_empty() {
            return b"";
        }
        self.rate.forgive(context.now, context.limits);
        self.dialect.as_ref().map_or(b"\n", Dialect::last_end)
    }

    /// The daemon is about to stop: what the client has said by now still counts, also if it came too fast.
    pub fn hear_out(&mut self) {
        (self.rate, self.resume, self.silent) = (Rate::Unlimited, NEVER, true);
    }

    /// Whether it has so many answers still to be sent that nothing more is asked.
    fn is_full(&self) -> bool {
        self.output.answers() > MOST_ANSWERS
    }

    /// Whether there may be something to do with what has arrived: with what is held, or without input at all.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let waits = self.resume != NEVER || self.is_full();
        let held = match self.dialect {
            Some(_) => !self.held.is_empty(),
            None => self.silent,
        };
        self.is_open() && !waits && (held || self.enters || self.dialect.as_ref().is_some_and(Dialect::is_busy))
    }

    /// Whether more may be read from the client. Over its rate it is not; before its protocol is known, it is all the same.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        let waits = self.resume != NEVER || self.is_full() || !self.held.is_empty();
        self.is_open() && (self.dialect.is_none() || !waits && !self.has_work())
    }

    /// When something is due, in ticks, if nothing happens before.
    #[must_use]
    pub fn due(&self) -> u64 {
        self.resume.min(self.deadline).min(self.stalled).min(self.dialect_due()).min(self.output.due())
    }

    /// The dialect's own next time limit, while the client may still do something about it. Over its rate it may not.
    fn dialect_due(&self) -> u64 {
        let waits = !self.is_open() || self.resume != NEVER || self.is_full() || self.has_work();
        self.dialect.as_ref().filter(|_| !waits).and_then(Dialect::due).unwrap_or(NEVER)
    }

    /// Whether a message has begun that nothing has completed yet, and that silence will.
    #[must_use]
    pub fn awaits_silence(&self) -> bool {
        !matches!(self.dialect_due(), 0 | NEVER)
    }

    /// Notes how sending went: `progress`: something was sent; `full`: and there is more than the transport has room for.
    pub fn note_sending(&mut self, now: Now, progress: bool, full: bool) {
        if !full {
            self.stalled = NEVER;
        } else if progress || self.stalled == NEVER {
            self.stalled = now.ticks + micros(STALL);
        }
    }

    /// Why the client has fallen too far behind, if it has.
    #[must_use]
    pub fn lags(&self, state: &State, limits: &Limits) -> Option<Reason> {
        let too_far = self.is_open() && self.output.lag(&state.log) > limits.max_lag as u64;
        too_far.then_some(Reason::TooSlow(limits.max_lag))
    }

    /// Whether it is heard and answered.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Who it is, to the room.
    #[must_use]
    pub fn actor(&self, id: SessionId) -> Actor {
        Actor { person: self.person, session: id }
    }

    /// The person, once there is a name.
    #[must_use]
    pub fn person(&self) -> Option<PersonId> {
        self.person
    }

    /// Where the client comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The name of what it speaks; `auto` until that is known.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        self.dialect.as_ref().map_or_else(|| Protocol::name(None), Dialect::name)
    }

    /// When it last said something, or connected, in ticks.
    #[must_use]
    pub fn last_message(&self) -> u64 {
        self.last_message
    }

    /// What it is still to be sent.
    #[must_use]
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// What it is still to be sent, for whoever sends it.
    pub fn output_mut(&mut self) -> &mut Output {
        &mut self.output
    }
}

impl Origin {
    /// `tls` or `plain`.
    #[must_use]
    pub fn transport(&self) -> &'static str {
        if self.encrypted { "tls" } else { "plain" }
    }
}

/// A duration in the ticks of [`Now`].
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Somebody, and whether they were in the room.
fn named(state: &State, id: PersonId) -> Option<(Arc<Person>, bool)> {
    let known = state.people.get(id)?;
    Some((known.person.clone(), state.room.members.contains(id)))
}
