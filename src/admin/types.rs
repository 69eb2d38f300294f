//! The data of the admin interface's replies and errors, written by the daemon and read by chatctl.
//!
//! These types are `org.chatd.Admin.varlink` in Rust; a test keeps the two in step. They do not deal with the
//! transport. Unknown fields are ignored when reading, so chatctl and chatd need not be updated at the same moment.

mod bans;
mod error;
mod history;
mod watch;

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub use bans::{BanEntry, Banned, Bans};
pub use error::{Error, InvalidText, NoSuchUser};
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
    /// The bans in force.
    #[serde(default)]
    pub bans: u64,
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
    /// Clients that had to wait or were rejected because too many came at a time.
    #[serde(default)]
    pub connection_rate: u64,
    /// The same, because too many came from their address.
    #[serde(default)]
    pub connection_rate_per_address: u64,
    /// Clients whose TLS handshake took too long.
    pub handshake_timeout: u64,
    /// Clients that gave no name in time.
    pub login_timeout: u64,
    /// Clients disconnected because too many of their names or logins were refused.
    #[serde(default)]
    pub login_attempts: u64,
    /// How often a client's input was throttled because it sent too fast.
    pub message_rate: u64,
    /// How often a client's input was throttled because too much was said in the room or from its address.
    #[serde(default)]
    pub room_rate: u64,
    /// Clients disconnected because they read too slowly.
    pub max_lag: u64,
    /// Clients disconnected because all clients together lagged too far behind.
    #[serde(default)]
    pub backlog: u64,
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
