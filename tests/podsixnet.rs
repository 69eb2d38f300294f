//! PodSixNet: the codec, the wire formats of both versions, and the real library as a client.

mod codec;
mod library;
mod talk;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use chatd::dialect::Protocol;
use chatd::dialect::podsixnet::TERMINATOR;
use chatd::dialect::podsixnet::rencode::{Value, Version, decode, encode};

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, LISTENERS};
use crate::support::talk::Talk;

fn daemon(keys: &str) -> (Daemon, SocketAddr) {
    let listener = format!("[[listen]]\naddress = '127.0.0.1:0'\nprotocol = 'podsixnet'\n{keys}\n");
    let daemon = Daemon::start_with(&format!("{LISTENERS}{listener}"), |_| {});
    let address = daemon.listeners()[2];
    (daemon, address)
}

fn dictionary(pairs: &[(&str, &str)]) -> Value {
    Value::Dict(pairs.iter().map(|(key, value)| (Value::text(key), Value::text(value))).collect())
}

fn framed(value: &Value, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, version, &mut bytes);
    bytes.extend_from_slice(TERMINATOR);
    bytes
}

/// A client with one version of the wire format.
struct Player {
    socket: TcpStream,
    version: Version,
    unread: Vec<u8>,
}

impl Player {
    fn connect(address: SocketAddr, version: Version) -> Player {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Player { socket, version, unread: Vec::new() }
    }

    fn send(&mut self, pairs: &[(&str, &str)]) {
        self.socket.write_all(&framed(&dictionary(pairs), self.version)).unwrap();
    }

    /// The next frame's bytes; `None` at the end.
    fn frame(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.unread.windows(5).position(|bytes| bytes == TERMINATOR) {
                let frame: Vec<u8> = self.unread.drain(..end + 5).collect();
                return Some(frame[..end].to_vec());
            }
            let mut buffer = [0; 4096];
            let length = self.socket.read(&mut buffer).unwrap();
            if length == 0 {
                assert!(self.unread.is_empty());
                return None;
            }
            self.unread.extend_from_slice(&buffer[..length]);
        }
    }

    fn value(&mut self) -> Value {
        decode(&self.frame().expect("connected"), self.version).unwrap()
    }

    /// The next message as `who: text`; checks that both author fields agree.
    fn message(&mut self) -> String {
        loop {
            let value = self.value();
            let text = |key| String::from_utf8(value.get(key).unwrap().bytes().unwrap().to_vec()).unwrap();
            if text("action") == "message" {
                assert_eq!(text("who"), text("expediteur"));
                return format!("{}: {}", text("who"), text("message"));
            }
        }
    }

    fn expect(&mut self, message: &str) {
        while self.message() != message {}
    }
}

#[test]
fn who_is_banned_by_address_is_told_in_their_version() {
    let (daemon, address) = daemon("");
    assert!(daemon.chatctl(&["ban", "127.0.0.1", "--reason", "enough"]).status.success());
    for version in [Version::Old, Version::New] {
        let mut player = Player::connect(address, version);
        player.send(&[("action", "nickname"), ("nickname", "bo")]);
        player.expect("***: Goodbye: banned: enough.");
        assert_eq!(player.frame(), None);
    }
    // Which version this one has is not known.
    assert_eq!(Player::connect(address, Version::New).frame(), None);
    daemon.wait_for_log("a connection was ended: banned: enough");
    assert_eq!(daemon.status().users, 0);
}

#[test]
fn both_versions_are_told_by_the_first_frame_and_talk_in_one_room() {
    let (daemon, address) = daemon("");
    let mut text = daemon.join("text");
    let mut old = Player::connect(address, Version::Old);
    // As encoded by the library of 2015.
    old.socket.write_all(b"h\x8cdXNlcm5hbWU=\x88YWxpY2U=\x88YWN0aW9u\x8cdXNlcm5hbWU=\0---\0").unwrap();
    assert_eq!(old.frame().unwrap(), b"g\x88YWN0aW9u\x8cY29ubmVjdGVk");
    text.expect_next("*** alice has joined");
    let mut new = Player::connect(address, Version::New);
    new.socket.write_all(b"h\x86action\x88nickname\x88nickname\x83bob\0---\0").unwrap();
    assert_eq!(new.frame().unwrap(), b"g\x86action\x89connected");
    text.expect_next("*** bob has joined");
    old.expect("***: bob has joined");
    new.send(&[("action", "message"), ("message", "ñ 😀")]);
    for player in [&mut old, &mut new] {
        player.expect("bob: ñ 😀");
    }
    text.expect("bob: ñ 😀");
    text.say("hello");
    for player in [&mut old, &mut new] {
        player.expect("text: hello");
    }
    assert!(daemon.chatctl(&["notice", "soon"]).status.success());
    old.expect("***: notice: soon");
    assert!(daemon.chatctl(&["kick", "alice", "--reason", "enough"]).status.success());
    old.expect("***: Goodbye: kicked: enough.");
    assert_eq!(old.frame(), None);
    new.expect("***: alice has left (kicked: enough)");
}

#[test]
fn players_are_listed_whenever_somebody_comes_or_goes() {
    let (daemon, address) = daemon("");
    let list = |player: &mut Player| loop {
        if let Some(Value::List(players)) = player.value().get("players") {
            let names = players.iter().map(|name| String::from_utf8(name.bytes().unwrap().to_vec()).unwrap());
            return names.collect::<Vec<_>>().join(" ");
        }
    };
    let _ana = daemon.join("ana");
    let mut bob = Player::connect(address, Version::New);
    bob.send(&[("action", "nickname"), ("nickname", "bob")]);
    assert_eq!(list(&mut bob), "ana bob");
    let mut cleo = Player::connect(address, Version::New);
    cleo.send(&[("action", "nickname"), ("nickname", "cleo")]);
    assert_eq!(list(&mut cleo), "ana bob cleo");
    assert_eq!(list(&mut bob), "ana bob cleo");
    cleo.send(&[("action", "nickname"), ("nickname", "cleopatra")]);
    assert_eq!(list(&mut bob), "ana bob cleopatra");
    drop(cleo);
    assert_eq!(list(&mut bob), "ana bob");
    drop(bob);
    // The room changed while it had no PodSixNet client.
    let mut dora = daemon.join("dora");
    dora.say("/quit");
    let mut eve = Player::connect(address, Version::New);
    eve.send(&[("action", "nickname"), ("nickname", "eve")]);
    let players = list(&mut eve);
    assert!(players.starts_with("ana ") && players.ends_with("eve"), "{players}");
}

#[test]
fn a_client_that_sends_no_name_is_a_guest() {
    let (daemon, address) = daemon("");
    let mut text = daemon.join("text");
    let mut players: Vec<Player> = (0..3).map(|_| Player::connect(address, Version::New)).collect();
    for (player, name) in players.iter_mut().zip(["anonymous", "anonymous2", "anonymous3"]) {
        player.send(&[("action", "message"), ("message", "hi")]);
        text.expect_next(&format!("*** {name} has joined"));
        text.expect_next(&format!("{name}: hi"));
    }
    let mut thief = Player::connect(address, Version::Old);
    thief.send(&[("action", "username"), ("username", "TEXT")]);
    thief.expect("***: The name TEXT is taken.");
    text.expect_next("*** anonymous4 has joined");
    thief.send(&[("action", "username"), ("username", "thief")]);
    text.expect_next("*** anonymous4 is now known as thief");
    // The author given in a frame is ignored.
    thief.send(&[("action", "message"), ("message", "boo"), ("expediteur", "text"), ("who", "text")]);
    text.expect_next("thief: boo");
}

#[test]
fn no_version_is_assumed_for_a_silent_client() {
    for version in [None, Some(Version::Old), Some(Version::New)] {
        let mut talk = Talk::new(&Protocol::PodSixNet(version));
        assert_eq!(talk.greeting_bytes().is_empty(), version.is_none());
        assert_eq!((talk.dialect.due(), talk.dialect.is_busy()), (None, false), "only the session waits, for a login");
    }
}

#[test]
fn a_version_that_is_configured_is_spoken_at_once() {
    let (_daemon, address) = daemon("podsixnet-version = '0.11'");
    assert_eq!(Player::connect(address, Version::New).frame().unwrap(), b"g\x86action\x89connected");
    let (_daemon, address) = daemon_old();
    assert_eq!(Player::connect(address, Version::Old).frame().unwrap(), b"g\x88YWN0aW9u\x8cY29ubmVjdGVk");
}

fn daemon_old() -> (Daemon, SocketAddr) {
    daemon("podsixnet-version = '0.9'")
}

#[test]
fn frames_are_understood_however_they_arrive_and_nonsense_is_not() {
    let (daemon, address) = daemon("");
    let mut text = daemon.join("text");
    let mut player = Player::connect(address, Version::New);
    let mut bytes = b"nonsense\0---\0\0---\0\xc0\0---\0i\x86action\x88username\0---\0".to_vec();
    bytes.extend(b"h\x86action\x88username\x88username\x83ana\0---\0h\x86action\x87message\x87message\x83hi\n\0---\0");
    for piece in bytes.chunks(3) {
        player.socket.write_all(piece).unwrap();
    }
    text.expect_next("*** ana has joined");
    text.expect_next("ana: hi");
    player.send(&[("action", "message"), ("message", &"x".repeat(20_000))]);
    player.expect("***: Your message was too long and is lost.");
    player.send(&[("action", "message"), ("message", &"y".repeat(3000))]);
    text.expect_next(&format!("ana: {}", "y".repeat(2048)));
    player.send(&[("action", "dance"), ("with", "text")]);
    player.send(&[("action", "message"), ("message", "fine")]);
    text.expect_next("ana: fine");
    drop(player);
    text.expect_start("*** ana has left");
}
