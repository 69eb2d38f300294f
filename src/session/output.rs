//! A session's output: a cursor in a feed of the log, and the bytes for this client alone.
//!
//! Answers and private messages keep their place among the room's events: everything that happened before is sent before.
//! Therefore the outbox is a list of *edits* of the feed, not a second queue, which could overtake the first. An edit
//! inserts bytes; skips a part of the feed (a client's own line, in a dialect without echo); or switches to another feed,
//! or to none, when the client changes its wire form or leaves the room. The feed's bytes are never copied.
//!
//! Some clients cannot tell where a message ends. They are sent one message at a time, in their sessions' own turns; their
//! output always counts as blocked, so that the delivery skips it.

mod outbox;
mod saved;
#[cfg(test)]
mod tests;

use std::io::IoSlice;
use std::sync::Arc;

use super::NEVER;
use crate::dialect::END;
use crate::room::{Block, Cursor, FeedId, Log};
pub use outbox::Source;
use outbox::{EditKind, Outbox};
pub use saved::Unsent;

/// The most pieces passed to the kernel in one call.
const PIECES: usize = 128;

/// The unsent output of one client.
#[derive(Default)]
pub struct Output {
    /// The place in the feed that is being sent. `None` outside the room, once everything from inside is sent.
    cursor: Option<Cursor>,
    /// The edits and their bytes; usually none.
    outbox: Option<Box<Outbox>>,
    /// Set if messages are sent one at a time.
    pace: Option<Box<Pace>>,
    /// Whether the transport is full. The session continues in its own turns.
    blocked: bool,
}

/// A piece of what is unsent.
struct Piece<'a> {
    bytes: &'a [u8],
    source: Source,
    /// The block that it is of, and where it begins in it.
    of: Option<(&'a Arc<Block>, u64)>,
}

/// The time between messages that are sent one at a time.
#[derive(Clone, Copy)]
struct Pace {
    /// Ticks from one message to the next.
    gap: u64,
    /// When the next message may be sent; [`NEVER`]: at once, there is nothing to wait for.
    next: u64,
}

/// The part of a feed that one round of the delivery sends to its readers.
pub struct FeedUpdate<'a> {
    /// The block before the first new one.
    pub from: &'a Arc<Block>,
    /// The position of the first new byte.
    pub start: u64,
    /// The position after the last one.
    pub end: u64,
    /// All of it.
    pub slices: &'a [IoSlice<'a>],
}

impl Output {
    /// Starts reading a feed, after everything that is queued already.
    pub fn start_reading(&mut self, log: &mut Log, cursor: Cursor) {
        self.switch(log, Some(cursor), None);
    }

    /// Stops reading at `stop`, or at the present end of the feed. What precedes that is still sent.
    pub fn stop_reading(&mut self, log: &mut Log, stop: Option<u64>) {
        self.switch(log, None, stop);
    }

    /// Continues in another feed, or in none, from `stop` on.
    fn switch(&mut self, log: &mut Log, next: Option<Cursor>, stop: Option<u64>) {
        let Some(last) = self.last_cursor() else {
            return match (&mut self.outbox, next) {
                // After what is queued already.
                (Some(outbox), Some(next)) => outbox.switch(0, Some(next), 0),
                (None, next) => self.cursor = next,
                (Some(_), None) => {}
            };
        };
        let end = log.pin(last);
        log.unsubscribe(last.feed);
        let stop = stop.unwrap_or(end);
        let left = stop.saturating_sub(last.position);
        self.outbox_mut(log).switch(stop, next, left);
        self.advance(0);
    }

    /// Queues bytes after everything that has happened so far.
    pub fn post(&mut self, log: &Log, bytes: &[u8], source: Source) {
        if !bytes.is_empty() {
            let at = self.feed().map_or(0, |feed| log.end(feed));
            self.outbox_mut(log).insert(at, bytes, source);
        }
    }

    /// Skips the feed between two positions, which must not be sent yet.
    pub fn skip(&mut self, log: &Log, (from, to): (u64, u64)) {
        if from < to {
            self.outbox_mut(log).skip(from, to);
        }
    }

    /// Drops everything unsent, so that the log can free it at once.
    pub fn discard(&mut self, log: &mut Log) {
        if let Some(feed) = self.feed() {
            log.unsubscribe(feed);
        }
        *self = Output { blocked: self.blocked, pace: self.pace.take(), ..Output::default() };
    }

    /// The feed that is being sent.
    #[must_use]
    pub fn reading(&self) -> Option<FeedId> {
        self.cursor.as_ref().map(|cursor| cursor.feed)
    }

    /// The feed that is read after everything queued now.
    #[must_use]
    pub fn feed(&self) -> Option<FeedId> {
        match self.outbox.as_ref().and_then(|outbox| outbox.last_switch()) {
            Some(next) => next.map(|cursor| cursor.feed),
            None => self.cursor.as_ref().map(|cursor| cursor.feed),
        }
    }

    /// Whether a switch to another feed, or to none, is queued.
    #[must_use]
    pub fn is_switching(&self) -> bool {
        self.outbox.as_ref().is_some_and(|outbox| outbox.last_switch().is_some())
    }

    fn last_cursor(&mut self) -> Option<&mut Cursor> {
        let Output { cursor, outbox, .. } = self;
        match outbox.as_mut().and_then(|outbox| outbox.last_switch_mut()) {
            Some(next) => next,
            None => cursor.as_mut(),
        }
    }

    fn outbox_mut(&mut self, log: &Log) -> &mut Outbox {
        self.outbox.get_or_insert_with(|| Box::new(Outbox::new(log.backlog())))
    }

    /// Whether the session waits for its transport to accept more.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Notes whether the transport is full.
    pub fn set_blocked(&mut self, blocked: bool) {
        self.blocked = blocked || self.pace.is_some();
    }

    /// Bytes that the session lags behind: the unsent part of the feed, and private messages from others.
    #[must_use]
    pub fn lag(&self, log: &Log) -> u64 {
        let feed = match self.outbox.as_ref().and_then(|outbox| outbox.last_switch()) {
            Some(next) => next,
            None => self.cursor.as_ref(),
        };
        let ahead = feed.map_or(0, |cursor| log.end(cursor.feed).saturating_sub(cursor.position));
        self.outbox.as_ref().map_or(ahead, |outbox| outbox.lag(ahead))
    }

    /// Bytes of answers to its own questions that are not sent yet.
    #[must_use]
    pub fn answers(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.answers())
    }

    /// Whether the session can be sent a round's bytes unchanged, because it has been sent everything before them.
    #[must_use]
    pub fn is_caught_up(&self, update: &FeedUpdate<'_>) -> bool {
        let is_at_start = |cursor: &Cursor| cursor.block.is_none() && cursor.position == update.start;
        !self.blocked && self.outbox.is_none() && self.cursor.as_ref().is_some_and(is_at_start)
    }

    /// Notes that `sent` bytes of a round are sent to a session that [is caught up](Self::is_caught_up). Returns whether
    /// that was all.
    pub fn sent_update(&mut self, update: &FeedUpdate<'_>, sent: usize) -> bool {
        let Some(cursor) = &mut self.cursor else { return true };
        cursor.position += sent as u64;
        if cursor.position < update.end {
            cursor.block = Some(update.from.seek(cursor.position));
        }
        cursor.position >= update.end
    }

    /// Pins the block in which a session that is behind continues. Required before the round ends.
    pub fn pin_block(&mut self, update: &FeedUpdate<'_>) {
        if let Some(cursor) = &mut self.cursor
            && cursor.block.is_none()
        {
            cursor.block = Some(update.from.seek(cursor.position));
        }
    }

    /// Unpins the block if the session has been sent the whole round, so that the next round serves it again.
    pub fn unpin_block(&mut self, update: &FeedUpdate<'_>) {
        if let Some(cursor) = &mut self.cursor
            && self.outbox.is_none()
            && !self.blocked
            && cursor.position == update.end
        {
            cursor.block = None;
        }
    }

    /// The next bytes to send, as pieces of the feed and the outbox in order, and their total length.
    #[must_use]
    pub fn gather(&self) -> (Vec<IoSlice<'_>>, usize) {
        let mut slices = Vec::new();
        self.for_each_piece(|piece| {
            slices.push(IoSlice::new(piece.bytes));
            slices.len() < PIECES
        });
        let total = slices.iter().map(|slice| slice.len()).sum();
        (slices, total)
    }

    /// Passes on what is unsent, in order, until that returns `false`.
    fn for_each_piece<'a>(&'a self, mut pass_on: impl FnMut(Piece<'a>) -> bool) {
        let (mut position, mut block) = place(self.cursor.as_ref());
        let mut inserted = 0;
        let mut edits = self.outbox.iter().flat_map(|outbox| outbox.edits()).peekable();
        loop {
            let until = edits.peek().map_or(u64::MAX, |edit| edit.at);
            let piece = block.map_or(&[][..], |block| block.between(position, until));
            if !piece.is_empty() {
                let of = block.map(|block| (block, position - block.base()));
                position += piece.len() as u64;
                if !pass_on(Piece { bytes: piece, source: Source::Room, of }) {
                    return;
                }
            } else if let Some(current) = block
                && position < until
                && current.end() <= position
                && let Some(next) = current.next()
            {
                block = Some(next);
            } else if let Some(edit) = edits.next_if(|edit| edit.at <= position) {
                match &edit.kind {
                    EditKind::Insert { length, source } => {
                        let mut bytes = self.outbox.iter().flat_map(|outbox| outbox.bytes(inserted, *length));
                        if !bytes.all(|bytes| pass_on(Piece { bytes, source: *source, of: None })) {
                            return;
                        }
                        inserted += length;
                    }
                    EditKind::Shared { block, from, to } => {
                        let bytes = block.between(*from, *to);
                        if !pass_on(Piece { bytes, source: Source::Room, of: Some((block, *from)) }) {
                            return;
                        }
                    }
                    EditKind::Skip { to } => position = position.max(*to),
                    EditKind::Switch { next, .. } => (position, block) = place(next.as_deref()),
                }
            } else {
                return;
            }
        }
    }

    /// Notes that `sent` bytes of what [`gather`](Self::gather) returned are sent.
    pub fn advance(&mut self, mut sent: usize) {
        let Output { cursor, outbox, .. } = self;
        loop {
            let next_edit = outbox.as_ref().and_then(|outbox| outbox.edits().next());
            if let Some(cursor) = cursor {
                let until = next_edit.map_or(u64::MAX, |edit| edit.at);
                let taken = (sent as u64).min(until.saturating_sub(cursor.position));
                cursor.position += taken;
                sent -= usize::try_from(taken).unwrap_or(sent);
                cursor.block = cursor.block.take().map(|block| block.seek(cursor.position));
                if let Some(outbox) = outbox {
                    outbox.note_passed(taken);
                }
                if cursor.position < until {
                    return;
                }
            }
            let Some(all) = outbox else { return };
            match all.take_front(&mut sent) {
                None => return,
                Some(EditKind::Insert { .. } | EditKind::Shared { .. }) => {}
                Some(EditKind::Skip { to }) => {
                    if let Some(cursor) = cursor {
                        let skipped = to.saturating_sub(cursor.position);
                        cursor.position += skipped;
                        all.note_passed(skipped);
                    }
                }
                Some(EditKind::Switch { next, .. }) => *cursor = next.map(|next| *next),
            }
            if all.is_empty() {
                // Frees the memory of a burst of answers.
                *outbox = None;
            }
        }
    }

    /// From now on, sends one message at a time, with `gap` ticks between them.
    pub fn set_pace(&mut self, gap: u64) {
        self.blocked = true;
        self.pace = Some(Box::new(Pace { gap, next: NEVER }));
    }

    /// Whether messages are sent one at a time.
    #[must_use]
    pub fn is_paced(&self) -> bool {
        self.pace.is_some()
    }

    /// When the next message may be sent, in ticks, if one has been sent and its gap is not over; otherwise [`NEVER`].
    #[must_use]
    pub fn due(&self) -> u64 {
        self.pace.as_ref().map_or(NEVER, |pace| pace.next)
    }

    /// The next message of a paced session, or the rest of it, without its [`END`]. `None` if there is none, or it is not
    /// due.
    #[must_use]
    pub fn next_message(&mut self, now: u64) -> Option<Vec<u8>> {
        if self.due() != NEVER && now < self.due() {
            return None;
        }
        self.set_due(NEVER);
        let (slices, total) = self.gather();
        let mut message = Vec::new();
        for slice in &slices {
            // An end may lie in two slices.
            let seen = message.len().saturating_sub(END.len() - 1);
            let end = memchr::memmem::find(slice, END).map_or(slice.len(), |end| end + END.len());
            message.extend_from_slice(slice.get(..end).unwrap_or_default());
            if let Some(end) = memchr::memmem::find(message.get(seen..).unwrap_or_default(), END) {
                message.truncate(seen + end);
                break;
            }
        }
        (total > 0).then_some(message)
    }

    /// Notes that `sent` bytes of a message are sent; `whole`: that was all of it.
    pub fn sent_message(&mut self, sent: usize, whole: bool, now: u64) {
        self.advance(sent + if whole { END.len() } else { 0 });
        if whole && let Some(pace) = &self.pace {
            self.set_due(now + pace.gap);
        }
    }

    /// Clears the time of the next message if it has passed, because the session waits for its full transport instead.
    pub fn clear_due(&mut self, now: u64) {
        if self.due() <= now {
            self.set_due(NEVER);
        }
    }

    /// Sets when the next message may be sent.
    pub fn set_due(&mut self, next: u64) {
        if let Some(pace) = &mut self.pace {
            pace.next = next;
        }
    }

    /// Whether everything is sent and no feed is read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.cursor.is_none() && self.outbox.is_none()
    }
}

fn place(cursor: Option<&Cursor>) -> (u64, Option<&Arc<Block>>) {
    cursor.map_or((0, None), |cursor| (cursor.position, cursor.block.as_ref()))
}
