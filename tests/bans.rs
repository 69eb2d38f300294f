//! Bans and the list of allowed networks, with a real daemon.

use std::io::Read as _;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Instant;

use chatd::admin::types::{BanEntry, Banned, Bans};
use rustls::version::TLS13;

use crate::history::restart::restart_with;
use crate::support::PATIENCE;
use crate::support::client::{Client, trusting};
use crate::support::daemon::{Daemon, LISTENERS};
use crate::tls::Certificates;

/// Runs chatctl successfully, and returns what the daemon answered.
fn asked<T: serde::de::DeserializeOwned>(daemon: &Daemon, arguments: &[&str]) -> T {
    let output = daemon.chatctl(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn ban(daemon: &Daemon, arguments: &[&str]) -> Banned {
    asked(daemon, &[&["ban"], arguments].concat())
}

fn unban(daemon: &Daemon, arguments: &[&str]) {
    let _: Bans = asked(daemon, &[&["unban"], arguments].concat());
}

fn subjects(bans: &[BanEntry]) -> Vec<String> {
    bans.iter().map(|ban| format!("{} {}", ban.kind, ban.subject)).collect()
}

fn listed(daemon: &Daemon) -> Vec<String> {
    subjects(&asked::<Bans>(daemon, &["bans"]).bans)
}

fn irc(mut client: Client, nick: &str) -> Client {
    client.send(&format!("NICK {nick}\r\nUSER {nick} 0 * :Real {nick}\r\n"));
    client
}

/// A banned client's goodbye, in the text protocol.
fn goodbye(mut client: Client, name: &str) -> String {
    client.say(name);
    client.rest().pop().unwrap()
}

#[test]
fn a_banned_name_is_sent_away_and_stays_away() {
    let daemon = Daemon::start("");
    let (mut ana, mut bo) = (irc(daemon.connect(), "Ana"), daemon.join("bo"));
    ana.expect_start(":chatd.internal 366 ");
    let banned = ban(&daemon, &["ana", "--reason", "no \u{1b}[1mshouting"]);
    assert_eq!(subjects(&banned.bans), ["name ana"]);
    assert_eq!((banned.disconnected, banned.address.as_deref(), banned.others), (1, Some("127.0.0.1"), 1));
    assert_eq!(ana.rest().last().unwrap(), "ERROR :Closing link: banned: no shouting\r");
    bo.expect("*** Ana has left (banned: no shouting)");
    // An IRC client that comes back by itself is not asked for another name, which it would have ready.
    for connect in [Daemon::connect, |daemon: &Daemon| Client::tls(daemon.tls())] {
        let told = irc(connect(&daemon), "ANA").rest();
        let expected = [
            ":chatd.internal 465 * :You may not come in: banned: no shouting\r",
            "ERROR :Closing link: banned: no shouting\r",
        ];
        assert_eq!(told, expected);
        assert_eq!(goodbye(connect(&daemon), "ana"), "*** Goodbye: banned: no shouting.");
    }
    // Nor does one that looks like it help: these letters are Cyrillic.
    ban(&daemon, &["coco"]);
    assert_eq!(goodbye(daemon.connect(), "сосо"), "*** Goodbye: banned.");
    unban(&daemon, &["coco"]);
    // Nobody who is here becomes ana either; they stay who they are.
    bo.say("/nick ana");
    bo.expect_next("*** The name ana is banned: no shouting.");
    let mut luz = irc(daemon.connect(), "luz");
    luz.expect_start(":chatd.internal 366 ");
    luz.send("NICK ana\r\nMODE #lobby b\r\n");
    luz.expect_next(":chatd.internal 432 luz ana :Erroneous nickname: The name ana is banned: no shouting.\r");
    let line = luz.line();
    assert!(line.starts_with(":chatd.internal 367 luz #lobby ana!*@* chatd.internal 17"), "{line}");
    luz.expect_next(":chatd.internal 368 luz #lobby :End of channel ban list\r");
    unban(&daemon, &["ANA"]);
    assert!(listed(&daemon).is_empty());
    irc(daemon.connect(), "ana").expect_start(":chatd.internal 366 ");
}

#[test]
fn an_address_is_banned_with_all_who_come_from_there() {
    let daemon = Daemon::start("");
    let (mut ana, mut bo, mut nobody) = (daemon.join("ana"), daemon.join_tls("bo"), daemon.connect());
    nobody.expect("*** What is your name?");
    let banned = ban(&daemon, &["ana", "--address", "--for", "1h", "--reason", "enough"]);
    assert_eq!(subjects(&banned.bans), ["name ana", "address 127.0.0.1"]);
    assert_eq!((banned.disconnected, banned.address), (3, None));
    let goodbyes = [&mut ana, &mut bo, &mut nobody].map(|client| client.rest().pop().unwrap());
    for told in &goodbyes {
        assert!(told.starts_with("*** Goodbye: banned until 2") && told.ends_with(" UTC: enough."), "{told}");
    }
    // They are told when they come again, in their protocol, over TLS, too.
    for connect in [Daemon::connect, |daemon: &Daemon| Client::tls(daemon.tls())] {
        let told = irc(connect(&daemon), "luz").rest();
        assert!(told[0].starts_with(":chatd.internal 465 * :You may not come in: banned until 2"), "{told:?}");
        assert!(told[1].starts_with("ERROR :Closing link: banned until 2") && told.len() == 2, "{told:?}");
        assert_eq!(connect(&daemon).rest(), goodbyes[..1], "whoever says nothing");
    }
    daemon.wait_for_log("UTC: enough (127.0.0.1:");
    // Addresses are shown to administrators alone.
    assert_eq!(listed(&daemon), ["address 127.0.0.1", "name ana"]);
    unban(&daemon, &["ana"]);
    assert!(listed(&daemon).is_empty(), "the address was banned with the name");
    daemon.join("ana");
}

#[test]
fn ipv6_and_networks() {
    let listeners = "[[listen]]\naddress = \"[::]:0\"\n";
    let daemon = Daemon::start_with(listeners, |_| {});
    let port = daemon.listeners()[0].port();
    let connect = |host: &str| Client::plain(format!("{host}:{port}").parse().unwrap());
    let login = |host: &str, name: &str| {
        let mut client = connect(host);
        client.login(name);
        client
    };
    let (mut ana, mut bo) = (login("[::1]", "ana"), login("127.0.0.1", "bo"));
    // Clients of IPv4 on a socket of IPv6.
    assert_eq!(ban(&daemon, &["127.9.9.9/8"]).disconnected, 1);
    assert_eq!(bo.rest().last().unwrap(), "*** Goodbye: banned.");
    assert_eq!(goodbye(connect("127.0.0.1"), "luz"), "*** Goodbye: banned.");
    ana.say("still here");
    ana.expect("ana: still here");
    let banned = ban(&daemon, &["ana", "--address"]);
    assert_eq!(subjects(&banned.bans), ["name ana", "address ::/64"], "an IPv6 host has a whole /64");
    assert_eq!(ana.rest().last().unwrap(), "*** Goodbye: banned.");
    assert_eq!(goodbye(connect("[::1]"), "anna"), "*** Goodbye: banned.");
    let output = daemon.chatctl(&["unban", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(complaint, "chatctl: \"127.0.0.1\" is not banned itself, but by the ban of 127.0.0.0/8\n");
    unban(&daemon, &["::ffff:127.0.0.0/104"]);
    login("127.0.0.1", "bo");
}

#[test]
fn users_of_the_machine_on_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join("chat.sock");
    let daemon = Daemon::start(&format!("[[listen]]\naddress = {path:?}\nprotocol = \"text\"\n"));
    let connect = || {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        std::io::Write::write_all(&mut stream, b"ana\n").unwrap();
        stream
    };
    let mut ana = connect();
    daemon.wait_for_log("ana has joined");
    let banned = ban(&daemon, &["ana", "--address"]);
    let user = format!("unix:uid={}", rustix::process::getuid().as_raw());
    assert_eq!(subjects(&banned.bans), ["name ana".to_owned(), format!("address {user}")]);
    let mut told = String::new();
    ana.read_to_string(&mut told).unwrap();
    assert!(told.ends_with("*** Goodbye: banned.\n"), "{told}");
    let (mut again, mut told) = (connect(), String::new());
    again.read_to_string(&mut told).unwrap();
    assert_eq!(told, "*** Goodbye: banned.\n");
    unban(&daemon, &[&user]);
    assert_eq!(listed(&daemon), ["name ana"]);
}

#[test]
fn an_account_is_banned_with_its_name_or_by_itself() {
    let certificates = Certificates::new();
    certificates.issue("authority", "server", "100");
    certificates.issue("authority", "ana", "100");
    let config = certificates.section("server") + &certificates.client_ca("optional");
    let daemon = Daemon::start(&config);
    let connect = || Client::tls_with(daemon.tls(), certificates.client("ana", &TLS13)).unwrap();
    let (mut ana, mut second) = (connect(), connect());
    ana.login("ana");
    second.login("ana2");
    let banned = ban(&daemon, &["ana"]);
    assert_eq!(subjects(&banned.bans)[..1], ["name ana"]);
    let account = banned.bans[1].subject.clone();
    assert_eq!((banned.bans[1].kind.as_str(), banned.bans[1].with.as_deref()), ("account", Some("ana")));
    assert_eq!(banned.disconnected, 2, "the account's other client, too");
    for client in [&mut ana, &mut second] {
        assert_eq!(client.rest().last().unwrap(), "*** Goodbye: banned.");
    }
    assert_eq!(irc(connect(), "other").rest().len(), 2, "another name does not help");
    unban(&daemon, &["ana"]);
    irc(connect(), "ana").expect_start(":chatd.internal 366 ");
    ban(&daemon, &["--account", &account]);
    assert_eq!(irc(connect(), "other").rest().len(), 2);
    daemon.join_tls("ana");
    unban(&daemon, &[&account, "--account"]);
    irc(connect(), "other").expect_start(":chatd.internal 366 ");
}

#[test]
fn bans_survive_a_restart_whether_or_not_a_history_is_kept() {
    for config in ["", "[history]\nkeep = \"0s\"\n"] {
        let daemon = Daemon::start(config);
        ban(&daemon, &["ana", "--reason", "no shouting"]);
        ban(&daemon, &["192.0.2.0/24", "--for", "1d"]);
        ban(&daemon, &["luz"]);
        unban(&daemon, &["luz"]);
        let before: Bans = asked(&daemon, &["bans"]);
        let daemon = restart_with(daemon, config);
        assert_eq!(asked::<Bans>(&daemon, &["bans"]), before, "{config}");
        assert_eq!(subjects(&before.bans), ["address 192.0.2.0/24", "name ana"]);
        assert_eq!(goodbye(daemon.connect(), "ana"), "*** Goodbye: banned: no shouting.");
        // They are no history: they stay when that is not to be kept any more.
        let daemon = restart_with(daemon, "[history]\nkeep = \"0s\"\n");
        assert_eq!(asked::<Bans>(&daemon, &["bans"]), before);
    }
}

#[test]
fn bans_are_written_into_a_file_that_is_begun_anew() {
    let daemon = Daemon::start("");
    ban(&daemon, &["ana"]);
    let mut bo = daemon.join("bo");
    bo.say("/search x");
    bo.expect_start("*** Not");
    let state = daemon.path("state");
    for file in std::fs::read_dir(&state).unwrap().map(|file| file.unwrap().path()) {
        if file.to_str().unwrap().contains("chatd.db") {
            std::fs::remove_file(file).unwrap();
        }
    }
    let daemon = restart_after_notice(daemon, &mut bo);
    assert_eq!(goodbye(daemon.connect(), "ana"), "*** Goodbye: banned.");
}

/// Says things until the file is there again, and restarts the daemon.
fn restart_after_notice(daemon: Daemon, bo: &mut Client) -> Daemon {
    let deadline = Instant::now() + 4 * PATIENCE;
    // The file's absence is noticed when it is next tidied up, which a reload asks for.
    daemon.write_config(&format!("{LISTENERS}[history]\nkeep = \"29d\"\n"));
    assert!(daemon.chatctl(&["reload"]).status.success());
    while !daemon.path("state/chatd.db").exists() {
        assert!(Instant::now() < deadline);
        bo.say("hello");
        bo.expect("bo: hello");
    }
    restart_with(daemon, "")
}

#[test]
fn a_ban_ends_by_itself() {
    let daemon = Daemon::start("");
    ban(&daemon, &["ana", "--for", "1s"]);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut ana = daemon.connect();
        ana.say("ana");
        if ana.expect_start("*** ").starts_with("*** This is") && ana.lines(2)[1].starts_with("*** Welcome") {
            break;
        }
        assert!(Instant::now() < deadline);
    }
    assert!(listed(&daemon).is_empty());
    for wrong in ["0s", "soon", "1000y", "-1h"] {
        assert_eq!(daemon.chatctl(&["ban", "ana", "--for", wrong]).status.code(), Some(64), "{wrong}");
    }
    for wrong in ["two words", "192.0.2.0/33", ""] {
        assert_eq!(daemon.chatctl(&["ban", wrong]).status.code(), Some(1), "{wrong}");
    }
    let output = daemon.chatctl(&["ban", "nobody", "--address"]);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "chatctl: nobody here is called \"nobody\"\n");
    assert!(listed(&daemon).is_empty());
}

#[test]
fn only_allowed_networks_may_come_and_a_reload_changes_that() {
    let daemon = Daemon::start("[limits]\nallow = [\"127.0.0.0/8\", \"2001:db8::/32\"]\n");
    let mut ana = daemon.join("ana");
    daemon.write_config(&format!("{LISTENERS}[limits]\nallow = [\"192.0.2.0/24\"]\n"));
    assert!(daemon.chatctl(&["reload"]).status.success());
    let sentence = "this room is not open to your address";
    assert_eq!(goodbye(daemon.connect(), "bo"), format!("*** Goodbye: {sentence}."));
    let told = irc(Client::tls(daemon.tls()), "bo").rest();
    assert_eq!(told[0], format!(":chatd.internal 465 * :You may not come in: {sentence}\r"));
    daemon.wait_for_log_count(", not-allowed)", 2);
    // A reload drops nobody.
    ana.say("still here");
    ana.expect("ana: still here");
    daemon.write_config(LISTENERS);
    assert!(daemon.chatctl(&["reload"]).status.success());
    daemon.join("bo");
}

/// Those who come all the time cost no handshake and no session, and the log is not filled.
#[test]
fn banned_clients_that_come_all_the_time_are_answered_with_a_line_or_an_alert() {
    let daemon = Daemon::start("");
    ban(&daemon, &["127.0.0.0/8"]);
    let deadline = Instant::now() + PATIENCE;
    let mut answer = Vec::new();
    while !answer.starts_with(b"*** You may not come in") {
        assert!(Instant::now() < deadline);
        let flood: Vec<TcpStream> = (0..30).map(|_| TcpStream::connect(daemon.plain()).unwrap()).collect();
        answer.clear();
        let mut last = flood.last().unwrap();
        last.set_read_timeout(Some(PATIENCE)).unwrap();
        last.read_to_end(&mut answer).unwrap();
    }
    while Client::tls_with(daemon.tls(), trusting()).is_ok() {
        assert!(Instant::now() < deadline);
    }
    daemon.wait_for_log("more clients or names were refused in the last");
    assert!(daemon.log_lines().iter().filter(|line| line.contains("banned")).count() < 20);
}
