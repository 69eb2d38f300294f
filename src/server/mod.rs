//! The running server: accept loops, limits, certificate renewal and drain.
//!
//! It connects sockets with sessions and does not look at what is said. Its submodule `control` has the operations for
//! administrators, whatever the transport of their requests.

mod accept;
mod arrivals;
mod backup;
mod bans;
pub mod clock;
mod control;
mod courtesy;
mod descriptors;
mod driver;
mod handover;
mod handshakes;
mod history;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking, yield_now};
use tokio::time::{Instant, interval, sleep, timeout_at};
use tracing::{info, warn};

use crate::chat::{Now, Reason};
use crate::config::file::{self, LoadError};
use crate::config::{self, Config, Endpoint, Limits};
use crate::connections::Connections;
use crate::dialect::{Protocol, irc};
use crate::directories::Directories;
use crate::handover::Handover;
use crate::net::certificate::EXPIRY_WARNING;
use crate::net::tls::{Refresh, TlsInForce};
use crate::net::{Admissions, Listener, Transport};
use crate::people::Reserved;
use crate::room::{HistoryLimit, State};
use crate::store::Store;
use crate::systemd::{self, Watchdog};

use arrivals::Arrivals;
pub use backup::{Backup, BackupError};
pub use bans::{BanError, BanRequest, Banned};
pub use control::{InvalidNotice, Listening, NoSuchUser, StatusReport, UserList};
use courtesy::Courtesy;
pub use descriptors::{allow_all_descriptors, allow_descriptors};
pub use driver::Driver;
pub use handover::Restarting;
use handshakes::Handshakes;
pub use history::{Follower, HistoryReport};

/// How often the warning about the certificate's expiry is repeated.
const EXPIRY_REMINDER: Duration = Duration::from_secs(24 * 3600);
/// How often the certificate's files are checked when no client connects.
const CERTIFICATE_CHECK: Duration = Duration::from_secs(60);
/// How long to pause if the poller fails, which it should never do.
const POLL_RETRY: Duration = Duration::from_secs(1);
/// How long input is still processed when the daemon stops. What is processed by then is still delivered.
const DRAIN_INPUT: Duration = Duration::from_secs(1);
/// How long the whole stop may take until all connections are closed, including [`DRAIN_INPUT`].
const DRAIN: Duration = Duration::from_secs(4);

/// Where the configuration is read from.
#[derive(Debug, Clone)]
pub struct Source {
    /// `--config`, if it was given.
    pub path: Option<PathBuf>,
    /// The default directories.
    pub directories: Directories,
}

impl Source {
    /// Reads the configuration.
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
    driver: Driver,
    admissions: Arc<Admissions>,
    handshakes: Handshakes,
    courtesy: Courtesy,
    arrivals: Mutex<Arrivals>,
    /// Whether those who wait for their turn are served at once, because the daemon stops or restarts.
    hurry: watch::Sender<bool>,
    /// Clients whose TLS handshake took too long.
    handshake_timeout: AtomicU64,
    tls: Option<Arc<TlsInForce>>,
    store: Arc<Store>,
    /// A permit for the backup that may be made.
    backups: Arc<Semaphore>,
    /// Changes with each delivery.
    delivered: watch::Sender<()>,
    source: Source,
    /// Held while files are read again, so that reloads do not overlap.
    reading: tokio::sync::Mutex<()>,
    configuration: Mutex<Config>,
    listening: Vec<Listening>,
    /// What it listens on, also for administrators.
    endpoints: Vec<Endpoint>,
    started: Now,
    status: systemd::Status,
    /// The status line's text about the last reload, if it failed.
    reload_error: Mutex<Option<String>>,
    expiry_warned: Mutex<Option<SystemTime>>,
    /// An administrator wants the daemon to restart.
    restart: Notify,
    /// Whether it restarts now. Whoever is to be told first has subscribed.
    restarting: watch::Sender<bool>,
}

/// A listener and its configuration.
pub type Bound = (Arc<Listener>, config::Listen);

impl Server {
    /// A server for these listeners, with what the process before has handed over; it does nothing before
    /// [`run`](Self::run). Must be called on the runtime.
    ///
    /// # Errors
    /// The process or the system is out of descriptors or memory. What was handed over is still there.
    pub fn new(
        source: Source,
        configuration: Config,
        tls: Option<TlsInForce>,
        bound: &[Bound],
        handover: &mut Option<Handover>,
    ) -> io::Result<Server> {
        let (store, kept) = Store::start(&source.directories.state, configuration.history, configuration.room.history)?;
        let connections = empty_connections(&configuration, clock::now(), secure_port(&configuration, bound));
        let driver = Driver::new(connections)?;
        let (common, clients) = handover::opened(handover.take());
        let before = match common {
            Some(common) => Some(handover::go_on(&mut driver.lock(), common, kept, &configuration)),
            None => {
                history::resume(&mut driver.lock().state, kept, &configuration, clock::now());
                None
            }
        };
        let listening = bound.iter().map(|(listener, how)| Listening {
            address: listener.description(),
            protocol: Protocol::name(how.protocol.as_ref()),
            tls: how.tls,
        });
        let endpoints = bound.iter().map(|(_, how)| how.endpoint.clone());
        let server = Server {
            driver,
            admissions: Arc::default(),
            handshakes: Handshakes::default(),
            courtesy: Courtesy::default(),
            arrivals: Mutex::default(),
            hurry: watch::Sender::default(),
            handshake_timeout: AtomicU64::new(0),
            tls: tls.map(Arc::new),
            store: Arc::new(store),
            backups: Arc::new(Semaphore::new(1)),
            delivered: watch::Sender::default(),
            source,
            reading: tokio::sync::Mutex::default(),
            listening: listening.collect(),
            endpoints: endpoints.chain([configuration.admin.endpoint.clone()]).collect(),
            configuration: Mutex::new(configuration),
            started: clock::now(),
            status: systemd::Status::default(),
            reload_error: Mutex::default(),
            expiry_warned: Mutex::default(),
            restart: Notify::new(),
            restarting: watch::Sender::default(),
        };
        if let Some(before) = before {
            server.take_over(clients, &before);
        }
        Ok(server)
    }

    /// Starts everything that runs as long as the daemon does; dropping what is returned ends the accept loops.
    #[must_use]
    pub fn run(self: &Arc<Self>, bound: &[Bound], watchdog: &Watchdog) -> JoinSet<()> {
        let mut accepting = JoinSet::new();
        for (listener, how) in bound {
            let heartbeat = watchdog.register(format!("accept {}", listener.description()));
            accepting.spawn(accept::accept(self.clone(), listener.clone(), how.clone(), heartbeat));
        }
        let (server, heartbeat) = (self.clone(), watchdog.register("delivery"));
        tokio::spawn(async move {
            loop {
                heartbeat.answer_while(server.driver.appended()).await;
                server.driver.deliver().await;
                server.delivered.send_replace(());
                server.status.touch();
            }
        });
        let (server, heartbeat) = (self.clone(), watchdog.register("sessions"));
        tokio::spawn(async move {
            let mut events = Vec::new();
            loop {
                if let Err(e) = heartbeat.answer_while(server.driver.ready(&mut events)).await {
                    warn!("cannot wait for clients' sockets: {e}");
                    sleep(POLL_RETRY).await;
                }
                server.driver.serve(&mut events).await;
            }
        });
        let server = self.clone();
        tokio::spawn(async move { server.driver.run_alarms().await });
        tokio::spawn(self.clone().run_store());
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
                    let server = server.clone();
                    // On another thread: a disk that does not answer delays only the next check.
                    let check = spawn_blocking(move || {
                        server.refresh_certificate();
                        server.warn_of_expiry();
                    });
                    // The check logs its own outcome.
                    let _ = check.await;
                }
            });
        }
        accepting
    }

    /// Processes the input that has arrived, says goodbye, sends all unsent output, and waits until the connections are
    /// closed, for 4 s at most. Accepting must have ended.
    pub async fn say_goodbye(&self) {
        let (input_deadline, deadline) = (Instant::now() + DRAIN_INPUT, Instant::now() + DRAIN);
        self.serve_waiting().await;
        self.driver.lock().begin_stop();
        // Everything that was said so far is delivered to all before the first session is closed. Turns process a bounded
        // amount of input each; clients that do not stop sending are cut off after `DRAIN_INPUT`.
        self.driver.for_each(Connections::drain_input).await;
        while self.driver.lock().has_woken() && Instant::now() < input_deadline {
            yield_now().await;
        }
        self.driver.for_each(|connections, id| connections.close(id, clock::now(), &Reason::Stopping)).await;
        if timeout_at(deadline, self.driver.empty()).await.is_err() {
            warn!("{} clients were cut off: they did not read in time", self.driver.lock().len());
        }
    }

    /// Serves those at once who wait for their turn.
    async fn serve_waiting(&self) {
        self.hurry.send_replace(true);
        // Their tasks run.
        yield_now().await;
    }

    fn status_line(&self) -> String {
        let connections = self.driver.lock();
        let users = counted(connections.state.people.len() as u64, "user");
        let messages = counted(connections.counters.messages.total(), "message");
        drop(connections);
        let line = format!("{users}, {}, {messages}", counted(self.admissions.open() as u64, "connection"));
        let troubles = [lock(&self.reload_error).clone(), self.store.status().trouble];
        [line].into_iter().chain(troubles.into_iter().flatten()).collect::<Vec<_>>().join("; ")
    }

    fn set_reload_error(&self, reload_error: Option<String>) {
        *lock(&self.reload_error) = reload_error;
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
        self.driver.lock().set_limits(Arc::new(limits));
        self.admissions.limit_changed();
    }

    fn set_irc(&self, new: &config::Irc) {
        let mut connections = self.driver.lock();
        let irc = irc::Server { autojoin: new.autojoin, ..(**connections.irc()).clone() };
        connections.set_irc(Arc::new(irc));
    }

    /// Loads a renewed certificate, if there is one. Blocks on disk I/O.
    fn refresh_certificate(&self) {
        let Some(tls) = &self.tls else { return };
        let Some(changed) = tls.check_files(SystemTime::now()) else { return };
        // Another task is reading the same files already.
        let Ok(_turn) = self.reading.try_lock() else { return };
        match tls.refresh(changed, SystemTime::now()) {
            Refresh::Unchanged => {}
            Refresh::Renewed(_) => self.report_certificate(),
            Refresh::Bad(e) => {
                warn!(chatd.event = "certificate-failed", "the new certificate is not used: {e}");
            }
        }
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

/// No connections, and an empty room as configured. `secure_port`: the port for TLS that IRC clients are told.
pub(crate) fn empty_connections<T: Transport>(
    configuration: &Config,
    now: Now,
    secure_port: Option<u16>,
) -> Connections<T> {
    let room = &configuration.room;
    let irc = irc::Server {
        name: configuration.irc.server_name.as_str().into(),
        room: room.name.as_str().into(),
        autojoin: configuration.irc.autojoin,
        started: now.unix,
        secure_port,
    };
    let mut state = State::new(now, &room.name, &room.topic, history_limit(configuration));
    state.people.set_reserved(reserved(&room.reserved_names, &irc));
    Connections::new(state, Arc::new(configuration.limits.clone()), Arc::new(irc))
}

/// The names that nobody can take: these, the room's and the server's.
fn reserved(names: &[String], irc: &irc::Server) -> Reserved {
    Reserved::new(names.iter().map(String::as_str).chain([&*irc.room, &*irc.name]))
}

/// The limit of the history. What a newcomer is sent must be less than a client may lag behind.
fn history_limit(configuration: &Config) -> HistoryLimit {
    HistoryLimit { length: configuration.room.history, size: configuration.limits.max_lag / 2 }
}

/// The port for TLS that IRC clients are told: only if they can verify the certificate.
fn secure_port(configuration: &Config, bound: &[Bound]) -> Option<u16> {
    configuration.tls.as_ref()?;
    bound.iter().filter(|(_, how)| how.tls).find_map(|(listener, _)| Some(listener.tcp_address()?.port()))
}

/// `1 user`, `2 users`.
fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
