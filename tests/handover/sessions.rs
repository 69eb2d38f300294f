//! What a client has begun before a restart, it ends after it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use super::{count, restart};
use crate::support::client::Client;
use crate::support::daemon::{Daemon, LISTENERS};

/// An IRC client that has joined, with these capabilities.
fn irc(daemon: &Daemon, nick: &str, capabilities: &str) -> Client {
    let mut client = daemon.connect();
    client.send(&format!("CAP REQ :{capabilities}\r\nNICK {nick}\r\nUSER {nick} 0 * :{nick}\r\nCAP END\r\n"));
    client.expect_start(&format!(":chatd.internal 366 {nick} "));
    client
}

#[test]
fn a_text_client_sees_nothing_at_all() {
    let daemon = Daemon::start("");
    let (mut ana, mut ben) = (daemon.join("ana"), daemon.join("ben"));
    ana.expect("*** ben has joined");
    for round in 0..5 {
        restart(&daemon);
        ana.say(&format!("round {round}"));
        ben.expect_next(&format!("ana: round {round}"));
        ana.expect_next(&format!("ana: round {round}"));
    }
    let users = daemon.find("ana").expect("she is listed");
    assert_eq!(users.protocol, "text");
    assert_eq!(count(&daemon, "ana has joined"), 1);
}

#[test]
fn a_line_that_has_begun_is_completed() {
    let daemon = Daemon::start("");
    let (mut ana, mut ben) = (daemon.join("ana"), daemon.join("ben"));
    // What is said next shows that this has arrived, too.
    ana.send("half a ");
    ben.say("hello");
    ana.expect("ben: hello");
    restart(&daemon);
    ana.send("line\n");
    ben.expect("ana: half a line");
}

#[test]
fn a_client_without_a_name_gives_it_afterwards() {
    let daemon = Daemon::start("");
    let mut silent = daemon.connect();
    let mut asked = daemon.connect();
    asked.expect("*** What is your name?");
    restart(&daemon);
    asked.login("ana");
    silent.login("ben");
    asked.expect("*** ben has joined");
}

#[test]
fn an_irc_client_keeps_its_capabilities_its_watches_and_its_batch() {
    let daemon = Daemon::start("");
    let mut ana = irc(&daemon, "ana", "batch draft/multiline message-tags echo-message");
    ana.send("MONITOR + ben\r\n");
    ana.expect_start(":chatd.internal 731 ana :ben");
    ana.send(
        "AWAY :gone fishing\r\n@label=x BATCH +1 draft/multiline #lobby\r\n@batch=1 PRIVMSG #lobby :one\r\nPING a\r\n",
    );
    ana.expect_start(":chatd.internal PONG chatd.internal :a");
    restart(&daemon);
    let mut ben = irc(&daemon, "ben", "batch draft/multiline");
    ana.expect_start(":chatd.internal 730 ana :ben");
    ben.send("WHOIS ana\r\n");
    ben.expect_start(":chatd.internal 301 ben ana :gone fishing");
    ana.send("@batch=1 PRIVMSG #lobby :two\r\nBATCH -1\r\n");
    ben.expect_start(":ana!ana@chatd.internal BATCH +");
    assert!(ben.line().ends_with(" PRIVMSG #lobby :one\r"));
    assert!(ben.line().ends_with(" PRIVMSG #lobby :two\r"));
    // Its own, because of echo-message.
    ana.expect_start("@");
}

#[test]
fn whoever_pastes_more_than_the_rate_allows_has_all_of_it_said_in_order() {
    let daemon = Daemon::start("[limits]\nmessage-rate = 100\nmessage-burst = 5\n");
    let (mut ana, mut ben) = (daemon.join("ana"), daemon.join("ben"));
    let pasted: String = (0..60).map(|number| format!("{number}\n")).collect();
    ana.send(&pasted);
    ben.expect("ana: 0");
    restart(&daemon);
    for number in 1..60 {
        ben.expect_next(&format!("ana: {number}"));
    }
}

#[test]
fn whoever_reads_too_slowly_gets_everything_afterwards() {
    let daemon = Daemon::start("[limits]\nmessage-rate = 100000\nmessage-burst = 100000\nmax-lag = \"16MiB\"\n");
    let mut slow = Client::plain_with_small_buffer(daemon.plain());
    slow.login("slow");
    let mut ana = daemon.join("ana");
    let padding = "x".repeat(1900);
    let lines = 3000;
    for number in 0..lines {
        ana.say(&format!("{number} {padding}"));
        ana.expect_start(&format!("ana: {number} "));
    }
    restart(&daemon);
    slow.expect("*** ana has joined");
    for number in 0..lines {
        slow.expect_next(&format!("ana: {number} {padding}"));
    }
}

#[test]
fn a_search_that_was_asked_before_is_answered_once() {
    let daemon = Daemon::start("[limits]\nmessage-rate = 100000\nmessage-burst = 100000\n");
    let mut ana = daemon.join("ana");
    for number in 0..200 {
        ana.say(&format!("tea {number}"));
    }
    ana.expect("ana: tea 199");
    ana.say("/search tea");
    restart(&daemon);
    ana.say("after");
    let seen = std::iter::from_fn(|| Some(ana.line()).filter(|line| line != "ana: after")).collect::<Vec<_>>();
    assert_eq!(seen.iter().filter(|line| line.ends_with("tea 199")).count(), 1, "{seen:#?}");
}

#[test]
fn a_client_on_a_unix_socket_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chat.sock");
    let daemon = Daemon::start(&format!("[[listen]]\naddress = {path:?}\n"));
    let mut local = UnixStream::connect(&path).unwrap();
    local.write_all(b"ana\n").unwrap();
    let mut lines = BufReader::new(local.try_clone().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.starts_with("*** Topic: ")).unwrap();
    restart(&daemon);
    local.write_all(b"hello\n").unwrap();
    lines.find(|line| line == "ana: hello").unwrap();
    // The socket has kept its file, and the next client comes by it.
    UnixStream::connect(&path).unwrap();
}

#[test]
fn whoever_vanishes_meanwhile_leaves_the_room() {
    let daemon = Daemon::start("");
    let (ana, mut ben) = (daemon.join("ana"), daemon.join("ben"));
    // Stopped, the daemon notices nothing before it is told to restart.
    daemon.signal("STOP");
    ana.reset();
    daemon.signal("USR2");
    daemon.signal("CONT");
    ben.expect_start("*** ana has left");
}

#[test]
fn the_room_is_told_if_the_administrator_wants_that() {
    let daemon = Daemon::start("[handover]\nannounce-restart = true\n");
    let mut ana = daemon.join("ana");
    restart(&daemon);
    ana.expect_next("*** notice: The server has restarted.");
}

#[test]
fn clients_are_told_and_disconnected_if_they_are_not_to_stay() {
    let daemon = Daemon::start("[handover]\nclients = false\n");
    let mut ana = daemon.join("ana");
    restart(&daemon);
    assert_eq!(ana.rest().last().unwrap(), "*** Goodbye: the server is stopping.");
    daemon.join("ben");
}

#[test]
fn a_lower_limit_disconnects_those_who_are_too_many_and_tells_them() {
    let daemon = Daemon::start("");
    let mut clients: Vec<Client> = (0..4).map(|number| daemon.join(&format!("c{number}"))).collect();
    daemon.write_config(&format!("{LISTENERS}[limits]\nconnections = 3\n"));
    restart(&daemon);
    let mut gone = 0;
    for client in &mut clients {
        client.say("/who");
        let told = std::iter::from_fn(|| client.next_line())
            .find(|line| line.starts_with("*** Here") || line.starts_with("*** Goodbye"));
        gone += usize::from(told.is_some_and(|line| {
            line == "*** Goodbye: the server restarts, and there are fewer places; please connect again."
        }));
    }
    assert_eq!(gone, 1);
}

#[test]
fn a_configuration_with_mistakes_keeps_everything_as_it_is() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    daemon.write_config("[rom]\n");
    daemon.signal("USR2");
    daemon.wait_for_log("chatd.toml:1:2: ");
    ana.say("hello");
    ana.expect_next("ana: hello");
    assert_eq!(count(&daemon, " is ready"), 1);
}

#[test]
fn what_a_reload_cannot_change_a_restart_does() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    let mut cyd = irc(&daemon, "cyd", "server-time");
    daemon.write_config(&format!("{LISTENERS}[room]\nname = \"cave\"\ntopic = \"bats\"\n"));
    restart(&daemon);
    ana.expect("*** Topic: bats");
    let last = cyd.rest().pop().unwrap();
    assert_eq!(last, "ERROR :Closing link: the server restarts, and the room has another name; please connect again\r");
    let mut again = daemon.connect();
    again.send("NICK cyd\r\nUSER c 0 * :c\r\n");
    again.expect_start(":chatd.internal 332 cyd #cave :bats");
}

#[test]
fn whoever_cannot_stay_leaves_before_everybody_elses_eyes() {
    let daemon = Daemon::start("");
    let mut cyd = irc(&daemon, "cyd", "server-time");
    let mut ana = daemon.join("ana");
    daemon.write_config(&format!("{LISTENERS}[room]\nname = \"cave\"\n"));
    restart(&daemon);
    assert!(cyd.rest().pop().unwrap().starts_with("ERROR :Closing link: "));
    ana.say("hello");
    ana.expect_next("*** cyd has left (the server restarts, and the room has another name; please connect again)");
    ana.expect_next("ana: hello");
}

#[test]
fn a_listener_makes_way_for_one_that_replaces_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chat.sock");
    let daemon =
        Daemon::start_with(&format!("[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\naddress = {path:?}\n"), |_| {});
    let mut ana = daemon.join("ana");
    let port = daemon.plain().port();
    daemon.write_config(&format!("[[listen]]\naddress = \"0.0.0.0:{port}\"\n"));
    restart(&daemon);
    ana.say("hello");
    ana.expect_next("ana: hello");
    daemon.join("ben");
    assert!(!path.exists(), "nobody listens there");
}

#[test]
fn a_stop_that_follows_a_restart_at_once_is_a_stop() {
    let mut daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    // The restart waits for its handshake, for a moment.
    let _silent = std::net::TcpStream::connect(daemon.tls()).unwrap();
    daemon.wait_for_status(|status| status.connections == 2);
    daemon.signal("USR2");
    daemon.wait_for_log("chatd restarts");
    daemon.signal("TERM");
    assert_eq!(ana.rest().last().unwrap(), "*** Goodbye: the server is stopping.");
    assert!(daemon.wait().success());
}

/// What they share is kept once, before and after it.
#[test]
fn nobody_is_disconnected_by_a_restart_for_being_slow() {
    let daemon = Daemon::start(
        "[room]\nhistory = 0\n[limits]\nmessage-rate = 100000\nmessage-burst = 100000\nmax-lag = \"8MiB\"\nbacklog = \"12MiB\"\n",
    );
    let mut slow: Vec<Client> = (0..4)
        .map(|number| {
            let mut client = Client::plain_with_small_buffer(daemon.plain());
            client.login(&format!("slow{number}"));
            client
        })
        .collect();
    let mut ana = daemon.join("ana");
    let padding = "x".repeat(1900);
    let lines = 3500;
    for number in 0..lines {
        ana.say(&format!("{number} {padding}"));
        ana.expect_start(&format!("ana: {number} "));
    }
    restart(&daemon);
    restart(&daemon);
    ana.say("the end");
    ana.expect("ana: the end");
    assert_eq!(daemon.status().users, 5);
    for client in &mut slow {
        client.expect("*** ana has joined");
        (0..lines).for_each(|number| client.expect_next(&format!("ana: {number} {padding}")));
        client.expect_next("ana: the end");
    }
}
