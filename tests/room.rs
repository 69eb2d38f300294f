//! The room through real sockets: order, history, everybody's commands.

use crate::support::daemon::Daemon;

/// A rate that no test reaches.
const FAST: &str = "[limits]\nmessage-rate = 1000000\nmessage-burst = 1000000\n";

#[test]
fn a_newcomer_is_greeted_named_and_told_who_is_here() {
    let daemon = Daemon::start("");
    let mut ana = daemon.connect();
    ana.expect_next("*** This is lobby, a chat room.");
    ana.expect_next("*** What is your name?");
    ana.say("ana");
    ana.expect_next("*** Welcome to lobby, ana. /help lists the commands, /quit leaves.");
    ana.expect_next("*** Here: ana");
    ana.expect_next("*** Topic: Welcome to the lobby");
    let mut luzmi = daemon.connect();
    luzmi.say("USER luzmi");
    luzmi.expect("*** Here: ana, luzmi");
    ana.expect_next("*** luzmi has joined");
}

#[test]
fn who_says_everything_at_once_and_quits_reads_it_to_the_end() {
    let daemon = Daemon::start("");
    let mut ana = daemon.connect();
    ana.send("ana\nhello\n/quit\n");
    ana.expect("*** Topic: Welcome to the lobby");
    ana.expect_next("ana: hello");
    ana.expect_next("*** Goodbye: quit.");
    assert!(ana.rest().is_empty());
}

#[test]
fn everybody_sees_the_same_lines_in_the_same_order() {
    let daemon = Daemon::start(FAST);
    let mut clients: Vec<_> = (0..50).map(|i| daemon.join(&format!("user{i}"))).collect();
    // Everybody is in before the first word.
    for client in &mut clients[..49] {
        client.expect("*** user49 has joined");
    }
    let lines = 40;
    let transcripts: Vec<Vec<String>> = std::thread::scope(|scope| {
        let readers: Vec<_> = clients
            .iter_mut()
            .enumerate()
            .map(|(i, client)| {
                scope.spawn(move || {
                    for n in 0..lines {
                        client.say(&format!("line {n} of {i}"));
                    }
                    (0..50 * lines).map(|_| client.line()).collect()
                })
            })
            .collect();
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
