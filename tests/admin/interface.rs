//! The interface description matches what the daemon reads and writes.

use std::collections::BTreeSet;
use std::time::SystemTime;

use chatd::admin::request::{ADMIN, Request, SERVICE};
use chatd::admin::types::{
    BackupPiece, BanEntry, Banned, Bans, Certificate, Error, History, HistoryEntry, HistoryStatus, InvalidText,
    LimitsReached, Listener, NoSuchUser, Noticed, Reloaded, Status, User, Users, WatchEvent,
};
use chatd::admin::varlink::Call;
use serde_json::{Value, json};

const ADMIN_DESCRIPTION: &str = include_str!("../../src/admin/org.chatd.Admin.varlink");
const SERVICE_DESCRIPTION: &str = include_str!("../../src/admin/org.varlink.service.varlink");

/// A declaration in the description: kind, name, and the field names in each pair of parentheses.
#[derive(Debug)]
struct Declaration {
    kind: String,
    name: String,
    fields: Vec<BTreeSet<String>>,
}

fn declarations(description: &str) -> Vec<Declaration> {
    let code: Vec<_> = description.lines().map(|line| line.split('#').next().unwrap()).collect();
    let mut found = Vec::new();
    let mut rest = code.join("\n");
    while let Some(start) = rest.find("type ").into_iter().chain(rest.find("method ")).chain(rest.find("error ")).min()
    {
        let (head, mut tail) = rest[start..].split_once('(').unwrap();
        let (kind, name) = head.trim().split_once(' ').unwrap();
        let mut fields = Vec::new();
        loop {
            let (inside, after) = tail.split_once(')').unwrap();
            let names =
                inside.split(',').filter_map(|field| field.split_once(':')).map(|(name, _)| name.trim().to_owned());
            fields.push(names.collect());
            let Some(reply) = after.trim_start().strip_prefix("->") else {
                tail = after;
                break;
            };
            tail = reply.trim_start().strip_prefix('(').unwrap();
        }
        found.push(Declaration { kind: kind.to_owned(), name: name.trim().to_owned(), fields });
        rest = tail.to_owned();
    }
    found
}

fn find<'a>(declarations: &'a [Declaration], kind: &str, name: &str) -> &'a Declaration {
    declarations
        .iter()
        .find(|found| found.kind == kind && found.name == name)
        .unwrap_or_else(|| panic!("{kind} {name}"))
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn user() -> User {
    User {
        name: text("ana"),
        address: text("192.0.2.1:4000"),
        transport: text("tls"),
        protocol: text("text"),
        connected_at: SystemTime::UNIX_EPOCH,
        idle_seconds: 1,
        lag_bytes: 2,
    }
}

fn status() -> Status {
    Status {
        version: text("1"),
        started_at: SystemTime::UNIX_EPOCH,
        uptime_seconds: 1,
        users: 2,
        connections: 3,
        refused: 4,
        bans: 1,
        messages: 5,
        messages_per_second: 0.5,
        listeners: vec![Listener { address: text("127.0.0.1:6667"), protocol: text("auto"), tls: false }],
        certificate: Some(Certificate {
            subject: text("CN=chat"),
            names: vec![text("chat")],
            not_after: SystemTime::UNIX_EPOCH,
            fingerprint: text("AB:CD"),
            self_signed: true,
        }),
        limits_reached: LimitsReached::default(),
        log_lost: 7,
        history: HistoryStatus { oldest_at: Some(SystemTime::UNIX_EPOCH), ..HistoryStatus::default() },
    }
}

fn history_entry() -> HistoryEntry {
    HistoryEntry {
        time: SystemTime::UNIX_EPOCH,
        kind: text("gap"),
        msgid: text("1"),
        name: Some(text("ana")),
        text: Some(text("hello")),
        deleted: Some(text("0")),
        count: Some(1),
        until: Some(SystemTime::UNIX_EPOCH),
    }
}

fn ban() -> BanEntry {
    BanEntry {
        kind: text("account"),
        subject: text("ana@example.org"),
        with: Some(text("ana")),
        since: SystemTime::UNIX_EPOCH,
        until: Some(SystemTime::UNIX_EPOCH),
        uid: 0,
        reason: Some(text("spam")),
    }
}

fn watch_event() -> WatchEvent {
    WatchEvent {
        user: Some(text("ana")),
        address: Some(text("unix")),
        transport: Some(text("plain")),
        protocol: Some(text("text")),
        reason: Some(text("spam")),
        uid: Some(0),
        ..WatchEvent::missed(SystemTime::UNIX_EPOCH, 1)
    }
}

#[test]
fn replies_have_the_fields_that_are_described() {
    let described = declarations(ADMIN_DESCRIPTION);
    let reply = |method: &str, value: Value| {
        assert_eq!(keys(&value), find(&described, "method", method).fields[1], "{method}");
    };
    reply("List", json!(Users { users: vec![user()] }));
    reply("Kick", json!({}));
    let bans = Bans { bans: vec![ban()] };
    reply("Ban", json!(Banned { bans: vec![], disconnected: 1, address: Some(text("192.0.2.1")), others: 1 }));
    reply("Unban", json!(bans));
    reply("ListBans", json!(bans));
    reply("Notice", json!(Noticed { reached: 1 }));
    reply("Status", json!(status()));
    reply("Watch", json!(watch_event()));
    reply("History", json!(History::default()));
    reply("Backup", json!(BackupPiece::default()));
    reply("Reload", json!(Reloaded { warnings: vec![] }));
    reply("Restart", json!({}));
    let part = |name: &str, value: Value| {
        assert_eq!(keys(&value), find(&described, "type", name).fields[0], "{name}");
    };
    let status = json!(status());
    part("User", json!(user()));
    part("Listener", status["listeners"][0].clone());
    part("Certificate", status["certificate"].clone());
    part("LimitsReached", status["limits_reached"].clone());
    part("HistoryStatus", status["history"].clone());
    part("HistoryEntry", json!(history_entry()));
    part("BanEntry", json!(ban()));
    assert_eq!(described.iter().filter(|one| one.kind == "method").count(), 12);
    assert_eq!(described.iter().filter(|one| one.kind == "type").count(), 7);
}

#[test]
fn errors_are_described() {
    let ours = declarations(ADMIN_DESCRIPTION);
    let standard = declarations(SERVICE_DESCRIPTION);
    let errors = [
        Error::from(NoSuchUser { name: text("ana") }),
        Error::from(InvalidText { reason: text("it is empty") }),
        Error::ReloadFailed { mistakes: vec![] },
        Error::RestartFailed { mistakes: vec![] },
        Error::CannotStart { mistakes: vec![] },
        Error::InvalidTarget { target: text("a b"), reason: text("why") },
        Error::TooManyBans { maximum: 7 },
        Error::NotBanned { target: text("ana"), by: Some(text("192.0.2.0/24")) },
        Error::InvalidTime { time: text("tea time"), reason: text("why") },
        Error::InvalidName { name: text("a b"), reason: text("why") },
        Error::HistoryUnavailable { reason: text("why") },
        Error::NothingKept {},
        Error::BackupInProgress {},
        Error::BackupFailed { reason: text("why") },
        Error::TooManyWatchers { maximum: 7 },
        Error::TooManyConnections { maximum: 7 },
        Error::WatchEnded {},
        Error::Restarting { after: Some(text("1f")) },
        Error::InterfaceNotFound { interface: text("a.b") },
        Error::MethodNotFound { method: text("a.b.C") },
        Error::MethodNotImplemented { method: text("a.b.C") },
        Error::InvalidParameter { parameter: text("d") },
        Error::PermissionDenied {},
        Error::ExpectedMore {},
    ];
    let count = |described: &[Declaration]| described.iter().filter(|one| one.kind == "error").count();
    assert_eq!(errors.len(), count(&ours) + count(&standard));
    for error in errors {
        let reply = json!(error);
        let (interface, name) = reply["error"].as_str().unwrap().rsplit_once('.').unwrap();
        let described = if interface == ADMIN { &ours } else { &standard };
        assert_eq!(keys(&reply["parameters"]), find(described, "error", name).fields[0], "{name}");
    }
}

/// A value of the type that the parameter with this name has.
fn value(parameter: &str) -> Value {
    match parameter {
        "limit" => json!(1),
        "follow" | "resume" | "account" | "address" => json!(true),
        _ => json!("text"),
    }
}

#[test]
fn every_method_takes_exactly_the_parameters_that_are_described() {
    for (interface, description) in [(ADMIN, ADMIN_DESCRIPTION), (SERVICE, SERVICE_DESCRIPTION)] {
        for method in declarations(description).iter().filter(|one| one.kind == "method") {
            let mut parameters: serde_json::Map<_, _> =
                method.fields[0].iter().map(|name| (name.clone(), value(name))).collect();
            let call = |parameters: &serde_json::Map<_, _>| -> Call {
                let method = format!("{interface}.{}", method.name);
                serde_json::from_value(json!({"method": method, "parameters": parameters})).unwrap()
            };
            let request = Request::from_call(call(&parameters)).unwrap();
            assert_eq!(json!(request)["parameters"], json!(parameters), "written as it is read");
            parameters.insert(text("surplus"), json!(1));
            let error = Request::from_call(call(&parameters)).unwrap_err();
            assert_eq!(error, Error::InvalidParameter { parameter: text("surplus") });
        }
    }
}

#[test]
fn times_are_rfc_3339_in_utc() {
    let second = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_794_132_545_678);
    assert_eq!(json!(User { connected_at: second, ..user() })["connected_at"], "2026-11-08T10:09:05Z");
    let event = WatchEvent { time: second, ..watch_event() };
    let written = json!(event);
    assert_eq!(written["time"], "2026-11-08T10:09:05.678Z");
    assert_eq!(serde_json::from_value::<WatchEvent>(written).unwrap(), event);
}

#[test]
fn a_history_entry_is_read_as_it_was_written() {
    let entry = history_entry();
    assert_eq!(json!(entry)["until"], "1970-01-01T00:00:00.000Z");
    assert_eq!(serde_json::from_value::<HistoryEntry>(json!(entry)).unwrap(), entry);
    let bare = HistoryEntry { name: None, text: None, deleted: None, count: None, until: None, ..entry };
    assert_eq!(keys(&json!(bare)), ["kind", "msgid", "time"].map(text).into());
    assert_eq!(serde_json::from_value::<HistoryEntry>(json!(bare)).unwrap(), bare);
}

#[test]
fn the_status_of_an_older_daemon_is_understood() {
    let mut older = json!(status());
    older.as_object_mut().unwrap().remove("history");
    assert_eq!(serde_json::from_value::<Status>(older).unwrap().history, HistoryStatus::default());
}

#[test]
fn parameters_of_the_wrong_type_are_refused() {
    for (parameter, wrong) in [("limit", json!(-1)), ("limit", json!("1")), ("follow", json!(1)), ("since", json!(1))] {
        let call = json!({"method": "org.chatd.Admin.History", "parameters": {parameter: wrong}});
        let error = Request::from_call(serde_json::from_value(call).unwrap()).unwrap_err();
        assert_eq!(error, Error::InvalidParameter { parameter: text(parameter) });
    }
}

#[test]
fn an_unset_clock_is_serialized() {
    let before = SystemTime::UNIX_EPOCH - std::time::Duration::from_secs(1);
    assert_eq!(json!(User { connected_at: before, ..user() })["connected_at"], "1970-01-01T00:00:00Z");
    let late = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 40);
    assert_eq!(json!(User { connected_at: late, ..user() })["connected_at"], "9999-12-31T23:59:59Z");
}

#[test]
fn unknown_fields_of_a_newer_daemon_are_ignored() {
    let mut newer = json!(user());
    newer["mood"] = json!("good");
    assert_eq!(serde_json::from_value::<User>(newer).unwrap(), user());
}
