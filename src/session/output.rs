//! What a session still has to send: its cursor in the room's feed, and its outbox of answers for it alone.
//!
//! An answer stands in the feed where it was asked for: everything that happened before comes before it. The outbox
//! is therefore a list of edits of the feed, and no second queue that could overtake the first. A line of the feed that
//! this one client is not to see (its own, in a dialect without echo) is an edit as well.
//!
//! A client that cannot tell where a message ends is sent each one apart, in its session's own turns: such a session
//! counts as blocked all the time, so that the delivery leaves it alone.
//!
//! Most sessions are owed nothing most of the time: what only some need is apart, and held while it is needed.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::task::Poll;

use super::NEVER;
use super::transport::Transport;
use crate::chat::Now;
use crate::dialect::END;
use crate::room::Block;

/// Pieces handed to the kernel in one call, for a client that is behind. In a quiet room, each is a line.
const PIECES: usize = 128;

/// Where a session stands, and what it is to be sent besides the feed.
#[derive(Default)]
pub struct Output {
    /// The feed's bytes before this position are sent.
    position: u64,
    /// The block to go on in. `None`: the session has kept up, and the delivery knows where it is.
    block: Option<Arc<Block>>,
    /// Answers not sent yet, and what else of the feed is changed for this client.
    outbox: Option<Box<Outbox>>,
    /// Each message is sent apart.
    pace: Option<Box<Pace>>,
    /// The socket is full: the session goes on by itself when there is room.
    blocked: bool,
}

/// What a client is sent besides the feed, and is not sent of it.
#[derive(Default)]
struct Outbox {
    /// Answers, one after the other.
    answers: VecDeque<u8>,
    /// Where in the feed their pieces belong, and what of the feed is left out, in order. Never empty.
    edits: VecDeque<Edit>,
}

/// How messages are kept apart.
#[derive(Clone, Copy)]
struct Pace {
    /// Ticks from one message to the next.
    gap: u64,
    /// When the next message may be sent; `NEVER`: at once, there is nothing to wait for.
    next: u64,
}

/// When everything before `at` is sent: a piece of the outbox comes, and then a piece of the feed is left out.
struct Edit {
    at: u64,
    insert: usize,
    skip: u64,
}

impl Output {
    /// Puts an answer behind everything before feed position `at`.
    pub fn post(&mut self, at: u64, answer: &[u8]) {
        let Outbox { answers, edits } = self.outbox.get_or_insert_default().as_mut();
        answers.extend(answer);
        match edits.back_mut() {
            Some(last) if last.at == at && last.skip == 0 => last.insert += answer.len(),
            _ => edits.push_back(Edit { at, insert: answer.len(), skip: 0 }),
        }
    }

    /// Leaves out the feed between two positions, which are not sent yet.
    pub fn omit(&mut self, from: u64, to: u64) {
        let edits = &mut self.outbox.get_or_insert_default().edits;
        match edits.back_mut() {
            Some(last) if last.at + last.skip == from => last.skip += to - from,
            _ => edits.push_back(Edit { at: from, insert: 0, skip: to - from }),
        }
    }

    /// Begins to read the feed at `position`, going on from `block`, which may end before it.
    pub fn enter(&mut self, position: u64, block: Arc<Block>) {
        self.position = position;
        self.block = Some(block);
    }

    /// Stops reading the feed at `stop`: what is not sent of it until there is owed as an answer is. A block to go on
    /// from must be known.
    pub fn detach(&mut self, stop: u64) {
        let mut owed = Vec::new();
        loop {
            let (slices, total) = self.gather(stop);
            slices.iter().for_each(|slice| owed.extend_from_slice(slice));
            drop(slices);
            self.advance(total, stop);
            if total == 0 {
                break;
            }
        }
        *self = Output { blocked: self.blocked, ..Output::default() };
        if !owed.is_empty() {
            self.post(0, &owed);
        }
    }

    /// Goes on from `block`, if it is not known where.
    pub fn resume(&mut self, block: Option<Arc<Block>>) {
        if self.block.is_none() {
            self.block = block;
        }
    }

    /// Forgets all that is not sent: the session is too far behind to be sent it. The log is free of it at once.
    pub fn abandon(&mut self) {
        let pace = self.pace.take();
        *self = Output { position: self.position, blocked: self.blocked, pace, ..Output::default() };
    }

    /// The position up to which the feed has been sent.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether the session waits for room in its socket.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// From now on every message is sent apart, `gap` ticks after the one before.
    pub fn keep_apart(&mut self, gap: u64) {
        self.blocked = true;
        self.pace = Some(Box::new(Pace { gap, next: NEVER }));
    }

    /// Whether every message is sent apart.
    #[must_use]
    pub fn is_paced(&self) -> bool {
        self.pace.is_some()
    }

    /// When the next message may be sent, in ticks, if one has been sent and its gap is not over; otherwise [`NEVER`].
    #[must_use]
    pub fn due(&self) -> u64 {
        self.pace.as_ref().map_or(NEVER, |pace| pace.next)
    }

    /// Bytes not sent yet of a feed that ends at `end`, and of the outbox.
    #[must_use]
    pub fn lag(&self, end: u64) -> u64 {
        let answers = self.outbox.as_ref().map_or(0, |outbox| outbox.answers.len());
        end.saturating_sub(self.position) + answers as u64
    }

    /// Sends a round's news: in the usual case the very bytes that all others are sent, in one call.
    ///
    /// # Errors
    /// The socket's, when the connection is broken.
    pub fn deliver(&mut self, transport: &mut Transport, news: &News<'_>) -> io::Result<()> {
        if self.block.is_none() && !self.blocked && self.outbox.is_none() && self.position == news.start {
            let sent = match transport.write(news.slices) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
                sent => sent?,
            };
            self.position += sent as u64;
            if self.position == news.end && !transport.has_unsent() {
                return Ok(());
            }
            self.blocked = true;
        }
        if self.block.is_none() {
            self.block = Some(news.from.seek(self.position));
        }
        if !self.blocked {
            self.send(transport, news.end)?;
        }
        if !self.blocked && self.position >= news.end {
            self.block = None;
        }
        Ok(())
    }

    /// Sends what the session is behind, up to feed position `stop`. Afterwards everything up to there is sent, or
    /// the socket is full and the session is blocked.
    ///
    /// # Errors
    /// The socket's, when the connection is broken.
    pub fn send(&mut self, transport: &mut Transport, stop: u64) -> io::Result<()> {
        self.blocked = self.send_pieces(transport, stop)?.is_pending();
        Ok(())
    }

    /// Sends the messages of a paced session up to feed position `stop`, each in its time. Pending: the next one's time
    /// has not come, or the socket is full.
    ///
    /// # Errors
    /// The socket's, when the connection is broken.
    pub fn send_paced(&mut self, transport: &mut Transport, stop: u64, now: Now) -> io::Result<Poll<()>> {
        loop {
            if transport.flush()?.is_pending() {
                return Ok(Poll::Pending);
            }
            let Some(Pace { gap, next }) = self.pace.as_deref().copied() else { return Ok(Poll::Ready(())) };
            if next != NEVER && now.ticks < next {
                return Ok(Poll::Pending);
            }
            let message = self.next_message(stop);
            self.set_next(NEVER);
            let Some(message) = message else {
                self.advance(0, stop);
                return Ok(Poll::Ready(()));
            };
            let sent = match transport.write(&[IoSlice::new(&message)]) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(Poll::Pending),
                sent => sent?,
            };
            if sent == message.len() {
                self.advance(sent + 1, stop);
                self.set_next(now.ticks + gap);
            } else {
                self.advance(sent, stop);
            }
        }
    }

    /// The next message, or the rest of it, without its [`END`].
    fn next_message(&self, stop: u64) -> Option<Vec<u8>> {
        let (slices, total) = self.gather(stop);
        let mut message = Vec::new();
        for slice in &slices {
            let end = memchr::memchr(END, slice);
            message.extend_from_slice(slice.get(..end.unwrap_or(slice.len())).unwrap_or_default());
            if end.is_some() {
                break;
            }
        }
        (total > 0).then_some(message)
    }

    fn set_next(&mut self, next: u64) {
        if let Some(pace) = &mut self.pace {
            pace.next = next;
        }
    }

    /// Ends our side, once everything is sent. Says whether that is done, or the socket was full.
    ///
    /// # Errors
    /// The socket's, when the connection is broken.
    pub fn end(&mut self, transport: &mut Transport) -> io::Result<bool> {
        self.blocked = transport.end()?.is_pending();
        Ok(!self.blocked)
    }

    fn send_pieces(&mut self, transport: &mut Transport, stop: u64) -> io::Result<Poll<()>> {
        if transport.flush()?.is_pending() {
            return Ok(Poll::Pending);
        }
        loop {
            let (slices, total) = self.gather(stop);
            if total == 0 {
                drop(slices);
                self.advance(0, stop);
                return Ok(Poll::Ready(()));
            }
            let sent = match transport.write(&slices) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(Poll::Pending),
                sent => sent?,
            };
            drop(slices);
            self.advance(sent, stop);
            if sent < total || transport.has_unsent() {
                return Ok(Poll::Pending);
            }
        }
    }

    /// What comes next, as pieces of the feed and of the outbox in turn, and how many bytes that is.
    fn gather(&self, stop: u64) -> (Vec<IoSlice<'_>>, usize) {
        let mut slices = Vec::new();
        let (mut position, mut block, mut skipped) = (self.position, self.block.as_ref(), 0);
        let mut edits = self.outbox.iter().flat_map(|outbox| &outbox.edits).peekable();
        while slices.len() < PIECES {
            if let Some(edit) = edits.next_if(|edit| edit.at <= position) {
                let answers = self.outbox.iter().flat_map(|outbox| ring_slices(&outbox.answers, skipped, edit.insert));
                slices.extend(answers.map(IoSlice::new));
                skipped += edit.insert;
                position = position.max(edit.at + edit.skip);
                continue;
            }
            let Some(current) = block else { break };
            let until = edits.peek().map_or(stop, |edit| edit.at.min(stop));
            let piece = current.between(position, until);
            if !piece.is_empty() {
                slices.push(IoSlice::new(piece));
                position += piece.len() as u64;
            } else if position < until && current.end() <= position {
                block = current.next();
            } else {
                break;
            }
        }
        let total = slices.iter().map(|slice| slice.len()).sum();
        (slices, total)
    }

    /// Notes that `sent` bytes of what [`gather`](Self::gather) returned are sent.
    fn advance(&mut self, mut sent: usize, stop: u64) {
        if let Some(outbox) = &mut self.outbox {
            self.position = outbox.advance(self.position, &mut sent, stop);
            // A burst of answers does not stay in memory.
            if outbox.edits.is_empty() {
                self.outbox = None;
            }
        }
        self.position += sent as u64;
        if let Some(block) = &self.block {
            self.block = Some(block.seek(self.position));
        }
    }
}

impl Outbox {
    /// Takes off `sent` what is sent of the answers, and of the feed as far as there are edits; returns the feed's
    /// position then. Every byte sent is one that `gather` found between `position` and `stop`.
    fn advance(&mut self, mut position: u64, sent: &mut usize, stop: u64) -> u64 {
        while let Some(edit) = self.edits.front_mut() {
            if edit.at > position {
                let taken = (*sent as u64).min(edit.at.min(stop).saturating_sub(position));
                position += taken;
                *sent -= usize::try_from(taken).unwrap_or(*sent);
                if edit.at > position {
                    break;
                }
            }
            let taken = edit.insert.min(*sent);
            edit.insert -= taken;
            *sent -= taken;
            self.answers.drain(..taken);
            if edit.insert > 0 {
                break;
            }
            position = position.max(edit.at + edit.skip);
            self.edits.pop_front();
        }
        position
    }
}

/// What one feed's readers are to be sent in a round.
pub struct News<'a> {
    /// The block before the first new one.
    pub from: &'a Arc<Block>,
    /// The position of the first new byte.
    pub start: u64,
    /// The position after the last one.
    pub end: u64,
    /// All of it.
    pub slices: &'a [IoSlice<'a>],
}

/// `length` bytes of a ring from `start` on, in the one or two pieces that they lie in.
fn ring_slices(ring: &VecDeque<u8>, start: usize, length: usize) -> impl Iterator<Item = &[u8]> {
    let (first, second) = ring.as_slices();
    let of_first = first.get(start.min(first.len())..(start + length).min(first.len()));
    let (start, end) = (start.saturating_sub(first.len()), (start + length).saturating_sub(first.len()));
    let of_second = second.get(start..end);
    [of_first, of_second].into_iter().flatten().filter(|piece| !piece.is_empty())
}

#[cfg(test)]
mod tests;
