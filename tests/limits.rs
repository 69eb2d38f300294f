//! Limits on clients: what happens to a client that exceeds one, while the others are unaffected.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::PATIENCE;
use crate::support::client::{Client, trusting};
use crate::support::daemon::{Daemon, FAST, LISTENERS};

fn limits(limits: &str) -> String {
    format!("[limits]\n{limits}\n")
}

/// The first of `talkers` sends `lines` long lines, a few at a time: the next batch only when all have read the last,
/// so that none of them lags far behind. Ends early when `enough` arrives, and returns whether it did.
fn flood(talkers: &mut [&mut Client], lines: usize, enough: &str) -> bool {
    let mut seen = false;
    for batch in 0..lines.div_ceil(8) {
        let text = format!("{batch} {}\n", "x".repeat(1900));
        talkers[0].send(&text.repeat(8));
        for talker in &mut *talkers {
            let mut left = 8;
            while left > 0 {
                let line = talker.line();
                left -= usize::from(line.contains("xxxxx"));
                seen |= !enough.is_empty() && line.starts_with(enough);
            }
        }
        if seen {
            return true;
        }
    }
    false
}

#[test]
fn when_all_connections_are_in_use_the_next_client_waits_for_one() {
    let daemon = Daemon::start(&limits("connections = 2"));
    let (mut ana, mut bo) = (daemon.join("ana"), daemon.join("bo"));
    daemon.wait_for_log("all 2 connections are in use; further clients wait");
    let mut luzmi = daemon.connect();
    luzmi.say("luzmi");
    assert_eq!(daemon.status().connections, 2);
    bo.say("/quit");
    bo.rest();
    drop(bo);
    luzmi.expect("*** Here: ana, luzmi");
    ana.expect_next("*** bo has joined");
    ana.expect_next("*** bo has left (quit)");
    ana.expect_next("*** luzmi has joined");
    assert!(daemon.status().limits_reached.connections >= 1);
}

#[test]
fn a_daemon_that_waits_for_a_free_connection_still_feeds_its_watchdog() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let config = format!("{}{}", LISTENERS, limits("connections = 1"));
    let daemon = Daemon::start_with(&config, |command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000");
    });
    // Wait until both listeners have noticed the free connection before two clients connect.
    drop(daemon.join("first"));
    daemon.wait_for_status(|status| status.connections == 0);
    let _ana = daemon.join("ana");
    let _waiting = std::net::TcpStream::connect(daemon.tls()).unwrap();
    let mut buffer = [0; 4096];
    manager.set_nonblocking(true).unwrap();
    while manager.recv(&mut buffer).is_ok() {}
    manager.set_nonblocking(false).unwrap();
    let mut fed = 0;
    while fed < 3 {
        let length = manager.recv(&mut buffer).expect("the watchdog is fed");
        fed += usize::from(buffer[..length].starts_with(b"WATCHDOG=1"));
    }
}

#[test]
fn too_many_from_one_address_are_told_and_closed() {
    let daemon = Daemon::start(&limits("connections-per-address = 2"));
    let (_ana, bo) = (daemon.join("ana"), daemon.join_tls("bo"));
    let mut third = daemon.connect();
    assert_eq!(third.rest(), ["*** Too many connections from your address."]);
    // With TLS, they are told by an alert before the handshake.
    let refused = Client::tls_with(daemon.tls(), trusting()).err().unwrap().to_string();
    assert!(refused.contains("AccessDenied"), "{refused}");
    daemon.wait_for_log_count("too many connections come from this address", 2);
    drop(bo);
    daemon.wait_for_status(|status| status.connections == 1);
    daemon.join("luzmi");
    assert_eq!(daemon.status().limits_reached.connections_per_address, 2);
}

#[test]
fn a_network_may_have_more_connections_than_others() {
    let school = "[[limits.network]]\naddresses = ['127.0.0.2']\nconnections-per-address = 2\n";
    let daemon = Daemon::start(&format!("[limits]\nconnections-per-address = 1\n{school}"));
    let from_school = || Client::plain_from([127, 0, 0, 2], daemon.plain());
    let _pupils = ["cho", "dan"].map(|name| {
        let mut pupil = from_school();
        pupil.login(name);
        pupil
    });
    let _ana = daemon.join("ana");
    for mut client in [from_school(), daemon.connect()] {
        assert_eq!(client.rest(), ["*** Too many connections from your address."]);
    }
}

#[test]
fn clients_that_come_too_fast_wait_and_delay_nobody_from_elsewhere() {
    let mut daemon = Daemon::start(&limits("connections-per-address = 8\nconnection-rate-per-address = 1"));
    // Their address has used its burst when they are gone.
    (0..8).for_each(|_| drop(daemon.connect()));
    daemon.wait_for_status(|status| status.connections == 0);
    let names = ["cho", "dan", "eve", "finn", "gus", "hana", "ines", "jo"];
    let mut waiting = names.map(|name| {
        let mut client = daemon.connect();
        client.say(name);
        client
    });
    let status = daemon.wait_for_status(|status| status.connections == 8);
    assert!(status.limits_reached.connection_rate_per_address > 0 && status.limits_reached.connection_rate == 0);
    daemon.wait_for_log("faster than connection-rate-per-address allows; they wait");
    let mut elsewhere = Client::plain_from([127, 0, 0, 2], daemon.plain());
    elsewhere.login("ana");
    assert!(daemon.find("jo").is_none(), "ana has come before the last of them");
    waiting[0].expect_start("*** Welcome to lobby, cho");
    // A stop does not wait for anybody's turn.
    daemon.signal("TERM");
    assert_eq!(waiting[7].rest().last().unwrap(), "*** Goodbye: the server is stopping.");
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn whoever_would_wait_for_too_long_is_refused() {
    let daemon = Daemon::start(&limits("connections-per-address = 50\nconnection-rate-per-address = 1"));
    (0..50).for_each(|_| drop(daemon.connect()));
    daemon.wait_for_status(|status| status.connections == 0);
    let _waiting: Vec<_> = (0..48).map(|_| daemon.connect()).collect();
    assert_eq!(daemon.connect().rest(), ["*** Too many connections at a time; please try again in a minute."]);
    let refused = Client::tls_with(daemon.tls(), trusting()).err().unwrap().to_string();
    assert!(refused.contains("AccessDenied"), "{refused}");
    daemon.wait_for_log("too many connections come at a time");
}

#[test]
fn only_clients_without_a_name_reach_the_login_timeout() {
    let daemon = Daemon::start(&limits("login-timeout = \"1s\""));
    let mut ana = daemon.join("ana");
    for client in &mut [daemon.connect(), Client::tls(daemon.tls())] {
        let lines =
            ["*** This is lobby, a chat room.", "*** What is your name?", "*** Goodbye: no name was given in time."];
        assert_eq!(client.rest(), lines);
    }
    ana.say("still here");
    ana.expect_next("ana: still here");
    assert_eq!(daemon.status().limits_reached.login_timeout, 2);
}

#[test]
fn whoever_has_too_many_names_refused_is_disconnected() {
    let listener = |protocol: &str| format!("[[listen]]\naddress = \"127.0.0.1:0\"\n{protocol}\n");
    let config =
        listener("") + &listener("protocol = \"classic\"\npreset = \"nic\"") + "[limits]\nlogin-attempts = 3\n";
    let daemon = Daemon::start_with(&config, |_| {});
    let mut ana = daemon.join("ana");
    let nick = "NICK a*\r\n".repeat(5);
    let taken = format!("USER eve 0 * :eve\r\n{}", "NICK ana\r\n".repeat(5));
    let sasl = "CAP LS\r\nAUTHENTICATE PLAIN\r\n".to_owned() + &"AUTHENTICATE EXTERNAL\r\n".repeat(5);
    let listeners = daemon.listeners();
    for (number, (listener, words)) in
        [(0, "ana\nroot\na*\neve\n"), (0, &nick), (0, &taken), (0, &sasl), (1, "ana\nroot\nadmin\neve\n")]
            .into_iter()
            .enumerate()
    {
        let mut eve = Client::plain(listeners[listener]);
        eve.send(words);
        while !eve.line().contains("3 names or logins were refused, which is too many") {}
        assert_eq!(daemon.status().limits_reached.login_attempts, number as u64 + 1);
    }
    // Who has a name may be mistaken as often as it pleases.
    (0..5).for_each(|_| ana.say("/msg nobody hello"));
    (0..5).for_each(|_| ana.expect("*** Nobody here is called nobody."));
    let two_names = "ana\nroot\neve\n";
    let mut eve = daemon.connect();
    eve.send(two_names);
    eve.expect_start("*** Welcome to lobby, eve");
}

#[test]
fn a_client_over_its_rate_is_throttled_without_loss() {
    let daemon = Daemon::start(&limits("message-rate = 50\nmessage-burst = 5\n[room]\nhistory = 0"));
    let mut bo = daemon.join("bo");
    for join in [Daemon::join, Daemon::join_tls] {
        let mut ana = join(&daemon, "ana");
        bo.expect("*** ana has joined");
        let flood: String = (0..30).map(|n| format!("line {n}\n")).collect();
        ana.send(&flood);
        ana.send("without an end");
        ana.finish();
        // Meanwhile another client is served and misses nothing.
        bo.say("hello");
        let mut seen = bo.lines(32);
        let hello = seen.iter().position(|line| line == "bo: hello").expect("its own line");
        seen.remove(hello);
        for (n, line) in seen.iter().take(30).enumerate() {
            assert_eq!(*line, format!("ana: line {n}"));
        }
        assert_eq!(seen[30], "ana: without an end");
        bo.expect("*** ana has left (connection closed)");
        let own: Vec<_> = ana.rest().into_iter().filter(|line| line.starts_with("ana: ")).collect();
        assert_eq!(own, seen);
    }
    assert!(daemon.status().limits_reached.message_rate > 0);
}

#[test]
fn when_too_much_is_said_nothing_is_lost() {
    let daemon = Daemon::start(&limits(
        "line-length = 128\nmessage-rate = 50\nmessage-burst = 100\nroom-rate = \"1KiB\"\n[room]\nhistory = 0",
    ));
    let mut bo = daemon.join("bo");
    let names = ["ana", "cho", "dan"];
    let mut talkers = names.map(|name| daemon.join_tls(name));
    for talker in &mut talkers {
        let text: String = (0..50).map(|n| format!("{n} {}\n", "x".repeat(100))).collect();
        talker.send(&text);
    }
    let mut next = [0; 3];
    while next != [50; 3] {
        let line = bo.line();
        let Some((name, said)) = line.split_once(": ") else { continue };
        let who = names.iter().position(|known| *known == name).unwrap();
        assert!(said.starts_with(&format!("{} x", next[who])), "{line}");
        next[who] += 1;
    }
    let reached = daemon.status().limits_reached;
    assert!(reached.room_rate > 0 && reached.message_rate == 0, "{reached:?}");
}

#[test]
fn what_a_strange_page_has_a_browser_send_is_not_said() {
    let listener = |protocol: &str| format!("[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"{protocol}\"\n");
    for (protocol, body, told) in [
        ("text", "eve\nbuy this\n", "*** Goodbye: HTTP on a chat port."),
        ("irc", "NICK eve\nUSER e 0 * :e\nPRIVMSG #lobby :buy this\n", "HTTP on a chat port"),
        ("auto", "eve\nbuy this\n", "This is a chat room, not a web server."),
    ] {
        let daemon = Daemon::start_with(&listener(protocol), |_| {});
        let mut browser = daemon.connect();
        browser.send(&format!("POST / HTTP/1.1\r\nHost: chat.test:6667\r\n\r\n{body}"));
        let answer = browser.rest().join("\n");
        assert!(answer.contains(told), "{answer}");
        let status = daemon.status();
        assert_eq!((status.messages, status.users, status.refused), (0, 0, 1), "{protocol}");
    }
}

#[test]
fn a_long_line_is_cut_and_its_author_informed() {
    let daemon = Daemon::start(&limits("line-length = 128"));
    let mut ana = daemon.join("ana");
    let mut bo = daemon.join("bo");
    ana.expect_next("*** bo has joined");
    for length in [129, 200_000] {
        ana.say(&"x".repeat(128));
        ana.say(&"y".repeat(length));
        ana.say("short");
        for client in [&mut ana, &mut bo] {
            client.expect_next(&format!("ana: {}", "x".repeat(128)));
            client.expect_next(&format!("ana: {}", "y".repeat(128)));
        }
        ana.expect_next("*** Your line was too long; what is beyond 128 bytes is lost.");
        ana.expect_next("ana: short");
        bo.expect_next("ana: short");
    }
}

#[test]
fn a_lagging_client_is_disconnected_without_cost_to_others() {
    // What waits for the disk is not what is measured here.
    let daemon = Daemon::start(&format!("{FAST}max-lag = \"64KiB\"\n[history]\nkeep = \"0s\"\n"));
    let (mut ana, mut bo) = (daemon.join("ana"), daemon.join_tls("bo"));
    let mut slow = Client::plain_with_small_buffer(daemon.plain());
    slow.login("slow");
    let before = resident(&daemon);
    // More than all socket buffers together can hold.
    let gone = "*** slow has left (too slow: more than 65536 bytes behind)";
    assert!(flood(&mut [&mut ana, &mut bo], 8000, gone), "slow was never disconnected");
    assert!(daemon.find("slow").is_none());
    flood(&mut [&mut ana, &mut bo], 8000, "");
    let grown = resident(&daemon).saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes are held of the 15 MB that nobody needs any more");
    let status = daemon.wait_for_status(|status| status.connections == 2);
    assert_eq!((status.users, status.limits_reached.max_lag), (2, 1));
    assert_eq!(daemon.find("bo").unwrap().lag_bytes, 0);
    drop(slow);
}

/// The daemon's resident memory in bytes.
fn resident(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn unread_private_messages_are_bounded() {
    let daemon = Daemon::start(&format!("{FAST}max-lag = \"64KiB\"\n"));
    let mut slow = Client::plain_with_small_buffer(daemon.plain());
    slow.login("slow");
    let mut ana = daemon.join("ana");
    let message = format!("/msg slow {}\n", "x".repeat(1900));
    for _ in 0..1000 {
        ana.send(&message.repeat(8));
        for _ in 0..8 {
            let line = ana.line();
            if line.starts_with("*** slow has left (too slow: more than 65536 bytes behind)") {
                return;
            }
            assert!(line.starts_with("*** You to slow: x"), "{line}");
        }
    }
    panic!("15 MB of private messages are held for somebody who reads nothing");
}

#[test]
fn a_client_that_never_reads_can_be_kicked_at_once() {
    let daemon = Daemon::start(&format!("{FAST}max-lag = \"1GiB\"\n"));
    let mut ana = daemon.join("ana");
    let plain = |daemon: &Daemon| Client::plain_with_small_buffer(daemon.plain());
    for connect in [plain, |daemon: &Daemon| Client::tls(daemon.tls())] {
        let mut slow = connect(&daemon);
        slow.login("slow");
        ana.expect_next("*** slow has joined");
        while daemon.find("slow").unwrap().lag_bytes == 0 {
            flood(&mut [&mut ana], 800, "");
        }
        assert!(daemon.chatctl(&["kick", "slow", "--reason", "asleep"]).status.success());
        assert!(daemon.find("slow").is_none());
        ana.expect_next("*** slow has left (kicked: asleep)");
        // The connection is closed although the client still reads nothing.
        daemon.wait_for_status(|status| status.connections == 1);
        drop(slow);
    }
}

/// What the kernel has still to send over connections to this client port that the daemon has closed, in bytes.
fn kept_by_kernel(port: u16) -> u64 {
    /// FIN-WAIT-1, LAST-ACK and CLOSING, as in the kernel's include/net/tcp_states.h.
    const WITH_UNSENT: [&str; 3] = ["04", "09", "0B"];
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    let unsent = lines.filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let to_client = fields[2].ends_with(&format!(":{port:04X}")) && WITH_UNSENT.contains(&fields[3]);
        to_client.then(|| u64::from_str_radix(fields[4].split_once(':').unwrap().0, 16).unwrap())
    });
    unsent.sum()
}

#[test]
fn of_a_client_that_is_cut_off_nothing_stays_in_the_kernel() {
    let daemon = Daemon::start(&format!("{FAST}max-lag = \"64KiB\"\n[history]\nkeep = \"0s\"\n"));
    let mut ana = daemon.join("ana");
    let text = "slow\n";
    let irc = "NICK slow\r\nUSER slow 0 * :slow\r\n";
    for (tls, login) in [(false, text), (false, irc), (true, text), (true, irc)] {
        let mut slow = if tls { Client::tls(daemon.tls()) } else { Client::plain_with_small_buffer(daemon.plain()) };
        slow.send(login);
        ana.expect_next("*** slow has joined");
        assert!(flood(&mut [&mut ana], 40_000, "*** slow has left (too slow"), "slow was never disconnected");
        daemon.wait_for_status(|status| status.connections == 1);
        let port = slow.socket().local_addr().unwrap().port();
        assert_eq!(kept_by_kernel(port), 0);
        // It is reset after what it had received.
        slow.expect_reset();
    }
}

#[test]
fn a_reset_ends_a_client_whose_input_waits_for_its_rate() {
    let daemon = Daemon::start(&limits("message-rate = 1\nmessage-burst = 5"));
    let mut bo = daemon.join("bo");
    // Over IRC nobody is sent their own lines, so that no write notices the reset.
    for mut ana in [daemon.connect(), Client::tls(daemon.tls())] {
        let flood: String = (0..600).map(|n| format!("PRIVMSG #lobby :line {n}\r\n")).collect();
        ana.send(&format!("NICK ana\r\nUSER ana 0 * :ana\r\n{flood}"));
        bo.expect("ana: line 0");
        ana.reset();
        let next = (0..60).map(|_| bo.line()).find(|line| !line.starts_with("ana: line "));
        assert_eq!(next.as_deref(), Some("*** ana has left (connection broken: connection reset)"));
    }
}

#[test]
fn running_out_of_descriptors_pauses_accepting_and_is_logged() {
    let daemon = Daemon::start("");
    let pid = Pid::from_raw(daemon.pid().cast_signed()).unwrap();
    prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(40), maximum: Some(40) }).unwrap();
    let mut clients: Vec<_> = (0..40)
        .map(|n| {
            let mut client = daemon.connect();
            client.say(&format!("user{n}"));
            client
        })
        .collect();
    daemon.wait_for_log("cannot accept for");
    // Clients are served in the order in which they connected, the last when the first have left.
    for mut client in clients.drain(..20) {
        client.expect_start("*** Welcome to lobby, user");
    }
    clients.last_mut().unwrap().expect_start("*** Welcome to lobby, user39");
}

#[test]
fn a_handshake_that_takes_too_long_is_ended() {
    let daemon = Daemon::start(&limits("handshake-timeout = \"200ms\""));
    let silent = std::net::TcpStream::connect(daemon.tls()).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(std::io::Read::read(&mut &silent, &mut [0; 16]).unwrap(), 0);
    daemon.wait_for_log("the TLS handshake took too long");
    assert_eq!(daemon.status().limits_reached.handshake_timeout, 1);
}

#[test]
fn a_reload_that_allows_more_connections_allows_as_many_descriptors() {
    let daemon = Daemon::start(&limits("connections = 10"));
    let pid = Pid::from_raw(daemon.pid().cast_signed()).unwrap();
    prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(100), maximum: Some(4000) }).unwrap();
    daemon.write_config(&format!("{LISTENERS}{}", limits("connections = 1000")));
    assert!(daemon.chatctl(&["reload"]).status.success());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let [soft, hard] = [0, 1].map(|place| files.split_whitespace().nth(place).unwrap().parse::<u64>().unwrap());
    assert!(soft > 1000 && soft < 4000 && hard == 4000, "{files}");
}

#[test]
fn a_name_that_grows_when_it_is_normalized_is_refused() {
    let daemon = Daemon::start("");
    let mut client = daemon.connect();
    for name in ["\u{fdfa}".repeat(7), format!("a{}", "\u{344}".repeat(60))] {
        client.say(&name);
        client.expect_start("*** That name is not possible: ");
    }
    client.login("ana");
}

#[test]
fn clients_that_connect_and_reset_do_not_fill_the_log() {
    let mut daemon = Daemon::start(&limits("connection-rate-per-address = 1000000"));
    let ana = daemon.join("ana");
    for number in 0..100 {
        let client = daemon.connect();
        set_socket_linger(client.socket(), Some(Duration::ZERO)).unwrap();
        drop(client);
        if number == 50 {
            drop(daemon.join("bo"));
        }
    }
    let status = daemon.wait_for_status(|status| status.refused == 100 && status.users == 1);
    assert_eq!(status.log_lost, 0);
    assert!(daemon.chatctl(&["kick", "ana"]).status.success());
    drop(ana);
    daemon.signal("TERM");
    let (status, lines) = daemon.wait_with_log();
    assert!(status.success());
    let having = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!((having("bo has joined"), having("bo has left"), having("ana was kicked")), (1, 1, 1));
    let single = having("a connection was ended: ");
    let counted = lines.iter().filter(|line| line.contains("refused in the last "));
    let counts = counted.map(|line| line.split(' ').nth(2).unwrap().parse::<usize>().unwrap());
    assert_eq!(single + counts.sum::<usize>(), 100, "{lines:#?}");
    assert!(lines.len() < 100, "{lines:#?}");
}
