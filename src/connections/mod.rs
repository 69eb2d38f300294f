//! All connections: each is a session with its transport. This module schedules the sessions' turns, sends their output
//! and fires their alarms. It does not look at what is said.
//!
//! Like a session, it is a plain value: transports and the time are arguments. The server drives it with sockets and real
//! time, the tests with fake transports and virtual time.

mod backlog;
mod budget;
mod counters;
mod delivery;
mod journal;
mod lookup;
mod meter;
mod observer;
mod saved;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use slab::Slab;

pub use counters::Counters;
pub use delivery::Delivery;
pub use lookup::Ticket;
pub use meter::Meter;
pub use observer::{Observation, Observer};
pub use saved::Parted;

use crate::chat::{Ban, Event, Lookup, Nick, Now, Person, Reason, Stamp};
use crate::config::Limits;
use crate::dialect::{Protocol, irc};
use crate::net::{Address, Admission, Readiness, Transport};
use crate::people::SessionId;
use crate::room::State;
use crate::session::{Context, NEVER, Origin, Session};
use budget::Budget;

/// Bytes that one read may return. All connections share one buffer, so an idle client has none.
const SCRATCH: usize = 64 * 1024;

/// All connections, and the state that they share.
pub struct Connections<T> {
    /// People, the room, and the log.
    pub state: State,
    /// Counts since the start.
    pub counters: Counters,
    all: Slab<Connection<T>>,
    /// The sessions that wait for a turn.
    woken: VecDeque<SessionId>,
    /// When to give a session a turn, in ticks. Each session has at most one alarm.
    alarms: BTreeSet<(u64, SessionId)>,
    /// Lookups that somebody else is to answer.
    lookups: Vec<(Ticket, Lookup)>,
    next_ticket: u64,
    budget: Budget,
    limits: Arc<Limits>,
    irc: Arc<irc::Server>,
    stopping: bool,
    scratch: Vec<u8>,
    /// Called with each step of each session.
    observer: Observer,
}

/// One client's connection.
struct Connection<T> {
    session: Session,
    transport: T,
    /// Holds the client's place in the connection limits until the connection is dropped.
    admission: Admission,
    /// When its alarm is due, in ticks; [`NEVER`]: it has none.
    alarm: u64,
    /// Whether it waits for a turn already.
    woken: bool,
}

/// What administrators are shown about a client that has a name.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Who it is.
    pub person: Arc<Person>,
    /// Whether they are in the room.
    pub in_room: bool,
    /// Its address.
    pub address: Address,
    /// `tls` or `plain`.
    pub transport: &'static str,
    /// The name of its protocol.
    pub protocol: &'static str,
    /// When it connected.
    pub connected: Now,
    /// Ticks since its last message, or since it connected.
    pub idle: u64,
    /// Unsent bytes.
    pub lag: u64,
}

impl<T: Transport> Connections<T> {
    /// No connections, and this state.
    #[must_use]
    pub fn new(state: State, limits: Arc<Limits>, irc: Arc<irc::Server>) -> Connections<T> {
        Connections {
            state,
            counters: Counters::default(),
            all: Slab::new(),
            woken: VecDeque::new(),
            alarms: BTreeSet::new(),
            lookups: Vec::new(),
            next_ticket: 0,
            budget: Budget::default(),
            limits,
            irc,
            stopping: false,
            scratch: vec![0; SCRATCH],
            observer: observer::NO_OBSERVER,
        }
    }

    /// Adds a client. Without a `protocol`, it is detected.
    pub fn insert(
        &mut self,
        now: Now,
        origin: Origin,
        protocol: Option<&Protocol>,
        transport: T,
        admission: Admission,
    ) -> SessionId {
        let id = self.next_id();
        let context = Context { now, limits: &self.limits, irc: &self.irc, id };
        let session = Session::new(context, &self.state, origin, protocol);
        self.insert_session(now, session, transport, admission);
        if self.stopping {
            self.close(id, now, &Reason::Stopping);
        } else if protocol.is_some()
            && let Some(reason) = self.barred(id, now)
        {
            self.close(id, now, &reason);
        }
        id
    }

    /// Why a client may not come in, if so, and if it can be told.
    fn barred(&self, id: SessionId, now: Now) -> Option<Reason> {
        let session = self.session(id).filter(|session| !session.is_mute())?;
        session.origin().barred(now, &self.state.room.bans, &self.limits)
    }

    fn insert_session(&mut self, now: Now, session: Session, transport: T, admission: Admission) -> SessionId {
        let id = self.next_id();
        if let Some(person) = session.person() {
            self.state.people.connect(person, id);
        }
        let lookup = session.pending_lookup().cloned();
        self.all.insert(Connection { session, transport, admission, alarm: NEVER, woken: false });
        self.wake(id);
        if let Some(lookup) = lookup {
            // Asked again: nobody else has its answer.
            self.look_up(id, now, lookup);
        }
        id
    }

    /// The number of the next client.
    #[must_use]
    pub fn next_id(&self) -> SessionId {
        // There are fewer descriptors than numbers.
        SessionId::try_from(self.all.vacant_key()).unwrap_or(SessionId::MAX)
    }

    /// Removes a connection.
    pub fn remove(&mut self, id: SessionId) -> Option<(Session, T)> {
        let connection = self.all.try_remove(id as usize)?;
        if connection.alarm != NEVER {
            self.alarms.remove(&(connection.alarm, id));
        }
        if self.all.is_empty() {
            // Frees the memory that many clients needed.
            (self.all, self.woken) = Default::default();
        }
        Some((connection.session, connection.transport))
    }

    /// A client's transport.
    #[must_use]
    pub fn transport(&self, id: SessionId) -> Option<&T> {
        Some(&self.all.get(id as usize)?.transport)
    }

    /// A client's transport.
    pub fn transport_mut(&mut self, id: SessionId) -> Option<&mut T> {
        Some(&mut self.all.get_mut(id as usize)?.transport)
    }

    /// A client's session.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        Some(&self.all.get(id as usize)?.session)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The range of numbers in use. Some numbers within it may be unused.
    #[must_use]
    pub fn ids(&self) -> Range<SessionId> {
        0..SessionId::try_from(self.all.capacity()).unwrap_or(SessionId::MAX)
    }

    /// Records a socket's readiness. A late event for a connection that is gone is harmless: at worst a new connection with
    /// its number gets an unnecessary turn.
    pub fn note(&mut self, id: SessionId, readiness: Readiness) {
        if let Some(connection) = self.all.get_mut(id as usize) {
            connection.transport.note(readiness);
            self.wake(id);
        }
    }

    /// Schedules a turn.
    fn wake(&mut self, id: SessionId) {
        if let Some(connection) = self.all.get_mut(id as usize)
            && !std::mem::replace(&mut connection.woken, true)
        {
            self.woken.push_back(id);
        }
    }

    /// Removes and returns the session whose turn is next.
    pub fn next_woken(&mut self) -> Option<SessionId> {
        self.woken.pop_front()
    }

    /// How many sessions wait for a turn.
    #[must_use]
    pub fn woken(&self) -> usize {
        self.woken.len()
    }

    /// Whether any session waits for a turn.
    #[must_use]
    pub fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// Schedules a turn for every session whose alarm is due. Returns when the next alarm is, in ticks.
    pub fn fire_alarms(&mut self, now: Now) -> Option<u64> {
        while let Some((at, id)) = self.alarms.first().copied() {
            if at > now.ticks {
                return Some(at);
            }
            self.alarms.pop_first();
            self.wake(id);
        }
        None
    }

    /// When the next alarm is due, in ticks.
    #[must_use]
    pub fn next_alarm(&self) -> Option<u64> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// Closes a session and tells its client why.
    pub fn close(&mut self, id: SessionId, now: Now, reason: &Reason) {
        let Some(connection) = self.all.get_mut(id as usize) else { return };
        let context = Context { now, limits: &self.limits, irc: &self.irc, id };
        if let Some(ended) = connection.session.close(context, &mut self.state, reason) {
            (self.observer)(id, &connection.session, Observation::Ended(reason));
            self.counters.count_end(reason, ended.person.is_some());
            journal::log_end(connection.session.origin(), connection.session.protocol(), &ended, reason);
        }
        self.wake(id);
        self.deliver_mail();
    }

    /// Closes a session if a ban concerns its client. Returns whether it was open and is closed now. One that
    /// cannot be told yet is closed when it can.
    pub fn enforce(&mut self, id: SessionId, now: Now, ban: &Ban) -> bool {
        let speaks = |session: &&Session| session.is_open() && session.has_protocol() && !session.is_mute();
        let Some(session) = self.session(id).filter(speaks) else { return false };
        let nick = session.person().and_then(|id| self.state.people.get(id)).map(|entry| &entry.person.nick);
        let concerned = session.origin().is_subject(&ban.subject, nick);
        if concerned {
            self.close(id, now, &ban.told());
        }
        concerned
    }

    /// Delivers the mail that the room has addressed to single sessions.
    fn deliver_mail(&mut self) {
        if !self.state.has_mail() {
            return;
        }
        for (id, mail) in self.state.take_mail() {
            if let Some(connection) = self.all.get_mut(id as usize) {
                connection.session.receive(&self.state, &mail);
                self.wake(id);
            }
        }
    }

    /// The connection of the user with this name, in the room or not.
    #[must_use]
    pub fn find(&self, nick: &Nick) -> Option<SessionId> {
        self.state.people.find(nick)?.session
    }

    /// Commits an event that no client has caused.
    pub fn commit(&mut self, now: Now, event: &Event<'_>) -> Stamp {
        let stamp = self.state.commit(now, event);
        self.deliver_mail();
        stamp
    }

    /// What administrators are shown about a client, if it has a name.
    #[must_use]
    pub fn snapshot(&self, id: SessionId, now: Now) -> Option<Snapshot> {
        let session = &self.all.get(id as usize)?.session;
        let entry = self.state.people.get(session.person()?)?;
        let origin = session.origin();
        Some(Snapshot {
            person: entry.person.clone(),
            in_room: self.state.room.members.contains(entry.person.id),
            address: origin.address,
            transport: origin.transport(),
            protocol: session.protocol(),
            connected: origin.connected,
            idle: now.ticks.saturating_sub(session.last_message()),
            lag: session.output().lag(&self.state.log) + session.output().answers() as u64,
        })
    }

    /// The daemon is about to stop: everything that has arrived from this client is processed, regardless of its rate.
    pub fn drain_input(&mut self, id: SessionId) {
        if let Some(connection) = self.all.get_mut(id as usize) {
            connection.session.drain_input();
            // The poller may not have reported the latest input yet.
            connection.transport.note(Readiness { readable: true, ..Readiness::default() });
            self.wake(id);
        }
    }

    /// From now on, new clients are closed at once and told that the daemon stops.
    pub fn begin_stop(&mut self) {
        self.stopping = true;
    }

    /// Sets the function that is called with each step of each session.
    pub fn set_observer(&mut self, observer: Observer) {
        self.observer = observer;
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// Replaces the limits. They apply to all clients at once.
    pub fn set_limits(&mut self, limits: Arc<Limits>) {
        self.limits = limits;
    }

    /// What IRC clients are told about this server.
    #[must_use]
    pub fn irc(&self) -> &Arc<irc::Server> {
        &self.irc
    }

    /// Replaces what new IRC clients are told about this server.
    pub fn set_irc(&mut self, irc: Arc<irc::Server>) {
        self.irc = irc;
    }
}
