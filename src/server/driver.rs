//! Drives all connections with real sockets and real time, by three tasks on one thread: turns, delivery and alarms. One
//! lock guards everything that they share. It is held for half a millisecond at most and never across an `.await`.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::clock;
use crate::connections::Connections;
use crate::net::{Poller, Readiness, Socket, Transport};
use crate::people::SessionId;
use crate::session::NEVER;

/// How long one task may run turns or write to members before it yields, in ticks.
const SLICE: u64 = 500;
/// How many connections [`Driver::for_each`] handles before it yields.
const BATCH: SessionId = 64;

/// All connections, their sockets, and the notifications that wake the driving tasks.
pub struct Driver<T = Socket> {
    connections: Mutex<Connections<T>>,
    /// Watches all sockets.
    pub poller: Poller,
    /// A session waits for a turn.
    turns: Notify,
    /// An event was appended.
    pending: Notify,
    /// Something is to be kept on disk or looked up there.
    for_store: Notify,
    /// An alarm was set that is earlier than the awaited one.
    alarm_moved: Notify,
    /// When the awaited alarm is due, in ticks.
    waiting_until: AtomicU64,
    /// The last connection was removed.
    became_empty: Notify,
}

/// All connections, locked. Dropping this wakes the tasks that have work.
pub struct Locked<'a, T: Transport = Socket> {
    driver: &'a Driver<T>,
    connections: MutexGuard<'a, Connections<T>>,
}

impl<T: Transport> Driver<T> {
    /// Must be called on the runtime that will drive it.
    ///
    /// # Errors
    /// The process or the system is out of descriptors or memory.
    pub fn new(connections: Connections<T>) -> io::Result<Driver<T>> {
        let (turns, pending, for_store, alarm_moved, became_empty) = Default::default();
        Ok(Driver {
            connections: Mutex::new(connections),
            poller: Poller::new()?,
            turns,
            pending,
            for_store,
            alarm_moved,
            waiting_until: AtomicU64::new(NEVER),
            became_empty,
        })
    }

    /// All connections.
    pub fn lock(&self) -> Locked<'_, T> {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { driver: self, connections }
    }

    /// Waits until a session is to get a turn. Adds sockets' readiness to `events`. Cancel safe.
    ///
    /// # Errors
    /// The poller fails.
    pub async fn ready(&self, events: &mut Vec<(SessionId, Readiness)>) -> io::Result<()> {
        if self.lock().has_woken() {
            return Ok(());
        }
        tokio::select! {
            told = std::future::poll_fn(|cx| self.poller.poll(cx, events)) => told,
            () = self.turns.notified() => Ok(()),
        }
    }

    /// Runs the turns of all sessions that wait for one, and yields to other tasks in between.
    pub async fn serve(&self, events: &mut Vec<(SessionId, Readiness)>) {
        let mut left = {
            let mut connections = self.lock();
            events.drain(..).for_each(|(id, readiness)| connections.note(id, readiness));
            // Sessions that are woken meanwhile wait for the next call, after the sockets are polled.
            connections.woken()
        };
        while left > 0 {
            left = self.give_turns(left);
            // Runs the other tasks and polls the sockets once.
            yield_now().await;
        }
    }

    /// Runs up to `left` turns; returns how many did not fit into the time slice.
    fn give_turns(&self, mut left: usize) -> usize {
        let mut connections = self.lock();
        let end = clock::now().ticks + SLICE;
        while left > 0 {
            let Some(id) = connections.next_woken() else { return 0 };
            let now = clock::now();
            connections.turn(id, now);
            left -= 1;
            if now.ticks >= end {
                break;
            }
        }
        left
    }

    /// Waits until there is something for the store.
    pub async fn store_work(&self) {
        self.for_store.notified().await;
        // As in `appended`.
        yield_now().await;
    }

    /// Waits until an event was appended, and then until all input that has arrived is processed.
    pub async fn appended(&self) {
        self.pending.notified().await;
        // Resumes after the turns of all ready sessions and one poll of the sockets: under load, everything they have said
        // is sent in one write for each member.
        yield_now().await;
    }

    /// Sends everything that was appended so far.
    pub async fn deliver(&self) {
        let mut delivery = {
            let mut connections = self.lock();
            if !connections.state.log.has_pending() {
                return;
            }
            connections.begin_round()
        };
        loop {
            let now = clock::now();
            let done = self.lock().deliver(&mut delivery, now, || clock::now().ticks < now.ticks + SLICE);
            if done {
                return;
            }
            yield_now().await;
        }
    }

    /// Fires every alarm when it is due; never returns.
    pub async fn run_alarms(&self) {
        loop {
            let now = clock::now();
            let next = self.lock().fire_alarms(now);
            self.waiting_until.store(next.unwrap_or(NEVER), Ordering::Relaxed);
            match next {
                None => self.alarm_moved.notified().await,
                Some(next) => {
                    // Until it is due or an earlier alarm is set.
                    let _ = timeout(Duration::from_micros(next - now.ticks), self.alarm_moved.notified()).await;
                }
            }
        }
    }

    /// Calls `action` for every connection and yields to other tasks in between: once for each that exists throughout, at
    /// most once for each that is added or removed meanwhile.
    pub async fn for_each(&self, mut action: impl FnMut(&mut Connections<T>, SessionId)) {
        let mut next: SessionId = 0;
        loop {
            let batch_end = next.saturating_add(BATCH);
            let end = {
                let mut connections = self.lock();
                let end = connections.ids().end;
                (next..end.min(batch_end)).for_each(|id| action(&mut connections, id));
                end
            };
            next = batch_end;
            if next >= end {
                return;
            }
            yield_now().await;
        }
    }

    /// Waits until there are no connections.
    pub async fn empty(&self) {
        loop {
            let empty = self.became_empty.notified();
            if self.lock().is_empty() {
                return;
            }
            empty.await;
        }
    }
}

impl<T: Transport> Deref for Locked<'_, T> {
    type Target = Connections<T>;

    fn deref(&self) -> &Connections<T> {
        &self.connections
    }
}

impl<T: Transport> DerefMut for Locked<'_, T> {
    fn deref_mut(&mut self) -> &mut Connections<T> {
        &mut self.connections
    }
}

impl<T: Transport> Drop for Locked<'_, T> {
    fn drop(&mut self) {
        let Driver { turns, pending, for_store, alarm_moved, waiting_until, became_empty, .. } = self.driver;
        if self.connections.has_woken() {
            turns.notify_one();
        }
        if self.connections.state.log.has_pending() {
            pending.notify_one();
        }
        if self.connections.next_alarm().is_some_and(|next| next < waiting_until.load(Ordering::Relaxed)) {
            alarm_moved.notify_one();
        }
        if self.connections.state.has_durable() || self.connections.has_lookups() {
            for_store.notify_one();
        }
        if self.connections.is_empty() {
            became_empty.notify_waiters();
        }
    }
}
