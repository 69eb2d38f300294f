//! The real daemon's entries in the journal, with their exact fields, and a journal that nobody reads.

use std::net::SocketAddr;

use chatd::log::events;
use rcgen::{CertificateParams, KeyPair};
use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size};

use crate::support::PATIENCE;
use crate::support::client::Client;
use crate::support::daemon::{CHATD, Daemon, LISTENERS, run_by};
use crate::support::journal::{Entry, Journal};

/// More entries than the journal's socket (`net.unix.max_dgram_qlen`, 512 with systemd) and the log's queue hold.
const FLOOD: usize = 3000;

/// Messages may come as fast as they like.
const UNLIMITED: &str = "[limits]\nmessage-rate = 1000000\nmessage-burst = 1000000\n";

/// A daemon that logs to a journal of the test's own.
struct Logged {
    journal: Journal,
    daemon: Daemon,
    plain: SocketAddr,
    tls: SocketAddr,
}

impl Logged {
    /// `config` goes on in the section `[log]`.
    fn start(config: &str) -> Logged {
        let journal = Journal::new();
        let config = Logged::config(config);
        let daemon = Daemon::launch(&config, |command| run_by(command, journal.command(CHATD)));
        let address = |entry: Entry| entry["MESSAGE"].split(' ').nth(2).unwrap().parse().unwrap();
        let (plain, tls) = (address(journal.next_of("listen")), address(journal.next_of("listen")));
        journal.next_of("start");
        Logged { journal, daemon, plain, tls }
    }

    fn config(config: &str) -> String {
        format!("{LISTENERS}[log]\ntarget = \"journal\"\n{config}")
    }

    fn join(&self, name: &str) -> (Client, String) {
        let mut client = Client::plain(self.plain);
        let address = client.socket().local_addr().unwrap().to_string();
        client.login(name);
        (client, address)
    }

    /// The next entry of all is this one: nothing was logged in between.
    fn expect(&self, kind: &str, priority: &str, message: &str, fields: &[(&str, &str)]) {
        let mut entry = self.journal.next();
        let id = events::find(kind).unwrap().id;
        let common = [
            ("CHATD_EVENT", kind),
            ("MESSAGE", message),
            ("MESSAGE_ID", id),
            ("PRIORITY", priority),
            ("SYSLOG_IDENTIFIER", "chatd"),
        ];
        // Where in our code it was logged.
        for key in ["CODE_FILE", "CODE_LINE", "TARGET"] {
            assert!(entry.remove(key).is_some(), "{key} is missing");
        }
        let expected = common.iter().chain(fields).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        assert_eq!(entry, expected.collect::<Entry>());
    }

    /// The next entry of all says that somebody has come.
    fn expect_join(&self, name: &str, address: &str) {
        self.expect_plain("join", name, address, &format!("{name} has joined ({address}, plain, text)"), &[]);
    }

    /// The next entry of all says that somebody has gone.
    fn expect_leave(&self, name: &str, address: &str, reason: &str) {
        let message = format!("{name} has left ({address}, plain, text, {reason})");
        self.expect_plain("leave", name, address, &message, &[("CHATD_REASON", reason)]);
    }

    fn expect_plain(&self, kind: &str, name: &str, address: &str, message: &str, more: &[(&str, &str)]) {
        let fields = [
            ("CHATD_ADDRESS", address),
            ("CHATD_PROTOCOL", "text"),
            ("CHATD_TRANSPORT", "plain"),
            ("CHATD_USER", name),
        ];
        self.expect(kind, "6", message, &[&fields, more].concat());
    }

    /// All entries up to the daemon's last one; it is asked to stop.
    fn stop(&mut self) -> Vec<Entry> {
        self.daemon.signal("TERM");
        let mut entries = Vec::new();
        loop {
            let entry = self.journal.next();
            let last = entry.get("CHATD_EVENT").is_some_and(|kind| kind == "stop");
            entries.push(entry);
            if last {
                assert!(self.daemon.wait().success());
                return entries;
            }
        }
    }
}

#[test]
fn coming_going_and_renaming() {
    let mut log = Logged::start("");
    let (mut ana, ana_address) = log.join("ana");
    log.expect_join("ana", &ana_address);

    ana.say("/nick anna");
    let message = format!("ana is now known as anna ({ana_address}, plain, text)");
    log.expect_plain("rename", "anna", &ana_address, &message, &[]);

    let (mut bo, bo_address) = log.join("bo");
    log.expect_join("bo", &bo_address);
    bo.say("/quit see you");
    log.expect_leave("bo", &bo_address, "quit");

    let (mut bo, bo_address) = log.join("bo");
    log.expect_join("bo", &bo_address);
    bo.finish();
    log.expect_leave("bo", &bo_address, "closed");

    let (bo, bo_address) = log.join("bo");
    log.expect_join("bo", &bo_address);
    // Closing it then resets the connection.
    set_socket_linger(bo.socket(), Some(std::time::Duration::ZERO)).unwrap();
    drop(bo);
    log.expect_leave("bo", &bo_address, "broken");

    let mut bo = Client::tls(log.tls);
    let bo_address = bo.socket().local_addr().unwrap().to_string();
    bo.login("bo");
    let fields = |reason: &'static str| {
        let all = [
            ("CHATD_ADDRESS", bo_address.as_str()),
            ("CHATD_PROTOCOL", "text"),
            ("CHATD_TRANSPORT", "tls"),
            ("CHATD_USER", "bo"),
            ("CHATD_REASON", reason),
        ];
        all[..if reason.is_empty() { 4 } else { 5 }].to_vec()
    };
    log.expect("join", "6", &format!("bo has joined ({bo_address}, tls, text)"), &fields(""));
    std::io::Write::write_all(&mut bo.socket(), b"this is no TLS record").unwrap();
    log.expect("leave", "6", &format!("bo has left ({bo_address}, tls, text, tls)"), &fields("tls"));

    log.daemon.signal("TERM");
    log.expect_leave("anna", &ana_address, "stopping");
    log.expect("stop", "6", "chatd has stopped", &[]);
    assert!(log.daemon.wait().success());
}

#[test]
fn a_client_that_is_too_slow() {
    let config = "[limits]\nmessage-rate = 1000000\nmessage-burst = 1000000\nline-length = \"32KiB\"\n\
        max-lag = \"128KiB\"\n";
    let log = Logged::start(config);
    let (mut ana, ana_address) = log.join("ana");
    log.expect_join("ana", &ana_address);
    let (bo, bo_address) = log.join("bo");
    log.expect_join("bo", &bo_address);
    set_socket_recv_buffer_size(bo.socket(), 4096).unwrap();
    let long = "x".repeat(32 * 1024);
    loop {
        ana.say(&long);
        if ana.line().starts_with("*** bo has left (too slow: more than 131072 bytes behind)") {
            break;
        }
    }
    log.expect_leave("bo", &bo_address, "too-slow");
}

#[test]
fn administrative_actions_are_logged() {
    let log = Logged::start("");
    // Whoever runs the test is root in the daemon's namespace, if it has one of its own.
    let uid = "0";
    let (_ana, ana_address) = log.join("ana");
    log.expect_join("ana", &ana_address);
    assert!(log.daemon.chatctl(&["kick", "ana", "--reason", "no shouting"]).status.success());
    let message = format!("ana was kicked by an administrator ({ana_address}, uid {uid}, no shouting)");
    let fields = [
        ("CHATD_ADDRESS", ana_address.as_str()),
        ("CHATD_REASON", "no shouting"),
        ("CHATD_UID", uid),
        ("CHATD_USER", "ana"),
    ];
    log.expect("kick", "6", &message, &fields);
    log.expect_leave("ana", &ana_address, "kicked");

    assert!(log.daemon.chatctl(&["ban", "ana", "--reason", "no shouting"]).status.success());
    let fields = [("CHATD_REASON", "no shouting"), ("CHATD_UID", uid), ("CHATD_USER", "ana")];
    let message = format!("ana was banned by an administrator (uid {uid}, no shouting)");
    log.expect("ban", "6", &message, &fields);
    let mut again = Client::plain(log.plain);
    let address = again.socket().local_addr().unwrap().to_string();
    again.say("ana");
    assert_eq!(again.rest().last().unwrap(), "*** Goodbye: banned: no shouting.");
    let fields = [
        ("CHATD_ADDRESS", address.as_str()),
        ("CHATD_PROTOCOL", "text"),
        ("CHATD_REASON", "banned"),
        ("CHATD_TRANSPORT", "plain"),
    ];
    let message = format!("a connection was ended: banned: no shouting ({address}, plain, text)");
    log.expect("refused", "6", &message, &fields);
    assert!(log.daemon.chatctl(&["unban", "ana"]).status.success());
    let message = format!("the ban of ana was ended by an administrator (uid {uid})");
    log.expect("unban", "6", &message, &[("CHATD_UID", uid), ("CHATD_USER", "ana")]);
    assert!(log.daemon.chatctl(&["ban", "192.0.2.0/24"]).status.success());
    let message = format!("an address was banned by an administrator (192.0.2.0/24, uid {uid})");
    log.expect("ban", "6", &message, &[("CHATD_ADDRESS", "192.0.2.0/24"), ("CHATD_UID", uid)]);

    assert!(log.daemon.chatctl(&["notice", "tea is ready"]).status.success());
    let message = format!("an administrator's notice went to 0 users (uid {uid})");
    log.expect("notice", "6", &message, &[("CHATD_UID", uid)]);

    assert!(log.daemon.chatctl(&["reload"]).status.success());
    log.journal.next_of("certificate");
    let message = format!("configuration and certificates were reloaded (uid {uid})");
    log.expect("reload", "6", &message, &[("CHATD_UID", uid)]);
    log.daemon.signal("HUP");
    log.journal.next_of("certificate");
    log.expect("reload", "6", "configuration and certificates were reloaded", &[]);

    log.daemon.write_config("no\n");
    assert!(!log.daemon.chatctl(&["reload"]).status.success());
    let entry = log.journal.next_of("reload-failed");
    assert!(entry["MESSAGE"].starts_with(&format!("{}:1:", log.daemon.path("chatd.toml").display())), "{entry:?}");
    assert_eq!((&*entry["PRIORITY"], &*entry["CHATD_UID"]), ("4", uid));
}

#[test]
fn restarts() {
    let mut log = Logged::start("");
    let (mut ana, ana_address) = log.join("ana");
    log.expect_join("ana", &ana_address);
    let (_bo, bo_address) = log.join("bo");
    log.expect_join("bo", &bo_address);

    let file = log.daemon.path("chatd.toml").display().to_string();
    log.daemon.write_config("[room]\nnaem = 1\n");
    let mistake = format!("{file}:2:1: unknown key `naem` in [room]; known here: name, topic, history, reserved-names");
    log.daemon.signal("USR2");
    log.expect("restart-failed", "4", &mistake, &[]);
    assert_eq!(log.daemon.chatctl(&["restart"]).status.code(), Some(1));
    // Whoever runs the test is root in the daemon's namespace, if it has one of its own.
    let fields = [("CHATD_UID", "0")];
    log.expect("restart-failed", "4", &format!("{mistake} (uid 0)"), &fields);

    log.daemon.write_config(&Logged::config(""));
    log.daemon.signal("USR2");
    log.expect("restart", "6", "chatd restarts", &[]);
    log.expect("handover", "6", "handing over to the next process: 2 clients", &[]);
    let taken = format!("taken over from chatd {}: 2 of 2 clients", env!("CARGO_PKG_VERSION"));
    assert_eq!(log.journal.next_of("handover")["MESSAGE"], taken);
    log.journal.next_of("start");
    assert!(log.daemon.chatctl(&["restart"]).status.success());
    log.expect("restart", "6", "chatd restarts (uid 0)", &fields);
    log.journal.next_of("start");

    ana.say("/nick anna");
    let message = format!("ana is now known as anna ({ana_address}, plain, text)");
    log.expect_plain("rename", "anna", &ana_address, &message, &[]);
    let entries = log.stop();
    assert!(entries.iter().all(|entry| entry["CHATD_EVENT"] != "handover"), "{entries:?}");
}

#[test]
fn refused_connections_are_logged() {
    let log = Logged::start("[limits]\nlogin-timeout = \"100ms\"\n");
    let silent = Client::plain(log.plain);
    let address = silent.socket().local_addr().unwrap().to_string();
    let fields = |address, reason, protocol: &'static str| {
        let all = [
            ("CHATD_ADDRESS", address),
            ("CHATD_REASON", reason),
            ("CHATD_TRANSPORT", "plain"),
            ("CHATD_PROTOCOL", protocol),
        ];
        all[..if protocol.is_empty() { 3 } else { 4 }].to_vec()
    };
    log.expect(
        "refused",
        "6",
        &format!("a connection was ended: no name was given in time ({address}, plain, auto, login-timeout)"),
        &fields(&address, "login-timeout", "auto"),
    );

    let log = Logged::start("[limits]\nconnections-per-address = 1\n");
    let (_ana, ana_address) = log.join("ana");
    log.expect_join("ana", &ana_address);
    let mut second = Client::plain(log.plain);
    let address = second.socket().local_addr().unwrap().to_string();
    second.expect("*** Too many connections from your address.");
    log.expect(
        "refused",
        "6",
        &format!(
            "a connection was refused: too many connections come from this address ({address}, plain, \
             connections-per-address)"
        ),
        &fields(&address, "connections-per-address", ""),
    );
}

#[test]
fn messages_and_addresses_are_not_in_log_texts() {
    const SECRET: &str = "xyzzy";
    let mut log = Logged::start(&format!("level = \"trace\"\naddresses = false\n{UNLIMITED}"));
    let (mut ana, ana_address) = log.join("ana");
    let (mut bo, bo_address) = log.join("bo");
    for command in ["", "/me ", "/msg bo ", "/", "//"] {
        ana.say(&format!("{command}{SECRET}"));
    }
    ana.send_bytes(b"\xff\x1bxyzzy\n");
    assert!(log.daemon.chatctl(&["notice", SECRET]).status.success());
    assert!(!log.daemon.chatctl(&["kick", SECRET]).status.success());
    ana.say(&format!("/quit {SECRET}"));
    bo.expect(&format!("*** ana has left (quit: {SECRET})"));
    let mut stranger = Client::plain(log.plain);
    let stranger_address = stranger.socket().local_addr().unwrap().to_string();
    stranger.send(&format!("GET /{SECRET} HTTP/1.1\r\n\r\n"));
    stranger.expect_start("HTTP/1.1 400");

    let entries = log.stop();
    let kinds: Vec<&str> = entries.iter().filter_map(|entry| entry.get("CHATD_EVENT")).map(String::as_str).collect();
    for kind in ["join", "leave", "notice", "refused"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    for value in entries.iter().flat_map(|entry| entry.values()) {
        assert!(!value.contains(SECRET), "{value}");
        for address in [&ana_address, &bo_address, &stranger_address] {
            assert!(!value.contains(address.as_str()), "{value}");
        }
    }
    assert!(!entries.iter().any(|entry| entry.contains_key("CHATD_ADDRESS")));
}

#[test]
fn only_what_is_important_enough_is_logged() {
    let log = Logged::start("");
    log.daemon.write_config(&Logged::config("level = \"warn\"\n"));
    assert!(log.daemon.chatctl(&["reload"]).status.success());
    let (mut ana, _) = log.join("ana");
    ana.say("/quit");
    ana.rest();
    log.daemon.write_config("no\n");
    assert!(!log.daemon.chatctl(&["reload"]).status.success());
    // The reload reads the certificate while the old level is still in force.
    let next = || {
        let entry = log.journal.next();
        entry["CHATD_EVENT"].clone()
    };
    let mut kind = next();
    if kind == "certificate" {
        kind = next();
    }
    assert_eq!(kind, "reload-failed");
}

/// Has one client change its name so often that entries are lost.
fn flood(client: &mut Client) {
    let lines: String = (0..FLOOD).map(|n| format!("/nick n{n}\n")).collect();
    client.send(&lines);
    client.expect(&format!("*** n{} is now known as n{}", FLOOD - 2, FLOOD - 1));
}

#[test]
fn a_stuck_journal_does_not_stop_the_chat_and_the_loss_is_counted() {
    let log = Logged::start(UNLIMITED);
    let (mut ana, ana_address) = log.join("ana");
    log.expect_join("ana", &ana_address);

    flood(&mut ana);
    let (mut bo, _) = log.join("bo");
    bo.say("can you hear me?");
    ana.expect("bo: can you hear me?");
    let status = log.daemon.chatctl(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let lost = status["log_lost"].as_u64().unwrap();
    assert!(lost > 0);

    let mut written = 0;
    let report = loop {
        let entry = log.journal.next();
        match entry["CHATD_EVENT"].as_str() {
            "rename" | "join" => written += 1,
            "lost" => break entry,
            other => panic!("{other}"),
        }
    };
    assert_eq!(report["MESSAGE"], format!("{lost} log entries were lost: the log could not keep up"));
    assert_eq!(written + lost, FLOOD as u64 + 1, "the names of ana, and bo's coming");
    bo.say("/nick bob");
    assert_eq!(log.journal.next()["CHATD_USER"], "bob");
}

#[test]
fn a_stuck_journal_does_not_delay_the_exit() {
    let mut log = Logged::start(UNLIMITED);
    let (mut ana, _) = log.join("ana");
    flood(&mut ana);
    log.daemon.signal("TERM");
    ana.expect_start("*** Goodbye: ");
    assert_eq!(ana.next_line(), None);
    drop(ana);
    assert!(log.daemon.wait().success());
}

#[test]
fn entries_lost_without_a_journal_are_counted() {
    let log = Logged::start("");
    let (path, away) = (log.journal.path(), log.journal.path().with_extension("away"));
    let (mut ana, ana_address) = log.join("ana");
    log.expect_join("ana", &ana_address);
    std::fs::rename(&path, &away).unwrap();
    ana.say("/nick anna");
    ana.expect("*** ana is now known as anna");
    let lost = || {
        let status = log.daemon.chatctl(&["status", "--json"]);
        serde_json::from_slice::<serde_json::Value>(&status.stdout).unwrap()["log_lost"].as_u64().unwrap()
    };
    let deadline = std::time::Instant::now() + PATIENCE;
    while lost() == 0 {
        assert!(std::time::Instant::now() < deadline, "never counted");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::fs::rename(&away, &path).unwrap();
    ana.say("/nick ana");
    assert_eq!(log.journal.next()["CHATD_EVENT"], "rename");
    log.expect("lost", "4", "1 log entry was lost: the log could not keep up", &[]);
}

#[test]
fn a_reload_that_wants_a_journal_where_there_is_none_changes_nothing() {
    let log = Logged::start("[room]\ntopic = \"first\"\n");
    let shown = || {
        let client = Client::tls(log.tls);
        client.tls_connection().peer_certificates().unwrap()[0].clone().into_owned()
    };
    let before = shown();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (certificate_file, key_file) = (log.daemon.path("certificate.pem"), log.daemon.path("key.pem"));
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();

    std::fs::remove_file(log.journal.path()).unwrap();
    let tls = format!("[tls]\ncertificate = {certificate_file:?}\nprivate-key = {key_file:?}\n");
    log.daemon.write_config(&Logged::config(&format!("[room]\ntopic = \"second\"\n{tls}")));
    let reload = log.daemon.chatctl(&["reload"]);
    assert_eq!(reload.status.code(), Some(1));
    let complaint = String::from_utf8(reload.stderr).unwrap();
    assert!(complaint.contains("log.target is \"journal\" but no journal answers at "), "{complaint}");
    assert_eq!(shown(), before);
    let mut ana = Client::plain(log.plain);
    ana.say("ana");
    ana.expect("*** Topic: first");
}
