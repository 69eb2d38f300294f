//! Any bytes in any pieces from a client of any protocol, in any time; it may be written down and restored between them.
//! Another client is in the room, and everything stays in its bounds.
#![no_main]

#[allow(dead_code, reason = "the world's tests use more of it")]
#[path = "../../world/wire.rs"]
mod wire;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use chatd::chat::{Now, Reason};
use chatd::config::{Limits, file};
use chatd::connections::{Connections, Parted};
use chatd::dialect::{Protocol, classic, irc, podsixnet};
use chatd::directories::Directories;
use chatd::net::{Address, Admissions, Readiness};
use chatd::people::SessionId;
use chatd::room::{HistoryLimit, State};
use chatd::session::Origin;
use libfuzzer_sys::fuzz_target;
use wire::{Streams, Wire};

const READY: Readiness = Readiness { readable: true, writable: true, ended: false, broken: false };

/// The protocol, whether it is written down after each piece; then the pieces, each with the milliseconds after it.
type Input = (u8, bool, Vec<(u16, Vec<u8>)>);

fuzz_target!(|input: Input| {
    let (protocol, restarts, pieces) = input;
    let mut world = World::new();
    world.connect(Some(&Protocol::Text));
    world.say(0, b"ana\n");
    world.connect(protocol_of(protocol).as_ref());
    for (milliseconds, bytes) in pieces {
        world.say(1, &bytes);
        world.pass(milliseconds.into());
        if restarts {
            world.restart();
        }
        world.read();
    }
    world.streams[1].borrow_mut().client_ended = true;
    world.pass(100_000);
});

fn protocol_of(number: u8) -> Option<Protocol> {
    Some(match number % 16 {
        0 => Protocol::Text,
        1 => Protocol::Irc,
        2 => Protocol::PodSixNet(None),
        3 => Protocol::PodSixNet(Some(podsixnet::rencode::Version::New)),
        4..12 => {
            let preset = usize::from(number / 16) % classic::PRESETS.len();
            Protocol::Classic(classic::PRESETS[preset].1().into())
        }
        _ => return None,
    })
}

struct World {
    connections: Connections<Wire>,
    streams: Vec<Rc<RefCell<Streams>>>,
    now: Now,
    admissions: Arc<Admissions>,
}

impl World {
    fn new() -> World {
        let now = Now { ticks: 1_000_000, unix: 1_767_323_045_678 };
        let state = State::new(now, "lobby", "tea", HistoryLimit { length: 10, size: 4096 });
        let nowhere = Directories { runtime: "/nowhere".into(), state: "/nowhere".into() };
        let limits = Limits {
            line_length: 300,
            message_rate: 20,
            message_burst: 50,
            max_lag: 64 * 1024,
            backlog: 256 * 1024,
            ..file::parse("", &nowhere).unwrap().limits
        };
        let server = irc::Server { name: "irc.test".into(), room: "lobby".into(), autojoin: true, ..Default::default() };
        let connections = Connections::new(state, Arc::new(limits), Arc::new(server));
        World { connections, streams: Vec::new(), now, admissions: Arc::default() }
    }

    fn connect(&mut self, protocol: Option<&Protocol>) {
        let address = Address::from(std::net::SocketAddr::from(([192, 0, 2, 1], 1)));
        let origin = Origin { address, encrypted: false, account: None, connected: self.now };
        let streams = Rc::new(RefCell::new(Streams::new(1 << 20, 1000)));
        self.streams.push(streams.clone());
        let admission = self.admissions.enter(address, 100).unwrap();
        self.connections.insert(self.now, origin, protocol, Wire(streams), admission);
    }

    fn say(&mut self, client: usize, bytes: &[u8]) {
        self.streams[client].borrow_mut().to_server.extend(bytes);
        self.work();
    }

    /// Everybody reads all, and is not sent much more than the limits allow.
    fn read(&mut self) {
        for streams in &self.streams {
            assert!(streams.borrow().to_client.len() < 1 << 20);
            streams.borrow_mut().to_client.clear();
        }
        self.work();
    }

    fn pass(&mut self, milliseconds: u64) {
        let end = self.now.ticks + milliseconds * 1000;
        while let Some(next) = self.connections.next_alarm().filter(|next| *next <= end) {
            self.now.ticks = self.now.ticks.max(next);
            self.connections.fire_alarms(self.now);
            self.work();
        }
        self.now.ticks = end;
    }

    fn restart(&mut self) {
        let (limits, irc) = (self.connections.limits().clone(), self.connections.irc().clone());
        let (state, parted) = self.connections.save(&Reason::Stopping);
        let state = postcard::from_bytes::<chatd::room::SavedState>(&postcard::to_allocvec(&state).unwrap()).unwrap();
        self.connections = Connections::new(state.restore(), limits, irc);
        for Parted { session, transport, .. } in parted {
            let session = postcard::to_allocvec(&session).unwrap();
            let session: chatd::session::SavedSession = postcard::from_bytes(&session).unwrap();
            let admission = self.admissions.enter(session.origin().address, 100).unwrap();
            assert!(self.connections.fits(&session));
            self.connections.insert_saved(self.now, session, transport, admission);
        }
        assert_eq!(self.connections.remove_lost(self.now, &Reason::Stopping), 0);
        self.work();
    }

    fn work(&mut self) {
        let ids: Vec<SessionId> = self.connections.ids().collect();
        ids.into_iter().for_each(|id| self.connections.note(id, READY));
        for _ in 0..100_000 {
            if let Some(id) = self.connections.next_woken() {
                self.connections.turn(id, self.now);
            } else if self.connections.state.log.has_pending() {
                let mut delivery = self.connections.begin_round();
                while !self.connections.deliver(&mut delivery, self.now, || true) {}
            } else {
                return;
            }
        }
        panic!("it never comes to rest");
    }
}
