//! Input in pieces of any size and of any kind: first lines, hostile text, an unterminated last line.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::support::client::Client;
use crate::support::daemon::{Daemon, FAST};

#[test]
fn input_before_netcat_ends_is_said() {
    let daemon = Daemon::start("");
    let mut bo = daemon.join("bo");
    let mut netcat = Command::new("nc")
        .args(["-N", "127.0.0.1", &daemon.plain().port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    netcat.stdin.take().unwrap().write_all(b"ana\nhello\nlast line").unwrap();
    let output = netcat.wait_with_output().unwrap();
    for line in ["*** ana has joined", "ana: hello", "ana: last line", "*** ana has left (connection closed)"] {
        bo.expect_next(line);
    }
    let seen = String::from_utf8(output.stdout).unwrap();
    let expected = "ana: hello\nana: last line\n*** Goodbye: connection closed.\n";
    assert!(seen.ends_with(expected), "{seen}");
}

/// With the options from the invitation: the end of input ends s_client, and no line is a command to it.
#[test]
fn input_before_s_client_ends_is_said() {
    let daemon = Daemon::start("");
    let mut bo = daemon.join("bo");
    let options = ["s_client", "-quiet", "-no_ign_eof", "-nocommands", "-connect", &daemon.tls().to_string()];
    let mut command = Command::new("openssl");
    command.args(options).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut s_client = command.spawn().unwrap();
    s_client.stdin.take().unwrap().write_all(b"ana\nQuite so\nReally\nKeen\n").unwrap();
    for line in ["*** ana has joined", "ana: Quite so", "ana: Really", "ana: Keen"] {
        bo.expect_next(line);
    }
    bo.expect_next("*** ana has left (connection closed)");
    assert!(s_client.wait().unwrap().success());
}

#[test]
fn input_before_an_immediate_close_is_processed() {
    let daemon = Daemon::start("");
    let mut bo = daemon.join("bo");
    let mut ana = daemon.connect();
    ana.send("ana\nhello\n");
    drop(ana);
    for line in ["*** ana has joined", "ana: hello"] {
        bo.expect_next(line);
    }
    bo.expect_start("*** ana has left (connection ");
}

#[test]
fn lines_are_the_same_however_they_arrive() {
    let daemon = Daemon::start(FAST);
    let mut bo = daemon.join("bo");
    let text = "ana\r\none\r\n\r\ntwo\nthr\u{e9}e\r\n";
    for connect in [Daemon::connect, |daemon: &Daemon| Client::tls(daemon.tls())] {
        let mut ana = connect(&daemon);
        for byte in text.bytes() {
            ana.send_bytes(&[byte]);
        }
        ana.finish();
        let rest = ana.rest();
        bo.expect_next("*** ana has joined");
        for line in ["ana: one", "ana: two", "ana: thr\u{e9}e"] {
            bo.expect_next(line);
            assert!(rest.iter().any(|seen| seen == line), "{line} in {rest:?}");
        }
        bo.expect_next("*** ana has left (connection closed)");
    }
    let many: String = (0..5000).map(|n| format!("line {n}\n")).collect();
    for join in [Daemon::join, Daemon::join_tls] {
        let mut ana = join(&daemon, "ana");
        bo.expect_next("*** ana has joined");
        ana.expect_start("*** Nothing was said since you left; ");
        std::thread::scope(|scope| {
            scope.spawn(|| (0..5000).for_each(|n| bo.expect_next(&format!("ana: line {n}"))));
            ana.send(&many);
            (0..5000).for_each(|n| ana.expect_next(&format!("ana: line {n}")));
        });
        ana.say("/quit");
        ana.rest();
        bo.expect_next("*** ana has left (quit)");
    }
}

#[test]
fn control_sequences_do_not_reach_others() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    let mut bo = daemon.join("bo");
    ana.expect_next("*** bo has joined");
    for (line, others, told) in [
        (
            &b"\x1b[31mred\x07"[..],
            "red",
            &[
                "*** Arrow keys and the like do not edit a line here; taken out of it: 1.",
                "*** Control characters were taken out of your line: 1.",
            ][..],
        ),
        (b"a c1 \xc2\x9b31m", "a c1 ", &["*** Arrow keys and the like do not edit a line here; taken out of it: 1."]),
        (b"del\x7f", "del", &["*** Control characters were taken out of your line: 1."]),
        (
            "bidi \u{202e}evil\u{2066}".as_bytes(),
            "bidi evil",
            &["*** Control characters were taken out of your line: 2."],
        ),
        (b"nul\0 and cr\rhere", "nul and crhere", &["*** Control characters were taken out of your line: 2."]),
        (b"latin \xe9\xff", "latin \u{fffd}\u{fffd}", &["*** Your line was not UTF-8; replaced in it: 2."]),
        (b"a tab\tis a space", "a tab is a space", &[]),
    ] {
        ana.send_bytes(line);
        ana.send("\n");
        bo.expect_next(&format!("ana: {others}"));
        let mut expected = vec![format!("ana: {others}")];
        expected.extend(told.iter().map(|told| (*told).to_owned()));
        let mut seen = ana.lines(expected.len());
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected);
    }
    ana.send_bytes(b"/msg bo \x1b]0;title\x07my title\n/me \x1b[2Jblinks\n/quit \x1b[Hbye\n");
    bo.expect_next("[ana] my title");
    bo.expect_next("* ana blinks");
    bo.expect_next("*** ana has left (quit: bye)");
}

#[test]
fn a_silent_client_is_greeted_and_may_go_on_in_the_middle_of_a_line() {
    let daemon = Daemon::start("");
    let mut ana = daemon.connect();
    ana.send("USER a");
    ana.expect_next("*** This is lobby, a chat room.");
    ana.expect_next("*** What is your name?");
    ana.say("na");
    ana.expect_next("*** Welcome to lobby, ana. /help lists the commands, /quit leaves.");
}

/// The answer to a new client's first bytes, up to the end of the connection. Tries again if they arrived after the
/// greeting.
fn answer_to(daemon: &Daemon, words: &[u8]) -> Vec<u8> {
    loop {
        let client = daemon.connect();
        (&mut client.socket()).write_all(words).unwrap();
        client.socket().shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        client.socket().read_to_end(&mut answer).unwrap();
        if !answer.starts_with(b"*** This is lobby") {
            return answer;
        }
    }
}

#[test]
fn another_protocol_is_answered_in_its_own_language() {
    let daemon = Daemon::start("");
    let answer = String::from_utf8(answer_to(&daemon, b"CAP LS 302\r\nNICK ana\r\n")).unwrap();
    assert!(answer.starts_with(":chatd.internal CAP * LS :") && answer.ends_with("\r\n"), "{answer}");
    let answer = answer_to(&daemon, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 400 Bad Request\r\n"), "{answer:?}");
    let alert = answer_to(&daemon, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert_eq!(alert, b"\x15\x03\x01\x00\x02\x02\x0a");

    // On a port for text only, all of this is an invalid name.
    let text_only = "[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"text\"\n";
    let daemon = Daemon::start_with(text_only, |_| {});
    let mut client = daemon.connect();
    client.expect_next("*** This is lobby, a chat room.");
    client.expect_next("*** What is your name?");
    client.say("NICK ana");
    client.expect_next("*** That name is not possible: a name has no spaces.");
}
