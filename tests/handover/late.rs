//! What arrives while nobody runs counts, though its time limit has passed when somebody does.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use chatd::chat::{Now, Reason};
use chatd::config::file::parse;
use chatd::connections::Connections;
use chatd::dialect::{Protocol, irc};
use chatd::directories::Directories;
use chatd::net::{Address, Admissions, Readiness, Socket, Stream, Transport as _};
use chatd::people::SessionId;
use chatd::room::{HistoryLimit, State};
use chatd::session::Origin;

fn at(seconds: u64) -> Now {
    Now { ticks: seconds * 1_000_000, unix: 1_767_323_045_678 + seconds * 1000 }
}

/// One connection, and its client's end. It was greeted, if it has a protocol.
struct Scene {
    connections: Connections<Socket>,
    id: SessionId,
    client: UnixStream,
}

impl Scene {
    fn new(protocol: Option<&Protocol>) -> Scene {
        let directories = Directories { runtime: "/nowhere".into(), state: "/nowhere".into() };
        let limits = parse("", &directories).unwrap().limits;
        let state = State::new(at(1), "lobby", "", HistoryLimit { length: 0, size: 0 });
        let (name, room) = ("irc.test".into(), "lobby".into());
        let server = irc::Server { name, room, autojoin: true, started: 0, secure_port: None };
        let mut connections = Connections::new(state, Arc::new(limits), Arc::new(server));
        let (ours, client) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        client.set_nonblocking(true).unwrap();
        let address = Address::Unix { uid: 1000 };
        let origin = Origin { address, encrypted: false, account: None, connected: at(1) };
        let admission = Arc::new(Admissions::default()).enter(address, 1).unwrap();
        let socket = Socket::new(Stream::from(std::os::fd::OwnedFd::from(ours)), None);
        let id = connections.insert(at(1), origin, protocol, socket, admission);
        connections.note(id, Readiness { writable: true, ..Readiness::default() });
        connections.turn(id, at(1));
        Scene { connections, id, client }
    }

    /// Another process goes on with it.
    fn restart(mut self, now: Now) -> Scene {
        let (limits, server) = (self.connections.limits().clone(), self.connections.irc().clone());
        let (state, mut parted) = self.connections.save(&Reason::Stopping);
        let parted = parted.pop().unwrap();
        let (descriptor, saved) = parted.transport.save().unwrap();
        let mut connections = Connections::new(state.restore(), limits, server);
        let admission = Arc::new(Admissions::default()).enter(parted.session.origin().address, 1).unwrap();
        let socket = Socket::restore(descriptor, saved).unwrap();
        let id = connections.insert_saved(now, parted.session, socket, admission);
        Scene { connections, id, client: self.client }
    }

    fn received(&mut self) -> String {
        let mut received = Vec::new();
        // Ends with EAGAIN.
        let _ = self.client.read_to_end(&mut received);
        String::from_utf8(received).unwrap()
    }
}

#[test]
fn a_client_that_has_spoken_meanwhile_was_not_silent() {
    let mut scene = Scene::new(None);
    scene.client.write_all(b"NICK ana\r\nUSER a 0 * :a\r\n").unwrap();
    // No event of the poller has come yet.
    let mut scene = scene.restart(at(3));
    scene.connections.turn(scene.id, at(3));
    assert!(scene.received().starts_with(":irc.test 001 ana "));
}

#[test]
fn a_name_that_was_given_meanwhile_is_not_too_late() {
    let mut scene = Scene::new(Some(&Protocol::Text));
    assert!(scene.received().ends_with("*** What is your name?\n"));
    scene.client.write_all(b"ana\n").unwrap();
    let mut scene = scene.restart(at(9999));
    scene.connections.turn(scene.id, at(9999));
    let received = scene.received();
    assert!(received.contains("ana") && !received.contains("Goodbye"), "{received}");
}

/// As when the process was stopped (SIGSTOP): its timers may be noticed before its sockets.
#[test]
fn a_suspended_daemon_reads_before_it_looks_at_the_clock() {
    let mut scene = Scene::new(Some(&Protocol::Text));
    scene.received();
    scene.client.write_all(b"ana\n").unwrap();
    scene.connections.fire_alarms(at(9999));
    while let Some(id) = scene.connections.next_woken() {
        scene.connections.turn(id, at(9999));
    }
    let received = scene.received();
    assert!(received.contains("ana") && !received.contains("Goodbye"), "{received}");
}

#[test]
fn whoever_has_said_nothing_is_late() {
    let scene = Scene::new(Some(&Protocol::Text));
    let mut scene = scene.restart(at(9999));
    assert!(scene.connections.transport(scene.id).is_some_and(|socket| !socket.has_unsent()));
    scene.connections.turn(scene.id, at(9999));
    assert!(scene.received().contains("*** Goodbye"));
}
