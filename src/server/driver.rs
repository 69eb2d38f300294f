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

use super::clock::Clock;
use crate::connections::Connections;
use crate::net::{Poller, Readiness, Socket, Transport};
use crate::people::SessionId;
use crate::session::NEVER;

/// How long turns are given, or members are written to, before others go on, in ticks.
const SLICE: u64 = 500;
/// Connections that are looked at before others go on, when all of them are.
const BATCH: SessionId = 64;

/// All connections, their sockets, and what wakes the tasks that drive them.
pub struct Driver<T = Socket> {
    connections: Mutex<Connections<T>>,
    /// Watches all sockets.
    pub poller: Poller,
    /// What time it is.
    pub clock: Clock,
    /// Somebody is to get a turn.
    turns: Notify,
    /// Something was appended.
    pending: Notify,
    /// There is an earlier alarm than the one that is waited for.
    alarm_moved: Notify,
    /// The alarm that is waited for, in ticks.
    waiting_until: AtomicU64,
    /// There are no connections any more.
    became_empty: Notify,
}

/// All connections, locked. Dropping this wakes the tasks that have something to do.
pub struct Locked<'a, T: Transport = Socket> {
    driver: &'a Driver<T>,
    connections: MutexGuard<'a, Connections<T>>,
}

impl<T: Transport> Driver<T> {
    /// Must be made on the runtime that is to drive it.
    ///
    /// # Errors
    /// The process or the machine is out of something.
    pub fn new(clock: Clock, connections: Connections<T>) -> io::Result<Driver<T>> {
        let (turns, pending, alarm_moved, became_empty) = Default::default();
        Ok(Driver {
            connections: Mutex::new(connections),
            poller: Poller::new()?,
            clock,
            turns,
            pending,
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

    /// Waits until somebody is to get a turn; `events`: what has happened to sockets. Cancel safe.
    ///
    /// # Errors
    /// The kernel does not tell any more.
    pub async fn ready(&self, events: &mut Vec<(SessionId, Readiness)>) -> io::Result<()> {
        if self.lock().has_woken() {
            return Ok(());
        }
        tokio::select! {
            told = std::future::poll_fn(|cx| self.poller.poll(cx, events)) => told,
            () = self.turns.notified() => Ok(()),
        }
    }

    /// Gives everybody a turn who is to get one now, and others theirs in between.
    pub async fn serve(&self, events: &mut Vec<(SessionId, Readiness)>) {
        let mut left = {
            let mut connections = self.lock();
            events.drain(..).for_each(|(id, readiness)| connections.note(id, readiness));
            // Those who are woken meanwhile get theirs next time, after a look at the sockets.
            connections.woken()
        };
        while left > 0 {
            left = self.give_turns(left);
            // All others, and one look at what has arrived meanwhile.
            yield_now().await;
        }
    }

    /// Gives up to `left` turns; returns how many of them there was no time for.
    fn give_turns(&self, mut left: usize) -> usize {
        let mut connections = self.lock();
        let end = self.clock.now().ticks + SLICE;
        while left > 0 {
            let Some(id) = connections.next_woken() else { return 0 };
            let now = self.clock.now();
            connections.turn(id, now);
            left -= 1;
            if now.ticks >= end {
                break;
            }
        }
        left
    }

    /// Waits until something was appended, and until everything that had arrived by then is appended too.
    pub async fn appended(&self) {
        self.pending.notified().await;
        // Comes back after all sessions that are ready and one look at the sockets: under load, what they have all said
        // goes out in one write each.
        yield_now().await;
    }

    /// Carries everything that was appended so far.
    pub async fn deliver(&self) {
        let mut delivery = {
            let mut connections = self.lock();
            if !connections.state.log.has_pending() {
                return;
            }
            connections.begin_round()
        };
        loop {
            let now = self.clock.now();
            let done = self.lock().deliver(&mut delivery, now, || self.clock.now().ticks < now.ticks + SLICE);
            if done {
                return;
            }
            yield_now().await;
        }
    }

    /// Rings every alarm in its time, for ever.
    pub async fn run_alarms(&self) {
        loop {
            let now = self.clock.now();
            let next = self.lock().fire_alarms(now);
            self.waiting_until.store(next.unwrap_or(NEVER), Ordering::Relaxed);
            match next {
                None => self.alarm_moved.notified().await,
                Some(next) => {
                    // Whichever comes first: its time, or an earlier alarm.
                    let _ = timeout(Duration::from_micros(next - now.ticks), self.alarm_moved.notified()).await;
                }
            }
        }
    }

    /// Does something with every connection there is, and lets others have their turn in between: once with each that is
    /// there all the time, and once or not at all with one that comes or goes meanwhile.
    pub async fn for_each(&self, mut action: impl FnMut(&mut Connections<T>, SessionId)) {
        let mut next: SessionId = 0;
        loop {
            let behind = next.saturating_add(BATCH);
            let end = {
                let mut connections = self.lock();
                let end = connections.ids().end;
                (next..end.min(behind)).for_each(|id| action(&mut connections, id));
                end
            };
            next = behind;
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
        let Driver { turns, pending, alarm_moved, waiting_until, became_empty, .. } = self.driver;
        if self.connections.has_woken() {
            turns.notify_one();
        }
        if self.connections.state.log.has_pending() {
            pending.notify_one();
        }
        if self.connections.next_alarm().is_some_and(|next| next < waiting_until.load(Ordering::Relaxed)) {
            alarm_moved.notify_one();
        }
        if self.connections.is_empty() {
            became_empty.notify_waiters();
        }
    }
}
