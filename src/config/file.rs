//! `chatd.toml`: every key with its default and its limits, and the dependencies between keys; see chatd.toml(5). There
//! is no other list of keys: the known keys are those that this module reads.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::Level;

use super::endpoints::Endpoints;
use super::mistake::{Lines, Mistake, Mistakes, Place};
use super::reader::{self, Key, Section};
use super::value::{self};
use super::{
    Admin, ClientCertificates, Config, Endpoint, File, Handover, History, Irc, Limits, Log, LogTarget, Network,
    PerAddress, Room, Tls, listen,
};
use crate::directories::Directories;
use crate::files;

/// The default path.
pub const STANDARD_PATH: &str = "/etc/chatd/chatd.toml";

/// The maximum number of `[[listen]]` sections.
const MAX_LISTENERS: usize = 64;

/// The maximum number of `[[limits.network]]` sections, and of networks in each list of them.
const MAX_NETWORK_SECTIONS: usize = 64;
const MAX_NETWORKS: usize = 1024;

/// Names that would speak with authority.
const RESERVED_NAMES: &str = r#"["admin", "root", "server", "chatd"]"#;

/// The default listeners, reachable only from this machine.
const LISTENERS: &str = r#"
[[listen]]
address = "127.0.0.1:6667"

[[listen]]
address = "127.0.0.1:6697"
tls = true
"#;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {}", path.display(), files::complaint(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has mistakes.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

impl LoadError {
    /// The program's exit status for this error, by sysexits.h: 66, 77 or 78.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => 77,
            Self::Read { .. } => 66,
            Self::Mistakes(_) => 78,
        }
    }
}

/// Reads the file at `path`.
///
/// # Errors
///
/// The file cannot be read, see [`files::read`], or has mistakes, which are all reported.
pub fn load(path: &Path, directories: &Directories) -> Result<Config, LoadError> {
    let bytes = files::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let parsed = match String::from_utf8(bytes) {
        Ok(text) => parse(&text, directories),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let start = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default());
            Err(vec![Lines::of(&start).mistake(good, "this byte is not UTF-8; save the file as UTF-8".to_owned())])
        }
    };
    match parsed {
        Ok(config) => Ok(Config { file: Some(path.to_owned()), ..config }),
        Err(list) => Err(Mistakes { path: path.to_owned(), list }.into()),
    }
}

/// Reads [`STANDARD_PATH`], or uses the built-in defaults if it does not exist.
///
/// # Errors
///
/// The errors of [`load`].
pub fn load_standard(directories: &Directories) -> Result<Config, LoadError> {
    match load(Path::new(STANDARD_PATH), directories) {
        Err(LoadError::Read { path, source }) if source.kind() == std::io::ErrorKind::NotFound => {
            parse("", directories).map_err(|list| Mistakes { path, list }.into())
        }
        loaded => loaded,
    }
}

/// Parses the text of a configuration file; an empty text gives the built-in defaults.
///
/// # Errors
///
/// All mistakes, in the order of the text; never empty.
pub fn parse(text: &str, directories: &Directories) -> Result<Config, Vec<Mistake>> {
    match reader::read(text, |document| config(document, directories)) {
        (Some(config), mistakes, _) if mistakes.is_empty() => Ok(config),
        (_, mistakes, _) => Err(mistakes),
    }
}

/// All keys that [`parse`] knows, in the order of chatd.toml(5).
pub fn keys() -> Vec<Key> {
    let nowhere = Directories { runtime: PathBuf::new(), state: PathBuf::new() };
    // Sections that there are none of by default.
    let (_, _, keys) = reader::read("[[limits.network]]", |document| config(document, &nowhere));
    keys
}

// In all of the following functions, every key is read before any value is used: a mistake in one key must not keep the
// next from being checked.

fn config(document: &mut Section<'_, '_>, directories: &Directories) -> Option<Config> {
    let mut endpoints = Endpoints::default();
    let room = document.section("room", room);
    let listen = document
        .sections("listen", "listen", LISTENERS, MAX_LISTENERS, |section| listen::listen(section, &mut endpoints));
    let tls = document.section("tls", tls);
    let admin = document.section("admin", |section| admin(section, &mut endpoints, directories));
    let irc = document.section("irc", irc);
    let history = document.section("history", history);
    let handover = document.section("handover", handover);
    let limits = document.section("limits", limits);
    let log = document.section("log", log);
    let mut listen = listen.into_iter().collect::<Option<Vec<_>>>()?;
    if !document.has("listen") {
        listen.iter_mut().for_each(|listen| listen.place = Place::default());
    }
    let tls = tls?;
    let mut warnings = Vec::new();
    if tls.is_some() && !listen.iter().any(|listen| listen.tls) {
        warnings.push(document.warning("tls", "[tls] is of no use, because no [[listen]] has tls = true"));
    }
    let (room, admin, irc, history) = (room?, admin?, irc?, history?);
    let (handover, limits, log) = (handover?, limits?, log?);
    Some(Config { file: None, room, listen, tls, admin, irc, history, handover, limits, log, warnings })
}

fn room(room: &mut Section<'_, '_>) -> Option<Room> {
    let name = room.value("name", "\"lobby\"", value::room_name);
    let topic = room.value("topic", "\"Welcome to the lobby\"", value::one_line(390));
    let history = room.value("history", "50", value::number(0..=10_000));
    let reserved_names = room.value("reserved-names", RESERVED_NAMES, value::names(1_000));
    Some(Room { name: name?, topic: topic?, history: history?, reserved_names: reserved_names? })
}

/// `Some(None)`: nothing is configured, so a self-signed certificate will be used.
fn tls(tls: &mut Section<'_, '_>) -> Option<Option<Tls>> {
    let certificate = tls.optional("certificate", value::path);
    let private_key = tls.optional("private-key", value::path);
    let client_ca = tls.optional("client-ca", value::path);
    let client_certificates = tls.value("client-certificates", "\"optional\"", value::choice(ClientCertificates::ALL));
    for (key, needed) in [
        ("certificate", "private-key"),
        ("private-key", "certificate"),
        ("client-ca", "certificate"),
        ("client-certificates", "client-ca"),
    ] {
        if tls.has(key) && !tls.has(needed) {
            tls.needs(key, needed);
        }
    }
    let file = |key: &str, path| File { path, place: tls.place_of(key) };
    let client_ca = client_ca?.map(|path| file("client-ca", path));
    let client_certificates = client_certificates?;
    let (Some(certificate), Some(private_key)) = (certificate?, private_key?) else { return Some(None) };
    let (certificate, private_key) = (file("certificate", certificate), file("private-key", private_key));
    Some(Some(Tls { certificate, private_key, client_ca, client_certificates }))
}

fn admin(admin: &mut Section<'_, '_>, endpoints: &mut Endpoints, directories: &Directories) -> Option<Admin> {
    let endpoint = endpoints.read(admin, "socket", value::socket_path);
    let connections = admin.value("connections", "16", value::number(1..=1_000));
    let place = match endpoint.as_ref()? {
        Some(Endpoint::Systemd(_)) => admin.place_of("systemd"),
        Some(_) => admin.place_of("socket"),
        None => Place::default(),
    };
    let endpoint = endpoint?.unwrap_or_else(|| Endpoint::Unix(directories.admin_socket()));
    Some(Admin { endpoint, connections: connections?, place })
}

fn irc(irc: &mut Section<'_, '_>) -> Option<Irc> {
    let autojoin = irc.value("autojoin", "true", value::boolean);
    let server_name = irc.value("server-name", "\"chatd.internal\"", value::server_name);
    Some(Irc { autojoin: autojoin?, server_name: server_name? })
}

fn history(history: &mut Section<'_, '_>) -> Option<History> {
    const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
    let keep = history.value("keep", "\"30d\"", value::duration(Duration::ZERO..=CENTURY));
    let size = history.value("size", "\"256MiB\"", value::size(1 << 20..=1 << 36));
    Some(History { keep: keep?, size: size? as u64 })
}

fn handover(handover: &mut Section<'_, '_>) -> Option<Handover> {
    let clients = handover.value("clients", "true", value::boolean);
    let tls = handover.value("tls", "true", value::boolean);
    let announce_restart = handover.value("announce-restart", "false", value::boolean);
    Some(Handover { clients: clients?, tls: tls?, announce_restart: announce_restart? })
}

fn limits(limits: &mut Section<'_, '_>) -> Option<Limits> {
    let seconds = Duration::from_secs;
    let shortest = Duration::from_millis(100);
    let allow = limits.value("allow", "[]", value::networks(MAX_NETWORKS));
    let connections = limits.value("connections", "10000", value::number(1..=1_000_000));
    let connections_per_address = limits.value("connections-per-address", "64", value::number(1..=1_000_000));
    let connection_rate = limits.value("connection-rate", "200", value::number(1..=1_000_000));
    let connection_rate_per_address = limits.value("connection-rate-per-address", "4", value::number(1..=1_000_000));
    let handshake_timeout = limits.value("handshake-timeout", "\"10s\"", value::duration(shortest..=seconds(600)));
    let login_timeout = limits.value("login-timeout", "\"60s\"", value::duration(shortest..=seconds(3600)));
    let login_attempts = limits.value("login-attempts", "10", value::number(1..=1000));
    let line_length = limits.value("line-length", "2048", value::size(128..=64 << 10));
    let message_rate = limits.value("message-rate", "5", value::number(1..=1_000_000));
    let message_burst = limits.value("message-burst", "20", value::number(1..=1_000_000));
    let change_cost = limits.value("change-cost", "10", value::number(1..=1000));
    let room_rate = limits.value("room-rate", "\"128KiB\"", value::size(1 << 10..=1 << 40));
    let room_rate_per_address = limits.value("room-rate-per-address", "\"64KiB\"", value::size(1 << 10..=1 << 40));
    let max_lag = limits.value("max-lag", "\"1MiB\"", value::size(4 << 10..=1 << 30));
    if let (Some(line_length), Some(max_lag)) = (line_length, max_lag)
        && max_lag < 4 * line_length
    {
        // Otherwise a few long lines that arrive together could disconnect everybody.
        limits.mistake("max-lag", "limits.max-lag must be at least four times limits.line-length".to_owned());
    }
    let backlog = limits.value("backlog", "\"64MiB\"", value::size(1 << 20..=1 << 40));
    let per_address = per_address(connections_per_address, connection_rate_per_address, room_rate_per_address);
    let networks =
        limits.sections("network", "limits.network", "", MAX_NETWORK_SECTIONS, |section| network(section, per_address));
    Some(Limits {
        allow: allow?,
        connections: connections?,
        connection_rate: connection_rate?,
        handshake_timeout: handshake_timeout?,
        login_timeout: login_timeout?,
        login_attempts: login_attempts?,
        line_length: line_length?,
        message_rate: message_rate?,
        message_burst: message_burst?,
        change_cost: change_cost?,
        room_rate: room_rate?,
        per_address: per_address?,
        networks: networks.into_iter().collect::<Option<_>>()?,
        max_lag: max_lag?,
        // The total must allow for what a single client may lag.
        backlog: backlog?.max(max_lag?),
    })
}

/// `[[limits.network]]`: what differs from the other addresses.
fn network(network: &mut Section<'_, '_>, others: Option<PerAddress>) -> Option<Network> {
    let addresses = network.optional("addresses", value::networks(MAX_NETWORKS));
    if addresses == Some(None) {
        network.lacks("this section has no `addresses`; write the networks that it is for, such as [\"192.0.2.0/24\"]");
    }
    let connections = network.optional("connections-per-address", value::number(1..=1_000_000));
    let connection_rate = network.optional("connection-rate-per-address", value::number(1..=1_000_000));
    let room_rate = network.optional("room-rate-per-address", value::size(1 << 10..=1 << 40));
    let others = others?;
    let per_address = per_address(
        connections.map(|own| own.unwrap_or(others.connections)),
        connection_rate.map(|own| own.unwrap_or(others.connection_rate)),
        room_rate.map(|own| own.unwrap_or(others.room_rate)),
    );
    Some(Network { addresses: addresses??, per_address: per_address? })
}

fn per_address(
    connections: Option<usize>,
    connection_rate: Option<u32>,
    room_rate: Option<usize>,
) -> Option<PerAddress> {
    Some(PerAddress { connections: connections?, connection_rate: connection_rate?, room_rate: room_rate? })
}

fn log(log: &mut Section<'_, '_>) -> Option<Log> {
    const LEVELS: &[(&str, Level)] = &[
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
    let level = log.value("level", "\"info\"", value::choice(LEVELS));
    let target = log.value("target", "\"auto\"", value::choice(LogTarget::ALL));
    let addresses = log.value("addresses", "true", value::boolean);
    Some(Log { level: level?, target: target?, addresses: addresses? })
}
