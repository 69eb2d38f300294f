//! The log: the journal where there is one, lines on standard error otherwise.
//!
//! Everything else logs with `tracing`'s macros. Here an event becomes an owned [`Record`], is handed to watchers and
//! put on a bounded queue; one plain thread takes it from there and writes it. Only that thread can be held up by a
//! journal or a pipe that nobody reads: what does not fit into the queue meanwhile is counted, and the count is logged
//! as soon as the thread runs again. The module knows nothing of the room, of sessions or of tokio's runtime.
//!
//! What a call site says: a sentence that names who is concerned but never contains an address, and fields. The known
//! ones are `chatd.event` (one of [`events::KINDS`]), `chatd.user`, `chatd.address`, `chatd.transport`,
//! `chatd.protocol`, `chatd.reason` and `chatd.uid`; the sentence is completed with them in parentheses. Any other
//! field is appended to the sentence as ` name=value`.

pub mod events;
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

pub use journal::is_standard_error;
pub use record::Record;
pub use watch::{Missed, Watcher};

/// Entries that wait for the thread that writes them; further ones are counted as lost.
const QUEUE: usize = 1024;

/// Why the log cannot be as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// [`start`] has been called before, or somebody else has taken `tracing`'s global subscriber.
    #[error("the log has been started already")]
    Started,
    /// The thread that writes could not be started.
    #[error("the thread that writes the log cannot be started: {0}")]
    Thread(io::Error),
    /// `log.target` is `journal`, and nobody listens there.
    #[error(
        "log.target is \"journal\" but no journal answers at {path}: {0}; use \"auto\" or \"stderr\"",
        path = journal::SOCKET
    )]
    Journal(io::Error),
}

/// Starts the log with what holds until the configuration has been read: level `info`, target `auto`, addresses
/// shown. Called once, before anything that may have to be reported.
///
/// # Errors
/// When it has been started before or its thread cannot be started.
pub fn start() -> Result<(), Error> {
    let work = lock(&FRONT.work).take().ok_or(Error::Started)?;
    FRONT.change(|settings| settings.target = Target::auto());
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || writer::run(&FRONT, &work))
        .map_err(Error::Thread)?;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer::Front(&FRONT)))
        .map_err(|_| Error::Started)
}

/// Applies a configuration, at the start and at every reload; never waits for the journal.
///
/// # Errors
/// [`Error::Journal`]; then everything stays as it was.
pub fn configure(log: &config::Log) -> Result<(), Error> {
    let settings = Settings::of(log)?;
    FRONT.change(|old| *old = settings);
    rebuild_interest_cache();
    Ok(())
}

/// Whether [`configure`] would work, without doing it.
///
/// # Errors
/// Those of [`configure`].
pub fn check(log: &config::Log) -> Result<(), Error> {
    Settings::of(log).map(drop)
}

/// Watches events as they happen: every record that has a kind, whatever the level of the log, with its address.
pub fn watch() -> Watcher {
    FRONT.watch()
}

/// Waits until everything logged so far has been written, but no longer than `deadline`; says whether it was.
///
/// For the end of the process: it blocks the calling thread.
pub fn flush(deadline: Duration) -> bool {
    FRONT.flush(deadline)
}

/// How many entries were lost since the start, because they could not be written in time.
pub fn lost() -> u64 {
    FRONT.lost_ever.load(Ordering::Relaxed)
}

static FRONT: LazyLock<Front> = LazyLock::new(Front::new);

/// What the threads that log and the one thread that writes share.
struct Front {
    settings: RwLock<Settings>,
    queue: SyncSender<Work>,
    /// The queue's other end, until [`start`] gives it to the thread.
    work: Mutex<Option<Receiver<Work>>>,
    /// How many entries were lost since that was last reported.
    lost: Mutex<u64>,
    /// The same since the start.
    lost_ever: AtomicU64,
    watchers: broadcast::Sender<Arc<Record>>,
}

/// What the thread has to do.
enum Work {
    Write(Arc<Record>),
    /// Answer when everything before it has been written.
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

impl Front {
    fn new() -> Self {
        let (queue, work) = sync_channel(QUEUE);
        Self {
            settings: RwLock::new(Settings { level: Level::INFO, target: Target::Stderr, addresses: true }),
            queue,
            work: Mutex::new(Some(work)),
            lost: Mutex::new(0),
            lost_ever: AtomicU64::new(0),
            watchers: broadcast::Sender::new(watch::BACKLOG),
        }
    }

    fn settings(&self) -> Settings {
        *self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn watched(&self) -> bool {
        self.watchers.receiver_count() > 0
    }

    /// Whether anybody wants to hear of what this call site says.
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let for_log = *metadata.level() <= self.settings().level;
        let for_watchers = || self.watched() && metadata.fields().field(record::EVENT).is_some();
        metadata.is_event() && (for_log || for_watchers())
    }

    /// Takes a record in, for watchers and for the log; never waits.
    fn take(&self, record: Arc<Record>) {
        if record.kind.is_some() && self.watched() {
            // Without a watcher it returns the record, and nobody misses it.
            let _ = self.watchers.send(Arc::clone(&record));
        }
        if record.level() <= self.settings().level && self.queue.try_send(Work::Write(record)).is_err() {
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
                // A full queue cannot be waited for with a deadline, so it is asked again until then.
                Err(TrySendError::Full(returned)) if start.elapsed() < deadline => work = returned,
                Err(_) => return false,
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        answer.recv_timeout(deadline.saturating_sub(start.elapsed())).is_ok()
    }
}

/// A panic while a lock is held leaves nothing half-done here.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
