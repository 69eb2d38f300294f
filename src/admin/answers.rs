//! Converts the server's data to the types of the admin interface.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::types::{
    self, BanEntry, Bans, Certificate, Error, History, HistoryEntry, HistoryStatus, LimitsReached, Listener, Status,
    User, Users,
};
use crate::chat::{Ban, Entry, Event, Gap, Manner, Page, Person, Record, message_id};
use crate::connections::Snapshot;
use crate::server::{
    BackupError, BanError, Banned, HistoryReport, InvalidNotice, Listening, NoSuchUser, StatusReport, UserList,
};

impl From<UserList> for Users {
    /// Sorted by name. With ten thousand people this takes milliseconds.
    fn from(UserList(mut found): UserList) -> Users {
        found.sort_unstable_by(|one, other| one.person.nick.key().cmp(other.person.nick.key()));
        Users { users: found.iter().map(user).collect() }
    }
}

fn user(seen: &Snapshot) -> User {
    User {
        name: seen.person.nick.to_string(),
        address: seen.address.to_string(),
        transport: seen.transport.to_owned(),
        protocol: seen.protocol.to_owned(),
        connected_at: time(seen.connected.unix),
        idle_seconds: seen.idle / 1_000_000,
        lag_bytes: seen.lag,
    }
}

impl From<StatusReport> for Status {
    fn from(report: StatusReport) -> Status {
        let reached = report.reached;
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: report.started,
            uptime_seconds: report.uptime.as_secs(),
            users: report.users as u64,
            connections: report.connections as u64,
            refused: report.refused,
            bans: report.bans as u64,
            messages: report.messages,
            messages_per_second: report.messages_per_second,
            listeners: report.listening.into_iter().map(Listener::from).collect(),
            certificate: report.certificate.map(|(facts, self_signed)| Certificate {
                subject: facts.subject,
                names: facts.names,
                not_after: facts.not_after,
                fingerprint: facts.fingerprint,
                self_signed,
            }),
            limits_reached: LimitsReached {
                connections: reached.connections,
                connections_per_address: reached.connections_per_address,
                connection_rate: reached.connection_rate,
                connection_rate_per_address: reached.connection_rate_per_address,
                handshake_timeout: reached.handshake_timeout,
                login_timeout: reached.login_timeout,
                login_attempts: reached.login_attempts,
                message_rate: reached.message_rate,
                room_rate: reached.room_rate,
                max_lag: reached.max_lag,
                backlog: reached.backlog,
            },
            log_lost: report.log_lost,
            history: report.history.into(),
        }
    }
}

impl From<HistoryReport> for HistoryStatus {
    fn from(HistoryReport { keep, status }: HistoryReport) -> HistoryStatus {
        HistoryStatus {
            keep_seconds: keep.as_secs(),
            lines: status.figures.lines,
            bytes: status.figures.bytes,
            oldest_at: status.figures.oldest.map(time),
            lost: status.lost,
            trouble: status.trouble,
        }
    }
}

impl From<Page> for History {
    fn from(Page { entries }: Page) -> History {
        History { entries: entries.iter().map(HistoryEntry::from).collect() }
    }
}

impl From<&Entry> for HistoryEntry {
    fn from(entry: &Entry) -> HistoryEntry {
        let stamp = entry.stamp();
        let nothing = HistoryEntry {
            time: time(stamp.unix),
            kind: String::new(),
            msgid: message_id(stamp.sequence),
            name: None,
            text: None,
            deleted: None,
            count: None,
            until: None,
        };
        match entry {
            Entry::Event(Record { event, .. }) => {
                let (kind, text) = kind_and_text(event);
                let name = event.author().map(|author| Person::as_str(author).to_owned());
                let deleted = match event {
                    Event::Redacted { line, .. } => Some(message_id(*line)),
                    _ => None,
                };
                HistoryEntry { kind: kind.to_owned(), name, text, deleted, ..nothing }
            }
            Entry::Gap(Gap { last, count, .. }) => {
                let (kind, count, until) = ("gap".to_owned(), Some(*count), Some(time(last.unix)));
                HistoryEntry { kind, count, until, ..nothing }
            }
        }
    }
}

fn kind_and_text(event: &Event<'_>) -> (&'static str, Option<String>) {
    match event {
        Event::Said(_, words) if words.manner == Manner::TagsOnly => ("tags", Some(words.tags.to_string())),
        Event::Said(_, words) => {
            let kind = match words.manner {
                Manner::Action => "action",
                Manner::Notice => "notice",
                Manner::Plain | Manner::TagsOnly => "message",
            };
            (kind, Some(words.lines().collect::<Vec<_>>().join("\n")))
        }
        Event::Notice(text) => ("notice", Some(text.to_string())),
        Event::Topic { text, .. } => ("topic", Some(text.to_string())),
        Event::Joined(_) => ("join", None),
        Event::Parted(_, word) => ("part", word.as_ref().map(ToString::to_string)),
        Event::Left(_, reason) => ("leave", Some(reason.to_string())),
        Event::Renamed { to, .. } => ("rename", Some(to.to_string())),
        Event::Redacted { reason, .. } => ("redaction", reason.as_ref().map(ToString::to_string)),
        // These are never kept.
        Event::Registered(_) => ("registration", None),
        Event::Away(_, why) => ("away", why.as_ref().map(ToString::to_string)),
        Event::Described(_) => ("profile", None),
    }
}

fn time(unix: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(unix)
}

impl From<BackupError> for Error {
    fn from(error: BackupError) -> Error {
        match error {
            BackupError::NothingKept => Error::NothingKept {},
            BackupError::InProgress => Error::BackupInProgress {},
            BackupError::Failed(reason) => Error::BackupFailed { reason },
        }
    }
}

impl From<Listening> for Listener {
    fn from(Listening { address, protocol, tls }: Listening) -> Listener {
        Listener { address, protocol: protocol.to_owned(), tls }
    }
}

impl From<&Ban> for BanEntry {
    fn from(ban: &Ban) -> BanEntry {
        BanEntry {
            kind: ban.subject.kind().to_owned(),
            subject: ban.subject.to_string(),
            with: ban.with.as_ref().map(ToString::to_string),
            since: time(ban.since),
            until: ban.until.map(time),
            uid: ban.uid,
            reason: ban.reason.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&[Arc<Ban>]> for Bans {
    fn from(bans: &[Arc<Ban>]) -> Bans {
        Bans { bans: bans.iter().map(|ban| BanEntry::from(&**ban)).collect() }
    }
}

impl From<Banned> for types::Banned {
    fn from(banned: Banned) -> types::Banned {
        types::Banned {
            bans: Bans::from(&*banned.bans).bans,
            disconnected: banned.disconnected as u64,
            address: banned.address.map(|address| address.to_string()),
            others: banned.others as u64,
        }
    }
}

impl From<BanError> for Error {
    fn from(error: BanError) -> Error {
        match error {
            BanError::InvalidTarget { target, reason } => Error::InvalidTarget { target, reason },
            BanError::InvalidDuration(time) => {
                let reason = "it is not a duration from 1s to 100 years such as 30min, 2h or 7d".to_owned();
                Error::InvalidTime { time, reason }
            }
            BanError::NoSuchUser(name) => Error::NoSuchUser(types::NoSuchUser { name }),
            BanError::TooManyBans => Error::TooManyBans { maximum: BanError::MOST as u64 },
            BanError::NotBanned { target, by } => Error::NotBanned { target, by: by.map(|by| by.to_string()) },
        }
    }
}

impl From<NoSuchUser> for Error {
    fn from(NoSuchUser(name): NoSuchUser) -> Error {
        Error::NoSuchUser(types::NoSuchUser { name })
    }
}

impl From<InvalidNotice> for Error {
    fn from(InvalidNotice(reason): InvalidNotice) -> Error {
        Error::InvalidText(types::InvalidText { reason })
    }
}
