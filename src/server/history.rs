//! The history on disk, seen from the chat: what is taken up at the start, handed over while people talk, and looked up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{spawn_blocking, yield_now};
use tracing::warn;

use super::{Server, clock};
use crate::chat::{Event, Found, Lookup, LookupError, Now};
use crate::config::Config;
use crate::room::{Bans, State};
use crate::store::{self, Kept, Store};

/// How long the store may take to write the rest when the daemon stops.
const STORE_STOP: Duration = Duration::from_millis(900);
/// More events than can have happened since the last one that is kept.
const UNKEPT: u64 = 1 << 20;

/// The state of the history on disk.
#[derive(Debug, Clone)]
pub struct HistoryReport {
    /// For how long lines are kept; zero: nothing is.
    pub keep: Duration,
    /// What the store is doing.
    pub status: store::Status,
}

/// Tells when there is more to look up.
pub struct Follower {
    store: Arc<Store>,
    written: watch::Receiver<u64>,
    delivered: watch::Receiver<()>,
}

impl Follower {
    /// The sequence of the newest event in the file; 0 if nothing was written since the daemon started. News that come
    /// after this call end the next [`news`](Self::news).
    pub fn newest(&mut self) -> u64 {
        self.delivered.mark_unchanged();
        *self.written.borrow_and_update()
    }

    /// Waits until there may be something that could not be looked up before. Cancel safe.
    pub async fn news(&mut self) {
        loop {
            let delivered = tokio::select! {
                written = self.written.changed() => return stay(written).await,
                delivered = self.delivered.changed() => delivered,
            };
            stay(delivered).await;
            // What is kept on disk is looked up there, and that is a moment later.
            if !self.store.keeps() {
                return;
            }
        }
    }
}

/// Never returns when there will be no more news.
async fn stay(changed: Result<(), watch::error::RecvError>) {
    if changed.is_err() {
        std::future::pending().await
    }
}

/// Takes up what was kept. Sequences go on behind all that were ever used, also those of events that were not kept: by the
/// clock, 65,536 for each second, and behind the newest line if the clock was set back.
pub(super) fn resume(state: &mut State, kept: Kept, configuration: &Config, now: Now) {
    let kept_sequence = if kept.sequence > 0 { kept.sequence + UNKEPT } else { 0 };
    state.resume(kept_sequence.max((now.unix / 1000) << 16), kept.history);
    for (account, target, time) in kept.markers {
        state.people.markers.set_of_account(&account, &target, time);
    }
    state.room.bans = Bans::from(kept.bans);
    state.set_durable(!configuration.history.keep.is_zero());
    let configured = configuration.room.topic.as_str();
    match kept.topic {
        // What people have made the topic stays, unless the administrator has changed it, too.
        Some(topic) if kept.configured_topic.as_deref() == Some(configured) => state.room.topic = topic,
        _ => _ = state.commit(now, &Event::Topic { by: None, text: configured.into() }),
    }
}

impl Server {
    /// Hands over what is to be kept, and the lookups, as long as the daemon runs.
    pub(super) async fn run_store(self: Arc<Self>) {
        let (answered, mut answers) = mpsc::unbounded_channel();
        let server = self.clone();
        tokio::spawn(async move {
            while let Some((ticket, lookup, found)) = answers.recv().await {
                let found = server.or_in_memory(&lookup, found);
                server.driver.lock().found(ticket, clock::now(), &found);
                // Long pages take a tenth of a millisecond each.
                yield_now().await;
            }
        });
        loop {
            self.driver.store_work().await;
            let (durable, lookups) = {
                let mut connections = self.driver.lock();
                (connections.state.take_durable(), connections.take_lookups())
            };
            self.store.keep(durable);
            for (ticket, lookup) in lookups {
                let answered = answered.clone();
                // Nobody waits for it when the daemon ends.
                self.find(lookup.clone(), move |found| _ = answered.send((ticket, lookup, found)));
            }
            self.status.touch();
        }
    }

    /// Looks something up, in the file or, if nothing is kept there, in memory. Unlike a client, an administrator is not
    /// given what is in memory if the disk does not answer: it would be taken for all that is kept.
    pub async fn look_up(&self, lookup: Lookup) -> Found {
        let (answered, answer) = oneshot::channel();
        // Whoever asked may be gone.
        self.find(lookup, |found| _ = answered.send(found));
        answer.await.unwrap_or(Err(LookupError::Unavailable))
    }

    fn find(&self, lookup: Lookup, answer: impl FnOnce(Found) + Send + 'static) {
        match self.store.keeps() {
            true => self.store.find(lookup, answer),
            false => answer(self.in_memory(&lookup)),
        }
    }

    /// If the disk does not answer, what is in memory is better than nothing.
    fn or_in_memory(&self, lookup: &Lookup, found: Found) -> Found {
        match found {
            Err(LookupError::Unavailable) if lookup.words.is_none() => self.in_memory(lookup),
            found => found,
        }
    }

    fn in_memory(&self, lookup: &Lookup) -> Found {
        lookup.answer(self.driver.lock().state.room.history().iter())
    }

    /// Follows what is said.
    #[must_use]
    pub fn follow(&self) -> Follower {
        Follower { store: self.store.clone(), written: self.store.written(), delivered: self.delivered.subscribe() }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Hands over the rest, and waits until it is written, for most of a second.
    pub async fn stop_store(&self) {
        self.store.keep(self.driver.lock().state.take_durable());
        let store = self.store.clone();
        let stopped = spawn_blocking(move || store.stop(STORE_STOP)).await;
        if !stopped.unwrap_or(true) {
            warn!(chatd.event = "history-failed", "the disk takes too long; the last lines may not be kept");
        }
    }
}
