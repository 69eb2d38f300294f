//! Leaving: what the others see, and what the leaving client still receives.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::support::client::Client;
use crate::support::daemon::Daemon;

const NO_HISTORY: &str = "[room]\nhistory = 0\n";

#[test]
fn every_quit_word_is_answered_and_announced() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    for (line, reason) in [("/quit", "quit"), ("/quit so long", "quit: so long"), ("QUIT", "quit"), ("{quit}", "quit")]
    {
        for join in [Daemon::join, Daemon::join_tls] {
            let mut bo = join(&daemon, "bo");
            bo.say(&format!("{line}\ntoo late"));
            assert_eq!(bo.rest(), ["*** Goodbye: quit."]);
            ana.expect_next("*** bo has joined");
            ana.expect_next(&format!("*** bo has left ({reason})"));
        }
    }
}

#[test]
fn a_client_that_sends_everything_and_leaves_reads_all_answers() {
    let daemon = Daemon::start(NO_HISTORY);
    let mut ana = daemon.join("ana");
    for connect in [Daemon::connect, |daemon: &Daemon| Client::tls(daemon.tls())] {
        let mut bo = connect(&daemon);
        bo.send("bo\nhello\n/who\n/quit\n");
        bo.expect("*** Topic: Welcome to the lobby");
        let rest = bo.rest();
        let own = rest.iter().position(|line| line == "bo: hello").expect("its own line");
        assert_eq!(rest[own..], ["bo: hello", "*** Here: ana, bo", "*** Goodbye: quit."]);
        ana.expect("*** bo has left (quit)");
    }
}

#[test]
fn a_closed_connection_is_announced_as_closed() {
    let daemon = Daemon::start(NO_HISTORY);
    let mut ana = daemon.join("ana");
    for join in [Daemon::join, Daemon::join_tls] {
        let mut bo = join(&daemon, "bo");
        ana.expect_next("*** bo has joined");
        bo.say("that is all");
        bo.finish();
        bo.expect_next("bo: that is all");
        assert_eq!(bo.rest(), ["*** Goodbye: connection closed."]);
        ana.expect_next("bo: that is all");
        ana.expect_next("*** bo has left (connection closed)");
    }
}

#[test]
fn a_broken_connection_is_announced_as_broken() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    daemon.join("bo").reset();
    ana.expect_next("*** bo has joined");
    ana.expect_next("*** bo has left (connection broken: connection reset)");
    // Without close_notify, an attacker may have truncated the connection.
    let mut bo = daemon.join_tls("bo");
    bo.send_bytes(b"cut o");
    bo.socket().shutdown(std::net::Shutdown::Write).unwrap();
    ana.expect_next("*** bo has joined");
    ana.expect_next("*** bo has left (connection broken: unexpected end of file)");
}

#[test]
fn bytes_that_are_not_tls_are_told_as_such() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    let bo = daemon.join_tls("bo");
    ana.expect_next("*** bo has joined");
    std::io::Write::write_all(&mut bo.socket(), b"this is not a TLS record\n").unwrap();
    ana.expect_start("*** bo has left (TLS error: ");
    // A TLS alert, then the end of the stream.
    bo.socket().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_kick_is_explained_to_the_client_and_the_room() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    for (arguments, reason) in
        [(&["kick", "BO"][..], "kicked"), (&["kick", "bo", "--reason", "be nice"], "kicked: be nice")]
    {
        for join in [Daemon::join, Daemon::join_tls] {
            let mut bo = join(&daemon, "bo");
            ana.expect_next("*** bo has joined");
            assert!(daemon.chatctl(arguments).status.success());
            assert_eq!(bo.rest().last().unwrap(), &format!("*** Goodbye: {reason}."));
            ana.expect_next(&format!("*** bo has left ({reason})"));
        }
    }
}

#[test]
fn nc_ends_by_itself_although_its_input_does_not() {
    let daemon = Daemon::start("");
    let address = daemon.plain();
    let mut child = Command::new("timeout")
        .args(["30", "nc"])
        .args([address.ip().to_string(), address.port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"ana\n/quit\n").unwrap();
    // What it prints ends when it does, and its input is still open.
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert!(printed.ends_with("*** Goodbye: quit.\n"), "{printed}");
    child.wait().unwrap();
    drop(input);
}
