//! What an administrator asks of the server, whoever carries the question.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::{Server, Source, history_limit};
use crate::chat::{Event, Nick, Reason, clean};
use crate::config::Config;
use crate::config::file::LoadError;
use crate::connections::Snapshot;
use crate::net::certificate::Facts;
use crate::net::tls::TlsInForce;
use crate::{log, systemd};

/// Everybody who has a name, in no order: with ten thousand people, sorting them takes milliseconds.
#[derive(Debug)]
pub struct UserList(pub Vec<Snapshot>);

/// Nobody has this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchUser(pub String);

/// A notice that cannot be shown on people's terminals, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidNotice(pub String);

/// A listener, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Where.
    pub address: String,
    /// The name of what is spoken there.
    pub protocol: &'static str,
    /// Whether over TLS.
    pub tls: bool,
}

/// The numbers of the moment. Counts begin with the daemon.
#[derive(Debug, Clone)]
pub struct StatusReport {
    /// When the daemon started.
    pub started: SystemTime,
    /// How long ago, by a clock that nobody sets.
    pub uptime: Duration,
    /// People who have a name.
    pub users: usize,
    /// Connections, those without a name included.
    pub connections: usize,
    /// Connections that were turned away, or ended before they had a name by the daemon's doing.
    pub refused: u64,
    /// Messages that clients sent to the room.
    pub messages: u64,
    /// The same each second, on the average of the last minute.
    pub messages_per_second: f64,
    /// Where clients come in.
    pub listening: Vec<Listening>,
    /// The certificate in use, and whether nobody but the daemon itself vouches for it.
    pub certificate: Option<(Facts, bool)>,
    /// How often each limit was reached.
    pub reached: LimitCounts,
    /// Entries of the log that were lost.
    pub log_lost: u64,
}

/// How often each limit of the configuration was reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitCounts {
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
    pub backlog: u64,
}

impl Server {
    /// Everybody who has a name. Others have their turn in between: whoever comes or goes meanwhile may be in it or not,
    /// but whoever is here all the time is in it once, under whatever names.
    pub async fn list(&self) -> UserList {
        let now = self.driver.clock.now();
        let mut found = Vec::new();
        // By connection and not by name, which may change.
        self.driver.for_each(|connections, id| found.extend(connections.snapshot(id, now))).await;
        UserList(found)
    }

    /// Disconnects somebody and tells the room why. It takes effect in the room at once, also when the client reads
    /// nothing any more.
    ///
    /// # Errors
    /// Nobody here has this name.
    pub fn kick(&self, name: &str, reason: Option<&str>, uid: u32) -> Result<(), NoSuchUser> {
        let nobody = || NoSuchUser(name.to_owned());
        let nick = Nick::new(name).map_err(|_| nobody())?;
        let now = self.driver.clock.now();
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

    /// Says something to everybody in the room as the administrator; returns how many are there to hear it.
    ///
    /// # Errors
    /// The text is not one line that people's terminals can be shown.
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
        connections.commit(self.driver.clock.now(), &Event::Notice(cleaned.text));
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

    /// The numbers of the moment.
    #[must_use]
    pub fn status_report(&self) -> StatusReport {
        let now = self.driver.clock.now();
        let configured = self.configuration().tls.is_some();
        let mut connections = self.driver.lock();
        let counters = &mut connections.counters;
        let reached = LimitCounts {
            connections: self.admissions.full.load(Ordering::Relaxed),
            connections_per_address: self.admissions.address_full.load(Ordering::Relaxed),
            handshake_timeout: self.handshake_timeout.load(Ordering::Relaxed),
            login_timeout: counters.login_timeout,
            message_rate: counters.message_rate,
            max_lag: counters.max_lag,
            backlog: counters.backlog,
        };
        StatusReport {
            started: self.started,
            uptime: Duration::from_micros(now.ticks),
            refused: counters.refused,
            messages: counters.messages.total(),
            messages_per_second: counters.messages.per_second(now),
            users: connections.state.people.len(),
            connections: self.admissions.open(),
            listening: self.listening.clone(),
            certificate: self.tls.as_ref().map(|tls| ((*tls.facts()).clone(), !configured)),
            reached,
            log_lost: log::lost(),
        }
    }

    /// Reads configuration and certificates again. What cannot change while clients are connected is said in a
    /// warning; no client is dropped. `uid`: the administrator who asks, if it was not a signal.
    ///
    /// # Errors
    /// Every mistake. Then all that was in force stays so, and the mistakes are in the log and the status line.
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
        // Whatever the disk takes, the room does not wait for it.
        let read = spawn_blocking(move || read(&source, tls.as_deref())).await;
        let new = read.map_err(|e| vec![e.to_string()])??;
        self.report_certificate();
        log::configure(&new.log).map_err(|e| vec![e.to_string()])?;
        let old = self.replace_configuration(new.clone());
        let mut connections = self.driver.lock();
        connections.state.set_history_limit(history_limit(&new));
        // What people have made the topic stays, unless the administrator has changed it, too.
        if new.room.topic != old.room.topic && *new.room.topic != *connections.state.room.topic.text {
            let topic = Event::Topic { by: None, text: new.room.topic.as_str().into() };
            connections.commit(self.driver.clock.now(), &topic);
        }
        drop(connections);
        self.set_limits(new.limits.clone());
        self.set_irc(&new.irc);
        Ok([new.warnings(""), unchangeable(&old, &new)].concat())
    }
}

/// Reads the configuration, and then the certificates that it names, which are in force at once. Blocks as long as the
/// disk does.
fn read(source: &Source, tls: Option<&TlsInForce>) -> Result<Config, Vec<String>> {
    let new = source.load().map_err(|e| match e {
        LoadError::Mistakes(mistakes) => mistakes.to_string().lines().map(str::to_owned).collect(),
        other => vec![other.to_string()],
    })?;
    // Looked at before anything is put in force: all of it is, or nothing.
    log::check(&new.log).map_err(|e| vec![e.to_string()])?;
    if let Some(tls) = tls {
        tls.reload(new.tls.as_ref(), SystemTime::now())
            .map_err(|e| vec![e.place().complaint(new.file.as_deref(), &e.to_string())])?;
    }
    Ok(new)
}

/// What is different in the new configuration but takes a restart.
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
