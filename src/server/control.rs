//! What an administrator asks of the server, whoever carries the question.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::{Server, Source, history_limit};
use crate::admin::types::{Certificate, InvalidText, LimitsReached, NoSuchUser, Status, User, Users};
use crate::chat::{Event, Nick, Reason, clean};
use crate::config::Config;
use crate::config::file::LoadError;
use crate::net::tls::TlsInForce;
use crate::session::{Presence, Snapshot};
use crate::{log, systemd};

/// Everybody who has a name, as they were found.
#[derive(Debug)]
pub struct Found(pub(super) Vec<Snapshot>);

impl From<Found> for Users {
    /// Sorted by name. With ten thousand people this takes milliseconds.
    fn from(Found(mut found): Found) -> Users {
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

impl Server {
    /// Everybody who has a name. Others have their turn in between: whoever comes or goes meanwhile may be in it or not,
    /// but whoever is here all the time is in it once, under whatever names.
    pub async fn list(&self) -> Found {
        let (now, context) = (self.context.clock.now(), &self.context);
        let mut found = Vec::with_capacity(context.sessions.count());
        // By session and not by name, which may change.
        context.sessions.for_each(|session| found.extend(session.snapshot(now, &context.room))).await;
        Found(found)
    }

    /// Disconnects somebody and tells the room why. It takes effect in the room at once, also when the client reads
    /// nothing any more.
    ///
    /// # Errors
    /// Nobody here has this name.
    pub fn kick(&self, name: &str, reason: Option<&str>, uid: u32) -> Result<(), NoSuchUser> {
        let nobody = || NoSuchUser { name: name.to_owned() };
        let nick = Nick::new(name).map_err(|_| nobody())?;
        let reason = reason.map(|reason| clean(reason.as_bytes(), self.context.limits().line_length).text);
        let kicked = Reason::Kicked(reason.as_deref().filter(|reason| !reason.is_empty()).map(Into::into));
        let (nick, session) = {
            let mut room = self.context.room.lock();
            let person = room.roster().find(&nick).ok_or_else(nobody)?.person.clone();
            let session = room.leave(self.context.clock.now(), &person.nick, &kicked).ok_or_else(nobody)?;
            self.context.watchers.tell(&person, Presence::Gone);
            (person.nick.clone(), session)
        };
        info!(chatd.event = "kick", chatd.user = %nick, chatd.address = %session.address(),
            chatd.reason = reason.as_deref(), chatd.uid = uid, "{nick} was kicked by an administrator");
        session.log_left(&nick, &kicked);
        session.close(kicked);
        Ok(())
    }

    /// Says something to everybody as the administrator; returns how many are there to hear it.
    ///
    /// # Errors
    /// The text is not one line that people's terminals can be shown.
    pub fn notice(&self, text: &str, uid: u32) -> Result<u64, InvalidText> {
        let limit = self.context.limits().line_length;
        let invalid = |reason: &str| Err(InvalidText { reason: reason.to_owned() });
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
        let mut room = self.context.room.lock();
        room.append(self.context.clock.now(), Event::Notice(&cleaned.text));
        let reached = room.roster().present() as u64;
        drop(room);
        info!(
            chatd.event = "notice",
            chatd.uid = uid,
            "an administrator's notice went to {}",
            super::counted(reached, "user")
        );
        Ok(reached)
    }

    /// The numbers of the moment.
    #[must_use]
    pub fn status(&self) -> Status {
        let now = self.context.clock.now();
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.context.counters;
        let configured = self.configuration().tls.is_some();
        let certificate = self.tls.as_ref().map(|tls| {
            let facts = tls.facts();
            Certificate {
                subject: facts.subject.clone(),
                names: facts.names.clone(),
                not_after: facts.not_after,
                fingerprint: facts.fingerprint.clone(),
                self_signed: !configured,
            }
        });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started,
            uptime_seconds: now.ticks / 1_000_000,
            users: self.context.room.lock().roster().len() as u64,
            connections: self.admissions.open() as u64,
            refused: count(&counters.refused),
            messages: counters.messages.total(),
            messages_per_second: counters.messages.per_second(now),
            listeners: self.listening.clone(),
            certificate,
            limits_reached: LimitsReached {
                connections: count(&self.admissions.full),
                connections_per_address: count(&self.admissions.address_full),
                handshake_timeout: count(&self.handshake_timeout),
                login_timeout: count(&counters.login_timeout),
                message_rate: count(&counters.message_rate),
                max_lag: count(&counters.max_lag),
            },
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
                self.set_trouble(None);
            }
            Err(mistakes) => {
                for mistake in mistakes {
                    warn!(chatd.event = "reload-failed", chatd.uid = uid, "{mistake}");
                }
                self.set_trouble(mistakes.first().map(|first| format!("reload failed: {first}")));
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
        let mut room = self.context.room.lock();
        room.set_history_limit(history_limit(&new));
        // What people have made the topic stays, unless the administrator has changed it, too.
        if new.room.topic != old.room.topic {
            room.set_topic(self.context.clock.now(), None, &new.room.topic);
        }
        drop(room);
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
