//! Replies formatted for people.

use std::path::Path;
use std::time::{Duration, SystemTime};

use chatd::admin::types::{
    BackupPiece, Certificate, HistoryEntry, HistoryStatus, LimitsReached, Listener, Noticed, Status, User, WatchEvent,
};
use chatd::ctl::terminal::{printable, printable_json};
use chatd::ctl::{show, table};
use chatd::harmless::is_harmful;
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

/// 2026-11-08T10:09:05Z
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_794_132_545)
}

fn ago(seconds: u64) -> SystemTime {
    now() - Duration::from_secs(seconds)
}

fn user(name: &str) -> User {
    User {
        name: name.to_owned(),
        address: "192.0.2.7:40312".to_owned(),
        transport: "tls".to_owned(),
        protocol: "text".to_owned(),
        connected_at: ago(7500),
        idle_seconds: 59,
        lag_bytes: 0,
    }
}

fn status() -> Status {
    Status {
        version: "0.1.0".to_owned(),
        started_at: ago(260_000),
        uptime_seconds: 260_000,
        users: 12,
        connections: 14,
        refused: 3,
        bans: 0,
        messages: 1520,
        messages_per_second: 0.44,
        listeners: Vec::new(),
        certificate: None,
        limits_reached: LimitsReached::default(),
        log_lost: 0,
        history: HistoryStatus::default(),
    }
}

fn entry(kind: &str, name: Option<&str>, text: Option<&str>) -> HistoryEntry {
    HistoryEntry {
        time: now(),
        kind: kind.to_owned(),
        msgid: "19c".to_owned(),
        name: name.map(str::to_owned),
        text: text.map(str::to_owned),
        deleted: None,
        count: None,
        until: None,
    }
}

#[test]
fn a_list_is_aligned_by_width_on_the_terminal() {
    let users = [
        user("ana"),
        User { lag_bytes: 12_288, idle_seconds: 200, ..user("日本語") },
        User { lag_bytes: 1_600_000, connected_at: ago(200_000), address: "unix".to_owned(), ..user("e\u{301}va") },
    ];
    let expected = "\
NAME    ADDRESS          TRANSPORT  PROTOCOL  CONNECTED  IDLE  LAG
ana     192.0.2.7:40312  tls        text      2h         59s   0
日本語  192.0.2.7:40312  tls        text      2h         3m    12 KiB
e\u{301}va     unix             tls        text      2d         59s   1.5 MiB
";
    assert_eq!(show::users(&users, now()), expected);
}

#[test]
fn an_empty_list_still_has_its_header() {
    assert_eq!(show::users(&[], now()), "NAME  ADDRESS  TRANSPORT  PROTOCOL  CONNECTED  IDLE  LAG\n");
}

#[test]
fn a_clock_behind_the_daemons_shows_no_negative_times() {
    let user = User { connected_at: now() + Duration::from_secs(5), ..user("ana") };
    assert!(show::users(&[user], now()).contains("  0s  "));
}

#[test]
fn a_name_is_printed_without_control_characters() {
    let shown = show::users(&[user("a\u{1b}[31m\n\u{202e}\u{9b}b")], now());
    assert!(shown.contains(r"a\u{1b}[31m\u{a}\u{202e}\u{9b}b  "), "{shown}");
    assert_eq!(shown.lines().count(), 2);
}

#[test]
fn a_status_without_tls() {
    let expected = "\
version           0.1.0
started           2026-11-05T09:55:45Z, 3d ago
users             12
bans              0
connections       14 (3 refused since the start)
messages          1520 (0.4 per second over the last minute)
certificate       none
limits reached    none
log entries lost  0
history           nothing is kept on disk
";
    assert_eq!(show::status(&status(), now()), expected);
}

#[test]
fn a_status_with_everything() {
    let listener = |address: &str, tls| Listener { address: address.to_owned(), protocol: "auto".to_owned(), tls };
    let status = Status {
        listeners: vec![listener("127.0.0.1:6667", false), listener("[::]:6697", true)],
        certificate: Some(Certificate {
            subject: "CN=chat.example.org".to_owned(),
            names: vec!["chat.example.org".to_owned(), "192.0.2.1".to_owned()],
            not_after: now() + Duration::from_secs(71 * 86_400 + 5),
            fingerprint: "AB:CD".to_owned(),
            self_signed: true,
        }),
        limits_reached: LimitsReached { max_lag: 2, connections_per_address: 1, ..LimitsReached::default() },
        ..status()
    };
    let expected = "\
listening on      127.0.0.1:6667 (plain, auto)
                  [::]:6697 (tls, auto)
certificate       CN=chat.example.org (self-signed)
  valid for       chat.example.org, 192.0.2.1
  expires         2027-01-18T10:09:10Z, in 71 days
  SHA-256         AB:CD
limits reached    connections-per-address 1, max-lag 2
";
    let shown = show::status(&status, now());
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn a_status_with_a_history() {
    let history = HistoryStatus { keep_seconds: 2_592_000, ..HistoryStatus::default() };
    let shown = |history| show::status(&Status { history, ..status() }, now());
    assert!(shown(history.clone()).ends_with("\nhistory           0 lines, 0 (kept for 30d)\n"));
    let history = HistoryStatus {
        lines: 1234,
        bytes: 98_304,
        oldest_at: Some(ago(86_400)),
        lost: 1,
        trouble: Some("nothing is kept in chatd.db: the disk is full".to_owned()),
        ..history
    };
    let expected = "
history           1234 lines, 96 KiB, since 2026-11-07T10:09:05Z (kept for 30d)
  lost            1 event
  trouble         nothing is kept in chatd.db: the disk is full
";
    assert!(shown(history.clone()).ends_with(expected), "{}", shown(history));
}

#[test]
fn history_entries_read_like_the_room() {
    let cases = [
        (entry("message", Some("ana"), Some("hello")), "ana: hello"),
        (entry("notice", Some("bot"), Some("hello")), "bot: hello"),
        (entry("action", Some("ana"), Some("waves")), "* ana waves"),
        (entry("notice", None, Some("tea")), "*** notice: tea"),
        (entry("topic", None, Some("tea")), "*** the topic is: tea"),
        (entry("topic", Some("ana"), Some("tea")), "*** ana has changed the topic: tea"),
        (entry("topic", Some("ana"), Some("")), "*** ana has cleared the topic"),
        (entry("join", Some("ana"), None), "*** ana has joined"),
        (entry("part", Some("ana"), None), "*** ana has left the room"),
        (entry("part", Some("ana"), Some("bye")), "*** ana has left the room (bye)"),
        (entry("leave", Some("ana"), Some("quit: bye")), "*** ana has left (quit: bye)"),
        (entry("rename", Some("ana"), Some("anna")), "*** ana is now known as anna"),
        (entry("redaction", Some("ana"), None), "*** ana has taken a line back"),
        (entry("redaction", Some("ana"), Some("typo")), "*** ana has taken a line back (typo)"),
        (entry("tags", Some("ana"), Some("+draft/react=☕")), "*** ana has sent +draft/react=☕"),
        (
            HistoryEntry { count: Some(12), until: Some(now()), ..entry("gap", None, None) },
            "*** 12 events until 2026-11-08T10:09:05Z could not be kept",
        ),
        (entry("of a newer chatd", Some("ana"), Some("x")), "*** of a newer chatd by ana: x"),
        (entry("message", Some("a\u{1b}"), Some("\u{9b}2J")), "a\\u{1b}: \\u{9b}2J"),
    ];
    for (entry, expected) in cases {
        assert_eq!(show::history_entry(&entry), format!("2026-11-08T10:09:05Z  {expected}\n"));
    }
    let shown = show::history_entry(&entry("message", Some("ana"), Some("one\ntwo")));
    assert_eq!(shown, "2026-11-08T10:09:05Z  ana: one\n2026-11-08T10:09:05Z  ana: two\n");
}

#[test]
fn a_backup_says_how_much_it_is() {
    let last = BackupPiece { data: String::new(), bytes: 49_152, lines: 1 };
    assert_eq!(show::backup(&last, Path::new("b.db")), "1 line of the history is in b.db, 49152 bytes\n");
    let last = BackupPiece { lines: 2, ..last };
    assert_eq!(show::backup(&last, Path::new("b.db")), "2 lines of the history are in b.db, 49152 bytes\n");
    assert_eq!(show::backup_json(&last), "{\"bytes\":49152,\"lines\":2}\n");
}

#[test]
fn an_expired_certificate_is_said_to_be() {
    let expires = |not_after| {
        let certificate = Certificate {
            subject: String::new(),
            names: Vec::new(),
            not_after,
            fingerprint: String::new(),
            self_signed: false,
        };
        show::status(&Status { certificate: Some(certificate), ..status() }, now())
    };
    assert!(expires(ago(86_401)).contains(", expired 1 day ago\n"));
    assert!(expires(ago(1)).contains(", expired less than a day ago\n"));
    assert!(expires(now() + Duration::from_secs(86_399)).contains(", in less than a day\n"));
}

#[test]
fn a_notice_says_how_many_it_reached() {
    assert_eq!(show::noticed(Noticed { reached: 0 }), "nobody is here to read it\n");
    assert_eq!(show::noticed(Noticed { reached: 1 }), "sent to 1 user\n");
    assert_eq!(show::noticed(Noticed { reached: 30 }), "sent to 30 users\n");
}

#[test]
fn an_event_is_one_line() {
    let mut event = WatchEvent::missed(now(), 3);
    assert_eq!(
        show::watch_event(&event),
        "2026-11-08T10:09:05Z  missed    3 events were missed, because they were read too slowly\n"
    );
    event.event = "kick".to_owned();
    event.message = "ana\nhas been kicked".to_owned();
    event.reason = Some("spam".to_owned());
    event.address = Some("192.0.2.7:40312".to_owned());
    event.transport = Some("tls".to_owned());
    event.uid = Some(1000);
    assert_eq!(
        show::watch_event(&event),
        "2026-11-08T10:09:05Z  kick      ana\\u{a}has been kicked: spam (192.0.2.7:40312, tls, by uid 1000)\n"
    );
    event.message = "ana has left (spam)".to_owned();
    assert!(!show::watch_event(&event).contains(": spam"), "the reason is said once");
}

#[test]
fn json_stays_the_same_and_on_one_line() {
    let json = "{\n\t\"name\": \"a\u{7f}\u{9b}\u{202e}\u{e0067}\u{e9}\"}";
    let shown = printable_json(json);
    assert_eq!(shown, r#"{  "name": "a\u007f\u009b\u202e\udb40\udc67"#.to_owned() + "\u{e9}\"}");
    let value = |json| serde_json::from_str::<serde_json::Value>(json).unwrap();
    assert_eq!(value(&shown), value(json));
}

proptest! {
    #[test]
    fn output_has_no_harmful_characters(text in "(.|[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}])*") {
        prop_assert!(!printable(&text).contains(is_harmful));
        let shown = table::table(["A"], &[[text]]);
        prop_assert!(!shown.replacen('\n', "", 2).contains(is_harmful));
    }

    #[test]
    fn json_means_the_same(text in "(.|[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}])*") {
        let json = serde_json::to_string_pretty(&[&text]).unwrap();
        let shown = printable_json(&json);
        prop_assert!(!shown.contains(is_harmful));
        prop_assert_eq!(serde_json::from_str::<[String; 1]>(&shown).unwrap(), [text]);
    }

    #[test]
    fn columns_begin_at_one_place(cells in proptest::collection::vec(any::<[String; 2]>(), 0..8)) {
        // A bar marks the column boundary, except where a cell contains one.
        let cells: Vec<_> = cells.into_iter().map(|[left, right]| [left, format!("|{right}")]).collect();
        let shown = table::table(["A", "|B"], &cells);
        prop_assert_eq!(shown.lines().count(), cells.len() + 1);
        let places: Vec<_> = shown
            .lines()
            .zip(std::iter::once("A").chain(cells.iter().map(|row| row[0].as_str())))
            .map(|(line, first)| (line, printable(first).into_owned()))
            .map(|(line, first)| {
                let after = line.strip_prefix(&first).unwrap();
                first.width() + after.find('|').unwrap()
            })
            .collect();
        prop_assert!(places.windows(2).all(|pair| pair[0] == pair[1]), "{shown}");
    }
}
