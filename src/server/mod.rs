//! Accept loops, limits and drain: everything that runs between the start of the daemon and its stop.
//!
//! It gives sockets to sessions and knows nothing of what is said in them. Administrators ask it things
//! ([`control`](self)), and it does not know by which way they came.

mod accept;
mod control;

use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, interval, sleep, timeout_at};
use tracing::{info, warn};

use crate::admin::types;
use crate::chat::Reason;
use crate::config::file::{self, LoadError};
use crate::config::{self, Config, Limits};
use crate::dialect::{Protocol, irc};
use crate::directories::Directories;
use crate::net::Listener;
use crate::net::certificate::EXPIRY_WARNING;
use crate::net::tls::{Refresh, TlsInForce};
use crate::room::{HistoryLimit, Room};
use crate::session::{Admissions, Alarms, Clock, Context, Counters, Delivery, Driver, Sessions, Watchers};
use crate::systemd::{self, Pulse};

pub use control::Found;

/// How often it is said again that the certificate is about to end.
const EXPIRY_REMINDER: Duration = Duration::from_secs(24 * 3600);
/// How often the certificate's files are looked at when no client comes.
const CERTIFICATE_CHECK: Duration = Duration::from_secs(60);
/// How long to wait if the kernel does not say any more what sockets have. It should never come to that.
const KERNEL_TROUBLE: Duration = Duration::from_secs(1);
/// How long the clients may go on talking when the daemon stops: what they have said by then is still delivered.
const HEARING: Duration = Duration::from_secs(1);
/// How long the clients may take to be gone when the daemon stops, the hearing included.
const DRAIN: Duration = Duration::from_millis(4500);

/// Where the configuration comes from, each time it is read.
#[derive(Debug, Clone)]
pub struct Source {
    /// `--config`, if it was given.
    pub path: Option<PathBuf>,
    /// Where things are without a configuration.
    pub directories: Directories,
}

impl Source {
    /// Reads it.
    ///
    /// # Errors
    /// It cannot be read, or has mistakes.
    pub fn load(&self) -> Result<Config, LoadError> {
        match &self.path {
            Some(path) => file::load(path, &self.directories),
            None => file::load_standard(&self.directories),
        }
    }
}

/// The running server.
pub struct Server {
    context: Arc<Context>,
    admissions: Arc<Admissions>,
    /// Clients whose TLS handshake took too long.
    handshake_timeout: AtomicU64,
    tls: Option<Arc<TlsInForce>>,
    source: Source,
    /// Held while files are read again: never by two at once.
    reading: Arc<tokio::sync::Mutex<()>>,
    configuration: Mutex<Config>,
    listening: Vec<types::Listener>,
    started: SystemTime,
    status: systemd::Status,
    /// What the status line says of the last reload, if it failed.
    trouble: Mutex<Option<String>>,
    expiry_warned: Mutex<Option<SystemTime>>,
}

/// A listener and what the configuration says of it.
pub type Bound = (Listener, config::Listen);

impl Server {
    /// A server for these listeners; it does nothing before [`run`](Self::run). Must be made on the runtime.
    ///
    /// # Errors
    /// The process or the machine is out of something.
    pub fn new(source: Source, configuration: Config, tls: Option<TlsInForce>, bound: &[Bound]) -> io::Result<Server> {
        let room = &configuration.room;
        let clock = Clock::default();
        let irc = irc::Server {
            name: configuration.irc.server_name.as_str().into(),
            room: room.name.as_str().into(),
            autojoin: configuration.irc.autojoin,
            started: clock.now().unix,
            secure_port: secure_port(&configuration, bound),
            markers: Arc::default(),
        };
        let context = Context {
            room: Room::new(clock.now(), &room.name, &room.topic, history_limit(&configuration)),
            sessions: Sessions::new()?,
            watchers: Watchers::default(),
            alarms: Alarms::default(),
            clock,
            irc: RwLock::new(Arc::new(irc)),
            limits: RwLock::new(Arc::new(configuration.limits.clone())),
            counters: Counters::default(),
            stopping: AtomicBool::new(false),
        };
        let listening = bound.iter().map(|(listener, how)| types::Listener {
            address: listener.description(),
            protocol: Protocol::name(how.protocol.as_ref()).to_owned(),
            tls: how.tls,
        });
        Ok(Server {
            context: Arc::new(context),
            admissions: Arc::default(),
            handshake_timeout: AtomicU64::new(0),
            tls: tls.map(Arc::new),
            source,
            reading: Arc::default(),
            listening: listening.collect(),
            configuration: Mutex::new(configuration),
            started: SystemTime::now(),
            status: systemd::Status::default(),
            trouble: Mutex::default(),
            expiry_warned: Mutex::default(),
        })
    }

    /// Starts everything that runs until [`stop`](Self::stop); dropping what is returned ends the accept loops.
    #[must_use]
    pub fn run(self: &Arc<Self>, bound: Vec<Bound>, pulse: &Pulse) -> JoinSet<()> {
        let mut accepting = JoinSet::new();
        for (listener, how) in bound {
            let beat = pulse.member(format!("accept {}", listener.description()));
            accepting.spawn(accept::accept(self.clone(), listener, how, beat));
        }
        let (server, beat) = (self.clone(), pulse.member("delivery"));
        tokio::spawn(async move {
            let delivery = Delivery::new(server.context.clone());
            loop {
                beat.answer_while(delivery.rung()).await;
                delivery.round().await;
                server.status.touch();
            }
        });
        let (mut driver, beat) = (Driver::new(self.context.clone()), pulse.member("sessions"));
        tokio::spawn(async move {
            loop {
                if let Err(e) = beat.answer_while(driver.ready()).await {
                    warn!("cannot wait for clients' sockets: {e}");
                    sleep(KERNEL_TROUBLE).await;
                }
                driver.serve().await;
            }
        });
        let context = self.context.clone();
        tokio::spawn(async move { context.alarms.run(&context.clock, &context.sessions.woken).await });
        let server = self.clone();
        tokio::spawn(async move { server.status.run(|| server.status_line()).await });
        self.status.touch();
        if self.tls.is_some() {
            self.report_certificate();
            let server = self.clone();
            tokio::spawn(async move {
                let mut check = interval(CERTIFICATE_CHECK);
                loop {
                    check.tick().await;
                    server.refresh_certificate().await;
                    server.warn_of_expiry();
                }
            });
        }
        accepting
    }

    /// Tells everybody, sends them what they are owed, and waits until they are gone, for 4.5 s at most. Accepting
    /// must have ended.
    pub async fn stop(&self) {
        let (hearing, deadline) = (Instant::now() + HEARING, Instant::now() + DRAIN);
        self.context.stopping.store(true, Ordering::Relaxed);
        // Everything said by now is delivered to all before the first of them goes. Each turn looks at the sockets and
        // takes a bounded piece from each; whoever never stops talking is interrupted.
        let mut more = true;
        while more && Instant::now() < hearing {
            more = false;
            tokio::task::yield_now().await;
            self.context.sessions.for_each(|session| more |= session.hear_out(&self.context)).await;
        }
        self.context.sessions.for_each(|session| session.close(Reason::Stopping)).await;
        if timeout_at(deadline, self.context.sessions.gone()).await.is_err() {
            warn!("{} clients were cut off: they did not read in time", self.context.sessions.count());
        }
    }

    fn status_line(&self) -> String {
        let users = counted(self.context.room.lock().roster().len(), "user");
        let connections = counted(self.admissions.open(), "connection");
        let messages = counted(self.context.counters.messages.total(), "message");
        let line = format!("{users}, {connections}, {messages}");
        match &*lock(&self.trouble) {
            None => line,
            Some(trouble) => format!("{line}; {trouble}"),
        }
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *lock(&self.trouble) = trouble;
        // The status that systemctl shows right after a reload must be the new one.
        systemd::status(&self.status_line());
    }

    fn configuration(&self) -> MutexGuard<'_, Config> {
        lock(&self.configuration)
    }

    fn replace_configuration(&self, new: Config) -> Config {
        std::mem::replace(&mut *self.configuration(), new)
    }

    fn set_limits(&self, limits: Limits) {
        *self.context.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
        self.admissions.limit_changed();
    }

    fn set_irc(&self, new: &config::Irc) {
        let mut irc = self.context.irc.write().unwrap_or_else(PoisonError::into_inner);
        *irc = Arc::new(irc::Server { autojoin: new.autojoin, ..(**irc).clone() });
    }

    /// Takes a renewed certificate, if there is one. Cancel safe: it is taken all the same.
    async fn refresh_certificate(self: &Arc<Self>) {
        let Some(tls) = self.tls.clone() else { return };
        let Some(changed) = tls.look(SystemTime::now()) else { return };
        // While files are read, perhaps from a disk that does not answer, nobody waits to read them, too.
        let Ok(turn) = self.reading.clone().try_lock_owned() else { return };
        let server = self.clone();
        let refresh = spawn_blocking(move || {
            let _turn = turn;
            match tls.refresh(changed, SystemTime::now()) {
                Refresh::Unchanged => {}
                Refresh::Renewed(_) => server.report_certificate(),
                Refresh::Bad(e) => {
                    warn!(chatd.event = "certificate-failed", "the new certificate is not used: {e}");
                }
            }
        });
        // It has said itself what came of it.
        let _ = refresh.await;
    }

    fn report_certificate(&self) {
        let Some(tls) = &self.tls else { return };
        let facts = tls.facts();
        info!(
            chatd.event = "certificate",
            "the certificate is {}, valid until {}, SHA-256 fingerprint {}",
            facts.subject,
            humantime::format_rfc3339_seconds(facts.not_after),
            facts.fingerprint
        );
        *lock(&self.expiry_warned) = None;
        self.warn_of_expiry();
    }

    fn warn_of_expiry(&self) {
        let (Some(tls), now) = (&self.tls, SystemTime::now()) else { return };
        let facts = tls.facts();
        let mut warned = lock(&self.expiry_warned);
        let lately = warned.is_some_and(|at| now.duration_since(at).is_ok_and(|ago| ago < EXPIRY_REMINDER));
        if !lately && (facts.is_expired(now) || facts.expires_within(EXPIRY_WARNING, now)) {
            *warned = Some(now);
            let when = humantime::format_rfc3339_seconds(facts.not_after);
            let verb = if facts.is_expired(now) { "has expired" } else { "expires soon" };
            warn!(chatd.event = "certificate-expiring", "the certificate {} {verb}: {when}", facts.subject);
        }
    }
}

/// What a newcomer is shown must not already be more than a client may lag behind.
fn history_limit(configuration: &Config) -> HistoryLimit {
    HistoryLimit { length: configuration.room.history, size: configuration.limits.max_lag / 2 }
}

/// The port that IRC clients are sent to for TLS: only if strangers can verify the certificate.
fn secure_port(configuration: &Config, bound: &[Bound]) -> Option<u16> {
    configuration.tls.as_ref()?;
    bound.iter().filter(|(_, how)| how.tls).find_map(|(listener, _)| Some(listener.tcp_address()?.port()))
}

/// `1 user`, `2 users`.
fn counted<N: Display + PartialEq + From<u8>>(number: N, what: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
