//! The store's thread: when to write, what to do when the disk fails, and when to tidy up.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tracing::{error, info, warn};

use super::aside::set_aside;
use super::clock::Clock;
use super::database::{Database, Kept};
use super::error::StoreError;
use super::{Request, Shared};
use crate::chat::{Ban, Durable, LookupError};
use crate::config::History;

/// How long lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(25);
/// How long one lookup may take.
const LOOKUP: Duration = Duration::from_millis(250);
/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How long to wait with nothing to do before memory is given back.
const REST: Duration = Duration::from_secs(1);
/// How often to look for lines that are too old.
const PRUNE: Duration = Duration::from_secs(60);

/// The store's thread.
pub(super) struct Worker {
    path: PathBuf,
    shared: Arc<Shared>,
    written: watch::Sender<u64>,
    /// `None`: it cannot be used, or there is none because nothing is kept.
    database: Option<Database>,
    /// Whether it could be opened since the start.
    opened: bool,
    keep: History,
    /// Who is kept out according to the file, for one that is begun anew.
    bans: Vec<Arc<Ban>>,
    /// What was taken from the queue and is not written yet.
    batch: Vec<Durable>,
    /// When to try again after a failure.
    retry: Option<Instant>,
    clock: Clock,
    /// When to remove lines that are too old and to put the search index in order.
    tidy: Instant,
    /// Whether lines were removed since the last checkpoint.
    pruned: bool,
    /// Whether words were erased that may still be in the write-ahead log.
    erased: bool,
    rested: bool,
}

/// What there is to do.
struct Work {
    lookups: Vec<Request>,
    stop: bool,
    /// Nothing has come for a while.
    idle: bool,
}

impl Worker {
    /// Opens the file and reads what a starting daemon takes up.
    pub(super) fn new(
        path: PathBuf,
        shared: Arc<Shared>,
        written: watch::Sender<u64>,
        history: usize,
    ) -> (Worker, Kept) {
        let keep = shared.lock().keep;
        let mut worker = Worker {
            path,
            shared,
            written,
            database: None,
            opened: false,
            keep,
            bans: Vec::new(),
            batch: Vec::new(),
            retry: None,
            clock: Clock::new(unix(SystemTime::now()), Instant::now()),
            tidy: Instant::now(),
            pruned: false,
            // An earlier run may have been killed.
            erased: true,
            rested: false,
        };
        let mut kept = Kept::default();
        if !keep.keep.is_zero() || worker.path.exists() {
            let taken_up = worker.open(None).and_then(|()| match &worker.database {
                // What must not be kept any more is not shown either.
                Some(database) if keep.keep.is_zero() => {
                    let Kept { sequence, bans, .. } = database.kept(0)?;
                    Ok(Kept { sequence, bans, ..Kept::default() })
                }
                Some(database) => database.kept(history),
                None => Ok(Kept::default()),
            });
            match taken_up {
                Ok(taken_up) => kept = taken_up,
                Err(error) => worker.fail(&error),
            }
            worker.note_figures();
        }
        worker.bans = kept.bans.iter().cloned().map(Arc::new).collect();
        (worker, kept)
    }

    /// Works until the store is stopped.
    pub(super) fn run(&mut self) {
        loop {
            let Work { lookups, stop, idle } = self.wait();
            if stop {
                // The last try.
                self.retry = None;
            }
            self.write();
            for request in lookups {
                self.answer(request);
            }
            if stop {
                break;
            }
            self.tidy_up(idle);
        }
        let unwritten = self.batch.len() + self.shared.lock().queue.len();
        if unwritten > 0 {
            warn!(chatd.event = "history-failed", "{unwritten} lines could not be kept before the end");
        }
        if let Some(database) = self.database.take() {
            // At the next start, otherwise.
            let _ = database.checkpoint();
        }
    }

    /// Waits until there is something to do.
    fn wait(&mut self) -> Work {
        let shared = self.shared.clone();
        let mut waiting = shared.lock();
        let asleep_since = Instant::now();
        loop {
            if waiting.keep != self.keep {
                self.keep = waiting.keep;
                self.tidy = asleep_since;
                if let Some(database) = &mut self.database {
                    database.set_keep(self.keep);
                }
            }
            let now = Instant::now();
            let queued = waiting.since.map(|since| since + GATHER).filter(|_| self.retry.is_none());
            let tidy = if self.database.is_some() { self.tidy } else { now + PRUNE };
            let rest = if self.rested || self.database.is_none() { now + PRUNE } else { asleep_since + REST };
            let due = [queued, self.retry, Some(tidy), Some(rest)].into_iter().flatten().min().unwrap_or(now);
            if waiting.stopping || !waiting.lookups.is_empty() || due <= now {
                let lookups = waiting.lookups.drain(..).collect();
                return Work { lookups, stop: waiting.stopping, idle: rest <= now };
            }
            waiting.sleeping = waiting.since.is_none() || self.retry.is_some();
            let waited = shared.wake.wait_timeout(waiting, due - now);
            (waiting, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
            waiting.sleeping = false;
        }
    }

    /// Writes everything that waits, unless the disk has just failed. What comes meanwhile is for the next time: while
    /// people talk all the time there is always more, and lookups wait.
    fn write(&mut self) {
        if self.retry.is_some_and(|retry| Instant::now() < retry) {
            return;
        }
        let mut left = self.shared.lock().queue.bytes();
        loop {
            if self.batch.is_empty() {
                let mut waiting = self.shared.lock();
                self.batch = waiting.queue.take();
                if waiting.queue.is_empty() {
                    waiting.since = None;
                }
            }
            if self.batch.is_empty() && self.retry.is_none() {
                return;
            }
            match self.write_batch() {
                Ok(written) => left = left.saturating_sub(written),
                Err(error) => return self.fail(&error),
            }
            self.recover();
            if left == 0 {
                return;
            }
        }
    }

    /// Returns the bytes of what was written.
    fn write_batch(&mut self) -> Result<usize, StoreError> {
        let first = self.batch.iter().find_map(|item| match item {
            Durable::Event(record) => Some(record.stamp.sequence),
            Durable::Gap(gap) => Some(gap.first.sequence),
            Durable::Marker { .. } | Durable::Banned(_) | Durable::Unbanned(_) => None,
        });
        self.open(first)?;
        let Some(database) = &mut self.database else { return Ok(0) };
        self.erased |= database.write(&self.batch)?;
        self.rested = false;
        if database.used()? > self.keep.size || database.slices.needs_merge() {
            self.tidy = Instant::now();
        }
        for item in &self.batch {
            if let Durable::Gap(gap) = item {
                warn!(
                    chatd.event = "history-failed",
                    "{} lines were not kept, because the disk was too slow or failed", gap.count
                );
            }
        }
        let newest = self.batch.iter().rev().find_map(|item| match item {
            Durable::Event(record) => Some(record.stamp.sequence),
            _ => None,
        });
        let written = self.shared.lock().queue.written(&self.batch);
        for item in std::mem::take(&mut self.batch) {
            match item {
                Durable::Banned(ban) => {
                    self.bans.retain(|known| known.subject != ban.subject);
                    self.bans.push(ban);
                }
                Durable::Unbanned(subject) => self.bans.retain(|known| known.subject != subject),
                _ => {}
            }
        }
        self.note_figures();
        if let Some(newest) = newest {
            self.written.send_replace(newest);
        }
        Ok(written)
    }

    /// Opens the file if it is not open. One that is damaged is set aside, and a new one begun.
    fn open(&mut self, first: Option<u64>) -> Result<(), StoreError> {
        if self.database.is_some() {
            return Ok(());
        }
        // Later, a line may be in the file already, when the disk reported a failure after all was written.
        let first = first.filter(|_| !self.opened);
        let database = match Database::open(&self.path, self.keep, first) {
            Err(error @ (StoreError::Damaged(_) | StoreError::Ahead)) => {
                set_aside(&self.path, SystemTime::now(), &error)?;
                Database::open(&self.path, self.keep, first)?
            }
            opened => opened?,
        };
        let database = self.database.insert(database);
        self.opened = true;
        database.restore_bans(&self.bans)
    }

    /// Closes the file after a failure, to try again in a moment. What waits goes on waiting.
    fn fail(&mut self, error: &StoreError) {
        self.database = None;
        if matches!(error, StoreError::Damaged(_)) {
            // Whatever is damaged may not be found when it is opened.
            return match set_aside(&self.path, SystemTime::now(), error) {
                Ok(()) => self.retry = Some(Instant::now()),
                Err(other) => self.fail(&other),
            };
        }
        self.retry = Some(Instant::now() + RETRY);
        let reason = match error {
            StoreError::Io { path, source } if *path == self.path => source.to_string(),
            other => other.to_string(),
        };
        let trouble = format!("nothing is kept in {}: {reason}", self.path.display());
        let known = self.shared.lock().status.trouble.replace(trouble.clone());
        if known.as_ref() != Some(&trouble) {
            error!(chatd.event = "history-failed", "{trouble}; it is tried again every second");
        }
    }

    /// The file can be written.
    fn recover(&mut self) {
        self.retry = None;
        if self.shared.lock().status.trouble.take().is_some() {
            info!(chatd.event = "history-resumed", "what is said is kept again in {}", self.path.display());
        }
    }

    fn answer(&mut self, Request { lookup, answer }: Request) {
        // Lines that were said before the question are part of the answer.
        let Some(database) = &mut self.database else { return answer(Err(LookupError::Unavailable)) };
        self.rested = false;
        database.set_deadline(Some(Instant::now() + LOOKUP));
        let found = database.find(&lookup);
        database.set_deadline(None);
        match found {
            Ok(found) => answer(found),
            Err(error) => {
                answer(Err(LookupError::Unavailable));
                self.fail(&error);
            }
        }
    }

    /// Removes what is too old, and gives back what is not needed.
    fn tidy_up(&mut self, idle: bool) {
        let Some(database) = &mut self.database else { return };
        if std::mem::take(&mut self.erased) {
            // If somebody else has the file open, the words stay in the write-ahead log until it is written over.
            self.erased = database.checkpoint().is_err();
        }
        let now = Instant::now();
        if self.tidy <= now {
            match database.tidy(self.clock.believed(unix(SystemTime::now()), now), self.keep) {
                Ok(true) => (self.tidy, self.pruned) = (now, true),
                Ok(false) => {
                    self.tidy = now + PRUNE;
                    if std::mem::take(&mut self.pruned) {
                        // Until then, the file itself still has what was removed.
                        self.erased = database.checkpoint().is_err();
                    }
                }
                Err(error) => {
                    // Writing may work meanwhile, and the log need not tell of both every second.
                    self.tidy = now + PRUNE;
                    return self.fail(&error);
                }
            }
            if !is_same(database, &self.path) {
                // Lookups need it, whether anything is said or not.
                (self.database, self.retry) = (None, Some(now));
                return;
            }
            self.note_figures();
        }
        if idle && let Some(database) = &mut self.database {
            database.rest();
            self.rested = true;
        }
    }

    fn note_figures(&mut self) {
        if let Some(database) = &self.database
            && let Ok(figures) = database.figures()
        {
            self.shared.lock().status.figures = figures;
        }
    }
}

fn unix(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Whether the file is still the one that was opened, and not removed or replaced.
fn is_same(database: &Database, path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|now| database.inode == (now.dev(), now.ino()))
}
