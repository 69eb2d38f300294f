//! Restarts while everybody talks: everybody reads the same lines in the same order, without a gap or a repetition.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::restart;
use crate::support::client::Client;
use crate::support::daemon::{Daemon, FAST};

/// Clients of each kind.
const CLIENTS: usize = 6;
const RESTARTS: usize = 10;

/// Says numbered lines, each when the one before came back, until told to end; then reads up to the common last line.
/// Returns all lines of the room that were read, and the client, which stays.
fn talk(mut client: Client, name: &str, irc: bool, end: &AtomicBool) -> (Vec<String>, Client) {
    let (mut heard, mut number) = (Vec::new(), 0);
    let say = |client: &mut Client, number: usize| match irc {
        true => client.send(&format!("PRIVMSG #lobby :{name} {number}\r\n")),
        false => client.say(&format!("{name} {number}")),
    };
    say(&mut client, number);
    loop {
        let line = client.line();
        let line = line.trim_end_matches('\r');
        let said = match irc {
            true => line.split_once(" PRIVMSG #lobby :").map(|(_, said)| said),
            false => line.split_once(": ").filter(|(who, _)| !who.starts_with('*')).map(|(_, said)| said),
        };
        let Some(said) = said.map(str::to_owned) else {
            assert!(!line.contains("has left") && !line.contains("QUIT"), "{name} was shown {line}");
            continue;
        };
        let own = said == format!("{name} {number}");
        let last = said == "the end";
        heard.push(said);
        if last {
            return (heard, client);
        }
        if own && !end.load(Ordering::Relaxed) {
            number += 1;
            say(&mut client, number);
        }
    }
}

fn connect(address: SocketAddr, name: &str, irc: bool, tls: bool) -> Client {
    let mut client = if tls { Client::tls(address) } else { Client::plain(address) };
    match irc {
        true => {
            client.send(&format!("CAP REQ echo-message\r\nNICK {name}\r\nUSER {name} 0 * :{name}\r\nCAP END\r\n"));
            client.expect_start(&format!(":chatd.internal 366 {name} "));
        }
        false => client.login(name),
    }
    client
}

#[test]
fn everybody_reads_the_same_through_many_restarts() {
    let daemon = Daemon::start(&format!("[room]\nhistory = 0\n{FAST}"));
    let mut last = daemon.join("last");
    let end = Arc::new(AtomicBool::new(false));
    let kinds = [(false, false), (true, false), (false, true), (true, true)];
    let mut clients = Vec::new();
    for (irc, tls) in kinds {
        for number in 0..CLIENTS {
            let name = format!("{}{}{number}", if irc { "i" } else { "t" }, if tls { "s" } else { "p" });
            let address = if tls { daemon.tls() } else { daemon.plain() };
            clients.push((connect(address, &name, irc, tls), name, irc));
        }
    }
    let talkers: Vec<_> = clients
        .into_iter()
        .map(|(client, name, irc)| {
            let end = end.clone();
            thread::spawn(move || talk(client, &name, irc, &end))
        })
        .collect();
    (0..RESTARTS).for_each(|_| restart(&daemon));
    end.store(true, Ordering::Relaxed);
    // Whoever is still talking has said all before this.
    last.say("the end");
    let (heard, _clients): (Vec<_>, Vec<_>) = talkers.into_iter().map(|talker| talker.join().unwrap()).unzip();
    // Everybody has joined before anybody talked.
    assert!(heard[0].len() > RESTARTS);
    for other in &heard[1..] {
        assert_eq!(*other, heard[0]);
    }
    let mut numbers = std::collections::HashMap::new();
    for line in heard[0].iter().filter(|line| *line != "the end") {
        let (who, number) = line.split_once(' ').unwrap();
        let next = numbers.entry(who).or_insert(0);
        assert_eq!(number.parse::<usize>().unwrap(), *next, "{who}");
        *next += 1;
    }
}
