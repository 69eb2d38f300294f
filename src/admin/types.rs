//! What the admin interface's replies and errors carry, as the daemon fills it in and chatctl reads it.
//!
//! These types are `org.chatd.Admin.varlink` in Rust; a test holds the two together. They know nothing of how
//! they travel. Reading is lenient (a field that a newer daemon adds is skipped), so that chatctl and chatd need
//! not be updated in one moment.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Somebody who has a name. An IRC client may have left the room and keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// What they are called.
    pub name: String,
    /// Where they come from: `address:port`, or `unix:uid=` and the user.
    pub address: String,
    /// `plain` or `tls`.
    pub transport: String,
    /// What their client speaks, such as `text`.
    pub protocol: String,
    /// When the connection was accepted.
    #[serde(with = "rfc3339_seconds")]
    pub connected_at: SystemTime,
    /// Seconds since they last sent anything.
    pub idle_seconds: u64,
    /// Bytes that wait for them.
    pub lag_bytes: u64,
}

/// What `List` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// Everybody who has a name, sorted by it.
    pub users: Vec<User>,
}

/// What `Notice` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noticed {
    /// How many people it was said to.
    pub reached: u64,
}

/// What `Reload` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// What works but deserves a look, one sentence each.
    pub warnings: Vec<String>,
}

/// What `Status` answers. Counters start at zero with the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// When it started.
    #[serde(with = "rfc3339_seconds")]
    pub started_at: SystemTime,
    /// Seconds since then, by a clock that nobody sets.
    pub uptime_seconds: u64,
    /// People who have a name.
    pub users: u64,
    /// Clients connected, with a name or not yet.
    pub connections: u64,
    /// Connections turned away or given up before they had a name.
    pub refused: u64,
    /// Messages said in the room.
    pub messages: u64,
    /// The same, on average over the last minute.
    pub messages_per_second: f64,
    /// Where clients are accepted.
    pub listeners: Vec<Listener>,
    /// What new TLS clients are shown; `None` when no listener uses TLS.
    pub certificate: Option<Certificate>,
    /// How often each limit was reached.
    pub limits_reached: LimitsReached,
    /// Log entries that nobody could take in time.
    pub log_lost: u64,
}

/// A socket on which clients are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// `address:port`, or the path of a Unix socket.
    pub address: String,
    /// What is spoken there; `auto` when it is found out from what a client says first.
    pub protocol: String,
    /// Whether TLS comes first.
    pub tls: bool,
}

/// The certificate that new TLS clients are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its subject, such as `CN=chat.example.org`.
    pub subject: String,
    /// The DNS names and addresses it is valid for.
    pub names: Vec<String>,
    /// Until when it is valid.
    #[serde(with = "rfc3339_seconds")]
    pub not_after: SystemTime,
    /// SHA-256 of the whole certificate: upper-case hexadecimal bytes with colons, as `openssl x509 -fingerprint`.
    pub fingerprint: String,
    /// Whether nobody but the daemon itself vouches for it.
    pub self_signed: bool,
}

/// How often each limit of the `[limits]` section was reached; the names are those of the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsReached {
    /// Times that accepting paused because every connection was in use.
    pub connections: u64,
    /// Clients turned away because too many came from their address.
    pub connections_per_address: u64,
    /// Clients whose TLS handshake took too long.
    pub handshake_timeout: u64,
    /// Clients who gave no name in time.
    pub login_timeout: u64,
    /// Times that a client was read more slowly because it wrote too fast.
    pub message_rate: u64,
    /// Clients disconnected because they read too slowly.
    pub max_lag: u64,
    /// Clients disconnected because all together read too slowly.
    #[serde(default)]
    pub backlog: u64,
}

/// One reply of `Watch`: something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// When.
    #[serde(with = "rfc3339_milliseconds")]
    pub time: SystemTime,
    /// What kind of event, as `CHATD_EVENT` in the journal; [`Happening::MISSED`] when some were.
    pub event: String,
    /// The event as a sentence.
    pub message: String,
    /// Whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where they come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `plain` or `tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// What their client speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Why it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The administrator who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// How many events were missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

impl Happening {
    /// The `event` of what stands in for events that the watcher missed.
    pub const MISSED: &'static str = "missed";

    /// Stands in for `count` events that the watcher was too slow for, noticed at `time`.
    pub fn missed(time: SystemTime, count: u64) -> Happening {
        Happening {
            time,
            event: Happening::MISSED.to_owned(),
            message: format!("{count} events were missed, because they were read too slowly"),
            user: None,
            address: None,
            transport: None,
            protocol: None,
            reason: None,
            uid: None,
            missed: Some(count),
        }
    }
}

/// Nobody here is called `name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("nobody here is called {name:?}")]
pub struct NoSuchUser {
    /// The name that was asked for.
    pub name: String,
}

/// A text cannot be said in the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("this text cannot be said in the room: {reason}")]
pub struct InvalidText {
    /// Why not.
    pub reason: String,
}

/// A refusal, as it is answered: it serializes to the `error` and `parameters` of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", content = "parameters")]
pub enum Error {
    /// Kick: nobody is called this.
    #[error(transparent)]
    #[serde(rename = "org.chatd.Admin.NoSuchUser")]
    NoSuchUser(#[from] NoSuchUser),
    /// Notice: not a text for the room.
    #[error(transparent)]
    #[serde(rename = "org.chatd.Admin.InvalidText")]
    InvalidText(#[from] InvalidText),
    /// Reload: the new configuration is not used.
    #[error("nothing was reloaded, and what was in force stays so: {}", mistakes.join("; "))]
    #[serde(rename = "org.chatd.Admin.ReloadFailed")]
    ReloadFailed {
        /// Each mistake, with its place.
        mistakes: Vec<String>,
    },
    /// Watch: no more watchers.
    #[error("{maximum} others are watching already, which is as many as may; raise admin.connections to allow more")]
    #[serde(rename = "org.chatd.Admin.TooManyWatchers")]
    TooManyWatchers {
        /// How many may watch at once.
        maximum: u64,
    },
    /// Watch: nothing more comes.
    #[error("the daemon has ended the watch")]
    #[serde(rename = "org.chatd.Admin.WatchEnded")]
    WatchEnded {},
    /// Whatever was asked: the daemon cannot start.
    #[error("chatd cannot start: {}", mistakes.join("; "))]
    #[serde(rename = "org.chatd.Admin.CannotStart")]
    CannotStart {
        /// Why, a sentence each.
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
    /// A method that exists, but not in the way it was called.
    #[error("the daemon does not offer the method {method:?} in this way")]
    #[serde(rename = "org.varlink.service.MethodNotImplemented")]
    MethodNotImplemented {
        /// Its name with the interface's.
        method: String,
    },
    /// A parameter that is missing, unknown or of the wrong type.
    #[error("the daemon does not accept the parameter {parameter:?}")]
    #[serde(rename = "org.varlink.service.InvalidParameter")]
    InvalidParameter {
        /// Its name.
        parameter: String,
    },
    /// The caller may not do this; chatd leaves that to the socket's mode, others may not.
    #[error("the daemon does not permit this")]
    #[serde(rename = "org.varlink.service.PermissionDenied")]
    PermissionDenied {},
    /// A method that answers more than once was called without `more`.
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

/// The nearest time that RFC 3339 can write, from 1970 to 9999: a clock that was never set must not stop an answer.
pub(crate) fn writable(time: SystemTime) -> SystemTime {
    const LAST: std::time::Duration = std::time::Duration::from_secs(253_402_300_799);
    time.clamp(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + LAST)
}
