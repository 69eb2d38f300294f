//! The one task that gives sessions their turns: to those whose socket has something, or room again, and to those who
//! were woken by their mail, their alarm or the delivery.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use super::{Context, STINT};
use crate::net::Readiness;

/// Gives sessions their turns.
pub struct Driver {
    context: Arc<Context>,
    /// What has happened to sockets; empty after each [`serve`](Self::serve), as is the next one.
    events: Vec<(u32, Readiness)>,
    /// Slots of those who are to get a turn.
    queue: VecDeque<u32>,
}

impl Driver {
    /// The driver of all sessions; there is one.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Driver {
        Driver { context, events: Vec::new(), queue: VecDeque::new() }
    }

    /// Waits until somebody is to get a turn. Cancel safe.
    ///
    /// # Errors
    /// The kernel does not tell any more.
    pub async fn ready(&mut self) -> io::Result<()> {
        let Driver { context, events, .. } = self;
        let sessions = &context.sessions;
        poll_fn(|cx| {
            let told = sessions.poller.poll(cx, events)?.is_ready();
            let rung = sessions.woken.bell.poll_rung(cx).is_ready();
            if told || rung { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    }

    /// Gives everybody a turn who is to get one, and others theirs in between.
    pub async fn serve(&mut self) {
        let context = self.context.clone();
        let sessions = &context.sessions;
        for (slot, readiness) in self.events.drain(..) {
            // Whoever has gone, and whoever has come to the slot since, can be told without harm.
            if let Some(session) = sessions.get(slot) {
                session.note(readiness);
                self.queue.push_back(slot);
            }
        }
        sessions.woken.take(&mut self.queue);
        let mut stint_end = context.clock.now().ticks + STINT;
        while let Some(slot) = self.queue.pop_front() {
            if sessions.get(slot).is_some_and(|session| session.turn(&context)) {
                sessions.remove(slot);
            }
            let now = context.clock.now().ticks;
            if now >= stint_end {
                tokio::task::yield_now().await;
                stint_end = now + STINT;
            }
        }
        // All others, and one look at what has arrived meanwhile.
        tokio::task::yield_now().await;
    }
}
