//! Stopping: all earlier messages are delivered, everybody is told, connections are closed properly, and no client can
//! delay it.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::client::Client;
use crate::support::daemon::{Daemon, FAST};

const GOODBYE: &str = "*** Goodbye: the server is stopping.";

#[test]
fn a_stop_under_load_delivers_everything_said_before() {
    let count = 50;
    let mut daemon = Daemon::start(FAST);
    let join = |i: usize| if i.is_multiple_of(2) { Daemon::join } else { Daemon::join_tls };
    let mut clients: Vec<_> = (0..count).map(|i| join(i)(&daemon, &format!("user{i}"))).collect();
    for client in &mut clients[..count - 1] {
        client.expect(&format!("*** user{} has joined", count - 1));
    }
    let (enough, said_all, signalled) = (AtomicBool::new(false), Barrier::new(count + 1), Barrier::new(count + 1));
    let talk = |(i, client): (usize, &mut Client)| {
        let (mut said, mut seen) = (0, Vec::new());
        // As fast as possible, but no faster than the client reads; at the end, the last lines are still in transit.
        loop {
            let batch: String = (said..said + 10).map(|n| format!("line {n}\n")).collect();
            client.send(&batch);
            said += 10;
            if said >= 100 {
                enough.store(true, Ordering::Relaxed);
            }
            if enough.load(Ordering::Relaxed) {
                break;
            }
            let last = format!("user{i}: line {}", said - 1);
            while seen.last() != Some(&last) {
                seen.push(client.line());
            }
        }
        said_all.wait();
        signalled.wait();
        seen.extend(client.rest());
        (said, seen)
    };
    let transcripts: Vec<(usize, Vec<String>)> = std::thread::scope(|scope| {
        let talk = &talk;
        let talkers: Vec<_> = clients.iter_mut().enumerate().map(|both| scope.spawn(move || talk(both))).collect();
        said_all.wait();
        daemon.signal("TERM");
        signalled.wait();
        talkers.into_iter().map(|talker| talker.join().unwrap()).collect()
    });
    assert_eq!(daemon.wait().code(), Some(0));
    let said: usize = transcripts.iter().map(|(said, _)| said).sum();
    let all = &transcripts[0].1;
    assert_eq!(all.len(), said + 1, "every line, and the goodbye");
    for (i, (said, transcript)) in transcripts.iter().enumerate() {
        assert_eq!(transcript, all, "user{i} sees what user0 sees");
        let own = all.iter().filter(|line| line.starts_with(&format!("user{i}: "))).count();
        assert_eq!(own, *said, "user{i}'s lines");
    }
    assert_eq!(all.last().unwrap(), GOODBYE);
}

#[test]
fn throttled_input_is_delivered_before_the_stop() {
    let mut daemon = Daemon::start("[limits]\nmessage-rate = 1\nmessage-burst = 1\n");
    let mut bo = daemon.join("bo");
    let mut ana = daemon.join_tls("ana");
    ana.send(&(0..100).map(|n| format!("line {n}\n")).collect::<String>());
    daemon.signal("TERM");
    bo.expect_next("*** ana has joined");
    for n in 0..100 {
        bo.expect_next(&format!("ana: line {n}"));
    }
    assert_eq!(bo.rest(), [GOODBYE]);
    assert_eq!(ana.rest().last().unwrap(), GOODBYE);
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_client_that_does_not_read_cannot_hold_up_the_stop() {
    let mut daemon = Daemon::start(&format!("{FAST}max-lag = \"1GiB\"\n"));
    let mut ana = daemon.join("ana");
    let mut slow = Client::plain_with_small_buffer(daemon.plain());
    slow.login("slow");
    while daemon.find("slow").unwrap().lag_bytes == 0 {
        for _ in 0..100 {
            let text = "x".repeat(2000);
            ana.say(&text);
            ana.expect(&format!("ana: {text}"));
        }
    }
    daemon.signal("TERM");
    assert_eq!(ana.rest().last().unwrap(), GOODBYE);
    let (status, log) = daemon.wait_with_log();
    assert_eq!(status.code(), Some(0));
    assert!(log.last().unwrap().contains("chatd has stopped"), "{log:?}");
    drop(slow);
}

#[test]
fn a_client_that_never_stops_talking_cannot_hold_up_the_stop() {
    let mut daemon = Daemon::start("");
    let mut bo = daemon.join("bo");
    let mut talkers = [daemon.join("ana"), daemon.join("luzmi")];
    let ready = Barrier::new(talkers.len() + 1);
    std::thread::scope(|scope| {
        for talker in &mut talkers {
            let ready = &ready;
            scope.spawn(move || {
                talker.say("first");
                ready.wait();
                let text = "/topic\n".repeat(1000);
                while talker.try_send(text.as_bytes()).is_ok() {}
            });
        }
        ready.wait();
        daemon.signal("TERM");
        assert_eq!(bo.rest().last().unwrap(), GOODBYE);
        assert_eq!(daemon.wait().code(), Some(0));
    });
}

#[test]
fn clients_without_a_name_or_in_the_handshake_are_closed_too() {
    let mut daemon = Daemon::start(&format!("{FAST}max-lag = \"1GiB\"\n"));
    let mut nameless = daemon.connect();
    nameless.expect("*** What is your name?");
    let mut over_tls = Client::tls(daemon.tls());
    over_tls.expect("*** What is your name?");
    let silent = std::net::TcpStream::connect(daemon.tls()).unwrap();
    daemon.signal("TERM");
    assert_eq!(nameless.rest(), [GOODBYE]);
    assert_eq!(over_tls.rest(), [GOODBYE]);
    drop((nameless, over_tls));
    assert_eq!(daemon.wait().code(), Some(0));
    drop(silent);
}

#[test]
fn after_the_stop_the_address_is_free_and_no_socket_is_left() {
    let mut daemon = Daemon::start("");
    let address = daemon.plain();
    let _ana = daemon.join("ana");
    daemon.signal("INT");
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(!daemon.path("run/admin.sock").exists());
    let again = format!("[[listen]]\naddress = \"{address}\"\n");
    let again = Daemon::start_with(&again, |_| {});
    again.join("ana");
}
