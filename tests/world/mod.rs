//! A world of sessions in virtual time: the real connections, room and delivery, with fake transports and a clock that is
//! moved by hand. Whatever happens in whatever order, it must hold that everybody sees one order without gap or double,
//! that every wait ends, that memory is bounded, that nobody is there whose connection is gone, and that writing everything
//! down and reading it back changes nothing.
//!
//! `PROPTEST_CASES=1000000 cargo test --release world` runs it for longer.

mod day;
mod defects;
mod steps;
mod wire;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chatd::chat::{Event, Nick, Now, Reason};
use chatd::config::{Limits, PerAddress};
use chatd::connections::{Connections, Delivery, Parted};
use chatd::dialect::podsixnet::rencode::Version;
use chatd::dialect::{Protocol, classic, irc};
use chatd::net::{Admissions, Readiness, Transport as _};
use chatd::people::SessionId;
use chatd::room::{HistoryLimit, SavedState, State};
use chatd::session::{Origin, SavedSession};
use wire::{Streams, Wire};

thread_local! {
    /// Keeps what happens in a world out of the log, which other tests of this process watch.
    static QUIET: tracing::subscriber::DefaultGuard =
        tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::new());
}

/// How much everybody is still to be sent: from others, and in answers.
fn unsent(connections: &Connections<Wire>) -> Vec<(u64, usize)> {
    let outputs = connections.ids().filter_map(|id| Some(connections.session(id)?.output()));
    outputs.map(|output| (output.lag(&connections.state.log), output.answers())).collect()
}

/// What a client is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Auto,
    Text,
    Irc,
    /// IRC with the capability echo-message.
    Echo,
    Classic,
    PodSixNet,
}

/// One client: its end of the wire, and what it has said and seen.
pub struct Client {
    pub kind: Kind,
    pub name: String,
    pub id: SessionId,
    pub wire: Rc<RefCell<Streams>>,
    pub received: Vec<u8>,
    /// How often it has left the room and come back.
    pub parts: usize,
}

impl Client {
    pub fn speaks_irc(&self) -> bool {
        matches!(self.kind, Kind::Auto | Kind::Irc | Kind::Echo)
    }

    /// Whether it is sent its own lines.
    pub fn has_echo(&self) -> bool {
        !matches!(self.kind, Kind::Auto | Kind::Irc)
    }
}

/// Everything.
pub struct World {
    pub connections: Connections<Wire>,
    pub now: Now,
    pub clients: Vec<Client>,
    delivery: Option<Delivery>,
    admissions: Arc<Admissions>,
    protocols: [Option<Protocol>; 6],
    /// How many things have been said, each with its own number.
    pub said: usize,
    /// Who has said each of them; `None`: the administrator.
    pub authors: Vec<Option<usize>>,
    /// To whom each of them was said alone.
    pub addressees: Vec<Option<usize>>,
}

/// Limits that are reached soon.
pub fn limits() -> Limits {
    Limits {
        allow: Vec::new(),
        connections: 100,
        per_address: PerAddress { connections: 100, connection_rate: 100, room_rate: 16 << 10 },
        networks: Vec::new(),
        connection_rate: 100,
        handshake_timeout: Duration::from_secs(10),
        login_timeout: Duration::from_secs(60),
        login_attempts: 10,
        line_length: 400,
        message_rate: 20,
        message_burst: 50,
        change_cost: 2,
        room_rate: 32 << 10,
        max_lag: 16 * 1024,
        backlog: 48 * 1024,
    }
}

impl World {
    pub fn new() -> World {
        World::with(limits(), 0)
    }

    /// `history`: lines that newcomers are shown.
    pub fn with(limits: Limits, history: usize) -> World {
        QUIET.with(|_| ());
        let now = Now { ticks: 1_000_000, unix: 1_767_323_045_678 };
        let state = State::new(now, "lobby", "tea", HistoryLimit { length: history, size: 1 << 20 });
        let server = irc::Server {
            name: "irc.test".into(),
            room: "lobby".into(),
            autojoin: true,
            started: now.unix,
            secure_port: None,
        };
        let quit_echo = classic::PRESETS.iter().find(|(name, _)| *name == "quit-echo").unwrap().1;
        let protocols = [
            None,
            Some(Protocol::Text),
            Some(Protocol::Irc),
            Some(Protocol::Irc),
            Some(Protocol::Classic(quit_echo().into())),
            Some(Protocol::PodSixNet(Some(Version::New))),
        ];
        let connections = Connections::new(state, Arc::new(limits), Arc::new(server));
        let (clients, admissions) = Default::default();
        let (authors, addressees) = Default::default();
        World { connections, now, clients, delivery: None, admissions, protocols, said: 0, authors, addressees }
    }

    /// A client connects; it has said nothing yet. Returns its place among the clients.
    pub fn connect(&mut self, kind: Kind, capacity: usize, piece: usize) -> usize {
        let wire = Rc::new(RefCell::new(Streams::new(capacity, piece)));
        let id = self.insert(kind, Wire(wire.clone()));
        let name = format!("c{}", self.clients.len());
        self.clients.push(Client { kind, name, id, wire, received: Vec::new(), parts: 0 });
        self.clients.len() - 1
    }

    fn insert(&mut self, kind: Kind, wire: Wire) -> SessionId {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1000)).into();
        let admission = self.admissions.enter(address, 100_000).unwrap();
        let origin = Origin { address, encrypted: false, account: None, connected: self.now };
        self.connections.insert(self.now, origin, self.protocols[kind as usize].as_ref(), wire, admission)
    }

    /// A client that has logged in.
    pub fn join(&mut self, kind: Kind, capacity: usize) -> usize {
        let client = self.connect(kind, capacity, usize::MAX);
        let login = self.login_of(client);
        self.write(client, login);
        self.settle();
        client
    }

    /// What brings a client into the room.
    pub fn login_of(&self, client: usize) -> Vec<u8> {
        let Client { kind, name, .. } = &self.clients[client];
        match kind {
            Kind::Auto | Kind::Irc => format!("NICK {name}\r\nUSER u 0 * :real\r\n").into_bytes(),
            Kind::Echo => {
                format!("CAP REQ :echo-message\r\nNICK {name}\r\nUSER u 0 * :real\r\nCAP END\r\n").into_bytes()
            }
            Kind::Text | Kind::Classic => format!("{name}\n").into_bytes(),
            Kind::PodSixNet => frame("nickname", "nickname", name),
        }
    }

    /// A client writes.
    pub fn write(&mut self, client: usize, bytes: impl AsRef<[u8]>) {
        let Client { wire, id, .. } = &self.clients[client];
        wire.borrow_mut().to_server.extend(bytes.as_ref());
        self.note(*id, wire.clone(), Readiness { readable: true, ..Readiness::default() });
    }

    /// A client says the next numbered thing to the room.
    pub fn say(&mut self, client: usize) {
        self.say_at_length(client, 0);
    }

    /// The same, with so many bytes besides the number.
    pub fn say_at_length(&mut self, client: usize, size: usize) {
        let line = self.line(client, size);
        self.write(client, line);
    }

    /// The next numbered line, in the client's manner.
    pub fn line(&mut self, client: usize, size: usize) -> Vec<u8> {
        let token = format!("?{}?{}", self.next(Some(client), None), "x".repeat(size));
        match self.clients[client].kind {
            Kind::Auto | Kind::Irc | Kind::Echo => format!("PRIVMSG #lobby :{token}\r\n").into_bytes(),
            Kind::Text | Kind::Classic => format!("{token}\n").into_bytes(),
            // The frames here are short.
            Kind::PodSixNet => frame("message", "message", token.trim_end_matches('x')),
        }
    }

    /// The number of the next thing that is said.
    fn next(&mut self, author: Option<usize>, addressee: Option<usize>) -> usize {
        self.said += 1;
        self.authors.push(author);
        self.addressees.push(addressee);
        self.said
    }

    /// A client says the next numbered thing to another one alone.
    pub fn tell(&mut self, client: usize, to: usize) {
        let number = self.next(Some(client), Some(to));
        let name = &self.clients[to].name;
        let line = match self.clients[client].speaks_irc() {
            true => format!("PRIVMSG {name} :?{number}?\r\n"),
            false => format!("/msg {name} ?{number}?\n"),
        };
        self.write(client, line);
    }

    fn note(&mut self, id: SessionId, wire: Rc<RefCell<Streams>>, readiness: Readiness) {
        // The number may be somebody else's by now.
        if self.connections.transport(id).is_some_and(|known| Rc::ptr_eq(&known.0, &wire)) {
            self.connections.note(id, readiness);
        }
    }

    /// A client reads so many bytes.
    pub fn read(&mut self, client: usize, most: usize) {
        let Client { wire, received, id, .. } = &mut self.clients[client];
        let (id, wire) = (*id, wire.clone());
        let length = {
            let streams = &mut *wire.borrow_mut();
            let length = streams.to_client.len().min(most);
            received.extend(streams.to_client.drain(..length));
            length
        };
        if length > 0 && !wire.borrow().deaf {
            self.note(id, wire, Readiness { writable: true, ..Readiness::default() });
        }
    }

    /// A client ends its side, or its connection breaks.
    pub fn end(&mut self, client: usize, broken: bool) {
        let Client { wire, id, .. } = &self.clients[client];
        {
            let streams = &mut *wire.borrow_mut();
            streams.client_ended = true;
            streams.broken |= broken;
        }
        self.note(*id, wire.clone(), Readiness { readable: true, writable: broken, ended: true, broken });
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) {
        self.now.ticks += time.as_micros() as u64;
        self.now.unix += time.as_millis() as u64;
        self.connections.fire_alarms(self.now);
    }

    /// Time passes from one alarm to the next, so that the order of time limits does not depend on who has a turn first.
    pub fn pass_by_alarms(&mut self, time: Duration) {
        let end = self.now.ticks + time.as_micros() as u64;
        self.settle();
        while let Some(next) = self.connections.next_alarm().filter(|next| *next < end) {
            let step = next.saturating_sub(self.now.ticks).max(1000);
            self.pass(Duration::from_micros(step.min(end.saturating_sub(self.now.ticks))));
            self.settle();
        }
        self.pass(Duration::from_micros(end.saturating_sub(self.now.ticks)));
    }

    /// So many sessions get their turns, if as many are to get one.
    pub fn turns(&mut self, most: usize) {
        for _ in 0..most {
            let Some(id) = self.connections.next_woken() else {
                return;
            };
            self.connections.turn(id, self.now);
            self.check_bounds();
        }
    }

    /// A round of the delivery goes on for so many members, or a new one begins.
    pub fn deliver(&mut self, members: usize) {
        let mut delivery = self.delivery.take().unwrap_or_else(|| self.connections.begin_round());
        let mut left = members / 16;
        let go_on = || {
            left = left.saturating_sub(1);
            left > 0
        };
        if !self.connections.deliver(&mut delivery, self.now, go_on) {
            self.delivery = Some(delivery);
        }
        self.check_bounds();
    }

    /// Everything is done that can be done without anybody's doing and without time.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            if self.connections.has_woken() {
                self.turns(100);
            } else if self.delivery.is_some() || self.connections.state.log.has_pending() {
                self.deliver(usize::MAX);
            } else {
                return self.check_rest();
            }
        }
        panic!("it never comes to rest");
    }

    /// What holds when nothing is left to be done.
    fn check_rest(&self) {
        for id in self.connections.ids() {
            let Some(session) = self.connections.session(id) else {
                continue;
            };
            let reason = session.lags(&self.connections.state, self.connections.limits());
            assert_eq!(reason, None, "whoever is too far behind has been told so");
            assert!(session.output().is_blocked() || session.output().is_done() || self.owed(id) == 0);
        }
        for known in self.connections.state.people.after(None) {
            let session = known.session.and_then(|id| self.connections.session(id));
            assert_eq!(session.and_then(|session| session.person()), Some(known.person.id), "nobody is there alone");
        }
    }

    /// Bytes that a session has still to be sent.
    pub fn owed(&self, id: SessionId) -> u64 {
        let output = self.connections.session(id).unwrap().output();
        output.lag(&self.connections.state.log) + output.answers() as u64
    }

    /// Whether a client is in the room.
    pub fn is_member(&self, client: usize) -> bool {
        let Client { id, wire, .. } = &self.clients[client];
        let same = self.connections.transport(*id).is_some_and(|known| Rc::ptr_eq(&known.0, wire));
        let person = self.connections.session(*id).and_then(|session| session.person()).filter(|_| same);
        person.is_some_and(|person| self.connections.state.room.members.contains(person))
    }

    /// The daemon stops, in the order in which it does so.
    pub fn stop(&mut self) {
        self.connections.begin_stop();
        self.connections.ids().for_each(|id| self.connections.drain_input(id));
        for _ in 0..100 {
            self.turns(100);
            self.deliver(usize::MAX);
        }
        self.connections.ids().for_each(|id| self.connections.close(id, self.now, &Reason::Stopping));
    }

    /// Everybody reads all that there is, for so long.
    pub fn calm_down(&mut self, time: Duration) {
        let end = self.now.ticks + time.as_micros() as u64;
        while self.now.ticks < end {
            for client in 0..self.clients.len() {
                self.clients[client].wire.borrow_mut().capacity = 1 << 20;
                self.read(client, usize::MAX);
            }
            self.settle();
            self.pass(Duration::from_millis(200));
        }
    }

    /// The same until all input is processed and everything is sent, which takes time at a client's rate or pace.
    pub fn calm_down_completely(&mut self) {
        self.connections.set_limits(limits().into());
        for _ in 0..30 {
            self.calm_down(Duration::from_secs(20));
            if self.connections.ids().all(|id| self.is_idle(id)) {
                return;
            }
        }
        panic!("it never calms down");
    }

    /// Whether a session waits for nothing but new input.
    fn is_idle(&self, id: SessionId) -> bool {
        let Some((session, wire)) = self.connections.session(id).zip(self.connections.transport(id)) else {
            return true;
        };
        session.wants_input() && wire.0.borrow().to_server.is_empty() && self.owed(id) == 0
    }

    pub fn kick(&mut self, client: usize) {
        let nick = Nick::new(&self.clients[client].name).unwrap();
        if let Some(id) = self.connections.find(&nick) {
            self.connections.close(id, self.now, &Reason::Kicked(None));
        }
    }

    pub fn notice(&mut self) {
        let text = format!("?{}?", self.next(None, None));
        self.connections.commit(self.now, &Event::Notice(text.into()));
    }

    /// Everything is written down, and read back by another process; `renumber`: the sessions get other numbers there.
    pub fn save_and_restore(&mut self, renumber: bool) {
        self.save_and_restore_as(renumber, |state| state);
    }

    /// The same, with the state as another program has written it.
    pub fn save_and_restore_as(&mut self, renumber: bool, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        self.finish_round();
        let limits = self.connections.limits().clone();
        let irc = self.connections.irc().clone();
        let mut old = std::mem::replace(&mut self.connections, empty(limits.clone(), irc.clone()));
        let before = unsent(&old);
        let (state, parted) = old.save(&Reason::Stopping);
        let state: SavedState = postcard::from_bytes(&change(postcard::to_allocvec(&state).unwrap())).unwrap();
        self.connections = Connections::new(state.restore(), limits, irc);
        let first = renumber.then(|| self.insert(Kind::Text, Wire(Rc::default())));
        for Parted { session, transport: mut wire, .. } in parted {
            let saved: SavedSession = postcard::from_bytes(&postcard::to_allocvec(&session).unwrap()).unwrap();
            wire.note(Readiness { readable: true, writable: true, ..Readiness::default() });
            let admission = self.admissions.enter(saved.origin().address, 100_000).unwrap();
            let streams = wire.0.clone();
            assert!(self.connections.fits(&saved));
            let id = self.connections.insert_saved(self.now, saved, wire, admission);
            let client = self.clients.iter_mut().find(|client| Rc::ptr_eq(&client.wire, &streams)).unwrap();
            client.id = id;
        }
        first.map(|first| self.connections.remove(first));
        assert_eq!(before, unsent(&self.connections), "what others have said and what answers are stay so");
        assert_eq!(self.connections.remove_lost(self.now, &Reason::Stopping), 0);
    }

    /// Every transport is said to be ready, whether it is or not.
    pub fn report_all(&mut self) {
        self.finish_round();
        for id in self.connections.ids() {
            self.connections.note(id, Readiness { readable: true, writable: true, ..Readiness::default() });
        }
    }

    /// The round that is on its way is over.
    pub fn finish_round(&mut self) {
        if self.delivery.is_some() {
            self.deliver(usize::MAX);
        }
    }

    /// What all clients together make us keep.
    fn check_bounds(&self) {
        let kept = self.connections.state.log.backlog().bytes();
        // What one step may add before it is looked at again: a round's bytes in each form, a long answer.
        let slack = 128 * 1024;
        assert!(kept <= self.connections.limits().backlog + slack, "{kept} bytes are kept");
    }

    /// The numbers that a client has seen, in its order.
    pub fn seen(&self, client: usize) -> Vec<usize> {
        tokens(&self.clients[client].received)
    }

    /// What a client has received, as text.
    pub fn text(&self, client: usize) -> String {
        String::from_utf8_lossy(&self.clients[client].received).into_owned()
    }
}

fn empty(limits: Arc<Limits>, irc: Arc<irc::Server>) -> Connections<Wire> {
    let state = State::new(Now::default(), "", "", HistoryLimit { length: 0, size: 0 });
    Connections::new(state, limits, irc)
}

/// A PodSixNet frame of the present version: a dictionary of two short strings.
fn frame(action: &str, key: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[128 + text.len() as u8], text.as_bytes()].concat();
    let pairs = [text("action"), text(action), text(key), text(value)].concat();
    [&[102 + 2][..], &pairs, b"\0---\0"].concat()
}

/// All numbers between question marks, which no name has, in their order.
pub fn tokens(bytes: &[u8]) -> Vec<usize> {
    let text = String::from_utf8_lossy(bytes);
    // A connection may break in the middle of a number.
    let (whole, _) = text.rsplit_once('?').unwrap_or_default();
    let numbers = whole.split('?').filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.filter_map(|number| number.parse().ok()).collect()
}
