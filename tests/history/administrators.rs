//! `chatctl history`, `chatctl backup`, and what `chatctl status` says of the history.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::client::Client;
use crate::support::daemon::{Daemon, FAST, LISTENERS};
use crate::support::program::Program;

/// More than two pages.
const LINES: usize = 1100;

/// A daemon in whose room much was said.
fn talkative() -> (Daemon, Client) {
    let daemon = Daemon::start(FAST);
    let mut ana = daemon.join("ana");
    for number in 1..=LINES {
        ana.say(&format!("line {number} about {}", if number % 100 == 0 { "Café" } else { "tea" }));
    }
    ana.expect(&format!("ana: line {LINES} about Café"));
    (daemon, ana)
}

/// Runs chatctl successfully and returns its output.
fn good(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = daemon.chatctl(arguments);
    assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs chatctl, which must fail, and returns its exit status and complaint.
fn bad(daemon: &Daemon, arguments: &[&str]) -> (i32, String) {
    let output = daemon.chatctl(arguments);
    assert_eq!(output.stdout, b"", "{arguments:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// The entries that `chatctl history --json` shows.
fn entries(daemon: &Daemon, arguments: &[&str]) -> Vec<Value> {
    let shown = good(daemon, &[&["history", "--json"], arguments].concat());
    shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The numbers of the lines that `chatctl history` shows.
fn numbers(daemon: &Daemon, arguments: &[&str]) -> Vec<usize> {
    let entries = entries(daemon, arguments);
    let texts = entries.iter().filter(|entry| entry["kind"] == "message").map(|entry| entry["text"].as_str().unwrap());
    texts.map(|text| text.split(' ').nth(1).unwrap().parse().unwrap()).collect()
}

#[test]
fn history_shows_what_is_asked_for() {
    let (daemon, _ana) = talkative();
    let range = |from: usize| (from..=LINES).collect::<Vec<_>>();
    assert_eq!(numbers(&daemon, &[]), range(LINES - 49));
    assert_eq!(numbers(&daemon, &["-n", "3"]), range(LINES - 2));
    assert_eq!(numbers(&daemon, &["-n", "700"]), range(LINES - 699));
    assert_eq!(numbers(&daemon, &["--lines", "4000000000"]), range(1));
    assert!(numbers(&daemon, &["-n0"]).is_empty());
    assert_eq!(numbers(&daemon, &["--since", "1h"]), range(1));
    assert_eq!(numbers(&daemon, &["--since", "1h", "-n", "600"]), range(LINES - 599));
    assert_eq!(numbers(&daemon, &["--since", "2020-01-01", "--from", "ANA", "-n2"]), range(LINES - 1));
    assert_eq!(numbers(&daemon, &["--search", "cafe", "-n2"]), [LINES - 100, LINES]);
    assert_eq!(numbers(&daemon, &["--search", "cafe", "--since", "2020-01-01T00:00:00Z"]).len(), LINES / 100);

    // Times as they are shown are understood, and divide the history.
    let all = entries(&daemon, &["--since", "1h"]);
    let time = all[all.len() / 2]["time"].as_str().unwrap();
    let (before, since) = (entries(&daemon, &["--until", time]), entries(&daemon, &["--since", time]));
    assert_eq!([before.clone(), since].concat(), all);
    let first = all[0]["time"].as_str().unwrap();
    if first != time {
        assert_eq!(entries(&daemon, &["--since", first, "--until", time, "-n1"]), [before[before.len() - 1].clone()]);
    }

    let output = daemon.chatctl(&["history", "--from", "nobody-like-this"]);
    assert_eq!((output.status.code(), output.stdout), (Some(0), Vec::new()));
    assert_eq!(output.stderr, b"chatctl: nothing was found\n");
}

#[test]
fn no_reply_has_more_than_a_page() {
    let (daemon, _ana) = talkative();
    let mut socket = UnixStream::connect(daemon.path("run/admin.sock")).unwrap();
    let call = json!({"method": "org.chatd.Admin.History", "parameters": {"since": "1h"}, "more": true});
    socket.write_all(format!("{call}\0").as_bytes()).unwrap();
    // Who does not read keeps nobody waiting.
    assert_eq!(numbers(&daemon, &["-n1"]), [LINES]);
    let mut counts = Vec::new();
    for frame in BufReader::new(socket).split(0) {
        let reply: Value = serde_json::from_slice(&frame.unwrap()).unwrap();
        counts.push(reply["parameters"]["entries"].as_array().unwrap().len());
        if reply["continues"] != true {
            break;
        }
    }
    // The configured topic and ana's join are the first two.
    assert_eq!(counts, [500, 500, LINES + 2 - 1000, 0]);
}

#[test]
fn every_kind_of_entry() {
    let daemon = Daemon::start("");
    let mut bo = daemon.connect();
    bo.send("CAP REQ :batch draft/multiline message-tags echo-message draft/message-redaction\r\n");
    bo.send("NICK bo\r\nUSER bo 0 * :Bo\r\nCAP END\r\n");
    bo.expect_start(":chatd.internal 366 ");
    bo.send("BATCH +1 draft/multiline #lobby\r\n@batch=1 PRIVMSG #lobby :one\r\n");
    bo.send("@batch=1 PRIVMSG #lobby :two\r\nBATCH -1\r\nPRIVMSG #lobby :a slip\r\n");
    let slip = loop {
        let line = bo.line();
        if line.contains(":a slip") {
            break line.split("msgid=").nth(1).unwrap().split([';', ' ']).next().unwrap().to_owned();
        }
    };
    bo.send(&format!("REDACT #lobby {slip} :oops\r\nTOPIC #lobby :tea\r\nNICK bob\r\n"));
    bo.send("PRIVMSG #lobby :\u{1}ACTION waves\u{1}\r\nNOTICE #lobby :beep\r\n@+draft/react=x TAGMSG #lobby\r\n");
    bo.send("PART #lobby :bye\r\nQUIT :good night\r\n");
    bo.rest();
    good(&daemon, &["notice", "closing"]);

    let entries = entries(&daemon, &[]);
    let short = |entry: &Value| {
        let text = |key: &str| entry[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", text("kind"), text("name"), text("text"))
    };
    let expected = [
        "topic - Welcome to the lobby",
        "join bo -",
        "message bo one\ntwo",
        "redaction bo oops",
        "topic bo tea",
        "rename bo bob",
        "action bob waves",
        "notice bob beep",
        "tags bob +draft/react=x",
        "part bob bye",
        "notice - closing",
    ];
    let found: Vec<String> = entries.iter().map(short).collect();
    assert_eq!(found, expected);
    assert_eq!(entries.iter().find(|entry| entry["kind"] == "redaction").unwrap()["deleted"], slip.as_str());
    assert!(entries.iter().all(|entry| entry["msgid"].is_string() && entry["time"].is_string()));

    let shown = good(&daemon, &["history"]);
    assert!(!shown.contains("a slip"));
    let said: Vec<&str> = shown.lines().filter_map(|line| Some(line.split_once("Z  ")?.1)).collect();
    for line in ["bo: one", "bo: two", "*** bo has taken a line back (oops)", "* bob waves", "*** notice: closing"] {
        assert!(said.contains(&line), "{line:?} is not in {shown}");
    }
}

/// chatd(8) tells those who open a backup with sqlite3 what they see.
#[test]
fn a_backup_is_as_the_manual_describes_it() {
    let manual = include_str!("../../man/chatd.8");
    let daemon = Daemon::start("");
    let mut bo = daemon.connect();
    bo.send("CAP REQ :message-tags echo-message draft/message-redaction\r\n");
    bo.send("NICK bo\r\nUSER bo 0 * :Bo\r\nCAP END\r\n");
    bo.send("PRIVMSG #lobby :hello\r\nPRIVMSG #lobby :\u{1}ACTION waves\u{1}\r\nNOTICE #lobby :beep\r\n");
    bo.send("@+draft/react=x TAGMSG #lobby\r\nTOPIC #lobby :tea\r\nPRIVMSG #lobby :a slip\r\n");
    let slip = loop {
        let line = bo.line();
        if line.contains(":a slip") {
            break line.split("msgid=").nth(1).unwrap().split([';', ' ']).next().unwrap().to_owned();
        }
    };
    bo.send(&format!("REDACT #lobby {slip}\r\nNICK bob\r\nPART #lobby\r\nJOIN #lobby\r\nQUIT\r\n"));
    bo.rest();
    good(&daemon, &["notice", "closing"]);
    let shown = entries(&daemon, &[]);
    let backup = daemon.path("backup.db");
    good(&daemon, &["backup", backup.to_str().unwrap()]);

    let copy = Connection::open(backup).unwrap();
    let mut lines = copy.prepare("SELECT seq, kind FROM line ORDER BY seq").unwrap();
    let lines = lines.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let kinds: Vec<(i64, i64)> = lines.collect::<Result<_, _>>().unwrap();
    assert_eq!(kinds.len(), shown.len());
    for ((seq, kind), entry) in kinds.into_iter().zip(&shown) {
        assert_eq!(entry["msgid"], format!("{seq:x}"));
        let described = match (entry["kind"].as_str().unwrap(), &entry["name"]) {
            ("message", _) => "is 1 for a message".to_owned(),
            ("action", _) => "2 for\n.Li /me ,".to_owned(),
            ("notice", Value::Null) => "4 for one of the administrator".to_owned(),
            ("notice", _) => "3 for a notice".to_owned(),
            ("tags", _) => "10 for IRC tags".to_owned(),
            (other, _) => format!("{kind} {other}"),
        };
        assert!(described.contains(&kind.to_string()) && manual.contains(&described), "{entry} is {kind}");
    }
    let (_, query) = manual.split_once("sqlite3 FILE \"").unwrap();
    let query = query.split_once('"').unwrap().0.replace("\\(aq", "'");
    let mut rows = copy.prepare(&query).unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(1)?, row.get(2)?))).unwrap();
    let rows: Vec<(Option<String>, String)> = rows.collect::<Result<_, _>>().unwrap();
    let by = |name: &str, text: &str| (Some(name.to_owned()), text.to_owned());
    let expected = [by("bo", "hello"), by("bo", "waves"), by("bo", "beep"), (None, "closing".to_owned())];
    assert_eq!(rows, expected);
    let version: i64 = copy.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert!(manual.contains(&format!("which this page describes for version {version}.")));
}

#[test]
fn what_cannot_be_answered_is_said_in_one_sentence() {
    let daemon = Daemon::start("");
    for (arguments, status, complaint) in [
        (&["--since", "yesterday"][..], 64, "the time \"yesterday\" cannot be used: say 14:30, "),
        (&["--since", "1h", "--until", "2h"], 64, "the time \"2h\" cannot be used: it is not later than \"1h\"\n"),
        (&["--from", "a b"], 1, "nobody can be called \"a b\": a name has no spaces\n"),
        (&["--search", "?!"], 1, "there is no word to search for\n"),
    ] {
        let (found, complained) = bad(&daemon, &[&["history"], arguments].concat());
        assert_eq!(found, status, "{complained}");
        assert!(complained.starts_with(&format!("chatctl: {complaint}")), "{complained}");
        assert_eq!(complained.lines().count(), 1);
    }
    for arguments in [&["--sinse", "1h"][..], &["-n", "many"], &["--follow", "--until", "1h"], &["-n", "-1"]] {
        assert_eq!(bad(&daemon, &[&["history"], arguments].concat()).0, 64, "{arguments:?}");
    }
}

/// Follows while something is said.
fn follows(daemon: &Daemon, arguments: &[&str]) -> Vec<String> {
    let mut ana = daemon.join("ana");
    ana.say("tea before");
    ana.expect("ana: tea before");
    let mut follow = Program::start(&mut daemon.chatctl_command(&[&["history", "--follow"], arguments].concat()));
    daemon.wait_for_log("an administrator reads the history");
    let mut shown = Vec::new();
    if !arguments.contains(&"-n0") {
        shown.push(follow.expect("tea before"));
    }
    // What is said until it follows may be shown or not.
    let mut number = 0;
    let mut next = || {
        number += 1;
        ana.say(&format!("tea {number}"));
        ana.expect(&format!("ana: tea {number}"));
    };
    for _ in 0..3 {
        next();
    }
    shown.push(follow.expect("ana: tea 3"));
    next();
    shown.push(follow.next_line().unwrap());
    follow.signal("INT");
    assert_eq!(follow.wait().code(), Some(0));
    shown
}

#[test]
fn following_goes_on_with_what_is_said() {
    let daemon = Daemon::start("");
    let shown = follows(&daemon, &[]);
    assert!(shown[2].ends_with("  ana: tea 4"), "{shown:?}");
}

#[test]
fn following_a_search() {
    let daemon = Daemon::start("");
    let shown = follows(&daemon, &["--search", "tea", "--from", "ana", "--since", "1h"]);
    assert!(shown[2].ends_with("  ana: tea 4"), "{shown:?}");
}

#[test]
fn without_a_history_on_disk_there_is_the_one_in_memory() {
    let daemon = Daemon::start("[history]\nkeep = \"0s\"\n");
    let shown = follows(&daemon, &[]);
    assert!(shown[2].ends_with("  ana: tea 4"), "{shown:?}");
    assert!(good(&daemon, &["history", "-n1"]).ends_with("  ana: tea 4\n"));
    let reason = "there is nothing to search: this server keeps no history on disk";
    assert_eq!(bad(&daemon, &["history", "--search", "tea"]), (1, format!("chatctl: {reason}\n")));
    let (status, complaint) = bad(&daemon, &["backup", daemon.path("backup").to_str().unwrap()]);
    assert_eq!(status, 1);
    assert!(complaint.starts_with("chatctl: there is nothing to back up: this server keeps no history on disk"));
    assert!(!daemon.path("backup").exists() && !daemon.path("backup.partial").exists());
    assert!(good(&daemon, &["status"]).ends_with("history           nothing is kept on disk\n"));
    assert_eq!(daemon.status().history.keep_seconds, 0);
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_backup_taken_while_people_talk_is_consistent() {
    let (daemon, mut ana) = talkative();
    // What can be looked up is written.
    assert_eq!(numbers(&daemon, &["-n1"]), [LINES]);
    let before = names(&daemon.path("state"));
    let backup = daemon.path("backup.db");
    let backup = backup.to_str().unwrap();
    let said = std::thread::scope(|scope| {
        let chatctl = scope.spawn(|| good(&daemon, &["backup", backup]));
        for number in 0.. {
            ana.say(&format!("line {number} about cake"));
            ana.expect(&format!("ana: line {number} about cake"));
            if chatctl.is_finished() {
                break;
            }
        }
        chatctl.join().unwrap()
    });
    let copy = Connection::open(backup).unwrap();
    let check: String = copy.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let lines: u32 = copy.query_row("SELECT count(*) FROM line", [], |row| row.get(0)).unwrap();
    assert!(lines as usize >= LINES + 2, "{lines}");
    let bytes = fs::metadata(backup).unwrap().len();
    assert_eq!(said, format!("{lines} lines of the history are in {backup}, {bytes} bytes\n"));
    let tea: u32 = copy.query_row("SELECT count(*) FROM line WHERE text LIKE '%tea'", [], |row| row.get(0)).unwrap();
    assert_eq!(tea as usize, LINES - LINES / 100);
    drop(copy);
    assert_eq!(fs::metadata(backup).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(&daemon.path("state")), before);
    daemon.wait_for_log("an administrator is given a backup of the history with ");

    let (status, complaint) = bad(&daemon, &["backup", backup]);
    assert_eq!(status, 74);
    assert!(complaint.contains("backup.db is there already, and nothing is overwritten"), "{complaint}");
    assert_eq!(fs::metadata(backup).unwrap().len(), bytes);

    // It is what the manual says: put in its place, it is the history.
    let mut daemon = daemon;
    daemon.signal("TERM");
    daemon.wait();
    let file = daemon.path("state/chatd.db");
    fs::rename(backup, &file).unwrap();
    let daemon = Daemon::launch_in(daemon.directory.clone(), LISTENERS, |_| {});
    daemon.wait_for_log(" is ready");
    assert_eq!(numbers(&daemon, &["--search", "cafe"]).len(), LINES / 100);
    assert_eq!(daemon.status().history.trouble, None);
}

/// Begins a backup and reads its first piece.
fn begin_backup(daemon: &Daemon) -> BufReader<UnixStream> {
    let mut socket = UnixStream::connect(daemon.path("run/admin.sock")).unwrap();
    let call = json!({"method": "org.chatd.Admin.Backup", "more": true});
    socket.write_all(format!("{call}\0").as_bytes()).unwrap();
    let mut replies = BufReader::new(socket);
    let mut frame = Vec::new();
    replies.read_until(0, &mut frame).unwrap();
    frame.pop();
    let reply: Value = serde_json::from_slice(&frame).unwrap();
    assert!(reply["parameters"]["bytes"].as_u64().unwrap() > 1 << 20, "more than the socket holds");
    replies
}

#[test]
fn a_backup_that_nobody_takes_gives_way_to_the_next() {
    let daemon = Daemon::start(FAST);
    let mut ana = daemon.join("ana");
    for number in 1..=LINES {
        ana.say(&format!("line {number} {}", "x".repeat(1500)));
    }
    ana.expect_start(&format!("ana: line {LINES} "));
    assert_eq!(numbers(&daemon, &["-n1"]), [LINES]);
    let before = names(&daemon.path("state"));
    let first = begin_backup(&daemon);
    assert_eq!(names(&daemon.path("state")), before, "nothing is left even if the daemon is killed now");
    let path = daemon.path("backup.db");
    let (status, complaint) = bad(&daemon, &["backup", path.to_str().unwrap()]);
    assert_eq!((status, &*complaint), (1, "chatctl: another backup is being made; try again when it is done\n"));
    drop(first);
    let deadline = Instant::now() + PATIENCE;
    while !daemon.chatctl(&["backup", path.to_str().unwrap()]).status.success() {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(names(&daemon.path("state")), before);
    assert_eq!(numbers(&daemon, &["--since", "1h"]).len(), LINES, "in several replies for each page");
}

#[test]
fn a_copy_that_was_left_is_removed() {
    let daemon = Daemon::start("");
    drop(daemon.join("ana"));
    let mut daemon = daemon;
    daemon.signal("KILL");
    daemon.wait();
    let left = daemon.path("state/chatd.db.backup");
    fs::write(&left, "half a copy").unwrap();
    let daemon = Daemon::launch_in(daemon.directory.clone(), LISTENERS, |_| {});
    daemon.wait_for_log(" is ready");
    assert!(!left.exists());
}

#[test]
fn the_status_has_the_figures_and_the_trouble() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    ana.say("hello");
    ana.expect("ana: hello");
    let kept = daemon.wait_for_status(|status| status.history.lines == 3).history;
    assert_eq!((kept.keep_seconds, kept.lost, kept.trouble), (30 * 86_400, 0, None));
    assert!(kept.bytes > 0 && kept.oldest_at.is_some());

    // Somebody else has locked the file.
    let other = Connection::open(daemon.path("state/chatd.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    ana.say("still here");
    let trouble = daemon.wait_for_status(|status| status.history.trouble.is_some()).history.trouble.unwrap();
    assert!(trouble.starts_with("nothing is kept in ") && trouble.contains("locked"), "{trouble}");
    assert!(good(&daemon, &["status"]).contains("\n  trouble         nothing is kept in "));
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    daemon.wait_for_status(|status| status.history.trouble.is_none() && status.history.lines == 4);
}
