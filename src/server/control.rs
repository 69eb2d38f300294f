//! The operations that an administrator can request, whatever the transport of the request.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::{HistoryReport, Server, Source, allow_descriptors, clock, history_limit, lock, reserved};
use crate::chat::{Event, Nick, Reason, clean};
use crate::config::file::LoadError;
use crate::config::{Config, Endpoint};
use crate::connections::Snapshot;
use crate::net::certificate::Facts;
use crate::net::tls::TlsInForce;
use crate::{log, systemd};

/// All users who have a name, unsorted: sorting ten thousand takes milliseconds.
#[derive(Debug)]
pub struct UserList(pub Vec<Snapshot>);

/// No user has this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchUser(pub String);

/// A notice that cannot be shown on a terminal, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidNotice(pub String);

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Its address.
    pub address: String,
    /// The name of its protocol.
    pub protocol: &'static str,
    /// Whether it uses TLS.
    pub tls: bool,
}

/// The current status. Counters start at zero when the daemon starts.
#[derive(Debug, Clone)]
pub struct StatusReport {
    /// When the daemon started.
    pub started: SystemTime,
    /// The time since then, by a monotonic clock.
    pub uptime: Duration,
    /// Users who have a name.
    pub users: usize,
    /// Connections, including those without a name.
    pub connections: usize,
    /// Connections that the daemon rejected, or closed before they had a name.
    pub refused: u64,
    /// The bans in force.
    pub bans: usize,
    /// Messages that clients sent to the room.
    pub messages: u64,
    /// Messages per second, averaged over the last minute.
    pub messages_per_second: f64,
    /// The listeners for clients.
    pub listening: Vec<Listening>,
    /// The certificate in use, and whether it is self-signed.
    pub certificate: Option<(Facts, bool)>,
    /// How often each limit was reached.
    pub reached: LimitCounts,
    /// Log entries that were lost.
    pub log_lost: u64,
    /// The history on disk.
    pub history: HistoryReport,
}

/// How often each limit of the configuration was reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitCounts {
    /// How often accepting paused because the limit on connections was reached.
    pub connections: u64,
    /// Clients rejected because their address had reached its limit.
    pub connections_per_address: u64,
    /// Clients that had to wait or were rejected because too many came at a time.
    pub connection_rate: u64,
    /// The same, because too many came from their address.
    pub connection_rate_per_address: u64,
    /// Clients whose TLS handshake took too long.
    pub handshake_timeout: u64,
    /// Clients that gave no name in time.
    pub login_timeout: u64,
    /// Clients of which too many names or logins were refused.
    pub login_attempts: u64,
    /// How often a client's input was throttled because it sent too fast.
    pub message_rate: u64,
    /// How often a client's input was throttled because too much was said in the room or from its address.
    pub room_rate: u64,
    /// Clients disconnected because they read too slowly.
    pub max_lag: u64,
    /// Clients disconnected because all clients together lagged too far behind.
    pub backlog: u64,
}

impl Server {
    /// All users who have a name. Other tasks run in between: a user who comes or goes meanwhile may be missing, but one
    /// who is here throughout is listed exactly once, even if the name changes.
    pub async fn list(&self) -> UserList {
        let now = clock::now();
        let mut found = Vec::new();
        // By connection and not by name, which may change.
        self.driver.for_each(|connections, id| found.extend(connections.snapshot(id, now))).await;
        UserList(found)
    }

    /// Disconnects a user and tells the room why. It takes effect in the room at once, even if the client does not read.
    ///
    /// # Errors
    /// No user has this name.
    pub fn kick(&self, name: &str, reason: Option<&str>, uid: u32) -> Result<(), NoSuchUser> {
        let nobody = || NoSuchUser(name.to_owned());
        let nick = Nick::new(name).map_err(|_| nobody())?;
        let now = clock::now();
        let mut connections = self.driver.lock();
        let limit = connections.limits().line_length;
        let reason = reason.map(|reason| clean(reason.as_bytes(), limit).text);
        let kicked = Reason::Kicked(reason.as_deref().filter(|reason| !reason.is_empty()).map(Into::into));
        let id = connections.find(&nick).ok_or_else(nobody)?;
        let Snapshot { person, address, .. } = connections.snapshot(id, now).ok_or_else(nobody)?;
        info!(chatd.event = "kick", chatd.user = %person.nick, chatd.address = %address,
            chatd.reason = reason.as_deref(), chatd.uid = uid, "{} was kicked by an administrator", person.nick);
        connections.close(id, now, &kicked);
        Ok(())
    }

    /// Sends a notice to the room as the administrator; returns the number of members.
    ///
    /// # Errors
    /// The text is not one line that can be shown on a terminal.
    pub fn notice(&self, text: &str, uid: u32) -> Result<usize, InvalidNotice> {
        let mut connections = self.driver.lock();
        let limit = connections.limits().line_length;
        let invalid = |reason: &str| Err(InvalidNotice(reason.to_owned()));
        let cleaned = clean(text.trim().as_bytes(), limit);
        if cleaned.changes.removed + cleaned.changes.sequences > 0 {
            return invalid("it has line breaks or other control characters");
        }
        if cleaned.text.is_empty() {
            return invalid("it is empty");
        }
        if cleaned.changes.cut {
            return invalid(&format!("it is longer than {limit} bytes, which is limits.line-length"));
        }
        connections.commit(clock::now(), &Event::Notice(cleaned.text));
        let reached = connections.state.room.members.len();
        drop(connections);
        info!(
            chatd.event = "notice",
            chatd.uid = uid,
            "an administrator's notice went to {}",
            super::counted(reached as u64, "user")
        );
        Ok(reached)
    }

    /// The current status.
    #[must_use]
    pub fn status_report(&self) -> StatusReport {
        let now = clock::now();
        let configured = self.configuration().tls.is_some();
        let keep = self.configuration().history.keep;
        let (connection_rate, connection_rate_per_address) = {
            let arrivals = lock(&self.arrivals);
            (arrivals.in_all, arrivals.per_address)
        };
        let mut connections = self.driver.lock();
        let counters = &mut connections.counters;
        let reached = LimitCounts {
            connections: self.admissions.full.load(Ordering::Relaxed),
            connections_per_address: self.admissions.address_full.load(Ordering::Relaxed),
            connection_rate,
            connection_rate_per_address,
            handshake_timeout: self.handshake_timeout.load(Ordering::Relaxed),
            login_timeout: counters.login_timeout,
            login_attempts: counters.login_attempts,
            message_rate: counters.message_rate,
            room_rate: counters.room_rate,
            max_lag: counters.max_lag,
            backlog: counters.backlog,
        };
        StatusReport {
            started: UNIX_EPOCH + Duration::from_millis(self.started.unix),
            uptime: Duration::from_micros(now.ticks.saturating_sub(self.started.ticks)),
            refused: counters.refused,
            messages: counters.messages.total(),
            messages_per_second: counters.messages.per_second(now),
            users: connections.state.people.len(),
            bans: connections.state.room.bans.iter(now.unix).count(),
            connections: self.admissions.open(),
            listening: self.listening.clone(),
            certificate: self.tls.as_ref().map(|tls| ((*tls.facts()).clone(), !configured)),
            reached,
            log_lost: log::lost(),
            history: HistoryReport { keep, status: self.store.status() },
        }
    }

    /// Reads the configuration and the certificates again. Changes that need a restart cause a warning; no client is
    /// disconnected. `uid`: the administrator who asks; `None` for a signal.
    ///
    /// # Errors
    /// Every mistake. The old configuration then stays, and the mistakes are in the log and the status line.
    pub async fn reload(&self, uid: Option<u32>) -> Result<Vec<String>, Vec<String>> {
        let _turn = self.reading.lock().await;
        systemd::reloading();
        let outcome = self.try_reload().await;
        match &outcome {
            Ok(warnings) => {
                for warning in warnings {
                    warn!(chatd.event = "configuration", "{warning}");
                }
                info!(chatd.event = "reload", chatd.uid = uid, "configuration and certificates were reloaded");
                self.set_reload_error(None);
            }
            Err(mistakes) => {
                for mistake in mistakes {
                    warn!(chatd.event = "reload-failed", chatd.uid = uid, "{mistake}");
                }
                self.set_reload_error(mistakes.first().map(|first| format!("reload failed: {first}")));
            }
        }
        systemd::ready();
        outcome
    }

    async fn try_reload(&self) -> Result<Vec<String>, Vec<String>> {
        let (source, tls) = (self.source.clone(), self.tls.clone());
        // On another thread, so that a slow disk does not delay the chat.
        let read = spawn_blocking(move || read(&source, tls.as_deref())).await;
        let mut new = read.map_err(|e| vec![e.to_string()])??;
        self.report_certificate();
        log::configure(&new.log).map_err(|e| vec![e.to_string()])?;
        new.limits.connections = allow_descriptors(&new);
        let old = self.replace_configuration(new.clone());
        let mut connections = self.driver.lock();
        connections.state.set_history_limit(history_limit(&new));
        let reserved = reserved(&new.room.reserved_names, connections.irc());
        connections.state.people.set_reserved(reserved);
        // A topic set by users stays, unless the administrator has changed the configured one.
        if new.room.topic != old.room.topic && *new.room.topic != *connections.state.room.topic.text {
            let topic = Event::Topic { by: None, text: new.room.topic.as_str().into() };
            connections.commit(clock::now(), &topic);
        }
        connections.state.set_durable(!new.history.keep.is_zero());
        drop(connections);
        self.store.set_keep(new.history);
        self.set_limits(new.limits.clone());
        self.set_irc(&new.irc);
        Ok([new.warnings(""), unchangeable(&old, &new)].concat())
    }
}

impl Server {
    /// Has the daemon restart without disconnecting anybody, unless the next process could not start. `uid`: the
    /// administrator who asks; `None` for a signal.
    ///
    /// # Errors
    /// Every mistake in the configuration. Nothing has happened then.
    pub async fn restart(&self, uid: Option<u32>) -> Result<(), Vec<String>> {
        let outcome = self.check_restart().await.and_then(|wanted| self.check_sockets(&wanted));
        match &outcome {
            Ok(()) => {
                info!(chatd.event = "restart", chatd.uid = uid, "chatd restarts");
                self.restart.notify_one();
            }
            Err(mistakes) => {
                for mistake in mistakes {
                    warn!(chatd.event = "restart-failed", chatd.uid = uid, "{mistake}");
                }
            }
        }
        outcome
    }

    /// Whether this daemon has all sockets of systemd that these need: if it restarts by itself, it is given no others.
    fn check_sockets(&self, wanted: &[Endpoint]) -> Result<(), Vec<String>> {
        let missing = wanted.iter().filter(|endpoint| !self.endpoints.contains(endpoint));
        let mistakes: Vec<String> = missing
            .filter_map(|endpoint| match endpoint {
                Endpoint::Systemd(name) => Some(format!(
                    "the socket {name:?} is systemd's to hand over, when it starts chatd: systemctl restart chatd"
                )),
                Endpoint::Tcp(_) | Endpoint::Unix(_) => None,
            })
            .collect();
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    /// Whether the next process can start, as far as the configuration is concerned. Returns the endpoints that it needs.
    ///
    /// # Errors
    /// Every mistake.
    pub async fn check_restart(&self) -> Result<Vec<Endpoint>, Vec<String>> {
        let source = self.source.clone();
        let check = spawn_blocking(move || {
            let config = load(&source)?;
            if let Some(tls) = config.tls.as_ref().filter(|_| config.listen.iter().any(|listen| listen.tls)) {
                TlsInForce::check(tls, SystemTime::now())
                    .map_err(|e| vec![e.place().complaint(config.file.as_deref(), &e.to_string())])?;
            }
            let listeners = config.listen.into_iter().map(|listen| listen.endpoint);
            Ok(listeners.chain([config.admin.endpoint]).collect())
        });
        check.await.map_err(|e| vec![e.to_string()])?
    }

    /// Waits until somebody wants the daemon to restart. Cancel safe.
    pub async fn restart_requested(&self) {
        self.restart.notified().await;
    }
}

/// Reads the configuration. Blocks on disk I/O.
fn load(source: &Source) -> Result<Config, Vec<String>> {
    source.load().map_err(|e| match e {
        LoadError::Mistakes(mistakes) => mistakes.to_string().lines().map(str::to_owned).collect(),
        other => vec![other.to_string()],
    })
}

/// Reads the configuration, then the certificates that it names, and uses these at once. Blocks on disk I/O.
fn read(source: &Source, tls: Option<&TlsInForce>) -> Result<Config, Vec<String>> {
    let new = load(source)?;
    // Checked before anything is used, so that either all of it takes effect or nothing.
    log::check(&new.log).map_err(|e| vec![e.to_string()])?;
    if let Some(tls) = tls {
        tls.reload(new.tls.as_ref(), SystemTime::now())
            .map_err(|e| vec![e.place().complaint(new.file.as_deref(), &e.to_string())])?;
    }
    Ok(new)
}

/// Warnings about changed keys that need a restart.
fn unchangeable(old: &Config, new: &Config) -> Vec<String> {
    let changed = [
        ("room.name", old.room.name != new.room.name),
        ("listen", old.listen != new.listen),
        ("admin", old.admin != new.admin),
        ("irc.server-name", old.irc.server_name != new.irc.server_name),
    ];
    let names = changed.into_iter().filter_map(|(name, changed)| changed.then_some(name));
    names.map(|name| format!("{name} has changed in the configuration; that takes a restart")).collect()
}
