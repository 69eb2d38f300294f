//! The places on the admin socket. When all are taken, whoever has waited longest without a call makes room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use crate::admin::types::Error;

/// How long a newcomer waits for a place when nobody is idle. A call takes a moment; whoever watches stays for hours.
const PLACE_LIMIT: Duration = Duration::from_secs(1);

/// The places, shared by all connections.
#[derive(Debug)]
pub(super) struct Places {
    /// How many connections are served at once.
    pub(super) all: usize,
    /// How many of them may watch or read the history.
    for_watchers: usize,
    watchers: Arc<Semaphore>,
    idle: Mutex<Idle>,
    idle_again: Notify,
}

/// The connections without a call in progress, by the order in which they became idle.
#[derive(Debug, Default)]
struct Idle {
    last: u64,
    told: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Places {
    /// So many places, and one at least.
    pub(super) fn new(connections: usize) -> Places {
        let all = connections.clamp(1, Semaphore::MAX_PERMITS);
        // Watches last for hours, so one place stays free for an administrator who wants to act.
        let for_watchers = all.saturating_sub(1).max(1);
        let watchers = Arc::new(Semaphore::new(for_watchers));
        Places { all, for_watchers, watchers, idle: Mutex::default(), idle_again: Notify::new() }
    }

    /// A permit for somebody whose replies may take hours.
    pub(super) fn watcher(&self) -> Result<OwnedSemaphorePermit, Error> {
        let refused = |_| Error::TooManyWatchers { maximum: self.for_watchers as u64 };
        Arc::clone(&self.watchers).try_acquire_owned().map_err(refused)
    }

    /// For a connection that becomes idle: waits until its place is needed. Dropping the future ends the idleness.
    pub(super) async fn needed(&self) {
        let (told, needed) = oneshot::channel();
        let number = {
            let mut idle = self.idle();
            idle.last += 1;
            let number = idle.last;
            idle.told.insert(number, told);
            number
        };
        let _entry = Entry { places: self, number };
        self.idle_again.notify_one();
        // Cannot fail: who is not told stays in the list.
        let _ = needed.await;
    }

    /// Whether there is a place for one more than these connections, by now or in a moment.
    pub(super) async fn make_room(&self, peers: &mut JoinSet<()>) -> bool {
        let room = async {
            loop {
                while peers.try_join_next().is_some() {}
                if peers.len() < self.all {
                    return;
                }
                // Whoever was accepted a moment ago may have sent a call already, and is not idle then.
                yield_now().await;
                if self.tell_longest() {
                    peers.join_next().await;
                } else {
                    tokio::select! {
                        _ = peers.join_next() => {}
                        () = self.idle_again.notified() => {}
                    }
                }
            }
        };
        timeout(PLACE_LIMIT, room).await.is_ok()
    }

    /// Tells the connection that has been idle longest that its place is needed. `false` if none is idle.
    fn tell_longest(&self) -> bool {
        let longest = self.idle().told.pop_first();
        longest.is_some_and(|(_, told)| told.send(()).is_ok())
    }

    /// What a connection is told that has no place.
    pub(super) fn none_left(&self) -> Error {
        Error::TooManyConnections { maximum: self.all as u64 }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a connection from the list when dropped.
struct Entry<'a> {
    places: &'a Places,
    number: u64,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.places.idle().told.remove(&self.number);
    }
}
