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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::session::tests::Woken;

    #[test]
    fn each_rings_in_its_time_unless_it_was_taken_back() {
        let alarms = Alarms::default();
        let [first, second, third] = [(); 3].map(|()| Arc::new(Woken::default()));
        alarms.set(30, 2, second.clone().into());
        alarms.set(20, 3, third.clone().into());
        alarms.set(10, 1, first.clone().into());
        assert_eq!(alarms.ring_until(9), Some(10));
        assert_eq!((first.count(), second.count()), (0, 0));
        assert_eq!(alarms.ring_until(10), Some(20));
        assert_eq!((first.count(), second.count()), (1, 0));
        alarms.cancel(20, 3);
        assert_eq!(alarms.ring_until(25), Some(30));
        assert_eq!(alarms.ring_until(1000), None);
        assert_eq!((first.count(), second.count(), third.count()), (1, 1, 0));
    }

    #[tokio::test]
    async fn an_earlier_alarm_is_not_kept_waiting_by_a_later_one() {
        const HOUR: u64 = 3_600_000_000;
        let (alarms, clock) = (Alarms::default(), Clock::default());
        let [late, early] = [(); 2].map(|()| Arc::new(Woken::default()));
        let ring = alarms.run(&clock);
        let set = async {
            // With nothing to ring, and then with something in an hour, it waits.
            tokio::task::yield_now().await;
            alarms.set(clock.now().ticks + HOUR, 1, late.clone().into());
            tokio::task::yield_now().await;
            alarms.set(clock.now().ticks + 1, 2, early.clone().into());
            early.wait().await;
        };
        tokio::select! {
            () = ring => unreachable!("it rings for ever"),
            () = set => {}
        }
        assert_eq!(late.count(), 0);
    }
}
