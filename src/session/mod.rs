//! Where bytes meet the room, and the only place where they do.
//!
//! A session is one client's connection: a socket, a dialect and a cursor in the room's log. It has no task of its own:
//! the one [`Driver`] gives a session its turn when something has happened to it, and the one [`Delivery`] writes to
//! everybody who keeps up; only whoever is behind is written to in its own turn. What the room's events look like is the
//! dialect's affair, what they mean is the room's.

mod admission;
mod alarms;
mod clock;
mod delivery;
mod driver;
mod input;
mod life;
mod meter;
mod obey;
mod output;
mod rate;
mod sessions;
mod transport;
mod watchers;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use tracing::info;

pub use admission::{Admission, Admissions};
pub use alarms::Alarms;
pub use clock::{Clock, micros};
pub use delivery::Delivery;
pub use driver::Driver;
pub use life::Connection;
pub use meter::Meter;
pub use sessions::{Sessions, Woken};
pub use watchers::{Presence, Watchers};

use crate::chat::{Nick, Now, Person, Reason, Stamp, Words};
use crate::config::Limits;
use crate::dialect::{Dialect, Protocol, irc};
use crate::net::Address;
use crate::room::Room;
use output::Output;
use rate::Rate;
use transport::Transport;

/// A time in ticks that never comes.
const NEVER: u64 = u64::MAX;
/// How long turns are given, or members are written to, before others go on, in ticks.
const STINT: u64 = 500;

/// Everything that sessions share.
pub struct Context {
    /// The room.
    pub room: Room<Arc<Session>>,
    /// All sessions, those without a name included.
    pub sessions: Sessions,
    /// Those who are told when somebody comes and goes.
    pub watchers: Watchers,
    /// Wakes sessions at a time.
    pub alarms: Alarms,
    /// What time it is.
    pub clock: Clock,
    /// What a client may take of us; replaced as a whole on a reload.
    pub limits: RwLock<Arc<Limits>>,
    /// What IRC tells of this server; replaced as a whole on a reload.
    pub irc: RwLock<Arc<irc::Server>>,
    /// What has been counted since the start.
    pub counters: Counters,
    /// Whether the daemon stops: whoever still comes in is sent away.
    pub stopping: AtomicBool,
}

/// What is counted from the start on.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages that clients sent to the room.
    pub messages: Meter,
    /// Connections that were turned away, or ended before they had a name by the daemon's doing.
    pub refused: AtomicU64,
    /// Of these, how many had no name in time.
    pub login_timeout: AtomicU64,
    /// Times that a client was read more slowly because it was over its rate.
    pub message_rate: AtomicU64,
    /// Clients that were disconnected because they lagged too far behind.
    pub max_lag: AtomicU64,
}

/// One client's connection.
pub struct Session {
    admission: Admission,
    /// Where it is among all sessions, and what its socket's events are called by.
    slot: u32,
    woken: Arc<Woken>,
    encrypted: bool,
    connected: Now,
    protocol: OnceLock<Protocol>,
    mailbox: Mutex<Vec<Mail>>,
    state: Mutex<State>,
}

/// What others have for a session; it opens its mail before it does anything else.
enum Mail {
    /// Somebody says this to it alone, at this position of its feed.
    Private { at: u64, stamp: Stamp, from: Person, to: Nick, words: Words<'static> },
    /// Somebody whom it watches has come, gone or changed.
    Presence(watchers::Notice),
    /// It is to end. It is not in the room any more if it was kicked.
    Close(Reason),
}

struct State {
    phase: Phase,
    transport: Transport,
    /// Known once the protocol is.
    dialect: Option<Box<dyn Dialect>>,
    /// Known once somebody has a name.
    person: Option<Arc<Person>>,
    /// The feed that it reads while it is in the room, and to its end.
    feed: Option<u32>,
    /// Whether it is told when somebody comes and goes.
    watching: bool,
    output: Output,
    /// Read, but not yet understood: the first bytes, or what came faster than allowed.
    held: Box<[u8]>,
    rate: Rate,
    /// When held input is looked at again, in ticks: the client is over its rate, or has had its time to speak first.
    /// [`NEVER`] for this one and the next two: there is nothing to wait for.
    resume: u64,
    /// When the present phase has taken too long, in ticks.
    deadline: u64,
    /// When the next alarm rings, in ticks.
    alarm: u64,
    /// When it has last said something, or connected, in ticks.
    last_message: u64,
}

/// Where a session is in its life.
enum Phase {
    /// What it speaks is not known, or it has no name yet.
    Login,
    /// It has a name; mostly it is in the room.
    Member,
    /// To be ended for this reason, found outside its own turn.
    Failed(Reason),
    /// Out of the room; what it is still owed is sent.
    Closing(life::Closing),
}

/// One client who has a name, as the administrator sees it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Who it is.
    pub person: Arc<Person>,
    /// Where it comes from.
    pub address: Address,
    /// `tls` or `plain`.
    pub transport: &'static str,
    /// The name of what it speaks.
    pub protocol: &'static str,
    /// When it connected.
    pub connected: Now,
    /// Ticks since its last message, or since it connected.
    pub idle: u64,
    /// Bytes that it has not been sent yet.
    pub lag: u64,
}

impl Context {
    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Arc<Limits> {
        self.limits.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What IRC tells of this server now.
    #[must_use]
    pub fn irc(&self) -> Arc<irc::Server> {
        self.irc.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The end of a client that lags more than `max_lag` bytes behind, counted.
    fn too_slow(&self, max_lag: usize) -> Reason {
        count(&self.counters.max_lag);
        Reason::TooSlow(max_lag)
    }
}

impl Session {
    /// What there is to know of it, if it has a name in the room's roster.
    #[must_use]
    pub fn snapshot(&self, now: Now, room: &Room<Arc<Session>>) -> Option<Snapshot> {
        let state = self.lock();
        let room = room.lock();
        let member = room.roster().find(&state.person.as_ref()?.nick)?;
        // Whoever was kicked has it no more, though perhaps somebody else has.
        if !std::ptr::eq(&*member.handle, self) {
            return None;
        }
        Some(Snapshot {
            person: member.person.clone(),
            address: *self.address(),
            transport: self.transport(),
            protocol: self.protocol(),
            connected: self.connected,
            idle: now.ticks.saturating_sub(state.last_message),
            lag: state.output.lag(member.feed.map_or(0, |feed| room.end(feed))),
        })
    }

    /// Where it comes from.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.admission.address()
    }

    /// `tls` or `plain`.
    #[must_use]
    pub fn transport(&self) -> &'static str {
        if self.encrypted { "tls" } else { "plain" }
    }

    /// The name of what it speaks; empty until that is known.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        Protocol::name(self.protocol.get())
    }

    /// Tells the journal that its client has left the room.
    pub fn log_left(&self, nick: &Nick, reason: &Reason) {
        info!(chatd.event = "leave", chatd.user = %nick, chatd.address = %self.address(),
            chatd.transport = self.transport(), chatd.protocol = self.protocol(), chatd.reason = reason.code(),
            "{nick} has left");
    }

    /// Ends it. Whoever does this has taken it out of the room, or leaves that to the session itself.
    pub fn close(&self, reason: Reason) {
        self.mail(Mail::Close(reason));
    }

    /// Has it get a turn.
    pub fn wake(&self) {
        self.woken.push(self.slot);
    }

    fn mail(&self, mail: Mail) {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
        self.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds one to a counter.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
