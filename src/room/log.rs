//! The log: the order of all events, and its feeds. A feed is the log rendered for one wire form: a chain of immutable
//! blocks and an open tail.
//!
//! A position counts the bytes since its feed began; it is meaningful only in that feed. Readers share the blocks: each
//! block refers to the next, a reader that is behind refers to its block, and blocks that nobody refers to are freed.

mod block;

use std::collections::HashMap;
use std::sync::Arc;

pub use block::{Backlog, Block};

use crate::chat::{Event, Form, Now, Stamp, View};

/// The largest capacity reserved for the next round's bytes, so that a burst does not keep its memory.
const MAX_SPARE: usize = 64 * 1024;

/// One feed of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FeedId(u32);

/// A reader's place in a feed.
#[derive(Debug, Clone)]
pub struct Cursor {
    /// The feed.
    pub feed: FeedId,
    /// The position; everything before it is sent.
    pub position: u64,
    /// The block to continue in; it may end before the position. `None`: the reader is caught up, and the delivery knows
    /// the block.
    pub block: Option<Arc<Block>>,
}

/// What one round of the delivery sends to the readers of one feed that are caught up.
pub struct Round {
    /// The last block that they have been sent.
    pub from: Arc<Block>,
    /// The newest block.
    pub to: Arc<Block>,
}

/// The order of all events, and the feeds.
#[derive(Default)]
pub struct Log {
    sequence: u64,
    feeds: Vec<Feed>,
    backlog: Arc<Backlog>,
    /// Whether anything was rendered since the last round began.
    pending: bool,
    /// Blocks that several sessions are still to be sent, while these are saved or restored.
    shared: Vec<Arc<Block>>,
    /// Their numbers while they are saved, by their addresses.
    numbers: HashMap<usize, u32>,
}

/// One wire form's view of the log.
struct Feed {
    form: Arc<dyn Form>,
    tail: Vec<u8>,
    head: Arc<Block>,
    /// The newest block that every reader that is caught up has been sent.
    delivered: Arc<Block>,
    readers: usize,
    /// The last event that was rendered, and the position where its bytes begin.
    last: (u64, u64),
}

impl Log {
    /// A log whose next event has the number after `sequence`.
    #[must_use]
    pub fn after(sequence: u64) -> Log {
        Log { sequence, ..Log::default() }
    }

    /// Notes that a block is to be saved, once for all sessions that are still to be sent it. Returns its number.
    pub fn share(&mut self, block: &Arc<Block>) -> u32 {
        *self.numbers.entry(Arc::as_ptr(block).addr()).or_insert_with(|| {
            self.shared.push(block.clone());
            // There are fewer blocks than bytes in the backlog.
            u32::try_from(self.shared.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// A block that several sessions share, by its number.
    #[must_use]
    pub fn shared(&self, number: u32) -> Option<&Arc<Block>> {
        self.shared.get(number as usize)
    }

    /// Removes and returns the bytes of the shared blocks.
    pub fn take_shared(&mut self) -> Vec<Vec<u8>> {
        self.numbers = HashMap::new();
        std::mem::take(&mut self.shared).iter().map(|block| block.bytes().to_vec()).collect()
    }

    /// Takes up blocks for the sessions that are restored.
    pub fn set_shared(&mut self, shared: Vec<Vec<u8>>) {
        self.shared = shared.into_iter().map(|bytes| Block::alone(bytes, &self.backlog)).collect();
    }

    /// All sessions are restored: only they need the blocks that they share.
    pub fn forget_shared(&mut self) {
        self.shared = Vec::new();
    }

    /// The place of the next event.
    pub fn append(&mut self, now: Now) -> Stamp {
        self.sequence += 1;
        Stamp { sequence: self.sequence, unix: now.unix }
    }

    /// The number of the last event.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Renders an event into every feed that has readers.
    pub fn render(&mut self, stamp: Stamp, event: &Event<'_>, view: &dyn View) {
        for feed in self.feeds.iter_mut().filter(|feed| feed.readers > 0) {
            if feed.last.0 != stamp.sequence {
                feed.last = (stamp.sequence, feed.end());
            }
            feed.form.render(stamp, event, view, &mut feed.tail);
        }
        self.pending = true;
    }

    /// The positions in a feed between which an event's bytes are, if it was the last one.
    #[must_use]
    pub fn bytes_of(&self, stamp: Stamp, feed: FeedId) -> Option<(u64, u64)> {
        let feed = self.feed(feed)?;
        (feed.last.0 == stamp.sequence).then(|| (feed.last.1, feed.end()))
    }

    /// A new reader's place: at the end of the feed of this form.
    pub fn subscribe(&mut self, form: Arc<dyn Form>) -> Cursor {
        let place = self.feeds.iter().position(|feed| feed.form.id() == form.id()).unwrap_or_else(|| {
            self.feeds.push(Feed::new(form, &self.backlog));
            self.feeds.len() - 1
        });
        // There are not as many wire forms.
        let id = FeedId(u32::try_from(place).unwrap_or(u32::MAX));
        let (mut position, mut block) = (0, None);
        if let Some(feed) = self.feeds.get_mut(place) {
            feed.readers += 1;
            (position, block) = (feed.end(), Some(feed.head.clone()));
        }
        Cursor { feed: id, position, block }
    }

    /// Removes a reader. A feed without readers is not rendered.
    pub fn unsubscribe(&mut self, feed: FeedId) {
        let backlog = self.backlog.clone();
        if let Some(feed) = self.feeds.get_mut(feed.0 as usize) {
            feed.readers = feed.readers.saturating_sub(1);
            if feed.readers == 0 {
                feed.freeze(&backlog);
                // From now on only the clients that still need the last bytes keep them.
                feed.push(Vec::new(), &backlog);
            }
        }
    }

    /// The position after everything in a feed.
    #[must_use]
    pub fn end(&self, feed: FeedId) -> u64 {
        self.feed(feed).map_or(0, Feed::end)
    }

    /// Pins the block in which a reader continues, so that it can be sent everything up to the present end without the
    /// delivery. Returns the position of that end.
    pub fn pin(&mut self, cursor: &mut Cursor) -> u64 {
        let backlog = self.backlog.clone();
        let Some(feed) = self.feeds.get_mut(cursor.feed.0 as usize) else { return cursor.position };
        feed.freeze(&backlog);
        if cursor.block.is_none() {
            cursor.block = Some(feed.delivered.seek(cursor.position));
        }
        feed.end()
    }

    /// Whether something was rendered since the last round began.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.pending
    }

    /// Freezes all feeds and returns what is to be sent of each.
    pub fn begin_round(&mut self) -> Vec<Round> {
        self.pending = false;
        let backlog = &self.backlog;
        let rounds = self.feeds.iter_mut().map(|feed| Round { from: feed.delivered.clone(), to: feed.freeze(backlog) });
        rounds.collect()
    }

    /// All readers that are caught up have been sent what [`begin_round`](Self::begin_round) returned.
    pub fn end_round(&mut self, rounds: Vec<Round>) {
        for (feed, round) in self.feeds.iter_mut().zip(rounds) {
            feed.delivered = round.to;
            if feed.tail.is_empty() {
                // An idle room gives back what a busy one needed.
                feed.tail = Vec::new();
            }
        }
    }

    /// Counts the bytes that are kept for clients that have not been sent them.
    #[must_use]
    pub fn backlog(&self) -> &Arc<Backlog> {
        &self.backlog
    }

    fn feed(&self, feed: FeedId) -> Option<&Feed> {
        self.feeds.get(feed.0 as usize)
    }
}

impl FeedId {
    /// Where the feed stands among the rounds of [`Log::begin_round`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl Feed {
    fn new(form: Arc<dyn Form>, backlog: &Arc<Backlog>) -> Feed {
        let head = Block::first(backlog);
        Feed { form, tail: Vec::new(), delivered: head.clone(), head, readers: 0, last: (0, 0) }
    }

    fn end(&self) -> u64 {
        self.head.end() + self.tail.len() as u64
    }

    /// Closes the open tail, so that it can be shared, and returns the newest block.
    fn freeze(&mut self, backlog: &Arc<Backlog>) -> Arc<Block> {
        if !self.tail.is_empty() {
            let spare = self.tail.len().next_power_of_two().min(MAX_SPARE);
            let bytes = std::mem::replace(&mut self.tail, Vec::with_capacity(spare));
            self.push(bytes, backlog);
        }
        self.head.clone()
    }

    fn push(&mut self, bytes: Vec<u8>, backlog: &Arc<Backlog>) {
        self.head = self.head.follow(bytes, backlog);
    }
}
