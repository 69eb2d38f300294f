//! The one delivery task: it carries what was appended to everybody who keeps up, one write for each and round.

use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::output::News;
use super::{Context, Phase, Session, State};
use crate::chat::Reason;
use crate::room::{Block, Round};

/// Members served before others get a turn: a big room must not keep logins and readers waiting.
const SLICE: usize = 256;

/// All sessions there are, each in a slot of its own.
#[derive(Default)]
pub struct Sessions {
    slots: Mutex<Slots>,
    count: AtomicUsize,
    none_left: Notify,
}

#[derive(Default)]
struct Slots {
    taken: Vec<Option<Arc<Session>>>,
    free: Vec<usize>,
}

impl Sessions {
    /// Takes a session in and returns its slot.
    pub fn insert(&self, session: Arc<Session>) -> usize {
        let slots = &mut *self.lock();
        self.count.fetch_add(1, Ordering::Relaxed);
        if let Some(slot) = slots.free.pop()
            && let Some(place) = slots.taken.get_mut(slot)
        {
            *place = Some(session);
            return slot;
        }
        slots.taken.push(Some(session));
        slots.taken.len() - 1
    }

    /// Lets go of the session in this slot.
    pub fn remove(&self, slot: usize) {
        let slots = &mut *self.lock();
        if slots.taken.get_mut(slot).is_some_and(|place| place.take().is_some()) {
            slots.free.push(slot);
            if self.count.fetch_sub(1, Ordering::Relaxed) == 1 {
                *slots = Slots::default();
                self.none_left.notify_waiters();
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Does something with those in the [`SLICE`] of slots from `from` on; says whether there are slots behind it.
    fn for_slice(&self, from: usize, action: impl FnMut(&Arc<Session>)) -> bool {
        let slots = self.lock();
        let end = (from + SLICE).min(slots.taken.len());
        slots.taken.get(from..end).unwrap_or_default().iter().flatten().for_each(action);
        end < slots.taken.len()
    }

    /// Does something with every session there is, and lets others have their turn in between.
    pub async fn for_each(&self, mut action: impl FnMut(&Arc<Session>)) {
        let mut from = 0;
        while self.for_slice(from, &mut action) {
            from += SLICE;
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

/// Carries the log to the sockets.
pub struct Delivery {
    context: Arc<Context>,
}

impl Delivery {
    /// The delivery for this room's sessions; there is one.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Delivery {
        Delivery { context }
    }

    /// Waits until something was appended, and until everything that had arrived by then is appended too.
    pub async fn rung(&self) {
        let bell = self.context.room.bell();
        poll_fn(|cx| bell.poll_rung(cx)).await;
        // Comes back after all sessions that are ready and one look at the sockets: under load, what they have all
        // said goes out in one write each.
        tokio::task::yield_now().await;
        bell.silence();
    }

    /// Carries everything appended so far.
    pub async fn round(&self) {
        let rounds = self.context.room.lock().begin_round();
        let max_lag = self.context.limits().max_lag;
        let chains: Vec<Vec<Arc<Block>>> = rounds.iter().map(chain).collect();
        let mut from = 0;
        while self.serve_slice(from, &rounds, &chains, max_lag) {
            from += SLICE;
            tokio::task::yield_now().await;
        }
        self.context.room.lock().end_round(rounds);
    }

    /// Serves one slice; says whether there are more.
    fn serve_slice(&self, from: usize, rounds: &[Round], chains: &[Vec<Arc<Block>>], max_lag: usize) -> bool {
        let slices: Vec<Vec<IoSlice<'_>>> = chains.iter().map(|chain| slices(chain)).collect();
        let news: Vec<News<'_>> = rounds.iter().zip(&slices).map(|(round, slices)| news(round, slices)).collect();
        self.context.sessions.for_slice(from, |session| self.deliver(session, &news, max_lag))
    }

    fn deliver(&self, session: &Session, news: &[News<'_>], max_lag: usize) {
        let state = &mut *session.lock();
        let Phase::Member = state.phase else { return };
        let Some(news) = state.feed.and_then(|feed| news.get(feed)).filter(|news| news.start < news.end) else {
            return;
        };
        // What somebody tells it alone may belong between these lines, and its task may not have had its turn since.
        if let Err(reason) = session.open_mail(state) {
            state.phase = Phase::Failed(reason);
            return session.wake();
        }
        let State { output, tls, .. } = state;
        // Whoever is sent message by message is always served by its own task, which has to know that there are more.
        let waits = output.is_blocked() && !output.is_paced();
        let failure = match output.deliver(&session.stream, tls, news) {
            Err(e) => Reason::Broken(e.kind()),
            Ok(()) if output.lag(news.end) > max_lag as u64 => self.context.too_slow(max_lag),
            Ok(()) if output.is_blocked() && !waits => return session.wake(),
            Ok(()) => return,
        };
        // What it will never be sent must not be kept for it until its task gets round to it.
        output.abandon();
        state.phase = Phase::Failed(failure);
        session.wake();
    }
}

fn chain(round: &Round) -> Vec<Arc<Block>> {
    let (mut chain, mut block) = (Vec::new(), &round.from);
    while !Arc::ptr_eq(block, &round.to)
        && let Some(next) = block.next()
    {
        chain.push(next.clone());
        block = next;
    }
    chain
}

fn slices(chain: &[Arc<Block>]) -> Vec<IoSlice<'_>> {
    chain.iter().map(|block| IoSlice::new(block.bytes())).collect()
}

fn news<'a>(round: &'a Round, slices: &'a [IoSlice<'a>]) -> News<'a> {
    News { from: &round.from, start: round.from.end(), end: round.to.end(), slices }
}
