//! A whole class of clients at once.

use std::collections::BTreeSet;
use std::io::Write as _;

use super::Raw;
use crate::support::daemon::Daemon;

const CLIENTS: usize = 200;

/// With the default pause between messages. On a busy machine one `recv` may return two messages, but never a part of
/// one, and none is lost.
#[test]
fn two_hundred_clients_talk_at_once() {
    let config = "[[listen]]\naddress = '127.0.0.1:0'\nprotocol = 'classic'\npreset = 'chatter'\n\
                  [limits]\nconnections-per-address = 1000\n";
    let daemon = Daemon::start(config);
    let address = daemon.listeners()[2];
    let mut watcher = daemon.join("watcher");
    let mut clients: Vec<Raw> = (0..CLIENTS).map(|_| Raw::connect(address)).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(&format!("u{n}"));
    }
    for _ in 0..CLIENTS {
        watcher.expect_start("*** u");
    }
    let (mut received, mut merged) = (0, 0);
    std::thread::scope(|scope| {
        let readers: Vec<_> = clients
            .iter_mut()
            .enumerate()
            .map(|(n, client)| {
                scope.spawn(move || {
                    client.send(&format!("line of {n};"));
                    read_all_lines(client)
                })
            })
            .collect();
        for reader in readers {
            let (more_received, more_merged) = reader.join().unwrap();
            received += more_received;
            merged += more_merged;
        }
    });
    let _ = writeln!(std::io::stderr(), "{merged} of {received} messages arrived together with the one before");
    assert_eq!(received, CLIENTS * CLIENTS);
}

/// Reads until every client's line has arrived. Counts the lines, and those that arrived together with the previous
/// one.
fn read_all_lines(client: &mut Raw) -> (usize, usize) {
    let (mut missing, mut merged) = ((0..CLIENTS).collect::<BTreeSet<_>>(), 0);
    while !missing.is_empty() {
        let message = String::from_utf8(client.recv().expect("connected")).expect("no character is torn");
        let lines: Vec<&str> = message.split_inclusive(';').filter(|line| line.contains("line of")).collect();
        for line in &lines {
            // Before the line there can only be a join or the list of users.
            let (speaker, number) = line.strip_suffix(';').and_then(|line| line.rsplit_once(": line of ")).expect(line);
            assert!(speaker.ends_with(&format!("u{number}")), "{line}");
            assert!(missing.remove(&number.parse().unwrap()), "{line} came twice");
        }
        merged += lines.len().saturating_sub(1);
    }
    (CLIENTS, merged)
}
