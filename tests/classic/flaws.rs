//! Defects of the exercises' own servers that chatd does not have.

use std::io::Write as _;

use super::{Raw, daemon};
use crate::support::daemon::Daemon;

fn users(daemon: &Daemon) -> String {
    String::from_utf8(daemon.chatctl(&["--json", "list"]).stdout).unwrap()
}

fn cpu_ticks(daemon: &Daemon) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn join(address: std::net::SocketAddr, name: &str) -> Raw {
    let mut client = Raw::connect(address);
    client.expect_next("NIC");
    client.send(name);
    client.expect_next(&format!("{name} joined the chat 😀\n"));
    client.expect_next("Connected to the server.\n");
    client
}

#[test]
fn an_orderly_close_is_a_leave_and_the_daemon_rests_afterwards() {
    let (daemon, address) = daemon("preset = 'nic'", "");
    let mut watcher = daemon.join("watcher");
    for n in 0..10 {
        drop(join(address, &format!("user{n}")));
        watcher.expect(&format!("*** user{n} has left (connection closed)"));
    }
    let before = cpu_ticks(&daemon);
    // Another client's complete visit in between; ten clients in an endless loop of empty reads would use up the CPU.
    drop(join(address, "last"));
    watcher.expect("*** last has left (connection closed)");
    assert!(cpu_ticks(&daemon) - before < 20, "the daemon is busy with clients that are gone");
}

#[test]
fn a_reset_removes_the_user() {
    let (daemon, address) = daemon("preset = 'nic'", "");
    let mut watcher = daemon.join("watcher");
    let client = join(address, "ana");
    rustix::net::sockopt::set_socket_linger(&client.0, Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
    watcher.expect("*** ana has left (connection broken: connection reset)");
    assert!(!users(&daemon).contains("ana"));
    join(address, "ana");
}

#[test]
fn a_silent_client_does_not_block_others() {
    let (_daemon, address) = daemon("preset = 'nic'", "");
    let _silent: Vec<Raw> = (0..20).map(|_| Raw::connect(address)).collect();
    join(address, "ana");
}

#[test]
fn a_name_is_taken_once_and_its_client_can_choose_again() {
    let (daemon, address) = daemon("preset = 'nic'", "");
    let mut ana = join(address, "ana");
    let mut second = Raw::connect(address);
    second.expect_next("NIC");
    second.send("ANA");
    second.expect_next("*** The name ANA is taken. Send another one.\n");
    // Its user types another name, but the program still adds its own in front.
    second.send("ANA: luzmi\n");
    second.expect_next("luzmi joined the chat 😀\n");
    second.expect_next("Connected to the server.\n");
    ana.expect_next("luzmi joined the chat 😀\n");
    second.send("ANA: hello\n");
    ana.expect_next("luzmi: hello\n");
    assert!(users(&daemon).contains("luzmi"));
}

#[test]
fn a_client_that_does_not_read_blocks_nobody() {
    let limits =
        "[limits]\nmessage-rate = 1000000\nmessage-burst = 1000000\nmax-lag = '64KiB'\nline-length = '16KiB'\n";
    let (daemon, address) = daemon("preset = 'nic'", limits);
    let _deaf = join(address, "deaf");
    let mut ana = daemon.join("ana");
    let mut bob = daemon.join("bob");
    let line = "x".repeat(8000);
    for n in 0..2000 {
        ana.say(&format!("{n} {line}"));
        for reader in [&mut ana, &mut bob] {
            reader.expect(&format!("ana: {n} {line}"));
        }
        if n % 100 == 0 && !users(&daemon).contains("deaf") {
            return;
        }
    }
    panic!("a client that reads nothing is still in the room");
}

#[test]
fn a_split_character_is_reassembled() {
    let (daemon, address) = daemon("preset = 'nic'\n[listen.classic]\nquiet = '1ms'", "");
    let mut watcher = daemon.join("watcher");
    let mut ana = join(address, "ana");
    let bytes = "ana: ñ😀".as_bytes();
    for at in [6, 9] {
        // Another program runs from start to end before the rest arrives, long enough to end any complete message.
        ana.0.write_all(&bytes[..at]).unwrap();
        users(&daemon);
        ana.0.write_all(&bytes[at..]).unwrap();
        watcher.expect("ana: ñ😀");
    }
}
