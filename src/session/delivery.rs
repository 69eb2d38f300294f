//! The one delivery task: it carries what was appended to everybody who keeps up, one write for each and round.

use std::future::poll_fn;
use std::io::IoSlice;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::output::News;
use super::{Context, Phase, STINT, Session, State};
use crate::chat::Reason;
use crate::room::{Block, Round};

/// Members who are written to between two looks at the clock.
const LOOK: usize = 16;

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
        let mut next = Some(0);
        while let Some(from) = next {
            next = self.serve(from, &rounds, &chains, max_lag);
            if next.is_some() {
                tokio::task::yield_now().await;
            }
        }
        self.context.room.lock().end_round(rounds);
    }

    /// Serves as many members as it has time for: a big room must not keep logins and readers waiting. Returns where to
    /// go on.
    fn serve(&self, from: usize, rounds: &[Round], chains: &[Vec<Arc<Block>>], max_lag: usize) -> Option<usize> {
        let slices: Vec<Vec<IoSlice<'_>>> = chains.iter().map(|chain| slices(chain)).collect();
        let news: Vec<News<'_>> = rounds.iter().zip(&slices).map(|(round, slices)| news(round, slices)).collect();
        let (clock, mut served) = (&self.context.clock, 0);
        let end = clock.now().ticks + STINT;
        self.context.sessions.walk(from, |session| {
            self.deliver(session, &news, max_lag);
            served += 1;
            if served % LOOK == 0 && clock.now().ticks >= end {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
    }

    fn deliver(&self, session: &Session, news: &[News<'_>], max_lag: usize) {
        let state = &mut *session.lock();
        let Phase::Member = state.phase else { return };
        let Some(news) = state.feed.and_then(|feed| news.get(feed as usize)).filter(|news| news.start < news.end)
        else {
            return;
        };
        // What somebody tells it alone may belong between these lines, and it may not have had its turn since.
        if let Err(reason) = session.open_mail(state) {
            state.phase = Phase::Failed(reason);
            return session.wake();
        }
        let State { output, transport, .. } = state;
        // Whoever is sent message by message is served in its own turn, and has to know that there are more.
        let waits = output.is_blocked() && !output.is_paced();
        let failure = match output.deliver(transport, news) {
            Err(e) => Reason::Broken(e.kind()),
            Ok(()) if output.lag(news.end) > max_lag as u64 => self.context.too_slow(max_lag),
            Ok(()) if output.is_blocked() && !waits => return session.wake(),
            Ok(()) => return,
        };
        // What it will never be sent must not be kept for it until it gets its turn.
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
