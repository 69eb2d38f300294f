//! All sessions there are, each in a slot of its own, and those of them that are to get a turn.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Session;
use crate::net::Poller;
use crate::room::Bell;

/// Sessions that are looked at before others get a turn, when all of them are.
const SLICE: usize = 64;

/// All sessions, those without a name included.
pub struct Sessions {
    slots: Mutex<Slots>,
    count: AtomicUsize,
    none_left: Notify,
    /// Watches their sockets.
    pub poller: Poller,
    /// Those that are to get a turn for another reason than their socket.
    pub woken: Arc<Woken>,
}

#[derive(Default)]
struct Slots {
    taken: Vec<Option<Arc<Session>>>,
    free: Vec<u32>,
}

/// Slots of sessions that are to get a turn.
#[derive(Default)]
pub struct Woken {
    slots: Mutex<Vec<u32>>,
    /// Rings when there is a first one.
    pub bell: Bell,
}

impl Sessions {
    /// None yet; must be made on the runtime that is to serve them.
    ///
    /// # Errors
    /// The process or the machine is out of something.
    pub fn new() -> io::Result<Sessions> {
        let (slots, count, none_left) = Default::default();
        Ok(Sessions { slots, count, none_left, poller: Poller::new()?, woken: Arc::default() })
    }

    /// Takes in the session that is made for a slot.
    pub fn insert(&self, make: impl FnOnce(u32) -> Session) -> Arc<Session> {
        let Slots { taken, free } = &mut *self.lock();
        let slot = free.pop().unwrap_or_else(|| {
            taken.push(None);
            // There cannot be as many descriptors.
            u32::try_from(taken.len() - 1).unwrap_or(u32::MAX)
        });
        let session = Arc::new(make(slot));
        if let Some(place) = taken.get_mut(slot as usize) {
            *place = Some(session.clone());
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        session
    }

    /// Lets go of the session in this slot.
    pub fn remove(&self, slot: u32) {
        let slots = &mut *self.lock();
        if slots.taken.get_mut(slot as usize).is_some_and(|place| place.take().is_some()) {
            slots.free.push(slot);
            if self.count.fetch_sub(1, Ordering::Relaxed) == 1 {
                *slots = Slots::default();
                self.none_left.notify_waiters();
            }
        }
    }

    /// The session in this slot.
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<Arc<Session>> {
        self.lock().taken.get(slot as usize)?.clone()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Does something with those in the slots from `from` on until it has enough; returns where to go on, if there are
    /// slots left.
    pub fn walk(&self, from: usize, mut action: impl FnMut(&Arc<Session>) -> ControlFlow<()>) -> Option<usize> {
        let slots = self.lock();
        for (slot, session) in slots.taken.iter().enumerate().skip(from) {
            if session.as_ref().is_some_and(|session| action(session).is_break()) {
                return Some(slot + 1);
            }
        }
        None
    }

    /// Does something with every session there is, and lets others have their turn in between: once with each that is
    /// there all the time, and once or not at all with one that comes or goes meanwhile.
    pub async fn for_each(&self, mut action: impl FnMut(&Arc<Session>)) {
        let mut next = Some(0);
        while let Some(from) = next {
            let mut left = SLICE;
            next = self.walk(from, |session| {
                action(session);
                left -= 1;
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            tokio::task::yield_now().await;
        }
    }

    /// Waits until all are gone.
    pub async fn gone(&self) {
        loop {
            let gone = self.none_left.notified();
            if self.count() == 0 {
                return;
            }
            gone.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Woken {
    /// Has the session in this slot get a turn.
    pub fn push(&self, slot: u32) {
        self.lock().push(slot);
        self.bell.ring();
    }

    /// Moves those who have been woken so far to `queue`.
    pub fn take(&self, queue: &mut VecDeque<u32>) {
        self.bell.silence();
        queue.extend(self.lock().drain(..));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u32>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
