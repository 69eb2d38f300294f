//! Formats the daemon's replies for people. The current time is an argument.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytesize::ByteSize;

use super::table::table;
use super::terminal::printable;
use crate::admin::types::{
    BackupPiece, Certificate, HistoryEntry, HistoryStatus, LimitsReached, Noticed, Status, User, WatchEvent, writable,
};

/// The users, one per line.
pub fn users(users: &[User], now: SystemTime) -> String {
    let rows: Vec<_> = users
        .iter()
        .map(|user| {
            [
                user.name.clone(),
                user.address.clone(),
                user.transport.clone(),
                user.protocol.clone(),
                duration(now.duration_since(user.connected_at).unwrap_or_default().as_secs()),
                duration(user.idle_seconds),
                size(user.lag_bytes),
            ]
        })
        .collect();
    table(["NAME", "ADDRESS", "TRANSPORT", "PROTOCOL", "CONNECTED", "IDLE", "LAG"], &rows)
}

/// How many users received a notice.
pub fn noticed(noticed: Noticed) -> String {
    match noticed.reached {
        0 => "nobody is here to read it\n".to_owned(),
        1 => "sent to 1 user\n".to_owned(),
        reached => format!("sent to {reached} users\n"),
    }
}

/// The status after a restart.
pub fn restarted(status: &Status) -> String {
    match status.users {
        0 => "chatd has restarted; nobody is connected\n".to_owned(),
        1 => "chatd has restarted; 1 user is still connected\n".to_owned(),
        users => format!("chatd has restarted; {users} users are still connected\n"),
    }
}

/// The status, one value per line with its name.
pub fn status(status: &Status, now: SystemTime) -> String {
    let mut lines = vec![
        ("version", status.version.clone()),
        ("started", format!("{}, {} ago", time(status.started_at), duration(status.uptime_seconds))),
        ("users", status.users.to_string()),
        ("bans", status.bans.to_string()),
        ("connections", format!("{} ({} refused since the start)", status.connections, status.refused)),
        (
            "messages",
            format!("{} ({:.1} per second over the last minute)", status.messages, status.messages_per_second),
        ),
    ];
    for (index, listener) in status.listeners.iter().enumerate() {
        let transport = if listener.tls { "tls" } else { "plain" };
        let name = if index == 0 { "listening on" } else { "" };
        lines.push((name, format!("{} ({transport}, {})", listener.address, listener.protocol)));
    }
    match &status.certificate {
        None => lines.push(("certificate", "none".to_owned())),
        Some(certificate) => {
            let by = if certificate.self_signed { " (self-signed)" } else { "" };
            lines.push(("certificate", format!("{}{by}", certificate.subject)));
            lines.push(("  valid for", certificate.names.join(", ")));
            lines.push(("  expires", expiry(certificate, now)));
            lines.push(("  SHA-256", certificate.fingerprint.clone()));
        }
    }
    lines.push(("limits reached", limits(&status.limits_reached)));
    lines.push(("log entries lost", status.log_lost.to_string()));
    lines.extend(history(&status.history));
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    lines.iter().map(|(name, value)| format!("{name:width$}  {}\n", printable(value))).collect()
}

/// The state of the history on disk.
fn history(history: &HistoryStatus) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if history.keep_seconds == 0 {
        lines.push(("history", "nothing is kept on disk".to_owned()));
    } else {
        let count = counted(history.lines, "line");
        let since = history.oldest_at.map(|oldest| format!(", since {}", time(oldest))).unwrap_or_default();
        let keep = duration(history.keep_seconds);
        lines.push(("history", format!("{count}, {}{since} (kept for {keep})", size(history.bytes))));
    }
    if history.lost > 0 {
        lines.push(("  lost", counted(history.lost, "event")));
    }
    lines.extend(history.trouble.clone().map(|trouble| ("  trouble", trouble)));
    lines
}

/// An entry of the history, mostly on one line.
pub fn history_entry(entry: &HistoryEntry) -> String {
    let HistoryEntry { kind, name, text, count, until, .. } = entry;
    let who = name.as_deref().unwrap_or("the administrator");
    let with =
        |before: &str, after: &str| text.as_ref().map(|text| format!("{before}{text}{after}")).unwrap_or_default();
    let said = match (kind.as_str(), name) {
        ("message" | "notice", Some(name)) => (format!("{name}: "), with("", "")),
        ("action", Some(name)) => (format!("* {name} "), with("", "")),
        (kind, _) => (
            "*** ".to_owned(),
            match kind {
                "notice" => with("notice: ", ""),
                "topic" if text.as_deref() == Some("") => format!("{who} has cleared the topic"),
                "topic" if name.is_none() => with("the topic is: ", ""),
                "topic" => format!("{who} has changed the topic: {}", with("", "")),
                "join" => format!("{who} has joined"),
                "part" => format!("{who} has left the room{}", with(" (", ")")),
                "leave" => format!("{who} has left{}", with(" (", ")")),
                "rename" => format!("{who} is now known as {}", with("", "")),
                "redaction" => format!("{who} has taken a line back{}", with(" (", ")")),
                "tags" => format!("{who} has sent {}", with("", "")),
                "gap" => {
                    let until = until.map(|until| format!(" until {}", time(until))).unwrap_or_default();
                    format!("{}{until} could not be kept", counted(count.unwrap_or_default(), "event"))
                }
                other => format!("{other} by {who}{}", with(": ", "")),
            },
        ),
    };
    let (prefix, text) = said;
    let mut shown = String::new();
    for line in text.split('\n') {
        // Writing to a String cannot fail.
        let _ = writeln!(shown, "{}  {}{}", time(entry.time), printable(&prefix), printable(line));
    }
    shown
}

/// What was written as a backup.
pub fn backup(last: &BackupPiece, file: &Path) -> String {
    let file = file.to_string_lossy();
    let (lines, bytes) = (counted(last.lines, "line"), counted(last.bytes, "byte"));
    let verb = if last.lines == 1 { "is" } else { "are" };
    format!("{lines} of the history {verb} in {}, {bytes}\n", printable(&file))
}

/// The same as JSON.
pub fn backup_json(last: &BackupPiece) -> String {
    format!("{{\"bytes\":{},\"lines\":{}}}\n", last.bytes, last.lines)
}

/// `1 line`, `2 lines`.
pub fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// One event on one line.
pub fn watch_event(event: &WatchEvent) -> String {
    let by = event.uid.map(|uid| format!("by uid {uid}"));
    let details = [&event.address, &event.transport, &event.protocol, &by];
    let details: Vec<_> = details.into_iter().flatten().map(String::as_str).collect();
    let mut line = format!("{}  {:8}  {}", time(event.time), event.event, event.message);
    // Many messages already contain the reason.
    if let Some(reason) = event.reason.as_ref().filter(|reason| !event.message.contains(*reason)) {
        line += &format!(": {reason}");
    }
    if !details.is_empty() {
        line += &format!(" ({})", details.join(", "));
    }
    format!("{}\n", printable(&line))
}

/// A time to the second.
pub fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(writable(time)).to_string()
}

/// A duration in its largest unit, rounded down; JSON output has the exact value.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn size(bytes: u64) -> String {
    if bytes == 0 { "0".to_owned() } else { ByteSize(bytes).display().iec().to_string().replace(".0 ", " ") }
}

/// When a certificate expires, as a date and in whole days from now.
fn expiry(certificate: &Certificate, now: SystemTime) -> String {
    let days = |span: Duration| match span.as_secs() / 86_400 {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    let when = time(certificate.not_after);
    match certificate.not_after.duration_since(now) {
        Ok(left) => format!("{when}, in {}", days(left)),
        Err(past) => format!("{when}, expired {} ago", days(past.duration())),
    }
}

/// The limits that were reached, by their names in the configuration.
fn limits(reached: &LimitsReached) -> String {
    let LimitsReached {
        connections,
        connections_per_address,
        connection_rate,
        connection_rate_per_address,
        handshake_timeout,
        login_timeout,
        login_attempts,
        message_rate,
        room_rate,
        max_lag,
        backlog,
    } = *reached;
    let counts = [
        ("connections", connections),
        ("connections-per-address", connections_per_address),
        ("connection-rate", connection_rate),
        ("connection-rate-per-address", connection_rate_per_address),
        ("handshake-timeout", handshake_timeout),
        ("login-timeout", login_timeout),
        ("login-attempts", login_attempts),
        ("message-rate", message_rate),
        ("room-rate", room_rate),
        ("max-lag", max_lag),
        ("backlog", backlog),
    ];
    let reached: Vec<_> =
        counts.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {count}")).collect();
    if reached.is_empty() { "none".to_owned() } else { reached.join(", ") }
}
