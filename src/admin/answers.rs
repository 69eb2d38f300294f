//! Converts the server's data to the types of the admin interface.

use std::time::{Duration, UNIX_EPOCH};

use super::types::{self, Certificate, Error, LimitsReached, Listener, Status, User, Users};
use crate::connections::Snapshot;
use crate::server::{InvalidNotice, Listening, NoSuchUser, StatusReport, UserList};

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
        connected_at: UNIX_EPOCH + Duration::from_millis(seen.connected.unix),
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
                handshake_timeout: reached.handshake_timeout,
                login_timeout: reached.login_timeout,
                message_rate: reached.message_rate,
                max_lag: reached.max_lag,
                backlog: reached.backlog,
            },
            log_lost: report.log_lost,
        }
    }
}

impl From<Listening> for Listener {
    fn from(Listening { address, protocol, tls }: Listening) -> Listener {
        Listener { address, protocol: protocol.to_owned(), tls }
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
