//! The edits of a feed that make it what one client is sent.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::room::{Backlog, Cursor};

/// All edits, in the order of their positions.
pub struct Outbox {
    /// What is inserted, one piece after the other.
    bytes: VecDeque<u8>,
    edits: VecDeque<Edit>,
    /// How many bytes of it are not the client's own answers.
    from_others: usize,
    /// How many switches there are.
    switches: usize,
    /// Bytes of feeds that are to be left, up to where they are left.
    left: u64,
    backlog: Arc<Backlog>,
}

/// When everything before `at` is sent, this comes.
pub struct Edit {
    /// A position in the feed that is read then; 0 when none is.
    pub at: u64,
    /// What comes.
    pub kind: EditKind,
}

/// A change of what a client is sent.
pub enum EditKind {
    /// The next bytes of the outbox.
    Insert {
        /// How many.
        length: usize,
        /// Whose they are.
        source: Source,
    },
    /// The feed up to here is left out.
    Skip {
        /// Where the feed goes on.
        to: u64,
    },
    /// Another feed is read from now on, or none.
    Switch {
        /// Where.
        next: Option<Box<Cursor>>,
    },
}

/// Whose doing it is that a client is sent something alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It has asked: as long as it does not read the answers, its questions are not read either.
    Own,
    /// Others: it counts as lag, like what everybody is sent.
    Room,
}

impl Outbox {
    /// An empty one, whose bytes count as backlog.
    #[must_use]
    pub fn new(backlog: &Arc<Backlog>) -> Outbox {
        let (bytes, edits) = Default::default();
        Outbox { bytes, edits, from_others: 0, switches: 0, left: 0, backlog: backlog.clone() }
    }

    /// Adds bytes at a position of the feed that is read last.
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

    /// Leaves out a piece of the feed that is read last.
    pub fn skip(&mut self, from: u64, to: u64) {
        match self.edits.back_mut() {
            Some(Edit { kind: EditKind::Skip { to: until }, .. }) if *until == from => *until = to,
            _ => self.edits.push_back(Edit { at: from, kind: EditKind::Skip { to } }),
        }
    }

    /// Leaves the feed that is read last, of which `left` bytes are not sent yet.
    pub fn switch(&mut self, at: u64, next: Option<Cursor>, left: u64) {
        self.switches += 1;
        self.left += left;
        self.edits.push_back(Edit { at, kind: EditKind::Switch { next: next.map(Box::new) } });
    }

    /// Where the last switch goes, if there is one.
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

    /// Where the last switch goes, if there is one.
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

    /// Whether there are none any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// `length` bytes of what is inserted from `start` on, in the one or two pieces that they lie in.
    pub fn bytes(&self, start: usize, length: usize) -> impl Iterator<Item = &[u8]> {
        let (first, second) = self.bytes.as_slices();
        let of_first = first.get(start.min(first.len())..(start + length).min(first.len()));
        let (start, end) = (start.saturating_sub(first.len()), (start + length).saturating_sub(first.len()));
        let of_second = second.get(start..end);
        [of_first, of_second].into_iter().flatten().filter(|piece| !piece.is_empty())
    }

    /// Takes the first edit off when its position is reached and `sent`, from which its bytes are counted off, has all of
    /// it.
    pub fn take_front(&mut self, sent: &mut usize) -> Option<EditKind> {
        if let Edit { kind: EditKind::Insert { length, source }, .. } = self.edits.front_mut()? {
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
        let kind = self.edits.pop_front()?.kind;
        self.switches -= usize::from(matches!(kind, EditKind::Switch { .. }));
        Some(kind)
    }

    /// Notes that `bytes` of the feed that is read now are sent or left out.
    pub fn note_passed(&mut self, bytes: u64) {
        if self.switches > 0 {
            self.left = self.left.saturating_sub(bytes);
        }
    }

    /// Bytes that the client lags behind because of it: without its own answers, and with what is left of other feeds.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.from_others as u64 + self.left
    }

    /// Bytes of the client's own answers.
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
