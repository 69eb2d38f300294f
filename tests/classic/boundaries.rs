//! Message boundaries, however the bytes arrive.

use super::{Raw, daemon};
use crate::support::client::Client;

/// A silence timeout so long that a busy machine does not exceed it between two writes.
const PATIENT: &str = "preset = 'chatter'\n[listen.classic]\nquiet = '1s'";

const GREETING: &str = "Greetings from the cave! Now type your name and press enter!";

fn join(address: std::net::SocketAddr, name: &str, watcher: &mut Client) -> Raw {
    let mut client = Raw::connect(address);
    client.expect_next(GREETING);
    client.send(&format!("{name}\n"));
    watcher.expect(&format!("*** {name} has joined"));
    client
}

#[test]
fn three_bytes_at_a_time() {
    let (daemon, address) = daemon(PATIENT, "");
    let mut watcher = daemon.join("watcher");
    let mut client = join(address, "ana", &mut watcher);
    for piece in "eat 漢字 and ñandú 😀 slowly".as_bytes().chunks(3) {
        std::io::Write::write_all(&mut client.0, piece).unwrap();
    }
    watcher.expect_next("ana: eat 漢字 and ñandú 😀 slowly");
}

#[test]
fn everything_at_once() {
    let (daemon, address) = daemon("preset = 'chatter'", "");
    let mut watcher = daemon.join("watcher");
    let mut client = Raw::connect(address);
    client.send("ana\none\r\ntwo\n\n{quit}");
    for line in ["*** ana has joined", "ana: one", "ana: two", "*** ana has left (quit)"] {
        watcher.expect_next(line);
    }
    client.expect_next(GREETING);
}

#[test]
fn input_before_the_client_ends_its_side_is_said() {
    let (daemon, address) = daemon(PATIENT, "");
    let mut watcher = daemon.join("watcher");
    let mut client = join(address, "ana", &mut watcher);
    client.send("my last words");
    client.0.shutdown(std::net::Shutdown::Write).unwrap();
    watcher.expect_next("ana: my last words");
    watcher.expect_next("*** ana has left (connection closed)");
}

#[test]
fn a_long_message_is_split_without_loss() {
    let (daemon, address) = daemon("preset = 'chatter'\n[listen.classic]\nbuffer = 512", "");
    let mut watcher = daemon.join("watcher");
    let mut client = join(address, "ana", &mut watcher);
    let mut reader = join(address, "reader", &mut watcher);
    let message = "漢".repeat(5000 / 3) + "xx";
    assert_eq!(message.len(), 5000);
    client.send(&message);
    let mut said = String::new();
    while said.len() < message.len() {
        let line = watcher.line();
        said.push_str(line.strip_prefix("ana: ").unwrap());
    }
    assert_eq!(said, message);
    let mut received = String::new();
    while received.len() < message.len() {
        let piece = String::from_utf8(reader.recv().unwrap()).expect("no message is torn in a character");
        assert!(piece.len() <= 512, "{} bytes", piece.len());
        // The welcome and the list precede the messages.
        received.push_str(piece.strip_prefix("ana: ").unwrap_or_default());
    }
    assert_eq!(received, message);
}

#[test]
fn a_split_line_cannot_forge_an_author() {
    let (daemon, address) = daemon("preset = 'chatter'\n[listen.classic]\nbuffer = 512", "");
    let mut watcher = daemon.join("watcher");
    let mut reader = join(address, "reader", &mut watcher);
    let mut mallory = daemon.join("mallory");
    for offset in 490..512 {
        mallory.say(&format!("{}ana: I confess", "x".repeat(offset)));
    }
    mallory.say("done");
    loop {
        let message = String::from_utf8(reader.recv().unwrap()).unwrap();
        assert!(!message.starts_with("ana"), "{message}");
        if message == "mallory: done" {
            return;
        }
    }
}

#[test]
fn another_name_in_front_is_text() {
    let (daemon, address) = daemon("preset = 'nic'", "");
    let mut watcher = daemon.join("watcher");
    let mut client = Raw::connect(address);
    client.expect_next("NIC");
    client.send("ana");
    watcher.expect("*** ana has joined");
    client.send("watcher: I am a fool\n");
    watcher.expect_next("ana: watcher: I am a fool");
    client.send("ana: ana: twice\n");
    watcher.expect_next("ana: ana: twice");
    client.send("ana: \n");
    client.send("ana: NIC\n");
    watcher.expect_next("ana: NIC");
}

#[test]
fn a_silent_client_times_out_and_blocks_nobody() {
    let (daemon, address) = daemon("preset = 'nic'", "[limits]\nlogin-timeout = '1s'\n");
    let mut silent = Raw::connect(address);
    silent.expect_next("NIC");
    let mut ana = Raw::connect(address);
    ana.expect_next("NIC");
    ana.send("ana");
    ana.expect_next("ana joined the chat 😀\n");
    silent.expect_next("*** Goodbye: no name was given in time.\n");
    silent.expect_reset();
    drop(daemon);
}

#[test]
fn the_rate_applies_to_every_framing() {
    let limits = "[limits]\nmessage-rate = 20\nmessage-burst = 1\n";
    let (daemon, address) = daemon("preset = 'chatter'\n[listen.classic]\nquiet = '1ms'", limits);
    let mut watcher = daemon.join("watcher");
    let mut client = join(address, "ana", &mut watcher);
    let mut said = String::new();
    for n in 0..30 {
        client.send(&format!("{n};"));
    }
    while !said.ends_with("29;") {
        said.push_str(watcher.line().strip_prefix("ana: ").unwrap());
    }
    let expected: String = (0..30).map(|n| format!("{n};")).collect();
    assert_eq!(said, expected);
}
