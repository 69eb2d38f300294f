//! One timer for all sessions: a timer of its own for each would be most of an idle session's memory.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::clock::Clock;
use super::sessions::Woken;

/// Who is to be woken when. A session has one alarm at a time, and takes it away when it is not needed any more.
#[derive(Default)]
pub struct Alarms {
    /// By time in ticks, and then by the session's slot.
    waiting: Mutex<BTreeSet<(u64, u32)>>,
    sooner: Notify,
}

impl Alarms {
    /// Has the session in this slot woken at `at` (ticks), or a millisecond later.
    pub fn set(&self, at: u64, slot: u32) {
        let mut waiting = self.lock();
        if waiting.first().is_none_or(|(first, _)| at < *first) {
            self.sooner.notify_one();
        }
        waiting.insert((at, slot));
    }

    /// Takes back what [`set`](Self::set) has set.
    pub fn cancel(&self, at: u64, slot: u32) {
        self.lock().remove(&(at, slot));
    }

    /// Rings every alarm in its time, for ever.
    pub async fn run(&self, clock: &Clock, woken: &Woken) {
        loop {
            let now = clock.now().ticks;
            match self.ring_until(now, woken) {
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
    fn ring_until(&self, now: u64, woken: &Woken) -> Option<u64> {
        let mut waiting = self.lock();
        while let Some((at, slot)) = waiting.pop_first() {
            if at > now {
                waiting.insert((at, slot));
                return Some(at);
            }
            woken.push(slot);
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(u64, u32)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::future::poll_fn;

    use super::*;

    fn woken(woken: &Woken) -> Vec<u32> {
        let mut queue = VecDeque::new();
        woken.take(&mut queue);
        queue.into()
    }

    #[test]
    fn each_rings_in_its_time_unless_it_was_taken_back() {
        let (alarms, rung) = (Alarms::default(), Woken::default());
        alarms.set(30, 2);
        alarms.set(20, 3);
        alarms.set(10, 1);
        assert_eq!(alarms.ring_until(9, &rung), Some(10));
        assert!(woken(&rung).is_empty());
        assert_eq!(alarms.ring_until(10, &rung), Some(20));
        assert_eq!(woken(&rung), [1]);
        alarms.cancel(20, 3);
        assert_eq!(alarms.ring_until(25, &rung), Some(30));
        assert_eq!(alarms.ring_until(1000, &rung), None);
        assert_eq!(woken(&rung), [2]);
    }

    #[tokio::test]
    async fn an_earlier_alarm_is_not_kept_waiting_by_a_later_one() {
        const HOUR: u64 = 3_600_000_000;
        let (alarms, clock, rung) = (Alarms::default(), Clock::default(), Woken::default());
        let ring = alarms.run(&clock, &rung);
        let set = async {
            // With nothing to ring, and then with something in an hour, it waits.
            tokio::task::yield_now().await;
            alarms.set(clock.now().ticks + HOUR, 1);
            tokio::task::yield_now().await;
            alarms.set(clock.now().ticks + 1, 2);
            poll_fn(|cx| rung.bell.poll_rung(cx)).await;
        };
        tokio::select! {
            () = ring => unreachable!("it rings for ever"),
            () = set => {}
        }
        assert_eq!(woken(&rung), [2]);
    }
}
