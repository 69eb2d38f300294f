//! What waits to be written. The room never waits for the disk: when too much waits, what comes next is not kept, and a
//! gap takes its place. A plain value without a lock.

use std::collections::VecDeque;

use crate::chat::{Durable, Event, Gap, Record};

/// Bytes that may wait. At 100 bytes a line this is more than a second of the fastest talk that was ever measured.
const CAPACITY: usize = 8 << 20;
/// The same for redactions and bans: people were told that the line is gone, or that somebody is kept out.
const REDACTIONS: usize = 2 * CAPACITY;
/// The most items, and about the most bytes, of one transaction.
const BATCH: usize = 4096;
const BATCH_BYTES: usize = 1 << 20;
/// The memory of one item apart from its text, roughly.
const OVERHEAD: usize = 128;

/// Items in their order, with a bound.
#[derive(Debug, Default)]
pub struct Queue {
    /// As they were handed over: the chat's thread does not touch them again.
    chunks: VecDeque<Vec<Durable>>,
    /// Of the items here and of those that were taken but are not written yet.
    bytes: usize,
    /// What has been dropped since the last item.
    gap: Option<Gap>,
}

/// The memory of an item, roughly.
fn size(item: &Durable) -> usize {
    let text = match item {
        Durable::Event(record) => record.size(),
        Durable::Gap(_) => 0,
        Durable::Marker { account, target, .. } => account.len() + target.len(),
        // What is text in it has a small bound.
        Durable::Banned(_) | Durable::Unbanned(_) => OVERHEAD,
    };
    OVERHEAD + text
}

impl Queue {
    /// Adds items. Returns how many of them will not be kept. After one that is not, nothing is kept until half of the room
    /// is free again, so that there is one large gap and not many small ones.
    pub fn push(&mut self, items: Vec<Durable>) -> u64 {
        let bytes: usize = items.iter().map(size).sum();
        if self.gap.is_none() && self.bytes + bytes <= CAPACITY {
            self.bytes += bytes;
            if !items.is_empty() {
                self.chunks.push_back(items);
            }
            return 0;
        }
        let (mut fitting, mut lost) = (Vec::new(), 0);
        for item in items {
            let limit = match &item {
                Durable::Event(Record { event: Event::Redacted { .. }, .. })
                | Durable::Banned(_)
                | Durable::Unbanned(_) => REDACTIONS,
                _ if self.gap.is_some() => CAPACITY / 2,
                _ => CAPACITY,
            };
            if self.bytes + size(&item) > limit {
                lost += 1;
                match (&item, &mut self.gap) {
                    (Durable::Event(record), Some(gap)) => gap.extend(record.stamp),
                    (Durable::Event(record), None) => self.gap = Some(Gap::from(record.stamp)),
                    _ => {}
                }
                continue;
            }
            let gap = self.gap.take().map(Durable::Gap);
            for item in gap.into_iter().chain([item]) {
                self.bytes += size(&item);
                fitting.push(item);
            }
        }
        if !fitting.is_empty() {
            self.chunks.push_back(fitting);
        }
        lost
    }

    /// Removes items for one transaction, oldest first. They count until they are [written](Self::written).
    pub fn take(&mut self) -> Vec<Durable> {
        let mut batch = self.chunks.pop_front().unwrap_or_default();
        let mut bytes: usize = batch.iter().map(size).sum();
        while batch.len() < BATCH
            && bytes < BATCH_BYTES
            && let Some(chunk) = self.chunks.pop_front()
        {
            bytes += chunk.iter().map(size).sum::<usize>();
            batch.extend(chunk);
        }
        if self.chunks.is_empty()
            && let Some(gap) = self.gap.take()
        {
            let gap = Durable::Gap(gap);
            self.bytes += size(&gap);
            batch.push(gap);
        }
        batch
    }

    /// These items are written, or given up. Returns their bytes.
    pub fn written(&mut self, items: &[Durable]) -> usize {
        let bytes = items.iter().map(size).sum::<usize>();
        self.bytes -= bytes.min(self.bytes);
        if self.chunks.is_empty() {
            // Frees the memory that a burst needed.
            self.chunks = VecDeque::new();
        }
        bytes
    }

    /// The bytes of the items that are not written yet.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.gap.is_none()
    }

    /// How many items wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Nick, Person, Stamp};

    fn item(sequence: u64) -> Durable {
        let text = "x".repeat(1000).into();
        Durable::Event(Record { stamp: Stamp { sequence, unix: 10 * sequence }, event: Event::Notice(text) })
    }

    /// A queue that is full behind the last of so many items.
    fn full() -> (Queue, u64) {
        let mut queue = Queue::default();
        let fitting = (1..).take_while(|number| queue.push(vec![item(*number)]) == 0).count() as u64;
        (queue, fitting)
    }

    fn stamp(sequence: u64) -> Stamp {
        Stamp { sequence, unix: 10 * sequence }
    }

    #[test]
    fn what_does_not_fit_becomes_one_gap_in_its_place() {
        let (mut queue, fitting) = full();
        assert_eq!(fitting, (CAPACITY / (1000 + OVERHEAD)) as u64);
        assert_eq!(queue.push(vec![item(fitting + 2)]), 1, "a gap goes on until there is room again");
        let first = queue.take();
        assert!((900..1000).contains(&first.len()), "about a mebibyte: {}", first.len());
        queue.written(&first);
        assert_eq!(queue.push(vec![item(fitting + 3), item(fitting + 4)]), 2, "a few free places do not end it");
        let mut taken = Vec::new();
        while queue.chunks.len() > 1000 {
            taken.extend(queue.take());
        }
        assert_eq!(queue.push(vec![item(fitting + 5)]), 1, "taken is not written");
        queue.written(&taken);
        assert_eq!(queue.push(vec![item(fitting + 6)]), 0);
        let mut rest = Vec::new();
        while !queue.is_empty() {
            rest.extend(queue.take());
        }
        let gap = Gap { first: stamp(fitting + 1), last: stamp(fitting + 5), count: 5 };
        assert_eq!(rest[rest.len() - 2..], [Durable::Gap(gap), item(fitting + 6)]);
        queue.written(&rest);
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn a_redaction_is_kept_though_the_queue_is_full() {
        let (mut queue, fitting) = full();
        let by = Person::named(Nick::new("ana").unwrap()).into();
        let event = Event::Redacted { by, line: 1, reason: None };
        let redaction = Durable::Event(Record { stamp: stamp(fitting + 2), event });
        assert_eq!(queue.push(vec![redaction.clone()]), 0);
        assert_eq!(queue.push(vec![item(fitting + 3)]), 1);
        let mut all = Vec::new();
        while !queue.is_empty() {
            all.extend(queue.take());
        }
        let gap = |sequence| Durable::Gap(Gap::from(stamp(sequence)));
        assert_eq!(all[all.len() - 3..], [gap(fitting + 1), redaction, gap(fitting + 3)]);
        queue.written(&all);
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn a_gap_is_written_though_nothing_follows_it() {
        let (mut queue, fitting) = full();
        let mut all = Vec::new();
        while !queue.is_empty() {
            all.extend(queue.take());
        }
        let Some(Durable::Gap(gap)) = all.last() else { panic!("no gap") };
        assert_eq!((gap.first.sequence, gap.count), (fitting + 1, 1));
        queue.written(&all);
        assert_eq!(queue.bytes, 0);
    }
}
