//! One timer for all sessions: a timer of its own for each would be most of an idle session's memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;

use super::clock::Clock;

/// Who is to be woken when. A session has one alarm at a time, and takes it away when it is not needed any more.
#[derive(Default)]
pub struct Alarms {
    /// By time in ticks, and then by the session's slot.
    waiting: Mutex<BTreeMap<(u64, usize), Waker>>,
    sooner: Notify,
}

impl Alarms {
    /// Has the session in this slot woken at `at` (ticks), or a millisecond later.
    pub fn set(&self, at: u64, slot: usize, waker: Waker) {
        let mut waiting = self.lock();
        if waiting.first_key_value().is_none_or(|((first, _), _)| at < *first) {
            self.sooner.notify_one();
        }
        waiting.insert((at, slot), waker);
    }

    /// Takes back what [`set`](Self::set) has set.
    pub fn cancel(&self, at: u64, slot: usize) {
        self.lock().remove(&(at, slot));
    }

    /// Rings every alarm in its time, for ever.
    pub async fn run(&self, clock: &Clock) {
        loop {
            let now = clock.now().ticks;
            match self.ring_until(now) {
                None => self.sooner.notified().await,
                Some(next) => {
                    let pause = Duration::from_micros(next - now);
                    // Whichever comes first: its time, or an earlier alarm.
                    let _ = tokio::time::timeout(pause, self.sooner.notified()).await;
                }
            }
        }
    }

    /// Wakes everybody whose time has come, and says when the next one's will.
    fn ring_until(&self, now: u64) -> Option<u64> {
        let mut waiting = self.lock();
        while let Some(first) = waiting.first_entry() {
            let (at, _) = *first.key();
            if at > now {
                return Some(at);
            }
            first.remove().wake();
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(u64, usize), Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
