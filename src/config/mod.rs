//! The configuration as meant: checked, complete, with every default filled in.
//!
//! [`mod@file`] turns the TOML as written into these types and reports every mistake with its place. Nothing here opens
//! a socket, looks at the files that it names, or knows how a value is used.

pub mod file;
mod listen;
mod mistake;
mod reader;
mod syntax;
mod value;

pub use mistake::{Mistake, Mistakes, Place};
pub use reader::Key;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dialect::Protocol;

/// Everything that `chatd.toml` decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file that it was read from; `None`: there is none, and everything is as without one.
    pub file: Option<PathBuf>,
    /// The one room.
    pub room: Room,
    /// Where clients come in; never empty.
    pub listen: Vec<Listen>,
    /// Certificates; `None`: a self-signed one is made and kept.
    pub tls: Option<Tls>,
    /// The administrator's socket.
    pub admin: Admin,
    /// What concerns IRC clients alone.
    pub irc: Irc,
    /// What a peer may take of us.
    pub limits: Limits,
    /// Where the day's story goes.
    pub log: Log,
    /// What is no mistake but deserves a look, each with its place in the file as mistakes have theirs.
    pub warnings: Vec<Mistake>,
}

impl Config {
    /// What deserves a look, a line each as mistakes have it: place, `label`, sentence.
    pub fn warnings(&self, label: &str) -> Vec<String> {
        let file = self.file.as_deref().unwrap_or(Path::new("")).display();
        let line = |Mistake { line, column, what }: &Mistake| format!("{file}:{line}:{column}: {label}{what}");
        self.warnings.iter().map(line).collect()
    }
}

/// `[room]`
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    /// The room's name, as clients see it; IRC puts a `#` before it.
    pub name: String,
    /// The topic that newcomers are shown.
    pub topic: String,
    /// How many of the last lines a newcomer is shown.
    pub history: usize,
}

/// One `[[listen]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Listen {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// What is spoken there; `None`: found out from what the client says first.
    pub protocol: Option<Protocol>,
    /// Whether TLS comes first.
    pub tls: bool,
    /// Where it is said on what it listens.
    pub place: Place,
}

/// Where a listener comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// `host:port`, bound here; the host may be a name, an IPv4 or a bracketed IPv6 address.
    Tcp(String),
    /// The path of a Unix socket, bound here.
    Unix(PathBuf),
    /// Handed over by systemd under this `FileDescriptorName=`.
    Systemd(String),
}

/// `[tls]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM file with the certificate chain, the server's own first.
    pub certificate: File,
    /// PEM file with the private key (PKCS#8, PKCS#1 or SEC1).
    pub private_key: File,
    /// PEM file with the authorities that client certificates are checked against.
    pub client_ca: Option<File>,
    /// Whether a client must show a certificate; means nothing without `client_ca`.
    pub client_certificates: ClientCertificates,
}

/// A file that the configuration names; what is in it is looked at when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The file.
    pub path: PathBuf,
    /// Where it is named.
    pub place: Place,
}

impl From<PathBuf> for File {
    /// A file that is named nowhere.
    fn from(path: PathBuf) -> File {
        File { path, place: Place::default() }
    }
}

/// `tls.client-certificates`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Checked when there is one.
    Optional,
    /// No certificate, no connection.
    Required,
}

impl ClientCertificates {
    /// Every choice, by the name that the configuration has for it.
    pub const ALL: &[(&str, Self)] = &[("optional", Self::Optional), ("required", Self::Required)];
}

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where `chatctl` comes in; never [`Endpoint::Tcp`].
    pub endpoint: Endpoint,
    /// How many administrators may be connected at once.
    pub connections: usize,
    /// Where it is said what the endpoint is.
    pub place: Place,
}

/// `[irc]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Irc {
    /// Whether a client is put into the room when it has registered.
    pub autojoin: bool,
    /// What the server calls itself; a host name, so that clients can tell it from a person.
    pub server_name: String,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Connections at once from one IPv4 address or one IPv6 /64.
    pub connections_per_address: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a client may take until it has a name.
    pub login_timeout: Duration,
    /// Bytes of one message, without its line end.
    pub line_length: usize,
    /// Messages per second that a client may keep up; a faster one is read more slowly.
    pub message_rate: u32,
    /// Messages that may come at once before the rate holds.
    pub message_burst: u32,
    /// Bytes that a client may lag behind the room before it is disconnected.
    pub max_lag: usize,
    /// Bytes that all clients together may lag behind; then those who are the furthest behind are disconnected.
    pub backlog: usize,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The least important entries that are still written.
    pub level: tracing::Level,
    /// Where entries go.
    pub target: LogTarget,
    /// Whether clients' addresses are written.
    pub addresses: bool,
}

/// `log.target`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogTarget {
    /// The journal when standard error is connected to it (`JOURNAL_STREAM`), standard error otherwise.
    Auto,
    /// systemd's journal, by its native protocol.
    Journal,
    /// Lines on standard error.
    Stderr,
}

impl LogTarget {
    /// Every target, by the name that the configuration has for it.
    pub const ALL: &[(&str, Self)] = &[("auto", Self::Auto), ("journal", Self::Journal), ("stderr", Self::Stderr)];
}
