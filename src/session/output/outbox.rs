//! The edits of a feed for one client.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::room::{Backlog, Block, Cursor};

/// All edits, ordered by position.
pub struct Outbox {
    /// The bytes of all inserts, in order.
    bytes: VecDeque<u8>,
    edits: VecDeque<Edit>,
    /// How many of these bytes are not the client's own answers.
    from_others: usize,
    /// Bytes of blocks that are shared with others.
    shared: u64,
    /// The number of switches.
    switches: usize,
    /// Unsent bytes of the feeds before the last switch.
    left: u64,
    /// Bytes of the feeds that are going to be skipped.
    skipped: u64,
    backlog: Arc<Backlog>,
}

/// An edit, which applies when everything before `at` is sent.
pub struct Edit {
    /// A position in the feed that is current then; 0 without a feed.
    pub at: u64,
    /// The kind of edit.
    pub kind: EditKind,
}

/// The kinds of edits.
pub enum EditKind {
    /// Sends the next bytes of the outbox.
    Insert {
        /// How many bytes.
        length: usize,
        /// Who has caused them.
        source: Source,
    },
    /// Sends a part of a block of an earlier process, which others are sent, too.
    Shared {
        /// The block.
        block: Arc<Block>,
        /// Where the part begins.
        from: u64,
        /// Where it ends.
        to: u64,
    },
    /// Skips a part of the feed.
    Skip {
        /// The position after it.
        to: u64,
    },
    /// Continues in another feed, or in none.
    Switch {
        /// The place in it.
        next: Option<Box<Cursor>>,
    },
}

/// Who has caused bytes that only this client is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// The client itself: an answer. While too many are unsent, its input is not processed.
    Own,
    /// Others: it counts as lag, like the events of the room.
    Room,
}

impl Outbox {
    /// An empty outbox, whose bytes count as backlog.
    #[must_use]
    pub fn new(backlog: &Arc<Backlog>) -> Outbox {
        let (bytes, edits) = Default::default();
        Outbox { bytes, edits, from_others: 0, shared: 0, switches: 0, left: 0, skipped: 0, backlog: backlog.clone() }
    }

    /// Inserts bytes at a position of the last feed.
    pub fn insert(&mut self, at: u64, bytes: &[u8], source: Source) {
        self.bytes.extend(bytes);
        self.backlog.add(bytes.len());
        if source == Source::Room {
            self.from_others += bytes.len();
        }
        match self.edits.back_mut() {
            Some(Edit { at: known, kind: EditKind::Insert { length, source: same } })
                if *known == at && *same == source =>
            {
                *length += bytes.len();
            }
            _ => self.edits.push_back(Edit { at, kind: EditKind::Insert { length: bytes.len(), source } }),
        }
    }

    /// Inserts a part of a block at a position of the last feed.
    pub fn insert_shared(&mut self, at: u64, block: Arc<Block>, (from, to): (u64, u64)) {
        self.shared += to - from;
        self.edits.push_back(Edit { at, kind: EditKind::Shared { block, from, to } });
    }

    /// Skips a part of the last feed.
    pub fn skip(&mut self, from: u64, to: u64) {
        self.skipped += to - from;
        match self.edits.back_mut() {
            Some(Edit { kind: EditKind::Skip { to: until }, .. }) if *until == from => *until = to,
            _ => self.edits.push_back(Edit { at: from, kind: EditKind::Skip { to } }),
        }
    }

    /// Leaves the last feed, of which `left` bytes are unsent.
    pub fn switch(&mut self, at: u64, next: Option<Cursor>, left: u64) {
        self.switches += 1;
        self.left += left;
        self.edits.push_back(Edit { at, kind: EditKind::Switch { next: next.map(Box::new) } });
    }

    /// The target of the last switch, if there is one.
    #[must_use]
    pub fn last_switch(&self) -> Option<Option<&Cursor>> {
        if self.switches == 0 {
            return None;
        }
        self.edits.iter().rev().find_map(|edit| match &edit.kind {
            EditKind::Switch { next } => Some(next.as_deref()),
            _ => None,
        })
    }

    /// The target of the last switch, if there is one.
    pub fn last_switch_mut(&mut self) -> Option<Option<&mut Cursor>> {
        if self.switches == 0 {
            return None;
        }
        self.edits.iter_mut().rev().find_map(|edit| match &mut edit.kind {
            EditKind::Switch { next } => Some(next.as_deref_mut()),
            _ => None,
        })
    }

    /// All edits in their order.
    pub fn edits(&self) -> impl Iterator<Item = &Edit> {
        self.edits.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// `length` inserted bytes from `start` on, in one or two pieces.
    pub fn bytes(&self, start: usize, length: usize) -> impl Iterator<Item = &[u8]> {
        let (first, second) = self.bytes.as_slices();
        let of_first = first.get(start.min(first.len())..(start + length).min(first.len()));
        let (start, end) = (start.saturating_sub(first.len()), (start + length).saturating_sub(first.len()));
        let of_second = second.get(start..end);
        [of_first, of_second].into_iter().flatten().filter(|piece| !piece.is_empty())
    }

    /// Removes the first edit, whose position is reached, if `sent` covers all of its bytes; otherwise only the covered
    /// part. Subtracts these bytes from `sent`.
    pub fn take_front(&mut self, sent: &mut usize) -> Option<EditKind> {
        match &mut self.edits.front_mut()?.kind {
            EditKind::Insert { length, source } => {
                let taken = (*length).min(*sent);
                *sent -= taken;
                *length -= taken;
                self.bytes.drain(..taken);
                self.backlog.remove(taken);
                if *source == Source::Room {
                    self.from_others -= taken;
                }
                if *length > 0 {
                    return None;
                }
            }
            EditKind::Shared { from, to, .. } => {
                let taken = (*to - *from).min(*sent as u64);
                *sent -= usize::try_from(taken).unwrap_or(*sent);
                *from += taken;
                self.shared -= taken;
                if *from < *to {
                    return None;
                }
            }
            EditKind::Skip { .. } | EditKind::Switch { .. } => {}
        }
        let Edit { at, kind } = self.edits.pop_front()?;
        match kind {
            EditKind::Switch { .. } => self.switches -= 1,
            EditKind::Skip { to } => self.skipped = self.skipped.saturating_sub(to - at),
            EditKind::Insert { .. } | EditKind::Shared { .. } => {}
        }
        Some(kind)
    }

    /// Notes that `bytes` of the current feed are sent or skipped.
    pub fn note_passed(&mut self, bytes: u64) {
        if self.switches > 0 {
            self.left = self.left.saturating_sub(bytes);
        }
    }

    /// The lag of its client, of whose last feed `ahead` bytes are unsent: these, bytes from others, and unsent bytes of the
    /// feeds before the last switch; but not what is skipped.
    #[must_use]
    pub fn lag(&self, ahead: u64) -> u64 {
        (ahead + self.from_others as u64 + self.shared + self.left).saturating_sub(self.skipped)
    }

    /// Unsent bytes of the client's own answers.
    #[must_use]
    pub fn answers(&self) -> usize {
        self.bytes.len() - self.from_others
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.backlog.remove(self.bytes.len());
    }
}
