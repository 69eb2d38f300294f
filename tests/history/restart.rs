//! A restarted daemon goes on where the last one ended.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use crate::support::PATIENCE;
use crate::support::client::Client;
use crate::support::daemon::{Daemon, LISTENERS};

const CAPABILITIES: &str = "batch message-tags server-time draft/chathistory echo-message draft/message-redaction draft/read-marker soju.im/search";

/// Stops the daemon and starts another one with this configuration in the same directory.
pub fn restart_with(mut daemon: Daemon, config: &str) -> Daemon {
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let next = Daemon::launch_in(daemon.directory.clone(), &format!("{LISTENERS}{config}"), |_| {});
    next.wait_for_log(" is ready");
    next
}

fn database(daemon: &Daemon) -> PathBuf {
    daemon.path("state").join("chatd.db")
}

pub fn irc(daemon: &Daemon, nick: &str) -> Client {
    registered(daemon.connect(), nick)
}

/// Registers a client that has just connected. It is in the room then.
pub fn registered(mut client: Client, nick: &str) -> Client {
    client.send(&format!("CAP REQ :{CAPABILITIES}\r\nNICK {nick}\r\nUSER {nick} 0 * :Real {nick}\r\nCAP END\r\n"));
    client.expect_start(&format!(":chatd.internal 366 {nick} #lobby "));
    client
}

/// The message identifier of the next line with this text.
pub fn msgid(client: &mut Client, text: &str) -> String {
    loop {
        let line = client.line();
        if line.trim_end().ends_with(text) {
            let tags = line.split(' ').next().unwrap().trim_start_matches('@').to_owned();
            return tags.split(';').find_map(|tag| tag.strip_prefix("msgid=")).unwrap().to_owned();
        }
    }
}

#[test]
fn newcomers_see_what_was_said_before_the_restart() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    ana.say("before the restart");
    ana.expect_next("ana: before the restart");
    ana.say("/topic tea at five");
    ana.expect_next("*** ana has changed the topic: tea at five");
    let daemon = restart_with(daemon, "");
    let mut bo = daemon.connect();
    bo.say("bo");
    bo.expect("*** Topic: tea at five");
    bo.expect_next("*** What was said before you came:");
    assert!(bo.line().ends_with("] ana: before the restart"));
    // A topic that the administrator changes meanwhile replaces it.
    let daemon = restart_with(daemon, "[room]\ntopic = \"coffee\"\n");
    let mut cy = daemon.connect();
    cy.say("cy");
    cy.expect("*** Topic: coffee");
}

#[test]
fn message_identifiers_stay_valid_and_are_never_used_again() {
    let daemon = Daemon::start("");
    let mut ana = irc(&daemon, "ana");
    ana.send("PRIVMSG #lobby :one\r\nPRIVMSG #lobby :two\r\nPRIVMSG ana :for me alone\r\n");
    let (one, two) = (msgid(&mut ana, ":one"), msgid(&mut ana, ":two"));
    let alone = msgid(&mut ana, ":for me alone");
    drop(ana);
    let daemon = restart_with(daemon, "");
    let mut ana = irc(&daemon, "ana");
    ana.send("PRIVMSG #lobby :three\r\n");
    let three = msgid(&mut ana, ":three");
    let number = |id: &str| u64::from_str_radix(id, 16).unwrap();
    assert!(number(&three) > number(&alone) && number(&alone) > number(&two), "{one} {two} {alone} {three}");
    ana.send(&format!("CHATHISTORY AFTER #lobby msgid={one} 10\r\n"));
    ana.expect_start(":chatd.internal BATCH +");
    assert_eq!([msgid(&mut ana, ":two"), msgid(&mut ana, ":three")], [two, three]);
}

#[test]
fn sigkill_loses_nothing_that_was_written() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    ana.say("kept");
    ana.expect_next("ana: kept");
    // Once it can be looked up, it is in the file.
    ana.say("/search kept");
    ana.expect("*** Found, times in UTC:");
    assert!(ana.line().ends_with("] ana: kept"));
    daemon.signal("KILL");
    let mut daemon = daemon;
    daemon.wait();
    let daemon = Daemon::launch_in(daemon.directory.clone(), LISTENERS, |_| {});
    daemon.wait_for_log(" is ready");
    let mut bo = daemon.join("bo");
    bo.say("/search kept");
    bo.expect("*** Found, times in UTC:");
    assert!(bo.line().ends_with("] ana: kept"));
}

#[test]
fn nothing_is_on_disk_if_nothing_is_to_be_kept() {
    let daemon = Daemon::start("[history]\nkeep = \"0s\"\n");
    let mut ana = daemon.join("ana");
    ana.say("a secret");
    ana.expect_next("ana: a secret");
    ana.say("/history");
    ana.expect("*** What was said:");
    assert!(ana.line().ends_with("] ana: a secret"));
    ana.expect_start("*** You are up to date");
    ana.say("/search secret");
    ana.expect_next("*** Not found: there is nothing to search: this server keeps no history on disk.");
    assert!(!database(&daemon).exists());
    let mut daemon = daemon;
    daemon.signal("TERM");
    daemon.wait();
    assert!(!database(&daemon).exists());
}

#[test]
fn what_was_kept_goes_at_a_reload_that_says_so() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    for text in ["xyzzyplugh", "/topic xyzzyplugh"] {
        ana.say(text);
    }
    ana.expect("*** ana has changed the topic: xyzzyplugh");
    // Once it can be looked up, it is in the file.
    ana.say("/search xyzzyplugh");
    ana.expect("*** Found, times in UTC:");
    let is_there = || {
        let files = fs::read_dir(daemon.path("state")).unwrap().map(|file| file.unwrap().path());
        let mut databases = files.filter(|path| path.to_str().unwrap().contains("chatd.db"));
        databases.any(|path| memchr::memmem::find(&fs::read(path).unwrap(), b"xyzzyplugh").is_some())
    };
    assert!(is_there());
    daemon.write_config(&format!("{LISTENERS}[history]\nkeep = \"0s\"\n"));
    assert!(daemon.chatctl(&["reload"]).status.success());
    let deadline = Instant::now() + PATIENCE;
    while is_there() {
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn what_was_kept_goes_when_nothing_is_to_be_kept_any_more() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    ana.say("xyzzyplugh");
    ana.expect_next("ana: xyzzyplugh");
    let daemon = restart_with(daemon, "");
    let bytes = fs::read(database(&daemon)).unwrap();
    assert!(memchr::memmem::find(&bytes, b"xyzzyplugh").is_some());
    let daemon = restart_with(daemon, "[history]\nkeep = \"0s\"\n");
    let mut bo = daemon.join("bo");
    bo.say("/history");
    bo.expect_next("*** Nothing that was said is kept.");
    let mut daemon = daemon;
    daemon.signal("TERM");
    daemon.wait();
    let bytes = fs::read(database(&daemon)).unwrap();
    assert!(memchr::memmem::find(&bytes, b"xyzzyplugh").is_none());
}
