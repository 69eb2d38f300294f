//! The configuration, checked and complete, with all defaults filled in.
//!
//! [`mod@file`] converts the TOML to these types and reports every mistake with its place. Nothing here opens a socket,
//! checks the files that it names, or knows how a value is used.

mod endpoints;
pub mod file;
mod listen;
mod mistake;
mod reader;
mod syntax;
mod value;

pub use mistake::{Mistake, Mistakes, Place};
pub use reader::Key;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::dialect::Protocol;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file that it was read from; `None` if only built-in defaults are used.
    pub file: Option<PathBuf>,
    /// The room.
    pub room: Room,
    /// The listeners; never empty.
    pub listen: Vec<Listen>,
    /// Certificates; `None` for a self-signed one.
    pub tls: Option<Tls>,
    /// The admin socket.
    pub admin: Admin,
    /// Settings for IRC.
    pub irc: Irc,
    /// `[history]`
    pub history: History,
    /// `[handover]`
    pub handover: Handover,
    /// Limits on what clients may use.
    pub limits: Limits,
    /// Logging.
    pub log: Log,
    /// Warnings, each with its place in the file.
    pub warnings: Vec<Mistake>,
}

impl Config {
    /// The warnings, one line each: place, `label`, sentence.
    pub fn warnings(&self, label: &str) -> Vec<String> {
        let file = self.file.as_deref().unwrap_or(Path::new("")).display();
        let line = |Mistake { line, column, what }: &Mistake| format!("{file}:{line}:{column}: {label}{what}");
        self.warnings.iter().map(line).collect()
    }
}

/// `[room]`
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    /// The room's name; IRC adds a `#` in front.
    pub name: String,
    /// The topic that newcomers are shown.
    pub topic: String,
    /// How many lines of history a newcomer is shown.
    pub history: usize,
    /// Names that nobody can take, besides the room's and the server's.
    pub reserved_names: Vec<String>,
}

/// One `[[listen]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Listen {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// The protocol; `None` to detect it from the client's first bytes.
    pub protocol: Option<Protocol>,
    /// Whether it uses TLS.
    pub tls: bool,
    /// The place of the endpoint in the file.
    pub place: Place,
}

/// An address to listen on, or a socket from systemd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Endpoint {
    /// `host:port`, bound by the daemon; the host may be a name, an IPv4 or a bracketed IPv6 address.
    Tcp(String),
    /// The path of a Unix socket, bound by the daemon.
    Unix(PathBuf),
    /// Passed by systemd under this `FileDescriptorName=`.
    Systemd(String),
}

/// `[tls]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM file with the certificate chain, the server's certificate first.
    pub certificate: File,
    /// PEM file with the private key (PKCS#8, PKCS#1 or SEC1).
    pub private_key: File,
    /// PEM file with the CA certificates for verifying clients.
    pub client_ca: Option<File>,
    /// Whether a client must present a certificate; has no effect without `client_ca`.
    pub client_certificates: ClientCertificates,
}

/// A file named in the configuration; its contents are checked when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The file.
    pub path: PathBuf,
    /// The place of its path in the configuration.
    pub place: Place,
}

impl From<PathBuf> for File {
    /// A file that does not come from the configuration.
    fn from(path: PathBuf) -> File {
        File { path, place: Place::default() }
    }
}

/// `tls.client-certificates`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Verified if presented.
    Optional,
    /// Clients without a certificate are rejected.
    Required,
}

impl ClientCertificates {
    /// All choices, by their names in the configuration.
    pub const ALL: &[(&str, Self)] = &[("optional", Self::Optional), ("required", Self::Required)];
}

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The admin socket; never [`Endpoint::Tcp`].
    pub endpoint: Endpoint,
    /// The maximum number of administrators connected at once.
    pub connections: usize,
    /// The place of the endpoint in the file.
    pub place: Place,
}

/// `[irc]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Irc {
    /// Whether clients join the room automatically after registration.
    pub autojoin: bool,
    /// The server's name; looks like a host name, so that clients can tell it from a user.
    pub server_name: String,
}

/// `[history]`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// For how long what was said is kept on disk; zero: nothing is.
    pub keep: Duration,
    /// The maximum size of the file in bytes.
    pub size: u64,
}

impl History {
    /// The time for which lines are kept, in milliseconds.
    #[must_use]
    pub fn milliseconds(&self) -> u64 {
        u64::try_from(self.keep.as_millis()).unwrap_or(u64::MAX)
    }
}

/// `[handover]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handover {
    /// Whether clients stay connected when the daemon restarts.
    pub clients: bool,
    /// Whether those do that are connected over TLS.
    pub tls: bool,
    /// Whether the room is told of a restart.
    pub announce_restart: bool,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The networks from which clients may come; empty: from everywhere.
    pub allow: Vec<IpNet>,
    /// The maximum number of connections; further ones wait in the kernel's accept queue.
    pub connections: usize,
    /// What each address may use.
    pub per_address: PerAddress,
    /// Networks of which each address may use something else; the first that has an address counts.
    pub networks: Vec<Network>,
    /// The sustained number of new connections per second; further ones wait. As many as [`connections`](Self::connections)
    /// may come at once.
    pub connection_rate: u32,
    /// The timeout for a TLS handshake.
    pub handshake_timeout: Duration,
    /// The timeout for a client to take a name.
    pub login_timeout: Duration,
    /// How many names or logins of a client may be refused before it is disconnected.
    pub login_attempts: u16,
    /// The maximum length of a message in bytes, without its line end.
    pub line_length: usize,
    /// The sustained number of messages per second; input from a faster client is throttled.
    pub message_rate: u32,
    /// The number of messages that may arrive at once before the rate applies.
    pub message_burst: u32,
    /// How many messages it counts as when a client leaves the room or changes its name, away state or description.
    pub change_cost: u32,
    /// The sustained number of bytes per second that are said in the room; authors are throttled to that.
    pub room_rate: usize,
    /// How many bytes a client may lag behind the room before it is disconnected.
    pub max_lag: usize,
    /// How many bytes all clients together may lag; beyond that, those furthest behind are disconnected.
    pub backlog: usize,
}

impl Limits {
    /// Whether clients may come from this address.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allow.is_empty() || self.allow.iter().any(|network| network.contains(&address))
    }

    /// What this address may use; `None` is a Unix socket, for which the general limits are as good as any.
    #[must_use]
    pub fn per_address(&self, address: Option<IpAddr>) -> PerAddress {
        let has = |network: &&Network| address.is_some_and(|a| network.addresses.iter().any(|n| n.contains(&a)));
        self.networks.iter().find(has).map_or(self.per_address, |network| network.per_address)
    }
}

/// What one IPv4 address or one IPv6 /64 may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerAddress {
    /// The maximum number of connections.
    pub connections: usize,
    /// The sustained number of new connections per second; as many as [`connections`](Self::connections) may come at once.
    pub connection_rate: u32,
    /// The sustained number of bytes per second that are said in the room.
    pub room_rate: usize,
}

/// `[[limits.network]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The networks that it is for.
    pub addresses: Vec<IpNet>,
    /// What each address in them may use.
    pub per_address: PerAddress,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The lowest severity that is written.
    pub level: tracing::Level,
    /// The destination.
    pub target: LogTarget,
    /// Whether client addresses are written.
    pub addresses: bool,
}

/// `log.target`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogTarget {
    /// The journal if standard error is connected to it (`JOURNAL_STREAM`), otherwise standard error.
    Auto,
    /// The systemd journal, by its native protocol.
    Journal,
    /// Lines on standard error.
    Stderr,
}

impl LogTarget {
    /// All targets, by their names in the configuration.
    pub const ALL: &[(&str, Self)] = &[("auto", Self::Auto), ("journal", Self::Journal), ("stderr", Self::Stderr)];
}
