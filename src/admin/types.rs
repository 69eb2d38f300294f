//! The data of the admin interface's replies and errors, written by the daemon and read by chatctl.
//!
//! These types are `org.chatd.Admin.varlink` in Rust; a test keeps the two in step. They do not deal with the
//! transport. Unknown fields are ignored when reading, so chatctl and chatd need not be updated at the same moment.

mod bans;
mod history;
mod watch;

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub use bans::{BanEntry, Banned, Bans};
pub use history::{BackupPiece, History, HistoryEntry, HistoryStatus};
pub use watch::WatchEvent;

/// A user: somebody who has a name. An IRC client may leave the room and stay connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// What they are called.
    pub name: String,
    /// The client's address: `address:port`, or `unix:uid=` and the user ID.
    pub address: String,
    /// `plain` or `tls`.
    pub transport: String,
    /// The client's protocol, such as `text`.
    pub protocol: String,
    /// When the connection was accepted.
    #[serde(with = "rfc3339_seconds")]
    pub connected_at: SystemTime,
    /// Seconds since they last sent anything.
    pub idle_seconds: u64,
    /// Bytes waiting to be sent to them.
    pub lag_bytes: u64,
}

/// The reply to `List`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// All users, sorted by name.
    pub users: Vec<User>,
}

/// The reply to `Notice`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noticed {
    /// How many users received it.
    pub reached: u64,
}

/// The reply to `Reload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Warnings about the new configuration, one sentence each.
    pub warnings: Vec<String>,
}

/// The reply to `Status`. Counters start at zero when the daemon starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// When it started.
    #[serde(with = "rfc3339_seconds")]
    pub started_at: SystemTime,
    /// Seconds since then, by a monotonic clock.
    pub uptime_seconds: u64,
    /// The number of users who have a name.
    pub users: u64,
    /// The number of connected clients, with or without a name.
    pub connections: u64,
    /// Connections that ended, or were rejected, before they had a name.
    pub refused: u64,
    /// Messages said in the room.
    pub messages: u64,
    /// Messages per second, averaged over the last minute.
    pub messages_per_second: f64,
    /// The sockets on which clients are accepted.
    pub listeners: Vec<Listener>,
    /// The certificate for new TLS clients; `None` if no listener uses TLS.
    pub certificate: Option<Certificate>,
    /// How often each limit was reached.
    pub limits_reached: LimitsReached,
    /// Log entries that were lost because they could not be written in time.
    pub log_lost: u64,
    /// The history on disk.
    #[serde(default)]
    pub history: HistoryStatus,
}

/// A socket on which clients are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// `address:port`, or the path of a Unix socket.
    pub address: String,
    /// The protocol; `auto` if it is detected from the client's first bytes.
    pub protocol: String,
    /// Whether it uses TLS.
    pub tls: bool,
}

/// The certificate for new TLS clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its subject, such as `CN=chat.example.org`.
    pub subject: String,
    /// The DNS names and addresses for which it is valid.
    pub names: Vec<String>,
    /// When it expires.
    #[serde(with = "rfc3339_seconds")]
    pub not_after: SystemTime,
    /// Its SHA-256 fingerprint: upper-case hexadecimal bytes with colons, as printed by `openssl x509 -fingerprint
    /// -sha256`.
    pub fingerprint: String,
    /// Whether it is self-signed by the daemon.
    pub self_signed: bool,
}

/// How often each limit of the `[limits]` section was reached; the names are those of the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsReached {
    /// How often accepting paused because the limit on connections was reached.
    pub connections: u64,
    /// Clients rejected because their address had reached its limit.
    pub connections_per_address: u64,
    /// Clients whose TLS handshake took too long.
    pub handshake_timeout: u64,
    /// Clients that gave no name in time.
    pub login_timeout: u64,
    /// How often a client's input was throttled because it sent too fast.
    pub message_rate: u64,
    /// Clients disconnected because they read too slowly.
    pub max_lag: u64,
    /// Clients disconnected because all clients together lagged too far behind.
    #[serde(default)]
    pub backlog: u64,
}

/// No user is called `name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("nobody here is called {name:?}")]
pub struct NoSuchUser {
    /// The requested name.
    pub name: String,
}

/// A text that cannot be sent to the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("this text cannot be said in the room: {reason}")]
pub struct InvalidText {
    /// Why not.
    pub reason: String,
}

/// An error reply; serializes to its `error` and `parameters`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", content = "parameters")]
pub enum Error {
    /// Kick: no such user.
    #[error(transparent)]
    #[serde(rename = "org.chatd.Admin.NoSuchUser")]
    NoSuchUser(#[from] NoSuchUser),
    /// Notice: the text cannot be sent.
    #[error(transparent)]
    #[serde(rename = "org.chatd.Admin.InvalidText")]
    InvalidText(#[from] InvalidText),
    /// Reload: the new configuration is invalid and is not used.
    #[error("nothing was reloaded, and what was in force stays so: {}", mistakes.join("; "))]
    #[serde(rename = "org.chatd.Admin.ReloadFailed")]
    ReloadFailed {
        /// The mistakes, each with its place.
        mistakes: Vec<String>,
    },
    /// History, Ban: not a time that can be used.
    #[error("the time {time:?} cannot be used: {reason}")]
    #[serde(rename = "org.chatd.Admin.InvalidTime")]
    InvalidTime {
        /// The time as it was given.
        time: String,
        /// Why not.
        reason: String,
    },
    /// History: not a name that anybody can have.
    #[error("nobody can be called {name:?}: {reason}")]
    #[serde(rename = "org.chatd.Admin.InvalidName")]
    InvalidName {
        /// The name as it was given.
        name: String,
        /// Why not.
        reason: String,
    },
    /// Ban, Unban: nothing that can be banned.
    #[error("{target:?} cannot be banned: {reason}")]
    #[serde(rename = "org.chatd.Admin.InvalidTarget")]
    InvalidTarget {
        /// The target as it was given.
        target: String,
        /// Why not.
        reason: String,
    },
    /// Ban: the limit on bans is reached.
    #[error("there are {maximum} bans already, which is as many as may be; end one that is not needed")]
    #[serde(rename = "org.chatd.Admin.TooManyBans")]
    TooManyBans {
        /// The maximum number of bans.
        maximum: u64,
    },
    /// Unban: there is no such ban.
    #[error("{target:?} is not banned{}", by.as_ref().map(|by| format!(" itself, but by the ban of {by}")).unwrap_or_default())]
    #[serde(rename = "org.chatd.Admin.NotBanned")]
    NotBanned {
        /// The target as it was given.
        target: String,
        /// The ban that concerns it nevertheless.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// History: there is no answer.
    #[error("{reason}")]
    #[serde(rename = "org.chatd.Admin.HistoryUnavailable")]
    HistoryUnavailable {
        /// Why not.
        reason: String,
    },
    /// Backup: nothing is kept on disk.
    #[error("there is nothing to back up: this server keeps no history on disk (history.keep is \"0s\")")]
    #[serde(rename = "org.chatd.Admin.NothingKept")]
    NothingKept {},
    /// Backup: another one is being made.
    #[error("another backup is being made; try again when it is done")]
    #[serde(rename = "org.chatd.Admin.BackupInProgress")]
    BackupInProgress {},
    /// Backup: the copy could not be made.
    #[error("no backup could be made: {reason}")]
    #[serde(rename = "org.chatd.Admin.BackupFailed")]
    BackupFailed {
        /// Why not.
        reason: String,
    },
    /// Watch, History: the limit on watchers is reached.
    #[error(
        "{maximum} others are watching or reading the history already, which is as many as may; raise admin.connections to allow more"
    )]
    #[serde(rename = "org.chatd.Admin.TooManyWatchers")]
    TooManyWatchers {
        /// The maximum number of watchers.
        maximum: u64,
    },
    /// Watch: the watch has ended.
    #[error("the daemon has ended the watch")]
    #[serde(rename = "org.chatd.Admin.WatchEnded")]
    WatchEnded {},
    /// Any method: the daemon cannot start.
    #[error("chatd cannot start: {}", mistakes.join("; "))]
    #[serde(rename = "org.chatd.Admin.CannotStart")]
    CannotStart {
        /// The reasons, one sentence each.
        mistakes: Vec<String>,
    },
    /// No such interface.
    #[error("the daemon does not know the interface {interface:?}; is it older than this chatctl?")]
    #[serde(rename = "org.varlink.service.InterfaceNotFound")]
    InterfaceNotFound {
        /// Its name.
        interface: String,
    },
    /// No such method.
    #[error("the daemon does not know the method {method:?}; is it older than this chatctl?")]
    #[serde(rename = "org.varlink.service.MethodNotFound")]
    MethodNotFound {
        /// Its name with the interface's.
        method: String,
    },
    /// The method exists, but cannot be called in this way.
    #[error("the daemon does not offer the method {method:?} in this way")]
    #[serde(rename = "org.varlink.service.MethodNotImplemented")]
    MethodNotImplemented {
        /// Its name with the interface's.
        method: String,
    },
    /// A parameter is missing, unknown or of the wrong type.
    #[error("the daemon does not accept the parameter {parameter:?}")]
    #[serde(rename = "org.varlink.service.InvalidParameter")]
    InvalidParameter {
        /// Its name.
        parameter: String,
    },
    /// The caller has no permission. chatd relies on the socket's mode instead; other services may send this.
    #[error("the daemon does not permit this")]
    #[serde(rename = "org.varlink.service.PermissionDenied")]
    PermissionDenied {},
    /// A method with many replies was called without `more`.
    #[error("this method must be called with \"more\"")]
    #[serde(rename = "org.varlink.service.ExpectedMore")]
    ExpectedMore {},
}

/// Times to the second.
mod rfc3339_seconds {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_seconds(super::writable(*time)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map_err(serde::de::Error::custom)
    }
}

/// Times to the millisecond.
mod rfc3339_milliseconds {
    use std::time::SystemTime;

    use serde::Serializer;

    pub(super) use super::rfc3339_seconds::deserialize;

    pub(super) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_millis(super::writable(*time)))
    }
}

/// Times to the second that may be null.
mod optional_rfc3339_seconds {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Time(#[serde(with = "super::rfc3339_seconds")] SystemTime);
        time.map(Time).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
        #[derive(Deserialize)]
        struct Time(#[serde(with = "super::rfc3339_seconds")] SystemTime);
        Ok(Option::<Time>::deserialize(deserializer)?.map(|Time(time)| time))
    }
}

/// Times to the millisecond that may be null.
mod optional_rfc3339_milliseconds {
    use std::time::SystemTime;

    use serde::{Serialize, Serializer};

    pub(super) use super::optional_rfc3339_seconds::deserialize;

    pub(super) fn serialize<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Time(#[serde(with = "super::rfc3339_milliseconds")] SystemTime);
        time.map(Time).serialize(serializer)
    }
}

/// Clamps a time to what RFC 3339 can represent, here 1970 to 9999, so that a wrong system clock cannot prevent a
/// reply.
pub(crate) fn writable(time: SystemTime) -> SystemTime {
    const LAST: std::time::Duration = std::time::Duration::from_secs(253_402_300_799);
    time.clamp(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + LAST)
}
