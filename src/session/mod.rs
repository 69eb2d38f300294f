//! A session: one client's conversation, as a plain value. Bytes, mail and time go in. Commands, bytes and requests (read
//! more, wake me at this time, close) come out. A session has no socket, no clock and no task, so tests can run it in
//! virtual time with any byte boundaries, and it can be serialized between any two inputs.
//!
//! Only here do bytes meet the room: the dialect decodes commands, the room performs them, and the dialect encodes the
//! outcome, which is queued at its place among the room's events.

mod ending;
mod entry;
mod input;
mod lookup;
mod output;
mod rate;
mod saved;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use ending::Ended;
pub use entry::barred;
pub use output::{FeedUpdate, Output};
pub use saved::SavedSession;

use crate::chat::{Command, Lookup, Now, Person, PersonId, Reason};
use crate::config::Limits;
use crate::dialect::{Dialect, Protocol, irc};
use crate::net::Address;
use crate::people::SessionId;
use crate::room::{Actor, State};
use ending::Closing;
use rate::Rate;

/// A time in ticks that never comes.
pub const NEVER: u64 = u64::MAX;
/// How long the server waits for a client to speak first. After that, it greets the client in the text protocol.
const DETECT_TIMEOUT: Duration = Duration::from_millis(250);
/// Bytes of unsent answers above which a client's next message is not processed yet.
const MAX_ANSWERS: usize = 64 * 1024;
/// Bytes that are read from a client at once: as many as this for each message that may come at once, and at least these.
const SHORT: usize = 128;
const LEAST_READ: usize = 4096;
/// How long a client with unsent output may go without reading any of it.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait for the answer to a lookup.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(30);

/// One client's conversation.
#[derive(Serialize, Deserialize)]
pub struct Session {
    origin: Origin,
    phase: Phase,
    /// `None` until the protocol is known.
    dialect: Option<Dialect>,
    /// `None` until the client has a name.
    person: Option<PersonId>,
    /// Serialized as its unsent bytes, see [`SavedSession`].
    #[serde(skip)]
    output: Output,
    /// Input that is not processed yet: the first bytes, before the protocol is known, or what exceeds the rate.
    buffered: Box<[u8]>,
    rate: Rate,
    /// Whether it waits because of what was said in the room, not for its own rate.
    #[serde(skip)]
    held: bool,
    /// When to continue with the buffered input, in ticks: the end of the wait for the rate or for the client's first bytes.
    /// [`NEVER`], here and in the next two: no such limit is set.
    resume: u64,
    /// When the present phase times out, in ticks.
    deadline: u64,
    /// When a client that reads nothing is disconnected, in ticks.
    stalled: u64,
    /// The time of the last message, or of the connection if there was none, in ticks.
    last_message: u64,
    /// Whether the wait for the client to speak first is over, or it has spoken.
    silent: bool,
    /// Whether the client has closed its side while a lookup was pending.
    input_ended: bool,
    /// The lookup whose answer is awaited. No further input is processed before.
    lookup: Option<Box<PendingLookup>>,
    /// Whether the next step is to enter the room, because the client has just got its name.
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

/// The phases of a session.
#[derive(Serialize, Deserialize)]
enum Phase {
    /// Messages are processed.
    Open {
        /// How many of its names or logins were refused before it had a name. A restart forgives them.
        #[serde(skip)]
        refused: u16,
    },
    /// The client has left the room, and the rest of its output is being sent.
    Closing(Closing),
}

/// A lookup whose answer is awaited.
#[derive(Serialize, Deserialize)]
struct PendingLookup {
    /// Tells its answer from one to an earlier session with the same number.
    ticket: u64,
    lookup: Lookup,
    /// When it counts as unanswered, in ticks.
    deadline: u64,
}

/// The circumstances of one step.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The present time.
    pub now: Now,
    /// The limits in force.
    pub limits: &'a Limits,
    /// What IRC clients are told about this server.
    pub irc: &'a Arc<irc::Server>,
    /// The number of this session.
    pub id: SessionId,
}

/// The result of one step.
#[derive(Debug)]
pub enum Step<'i> {
    /// Have the room perform this, and pass the outcome to [`Session::done`].
    Command(Command<'i>),
    /// Have this answered by [`Session::found`]. Until then there are no further steps.
    Lookup(Lookup),
    /// A message was invalid; this is for the journal.
    Invalid(&'static str),
    /// A message was understood and answered by the dialect alone. There may be more to do.
    Answered,
    /// Call again: there may be another message.
    More,
    /// A part of a long answer is written. Give other sessions a turn before the next part.
    Pause,
    /// Nothing more can be done with this input at present.
    Wait,
    /// The same, because the client has exceeded its rate.
    TooFast,
}

impl Session {
    /// The session of a client that has just connected. Without a `protocol`, it is detected.
    #[must_use]
    pub fn new(context: Context<'_>, state: &State, origin: Origin, protocol: Option<&Protocol>) -> Session {
        let now = context.now.ticks;
        let mut session = Session {
            origin,
            phase: Phase::Open { refused: 0 },
            dialect: None,
            person: None,
            output: Output::default(),
            buffered: Box::default(),
            rate: Rate::default(),
            held: false,
            resume: NEVER,
            deadline: now + micros(context.limits.login_timeout),
            stalled: NEVER,
            last_message: now,
            silent: false,
            input_ended: false,
            lookup: None,
            enters: false,
        };
        match protocol {
            // Whoever may not come in is told so by the caller.
            Some(protocol) => _ = session.set_protocol(context, state, protocol),
            None => session.resume = now + micros(DETECT_TIMEOUT),
        }
        session
    }

    /// Removes and returns the buffered input. It precedes whatever arrives next.
    pub fn take_buffered(&mut self) -> Box<[u8]> {
        std::mem::take(&mut self.buffered)
    }

    /// Buffers input for a later step.
    pub fn buffer_input(&mut self, input: &[u8]) {
        self.buffered = input.into();
    }

    /// The peer has closed its side. A last line counts without its end, as in `printf 'ana\nhello' | nc`, and regardless
    /// of the rate, because no later input will complete it. Returns the bytes that end the line.
    pub fn end_input(&mut self, context: Context<'_>) -> &'static [u8] {
        self.silent = true;
        if self.dialect.is_none() && self.buffered.is_empty() {
            return b"";
        }
        self.rate.forgive(context.now, context.limits);
        self.dialect.as_ref().map_or(b"\n", Dialect::last_end)
    }

    /// The daemon is about to stop: from now on the rate is not applied, so that everything that has arrived is processed.
    pub fn drain_input(&mut self) {
        (self.rate, self.resume, self.silent) = (Rate::Unlimited, NEVER, true);
    }

    /// How much to read at once. What exceeds the client's rate is better kept by the kernel, which can make the client wait.
    #[must_use]
    pub fn reads_at_most(&self, limits: &Limits) -> usize {
        match self.rate {
            Rate::Limited(_) => (limits.message_burst as usize).saturating_mul(SHORT).max(LEAST_READ),
            Rate::Unlimited => usize::MAX,
        }
    }

    /// Counts a message that was more than one, if it is so.
    pub fn count_more(&mut self, now: Now, limits: &Limits, more: bool) {
        for _ in 1..if more { limits.change_cost } else { 1 } {
            self.rate.count(now, limits);
        }
    }

    /// Has the client wait with its next message until this time, in ticks. Returns whether it is to come.
    pub fn hold(&mut self, now: Now, limits: &Limits, until: u64) -> bool {
        let held = until > now.ticks && self.rate.hold(limits, until);
        self.held |= held;
        held
    }

    /// Whether its present wait is for the room, not for its own rate.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Whether too many bytes of answers are unsent to process another message.
    fn is_full(&self) -> bool {
        self.output.answers() > MAX_ANSWERS
    }

    /// Whether input waits: for the client's rate, for it to read its answers, or for the answer to a lookup.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.resume != NEVER || self.is_full() || self.lookup.is_some()
    }

    /// Whether a step can make progress without new input.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let buffered = match self.dialect {
            Some(_) => !self.buffered.is_empty(),
            None => self.silent,
        };
        self.is_open()
            && !self.is_waiting()
            && (buffered || self.enters || self.dialect.as_ref().is_some_and(Dialect::is_busy))
    }

    /// Whether to read from the client. Not while it waits for its rate, unless its protocol is still unknown.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        let waits = self.is_waiting() || self.input_ended || !self.buffered.is_empty();
        self.is_open() && (self.dialect.is_none() || !waits && !self.has_work())
    }

    /// The next time limit, in ticks.
    #[must_use]
    pub fn due(&self) -> u64 {
        let lookup = self.lookup.as_ref().map_or(NEVER, |pending| pending.deadline);
        self.resume.min(self.deadline).min(self.stalled).min(lookup).min(self.dialect_due()).min(self.output.due())
    }

    /// The dialect's next time limit. It does not apply while the client's input is not read: the client could not meet it.
    fn dialect_due(&self) -> u64 {
        let waits = !self.is_open() || self.is_waiting() || self.has_work();
        self.dialect.as_ref().filter(|_| !waits).and_then(Dialect::due).unwrap_or(NEVER)
    }

    /// Whether a message has begun that nothing has completed yet, and that silence will.
    #[must_use]
    pub fn awaits_silence(&self) -> bool {
        !matches!(self.dialect_due(), 0 | NEVER)
    }

    /// Records the outcome of sending: whether anything was sent (`progress`), and whether the transport is `full`.
    pub fn note_sending(&mut self, now: Now, progress: bool, full: bool) {
        if !full {
            self.stalled = NEVER;
        } else if progress || self.stalled == NEVER {
            self.stalled = now.ticks + micros(STALL_TIMEOUT);
        }
    }

    /// Whether it has taken nothing of its output for too long, as far as is known.
    #[must_use]
    pub fn is_stalled(&self, now: Now) -> bool {
        self.stalled <= now.ticks
    }

    /// The reason to disconnect a client that lags more than the limit.
    #[must_use]
    pub fn lags(&self, state: &State, limits: &Limits) -> Option<Reason> {
        let too_far = self.is_open() && self.output.lag(&state.log) > limits.max_lag as u64;
        too_far.then_some(Reason::TooSlow(limits.max_lag))
    }

    /// Whether its messages are processed; otherwise it is closing.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// The author of this session's commands.
    #[must_use]
    pub fn actor(&self, id: SessionId) -> Actor {
        Actor { person: self.person, session: id }
    }

    /// The person, once there is a name.
    #[must_use]
    pub fn person(&self) -> Option<PersonId> {
        self.person
    }

    /// The client's origin.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it cannot be told anything before it has said something.
    #[must_use]
    pub fn is_mute(&self) -> bool {
        self.dialect.as_ref().is_some_and(Dialect::is_mute)
    }

    /// The name of its protocol; `auto` until that is known.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        self.dialect.as_ref().map_or_else(|| Protocol::name(None), Dialect::name)
    }

    /// Whether its protocol is known.
    #[must_use]
    pub fn has_protocol(&self) -> bool {
        self.dialect.is_some()
    }

    /// The time of the last message, or of the connection if there was none, in ticks.
    #[must_use]
    pub fn last_message(&self) -> u64 {
        self.last_message
    }

    /// Its unsent output.
    #[must_use]
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Its unsent output, for the code that sends it.
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

/// A person, and whether they are in the room.
fn named(state: &State, id: PersonId) -> Option<(Arc<Person>, bool)> {
    let entry = state.people.get(id)?;
    Some((entry.person.clone(), state.room.members.contains(id)))
}
