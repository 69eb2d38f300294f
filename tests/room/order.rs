//! Ordering: everybody sees the same sequence of lines, with answers and private messages in their places.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, FAST};

#[test]
fn everybody_sees_the_same_lines_in_the_same_order() {
    let daemon = Daemon::start(FAST);
    let join = |i: usize| if i.is_multiple_of(5) { Daemon::join_tls } else { Daemon::join };
    let mut clients: Vec<_> = (0..50).map(|i| join(i)(&daemon, &format!("user{i}"))).collect();
    // All clients have joined before the first message.
    for client in &mut clients[..49] {
        client.expect("*** user49 has joined");
    }
    let lines = 40;
    let transcripts: Vec<Vec<String>> = std::thread::scope(|scope| {
        let talk = |(i, client): (usize, &mut Client)| {
            for n in 0..lines {
                client.say(&format!("line {n} of {i}"));
            }
            client.lines(50 * lines)
        };
        let readers: Vec<_> = clients.iter_mut().enumerate().map(|both| scope.spawn(move || talk(both))).collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    for transcript in &transcripts {
        assert_eq!(*transcript, transcripts[0]);
    }
    for i in 0..50 {
        let own: Vec<_> = transcripts[0].iter().filter(|line| line.starts_with(&format!("user{i}: "))).collect();
        let said: Vec<_> = (0..lines).map(|n| format!("user{i}: line {n} of {i}")).collect();
        assert!(own.into_iter().eq(&said), "user{i}'s own order");
    }
}

#[test]
fn an_answer_stands_where_it_was_asked_for() {
    let daemon = Daemon::start(&format!("{FAST}[room]\nhistory = 0\n"));
    for join in [Daemon::join, Daemon::join_tls] {
        let mut ana = join(&daemon, "ana");
        ana.send("one\n/topic\ntwo\n/topic\n/who\nthree\n");
        let topic = "*** Topic: Welcome to the lobby";
        for line in ["ana: one", topic, "ana: two", topic, "*** Here: ana", "ana: three"] {
            ana.expect_next(line);
        }
        ana.say("/quit");
        ana.rest();
    }
}

#[test]
fn a_private_message_keeps_its_place_among_public_lines() {
    let daemon = Daemon::start(FAST);
    let mut luzmi = daemon.join("luzmi");
    let mut ana = daemon.join("ana");
    let mut bo = daemon.join("bo");
    let rounds = 500;
    std::thread::scope(|scope| {
        // Another client keeps the delivery busy meanwhile.
        let others = scope.spawn(|| {
            for n in 0..rounds * 2 {
                luzmi.say(&format!("noise {n}"));
                luzmi.expect(&format!("luzmi: noise {n}"));
            }
        });
        scope.spawn(|| {
            for n in 0..rounds {
                ana.send(&format!("before {n}\n/msg bo between {n}\nafter {n}\n"));
                ana.expect(&format!("ana: after {n}"));
            }
        });
        for n in 0..rounds {
            let mut next = || std::iter::from_fn(|| bo.next_line()).find(|line| line.contains("ana")).unwrap();
            assert_eq!(next(), format!("ana: before {n}"));
            assert_eq!(next(), format!("[ana] between {n}"));
            assert_eq!(next(), format!("ana: after {n}"));
        }
        others.join().unwrap();
    });
}
