//! The delivery: rounds that send new events to every member that is caught up, with one write for each member.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

use super::turn::write_all;
use super::{Connection, Connections};
use crate::chat::{Now, Reason};
use crate::net::Transport;
use crate::people::SessionId;
use crate::room::{Block, Round};
use crate::session::{FeedUpdate, Output};

/// How many members are written to between two checks of the time.
const CHECK_INTERVAL: u32 = 16;

/// A round in progress.
pub struct Delivery {
    rounds: Vec<Round>,
    chains: Vec<Vec<Arc<Block>>>,
    /// The next member.
    next: SessionId,
}

impl<T: Transport> Connections<T> {
    /// Begins a round with everything that was appended so far. Call [`deliver`](Self::deliver) until it returns true
    /// before beginning another round.
    pub fn begin_round(&mut self) -> Delivery {
        let rounds = self.state.log.begin_round();
        let chains = rounds.iter().map(chain).collect();
        Delivery { rounds, chains, next: 0 }
    }

    /// Writes to members while `go_on` returns true, so that a round in a big room does not delay everything else. Returns
    /// whether the round is done.
    pub fn deliver(&mut self, delivery: &mut Delivery, now: Now, mut go_on: impl FnMut() -> bool) -> bool {
        let slices: Vec<Vec<IoSlice<'_>>> = delivery.chains.iter().map(|chain| slices(chain)).collect();
        let updates: Vec<FeedUpdate<'_>> =
            delivery.rounds.iter().zip(&slices).map(|(round, slices)| feed_update(round, slices)).collect();
        let mut failed = Vec::new();
        let mut served = 0;
        while delivery.next < self.ids().end {
            let id = delivery.next;
            delivery.next += 1;
            if let Some(connection) = self.all.get_mut(id as usize) {
                match serve(connection, &updates, now) {
                    Served::Done => {}
                    waiting @ (Served::Behind | Served::Waiting) => {
                        match connection.session.lags(&self.state, &self.limits) {
                            Some(reason) => {
                                // Frees what it will never be sent.
                                connection.session.output_mut().discard(&mut self.state.log);
                                failed.push((id, reason));
                            }
                            None if matches!(waiting, Served::Behind) => self.wake(id),
                            None => {}
                        }
                    }
                    Served::Broken(reason) => failed.push((id, reason)),
                }
            }
            served += 1;
            if served % CHECK_INTERVAL == 0 && !go_on() {
                break;
            }
        }
        for (id, reason) in failed {
            match &reason {
                Reason::Broken(_) => self.close_broken(id, now, &reason),
                _ => self.close(id, now, &reason),
            }
        }
        let done = delivery.next >= self.ids().end;
        if done {
            drop(updates);
            delivery.chains.clear();
            self.state.log.end_round(std::mem::take(&mut delivery.rounds));
            self.bound_backlog(now);
        }
        done
    }
}

/// How serving a session went.
enum Served {
    Done,
    /// Not everything was sent; the session continues in its own turns.
    Behind,
    /// The same, and it was waiting for its transport before this round.
    Waiting,
    Broken(Reason),
}

fn serve<T: Transport>(connection: &mut Connection<T>, updates: &[FeedUpdate<'_>], now: Now) -> Served {
    let Connection { session, transport, .. } = connection;
    let output = session.output_mut();
    // Before a queued switch it is sent nothing of this round, but the feed behind the switch may have grown.
    let nothing = if output.is_switching() { Served::Waiting } else { Served::Done };
    let Some(own) = output.reading().and_then(|feed| updates.get(feed.index())) else { return nothing };
    if own.start == own.end {
        return nothing;
    }
    let waits = output.is_blocked() && !output.is_paced();
    let written = if output.is_caught_up(own) {
        write_update(output, transport, own)
    } else {
        output.pin_block(own);
        if output.is_blocked() { Ok(()) } else { write_all(output, transport).map(drop) }
    };
    if let Err(e) = written {
        return Served::Broken(Reason::Broken(e.kind().to_string().into()));
    }
    if !output.is_blocked() {
        if let Some(own) = output.reading().and_then(|feed| updates.get(feed.index())) {
            output.unpin_block(own);
        }
        return Served::Done;
    }
    if waits {
        return Served::Waiting;
    }
    if !output.is_paced() {
        session.note_sending(now, false, true);
    }
    Served::Behind
}

/// Sends a round's bytes, which are the same for all readers of the feed, in one call.
fn write_update<T: Transport>(output: &mut Output, transport: &mut T, update: &FeedUpdate<'_>) -> io::Result<()> {
    let sent = match transport.write(update.slices) {
        Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
        sent => sent?,
    };
    if !output.sent_update(update, sent) || transport.has_unsent() {
        output.pin_block(update);
        output.set_blocked(true);
    }
    Ok(())
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
    chain.iter().filter(|block| !block.bytes().is_empty()).map(|block| IoSlice::new(block.bytes())).collect()
}

fn feed_update<'a>(round: &'a Round, slices: &'a [IoSlice<'a>]) -> FeedUpdate<'a> {
    FeedUpdate { from: &round.from, start: round.from.end(), end: round.to.end(), slices }
}
