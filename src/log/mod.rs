//! The log: the systemd journal if available, otherwise lines on standard error.
//!
//! The rest of the program logs with `tracing`'s macros. Here an event becomes an owned [`Record`], is passed to
//! watchers and put into a bounded queue, from which one plain thread writes it. Only that thread can block on a
//! journal or a pipe that nobody reads. Entries that do not fit into the queue are counted, and the count is logged
//! when the thread runs again. Of rejected clients, who can be very many, all but the first few are counted (`flood`);
//! watchers see them all. This module knows nothing of the room, of sessions or of tokio's runtime.
//!
//! A call site gives a message, which names the user concerned but never contains an address, and fields. Known fields
//! are `chatd.event` (one of [`events::KINDS`]), `chatd.user`, `chatd.address`, `chatd.transport`, `chatd.protocol`,
//! `chatd.reason` and `chatd.uid`; they are appended to the message in parentheses. Any other field is appended as `
//! name=value`.

pub mod events;
mod flood;
mod journal;
mod layer;
mod record;
mod watch;
mod writer;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;
use tracing::callsite::rebuild_interest_cache;
use tracing::{Level, Metadata};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::config::{self, LogTarget};

use flood::Flood;

pub use journal::is_standard_error;
pub use record::Record;
pub use watch::{Missed, Watcher};

/// The maximum number of entries waiting for the writer thread; further ones are counted as lost.
const QUEUE: usize = 1024;

/// Why the log cannot be set up as requested.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// [`start`] was called before, or another global subscriber is installed.
    #[error("the log has been started already")]
    Started,
    /// The writer thread could not be started.
    #[error("the thread that writes the log cannot be started: {0}")]
    Thread(io::Error),
    /// `log.target` is `journal`, but the journal is not available.
    #[error(
        "log.target is \"journal\" but no journal answers at {path}: {0}; use \"auto\" or \"stderr\"",
        path = journal::SOCKET
    )]
    Journal(io::Error),
}

/// Starts the log with the settings used until the configuration is read: level `info`, target `auto`, addresses shown.
/// Call it once, before anything that may log.
///
/// # Errors
/// It was started before, or its thread cannot be started.
pub fn start() -> Result<(), Error> {
    // Whoever is told that it was started can rely on it.
    let _alone = lock(&SHARED.level_update);
    let work = lock(&SHARED.work).take().ok_or(Error::Started)?;
    SHARED.change(|settings| settings.target = Target::auto());
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || writer::run(&SHARED, &work))
        .map_err(Error::Thread)?;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer::LogLayer(&SHARED)))
        .map_err(|_| Error::Started)
}

/// Applies a configuration, at the start and at every reload; never blocks on the journal.
///
/// # Errors
/// [`Error::Journal`]; then the settings stay as they were.
pub fn configure(log: &config::Log) -> Result<(), Error> {
    let settings = Settings::of(log)?;
    SHARED.change(|old| *old = settings);
    SHARED.update_level();
    Ok(())
}

/// Whether [`configure`] would succeed, without doing it.
///
/// # Errors
/// The errors of [`configure`].
pub fn check(log: &config::Log) -> Result<(), Error> {
    Settings::of(log).map(drop)
}

/// Subscribes to events: every record that has a kind, whatever the log level, with its address.
pub fn watch() -> Watcher {
    SHARED.watch(false)
}

/// As [`watch`], but begins with what has happened since [`keep_beginning`], if that is still kept.
pub fn watch_from_start() -> Watcher {
    SHARED.watch(true)
}

/// From now on keeps the first events for [`watch_from_start`], or forgets them and keeps nothing.
pub fn keep_beginning(keep: bool) {
    SHARED.keep_beginning(keep);
}

/// Waits up to `deadline` until all entries so far have been written; returns whether they were.
///
/// Blocks the calling thread; meant for the end of the process.
pub fn flush(deadline: Duration) -> bool {
    SHARED.flush(deadline)
}

/// The number of entries lost since the start because they could not be written in time.
pub fn lost() -> u64 {
    SHARED.lost_ever.load(Ordering::Relaxed)
}

static SHARED: LazyLock<Shared> = LazyLock::new(Shared::new);

/// The state shared by the logging threads and the writer thread.
struct Shared {
    settings: RwLock<Settings>,
    queue: SyncSender<Work>,
    /// The queue's receiving end, until [`start`] passes it to the thread.
    work: Mutex<Option<Receiver<Work>>>,
    /// Entries lost since the last report.
    lost: Mutex<u64>,
    /// Entries lost since the start.
    lost_ever: AtomicU64,
    /// Of what anybody can cause as often as they like, what is logged and what is only counted.
    flood: Mutex<Flood>,
    watchers: broadcast::Sender<Arc<Record>>,
    /// The first events, while they are kept.
    beginning: Mutex<Option<watch::Beginning>>,
    /// Held while the log starts, and while `tracing` is told the level.
    level_update: Mutex<()>,
}

/// A task for the writer thread.
enum Work {
    Write(Arc<Record>),
    /// Reply when everything before this has been written.
    Flush(SyncSender<()>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settings {
    level: Level,
    target: Target,
    addresses: bool,
}

impl Settings {
    fn of(log: &config::Log) -> Result<Self, Error> {
        let target = match log.target {
            LogTarget::Auto => Target::auto(),
            LogTarget::Journal => journal::reachable().map(|()| Target::Journal).map_err(Error::Journal)?,
            LogTarget::Stderr => Target::Stderr,
        };
        Ok(Self { level: log.level, target, addresses: log.addresses })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Journal,
    Stderr,
}

impl Target {
    fn auto() -> Self {
        if journal::is_standard_error() && journal::reachable().is_ok() { Self::Journal } else { Self::Stderr }
    }
}

impl Shared {
    fn new() -> Self {
        let (queue, work) = sync_channel(QUEUE);
        Self {
            settings: RwLock::new(Settings { level: Level::INFO, target: Target::Stderr, addresses: true }),
            queue,
            work: Mutex::new(Some(work)),
            lost: Mutex::new(0),
            lost_ever: AtomicU64::new(0),
            flood: Mutex::default(),
            watchers: broadcast::Sender::new(watch::BACKLOG),
            beginning: Mutex::default(),
            level_update: Mutex::new(()),
        }
    }

    fn settings(&self) -> Settings {
        *self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Has `tracing` ask again how detailed the log is. One thread at a time: an answer that came before the latest change
    /// could otherwise be the one that stays.
    fn update_level(&self) {
        let _alone = lock(&self.level_update);
        rebuild_interest_cache();
    }

    fn watched(&self) -> bool {
        self.watchers.receiver_count() > 0 || lock(&self.beginning).is_some()
    }

    /// Whether this call site is enabled, for the log or for a watcher.
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let for_log = *metadata.level() <= self.settings().level;
        let for_watchers = || self.watched() && metadata.fields().field(record::EVENT).is_some();
        metadata.is_event() && (for_log || for_watchers())
    }

    /// Passes a record to the watchers and to the queue; never blocks.
    fn take(&self, record: Arc<Record>) {
        if record.kind.is_some() && self.watched() {
            let mut beginning = lock(&self.beginning);
            if let Some(beginning) = &mut *beginning {
                beginning.add(&record);
            }
            // Fails if there are no watchers, which is fine.
            let _ = self.watchers.send(Arc::clone(&record));
        }
        if record.level() > self.settings().level {
            return;
        }
        let is_one_of_many = record.kind.is_some_and(|kind| kind.many.is_some());
        if is_one_of_many && !lock(&self.flood).admits(Instant::now(), &record) {
            return;
        }
        if self.queue.try_send(Work::Write(record)).is_err() {
            self.lose();
        }
    }

    fn lose(&self) {
        *lock(&self.lost) += 1;
        self.lost_ever.fetch_add(1, Ordering::Relaxed);
    }

    fn flush(&self, deadline: Duration) -> bool {
        if lock(&self.work).is_some() {
            return true; // not started: nothing waits
        }
        let start = Instant::now();
        let (written, answer) = sync_channel(1);
        let mut work = Work::Flush(written);
        loop {
            match self.queue.try_send(work) {
                Ok(()) => break,
                // The channel has no send with a deadline, so it is tried repeatedly.
                Err(TrySendError::Full(returned)) if start.elapsed() < deadline => work = returned,
                Err(_) => return false,
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        answer.recv_timeout(deadline.saturating_sub(start.elapsed())).is_ok()
    }
}

/// Ignores poisoning: a panic while the lock is held leaves no inconsistent state here.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
