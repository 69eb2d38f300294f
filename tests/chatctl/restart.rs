//! `chatctl restart`, and those who watch or follow while the daemon is restarted.

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{good, refused, stderr};
use crate::support::client::Client;
use crate::support::daemon::{CHATD, Daemon, run_by};
use crate::support::program::Program;

/// Without TLS.
const PLAIN: &str = "[[listen]]\naddress = \"127.0.0.1:0\"\n";

fn start(config: &str) -> Daemon {
    Daemon::start_with(&format!("{PLAIN}{config}"), |_| {})
}

/// Says something, which arrives once.
fn says(client: &mut Client, name: &str, text: &str) {
    client.say(text);
    client.expect_next(&format!("{name}: {text}"));
}

#[test]
fn nobody_notices() {
    let daemon = start("");
    let (mut ana, mut bo) = (daemon.join("ana"), daemon.join("bo"));
    ana.expect("*** bo has joined");
    assert_eq!(good(&daemon, &["restart"]), "chatd has restarted; 2 users are still connected\n");
    says(&mut ana, "ana", "one");
    bo.expect_next("ana: one");
    bo.say("/quit");
    ana.expect_next("*** bo has left (quit)");
    assert_eq!(good(&daemon, &["restart"]), "chatd has restarted; 1 user is still connected\n");
    assert_eq!(good(&daemon, &["restart", "--json"]), "{}\n");
    says(&mut ana, "ana", "two");
    ana.say("/quit");
    ana.rest();
    assert_eq!(good(&daemon, &["restart"]), "chatd has restarted; nobody is connected\n");
    daemon.wait_for_log_count(" is ready", 5);
    let lines = daemon.log_lines();
    assert_eq!(lines.iter().filter(|line| line.contains("chatd restarts")).count(), 4);
    // Newcomers come in by the same door.
    daemon.join("cy");
}

#[test]
fn a_daemon_that_could_not_start_again_does_not_restart() {
    let daemon = start("");
    let mut ana = daemon.join("ana");
    let started = daemon.status().started_at;
    daemon.write_config("[room]\nnaem = 1\n[log]\nlevel = 7\n");
    let complaint = refused(&daemon, &["restart"]);
    let file = daemon.path("chatd.toml").display().to_string();
    let lines: Vec<&str> = complaint.lines().collect();
    assert_eq!(lines[0], "chatctl: nothing was restarted, and everybody stays");
    assert!(lines[1].starts_with(&format!("{file}:2:1: ")), "{complaint}");
    assert!(lines[2].starts_with(&format!("{file}:4:9: ")), "{complaint}");
    assert_eq!(lines.len(), 3);
    daemon.signal("USR2");
    daemon.wait_for_log_count("unknown key `naem`", 2);
    assert_eq!(daemon.status().started_at, started);
    assert_eq!(daemon.log_lines().iter().filter(|line| line.contains(" is ready")).count(), 1);
    says(&mut ana, "ana", "still here");
}

/// As by an upgrade of a daemon that was started by hand.
#[test]
fn the_program_may_have_been_replaced() {
    let programs = tempfile::tempdir().unwrap();
    let program = programs.path().join("chatd");
    let replace = || {
        let new = programs.path().join("new");
        std::fs::copy(CHATD, &new).unwrap();
        std::fs::rename(new, &program).unwrap();
    };
    replace();
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    for called in [program.to_str().unwrap(), "chatd"] {
        let daemon = Daemon::start_with(PLAIN, |command| {
            let mut other = Command::new("env");
            other.arg(called);
            command.env("PATH", &path);
            run_by(command, other);
        });
        let mut ana = daemon.join("ana");
        replace();
        assert_eq!(good(&daemon, &["restart"]), "chatd has restarted; 1 user is still connected\n");
        says(&mut ana, "ana", "still here");
        assert!(!daemon.log_lines().iter().any(|line| line.contains("cannot be executed")), "{called}");
    }
}

#[test]
fn without_handover_everybody_is_told() {
    let daemon = start("[handover]\nclients = false\n");
    let mut ana = daemon.join("ana");
    let restarted = good(&daemon, &["restart"]);
    assert_eq!(restarted, "chatd has restarted; nobody is connected\n");
    assert_eq!(ana.rest().last().unwrap(), "*** Goodbye: the server is stopping.");
    daemon.join("ana");
}

#[test]
fn a_watch_goes_on() {
    let daemon = start("");
    let mut watch = Program::start(&mut daemon.chatctl_command(&["watch", "--json"]));
    watch.expect("an administrator is watching");
    let _ana = daemon.join("ana");
    for restarts in 1..=3 {
        good(&daemon, &["restart"]);
        let _bo = daemon.join(&format!("bo-{restarts}"));
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&"bo-3 has joined".to_owned()) {
        let event: Value = serde_json::from_str(&watch.next_line().unwrap()).unwrap();
        seen.push(event["message"].as_str().unwrap().to_owned());
    }
    let count = |message: &str| seen.iter().filter(|seen| seen.contains(message)).count();
    assert_eq!(count("ana has joined"), 1, "{seen:?}");
    assert_eq!(count("chatd restarts"), 3, "{seen:?}");
    assert_eq!(count("taken over from chatd"), 3, "{seen:?}");
    assert_eq!(count("listening on"), 3, "{seen:?}");
    assert_eq!(count(" is ready"), 3, "{seen:?}");
    for restarts in 1..=3 {
        assert_eq!(count(&format!("bo-{restarts} has joined")), 1, "{seen:?}");
        // In the process in which it has joined, or in the next one.
        assert!(count(&format!("bo-{restarts} has left")) <= 1, "{seen:?}");
    }
    watch.signal("INT");
    assert_eq!(watch.wait().code(), Some(0));
}

/// Follows with these arguments while people talk and the daemon is restarted; returns what they said, as it was shown.
fn follows(config: &str, arguments: &[&str]) -> Vec<String> {
    let daemon = start(config);
    let mut ana = daemon.join("ana");
    says(&mut ana, "ana", "tea 0");
    let command = [&["history", "--follow", "--json"], arguments].concat();
    let mut follow = Program::start(&mut daemon.chatctl_command(&command));
    daemon.wait_for_log("an administrator reads the history");
    for number in 1..=20 {
        says(&mut ana, "ana", &format!("tea {number}"));
        if number % 5 == 0 {
            good(&daemon, &["restart"]);
        }
    }
    says(&mut ana, "ana", "tea at last");
    let mut shown = Vec::new();
    while shown.last() != Some(&"tea at last".to_owned()) {
        let entry: Value = serde_json::from_str(&follow.next_line().unwrap()).unwrap();
        if entry["kind"] == "message" {
            shown.push(entry["text"].as_str().unwrap().to_owned());
        }
    }
    follow.signal("INT");
    assert_eq!(follow.wait().code(), Some(0));
    shown
}

fn all(numbers: impl Iterator<Item = usize>) -> Vec<String> {
    numbers.map(|number| format!("tea {number}")).chain(["tea at last".to_owned()]).collect()
}

#[test]
fn following_goes_on_at_the_same_place() {
    assert_eq!(follows("", &[]), all(0..=20));
    assert_eq!(follows("[history]\nkeep = \"0s\"\n", &[]), all(0..=20));
}

#[test]
fn following_a_search_goes_on_at_the_same_place() {
    assert_eq!(follows("", &["--search", "tea", "--from", "ana", "--since", "1h"]), all(0..=20));
    // Nothing is found before the first restarts.
    assert_eq!(follows("", &["--search", "last", "--since", "1h"]), all(0..0));
    assert_eq!(follows("", &["--search", "last", "-n", "3"]), all(0..0));
}

#[test]
fn a_stop_is_no_restart() {
    let mut daemon = start("");
    let mut watch = Program::start(daemon.chatctl_command(&["watch"]).stderr(Stdio::null()));
    watch.expect("an administrator is watching");
    let follow = Program::start(daemon.chatctl_command(&["history", "--follow"]).stderr(Stdio::null()));
    daemon.wait_for_log("an administrator reads the history");
    good(&daemon, &["restart"]);
    daemon.wait_for_log_count("an administrator is watching", 2);
    daemon.wait_for_log_count("an administrator reads the history", 2);
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    assert_eq!((watch.wait().code(), follow.wait().code()), (Some(69), Some(69)));
}

/// Only systemd keeps what is handed over until the next process comes.
#[test]
fn a_restart_that_nobody_goes_on_with_is_a_stop() {
    let mut daemon = start("");
    let mut ana = daemon.join("ana");
    daemon.signal("USR1");
    daemon.signal("TERM");
    assert_eq!(ana.rest().last().unwrap(), "*** Goodbye: the server is stopping.");
    assert!(daemon.wait().success());
}

/// A call on the admin socket.
fn call(daemon: &Daemon, call: &Value) -> BufReader<UnixStream> {
    let mut socket = UnixStream::connect(daemon.path("run/admin.sock")).unwrap();
    socket.write_all(format!("{call}\0").as_bytes()).unwrap();
    BufReader::new(socket)
}

fn reply(replies: &mut impl BufRead) -> Option<Value> {
    let mut frame = Vec::new();
    replies.read_until(0, &mut frame).unwrap();
    (frame.pop() == Some(0)).then(|| serde_json::from_slice(&frame).unwrap())
}

#[test]
fn who_does_not_read_keeps_no_restart_waiting() {
    let daemon = start("[limits]\nmessage-rate = 1000000\nmessage-burst = 1000000\n");
    let mut ana = daemon.join("ana");
    let mut replies = call(&daemon, &json!({"method": "org.chatd.Admin.Watch", "more": true}));
    reply(&mut replies).unwrap();
    // More than the socket takes.
    let mut name = "ana".to_owned();
    for number in 0..3000 {
        let next = format!("ana-{}", number % 2);
        ana.say(&format!("/nick {next}"));
        ana.expect_next(&format!("*** {name} is now known as {next}"));
        name = next;
    }
    assert_eq!(good(&daemon, &["restart"]), "chatd has restarted; 1 user is still connected\n");
    says(&mut ana, "ana-1", "still here");
    while reply(&mut replies).is_some_and(|reply| reply.get("error").is_none()) {}
}

#[test]
fn the_last_reply_says_where_to_go_on() {
    let daemon = start("");
    let mut ana = daemon.join("ana");
    says(&mut ana, "ana", "one");
    let mut watch = call(&daemon, &json!({"method": "org.chatd.Admin.Watch", "more": true}));
    let history = |parameters: Value| {
        call(&daemon, &json!({"method": "org.chatd.Admin.History", "more": true, "parameters": parameters}))
    };
    let mut follow = history(json!({"follow": true, "search": "one"}));
    let shown = reply(&mut follow).unwrap();
    assert_eq!(shown["parameters"]["entries"][0]["text"], "one");
    let mut other = history(json!({"follow": true, "search": "two", "since": "1h"}));
    daemon.wait_for_log_count("an administrator reads the history", 2);
    good(&daemon, &["restart"]);

    let after = |replies: &mut BufReader<UnixStream>| loop {
        let reply = reply(replies).unwrap();
        if reply["continues"] != true {
            assert_eq!(reply["error"], "org.chatd.Admin.Restarting");
            break reply["parameters"].get("after").cloned();
        }
    };
    assert_eq!((after(&mut watch), after(&mut other)), (None, None));
    let after = after(&mut follow).unwrap();
    assert_eq!(reply(&mut follow), None, "the connection is closed");

    says(&mut ana, "ana", "another one");
    let mut next = history(json!({"follow": true, "search": "one", "after": after}));
    assert_eq!(reply(&mut next).unwrap()["parameters"]["entries"][0]["text"], "another one");
    let wrong = reply(&mut history(json!({"after": "the day before yesterday"}))).unwrap();
    assert_eq!(wrong["error"], "org.varlink.service.InvalidParameter");
    assert_eq!(wrong["parameters"]["parameter"], "after");
}

#[test]
fn mistakes_are_logged_once() {
    let daemon = start("");
    daemon.write_config("[room]\nnaem = 1\n");
    // As in a unit, where both write to the same journal.
    let journal = std::fs::File::create(daemon.path("journal")).unwrap();
    let stream = journal.metadata().unwrap();
    let mut command = daemon.chatctl_command(&["restart"]);
    command.env("JOURNAL_STREAM", format!("{}:{}", stream.dev(), stream.ino())).stderr(journal);
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(1), String::new()));
    let told = std::fs::read_to_string(daemon.path("journal")).unwrap();
    assert_eq!(told, "chatctl: nothing was restarted, and everybody stays; chatd has logged why\n");
    daemon.wait_for_log_count("unknown key `naem`", 1);
}
