//! The store: what was said, and who is kept out, on disk, in one SQLite file. This is the only module that knows the file's format.
//!
//! The store is one more reader of the log. The room hands its events over and never waits: one thread writes them, many
//! at a time, and answers lookups in between. What the disk cannot take in time is counted, and a gap stands in its place.
//! Nothing here knows sessions, dialects or administrators.

mod aside;
mod backup;
mod bans;
mod clock;
mod database;
mod error;
mod expression;
mod lookup;
mod number;
mod prune;
mod queue;
mod row;
mod schema;
mod slices;
#[cfg(test)]
mod tests;
mod worker;
mod write;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use tokio::sync::watch;

pub use backup::Backup;
pub use database::{Database, Figures, Kept};
pub use error::StoreError;
use queue::Queue;
pub use schema::MIGRATIONS;

use crate::chat::{Durable, Found, Lookup, LookupError};
use crate::config::History;
use worker::Worker;

/// The name of the file in the state directory.
pub const FILE: &str = "chatd.db";

/// Lookups that may wait. Clients give up when a disk does not answer at all, and ask again.
const LOOKUPS: usize = 65_536;

/// What the store is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The figures of the file when it was last written.
    pub figures: Figures,
    /// Events that could not be kept since the daemon started.
    pub lost: u64,
    /// What is wrong at present, as a sentence.
    pub trouble: Option<String>,
}

/// The store. Dropping it does not end it: see [`stop`](Self::stop).
pub struct Store {
    path: PathBuf,
    shared: Arc<Shared>,
    /// The sequence of the newest line in the file.
    written: watch::Receiver<u64>,
    ended: Mutex<Receiver<()>>,
}

/// What the store's thread shares with the others.
#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

/// What waits for the store's thread.
#[derive(Default)]
struct Waiting {
    queue: Queue,
    /// Since when the queue has not been empty.
    since: Option<Instant>,
    lookups: VecDeque<Request>,
    keep: History,
    stopping: bool,
    /// Whether the thread sleeps until it is woken.
    sleeping: bool,
    status: Status,
}

/// A lookup, and what is to be done with its answer.
struct Request {
    lookup: Lookup,
    answer: Box<dyn FnOnce(Found) + Send>,
}

impl Store {
    /// Starts the store with its file in this directory, and reads from it what a starting daemon takes up, with up to
    /// `history` messages. If the file cannot be used, that is in the log, nothing is taken up, and the store goes on
    /// trying.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn start(directory: &Path, keep: History, history: usize) -> io::Result<(Store, Kept)> {
        let path = directory.join(FILE);
        backup::remove_left(directory);
        let shared = Arc::new(Shared::default());
        shared.lock().keep = keep;
        let (tell, written) = watch::channel(0);
        let (mut worker, kept) = Worker::new(path.clone(), shared.clone(), tell, history);
        let (done, ended) = mpsc::channel();
        thread::Builder::new().name("store".to_owned()).spawn(move || {
            worker.run();
            // Nobody waits when the daemon was in a hurry.
            let _ = done.send(());
        })?;
        Ok((Store { path, shared, written, ended: Mutex::new(ended) }, kept))
    }

    /// Whether what is said is kept.
    #[must_use]
    pub fn keeps(&self) -> bool {
        !self.shared.lock().keep.keep.is_zero()
    }

    /// Hands over what is to be kept. Never waits for the disk.
    pub fn keep(&self, items: Vec<Durable>) {
        let mut waiting = self.shared.lock();
        let items = match waiting.keep.keep.is_zero() {
            true => items.into_iter().filter(|item| !item.is_history()).collect(),
            false => items,
        };
        let lost = waiting.queue.push(items);
        waiting.status.lost += lost;
        if waiting.since.is_none() && !waiting.queue.is_empty() {
            waiting.since = Some(Instant::now());
        }
        self.wake(waiting);
    }

    /// Has a lookup answered, after everything that was handed over before. `answer` is called on the store's thread and
    /// must not take long.
    pub fn find(&self, lookup: Lookup, answer: impl FnOnce(Found) + Send + 'static) {
        let mut waiting = self.shared.lock();
        if waiting.stopping || waiting.lookups.len() >= LOOKUPS {
            drop(waiting);
            return answer(Err(LookupError::Unavailable));
        }
        waiting.lookups.push_back(Request { lookup, answer: Box::new(answer) });
        self.wake(waiting);
    }

    /// Changes how much is kept.
    pub fn set_keep(&self, keep: History) {
        let mut waiting = self.shared.lock();
        waiting.keep = keep;
        self.wake(waiting);
    }

    /// What the store is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.lock().status.clone()
    }

    /// Follows the sequence of the newest line in the file.
    #[must_use]
    pub fn written(&self) -> watch::Receiver<u64> {
        self.written.clone()
    }

    /// Writes a consistent copy of the file, while it is in use. Blocks as long as the disk takes. `target` must not
    /// exist, or be empty.
    ///
    /// # Errors
    /// One of the files cannot be used.
    pub fn back_up(&self, target: &Path) -> Result<(), StoreError> {
        backup::back_up(&self.path, target)
    }

    /// Writes what waits, and closes the file. Returns whether that was done within `limit`.
    pub fn stop(&self, limit: Duration) -> bool {
        let mut waiting = self.shared.lock();
        waiting.stopping = true;
        self.wake(waiting);
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.recv_timeout(limit).is_ok()
    }

    fn wake(&self, mut waiting: MutexGuard<'_, Waiting>) {
        let sleeping = std::mem::take(&mut waiting.sleeping);
        drop(waiting);
        if sleeping {
            self.shared.wake.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
